"""The commands `serverless` and `templates`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runpod.cli import resource_output
from runpod.cli import serverless as cli_serverless
from tests.manage.service import ManagementService

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Command

WORKER = {
    "id": "w-1",
    "status": "RUNNING",
    "isStale": True,
    "version": 3,
    "uptimeSeconds": 90,
    "gpuTypeId": "NVIDIA L4",
}
RELEASE = {"id": "r-1", "version": 3, "workerCount": 1, "diff": [{"field": "env", "old": "PLANTED", "new": "PLANTED"}]}


@pytest.fixture(scope="module")
def running() -> Iterator[ManagementService]:
    with ManagementService() as service:
        yield service


@pytest.fixture(autouse=True)
def service(running: ManagementService, monkeypatch: pytest.MonkeyPatch) -> ManagementService:
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_TESTKEYTESTKEYTESTKEY")
    monkeypatch.setenv("RUNPOD_API_BASE_URL", running.url)
    running.clear()
    running.add(
        "serverless",
        "abc",
        name="horses",
        type="QUEUE",
        image="horses:1",
        env={"LEVEL": "info", "TRACE": "1"},
        gpu={"pools": ["ADA_24"], "count": 2},
    )
    running.add("serverless", "def", name="mules", workers={"min": 0, "max": 0}, cpu=[{"id": "cpu5c", "vcpuCount": 4}])
    running.add("templates", "tpl", name="stable", image="horses:1", serverless=True, env={"LEVEL": "info"})
    running.answers["/v2/serverless/abc/workers"] = {"workers": [WORKER], "summary": {"running": 1}}
    running.answers["/v2/serverless/abc/releases"] = {"releases": [RELEASE], "rollout": {"inProgress": True}}
    return running


def sent(service: ManagementService) -> Any:
    """The last body that was sent."""
    return service.requests[-1][2]


def test_lists_and_single_objects(cli: Command) -> None:
    done = cli("serverless", "list")
    assert (0, ["abc", "def"]) == (done.status, [each["id"] for each in done.json["endpoints"]])
    done = cli("serverless", "get", "abc")
    assert {"LEVEL": "info", "TRACE": "1"} == done.json["env"]
    assert {"min": 0, "max": 3, "idleTimeout": 10} == done.json["workers"]
    assert [WORKER] == cli("serverless", "workers", "abc").json["workers"]
    assert {"inProgress": True} == cli("serverless", "releases", "abc").json["rollout"]
    assert ["tpl"] == [each["id"] for each in cli("templates", "list").json["templates"]]
    assert "horses:1" == cli("templates", "get", "tpl").json["image"]
    done = cli("serverless", "get", "ghost")
    assert (5, "") == (done.status, done.out)
    assert "HTTP 404: resource not found. Check the ID" in done.err


@pytest.mark.parametrize(
    ("arguments", "cells"),
    [
        (("serverless", "list"), ("abc", "2 x ADA_24", "0 to 3", "cpu5c, 4 vCPUs", "paused")),
        (("serverless", "workers", "abc"), ("w-1", "RUNNING", "NVIDIA L4", "0:01:30", "3 (outdated)")),
        (("serverless", "releases", "abc"), ("3", "env")),
        (("templates", "list"), ("tpl", "stable", "endpoints", "NVIDIA", "horses:1")),
    ],
)
def test_tables_at_a_terminal(
    arguments: tuple[str, ...], cells: tuple[str, ...], cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (cli_serverless, resource_output):
        monkeypatch.setattr(module, "at_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    done = cli(*arguments)
    assert (0, "") == (done.status, done.err)
    assert all(f" {each} " in done.out for each in cells), done.out
    assert "PLANTED" not in done.out


def test_create(cli: Command, service: ManagementService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TOKEN", "from here")
    options = ["--name", "a", "--image", "a:1", "--pool", "ADA_24", "--pool", "AMPERE_48", "--gpu-count", "2"]
    options += ["--queue-delay", "0.5", "--max", "5", "--idle-timeout", "90", "--execution-timeout", "600"]
    options += ["--env", "LEVEL=a=b", "--env", "TOKEN", "--port", "8000/http", "--flashboot", "flashboot"]
    done = cli("serverless", "create", *options)
    assert (0, "new-3") == (done.status, done.json["id"])
    expected = {
        "type": "QUEUE",
        "name": "a",
        "image": "a:1",
        "gpu": {"pools": ["ADA_24", "AMPERE_48"], "count": 2},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 0.5},
        "workers": {"max": 5, "idleTimeout": 90},
        "timeout": 600_000,
        "env": {"LEVEL": "a=b", "TOKEN": "from here"},
        "ports": ["8000/http"],
        "flashboot": "FLASHBOOT",
    }
    assert expected == sent(service)
    # The same as JSON, from a file, with an option over it.
    file = tmp_path / "endpoint.json"
    file.write_text(json.dumps(expected), encoding="utf-8")
    assert 0 == cli("serverless", "create", "--json", f"@{file}", "--name", "b").status
    assert {**expected, "name": "b"} == sent(service)
    options = [
        "--name",
        "a",
        "--type",
        "load_balancer",
        "--template",
        "tpl",
        "--cpu",
        "cpu5c:4",
        "--request-count",
        "2",
    ]
    assert 0 == cli("serverless", "create", *options).status
    assert ("LOAD_BALANCER", [{"id": "cpu5c", "vcpuCount": 4}]) == (sent(service)["type"], sent(service)["cpu"])
    assert {"type": "REQUEST_COUNT", "requestCount": 2} == sent(service)["scaling"]
    done = cli("templates", "create", "--name", "a", "--image", "a:1", "--serverless", "--env", "LEVEL=debug")
    assert (0, {"LEVEL": "debug"}, True) == (done.status, done.json["env"], done.json["serverless"])


def test_update_keeps_other_variables(cli: Command, service: ManagementService) -> None:
    done = cli("serverless", "update", "abc", "--image", "horses:2", "--env", "NEW=1", "--unset-env", "TRACE")
    assert (0, "horses:2") == (done.status, done.json["image"])
    assert {"image": "horses:2", "env": {"LEVEL": "info", "NEW": "1"}} == sent(service)
    assert 0 == cli("serverless", "update", "abc", "--execution-timeout", "60").status
    assert {"timeout": 60_000} == sent(service)
    assert 0 == cli("serverless", "update", "abc", "--json", '{"registry": null, "env": {}}').status
    assert {"registry": None, "env": {}} == sent(service)
    assert 0 == cli("templates", "update", "tpl", "--unset-env", "LEVEL").status
    assert {"env": {}} == sent(service)


def test_scale_pause_and_resume(cli: Command, service: ManagementService) -> None:
    for arguments, expected in (
        (("scale", "abc", "--max", "5"), {"min": 0, "max": 5}),
        (("scale", "abc", "--min", "1", "--max", "1", "--idle-timeout", "30"), {"min": 1, "max": 1, "idleTimeout": 30}),
        (("pause", "abc"), {"min": 0, "max": 0}),
        (("resume", "abc", "--max", "3"), {"min": 0, "max": 3}),
    ):
        done = cli("serverless", *arguments)
        assert (0, "") == (done.status, done.err)
        assert "PATCH" == service.requests[-1][0]
        assert expected.items() <= sent(service)["workers"].items()
        assert expected.items() <= done.json["workers"].items()


@pytest.mark.parametrize("arguments", [("serverless", "delete", "abc"), ("templates", "delete", "tpl")])
def test_nothing_is_deleted_without_yes(arguments: tuple[str, ...], cli: Command, service: ManagementService) -> None:
    done = cli(*arguments)
    assert (2, "") == (done.status, done.out)
    assert "Nothing was deleted. Add --yes" in done.err
    assert [] == service.requests
    done = cli(*arguments, "--yes")
    assert (0, "") == (done.status, done.out)
    assert "DELETE" == service.requests[-1][0]
    assert 5 == cli(*arguments, "--yes").status


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("serverless", "create", "--name", "a"), "scaling is missing"),
        (("serverless", "create", "--name", "a", "--queue-delay", "4"), "gpu or cpu is missing"),
        (("serverless", "create", "--pool", "NVIDIA L4"), "runpod-sdk gpus"),
        (("serverless", "create", "--json", "[]"), "--json must be a JSON object"),
        (("serverless", "create", "--json", '{"workersMin": 1}'), "workersMin is now workers.min"),
        (("serverless", "create", "--cpu", "cpu5c"), "--cpu must be ID:VCPUS"),
        (("serverless", "create", "--queue-delay", "4", "--request-count", "1"), "exclude each other"),
        (("serverless", "create", "--idle-timeout", "1.5"), "whole number of seconds"),
        (("serverless", "create", "--env", "=PLANTED"), "--env needs a name"),
        (("serverless", "create", "--env", "NOT_SET"), "NOT_SET is not set here"),
        (("serverless", "update", "abc"), "Nothing to change"),
        (("serverless", "update", "abc", "--json", '{"workers": {"max": 1}}'), "`runpod-sdk serverless scale`"),
        (("serverless", "scale", "abc"), "Nothing to change"),
        (("serverless", "scale", "abc", "--min", "4", "--max", "3"), "3"),
        (("templates", "create", "--name", "a"), "image is missing"),
        (("templates", "update", "tpl"), "Nothing to change"),
    ],
)  # fmt: skip
def test_wrong_usage(arguments: tuple[str, ...], expected: str, cli: Command, service: ManagementService) -> None:
    done = cli(*arguments)
    assert (2, "") == (done.status, done.out)
    assert expected in done.err
    assert [] == service.requests
    # In the words of the command line.
    assert not any(word in done.err for word in ("client.", "Settings(", "timedelta", "create(", "PLANTED"))
