"""Logs: over servers that misbehave, and over the local server."""

from __future__ import annotations

import gc
import gzip
import json
import logging
import threading
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import anyio  # async-only
import httpx
import pytest

from runpod import (
    APIConnectionError,
    APIResponseError,
    AsyncRunpod,
    ClientClosedError,
    ConfigurationError,
    InvalidRequestError,
    NotFoundError,
    RateLimitError,
    RetryPolicy,
    RunpodTimeoutError,
    ServerError,
)
from runpod._async import log_reader, log_run
from runpod._async.logs import AsyncLogs
from runpod._primitives import async_in_thread  # async-only
from runpod._protocol.deadlines import Deadline
from runpod._protocol.log_feed import LogFeed, LogQuery
from runpod._protocol.outcomes import DeadlineExceeded
from runpod.local import LocalEndpoint, LocalServer
from runpod.models.management import LogLine
from tests._async import misbehaving
from tests._async.calls import collect
from tests._async.misbehaving import DEADLINES, LONG, SHORT, ClientWithCallersHTTP
from tests.clocks import AsyncVirtualClock, async_together
from tests.local.api import TIMEOUT, Gate, until
from tests.servers import KEY, RawServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.servers import Connection

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


def event(number: int) -> bytes:
    """A line in the format of the service: an ID, and a time in whole seconds."""
    time = f"2026-06-01T12:00:{number % 60:02}Z"
    data = json.dumps({"ts": time, "source": "container", "line": f"line {number}"})
    return f"id: {time}/{number:012}\ndata: {data}\n\n".encode()


def events(*numbers: int) -> bytes:
    return b"".join(event(number) for number in numbers)


def texts(lines: list[LogLine]) -> list[int]:
    return [int(line.line.removeprefix("line ")) for line in lines]


def script(*turns: Callable[[Connection], Any]) -> Callable[[Connection], None]:
    """Behave in another way on each connection; after the last turn, like a worker that is gone."""
    remaining = list(turns)

    def behave(connection: Connection) -> None:
        if not connection.read_request():
            return
        if remaining:
            remaining.pop(0)(connection)
        else:
            connection.respond(b'{"title": "Not Found", "status": 404, "detail": "gone"}', status="404 Not Found")

    return behave


def workers(listings: list[list[str]], logs: dict[str, list[Callable[[Connection], Any]]]) -> Any:
    """Behave like an endpoint whose workers change with each request for them; without a turn, a worker is gone."""

    def behave(connection: Connection) -> None:
        request = connection.read_request().decode()
        if not request:  # the client left
            return
        path = request.split(" ")[1].partition("?")[0]
        worker = path.removesuffix("/logs").rpartition("/")[2]
        turns = logs.get(worker, [])
        if worker == "workers":
            listed = listings.pop(0) if len(listings) > 1 else listings[0]
            connection.respond(json.dumps({"workers": [{"id": each} for each in listed]}).encode())
        elif turns:
            turns.pop(0)(connection)
        else:
            connection.respond(b"{}", status="404 Not Found")

    return behave


def sends(*parts: bytes) -> Callable[[Connection], None]:
    """Send what is given, and end."""
    return lambda connection: [connection.send(part) for part in parts] and None


def sends_and_waits(*parts: bytes) -> Callable[[Connection], None]:
    """Send what is given at once, and wait until the client has left."""

    def turn(connection: Connection) -> None:
        connection.send(b"".join(parts))
        connection.read_request()

    return turn


def drips(connection: Connection) -> None:
    """Send a line and the beginning of another one, byte by byte, and spaces until the client has left."""
    connection.send(HEAD)
    for byte in event(1) + event(2)[:40]:
        connection.send(bytes([byte]))
    while not connection.pause(0.02):
        connection.send(b" ")


async def read_all(turns: list[Callable[[Connection], None]], **options: Any) -> list[Any]:
    """Read from several servers concurrently. A busy machine may need more time than the shortest timeout."""
    for timeout in DEADLINES:
        with ExitStack() as stack:
            servers = [stack.enter_context(RawServer(script(turn))) for turn in turns]

            async def one(index: int, seconds: float = timeout, servers: list[RawServer] = servers) -> Any:
                try:
                    return texts(await read(servers[index], timeout=seconds, **options))
                except RunpodTimeoutError:
                    return None

            results = await async_together(one, len(turns))
            if None not in results:
                for server in servers:
                    assert server.closed.wait(TIMEOUT)
                return results
    return []


def new_client(server: RawServer) -> AsyncRunpod:
    options: dict[str, Any] = {
        "base_url": server.base_url,
        "management_url": server.base_url.removesuffix("/v2"),
        "retry": RetryPolicy(initial_delay=timedelta(seconds=0.001)),
    }
    if misbehaving.use_callers_client:
        return ClientWithCallersHTTP(httpx.AsyncClient(), **options)
    return AsyncRunpod(KEY, **options)


async def read(server: RawServer, **options: Any) -> list[LogLine]:
    async with new_client(server) as client:
        return await collect(client.endpoint("ep").logs("w1", **{"timeout": LONG, **options}))


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reader, "_PAUSE", 0.001)
    monkeypatch.setattr(log_run, "_WORKERS_INTERVAL", 0.05)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """End sooner without new lines."""
    monkeypatch.setattr(log_reader, "QUIET", 0.5)
    monkeypatch.setattr(log_reader, "FIRST_QUIET", 0.5)


# Over servers that misbehave


async def test_the_tail_is_complete_without_an_end() -> None:
    with RawServer(script(sends_and_waits(HEAD, events(1, 2, 3)))) as server:
        lines = await read(server, tail=3)
    assert [1, 2, 3] == texts(lines)
    assert datetime(2026, 6, 1, 12, 0, 1, tzinfo=timezone.utc) == lines[0].timestamp
    assert ("container", "w1") == (lines[0].source, lines[0].worker_id)
    request = server.requests[0].decode()
    assert request.startswith("GET /v2/serverless/ep/workers/w1/logs?tail=3 HTTP/1.1\r\n")
    assert f"authorization: bearer {KEY}\r\naccept: text/event-stream".lower() not in request  # order does not matter
    for header in (f"Authorization: Bearer {KEY}", "Accept: text/event-stream"):
        assert header.lower() in request.lower()


async def test_without_follow_the_logs_end_when_nothing_more_comes(quiet: None, http_backend: str) -> None:
    def pings(connection: Connection) -> None:
        connection.send(HEAD + events(1, 2))
        while not connection.pause(0.02):
            connection.send(b": ping\n\n")

    turns = [sends_and_waits(HEAD, events(1, 2)), sends(HEAD, events(1, 2)), pings]

    async def one(index: int) -> list[int]:
        with RawServer(script(turns[index])) as server:
            return texts(await read(server))

    assert [[1, 2]] * 3 == await async_together(one, 3)


class Slow(list[LogLine]):
    """A session, an open response and a consumer at once: each byte takes a second."""

    closed = False
    retry = RetryPolicy()

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.clock = AsyncVirtualClock()
        self._pieces = iter([body[start : start + 1] for start in range(len(body))])

    async def read(self, seconds: float) -> Any:
        self.clock.advance(1.0)
        return next(self._pieces, DeadlineExceeded("nothing", sent=True))

    async def put(self, line: LogLine) -> None:
        self.append(line)


async def test_a_line_that_takes_its_time_is_waited_for() -> None:
    slow: Any = Slow(event(1) + event(2))
    feed = LogFeed("/v2/pods/p/logs", LogQuery())
    reader = log_reader.AsyncLogReader(slow, feed, Deadline(), slow, follow=False)
    assert await reader._read_events(slow) is None
    assert [1, 2] == texts(slow)


async def test_lines_that_are_written_after_the_request_belong_to_those_who_follow() -> None:
    head = HEAD.replace(b"\r\n\r\n", b"\r\nDate: Mon, 01 Jun 2026 12:00:05 GMT\r\n\r\n")
    with RawServer(script(sends_and_waits(head, events(4, 5, 6, 7)))) as server:
        assert [4, 5, 6] == texts(await read(server))


@pytest.mark.fact("protocol-2 8.1: logs")
async def test_a_drop_loses_and_doubles_nothing(http_backend: str) -> None:
    turns = [
        # In the middle of a line.
        sends(HEAD, events(1, 2), event(3)[:-9]),
        # In the middle of a chunk; the server begins with the last line again.
        sends(CHUNKED, b"fff\r\n" + events(2, 3, 4)),
        # It forgot where the client was.
        sends(CHUNKED, b"%x\r\n%b\r\n" % (len(events(1, 2, 3, 4, 5)), events(1, 2, 3, 4, 5)), LAST_CHUNK),
        # Overloaded, and not there.
        lambda connection: connection.respond(b"{}", status="503 Unavailable", headers="Retry-After: 0\r\n"),
        lambda connection: connection.respond(b"{}", status="429 Too Many", headers="Retry-After: 0\r\n"),
        lambda connection: connection.reset(),
        sends(HEAD, events(6)),
    ]
    with RawServer(script(*turns)) as server:
        assert [1, 2, 3, 4, 5, 6] == texts(await read(server, follow=True))
    resumed = [request.partition(b"Last-Event-ID: ")[2].partition(b"\r\n")[0].decode() for request in server.requests]
    ids = [f"2026-06-01T12:00:{number:02}Z/{number:012}" for number in (2, 4, 5, 5, 5, 5, 6)]
    assert ["", *ids] == resumed


async def test_without_ids_the_time_of_the_last_line_says_where_to_go_on() -> None:
    def line(time: int, text: str) -> bytes:
        return f'data: {{"ts": "2026-06-01T12:00:0{time}Z", "line": "{text}"}}\n\n'.encode()

    turns = [
        sends(HEAD, line(1, "a"), line(2, "b"), line(2, "b"), line(2, "c")),
        # From that moment on: the last ones again, and one more that is equal.
        sends(HEAD, line(2, "b"), line(2, "b"), line(2, "c"), line(2, "c"), line(3, "d")),
    ]
    with RawServer(script(*turns)) as server:
        lines = await read(server, follow=True, source="container")
    assert list("abbccd") == [line.line for line in lines]
    assert b"?source=container&since=2026-06-01T12%3A00%3A02Z " in server.requests[1]


async def test_lines_without_id_and_time_are_never_dropped() -> None:
    turns = [sends(HEAD, b"data: plain text\n\n"), sends(HEAD, b'data: plain text\n\ndata: {"line": 5, "n": 1}\n\n')]
    with RawServer(script(*turns)) as server:
        lines = await read(server, follow=True)
    assert ["plain text", "plain text", "5"] == [line.line for line in lines]
    assert (None, None, {"n": 1}) == (lines[2].timestamp, lines[2].source, lines[2].model_extra)
    assert b"?tail=0 " in server.requests[1]


async def test_a_stream_that_always_stops_in_the_middle_of_a_line() -> None:
    with RawServer(lambda connection: connection.read_request() and sends(HEAD, event(1)[:-9])(connection)) as server:
        with pytest.raises(APIConnectionError, match="ended within a line") as caught:
            await read(server)
        assert caught.value.retryable
        assert 4 == len(server.requests)
        with pytest.raises(APIConnectionError, match=r"\(10 attempts\)"):
            await read(server, follow=True)
    assert 14 == len(server.requests)


@pytest.mark.parametrize("follow", [False, True])
async def test_a_worker_without_logs_does_not_keep_those_of_others_back(follow: bool) -> None:
    with RawServer(workers([["gone", "w1"]], {"w1": [sends(HEAD, events(1, 2))]})) as server:
        async with new_client(server) as client, client.endpoint("ep").logs(follow=follow, timeout=LONG) as lines:
            assert [1, 2] == texts([await anext(lines), await anext(lines)])


async def test_workers_that_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_run, "_MAX_FOLLOWED", 1)
    ends = sends(HEAD)
    logs = {
        # It has no logs at first. Whose streams go on to end although it is gone is not followed for ever.
        "w1": [
            lambda connection: connection.respond(b"{}", status="404 Not Found"),
            sends(HEAD, events(1)),
            *[ends] * 99,
        ],
        "w2": [sends(HEAD, events(2))],
        "w3": [sends(HEAD, events(3))],
    }
    with RawServer(workers([["w1"], ["w1"], ["w2"], ["w2"], ["w2"], ["w3"]], logs)) as server:
        async with new_client(server) as client, client.endpoint("ep").logs(follow=True, tail=0, timeout=LONG) as lines:
            assert [1, 2, 3] == texts([await anext(lines) for _ in range(3)])
        # What it wrote before it was found is new.
        tails = [request.split(b"tail=")[1].split(b" ")[0] for request in server.requests if b"w1/logs?tail" in request]
        assert [b"0", b"5000"] == tails


async def test_a_server_that_hangs_or_drips_before_the_header(http_backend: str) -> None:
    turns: list[Callable[[Connection], None]] = [
        lambda connection: connection.hang(),
        lambda connection: connection.drip(HEAD[:20]),
    ]

    async def one(index: int) -> None:
        with RawServer(script(turns[index])) as server:
            with pytest.raises(RunpodTimeoutError, match=r"within the timeout of 0\.5 s"):
                await read(server, follow=index == 0, timeout=SHORT)
            assert 1 >= len(server.requests)

    await async_together(one, 2)


async def test_following_ends_at_the_timeout(http_backend: str) -> None:
    waits = sends_and_waits(HEAD, event(1))
    waits_in_a_line = sends_and_waits(HEAD, event(1), event(2)[:40])
    assert [[1]] * 3 == await read_all([waits, waits_in_a_line, drips], follow=True)


async def test_a_line_of_20_megabytes() -> None:  # async-only
    text = "horse" * 4_000_000
    data = json.dumps({"ts": "2026-06-01T12:00:01Z", "line": text})
    with RawServer(script(sends_and_waits(HEAD, f"id: 1\ndata: {data}\n\n".encode(), event(2)))) as server:
        first, second = await read(server, tail=2)
    assert (len(text), "line 2") == (len(first.line), second.line)


async def test_a_line_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runpod._http.server_sent_events.MAX_EVENT", 100_000)

    def turn(connection: Connection) -> None:
        connection.read_request()
        connection.send(HEAD + b"data: ")
        while not connection.pause(0):
            connection.send(b"x" * 65536)

    with RawServer(turn) as server, pytest.raises(APIConnectionError, match="larger than 100 MiB"):
        await read(server)


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        ("404 Not Found", NotFoundError, "worker not found. Check the ID"),
        ("429 Too Many Requests", RateLimitError, "60 requests per minute"),
        ("500 Oops", ServerError, "worker not found"),
    ],
)
async def test_an_error_status(status: str, error: type[Exception], says: str) -> None:
    body = b'{"title": "Oops", "status": 404, "detail": "worker not found"}'
    headers = "Content-Type: application/problem+json\r\nRetry-After: 3600\r\n"
    turn = lambda connection: connection.respond(body, status=status, headers=headers)  # noqa: E731 - as short as it is
    with RawServer(script(turn, turn)) as server, pytest.raises(error, match=says):
        # Not repeated: the Retry-After is later than the deadline.
        await read(server, follow=True)
    assert 1 == len(server.requests)


async def test_a_response_that_is_not_a_stream() -> None:
    turn = lambda connection: connection.respond(b"<p>", headers="Content-Type: text/html\r\n")  # noqa: E731 - as above
    with (
        RawServer(script(turn)) as server,
        pytest.raises(APIResponseError, match=r"'text/html', not a stream.*management_url"),
    ):
        await read(server)


async def test_compressed_logs() -> None:
    head = HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    with RawServer(script(sends(head, gzip.compress(events(1, 2))))) as server:
        assert [1, 2] == texts(await read(server, tail=2))


async def test_leaving_the_loop_closes_the_connection(http_backend: str) -> None:
    with RawServer(script(sends_and_waits(HEAD, events(1, 2)))) as server:
        async with new_client(server) as client, client.endpoint("ep").logs("w1", follow=True) as lines:
            async for _ in lines:
                break
            await lines.aclose()
            assert server.closed.wait(TIMEOUT)
            assert [] == await collect(lines)


async def test_cancelling_closes_the_connection(http_backend: str) -> None:  # async-only
    with RawServer(script(sends_and_waits(HEAD, events(1)))) as server:
        async with new_client(server) as client:
            lines = client.endpoint("ep").logs("w1", follow=True)
            with anyio.CancelScope() as scope:
                async for _ in lines:
                    scope.cancel()
            assert scope.cancelled_caught
            assert await async_in_thread(server.closed.wait, TIMEOUT)


async def test_a_bare_break_closes_the_connection() -> None:
    with RawServer(script(sends_and_waits(HEAD, events(1, 2)))) as server:
        async with new_client(server) as client:
            async for _ in client.endpoint("ep").logs("w1", follow=True):
                break
            gc.collect()
            await client._session.clock.sleep(0.01)
            assert server.closed.wait(TIMEOUT)


async def test_closing_the_client_ends_its_logs() -> None:
    with RawServer(script(sends_and_waits(HEAD, events(1)))) as server:
        client = new_client(server)
        lines = client.endpoint("ep").logs("w1", follow=True)
        async for _ in lines:
            await client.aclose()
            break
        with pytest.raises(ClientClosedError):
            await collect(lines)
        with pytest.raises(ClientClosedError):
            await collect(client.endpoint("ep").logs("w1"))


async def test_a_slow_loop_holds_the_stream_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_run, "_MAX_WAITING", 10)
    with RawServer(script(sends_and_waits(HEAD, *map(event, range(60))))) as server:
        async with new_client(server) as client, client.endpoint("ep").logs("w1", tail=60, timeout=LONG) as lines:
            seen: list[LogLine] = []
            async for line in lines:
                seen.append(line)
                assert len(lines._run._lines) <= 10
            assert list(range(60)) == texts(seen)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tail": 5001}, "tail must be a number of lines from 0 to 5000"),
        ({"tail": True}, "tail must be"),
        ({"tail": 5, "since": timedelta(1)}, "tail or since, not both"),
        ({"since": timedelta(0)}, "positive timedelta"),
        ({"since": 60}, "since must be a datetime.*not int"),
        ({"source": "both"}, "'container' or 'system', or None for both"),
        ({"timeout": 0}, "timeout must be positive"),
        ({"worker": " "}, "worker is blank"),
    ],
)
async def test_invalid_arguments(options: Any, says: str) -> None:
    async with AsyncRunpod(KEY) as client:
        with pytest.raises(InvalidRequestError, match=says):
            client.endpoint("ep").logs(**options)


async def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "httpx_sse", None)
    async with AsyncRunpod(KEY) as client:
        with pytest.raises(ConfigurationError, match=r'Logs need httpx-sse: pip install "runpod-sdk\[logs\]"\.'):
            client.endpoint("ep").logs()


async def test_of_a_pod() -> None:
    with RawServer(script(sends_and_waits(HEAD, events(1)))) as server:
        async with new_client(server) as client:
            lines = AsyncLogs(client._session, "/v2/pods/p%2F1/logs", tail=1)
            assert repr(lines) == f"{type(lines).__name__}(path='/v2/pods/p%2F1/logs')"
            assert [None] == [line.worker_id async for line in lines]
    assert server.requests[0].startswith(b"GET /v2/pods/p%2F1/logs?tail=1 ")


# Over the local server


def gallops(job: dict[str, Any]) -> Any:
    logging.getLogger("horse").warning("galloping %s", job["input"]["n"])
    return job["input"]["n"]


@pytest.fixture(scope="module")
def running() -> Iterator[LocalServer]:
    with LocalServer({"horse": LocalEndpoint(gallops, workers=2)}) as server:
        yield server


@pytest.fixture
async def local(running: LocalServer) -> AsyncIterator[AsyncRunpod]:
    async with AsyncRunpod(running.api_key, base_url=running.base_url, management_url=running.management_url) as client:
        yield client


async def test_of_all_workers_in_the_order_of_time(quiet: None, local: AsyncRunpod) -> None:
    endpoint = local.endpoint("horse")
    for number in range(3):
        await endpoint.run_sync(input={"n": number})
    lines = await collect(endpoint.logs())
    assert sorted(lines, key=lambda line: str(line.timestamp)) == lines
    assert {worker.id for worker in await endpoint.workers()} == {line.worker_id for line in lines}
    container = [line.line for line in lines if line.source == "container"]
    assert [f"WARNING horse: galloping {number}" for number in range(3)] == container[-3:]
    assert container == [line.line async for line in endpoint.logs(source="container", since=timedelta(hours=1))]
    assert {1} == set(_counts(await collect(endpoint.logs(tail=1))))


def _counts(lines: list[LogLine]) -> list[int]:
    workers = [line.worker_id for line in lines]
    return [workers.count(worker) for worker in workers]


async def test_workers_that_start_later_are_followed_too(serve: Any) -> None:
    gate = Gate()
    serve(gate)
    server = serve.server
    async with AsyncRunpod(server.api_key, base_url=server.base_url, management_url=server.management_url) as client:
        endpoint = client.endpoint("horse")
        async with endpoint.logs(follow=True, timeout=LONG) as lines:
            first = await anext(lines)
            assert first.line == f"Worker {first.worker_id} started."
            await endpoint.scale(max=2)
            second = await anext(lines)
            assert second.worker_id != first.worker_id
            job = await endpoint.run(input={"n": 1})
            third = await anext(lines)
            assert third.line == f"Job {job.id} started."
            gate.open()
            assert (await anext(lines)).line == f"Job {job.id} ended: COMPLETED."


async def test_an_endpoint_without_workers() -> None:
    with LocalServer({"horse": LocalEndpoint(gallops, workers=0)}) as server:
        async with AsyncRunpod(
            server.api_key, base_url=server.base_url, management_url=server.management_url
        ) as client:
            assert [] == await collect(client.endpoint("horse").logs())
            assert [] == await collect(client.endpoint("horse").logs(follow=True, timeout=0.2))
            with pytest.raises(NotFoundError, match="endpoint not found"):
                await collect(client.endpoint("mule").logs())


async def test_the_end_of_a_worker_ends_its_logs() -> None:
    with LocalServer({"horse": gallops}) as server:
        async with AsyncRunpod(
            server.api_key, base_url=server.base_url, management_url=server.management_url
        ) as client:
            endpoint = client.endpoint("horse")
            [worker] = await endpoint.workers()
            lines: list[str] = []
            async for line in endpoint.logs(worker.id, follow=True, timeout=LONG):
                lines.append(line.line)
                if len(lines) == 1:
                    await endpoint.pause()
            assert [f"Worker {worker.id} started.", f"Worker {worker.id} stopped."] == lines
            with pytest.raises(NotFoundError, match="worker not found"):
                await collect(endpoint.logs(worker.id))


async def test_no_thread_is_left(local: AsyncRunpod) -> None:
    async with local.endpoint("horse").logs(follow=True) as lines:
        await anext(lines)
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "runpod-map"])
