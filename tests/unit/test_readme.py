"""The Python in README.md works: every block is compiled, and run on a local server.

A comment before a block says how, where it is not run as it is:

    <!-- readme: job -->       it goes on with a `job`
    <!-- readme: pytest -->    it is a file of tests
    <!-- readme: worker -->    it is a file of the chapter that tests/conformance/test_readme.py goes through
    <!-- readme: client -->    as well
"""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import httpx
import pytest

import runpod
from runpod import AsyncRunpod, Runpod
from runpod.local import LocalServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

FENCE = re.compile(r"^(?:<!-- readme: (?P<how>\w+) -->\n)?```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    line: int
    how: str
    code: str

    def compiled(self) -> CodeType:
        # At their own lines, so that a traceback points into the README.
        code = "\n" * (self.line - 1) + self.code
        return compile(code, str(README), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)

    @property
    def is_async(self) -> bool:
        return bool(self.compiled().co_flags & inspect.CO_COROUTINE)


def blocks(page: Path = README) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(text[: m.start("code")].count("\n") + 1, m["how"] or "run", m["code"]) for m in FENCE.finditer(text)]


def horse(job: dict[str, Any]) -> dict[str, str]:
    prompt = job["input"]["prompt"]
    if "unicorn" in prompt:
        raise ValueError("there are no unicorns")
    return {"prompt": prompt, "image": "…"}


def horses(job: dict[str, Any]) -> Iterator[str]:
    for number in range(1, int(job["input"]["prompt"][0]) + 1):
        yield f"photo {number}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    with LocalServer({"ENDPOINT_ID": horse, "STREAM_ENDPOINT_ID": horses}) as server:
        monkeypatch.setenv("RUNPOD_API_KEY", server.api_key)
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", server.base_url)
        yield server


def run(block: Block, http_client: httpx.Client | None = None) -> dict[str, Any]:
    """What a block leaves behind, having gone on from the one that makes `client` and `endpoint`."""
    client = Runpod(http_client=http_client)
    endpoint = client.endpoint("ENDPOINT_ID")
    names: dict[str, Any] = {"client": client, "endpoint": endpoint}
    if block.how == "job":
        names["job"] = endpoint.run(input={"prompt": "a horse"})
    try:
        if block.is_async:

            async def main() -> None:
                await eval(block.compiled(), names)

            anyio.run(main)
        else:
            exec(block.compiled(), names)
    finally:
        for each in (client, *names.values()):
            if isinstance(each, Runpod):
                each.close()
    return names


@pytest.mark.parametrize("block", blocks(), ids=lambda block: f"line {block.line}")
def test_a_block_runs(block: Block, server: LocalServer, tmp_path: Path) -> None:
    if block.how == "pytest":
        file = tmp_path / "test_block.py"
        file.write_text(block.code, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file)]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert f"{block.code.count('def test_')} passed" in result.stdout, result.stdout + result.stderr
    elif block.how in {"worker", "client"}:
        block.compiled()
    else:
        assert block.how in {"run", "job"}
        run(block)


def containing(text: str) -> Block:
    [found] = [block for block in blocks() if text in block.code]
    return found


def test_no_block_is_missed() -> None:
    assert README.read_text(encoding="utf-8").count("```python") == len(blocks())


def test_the_first_lines_print_the_output(server: LocalServer, capsys: pytest.CaptureFixture[str]) -> None:
    text = README.read_text(encoding="utf-8").partition("## Ten lines")[2]
    sync, asynchronous = [block for block in blocks() if block.code in text][:2]
    assert (False, True) == (sync.is_async, asynchronous.is_async)
    run(sync)
    run(asynchronous)
    printed = "{'prompt': 'a photo of a horse the size of a Boeing 787', 'image': '…'}\n"
    assert printed * 2 == capsys.readouterr().out


def test_the_async_lines_are_the_sync_lines() -> None:
    sync, asynchronous = blocks()[:2]
    text = asynchronous.code.replace("AsyncRunpod", "Runpod").replace("async with", "with").replace("await ", "")
    assert sync.code == text


def test_the_stream_prints_every_chunk(server: LocalServer, capsys: pytest.CaptureFixture[str]) -> None:
    run(containing("7 photos"))
    assert "".join(f"photo {n}\n" for n in range(1, 8)) == capsys.readouterr().out


def test_watching_ends_with_the_end(server: LocalServer, capsys: pytest.CaptureFixture[str]) -> None:
    run(containing("job.watch("))
    assert capsys.readouterr().out.startswith("IN_QUEUE None\n")


def test_a_failure_is_explained(server: LocalServer, capsys: pytest.CaptureFixture[str]) -> None:
    run(containing("JobFailedError as error"))
    first, *rest = capsys.readouterr().out.splitlines()
    assert "ValueError: there are no unicorns" in first
    assert "Traceback (most recent call last):" in rest


def test_a_typed_output_has_its_type(server: LocalServer) -> None:
    names = run(containing("output_type=Horse"))
    assert isinstance(names["horse"], names["Horse"])


def test_the_policies_of_both_forms_are_the_same(server: LocalServer) -> None:
    run(containing('"executionTimeout": 60_000'))
    run(containing("ExecutionPolicy(execution_timeout=timedelta"))
    mapping, models = (record.body for record in server.requests if record.path.endswith("/run"))
    assert b'"policy":{"executionTimeout":60000,"ttl":3600000}' in mapping
    assert b'"policy":{"executionTimeout":60000,"ttl":3600000,"lowPriority":true}' in models


def test_a_job_that_takes_longer_than_the_timeout_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    found = threading.Event()
    wait = runpod.Job.wait

    def found_and_wait(self: runpod.Job, **options: Any) -> runpod.JobState:
        found.set()
        return wait(self, **options)

    def slow(job: dict[str, Any]) -> bool:
        return found.wait(60)

    monkeypatch.setattr(runpod.Job, "wait", found_and_wait)
    block = containing("RunpodTimeoutError as error")
    # The same lines with less patience, but enough for the id to come.
    block = block._replace(code=block.code.replace("timeout=5)", "timeout=1.5)"))
    with LocalServer({"ENDPOINT_ID": slow}) as server:
        monkeypatch.setenv("RUNPOD_API_KEY", server.api_key)
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", server.base_url)
        state = run(block)["state"]
    assert state.succeeded
    assert [state.id] == [job["id"] for job in server.jobs["ENDPOINT_ID"]]


def lost(request: httpx.Request) -> httpx.Response:
    if request.method == "POST":
        raise httpx.ReadError("reset")
    return httpx.Response(200, json={"jobs": {"inQueue": 1}})


def cut_short(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, text='{"id": "JOB_ID", "status": "IN_')


def refused(request: httpx.Request) -> httpx.Response:
    return httpx.Response(401)


def test_what_to_do_where_a_submission_may_be_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "key")
    block = containing("error.maybe_submitted")
    with pytest.raises(runpod.APIConnectionError):
        run(block, httpx.Client(transport=httpx.MockTransport(lost)))
    assert "a job that nobody waits for: completed=0" in capsys.readouterr().out
    assert "JOB_ID" == run(block, httpx.Client(transport=httpx.MockTransport(cut_short)))["job"].id
    with pytest.raises(runpod.AuthenticationError):
        run(block, httpx.Client(transport=httpx.MockTransport(refused)))
    assert "" == capsys.readouterr().out


def test_the_tree_of_errors_is_the_one_in_the_docstring() -> None:
    tree = inspect.cleandoc(runpod.errors.__doc__ or "").partition("\n\n")[2].partition("\n\n")[0]
    assert inspect.cleandoc(tree) in README.read_text(encoding="utf-8")


def test_links_lead_somewhere() -> None:
    text = README.read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif "://" not in target:
            assert (ROOT / target).exists(), target


def test_names_of_methods_and_fields_exist() -> None:
    text = README.read_text(encoding="utf-8")
    made = {
        "client": Runpod,
        "endpoint": runpod.Endpoint,
        "job": runpod.Job,
        "state": runpod.JobState,
        "server": LocalServer,
    }
    # The first column of the last two tables is other people's API.
    ours = re.sub(r"^\| `[^|]*\|", "|", text.partition("## Coming from the JavaScript")[2], flags=re.MULTILINE)
    text = text.partition("## Coming from the JavaScript")[0] + ours
    for name, attribute in re.findall(r"\b(client|endpoint|job|state|server)\.([a-z_]+)", text):
        known = {*dir(made[name]), *getattr(made[name], "model_fields", {}), *made[name].__annotations__}
        known |= {"id", "endpoint"} if name in {"job", "endpoint"} else set()
        assert attribute in known, f"{name}.{attribute}"


def test_defaults_are_those_of_the_code() -> None:
    def default(function: Any) -> Any:
        return inspect.signature(function).parameters["timeout"].default

    assert 30.0 == default(Runpod) == default(AsyncRunpod)
    for name in ("run", "status", "cancel", "retry", "health", "purge_queue"):
        assert default(getattr(runpod.Endpoint, name)) is runpod.CLIENT_DEFAULT
    assert default(runpod.Job.refresh) is runpod.CLIENT_DEFAULT
    assert 90.0 == default(runpod.Endpoint.run_sync) == default(runpod.Endpoint.status_sync)
    for function in (
        runpod.Job.wait,
        runpod.Job.result,
        runpod.Job.watch,
        runpod.Job.stream,
        runpod.Endpoint.stream,
    ):
        assert default(function) is None
