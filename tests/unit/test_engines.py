"""What has no colour in carrying requests: event loops, batches, and what is done once."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from runpod import AsyncRunpod, Runpod
from runpod._aiohttp import AiohttpReader
from runpod._async.engine import AsyncEngine
from runpod._async.session import AsyncSession
from runpod._exchange import Exchange
from runpod._network import Batch
from runpod._protocol import decoding, encoding
from runpod._protocol.bodies import BodyReader
from runpod._protocol.http1 import AnswerReader
from runpod._protocol.operations import STATUS, Call
from runpod._protocol.outcomes import Answer
from tests.servers import KEY, Connection, RawServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DONE = {"id": "job-1", "status": "COMPLETED", "output": {"n": 1}}


def answering(connection: Connection) -> None:
    while connection.read_request():
        connection.answer(json.dumps(DONE).encode())


@pytest.fixture(params=[True, False], ids=["aiohttp", "own"])
def _extra(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AsyncEngine, "extra", request.param)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_extra")
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the first loop, which left a connection open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_one_client_works_in_two_event_loops() -> None:
    with RawServer(answering) as server:
        client = AsyncRunpod(KEY, base_url=server.base_url)

        async def ask() -> Any:
            return (await client.endpoint("ep").status("job-1")).output

        async def ask_and_close() -> Any:
            output = await ask()
            await client.aclose()
            return output

        assert {"n": 1} == asyncio.run(ask()) == asyncio.run(ask()) == asyncio.run(ask_and_close())
        assert 3 == server.connections


def test_two_threads_may_drop_what_is_left_of_a_loop_that_ended() -> None:
    class Ended:
        """A loop whose connections another thread drops at the same moment."""

        def is_closed(self) -> bool:
            pools.pop(self, None)
            pools[object()] = None
            return True

    async def ask(client: AsyncRunpod) -> Any:
        return (await client.endpoint("ep").status("job-1")).output

    with RawServer(answering) as server:
        client = AsyncRunpod(KEY, base_url=server.base_url)
        pools: Any = client._session.engine._pools
        pools[Ended()] = None

        async def main() -> None:
            assert {"n": 1} == await ask(client)
            await client.aclose()

        asyncio.run(main())


def test_a_forked_child_leaves_the_connections_to_its_parent() -> None:
    with RawServer(answering) as server, Runpod(KEY, base_url=server.base_url) as client:
        endpoint = client.endpoint("ep")
        for _ in range(2):
            endpoint.status("job-1")
        engine = client._session.engine
        engine._pid += 1  # As it looks from a child.
        for _ in range(2):
            endpoint.status("job-1")
        assert (4, 2) == (len(server.requests), server.connections)
        parents, pools = engine._parents
        for pool in pools.values():
            pool.close()
        parents.close()


def test_a_header_goes_out_with_its_body() -> None:
    batch = Batch()
    assert () == batch.add(b"POST / HTTP/1.1\r\n\r\n")
    assert (b"POST / HTTP/1.1\r\n\r\n{}",) == batch.add(b"{}")
    assert () == batch.add(b"")
    batch.begin()
    # A request without a body ends with a write of nothing.
    assert () == batch.add(b"GET / HTTP/1.1\r\n\r\n")
    assert (b"GET / HTTP/1.1\r\n\r\n",) == batch.add(b"")
    batch.begin()
    large = b"x" * 100_000
    assert () == batch.add(b"POST / HTTP/1.1\r\n\r\n")
    assert (b"POST / HTTP/1.1\r\n\r\n", large) == batch.add(large)
    assert (b"more",) == batch.add(b"more")


def alive() -> set[int]:
    """What there is of exchanges and bodies, without a look by the garbage collector."""
    kinds = (Exchange, BodyReader, AnswerReader, AiohttpReader)
    return {id(thing) for thing in gc.get_objects() if isinstance(thing, kinds)}


@pytest.fixture
def _no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_garbage_collection")
def test_nothing_is_left_of_a_sync_call() -> None:
    """The body of an answer can be large: it must not wait for the garbage collector."""
    before = alive()
    with RawServer(answering) as server, Runpod(KEY, base_url=server.base_url) as client:
        assert client.endpoint("ep").status("job-1").succeeded
        assert client.endpoint("ep").run_sync(input={"n": 1}).succeeded
        assert alive() <= before


@pytest.mark.usefixtures("_extra", "_no_garbage_collection")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_nothing_is_left_of_an_async_call(backend: str) -> None:
    async def main(base_url: str) -> None:
        before = alive()
        async with AsyncRunpod(KEY, base_url=base_url) as client:
            assert (await client.endpoint("ep").status("job-1")).succeeded
            assert (await client.endpoint("ep").run_sync(input={"n": 1})).succeeded
            assert alive() <= before

    with RawServer(answering) as server:
        anyio.run(main, server.base_url, backend=backend)


def counted(monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> list[None]:
    calls: list[None] = []
    real: Callable[..., Any] = getattr(where, name)

    def counting(*args: Any, **options: Any) -> Any:
        calls.append(None)
        return real(*args, **options)

    monkeypatch.setattr(where, name, counting)
    return calls


def test_an_answer_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = counted(monkeypatch, decoding, "from_json")
    again = counted(monkeypatch, json, "loads")
    assert {"n": 1} == decoding.read_job(Answer(200, {}, json.dumps(DONE).encode()), Call(STATUS, "ep", "job-1")).output
    assert (1, 0) == (len(parsed), len(again))


def test_a_request_is_encoded_once_and_sent_again_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy_at_first(connection: Connection) -> None:
        for status in ("429 Too Many Requests", "200 OK"):
            connection.read_request()
            connection.answer(json.dumps(DONE).encode(), status=status, headers="Retry-After: 0\r\n")

    encoded = counted(monkeypatch, encoding, "to_json")
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
