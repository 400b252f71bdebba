from __future__ import annotations

import json
import logging
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_from_bytes

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runpod.local import LocalServer
from tests.local.api import Api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local.conftest import Serve

MIB = 1024 * 1024
OPERATIONS = ["run", "runsync", "status", "status-sync", "stream", "cancel", "retry"]
OPERATIONS += ["purge-queue", "health"]


def echo(job: dict[str, Any]) -> Any:
    return job["input"]


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    with LocalServer({"horse": echo}, api_key="secret") as server, Api(server) as api:
        yield api


def refused(response: httpx.Response) -> tuple[int, str]:
    body = response.json()
    assert ["error"] == list(body)
    return response.status_code, body["error"]


@pytest.mark.fact("protocol 1.0: bearer key")
@pytest.mark.parametrize("value", ["Bearer secret", "secret", "bearer secret", "Bearer  secret"])
def test_valid_key(api: Api, value: str) -> None:
    assert api.ok(api.http.get("/health", headers={"Authorization": value}))


@pytest.mark.fact("protocol 4: wrong key")
@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer wrong", "wrong", "Basic secret", "Bearer secret2", "secre", "\xe9"],
)
@pytest.mark.parametrize("path", ["/health", "/status/x"])
def test_invalid_key(api: Api, value: str, path: str) -> None:
    headers = [(b"authorization", value.encode("latin-1"))]
    assert (401, "unauthorized") == refused(api.http.get(path, headers=headers))


@pytest.mark.fact("protocol 4: wrong key", "protocol 4: body of a 401")
def test_missing_key(api: Api) -> None:
    url = f"{api.server.base_url}/horse/run"
    response = httpx.post(url, json={"input": {"n": 1}}, trust_env=False)
    assert (401, "unauthorized") == refused(response)


@pytest.mark.fact("protocol 4: unknown endpoint")
def test_unknown_endpoint(api: Api) -> None:
    response = api.http.get(f"{api.server.base_url}/mule/health")
    assert (404, "endpoint not found") == refused(response)


@pytest.mark.fact("protocol 4: blank ID")
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v2",
        "/v2/",
        "/v2/horse",
        "/v2/horse/",
        "/v2/horse/unknown",
        "/v2/horse/requests",
        "/v2/horse/batch/x/y",
        "/v2/horse/status",
        "/v2/horse/status/",
        "/v2/horse/status/a/b",
        "/v2/horse/run/",
        "/v2/horse/run/x",
        "/v2/horse/health/x",
        "/v2//health",
        "//v2/horse/health",
        "/v2/horse%2Fhealth",
        "/v2/horse/status%2Fx",
        "/v1/horse/health",
        "/V2/horse/health",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unknown_path(api: Api, path: str, method: str) -> None:
    root = api.server.base_url.removesuffix("/v2")
    assert (404, "not found") == refused(api.http.request(method, root + path))


@pytest.mark.parametrize(
    "job_id", ["a%2Fb", "%2e%2e", "%2e%2e%2Fhealth", "x%2Foutput", "%00", "%F0%9F%90%8E", "%ff", "%zz", "a%3Fb", "..."]
)
def test_job_id_may_hold_any_character(api: Api, job_id: str) -> None:
    for operation in ("status", "status-sync", "stream"):
        assert (404, "job not found") == refused(api.http.get(f"/{operation}/{job_id}"))
    for operation in ("cancel", "retry"):
        assert (404, "job not found") == refused(api.http.post(f"/{operation}/{job_id}"))


@pytest.mark.fact("protocol 1.0: opaque IDs")
def test_encoded_job_id(api: Api) -> None:
    job_id = api.run_sync(n=1)["id"]
    encoded = "".join(f"%{ord(character):02x}" for character in job_id)
    assert job_id == api.status(encoded)["id"]


@pytest.mark.parametrize("endpoint", ["a b", "ünïcode", "100%", "q?#&", "flash", "qwen3-32b-awq", "..."])
def test_endpoint_id_may_hold_anything_but_a_slash(endpoint: str) -> None:
    with LocalServer({endpoint: echo}) as server, Api(server, quote(endpoint, safe="")) as api:
        assert {"n": 1} == api.run_sync(n=1)["output"]
        assert 1 == len(server.jobs[endpoint])


@pytest.mark.fact("protocol 1.1: routes")
@pytest.mark.parametrize(
    ("operation", "allowed"),
    [
        ("run", "POST"),
        ("runsync", "POST"),
        ("status/x", "GET, POST"),
        ("status-sync/x", "GET, POST"),
        ("stream/x", "GET, POST"),
        ("cancel/x", "POST"),
        ("retry/x", "POST"),
        ("purge-queue", "POST"),
        ("health", "GET"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW", "HEAD"])
def test_method_not_allowed(api: Api, operation: str, allowed: str, method: str) -> None:
    response = api.http.request(method, f"/{operation}")
    if method in allowed.split(", "):
        assert 405 != response.status_code
        return
    assert 405 == response.status_code
    assert allowed == response.headers["allow"]
    if method == "HEAD":
        assert b"" == response.content
    else:
        assert (405, "method not allowed") == refused(response)


@pytest.mark.fact("protocol 1.2: input is an object")
@pytest.mark.parametrize("operation", ["run", "runsync"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"horse",
        b"null",
        b"[]",
        b'"text"',
        b"1",
        b"[" * 200_000,
        b'{"input": ' + b'{"a":' * 200_000,
        b'{"input": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
        b'{"input": {"n": NaN}}',
        b'{"input": {"n": -Infinity}}',
        b'{"input": {"n": 1}} trailing',
        b'\xef\xbb\xbf{"input": {"n": 1}}',
        b'\xff\xfe{\x00"\x00',
        b'{"input": {"n": "\xff"}}',
        b"{}",
        b'{"inputs": {"n": 1}}',
        b'{"input": null}',
        b'{"input": []}',
        b'{"input": "text"}',
        b'{"input": 1}',
        b'{"input": false}',
        b'{"input": {"n": 1}, "webhook": 1}',
        b'{"input": {"n": 1}, "policy": "fast"}',
        b'{"input": {"n": 1}, "policy": {"ttl": "10000"}}',
        b'{"input": {"n": 1}, "policy": {"ttl": true}}',
        b'{"input": {"n": 1}, "policy": {"lowPriority": 1}}',
        b'{"input": {"n": 1}, "s3Config": []}',
    ],
    ids=lambda body: repr(body[:40]),
)
def test_invalid_job_body(api: Api, operation: str, body: bytes) -> None:
    before = len(api.server.jobs["horse"])
    status, text = refused(api.http.post(f"/{operation}", content=body))
    assert 400 == status
    assert text.startswith("bad request: body: ")
    assert before == len(api.server.jobs["horse"])


def body_of(size: int) -> bytes:
    frame = b'{"input":{"n":""}}'
    return b'{"input":{"n":"' + b"x" * (size - len(frame)) + b'"}}'


@pytest.mark.fact("protocol 1.3: body of /run", "protocol 1.3: body of /runsync")
@pytest.mark.parametrize(("operation", "limit"), [("run", 10), ("runsync", 20)])
@pytest.mark.parametrize("chunked", [False, True])
def test_body_over_the_limit(api: Api, operation: str, limit: int, chunked: bool) -> None:
    def send(body: bytes) -> httpx.Response:
        pieces = (body[start : start + MIB] for start in range(0, len(body), MIB))
        return api.http.post(f"/{operation}", content=pieces if chunked else body)

    text = f"bad request: body: exceeded max body size of {limit}MiB"
    assert (400, text) == refused(send(body_of(limit * MIB + 1)))
    assert (400, text) == refused(send(body_of((limit + 15) * MIB)))
    assert 200 == send(body_of(limit * MIB)).status_code
    assert api.get("/health")


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "HEAD", "X"]),
    operation=st.sampled_from([*OPERATIONS, "nonsense", ""]),
    tail=st.text(max_size=8),
    query=st.binary(max_size=20),
    body=st.one_of(
        st.binary(max_size=50),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text()),
            lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("input"), inner),
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_input_breaks_the_server(
    api: Api, method: str, operation: str, tail: str, query: bytes, body: bytes
) -> None:
    path = f"/{operation}"
    if tail:
        path += "/" + quote(tail.encode("utf-8", "surrogatepass"), safe="")
    response = api.http.request(method, f"{path}?wait=1000&{quote_from_bytes(query)}", content=body)
    assert response.status_code in {200, 400, 404, 405}
    if method != "HEAD":
        assert isinstance(response.json(), dict)


@given(
    value=st.recursive(
        st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(), st.binary()),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("error"), inner) | st.tuples(inner),
    )
)
@settings(max_examples=200)
def test_no_output_breaks_the_server(outputs: tuple[Api, list[Any]], value: Any) -> None:
    api, queue = outputs
    queue.append(value)
    done = api.run_sync()
    assert done["status"] in {"COMPLETED", "FAILED"}
    assert done["status"] != "FAILED" or done["error"]


@pytest.fixture(scope="module")
def outputs() -> Iterator[tuple[Api, list[Any]]]:
    queue: list[Any] = []
    with LocalServer({"horse": lambda _: queue.pop()}) as server, Api(server) as api:
        yield api, queue


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"GET /v2/horse/health HTTP/1.1\r\n\r\n",
        b"GET /v2/\xff/health HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET http://x/v2/horse/health HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET * HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /v2/horse/run HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /v2/horse/health HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_malformed_http(api: Api, raw: bytes) -> None:
    port = int(api.server.base_url.split(":")[2].removesuffix("/v2"))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(raw)
        assert connection.recv(12) in {b"HTTP/1.1 400", b"HTTP/1.1 401", b"HTTP/1.1 404"}


def test_nothing_is_printed_or_logged(
    serve: Serve, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        api = serve(echo)
        api.run_sync()
        api.http.get("/nonsense")
    assert ("", "") == capfd.readouterr()
    records = [r for r in caplog.records if r.name.startswith(("runpod", "uvicorn"))]
    assert [] == [r for r in records if r.levelno >= logging.WARNING]
