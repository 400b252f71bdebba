from __future__ import annotations

import gc
import os
import signal
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

# Shells start background jobs with interrupts ignored. The programs that tests start would inherit that; a handler is
# reset to the default in them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples on every machine, and no deadline, since CI machines can be slow.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("dev", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


# What these test is the same on every Python, or nearly: what a browser or another program does, the pages, builds, the
# command line's runs. ONCE=no leaves them out.
ONCE = (
    "browser",
    "bulk/test_scale.py",
    "cli/test_bulk.py",
    "cli/test_map.py",
    "conformance",
    "facts",
    "faults/test_bulk_kills.py",
    "faults/test_campaign.py",
    "faults/test_decoders.py",
    "faults/test_soak.py",
    "integrations/test_dask.py",
    "integrations/test_ray.py",
    "local/test_openapi.py",
    "local/test_scale.py",
    "manage/test_prism.py",
    "media/test_notebook.py",
    "unit/test_async_form.py",
    "unit/test_build.py",
    "unit/test_docs.py",
    "unit/test_error_pages.py",
    "unit/test_examples.py",
    "unit/test_release.py",
    "unit/test_release_flow.py",
    "unit/test_site.py",
    "unit/test_tutorial.py",
    "unit/test_workflows.py",
    "uploads",
)
LEFT_OUT = ONCE if os.environ.get("ONCE") == "no" else ()
# The tests of types are checked by mypy and pyright, not executed.
collect_ignore = ["typing", *LEFT_OUT]

# These take longest, so they start first: nothing runs beside the last one.
FIRST = ("integrations/test_ray.py", "conformance", "unit/test_docs.py", "unit/test_site.py", "browser", "faults")


def pytest_report_header() -> list[str]:
    return [f"ONCE=no leaves out: {' '.join(LEFT_OUT)}"] if LEFT_OUT else []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folder = Path(__file__).parent

    @cache
    def place(file: Path) -> int:
        names = [parent.relative_to(folder).as_posix() for parent in (file, *file.parents) if folder in parent.parents]
        return min((FIRST.index(name) for name in names if name in FIRST), default=len(FIRST))

    items.sort(key=lambda item: place(item.path))


def pytest_collection_finish() -> None:
    # Garbage collections need not look at thousands of tests and modules again and again.
    gc.collect()
    gc.freeze()


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio. Tests that depend on the event loop override this fixture."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _isolated_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hide variables and the home folder: a developer's own API key, AWS credentials and proxies must not reach a test."""
    for name in list(os.environ):
        if name.upper().startswith(("AWS_", "RUNPOD_")) or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    # boto3 would ask the network for credentials.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return home
