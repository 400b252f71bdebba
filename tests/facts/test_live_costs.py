"""`scripts/live` spends no more than it says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from live_checks import questions
from live_checks.checks import CHECKS
from live_checks.plan import costs_of
from runpod.local import LocalServer
from tests.facts.live import NAMES, endless, horse, hostile, perform, service_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers import Connection


@pytest.mark.parametrize("name", NAMES)
def test_costs(name: str, tmp_path: Path) -> None:
    costs = costs_of([NAMES[name]], job_seconds=30)
    with LocalServer({"horse": horse}) as server:
        service = service_of(server, name)
        service.budget.requests, service.budget.jobs = 1000, 1000
        perform(service, name, folder=tmp_path)
        assert len(server.requests) <= costs.requests
        assert len(server.jobs["horse"]) <= costs.jobs


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
