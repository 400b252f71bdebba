"""The OpenAPI description of the server, and Schemathesis, which tests the server against it."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod.local import Behavior, LocalServer
from runpod.local.http import openapi, routing

if TYPE_CHECKING:
    from pathlib import Path


# Without the checks that valid input is accepted (a job's state may not allow it) and that invalid
# input is refused (of a repeated parameter, only the first value is used).
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
)


def described(server: LocalServer) -> Any:
    response = httpx.get(server.base_url.removesuffix("/v2") + "/openapi.json", trust_env=False)
    assert (200, "application/json") == (response.status_code, response.headers["content-type"])
    return response.json()


def test_every_route_is_described() -> None:
    with LocalServer({"horse": lambda _: 1, "mule": lambda _: 1}) as server:
        document = described(server)
    expected = {
        (f"/{{endpoint_id}}/{route.template}", method.lower())
        for route in routing.routes(Behavior())
        for method in route.operations
    }
    found = {(path, method) for path, item in document["paths"].items() for method in item if method != "parameters"}
    assert expected == found
    assert len(expected) > 20
    (endpoint,) = [p for p in document["paths"]["/{endpoint_id}/health"]["parameters"] if p["name"] == "endpoint_id"]
    assert ["horse", "mule"] == endpoint["schema"]["enum"]
    operations = [item[method] for path, item in document["paths"].items() for method in item if method != "parameters"]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    assert all(operation["summary"] for operation in operations)


def test_disabled_routes_are_not_described() -> None:
    with LocalServer({}, behavior=Behavior(status_sync=False, post_reads=False)) as server:
        paths = described(server)["paths"]
    assert not [path for path in paths if "status-sync" in path]
    assert ["parameters", "get"] == list(paths["/{endpoint_id}/status/{job_id}"])


@pytest.mark.parametrize("method", ["POST", "HEAD", "DELETE"])
def test_description_accepts_only_get(method: str) -> None:
    with LocalServer({}) as server:
        url = server.base_url.removesuffix("/v2") + "/openapi.json"
        assert 404 == httpx.request(method, url, trust_env=False).status_code


def test_no_unused_schemas() -> None:
    text = openapi.describe(routing.routes(Behavior()), [])
    assert set(openapi._SCHEMAS) == set(re.findall(r'"#/components/schemas/(\w+)"', text))


def test_schemathesis(tmp_path: Path) -> None:
    with LocalServer({"horse": lambda job: job["input"]}) as server:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run"),
                server.base_url.removesuffix("/v2") + "/openapi.json",
                *("--header", f"Authorization: Bearer {server.api_key}"),
                *("--max-examples", "3", "--seed", "1"),
                *("--checks", ",".join(CHECKS)),
                "--no-color",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        requests = len(server.requests)
    assert 0 == done.returncode, done.stdout + done.stderr
    assert requests > 300
    assert re.search(r"Tested: \d\d", done.stdout)
