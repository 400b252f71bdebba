"""Tests of the instrumentation as a process sees it: imports, programs, forks, exits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomli
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from runpod import ConfigurationError, Runpod, _observer
from runpod._opentelemetry.metrics import BUCKETS
from runpod.integrations import opentelemetry as integration
from runpod.integrations.opentelemetry import RunpodInstrumentor
from runpod.local import LocalServer
from tests.integrations.tracing import tracing

ROOT = Path(__file__).parents[2]


def run(code: str, *, command: tuple[str, ...] = (), **environment: str) -> tuple[str, str]:
    """Run a program, and return what it printed, and its stderr."""
    done = subprocess.run(
        [*command, sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout, done.stderr


SUBMIT = """
from runpod import Runpod
from runpod.local import LocalServer

with LocalServer({"ep": lambda job: job["input"]}) as server, Runpod(server.api_key, base_url=server.base_url) as client:
    client.endpoint("ep").run_sync(input={"n": 1})
    list(client.endpoint("ep").map([{"n": 1}]))
"""


def test_without_it_nothing_is_imported_or_observed() -> None:
    check = "import sys; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    check += "\nfrom runpod import _observer; print(_observer.current)"
    assert ("[]\nNone\n", "") == run(SUBMIT + check)


def test_without_the_packages_the_extra_is_named() -> None:
    code = """
import sys
sys.modules["opentelemetry"] = None
try:
    import runpod.integrations.opentelemetry
except Exception as error:
    print(type(error).__name__, error)
"""
    stdout, _ = run(code)
    assert stdout.startswith("ConfigurationError runpod.integrations.opentelemetry needs OpenTelemetry")
    assert 'pip install "runpod-sdk[opentelemetry]"' in stdout


def test_opentelemetry_instrument_finds_it(tmp_path: Path) -> None:
    # Like what an installation makes of the project's metadata.
    project = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    group = "opentelemetry_instrumentor"
    lines = [f"{name} = {value}" for name, value in project["entry-points"][group].items()]
    info = tmp_path / "instrumented-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: instrumented\nVersion: 1\n")
    # The package opentelemetry-distro has such an entry point.
    sdk = ["[opentelemetry_configurator]", "configurator = opentelemetry.sdk._configuration:_OTelSDKConfigurator"]
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, *sdk]))
    stdout, _ = run(
        SUBMIT,
        command=(str(Path(sys.executable).with_name("opentelemetry-instrument")),),
        PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT / "src")]),
        OTEL_TRACES_EXPORTER="console",
        OTEL_METRICS_EXPORTER="console",
        OTEL_LOGS_EXPORTER="none",
        OTEL_SERVICE_NAME="horses",
    )
    assert 2 == stdout.count('"name": "runpod.job ep"')
    assert 1 == stdout.count('"name": "runpod.map ep"')
    assert '"name": "runpod.job.ended"' in stdout
    assert '"runpod.job.status": "COMPLETED"' in stdout
    # Of httpx's own instrumentation.
    assert '"name": "POST"' in stdout


UNFINISHED = """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from opentelemetry.trace import set_tracer_provider
from runpod import Runpod
from runpod.integrations.opentelemetry import RunpodInstrumentor
from runpod.local import LocalServer

def late():
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(formatter=lambda span: span.to_json(None) + "\\n")))
    set_tracer_provider(provider)

server = LocalServer({"ep": lambda job: job["input"]}, workers=0)
server.__enter__()
client = Runpod(server.api_key, base_url=server.base_url)
"""


@pytest.mark.parametrize(
    "order", ["late(); RunpodInstrumentor().instrument()", "RunpodInstrumentor().instrument(); late()"]
)
def test_open_spans_are_exported_at_exit(order: str) -> None:
    stdout, stderr = run(f"{UNFINISHED}\n{order}\nclient.endpoint('ep').run(input={{'n': 1}})")
    assert '"runpod.job.status": "UNKNOWN"' in stdout
    assert "" == stderr


def test_a_map_that_the_exit_interrupts_is_exported() -> None:
    code = f"""{UNFINISHED}
late(); RunpodInstrumentor().instrument()
import threading
second = threading.Event()
def inputs():
    yield {{"n": 1}}
    second.set()
    threading.Event().wait()
results = client.endpoint("ep").map(inputs(), in_flight=2)
threading.Thread(target=lambda: next(results), daemon=True).start()
second.wait()
"""
    stdout, _ = run(code)
    assert 1 == stdout.count('"name": "runpod.map ep"')


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are of Unix")
def test_a_forked_process_leaves_the_spans_of_its_parent() -> None:
    code = """
import os, sys
from runpod import Runpod
from runpod.local import LocalServer
from tests.integrations.tracing import tracing, attributes

with LocalServer({"ep": lambda job: job["input"]}) as server, tracing() as traced:
    job = Runpod(server.api_key, base_url=server.base_url).endpoint("ep").run(input={"n": 1})
    pid = os.fork()
    if not pid:
        job = Runpod(server.api_key, base_url=server.base_url).endpoint("ep").job(job.id)
        job.wait()
        span = traced.one()
        print(attributes(span).get("runpod.job.submitted_elsewhere"), span.parent is not None, span.parent.span_id)
        sys.stdout.flush()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    job.wait()
    span = traced.one()
    print(attributes(span).get("runpod.job.submitted_elsewhere"), span.context.span_id)
"""
    stdout, _ = run(code, PYTHONPATH=os.pathsep.join([str(ROOT), str(ROOT / "src")]))
    child, parent = stdout.splitlines()
    assert ["True", "True", "None"] == [*child.split()[:2], parent.split()[0]]
    assert child.split()[-1] == parent.split()[-1]


@pytest.mark.parametrize("limit", [0, -1, True, "many", 1.5])
def test_a_bad_limit_is_refused(limit: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_open_jobs must be a positive integer"):
        RunpodInstrumentor().instrument(max_open_jobs=limit)
    assert _observer.current is None
    assert not RunpodInstrumentor().is_instrumented_by_opentelemetry


def test_it_is_one_instrumentor_and_needs_no_other_package() -> None:
    assert RunpodInstrumentor() is RunpodInstrumentor()
    assert isinstance(RunpodInstrumentor(), BaseInstrumentor)
    assert () == RunpodInstrumentor().instrumentation_dependencies()
    assert ["RunpodInstrumentor"] == integration.__all__


def test_all_is_restored() -> None:
    with tracing():
        assert _observer.current is not None
    assert _observer.current is None
    with tracing() as traced, LocalServer({"ep": lambda job: job["input"]}) as server:
        with Runpod(server.api_key, base_url=server.base_url) as client:
            client.endpoint("ep").run_sync(input={"n": 1})
        assert 1 == len(traced.named("runpod.job ep"))


def test_names_units_and_buckets_of_the_metrics() -> None:
    with tracing() as traced, LocalServer({"ep": lambda job: job["input"]}) as server:
        with Runpod(server.api_key, base_url=server.base_url) as client:
            client.endpoint("ep").run(input={"n": 1}).wait()
        [resource] = traced.metrics_data().resource_metrics
    [scope] = resource.scope_metrics
    assert "runpod" == scope.scope.name
    assert {
        "runpod.job.ended": "{job}",
        "runpod.job.active": "{job}",
        "runpod.job.queue.duration": "s",
        "runpod.job.run.duration": "s",
    } == {metric.name: metric.unit for metric in scope.metrics}
    bounds = {metric.name: getattr(metric.data.data_points[0], "explicit_bounds", None) for metric in scope.metrics}
    assert (BUCKETS, BUCKETS) == (bounds["runpod.job.queue.duration"], bounds["runpod.job.run.duration"])
