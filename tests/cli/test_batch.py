"""The commands `batch`."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from runpod import Batch, Batches
from runpod._protocol import batch_wait
from runpod.local import LocalServer
from tests.cli.programs import Terminal
from tests.media.samples import PNG, data_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Command

ROWS = b'{"id": "a", "n": 1}\n{"id": "b", "n": 2}\n'
WITH_BAD_ROWS = b'{"id": "a", "n": 1}\nnonsense\n{"id": "b", "fail": true}\n[]\n'


def handler(job: dict[str, Any]) -> Any:
    given = job["input"]
    if given.get("fail"):
        raise ValueError("no unicorns")
    return {"id": given["id"], **({"image": data_url(PNG, "image/png")} if given.get("picture") else {})}


@pytest.fixture(scope="module")
def running() -> Iterator[LocalServer]:
    with LocalServer({"ep": handler}) as server:
        yield server


@pytest.fixture(autouse=True)
def server(running: LocalServer, monkeypatch: pytest.MonkeyPatch) -> LocalServer:
    monkeypatch.setenv("RUNPOD_API_KEY", running.api_key)
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", running.base_url)
    monkeypatch.setattr(batch_wait, "FIRST_INTERVAL", 0.02)
    return running


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_batch_from_its_rows_to_its_results(cli: Command, tmp_path: Path) -> None:
    created = cli("batch", "create", "ep", "-", "--key", "id", "--name", "two", "--no-finalize", stdin=ROWS)
    assert (0, "") == (created.status, created.err)
    batch = created.json["id"]
    assert {"id": batch, "name": "two", "status": "DRAFT", "requestTotal": 2} == {
        name: created.json[name] for name in ("id", "name", "status", "requestTotal")
    }
    waited = cli("batch", "wait", "ep", batch)
    message = "is a draft, which does not run: start it with `runpod-sdk batch finalize` first."
    assert (2, "") == (waited.status, waited.out)
    assert message in waited.err
    assert "FINALIZED" == cli("batch", "finalize", "ep", batch).json["status"]
    assert 2 == cli("batch", "wait", "ep", batch, "--timeout", "20").json["requestCompleted"]
    assert 2 == cli("batch", "status", "ep", batch).json["requestTotal"]
    assert batch == cli("batch", "list", "ep").json["batches"][0]["id"]
    found = cli("batch", "results", "ep", batch, "--key", "id")
    assert (0, "") == (found.status, found.err)
    results = {line["key"]: line for line in lines(found.out)}
    assert {"a", "b"} == results.keys()
    assert ({"id": "a"}, "COMPLETED") == (results["a"]["output"], results["a"]["status"])
    assert results["a"]["completed_at"]


def test_requests_that_fail(cli: Command) -> None:
    arguments = ("batch", "create", "ep", "-", "--wait", "--timeout", "20")
    refused = cli(*arguments, stdin=WITH_BAD_ROWS)
    assert (2, "") == (refused.status, refused.out)
    assert "line 2 of standard input: not valid JSON" in refused.err
    assert "Nothing was submitted. Pass --on-error skip" in refused.err
    done = cli(*arguments, "--on-error", "skip", stdin=WITH_BAD_ROWS)
    assert (1, 1, 1) == (done.status, done.json["requestCompleted"], done.json["requestFailed"])
    assert "Skipped line 4 of" in done.err
    found = cli("batch", "results", "ep", done.json["id"], "--page-size", "1")
    assert (1, "1 of 2 requests have not completed.\n") == (found.status, found.err)
    assert "no unicorns" in str(lines(found.out)[1]["error"])


def test_pictures_are_saved(cli: Command, tmp_path: Path) -> None:
    done = cli("batch", "create", "ep", "-", "--wait", stdin=b'{"id": "a", "picture": true}')
    found = cli("batch", "results", "ep", done.json["id"], "--save", str(tmp_path / "pictures"))
    [path] = (tmp_path / "pictures").iterdir()
    assert ([str(path)], PNG) == (lines(found.out)[0]["saved"], path.read_bytes())
    assert path.name.startswith("0000-")


def test_cancelling(cli: Command) -> None:
    batch = cli("batch", "create", "ep", "-", "--no-finalize", stdin=ROWS).json["id"]
    refused = cli("batch", "cancel", "ep", batch)
    assert (2, "") == (refused.status, refused.out)
    assert f"Nothing was cancelled. Add --yes to drop the queued requests of batch {batch!r}." in refused.err
    assert "DRAFT" == cli("batch", "status", "ep", batch).json["status"]
    done = cli("batch", "cancel", "ep", batch, "--yes")
    assert (0, "CANCELLED") == (done.status, done.json["status"])
    assert 1 == cli("batch", "wait", "ep", batch).status


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("create", "ep", "-", "--wait", "--no-finalize"), "a draft does not run"),
        (("create", "ep", "-", "--timeout", "5"), "--timeout is for --wait, which is missing"),
        (("create", "ep", "-", "--max-requests", "1"), "If your account allows more, pass a higher --max-requests."),
        (("create", "ep", "-", "--key", "name"), "input['name'] is missing"),
        (("status", "ep", " "), "batch_id is blank"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_usage(cli: Command, arguments: tuple[str, ...], message: str, running: LocalServer) -> None:
    before = len(running.requests)
    done = cli("batch", *arguments, stdin=ROWS)
    assert (2, "", before) == (done.status, done.out, len(running.requests))
    assert message in done.err


def test_without_rows(cli: Command, running: LocalServer) -> None:
    before = len(running.requests)
    done = cli("batch", "create", "ep", "-", "--on-error", "skip", stdin=b"nonsense\n")
    assert (2, "", before) == (done.status, done.out, len(running.requests))
    assert "There are no rows. Nothing was submitted." in done.err
    assert 0 == cli("batch", "create", "ep", "-", "--no-finalize", stdin=b"").json["requestTotal"]


def test_how_to_go_on(cli: Command, monkeypatch: pytest.MonkeyPatch, running: LocalServer) -> None:
    batch = cli("batch", "create", "ep", "-", stdin=ROWS).json["id"]
    assert 5 == cli("batch", "status", "ep", "missing").status

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Batch, "wait", interrupt)
    done = cli("batch", "wait", "ep", batch)
    assert (130, "") == (done.status, done.out)
    assert f"The batch is {batch}. To go on: runpod-sdk batch wait ep {batch}" in done.err
    monkeypatch.setattr(Batch, "finalize", interrupt)
    stopped = cli("batch", "create", "ep", "-", stdin=ROWS)
    assert (130, "") == (stopped.status, stopped.out)
    assert ", and may have been started. To go on: runpod-sdk batch finalize ep " in stopped.err
    stopped = cli("batch", "finalize", "ep", batch)
    assert (130, "") == (stopped.status, stopped.out)
    assert f"The batch is {batch}, and may have been started. To go on: " in stopped.err
    monkeypatch.setattr(Batches, "create", interrupt)
    stopped = cli("batch", "create", "ep", "-", stdin=ROWS)
    assert (130, "") == (stopped.status, stopped.out)
    assert "Nothing runs; a draft may have been created: runpod-sdk batch list ep" in stopped.err
    monkeypatch.undo()
    monkeypatch.setenv("RUNPOD_API_KEY", running.api_key)
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", running.base_url)
    running.faults.delay("batch", 30)
    late = cli("batch", "wait", "ep", batch, "--timeout", "0.1")
    running.faults.clear()
    assert (3, "") == (late.status, late.out)
    assert (
        "It was not cancelled: wait for it again, or read what has ended with `runpod-sdk batch results`." in late.err
    )
    assert f"To go on: runpod-sdk batch wait ep {batch}" in late.err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_in_a_terminal(cli: Command) -> None:
    batch = cli("batch", "create", "ep", "-", "--name", "two", "--no-finalize", stdin=ROWS).json["id"]
    with Terminal("batch", "list", "ep") as terminal:
        shown = terminal.end().out
    assert "Batches of ep" in shown
    assert batch[:8] in shown
    with Terminal("batch", "status", "ep", batch) as terminal:
        shown = terminal.end().out
    assert re.search(r"createdAt\s+│ \d{4}-\d\d-\d\d \d\d:", shown)
    with Terminal("batch", "cancel", "ep", batch) as terminal:
        terminal.wait_for("Drop the queued requests of batch")
        terminal.type("n\n")
        done = terminal.end()
    assert 1 == done.status
    assert "Nothing was cancelled." in done.out
