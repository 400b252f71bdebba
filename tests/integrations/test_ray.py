"""`EndpointMapper` on real Ray. All of its tests are in this file, since a cluster needs both cores."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integrations.pages import ROOT, environment_of_programs, output_of

PROGRAM = ROOT / "tests" / "integrations" / "ray_program.py"
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What happened. A cluster needs seconds to start, so all tests look at one."""
    folder = tmp_path_factory.mktemp("ray")
    output_of(PROGRAM, folder, {**environment_of_programs(), **SETTINGS}, str(folder), longest=500.0)
    found: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return found


def test_a_worker_is_killed_in_the_middle(report: dict[str, Any]) -> None:
    report = report["kill"]
    # Each row once, although a worker was killed, and Ray started another one.
    assert list(range(2_000)) == report["ids"]
    assert (1, 3) == (report["killed"], report["mappers"])
    # Failures are rows.
    assert {"COMPLETED": 1_980, "FAILED": 20} == report["statuses"]
    assert 20 == len(report["errors"])
    assert all("ValueError: there is no " in error for error in report["errors"])
    assert 2_000 == report["with_job_id"]
    assert (json.dumps({"number": 2}, separators=(",", ":")), "[3]", None) == tuple(
        report["outputs"][number] for number in ("2", "3", "7")
    )
    # Ray repeats the blocks that the worker had: up to two of 200 rows. With a key in the input, none is worked on twice.
    assert 2_000 < report["submitted"] <= 2_400
    assert 2_000 == report["work"]
    assert 0 < report["found"] <= report["submitted"] - 2_000
    # Both mappers together reached the limits of the service, and never exceeded them.
    assert 0 == report["refused"]
    assert 20 == report["most_polls"]
    # One actor granted them to both.
    assert 1 == report["permit_servers"]


def test_the_programs_of_the_page_run(report: dict[str, Any]) -> None:
    # The mapper, then reading, then the bulk run twice, then two tasks.
    assert [20, 20, 40, 40, 42] == report["page"]["submitted"]
    assert 1 == report["page"]["failed"]
