"""`scripts/live`, against the local server: it tells the variants apart, spends no more than it says, and cleans up."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from live_checks import questions
from live_checks.__main__ import main, run
from live_checks.checks import CHECKS
from live_checks.interrupts import interrupted_later
from live_checks.plan import costs_of
from live_checks.service import Budget, Service
from runpod._config import load_config
from runpod._primitives import Clock
from runpod.local import Behavior, LocalEndpoint, LocalServer
from tests.local.api import Gate, until
from tests.processes import started
from tests.servers import KEY, RawServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers import Connection

ROOT = Path(__file__).parents[2]
NAMES = {check.name: check for check in CHECKS}


class ServerClock(Clock):
    """Time that passes only while something sleeps, on a local server as well."""

    def __init__(self, server: LocalServer | None = None) -> None:
        super().__init__()
        self._server = server
        self._time = super().now()

    def now(self) -> float:
        return self._time

    def sleep(self, seconds: float) -> None:
        self._time += seconds
        if self._server is not None:
            self._server.advance(seconds)


@dataclass
class Outcome:
    """What a run has found."""

    status: int
    verdicts: dict[str, str]
    notes: dict[str, str]
    report: dict[str, Any]
    markdown: str


def perform(service: Service, *names: str, folder: Path) -> Outcome:
    status = run(service, [NAMES[name] for name in names], folder)
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    found = {each["fact"]: each["verdict"] for each in report["findings"]}
    notes = {each["fact"]: each["note"] for each in report["findings"]}
    return Outcome(status, found, notes, report, (folder / "report.md").read_text(encoding="utf-8"))


def service_of(server: LocalServer, *names: str, clock: Clock | None = None, jobs: int | None = None) -> Service:
    config = load_config(
        server.api_key,
        server.base_url,
        management_url=server.management_url,
        load_balancer_url=server.load_balancer_url,
        allow_insecure=False,
    )
    costs = costs_of([NAMES[name] for name in names], job_seconds=30)
    budget = Budget(costs.checking_requests, costs.jobs if jobs is None else jobs, 300)
    return Service(config, "horse", {"n": 1}, budget, clock=clock or ServerClock(server))


def horse(job: dict[str, Any]) -> Any:
    return job["input"]


# It tells the variants apart.

SWITCHES: list[tuple[str, str, dict[str, Any]]] = [
    ("fresh-job", "protocol 4: 404 after the submission", {"not_found_for": timedelta(seconds=1)}),
    ("short-policy", "protocol 1.2: short policies", {"refuse_short_policies": True}),
    ("status-sync", "protocol 1.1: status-sync exists", {"status_sync": False}),
    ("cancel-late", "protocol 1.9: cancel after the end", {"refuse_late_cancel": True}),
    ("reads-by-post", "protocol 1.1: reads by POST", {"post_reads": False}),
]


@pytest.mark.parametrize(("name", "fact", "other"), SWITCHES, ids=[name for name, _, _ in SWITCHES])
@pytest.mark.parametrize("switched", [False, True])
def test_switches(name: str, fact: str, other: dict[str, Any], switched: bool, tmp_path: Path) -> None:
    with LocalServer({"horse": horse}, behavior=Behavior(**(other if switched else {}))) as server:
        outcome = perform(service_of(server, name), name, folder=tmp_path)
    assert ("refuted" if switched else "confirmed", int(switched)) == (outcome.verdicts[fact], outcome.status)
    assert (f"set Behavior({next(iter(other))}=" in outcome.notes[fact]) is switched


@pytest.mark.parametrize(("hold", "verdict"), [("started", "confirmed"), ("never", "confirmed"), ("always", "refuted")])
def test_the_hold_of_a_queued_stream(hold: Any, verdict: str, tmp_path: Path) -> None:
    with LocalServer({"horse": LocalEndpoint(workers=0)}, behavior=Behavior(stream_hold=hold)) as server:
        clock = ServerClock(server)
        outcome: list[Outcome] = []
        service = service_of(server, "queued-stream", clock=clock)
        thread = threading.Thread(target=lambda: outcome.append(perform(service, "queued-stream", folder=tmp_path)))
        thread.start()
        if hold == "always":
            until(lambda: any("/stream/" in request.path for request in server.requests))
            job = server._endpoints["horse"].queue.get(server.jobs["horse"][0]["id"])
            until(lambda: bool(job.changed._listeners))
            clock.sleep(3)
        thread.join()
    assert verdict == outcome[0].verdicts["protocol 3: hold in the queue"]
    assert "confirmed" == outcome[0].verdicts["protocol 1.9: cancel"]


def test_a_job_that_was_already_taken_decides_nothing(tmp_path: Path) -> None:
    def stream(connection: Connection) -> None:
        while request := connection.read_request():
            body = b'{"id": "j", "status": "IN_PROGRESS", "stream": []}'
            connection.respond(b'{"id": "j", "status": "COMPLETED"}' if b"/cancel/" in request else body)

    outcome = hostile(stream, "queued-stream", folder=tmp_path)
    assert {"not decided"} == set(outcome.verdicts.values())


def test_a_late_runsync(tmp_path: Path) -> None:
    gate = Gate()
    with LocalServer({"horse": gate}) as server:
        outcome = perform(service_of(server, "late-runsync"), "late-runsync", folder=tmp_path)
        # It was cancelled.
        assert ["CANCELLED"] == [job["status"] for job in server.jobs["horse"]]
        gate.open()
    assert {"confirmed"} == set(outcome.verdicts.values())
    assert outcome.verdicts.keys() == set(NAMES["late-runsync"].facts)


@pytest.mark.parametrize(
    ("status", "body", "verdicts"),
    [
        ("408 Late", b"{}", {"refuted"}),
        ("200 OK", b'{"id": "j", "status": "IN_QUEUE", "delayTime": 1}', {"refuted", "confirmed"}),
        ("200 OK", b'{"id": "sync-j", "status": "COMPLETED"}', {"not decided"}),
        ("429 Slow", b"{}", {"not decided"}),
        ("503 Down", b"<html>", {"not decided"}),
    ],
)
def test_other_responses_to_runsync(status: str, body: bytes, verdicts: set[str], tmp_path: Path) -> None:
    def respond(connection: Connection) -> None:
        while request := connection.read_request():
            is_submission = b"/runsync" in request
            connection.respond(body if is_submission else b"{}", status=status if is_submission else "200 OK")

    outcome = hostile(respond, "late-runsync", folder=tmp_path)
    decided = {verdict for fact, verdict in outcome.verdicts.items() if fact != "protocol 1.0: job IDs"}
    assert verdicts == decided


@pytest.mark.parametrize("kept", [False, True])
def test_the_retention_of_a_result(kept: bool, tmp_path: Path) -> None:
    with LocalServer({"horse": horse}) as server:
        clock = ServerClock(None if kept else server)
        outcome = perform(service_of(server, "retention", clock=clock), "retention", folder=tmp_path)
    assert {"protocol 5: result of /runsync": "refuted" if kept else "confirmed"} == outcome.verdicts


@pytest.mark.parametrize("kept", [False, True])
def test_the_ttl_of_a_result(kept: bool, tmp_path: Path) -> None:
    with LocalServer({"horse": horse}) as server:
        clock = ServerClock(None if kept else server)
        outcome = perform(service_of(server, "ttl-query", clock=clock), "ttl-query", folder=tmp_path)
    assert {"protocol 1.6: ttl query": "refuted" if kept else "confirmed"} == outcome.verdicts


def test_an_empty_input_and_a_large_body(tmp_path: Path) -> None:
    with LocalServer({"horse": horse}) as server:
        names = ("empty-input", "large-body")
        outcome = perform(service_of(server, *names), *names, folder=tmp_path)
    assert {"confirmed"} == set(outcome.verdicts.values())
    assert max(len(each["body"]) for each in outcome.report["exchanges"]) < 700


def test_a_batch(tmp_path: Path) -> None:
    with LocalServer({"horse": horse}) as server:
        outcome = perform(service_of(server, "batch"), "batch", folder=tmp_path)
        assert {"horse": []} == server.jobs
    assert ({"confirmed"}, 0) == (set(outcome.verdicts.values()), outcome.status)


def test_everything_on_the_local_server(tmp_path: Path) -> None:
    names = [check.name for check in CHECKS if not check.on_request]
    with LocalServer({"horse": horse}) as server:
        outcome = perform(service_of(server, *names), *names, folder=tmp_path)
        assert not {"IN_QUEUE", "IN_PROGRESS"} & {job["status"] for job in server.jobs["horse"]}
    assert 0 == outcome.status, outcome.verdicts
    assert {fact for name in names for fact in NAMES[name].facts} == outcome.verdicts.keys()
    assert list(outcome.verdicts.values()).count("confirmed") > 15
    assert all(f"| {fact} | {verdict} |" in outcome.markdown for fact, verdict in outcome.verdicts.items())
    assert "/{endpoint}/health" in outcome.markdown
    assert "/horse/" not in outcome.markdown


# It spends no more than it says.


@pytest.mark.parametrize("name", NAMES)
def test_costs(name: str, tmp_path: Path) -> None:
    costs = costs_of([NAMES[name]], job_seconds=30)
    with LocalServer({"horse": horse}) as server:
        service = service_of(server, name)
        service.budget.requests, service.budget.jobs = 1000, 1000
        perform(service, name, folder=tmp_path)
        assert len(server.requests) <= costs.requests
        assert len(server.jobs["horse"]) <= costs.jobs


def endless(connection: Connection) -> None:
    """Accept everything, and never end a job."""
    while request := connection.read_request():
        number = len(connection._server.requests)
        path = request.split()[1].decode().partition("?")[0]
        job_id = path.rpartition("/")[2] if "/status" in path else f"job-{number}"
        status = "CANCELLED" if "/cancel/" in path else "IN_PROGRESS"
        connection.respond(json.dumps({"id": job_id, "status": status, "workers": {}}).encode())


def hostile(
    behave: Callable[[Connection], None], *names: str, folder: Path, seconds: float = 300, key: str = KEY
) -> Outcome:
    names = names or tuple(check.name for check in CHECKS if check.name != "large-body")
    with RawServer(behave) as server:
        config = load_config(key, server.base_url, allow_insecure=False)
        costs = costs_of([NAMES[name] for name in names], job_seconds=30)
        budget = Budget(costs.checking_requests, costs.jobs, seconds)
        clock = ServerClock() if seconds > 10 else Clock()
        outcome = perform(Service(config, "horse", {"n": 1}, budget, clock=clock), *names, folder=folder)
        assert len(server.requests) <= costs.requests
        submissions = sum(server.times(f"POST /v2/horse/{each}") for each in ("run", "runsync"))
        assert submissions <= costs.jobs
    return outcome


def test_jobs_that_never_end_are_cancelled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = hostile(endless, folder=tmp_path)
    cancelled = [each["request"] for each in outcome.report["exchanges"] if each["check"] == "(cancelling)"]
    assert len(cancelled) >= 3
    assert [] == outcome.report["jobs_left"]
    assert "may still run" not in capsys.readouterr().err


@pytest.mark.parametrize("status", ["IN_PROGRESS", "", "CANCELLED"])
def test_a_job_is_cancelled_if_the_response_says_so(
    status: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def behave(connection: Connection) -> None:
        while request := connection.read_request():
            found = status if b"/cancel/" in request else "IN_PROGRESS"
            connection.respond(json.dumps({"id": "j", "status": found}).encode())

    left = ["j"] if status != "CANCELLED" else []
    assert left == hostile(behave, "list-as-input", folder=tmp_path).report["jobs_left"]
    assert bool(left) is ("These jobs may still run: j" in capsys.readouterr().err)


@pytest.mark.parametrize(("last", "left"), [("404 Gone", []), ("200 OK", []), ("503 Down", ["j"])])
def test_a_job_that_is_not_found_yet_is_cancelled_later(last: str, left: list[str], tmp_path: Path) -> None:
    cancels: list[bytes] = []

    def behave(connection: Connection) -> None:
        while request := connection.read_request():
            if b"/cancel/" in request:
                cancels.append(request)
                connection.respond(b'{"status": "CANCELLED"}', status=["404 Gone", "502 Bad", last][len(cancels) - 1])
            else:
                connection.respond(b'{"id": "j", "status": "IN_QUEUE"}')

    assert left == hostile(behave, "list-as-input", folder=tmp_path).report["jobs_left"]
    assert 3 == len(cancels)


def test_each_job_has_an_execution_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "_LARGE", 10)
    policies: list[dict[str, int]] = []

    def accept(connection: Connection) -> None:
        while request := connection.read_request():
            head, _, body = request.partition(b"\r\n\r\n")
            if b"/run" in head.splitlines()[0]:
                policies.append(json.loads(body)["policy"])
            connection.respond(b'{"id": "j", "status": "COMPLETED"}')

    hostile(accept, *NAMES, folder=tmp_path)
    assert costs_of(CHECKS, job_seconds=30).jobs - 1 == len(policies)  # The other one is the retry.
    assert all(policy["executionTimeout"] <= 30_000 and policy["ttl"] == 600_000 for policy in policies)


def test_a_submission_that_would_be_cut_off_is_not_sent(tmp_path: Path) -> None:
    outcome = hostile(endless, "list-as-input", folder=tmp_path, seconds=19)
    assert (3, 0) == (outcome.status, outcome.report["jobs_started"])
    assert {"the time that is left is too short for another job"} == set(outcome.notes.values())


def test_no_more_jobs_than_allowed(tmp_path: Path) -> None:
    names = ("short-policy", "fresh-job", "wrong-key")
    with LocalServer({"horse": horse}) as server:
        outcome = perform(service_of(server, *names, jobs=0), *names, folder=tmp_path)
        assert {"horse": []} == server.jobs
    # What comes after it is not tried either.
    assert {"not decided"} == set(outcome.verdicts.values())
    assert {"the limit of jobs is reached"} == set(outcome.notes.values())
    assert 3 == outcome.status


def test_the_time_is_limited(tmp_path: Path) -> None:
    def drip(connection: Connection) -> None:
        connection.read_request()
        connection.drip(b"HTTP/1.1 200 OK\r\nX-A: ")

    outcome = hostile(drip, folder=tmp_path, seconds=0.4)
    assert ({"not decided"}, 3) == (set(outcome.verdicts.values()), outcome.status)


# Whatever the service sends.


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


def test_an_error_of_the_program_cancels_the_jobs(tmp_path: Path) -> None:
    class Closed(ServerClock):
        def sleep(self, seconds: float) -> None:
            raise BrokenPipeError

    with LocalServer({"horse": LocalEndpoint(workers=0)}) as server:
        service = service_of(server, "fresh-job", clock=Closed())
        with pytest.raises(BrokenPipeError):
            run(service, [NAMES["fresh-job"]], tmp_path)
        assert ["CANCELLED"] == [job["status"] for job in server.jobs["horse"]]
        service.close()


def test_a_lost_submission_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def lose(connection: Connection) -> None:
        while request := connection.read_request():
            if b"/run " in request:
                connection.reset()
                return
            connection.respond(b"{}")

    outcome = hostile(lose, "short-policy", folder=tmp_path)
    assert (1, {"not decided"}) == (outcome.report["jobs_without_id"], set(outcome.verdicts.values()))
    assert "1 jobs may run whose IDs are unknown" in capsys.readouterr().err
    assert "1 of them may still run" in outcome.markdown


def test_a_job_that_an_incomplete_response_names_is_cancelled(tmp_path: Path) -> None:
    def cut(connection: Connection) -> None:
        while request := connection.read_request():
            if b"/run " in request:
                connection.send(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"id": "job-7", "sta')
                return
            connection.respond(b"{}")

    outcome = hostile(cut, "list-as-input", folder=tmp_path)
    assert 0 == outcome.report["jobs_without_id"]
    assert "POST /{endpoint}/cancel/job-7" == outcome.report["exchanges"][-1]["request"]


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


# Ctrl-C


class InterruptedClock(ServerClock):
    def sleep(self, seconds: float) -> None:
        raise KeyboardInterrupt


@pytest.mark.parametrize("again", [False, True])
def test_an_interrupt_cancels_the_jobs(
    again: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with LocalServer({"horse": LocalEndpoint(workers=0)}) as server:
        service = service_of(server, "fresh-job", clock=InterruptedClock())
        if again:
            monkeypatch.setattr(Service, "cancel_all", lambda self: InterruptedClock.sleep(service._clock, 0))
        outcome = perform(service, "fresh-job", folder=tmp_path)
        [job] = server.jobs["horse"]
    assert (130, "interrupted") == (outcome.status, outcome.report["interrupted"])
    assert ("IN_QUEUE" if again else "CANCELLED") == job["status"]
    assert (job["id"] in capsys.readouterr().err) is again
    assert outcome.report["jobs_left"] == [job["id"]] * again


def test_an_interrupt_during_a_submission_waits_for_the_id_of_the_job(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(connection: Connection) -> None:
        while request := connection.read_request():
            if b"/run " in request:
                os.kill(os.getpid(), signal.SIGINT)
            status = "CANCELLED" if b"/cancel/" in request else "IN_QUEUE"
            connection.respond(json.dumps({"id": "j", "status": status}).encode())

    outcome = hostile(interrupt, "list-as-input", folder=tmp_path)
    assert (130, 0, []) == (outcome.status, outcome.report["jobs_without_id"], outcome.report["jobs_left"])
    assert "POST /{endpoint}/cancel/j" == outcome.report["exchanges"][-1]["request"]
    assert "Waiting for the ID of the job" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_interrupt_does_not_wait() -> None:
    with pytest.raises(KeyboardInterrupt), interrupted_later():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("it was not interrupted")


def test_the_jobs_are_cancelled_if_nothing_can_be_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError("the terminal is closed")

    with LocalServer({"horse": LocalEndpoint(workers=0)}) as server:
        service = service_of(server, "fresh-job", clock=InterruptedClock())
        monkeypatch.setattr("sys.stdout", Closed())
        with pytest.raises(OSError, match="the terminal is closed"):
            run(service, [NAMES["fresh-job"]], tmp_path)
        assert ["CANCELLED"] == [job["status"] for job in server.jobs["horse"]]
    assert "interrupted" == json.loads((tmp_path / "report.json").read_text())["interrupted"]


def program(server: LocalServer, *arguments: str) -> dict[str, Any]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "scripts"), str(ROOT / "src")]),
        "RUNPOD_API_KEY": server.api_key,
        "RUNPOD_ENDPOINT_BASE_URL": server.base_url,
    }
    return {"args": [sys.executable, "-m", "live_checks", *arguments], "env": environment, "stdin": subprocess.DEVNULL}


@pytest.mark.skipif(sys.platform == "win32", reason="signals to another process")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals(name: str, tmp_path: Path) -> None:
    with LocalServer({"horse": LocalEndpoint(workers=0)}) as server:
        options = program(server, "--endpoint", "horse", "--only", "fresh-job", "--yes", "--report", str(tmp_path))
        with started(options.pop("args"), **options) as process:
            until(lambda: len(server.requests) >= 3, timeout=60)
            process.send_signal(getattr(signal, name))
            output, errors = process.communicate()
        [job] = server.jobs["horse"]
    assert (130, "CANCELLED") == (process.returncode, job["status"])
    assert "It ended early: interrupted." in errors
    assert "Traceback" not in output + errors
    assert server.api_key not in output + errors + (tmp_path / "report.md").read_text()


# The command line


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[LocalServer, Path]]:
    with LocalServer({"horse": horse}) as server:
        monkeypatch.setenv("RUNPOD_API_KEY", server.api_key)
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", server.base_url)
        monkeypatch.chdir(tmp_path)
        yield server, tmp_path


def test_it_needs_a_terminal_or_yes(live: tuple[LocalServer, Path], capsys: pytest.CaptureFixture[str]) -> None:
    server, folder = live
    arguments = ["--endpoint", "horse", "--only", "health", "--price", "0.5"]
    assert 2 == main(arguments)
    printed = capsys.readouterr()
    assert "Add --yes" in printed.err
    assert "health  Which workers does /health count? (1 request)" in printed.out
    assert "At most 2 requests and no job, in at most 5 minutes." in printed.out
    assert [] == server.requests
    assert 0 == main([*arguments, "--yes"])
    assert 2 == len(server.requests)
    assert "confirmed    protocol 1.10: missing counts" in capsys.readouterr().out
    assert (folder / ".live" / "report.md").exists()


@pytest.mark.parametrize("answer", ["y", " YES ", "", "n", EOFError, KeyboardInterrupt])
def test_it_asks(answer: Any, live: tuple[LocalServer, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(_: str) -> str:
        if isinstance(answer, str):
            return answer
        raise answer

    monkeypatch.setattr("builtins.input", answers)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    agreed = isinstance(answer, str) and answer.strip().lower() in {"y", "yes"}
    assert (0 if agreed else 2) == main(["--endpoint", "horse", "--only", "health"])
    assert agreed is bool(live[0].requests)


def test_a_dry_run_needs_no_key(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["--dry-run"])
    text = capsys.readouterr().out
    assert "At most 81 requests and 6 jobs, in at most 5 minutes." in text
    assert "At most 360 seconds of running jobs: each job has an execution timeout of 30 s, and may run twice." in text
    assert 0 == main(["--dry-run", "--endpoint", "e", "--price", "0.001", "--job-seconds", "10"])
    assert "At most 120 seconds of running jobs, which is $0.1200 at $0.001 a second" in capsys.readouterr().out
    assert 0 == main(["--dry-run", "--public"])
    text = capsys.readouterr().out
    assert "At most $0.0260: 0.0026 for each picture" in text
    assert "queue-host" not in text
    assert 0 == main(["--dry-run", "--max-jobs", "2", "--price", "0.00000001"])
    text = capsys.readouterr().out
    assert "At most 69 requests and 2 jobs" in text
    assert "At most 120 seconds of running jobs, which is $0.0001 at" in text
    assert 2 == main(["--endpoint", "horse", "--yes"])
    assert "No API key found" in capsys.readouterr().err


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["--list"])
    text = capsys.readouterr().out
    assert all(check.at_stake in text for check in CHECKS)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "pass --endpoint ID, or --public"),
        (["--endpoint", "a", "--public"], "not allowed with"),
        (["--endpoint", "a", "--only", "helth"], "there is no check 'helth'; did you mean 'health'?"),
        (["--endpoint", "a", "--input", "{"], "it is not valid JSON"),
        (["--endpoint", "a", "--input", "{}"], "it must be a JSON object that is not empty"),
        (["--endpoint", "a", "--input", "[" * 100_000], "it is not valid JSON"),
        (["--endpoint", "a", "--job-seconds", "1"], "--job-seconds must be at least 5"),
        (["--endpoint", "a", "--minutes", "nan"], "it must be a positive number"),
        (["--endpoint", "a", "--price", "0"], "it must be a positive number"),
        (["--endpoint", "a", "--max-jobs", "-1"], "it must be 0 or more"),
    ],
)
def test_wrong_usage(arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert 2 == caught.value.code
    assert problem in capsys.readouterr().err


def test_a_report_that_could_not_be_written_is_noticed_first(
    live: tuple[LocalServer, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    server, folder = live
    (folder / "file").write_text("")
    assert 2 == main(["--endpoint", "horse", "--yes", "--report", str(folder / "file")])
    assert "Nothing was sent" in capsys.readouterr().err
    assert [] == server.requests


def test_a_blank_endpoint(live: tuple[LocalServer, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["--endpoint", " ", "--yes"])
    assert "endpoint_id is blank" in capsys.readouterr().err
    assert [] == live[0].requests


def test_the_script_is_valid_bash() -> None:
    with suppress(FileNotFoundError):
        subprocess.run(["bash", "-n", str(ROOT / "scripts" / "live")], check=True)
    assert os.access(ROOT / "scripts" / "live", os.X_OK)
