"""The commands `pods`, `volumes`, `gpus` and `billing`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.programs import Terminal
from tests.manage.stand_in import BILL, GPU, PERIOD, POD, VOLUME, StandIn
from tests.servers import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Command

CREATE = ["pods", "create", "--name", "trainer", "--image", "a:1"]


@pytest.fixture(scope="module")
def running() -> Iterator[StandIn]:
    with StandIn() as server:
        yield server


@pytest.fixture(autouse=True)
def server(running: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    monkeypatch.setenv("RUNPOD_API_BASE_URL", running.url)
    running.reset()
    return running


@pytest.mark.parametrize(
    ("words", "line", "result"),
    [
        (["pods", "list"], "GET /v2/pods", {"pods": [POD]}),
        (["pods", "list", "--clusters"], "GET /v2/pods?includeClusterPods=true", {"pods": [POD]}),
        (["pods", "get", "POD_ID"], "GET /v2/pods/POD_ID", POD),
        (["pods", "start", "POD_ID"], "POST /v2/pods/POD_ID/action", POD),
        (["pods", "stop", "POD_ID"], "POST /v2/pods/POD_ID/action", {**POD, "status": "EXITED"}),
        (["pods", "restart", "POD_ID"], "POST /v2/pods/POD_ID/action", POD),
        (["volumes", "list"], "GET /v2/network-volumes", {"networkVolumes": [VOLUME]}),
        (["volumes", "get", "VOLUME_ID"], "GET /v2/network-volumes/VOLUME_ID", VOLUME),
        (
            ["volumes", "update", "VOLUME_ID", "--size", "200"],
            "PATCH /v2/network-volumes/VOLUME_ID",
            {**VOLUME, "size": 200},
        ),
        (["gpus"], "GET /v2/catalog/gpus?include=AVAILABILITY&product=SERVERLESS", {"gpus": [GPU]}),
        (
            ["gpus", "--product", "pod", "--count", "8"],
            "GET /v2/catalog/gpus?include=AVAILABILITY&product=POD&count=8",
            {"gpus": [GPU]},
        ),
        (["billing"], "GET /v2/billing?lastN=30&bucketSize=day", BILL),
        (
            ["billing", "pods", "--last", "6", "--bucket", "month"],
            "GET /v2/billing/pods?lastN=6&bucketSize=month",
            BILL,
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_json_for_programs(words: list[str], line: str, result: Any, cli: Command, server: StandIn) -> None:
    done = cli(*words)
    assert (0, result, "") == (done.status, done.json, done.err)
    assert [line] == server.lines
    if line.endswith("/action"):
        assert {"action": words[1]} == server.body


def test_create_a_pod(cli: Command, server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "e")
    options = ["--gpu", "NVIDIA A40", "--gpu-count", "2", "--disk", "50", "--volume", "vol:/workspace", "--ssh"]
    options += [
        "--env",
        "A=b",
        "--env",
        "C=d=e",
        "--env",
        "TOKEN",
        "--port",
        "22/tcp",
        "--data-center",
        "US-KS-2",
        "--cloud",
        "community",
    ]
    done = cli(*CREATE, *options)
    assert (0, "NEW", "") == (done.status, done.json["id"], done.err)
    assert {
        "name": "trainer",
        "image": "a:1",
        "gpu": {"id": "NVIDIA A40", "count": 2},
        "disk": 50,
        "mounts": {"network": [{"volumeId": "vol", "path": "/workspace"}]},
        "env": {"A": "b", "C": "d=e", "TOKEN": "e"},
        "ports": ["22/tcp"],
        "dataCenterIds": ["US-KS-2"],
        "cloud": "COMMUNITY",
        "startSsh": True,
    } == server.body
    stdin = json.dumps({"name": "other", "templateId": "tpl", "minimum": 1}).encode()
    assert 0 == cli("pods", "create", "--json", "-", "--name", "trainer", "--cpu", "cpu5c", stdin=stdin).status
    expected = {"name": "trainer", "templateId": "tpl", "minimum": 1, "cpu": {"id": "cpu5c", "vcpuCount": 2}}
    assert expected == server.body
    assert 0 == cli("volumes", "create", "--name", "m", "--size", "10", "--data-center", "US-KS-2").status
    assert {"name": "m", "size": 10, "dataCenter": "US-KS-2"} == server.body


def test_update_a_pod(cli: Command, server: StandIn) -> None:
    options = ["--image", "a:2", "--env", "C=d", "--args", "serve", "--registry", "reg", "--lock"]
    done = cli("pods", "update", "POD_ID", *options)
    assert (0, "a:2", "") == (done.status, done.json["image"], done.err)
    # Other variables are kept.
    expected = {"image": "a:2", "env": {"A": "b", "C": "d"}, "args": "serve", "registry": "reg", "locked": True}
    assert expected == server.body
    assert 0 == cli("pods", "update", "POD_ID", "--unset-env", "C", "--unlock").status
    assert {"env": {"A": "b"}, "locked": False} == server.body


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (CREATE, "--gpu or --cpu is missing. Pass it, or gpu or cpu in --json."),
        (["pods", "create", "--json", "{}"], "--name is missing."),
        ([*CREATE, "--gpu-count", "2"], "--gpu-count needs --gpu."),
        ([*CREATE, "--volume", "vol"], "--volume must be ID:PATH"),
        ([*CREATE, "--env", "=PLANTED"], "--env needs a name"),
        ([*CREATE, "--env", "PLANTED"], "An --env has no value, and is no variable of this shell."),
        (["pods", "create", "--json", "{PLANTED"], "--json is not valid JSON (line 1:"),
        (["pods", "create", "--json", "[]"], "--json must be a JSON object"),
        (["pods", "create", "--json", "@missing.json"], "The file 'missing.json' cannot be read"),
        (["pods", "delete", "POD_ID"], "Nothing was deleted. Add --yes to delete pod 'POD_ID' with its disks."),
        (["pods", "terminate", "POD_ID"], "Nothing was deleted. Add --yes"),
        (
            ["volumes", "delete", "VOLUME_ID"],
            "Nothing was deleted. Add --yes to delete network volume 'VOLUME_ID' with its files.",
        ),
        (["pods", "update", "POD_ID"], "Nothing to change."),
        (["pods", "update", "POD_ID", "--json", '{"gpu": {}}'], "gpu of a pod cannot be changed"),
        (["volumes", "update", "VOLUME_ID"], "Nothing to change. Pass --name or --size."),
        (["volumes", "update", "VOLUME_ID", "--size", "5000"], "size must be from 10 to 4096 GB"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage(words: list[str], message: str, cli: Command, server: StandIn) -> None:
    done = cli(*words)
    assert (2, "") == (done.status, done.out)
    assert message in done.err
    assert "PLANTED" not in done.err
    assert [] == server.requests


@pytest.mark.parametrize(
    ("method", "words", "message"),
    [
        ("pods.Pods", [*CREATE, "--gpu", "NVIDIA A40"], "The pod may have been created: `runpod-sdk pods list`"),
        ("templates.Templates", ["templates", *CREATE[1:]], "The template may have been created"),
        ("serverless.Serverless", ["serverless", *CREATE[1:]], "The endpoint may have been created"),
        (
            "volumes.Volumes",
            ["volumes", "create", "--name", "m", "--size", "10", "--data-center", "US-KS-2"],
            "The network volume may have been created",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value else "",
)
def test_an_interrupted_creation(
    method: str, words: list[str], message: str, cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"runpod._sync.manage.{method}.create", interrupt)
    done = cli(*words)
    assert (130, "") == (done.status, done.out)
    assert f"Interrupted. {message}" in done.err


def test_deletions(cli: Command, server: StandIn) -> None:
    for words in (["pods", "delete", "POD_ID"], ["pods", "terminate", "POD_ID"], ["volumes", "delete", "VOLUME_ID"]):
        server.reset()
        done = cli(*words, "--yes")
        assert (0, "") == (done.status, done.out)
        assert done.err.startswith("Deleted ")
        method, steps = ("POST", "/action") if "terminate" in words else ("DELETE", "")
        collection = words[0].replace("volumes", "network-volumes")
        assert [f"{method} /v2/{collection}/{words[2]}{steps}"] == server.lines


def test_tables_for_people(cli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    # Quicker than a terminal, and as wide.
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    tables = {
        ("pods", "list"): ["POD_ID", "2 x NVIDIA A40", "US-KS-2", "0.88"],
        ("volumes", "list"): ["VOLUME_ID", "models", "100"],
        ("gpus",): ["AMPERE_48", "1.224", "0.40", "LOW"],
        ("billing", "pods"): ["2026-06-01", "POD_ID", "1,234.50", "GPU", "4.25"],
    }
    for words, cells in tables.items():
        done = cli(*words)
        assert (0, "") == (done.status, done.err)
        for cell in cells:
            assert cell in done.out, words
    assert "Total" in done.out
    # A record may lack an ID.
    records = [{**BILL["records"][0], "podId": None}, {**PERIOD, "totalAmount": 7.25}, *BILL["records"]]
    monkeypatch.setitem(BILL, "records", records)
    done = cli("billing", "pods")
    assert (0, "") == (done.status, done.err)
    assert "7.25" in done.out
    assert "CPU" not in done.out  # nothing was billed for them


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_a_deletion_is_confirmed_at_a_terminal(server: StandIn) -> None:
    for answer, line in (("n", "Nothing was deleted."), ("y", "Deleted network volume 'VOLUME_ID'.")):
        with Terminal("volumes", "delete", "VOLUME_ID") as terminal:
            terminal.wait_for("Delete network volume 'VOLUME_ID' with its files?")
            terminal.type(f"{answer}\n")
            done = terminal.end()
        assert line in done.err
        assert (answer == "n") == (1 == done.status)
    assert ["DELETE /v2/network-volumes/VOLUME_ID"] == server.lines
