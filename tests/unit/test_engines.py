"""Tests of connection pools, reference cycles, and work that must be done once per request."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import TYPE_CHECKING, Any

import anyio
import httpcore
import httpx
import pytest

from runpod import AsyncRunpod, Runpod
from runpod._async.session import AsyncSession
from runpod._http.body_reader import BodyReader
from runpod._http.exchange import Exchange
from runpod._protocol import decoding, request_body
from runpod._protocol.operations import STATUS, Call
from runpod._protocol.outcomes import Response
from tests.servers import KEY, Connection, RawServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DONE = {"id": "job-1", "status": "COMPLETED", "output": {"n": 1}}


def respond_done(connection: Connection) -> None:
    while connection.read_request():
        connection.respond(json.dumps(DONE).encode())


def test_concurrent_cleanup_of_the_connections_of_an_ended_event_loop() -> None:
    class Ended:
        """An event loop whose connections another thread removes at the same time."""

        def is_closed(self) -> bool:
            homes.pop((0, self), None)
            homes[0, object()] = None
            return True

    async def ask(client: AsyncRunpod) -> Any:
        return (await client.endpoint("ep").status("job-1")).output

    with RawServer(respond_done) as server:
        client = AsyncRunpod(KEY, base_url=server.base_url)
        transport: Any = client._session.engine._client._transport
        homes = transport._pool._connections
        homes[0, Ended()] = None

        async def main() -> None:
            assert {"n": 1} == await ask(client)
            await client.aclose()

        asyncio.run(main())


def test_fallback_to_the_connection_pool_of_httpx(monkeypatch: pytest.MonkeyPatch) -> None:
    class Transport(httpx.HTTPTransport):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.__dict__["pool_elsewhere"] = self.__dict__.pop("_pool")

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            self.__dict__["_pool"] = self.pool_elsewhere
            try:
                return super().handle_request(request)
            finally:
                del self.__dict__["_pool"]

        def close(self) -> None:
            self.pool_elsewhere.close()

    monkeypatch.setattr(httpx, "HTTPTransport", Transport)
    with RawServer(respond_done) as server, Runpod(KEY, base_url=server.base_url) as client:
        assert client.endpoint("ep").status("job-1").succeeded


def test_httpx_transports_have_a_replaceable_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, clients still work, but slower: see `new_client`."""
    assert isinstance(httpx.HTTPTransport()._pool, httpcore.ConnectionPool)
    assert isinstance(httpx.AsyncHTTPTransport()._pool, httpcore.AsyncConnectionPool)


def alive() -> set[int]:
    """The IDs of all exchanges, bodies and responses in memory."""
    kinds = (Exchange, BodyReader, httpx.Response)
    return {id(thing) for thing in gc.get_objects() if issubclass(type(thing), kinds)}


@pytest.fixture
def _no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_garbage_collection")
def test_a_sync_call_leaves_no_reference_cycles() -> None:
    """Response bodies can be large and must be freed without the garbage collector."""
    before = alive()
    with RawServer(respond_done) as server, Runpod(KEY, base_url=server.base_url) as client:
        assert client.endpoint("ep").status("job-1").succeeded
        assert client.endpoint("ep").run_sync(input={"n": 1}).succeeded
        assert alive() <= before


@pytest.mark.usefixtures("_no_garbage_collection")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_async_call_leaves_no_reference_cycles(backend: str) -> None:
    async def main(base_url: str) -> None:
        before = alive()
        async with AsyncRunpod(KEY, base_url=base_url) as client:
            assert (await client.endpoint("ep").status("job-1")).succeeded
            assert (await client.endpoint("ep").run_sync(input={"n": 1})).succeeded
            assert alive() <= before

    with RawServer(respond_done) as server:
        anyio.run(main, server.base_url, backend=backend)


def counted(monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> list[None]:
    calls: list[None] = []
    real: Callable[..., Any] = getattr(where, name)

    def counting(*args: Any, **options: Any) -> Any:
        calls.append(None)
        return real(*args, **options)

    monkeypatch.setattr(where, name, counting)
    return calls


def test_a_response_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = counted(monkeypatch, decoding, "from_json")
    again = counted(monkeypatch, json, "loads")
    assert {"n": 1} == decoding.parse_job(
        Response(200, {}, json.dumps(DONE).encode()), Call(STATUS, "ep", "job-1")
    ).output
    assert (1, 0) == (len(parsed), len(again))


def test_a_request_is_encoded_once_for_all_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy_at_first(connection: Connection) -> None:
        for status in ("429 Too Many Requests", "200 OK"):
            connection.read_request()
            connection.respond(json.dumps(DONE).encode(), status=status, headers="Retry-After: 0\r\n")

    encoded = counted(monkeypatch, request_body, "to_json")
    sent: list[Any] = []
    real = AsyncSession._attempt

    async def attempt(self: AsyncSession, call: Call, *args: Any) -> Any:
        sent.append(call.body)
        return await real(self, call, *args)

    monkeypatch.setattr(AsyncSession, "_attempt", attempt)

    async def run(base_url: str) -> None:
        async with AsyncRunpod(KEY, base_url=base_url) as client:
            await client.endpoint("ep").run(input={"prompt": "a horse"})

    with RawServer(busy_at_first) as server:
        asyncio.run(run(server.base_url))
        bodies = {request.partition(b"\r\n\r\n")[2] for request in server.requests}
    assert {b'{"input":{"prompt":"a horse"}}'} == bodies
    assert sent[0] is sent[1]
    assert 1 == len(encoded)


@pytest.mark.parametrize("remaining", [5.0, 12.0, 30.0])
def test_no_read_ends_before_the_deadline(remaining: float) -> None:
    """A step without a timeout of its own would end after that of connecting, ten seconds."""
    with Runpod(KEY) as client:
        request = client._session.engine._request(Exchange(Call(STATUS, "ep", "job-1"), remaining), remaining)
    assert request.extensions["timeout"]["read"] > remaining
    assert request.extensions["timeout"]["write"] > remaining
