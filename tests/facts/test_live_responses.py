"""`scripts/live` survives whatever the service sends, and shows no key."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from live_checks.__main__ import run
from live_checks.checks import CHECKS
from live_checks.service import Budget, Service
from runpod._config import load_config
from runpod.local import LocalServer
from tests.facts.live import NAMES, endless, horse, hostile, perform, service_of
from tests.servers import KEY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.servers import Connection


def constant(body: bytes, status: str = "200 OK", headers: str = "") -> Callable[[Connection], None]:
    def behave(connection: Connection) -> None:
        while connection.read_request():
            connection.respond(body, status=status, headers=headers)

    return behave


def echo(connection: Connection) -> None:
    """Quote the request, with its key."""
    while request := connection.read_request():
        key = f"X-Echo: {KEY}\r\nRetry-After: {KEY}\r\n{KEY}: 1\r\n"
        connection.respond(json.dumps({"error": request.decode("latin-1")}).encode(), status="400 Bad", headers=key)


EVIL = b'{"error": "```\\n</details>@everyone | a | \\u001b[2J <script>alert(1)</script>", "id": "```@x|y", "status": "IN_QUEUE"}'


@pytest.mark.parametrize(
    "behave",
    [
        constant(b"<html>hello</html>"),
        constant(b""),
        constant(b"[" * 200_000),
        constant(b"null"),
        constant(b'{"id": 5, "status": {}, "stream": 3, "workers": [], "batches": {}}'),
        constant(b'{"id": "", "status": "COMPLETED"}'),
        constant(b"x" * 3_000_000, "500 Down"),
        constant(b"{}", "302 Found", "Location: https://elsewhere.example/\r\n"),
        constant(EVIL),
        constant(b"``` ends the block"),
        constant(b"{}", "429 Slow", "Retry-After: 86400\r\n"),
        echo,
        endless,
        lambda connection: (connection.read_request(), connection.reset()),
        lambda connection: (connection.read_request(), connection.send(b"nonsense")),
    ],
    ids=["html", "empty", "deep", "null", "types", "blank", "large", "redirect", "evil", "fence", "429", "echo", "endless", "reset", "nonsense"],
)  # fmt: skip
def test_hostile_servers(behave: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    outcome = hostile(behave, folder=tmp_path)
    printed = "".join(capfd.readouterr())
    assert outcome.status in {0, 1, 3}
    assert {fact for name in NAMES if name != "large-body" for fact in NAMES[name].facts} == outcome.verdicts.keys()
    for text in (printed, outcome.markdown, json.dumps(outcome.report)):
        assert KEY not in text
        assert "\x1b" not in text
    # What was sent is within the code block, which nothing in it ends.
    before, _, code = outcome.markdown.partition("<details>")
    fence = next(line for line in code.splitlines() if line.startswith("```")).rstrip("tex")
    assert 2 == sum(line.startswith(fence) for line in code.splitlines())
    assert "@everyone" not in before + printed
    assert len(outcome.markdown) < 300_000


def test_after_an_accepted_retry_the_job_has_not_ended(tmp_path: Path) -> None:
    retried = threading.Event()

    def accept(connection: Connection) -> None:
        while request := connection.read_request():
            if b"/retry/" in request:
                retried.set()
            status = b"IN_QUEUE" if b"/retry/" in request or b"/run " in request else b"COMPLETED"
            connection.respond(b'{"id": "j", "status": "%b"}' % status)

    outcome = hostile(accept, "retry-completed", "cancel-late", "reads-by-post", folder=tmp_path)
    assert retried.is_set()
    assert "refuted" == outcome.verdicts.pop("protocol 1.9: refused retry")
    assert {"not decided"} == set(outcome.verdicts.values())
    assert "(cancelling)" == outcome.report["exchanges"][-1]["check"]


@pytest.mark.parametrize(("key", "endpoint"), [("wrong", "horse"), (None, "mule")])
def test_a_wrong_key_or_endpoint_ends_it_at_once(key: str | None, endpoint: str, tmp_path: Path) -> None:
    with LocalServer({"horse": horse}) as server:
        config = load_config(key or server.api_key, server.base_url, allow_insecure=False)
        service = Service(config, endpoint, {"n": 1}, Budget(100, 10, 60))
        assert 3 == run(service, CHECKS, tmp_path)
        assert 1 == len(server.requests)
    assert "Check the key and the endpoint ID" in (tmp_path / "report.md").read_text()


def test_the_key_is_sent_to_its_own_service_only(tmp_path: Path) -> None:
    with LocalServer({"horse": horse}) as server:
        config = load_config(server.api_key, server.base_url, allow_insecure=False)
        service = Service(config, "horse", {"n": 1}, Budget(100, 10, 60))
        outcome = perform(service, "management", "queue-host", folder=tmp_path)
    assert {"not decided"} == set(outcome.verdicts.values())
    assert ["(key)"] == [each["check"] for each in outcome.report["exchanges"]]


def test_a_report_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    with LocalServer({"horse": horse}) as server:
        assert 3 == run(service_of(server, "health"), [NAMES["health"]], tmp_path / "file")
    assert "The report could not be written" in capsys.readouterr().err
