"""The command diagnose."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

from runpod import Diagnosis, Finding
from runpod._protocol.diagnosis import judge
from runpod.cli.connection import Options
from runpod.cli.diagnose import with_commands
from runpod.local import LocalEndpoint, LocalServer
from tests.cli.conftest import echo
from tests.cli.programs import Terminal
from tests.unit.api_app import app
from tests.unit.test_diagnosis import CASES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Command


@pytest.fixture(scope="module")
def running() -> Iterator[LocalServer]:
    with LocalServer(
        {"horse": echo, "paused": LocalEndpoint(echo, workers=0), "api": LocalEndpoint(app=app)}
    ) as server:
        yield server


@pytest.fixture(autouse=True)
def server(running: LocalServer, monkeypatch: pytest.MonkeyPatch) -> LocalServer:
    monkeypatch.setenv("RUNPOD_API_KEY", running.api_key)
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", running.base_url)
    monkeypatch.setenv("RUNPOD_API_BASE_URL", running.management_url)
    return running


def test_nothing_is_wrong(cli: Command) -> None:
    done = cli("diagnose", "horse")
    assert (0, "") == (done.status, done.err)
    assert {"endpoint_id", "ok", "summary", "findings", "facts"} == done.json.keys()
    assert (True, []) == (done.json["ok"], done.json["findings"])


def test_a_finding(cli: Command, server: LocalServer) -> None:
    done = cli("diagnose", "paused", "--base-url", server.base_url)
    assert (1, "") == (done.status, done.err)
    [found] = done.json["findings"]
    assert ("paused", "certain", {"settings.workers.max": 0}) == (
        found["cause"],
        found["certainty"],
        {name: value for name, value in found["facts"].items() if name.startswith("settings")},
    )
    command = f"`runpod-sdk serverless resume paused --max 3 --base-url {server.base_url}`"
    assert f"Raise the maximum with {command}." == found["advice"]


def test_a_job(cli: Command) -> None:
    done = cli("diagnose", "horse", "--job", "job-1")
    assert (1, ["job_not_found"]) == (done.status, [each["cause"] for each in done.json["findings"]])


def test_a_queue_as_a_load_balancer(cli: Command) -> None:
    done = cli("diagnose", "horse", "--load-balancer")
    assert 1 == done.status
    assert "Submit jobs with `runpod-sdk run horse INPUT`." in done.json["findings"][0]["advice"]


def test_an_invalid_option(cli: Command) -> None:
    done = cli("diagnose", "horse", "--job", " ")
    assert (2, "") == (done.status, done.out)


@pytest.mark.parametrize(
    ("advice", "expected"),
    [
        ("endpoint.scale(max=6)", "`runpod-sdk serverless scale ep --max 6`"),
        ("endpoint.scale(min=2)", "`runpod-sdk serverless scale ep --min 2`"),
        ("endpoint.logs()", "`runpod-sdk logs ep`"),
        ("endpoint.logs(worker='w1')", "`runpod-sdk logs ep --worker w1`"),
        (
            "endpoint.status('j') or endpoint.retry('j')",
            "`runpod-sdk status ep j` or `runpod-sdk retry ep j`",
        ),
        ('client.manage.catalog.gpus(include="AVAILABILITY", product="SERVERLESS")', "`runpod-sdk gpus`"),
        ("client.manage.serverless.update(…, gpu=…)", "`runpod-sdk serverless update ep --pool ID`"),
        ("Wait, such as with endpoint.wait_ready(): large images", "Wait: large images"),
    ],
)
def test_advice_names_commands(advice: str, expected: str) -> None:
    finding = Finding(cause="x", certainty="certain", problem="endpoint.logs()", advice=advice)
    [found] = with_commands(Diagnosis(endpoint_id="ep", summary="", findings=(finding,)), Options()).findings
    assert ("endpoint.logs()", expected) == (found.problem, found.advice)


@pytest.mark.parametrize("name", CASES)
def test_advice_names_no_python(name: str) -> None:
    found = with_commands(judge(CASES[name][0]), Options()).findings
    advice = " ".join(each.advice for each in found)
    assert [] == re.findall(r"\b(?:client|endpoint)\.\w+|\w*_(?:key|url|ready|balancer)\b", advice)


def test_a_load_balancer_is_diagnosed_as_such(cli: Command) -> None:
    done = cli("diagnose", "api")
    assert 1 == done.status
    assert "pass --load-balancer to diagnose it as such." in done.json["findings"][0]["advice"]
    assert 0 == cli("diagnose", "api", "--load-balancer").status
    done = cli("run", "api", '{"n": 1}')
    assert (5, "") == (done.status, done.out)
    assert "This is a load-balancing endpoint, which has no jobs: send HTTP requests to its address." in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudoterminals")
def test_the_text_at_a_terminal() -> None:
    with Terminal("diagnose", "paused") as terminal:
        done = terminal.end()
    assert 1 == done.status
    assert "Endpoint 'paused': one finding." in done.err
    assert "What to do: Raise the maximum with `python -m runpod serverless resume paused --max 3`." in done.err
