"""Connections for asyncio: the watch over an exchange, large bodies, and what comes unasked."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from runpod import AsyncRunpod, PayloadTooLargeError, RetryPolicy, RunpodTimeoutError, _asyncio
from runpod._aiohttp import readers
from runpod._async.engine import AsyncEngine
from runpod._asyncio import AsyncioConnection, _Conversation, _Watch
from runpod._exchange import Exchange
from runpod._protocol.http1 import AnswerReader
from runpod._protocol.operations import HEALTH, RUN, Call
from tests.servers import KEY, Connection, RawServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runpod._asyncio import Readers

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CALL = Call(HEALTH, "ep")


class Time:
    """Monotonic time that stands still, and a loop whose timers go off when it is moved on."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[Timer] = []

    def monotonic(self) -> float:
        return self.now

    def call_later(self, seconds: float, call: Callable[[], None]) -> Timer:
        self.timers.append(Timer(self.now + seconds, call))
        return self.timers[-1]

    def pass_(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [timer for timer in self.timers if timer.pending and timer.at <= end]:
            first = min(due, key=lambda timer: timer.at)
            first.pending, self.now = False, first.at
            first.call()
        self.now = end


class Timer:
    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at, self.call, self.pending = at, call, True

    def cancel(self) -> None:
        self.pending = False


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr("runpod._exchange.time", time)
    monkeypatch.setattr(_asyncio, "time", time)
    return time


@pytest.fixture
def errors() -> list[str]:
    """With what a watch ended exchanges."""
    return []


@pytest.fixture
def watch(time: Time, errors: list[str]) -> _Watch:
    loop: Any = time
    return _Watch(lambda error: errors.append(str(error)), loop)


def test_an_exchange_ends_at_its_deadline(time: Time, watch: _Watch, errors: list[str]) -> None:
    exchange = Exchange(CALL, 5.0)
    watch.begin(exchange)
    time.pass_(4.9)
    assert (False, []) == (exchange.late, errors)
    time.pass_(0.2)
    assert (True, ["the deadline passed"]) == (exchange.late, errors)


def test_an_exchange_ends_where_nothing_moves_for_long(time: Time, watch: _Watch, errors: list[str]) -> None:
    exchange = Exchange(CALL, 500.0)
    watch.begin(exchange)
    for _ in range(3):
        time.pass_(29)
        watch.moved()
    assert [] == errors
    time.pass_(30.1)
    assert (False, ["nothing moved for 30 s"]) == (exchange.late, errors)


def test_one_timer_serves_many_exchanges(time: Time, watch: _Watch, errors: list[str]) -> None:
    for _ in range(100):
        watch.begin(Exchange(CALL, 60.0))
        time.pass_(0.1)
        watch.end()
    assert 1 == len(time.timers)
    # One that must be over before the timer would look takes another.
    watch.begin(Exchange(CALL, 1.0))
    time.pass_(1.1)
    assert (2, ["the deadline passed"]) == (len(time.timers), errors)
    # An idle connection waits for nothing.
    watch.end()
    time.pass_(100)
    assert not any(timer.pending for timer in time.timers)


def test_a_watch_that_is_closed_leaves_no_timer(time: Time, watch: _Watch) -> None:
    watch.begin(Exchange(CALL, 60.0))
    watch.close()
    assert not any(timer.pending for timer in time.timers)


class Transport(asyncio.WriteTransport):
    """Takes what is written, up to a limit, and does nothing with it."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = socket.socketpair()
        self.written = 0
        self.limit = 10**9
        self.protocol: Any = None
        self.aborted = False

    def get_extra_info(self, name: str, default: object = None) -> Any:
        return self.pair[0]

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high

    def write(self, data: Any) -> None:
        self.written += len(data)
        if self.written > self.limit:
            self.protocol.pause_writing()

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


def fed(conversation: _Conversation, data: bytes) -> None:
    """As a transport feeds it."""
    while data:
        buffer = conversation.get_buffer(-1)
        part = data[: len(buffer)]
        buffer[: len(part)] = part
        conversation.buffer_updated(len(part))
        data = data[len(part) :]


@pytest.fixture
def transport() -> Iterator[Any]:
    transport = Transport()
    yield transport
    for end in transport.pair:
        end.close()


def test_what_nobody_asked_for_ends_a_connection(transport: Any) -> None:
    async def main() -> None:
        conversation = over(transport)
        answered = conversation.ask(exchange := Exchange(CALL, 60.0), b"GET")
        fed(conversation, ANSWER)
        await answered
        assert (200, b"{}", True, True) == (
            exchange.status,
            exchange.partial,
            conversation.finish(),
            conversation.is_alive(),
        )
        fed(conversation, ANSWER)
        assert not conversation.is_alive()
        # And if it was taken into use all the same, nothing is sent.
        answered = conversation.ask(later := Exchange(CALL, 60.0), b"GET")
        with pytest.raises(ConnectionError, match="what nobody asked for"):
            await answered
        assert not later.sent
        await conversation.aclose()
        assert transport.aborted

    asyncio.run(main())


def over(transport: Any, readers: Readers = lambda _: AnswerReader, limit: int = 10**9) -> _Conversation:
    """A conversation over a transport that takes so many bytes."""
    conversation = _Conversation(asyncio.get_running_loop(), readers)
    conversation.connection_made(transport)
    transport.protocol, transport.limit = conversation, limit
    return conversation


def large(size: int) -> Exchange:
    return Exchange(Call(RUN, "ep", body=b"x" * size), 60.0)


async def asked(conversation: _Conversation, exchange: Exchange) -> bool:
    """As a connection carries out an exchange; whether there can be another one."""
    assert exchange.content is not None
    answered = conversation.ask(exchange, b"POST")
    await conversation.send(exchange.content)
    await answered
    return conversation.finish()


def test_a_large_request_goes_out_as_fast_as_it_is_taken(transport: Any) -> None:
    async def main() -> None:
        conversation = over(transport)
        for _ in range(2):
            transport.written, transport.limit = 0, 200_000
            conversation.resume_writing()
            asking = asyncio.create_task(asked(conversation, large(1_000_000)))
            taken: list[int] = []
            while not taken or taken[-1] < 1_000_004:
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                taken.append(transport.written)
                transport.limit = transport.written + 200_000
                conversation.resume_writing()
            assert len(taken) >= 4
            # The last piece may be still with the transport.
            conversation.pause_writing()
            fed(conversation, ANSWER)
            assert await asking

    asyncio.run(main())


def test_a_large_request_that_moves_does_not_stall(transport: Any, time: Time) -> None:
    async def main() -> None:
        conversation = over(transport, limit=200_000)
        exchange = large(1_000_000)
        exchange.until += 3600
        asking = asyncio.create_task(asked(conversation, exchange))
        while transport.written < 1_000_004:
            await asyncio.sleep(0)
            assert not asking.done()
            time.now += 29
            conversation._watch._look()
            transport.limit = transport.written + 200_000
            conversation.resume_writing()
            await asyncio.sleep(0)
        time.now += 31
        conversation._watch._look()
        with pytest.raises(TimeoutError, match="nothing moved"):
            await asking

    asyncio.run(main())


def test_an_answer_ends_a_large_request_and_its_connection(transport: Any) -> None:
    async def main() -> None:
        conversation = over(transport, limit=200_000)
        asking = asyncio.create_task(asked(conversation, large(1_000_000)))
        await asyncio.sleep(0)
        assert 200_000 < transport.written < 300_000
        fed(conversation, ANSWER)
        assert not await asking
        assert transport.written < 300_000

    asyncio.run(main())


@pytest.mark.parametrize("error", [None, ConnectionResetError("gone")], ids=["closed", "reset"])
def test_the_end_of_a_connection_ends_a_large_request(transport: Any, error: Exception | None) -> None:
    async def main() -> None:
        conversation = over(transport, limit=200_000)
        asking = asyncio.create_task(asked(conversation, large(1_000_000)))
        await asyncio.sleep(0)
        conversation.connection_lost(error)
        with pytest.raises(ConnectionError):
            await asking

    asyncio.run(main())


READERS: list[Readers] = [lambda _: AnswerReader, readers]


@pytest.mark.parametrize("readers", READERS, ids=["own", "aiohttp"])
@pytest.mark.parametrize("come", [b"", ANSWER[:20], ANSWER[:-1]], ids=["nothing", "a header", "half a body"])
def test_a_connection_is_of_no_more_use_after_a_call_that_was_cancelled(
    transport: Any, come: bytes, readers: Readers
) -> None:
    async def main() -> None:
        conversation = over(transport, readers)
        answered = conversation.ask(exchange := Exchange(CALL, 60.0), b"GET")
        fed(conversation, come)
        answered.cancel()
        assert not conversation.finish()
        assert come.partition(b"\r\n\r\n")[2] == exchange.partial

    asyncio.run(main())


@pytest.mark.parametrize("size", [10, 4096, 10_000, 3_000_000])
def test_large_answers_are_read_in_large_pieces(transport: Any, size: int) -> None:
    async def main() -> None:
        conversation = over(transport)
        small = len(conversation.get_buffer(-1))
        answered = conversation.ask(exchange := Exchange(CALL, 60.0), b"GET")
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
        fed(conversation, head + b"x" * size)
        assert (size > 3000) == (len(conversation.get_buffer(-1)) > small)
        await answered
        assert size == len(exchange.partial)
        assert conversation.finish()
        assert small == len(conversation.get_buffer(-1))

    asyncio.run(main())


@pytest.mark.parametrize("hangs", [True, False], ids=["hangs", "closes"])
def test_an_answer_before_the_end_of_a_large_request_is_taken(hangs: bool) -> None:
    def refusing(connection: Connection) -> None:
        connection.answer(b'{"error": "too large"}', status="413 Payload Too Large")
        if hangs:
            connection.hang()

    async def main(base_url: str) -> None:
        async with AsyncRunpod(KEY, base_url=base_url) as client:
            with pytest.raises(PayloadTooLargeError, match="too large"):
                await client.endpoint("ep").run(input={"text": "x" * 20_000_000}, timeout=60)

    with RawServer(refusing) as server:
        asyncio.run(main(server.base_url))


@pytest.mark.parametrize("name", ["task.cancel", "timeout", "deadline"])
@pytest.mark.parametrize("extra", [True, False], ids=["aiohttp", "own"])
def test_nothing_is_sent_for_a_call_that_is_over_already(
    name: str, extra: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AsyncEngine, "extra", extra)

    def answering(connection: Connection) -> None:
        while connection.read_request():
            connection.answer(b'{"id": "job-1", "status": "IN_QUEUE"}')

    async def main(base_url: str) -> None:
        async with AsyncRunpod(KEY, base_url=base_url) as client:
            endpoint = client.endpoint("ep")
            await endpoint.status("job-1")
            task = asyncio.current_task()
            assert task is not None
            if name == "task.cancel":
                task.cancel()
            elif name == "timeout":
                asyncio.get_running_loop().call_soon(task.cancel)
            with pytest.raises((asyncio.CancelledError, RunpodTimeoutError)) as caught:
                await endpoint.run(input={"n": 1}, timeout=1e-9 if name == "deadline" else 60.0)
            assert getattr(caught.value, "maybe_submitted", False) is False
            if hasattr(task, "uncancel"):
                task.uncancel()

    with RawServer(answering) as server:
        asyncio.run(main(server.base_url))
        assert 1 == len(server.requests)


def test_a_connection_that_was_never_opened_is_closed_as_well() -> None:
    async def main() -> None:
        route: Any = None
        connection = AsyncioConnection(route)
        assert not connection.is_alive()
        await connection.aclose()

    asyncio.run(main())


def test_a_loop_that_reads_until_the_connection_is_closed() -> None:
    def closing(connection: Connection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps({"id": "job-1", "status": "IN_QUEUE"}).encode())

    async def main(base_url: str) -> None:
        async with AsyncRunpod(KEY, base_url=base_url, retry=RetryPolicy(max_retries=0)) as client:
            for _ in range(2):
                assert "IN_QUEUE" == (await client.endpoint("ep").status("job-1")).status

    with RawServer(closing) as server:
        asyncio.run(main(server.base_url))
        assert 2 == server.connections
