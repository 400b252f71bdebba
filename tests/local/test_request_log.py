from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from runpod.local import LocalServer
from runpod.local.http import request_log
from tests.local.api import Api

if TYPE_CHECKING:
    from tests.local.conftest import Serve


def test_requests_are_recorded(serve: Serve) -> None:
    api = serve(lambda _: 1)
    api.http.post("/run?a=1&a=2&b=", json={"input": {"n": 1}}, headers=[("X-One", "1"), ("X-One", "2")])
    api.http.get("/status/a%2Fb")
    first, second = api.server.requests
    assert ("POST", "/v2/horse/run") == (first.method, first.path)
    assert {"a": "1", "b": ""} == first.query
    assert b'{"input":{"n":1}}' == first.body
    assert "application/json" == first.headers["content-type"]
    assert "1, 2" == first.headers["x-one"]
    assert ("GET", "/v2/horse/status/a%2Fb", b"") == (second.method, second.path, second.body)


def test_refused_requests_are_recorded() -> None:
    with LocalServer({"horse": lambda _: 1}) as server, Api(server) as api:
        api.http.headers["authorization"] = "Bearer wrong"
        api.http.get("/health")
        api.http.get("/nonsense")
    assert ["/v2/horse/health", "/v2/horse/nonsense"] == [r.path for r in server.requests]


def test_api_key_is_not_recorded(serve: Serve) -> None:
    api = serve(lambda _: 1, api_key="very-secret")
    api.run()
    (record,) = api.server.requests
    assert "[not recorded]" == record.headers["authorization"]
    assert "very-secret" not in repr((record.query, record.headers, record.body)) + repr(record)


def test_records_are_immutable(serve: Serve) -> None:
    api = serve(lambda _: 1)
    api.run()
    (record,) = api.server.requests
    record_as_any: Any = record
    with pytest.raises(dataclasses.FrozenInstanceError):
        record_as_any.path = "/"
    with pytest.raises(TypeError):
        record_as_any.headers["x"] = "y"
    assert "<RequestRecord POST /v2/horse/run>" == repr(record)


def test_long_bodies_are_truncated(serve: Serve) -> None:
    api = serve(lambda _: 1)
    api.run(text="x" * 100_000)
    assert 64 * 1024 == len(api.server.requests[0].body)


def test_number_of_records_is_limited() -> None:
    recorder = request_log.Recorder()
    for n in range(10_005):
        recorder.add("GET", str(n), {}, [], b"")
    records = recorder.snapshot()
    assert 10_000 == len(records)
    assert ("5", "10004") == (records[0].path, records[-1].path)


def test_total_size_of_bodies_is_limited() -> None:
    recorder = request_log.Recorder()
    for n in range(1000):
        recorder.add("POST", str(n), {}, [], b"x" * 100_000)
    records = recorder.snapshot()
    assert 512 == len(records)  # 64 KB each.
    assert "999" == records[-1].path
