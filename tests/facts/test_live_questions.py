"""`scripts/live` tells the variants of the service apart."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from live_checks.checks import CHECKS
from runpod.local import Behavior, LocalEndpoint, LocalServer
from tests.facts.live import NAMES, Outcome, ServerClock, horse, hostile, perform, service_of
from tests.local.api import Gate, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers import Connection


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
