"""The commands `serverless` and `templates`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from runpod.cli import resource_output
from runpod.cli import serverless as cli_serverless
from tests.manage.stand_in import WORKER, StandIn
from tests.servers import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Command


@pytest.fixture(scope="module")
def running() -> Iterator[StandIn]:
    with StandIn() as service:
        yield service


@pytest.fixture(autouse=True)
def service(running: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    monkeypatch.setenv("RUNPOD_API_BASE_URL", running.url)
    running.reset()
    return running


def test_lists_and_single_objects(cli: Command) -> None:
    done = cli("serverless", "list")
    assert (0, ["ENDPOINT_ID", "PAUSED_ID"]) == (done.status, [each["id"] for each in done.json["endpoints"]])
    done = cli("serverless", "get", "ENDPOINT_ID")
    assert {"LEVEL": "info", "TRACE": "1"} == done.json["env"]
    assert {"min": 0, "max": 3, "idleTimeout": 10} == done.json["workers"]
    assert [WORKER] == cli("serverless", "workers", "ENDPOINT_ID").json["workers"]
    assert cli("serverless", "releases", "ENDPOINT_ID").json["rollout"]["inProgress"]
    assert ["TEMPLATE_ID"] == [each["id"] for each in cli("templates", "list").json["templates"]]
    assert "horses:1" == cli("templates", "get", "TEMPLATE_ID").json["image"]
    done = cli("serverless", "get", "ghost")
    assert (5, "") == (done.status, done.out)
    assert "HTTP 404: resource not found. Check the ID" in done.err


@pytest.mark.parametrize(
    ("arguments", "cells"),
    [
        (("serverless", "list"), ("ENDPOINT_ID", "2 x ADA_24", "0 to 3", "cpu5c, 4 vCPUs", "paused")),
        (("serverless", "workers", "ENDPOINT_ID"), ("WORKER_ID", "RUNNING", "NVIDIA L4", "0:01:30", "3 (outdated)")),
        (("serverless", "releases", "ENDPOINT_ID"), ("3", "env")),
        (("templates", "list"), ("TEMPLATE_ID", "stable", "endpoints", "NVIDIA", "horses:1")),
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


@pytest.mark.parametrize("width", [27, 60])
def test_a_narrow_table_shortens_nothing(
    width: int, cli: Command, service: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.add("serverless", id="4kuxf1t3qr77zz", name="n" * 50, image="registry.example/" + "i" * 50)
    monkeypatch.setattr(resource_output, "at_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    lines = cli("serverless", "list").out.splitlines()
    assert width >= max(map(len, lines))
    columns = zip(*(line.split("│")[1:-1] for line in lines if line.startswith("│")), strict=True)
    ids, names, *_, images = ["".join(map(str.strip, cells)) for cells in columns]
    assert ids.endswith("4kuxf1t3qr77zz")
    assert names.endswith("n" * 50)
    assert images.endswith("registry.example/" + "i" * 50)
    # An ID is in one piece where there is room.
    assert ("4kuxf1t3qr77zz" in "".join(lines)) == (width == 60)


def test_create(cli: Command, service: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TOKEN", "from here")
    options = ["--name", "a", "--image", "a:1", "--pool", "ADA_24", "--pool", "AMPERE_48", "--gpu-count", "2"]
    options += ["--queue-delay", "0.5", "--max", "5", "--idle-timeout", "90", "--execution-timeout", "600"]
    options += ["--env", "LEVEL=a=b", "--env", "TOKEN", "--port", "8000/http", "--flashboot", "flashboot"]
    done = cli("serverless", "create", *options)
    assert (0, "NEW") == (done.status, done.json["id"])
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
    assert expected == service.body
    # The same as JSON, from a file, with an option over it.
    file = tmp_path / "endpoint.json"
    file.write_text(json.dumps(expected), encoding="utf-8")
    assert 0 == cli("serverless", "create", "--json", f"@{file}", "--name", "b").status
    assert {**expected, "name": "b"} == service.body
    options = [
        "--json",
        '{"type": "QUEUE"}',
        "--name",
        "a",
        "--type",
        "load_balancer",
        "--template",
        "TEMPLATE_ID",
        "--cpu",
        "cpu5c:4",
        "--request-count",
        "2",
    ]
    assert 0 == cli("serverless", "create", *options).status
    assert ("LOAD_BALANCER", [{"id": "cpu5c", "vcpuCount": 4}]) == (service.body["type"], service.body["cpu"])
    assert {"type": "REQUEST_COUNT", "requestCount": 2} == service.body["scaling"]
    done = cli("templates", "create", "--name", "a", "--image", "a:1", "--serverless", "--env", "LEVEL=debug")
    assert (0, {"LEVEL": "debug"}, True) == (done.status, done.json["env"], done.json["serverless"])


def test_update_keeps_other_variables(cli: Command, service: StandIn) -> None:
    done = cli("serverless", "update", "ENDPOINT_ID", "--image", "horses:2", "--env", "NEW=1", "--unset-env", "TRACE")
    assert (0, "horses:2") == (done.status, done.json["image"])
    assert {"image": "horses:2", "env": {"LEVEL": "info", "NEW": "1"}} == service.body
    assert 0 == cli("serverless", "update", "ENDPOINT_ID", "--execution-timeout", "60").status
    assert {"timeout": 60_000} == service.body
    assert 0 == cli("serverless", "update", "ENDPOINT_ID", "--json", '{"registry": null, "env": {}}').status
    assert {"registry": None, "env": {}} == service.body
    assert 0 == cli("templates", "update", "TEMPLATE_ID", "--unset-env", "LEVEL").status
    assert {"env": {}} == service.body


def test_scale_pause_and_resume(cli: Command, service: StandIn) -> None:
    for arguments, expected in (
        (("scale", "ENDPOINT_ID", "--max", "5"), {"min": 0, "max": 5}),
        (
            ("scale", "ENDPOINT_ID", "--min", "1", "--max", "1", "--idle-timeout", "30"),
            {"min": 1, "max": 1, "idleTimeout": 30},
        ),
        (("pause", "ENDPOINT_ID"), {"min": 0, "max": 0}),
        (("resume", "ENDPOINT_ID", "--max", "3"), {"min": 0, "max": 3}),
    ):
        done = cli("serverless", *arguments)
        assert (0, "") == (done.status, done.err)
        assert service.lines[-1].startswith("PATCH ")
        assert expected.items() <= service.body["workers"].items()
        assert expected.items() <= done.json["workers"].items()


@pytest.mark.parametrize("arguments", [("serverless", "delete", "ENDPOINT_ID"), ("templates", "delete", "TEMPLATE_ID")])
def test_nothing_is_deleted_without_yes(arguments: tuple[str, ...], cli: Command, service: StandIn) -> None:
    done = cli(*arguments)
    assert (2, "") == (done.status, done.out)
    assert "Nothing was deleted. Add --yes" in done.err
    assert [] == service.requests
    done = cli(*arguments, "--yes")
    assert (0, "") == (done.status, done.out)
    assert service.lines[-1].startswith("DELETE ")
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
        (("serverless", "create", "--env", "NOT_SET"), "no variable of this shell"),
        (("serverless", "update", "ENDPOINT_ID"), "Nothing to change"),
        (("serverless", "update", "ENDPOINT_ID", "--json", '{"workers": {"max": 1}}'), "`runpod-sdk serverless scale`"),
        (("serverless", "scale", "ENDPOINT_ID"), "Nothing to change"),
        (("serverless", "scale", "ENDPOINT_ID", "--min", "4", "--max", "3"), "3"),
        (("templates", "create", "--name", "a"), "image is missing"),
        (("templates", "update", "TEMPLATE_ID"), "Nothing to change"),
    ],
)  # fmt: skip
def test_wrong_usage(arguments: tuple[str, ...], expected: str, cli: Command, service: StandIn) -> None:
    done = cli(*arguments)
    assert (2, "") == (done.status, done.out)
    assert expected in done.err
    assert [] == service.requests
    # In the words of the command line.
    assert not any(word in done.err for word in ("client.", "Settings(", "timedelta", "create(", "PLANTED"))
