# Generated from tests/_async/test_logs.py by scripts/generate_sync.py. Do not edit.

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
import httpx
import pytest

from runpod import (
    APIConnectionError,
    APIResponseError,
    Runpod,
    ClientClosedError,
    ConfigurationError,
    InvalidRequestError,
    NotFoundError,
    RateLimitError,
    RetryPolicy,
    RunpodTimeoutError,
    ServerError,
)
from runpod._sync import log_reader, log_run
from runpod._sync.logs import Logs
from runpod._protocol.deadlines import Deadline
from runpod._protocol.log_feed import LogFeed, LogQuery
from runpod._protocol.outcomes import DeadlineExceeded
from runpod.local import LocalEndpoint, LocalServer
from runpod.models.management import LogLine
from tests._sync import misbehaving
from tests._sync.calls import collect
from tests._sync.misbehaving import DEADLINES, LONG, SHORT, ClientWithCallersHTTP
from tests.clocks import VirtualClock, together
from tests.local.api import TIMEOUT, Gate, until
from tests.servers import KEY, RawServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Callable

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


def read_all(turns: list[Callable[[Connection], None]], **options: Any) -> list[Any]:
    """Read from several servers concurrently. A busy machine may need more time than the shortest timeout."""
    for timeout in DEADLINES:
        with ExitStack() as stack:
            servers = [stack.enter_context(RawServer(script(turn))) for turn in turns]

            def one(index: int, seconds: float = timeout, servers: list[RawServer] = servers) -> Any:
                try:
                    return texts(read(servers[index], timeout=seconds, **options))
                except RunpodTimeoutError:
                    return None

            results = together(one, len(turns))
            if None not in results:
                for server in servers:
                    assert server.closed.wait(TIMEOUT)
                return results
    return []


def new_client(server: RawServer) -> Runpod:
    options: dict[str, Any] = {
        "base_url": server.base_url,
        "management_url": server.base_url.removesuffix("/v2"),
        "retry": RetryPolicy(initial_delay=timedelta(seconds=0.001)),
    }
    if misbehaving.use_callers_client:
        return ClientWithCallersHTTP(httpx.Client(), **options)
    return Runpod(KEY, **options)


def read(server: RawServer, **options: Any) -> list[LogLine]:
    with new_client(server) as client:
        return collect(client.endpoint("ep").logs("w1", **{"timeout": LONG, **options}))


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


def test_the_tail_is_complete_without_an_end() -> None:
    with RawServer(script(sends_and_waits(HEAD, events(1, 2, 3)))) as server:
        lines = read(server, tail=3)
    assert [1, 2, 3] == texts(lines)
    assert datetime(2026, 6, 1, 12, 0, 1, tzinfo=timezone.utc) == lines[0].timestamp
    assert ("container", "w1") == (lines[0].source, lines[0].worker_id)
    request = server.requests[0].decode()
    assert request.startswith("GET /v2/serverless/ep/workers/w1/logs?tail=3 HTTP/1.1\r\n")
    assert f"authorization: bearer {KEY}\r\naccept: text/event-stream".lower() not in request  # order does not matter
    for header in (f"Authorization: Bearer {KEY}", "Accept: text/event-stream"):
        assert header.lower() in request.lower()


def test_without_follow_the_logs_end_when_nothing_more_comes(quiet: None, http_backend: str) -> None:
    def pings(connection: Connection) -> None:
        connection.send(HEAD + events(1, 2))
        while not connection.pause(0.02):
            connection.send(b": ping\n\n")

    turns = [sends_and_waits(HEAD, events(1, 2)), sends(HEAD, events(1, 2)), pings]

    def one(index: int) -> list[int]:
        with RawServer(script(turns[index])) as server:
            return texts(read(server))

    assert [[1, 2]] * 3 == together(one, 3)


class Slow(list[LogLine]):
    """A session, an open response and a consumer at once: each byte takes a second."""

    closed = False
    retry = RetryPolicy()

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self._pieces = iter([body[start : start + 1] for start in range(len(body))])

    def read(self, seconds: float) -> Any:
        self.clock.advance(1.0)
        return next(self._pieces, DeadlineExceeded("nothing", sent=True))

    def put(self, line: LogLine) -> None:
        self.append(line)


def test_a_line_that_takes_its_time_is_waited_for() -> None:
    slow: Any = Slow(event(1) + event(2))
    feed = LogFeed("/v2/pods/p/logs", LogQuery())
    reader = log_reader.LogReader(slow, feed, Deadline(), slow, follow=False)
    assert reader._read_events(slow) is None
    assert [1, 2] == texts(slow)


def test_lines_that_are_written_after_the_request_belong_to_those_who_follow() -> None:
    head = HEAD.replace(b"\r\n\r\n", b"\r\nDate: Mon, 01 Jun 2026 12:00:05 GMT\r\n\r\n")
    with RawServer(script(sends_and_waits(head, events(4, 5, 6, 7)))) as server:
        assert [4, 5, 6] == texts(read(server))


@pytest.mark.fact("protocol-2 8.1: logs")
def test_a_drop_loses_and_doubles_nothing(http_backend: str) -> None:
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
        assert [1, 2, 3, 4, 5, 6] == texts(read(server, follow=True))
    resumed = [request.partition(b"Last-Event-ID: ")[2].partition(b"\r\n")[0].decode() for request in server.requests]
    ids = [f"2026-06-01T12:00:{number:02}Z/{number:012}" for number in (2, 4, 5, 5, 5, 5, 6)]
    assert ["", *ids] == resumed


def test_without_ids_the_time_of_the_last_line_says_where_to_go_on() -> None:
    def line(time: int, text: str) -> bytes:
        return f'data: {{"ts": "2026-06-01T12:00:0{time}Z", "line": "{text}"}}\n\n'.encode()

    turns = [
        sends(HEAD, line(1, "a"), line(2, "b"), line(2, "b"), line(2, "c")),
        # From that moment on: the last ones again, and one more that is equal.
        sends(HEAD, line(2, "b"), line(2, "b"), line(2, "c"), line(2, "c"), line(3, "d")),
    ]
    with RawServer(script(*turns)) as server:
        lines = read(server, follow=True, source="container")
    assert list("abbccd") == [line.line for line in lines]
    assert b"?source=container&since=2026-06-01T12%3A00%3A02Z " in server.requests[1]


def test_lines_without_id_and_time_are_never_dropped() -> None:
    turns = [sends(HEAD, b"data: plain text\n\n"), sends(HEAD, b'data: plain text\n\ndata: {"line": 5, "n": 1}\n\n')]
    with RawServer(script(*turns)) as server:
        lines = read(server, follow=True)
    assert ["plain text", "plain text", "5"] == [line.line for line in lines]
    assert (None, None, {"n": 1}) == (lines[2].timestamp, lines[2].source, lines[2].model_extra)
    assert b"?tail=0 " in server.requests[1]


def test_a_stream_that_always_stops_in_the_middle_of_a_line() -> None:
    with RawServer(lambda connection: connection.read_request() and sends(HEAD, event(1)[:-9])(connection)) as server:
        with pytest.raises(APIConnectionError, match="ended within a line") as caught:
            read(server)
        assert caught.value.retryable
        assert 4 == len(server.requests)
        with pytest.raises(APIConnectionError, match=r"\(10 attempts\)"):
            read(server, follow=True)
    assert 14 == len(server.requests)


@pytest.mark.parametrize("follow", [False, True])
def test_a_worker_without_logs_does_not_keep_those_of_others_back(follow: bool) -> None:
    with RawServer(workers([["gone", "w1"]], {"w1": [sends(HEAD, events(1, 2))]})) as server:
        with new_client(server) as client, client.endpoint("ep").logs(follow=follow, timeout=LONG) as lines:
            assert [1, 2] == texts([next(lines), next(lines)])


def test_workers_that_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
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
        with new_client(server) as client, client.endpoint("ep").logs(follow=True, tail=0, timeout=LONG) as lines:
            assert [1, 2, 3] == texts([next(lines) for _ in range(3)])
        # What it wrote before it was found is new.
        tails = [request.split(b"tail=")[1].split(b" ")[0] for request in server.requests if b"w1/logs?tail" in request]
        assert [b"0", b"5000"] == tails


def test_a_server_that_hangs_or_drips_before_the_header(http_backend: str) -> None:
    turns: list[Callable[[Connection], None]] = [
        lambda connection: connection.hang(),
        lambda connection: connection.drip(HEAD[:20]),
    ]

    def one(index: int) -> None:
        with RawServer(script(turns[index])) as server:
            with pytest.raises(RunpodTimeoutError, match=r"within the timeout of 0\.5 s"):
                read(server, follow=index == 0, timeout=SHORT)
            assert 1 >= len(server.requests)

    together(one, 2)


def test_following_ends_at_the_timeout(http_backend: str) -> None:
    waits = sends_and_waits(HEAD, event(1))
    waits_in_a_line = sends_and_waits(HEAD, event(1), event(2)[:40])
    assert [[1]] * 3 == read_all([waits, waits_in_a_line, drips], follow=True)


def test_a_line_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runpod._http.server_sent_events.MAX_EVENT", 100_000)

    def turn(connection: Connection) -> None:
        connection.read_request()
        connection.send(HEAD + b"data: ")
        while not connection.pause(0):
            connection.send(b"x" * 65536)

    with RawServer(turn) as server, pytest.raises(APIConnectionError, match="larger than 100 MiB"):
        read(server)


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        ("404 Not Found", NotFoundError, "worker not found. Check the ID"),
        ("429 Too Many Requests", RateLimitError, "60 requests per minute"),
        ("500 Oops", ServerError, "worker not found"),
    ],
)
def test_an_error_status(status: str, error: type[Exception], says: str) -> None:
    body = b'{"title": "Oops", "status": 404, "detail": "worker not found"}'
    headers = "Content-Type: application/problem+json\r\nRetry-After: 3600\r\n"
    turn = lambda connection: connection.respond(body, status=status, headers=headers)  # noqa: E731 - as short as it is
    with RawServer(script(turn, turn)) as server, pytest.raises(error, match=says):
        # Not repeated: the Retry-After is later than the deadline.
        read(server, follow=True)
    assert 1 == len(server.requests)


def test_a_response_that_is_not_a_stream() -> None:
    turn = lambda connection: connection.respond(b"<p>", headers="Content-Type: text/html\r\n")  # noqa: E731 - as above
    with (
        RawServer(script(turn)) as server,
        pytest.raises(APIResponseError, match=r"'text/html', not a stream.*management_url"),
    ):
        read(server)


def test_compressed_logs() -> None:
    head = HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    with RawServer(script(sends(head, gzip.compress(events(1, 2))))) as server:
        assert [1, 2] == texts(read(server, tail=2))


def test_leaving_the_loop_closes_the_connection(http_backend: str) -> None:
    with RawServer(script(sends_and_waits(HEAD, events(1, 2)))) as server:
        with new_client(server) as client, client.endpoint("ep").logs("w1", follow=True) as lines:
            for _ in lines:
                break
            lines.close()
            assert server.closed.wait(TIMEOUT)
            assert [] == collect(lines)


def test_a_bare_break_closes_the_connection() -> None:
    with RawServer(script(sends_and_waits(HEAD, events(1, 2)))) as server:
        with new_client(server) as client:
            for _ in client.endpoint("ep").logs("w1", follow=True):
                break
            gc.collect()
            client._session.clock.sleep(0.01)
            assert server.closed.wait(TIMEOUT)


def test_closing_the_client_ends_its_logs() -> None:
    with RawServer(script(sends_and_waits(HEAD, events(1)))) as server:
        client = new_client(server)
        lines = client.endpoint("ep").logs("w1", follow=True)
        for _ in lines:
            client.close()
            break
        with pytest.raises(ClientClosedError):
            collect(lines)
        with pytest.raises(ClientClosedError):
            collect(client.endpoint("ep").logs("w1"))


def test_a_slow_loop_holds_the_stream_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_run, "_MAX_WAITING", 10)
    with RawServer(script(sends_and_waits(HEAD, *map(event, range(60))))) as server:
        with new_client(server) as client, client.endpoint("ep").logs("w1", tail=60, timeout=LONG) as lines:
            seen: list[LogLine] = []
            for line in lines:
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
def test_invalid_arguments(options: Any, says: str) -> None:
    with Runpod(KEY) as client:
        with pytest.raises(InvalidRequestError, match=says):
            client.endpoint("ep").logs(**options)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "httpx_sse", None)
    with Runpod(KEY) as client:
        with pytest.raises(ConfigurationError, match=r'Logs need httpx-sse: pip install "runpod-sdk\[logs\]"\.'):
            client.endpoint("ep").logs()


def test_of_a_pod() -> None:
    with RawServer(script(sends_and_waits(HEAD, events(1)))) as server:
        with new_client(server) as client:
            lines = Logs(client._session, "/v2/pods/p%2F1/logs", tail=1)
            assert repr(lines) == f"{type(lines).__name__}(path='/v2/pods/p%2F1/logs')"
            assert [None] == [line.worker_id for line in lines]
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
def local(running: LocalServer) -> Iterator[Runpod]:
    with Runpod(running.api_key, base_url=running.base_url, management_url=running.management_url) as client:
        yield client


def test_of_all_workers_in_the_order_of_time(quiet: None, local: Runpod) -> None:
    endpoint = local.endpoint("horse")
    for number in range(3):
        endpoint.run_sync(input={"n": number})
    lines = collect(endpoint.logs())
    assert sorted(lines, key=lambda line: str(line.timestamp)) == lines
    assert {worker.id for worker in endpoint.workers()} == {line.worker_id for line in lines}
    container = [line.line for line in lines if line.source == "container"]
    assert [f"WARNING horse: galloping {number}" for number in range(3)] == container[-3:]
    assert container == [line.line for line in endpoint.logs(source="container", since=timedelta(hours=1))]
    assert {1} == set(_counts(collect(endpoint.logs(tail=1))))


def _counts(lines: list[LogLine]) -> list[int]:
    workers = [line.worker_id for line in lines]
    return [workers.count(worker) for worker in workers]


def test_workers_that_start_later_are_followed_too(serve: Any) -> None:
    gate = Gate()
    serve(gate)
    server = serve.server
    with Runpod(server.api_key, base_url=server.base_url, management_url=server.management_url) as client:
        endpoint = client.endpoint("horse")
        with endpoint.logs(follow=True, timeout=LONG) as lines:
            first = next(lines)
            assert first.line == f"Worker {first.worker_id} started."
            endpoint.scale(max=2)
            second = next(lines)
            assert second.worker_id != first.worker_id
            job = endpoint.run(input={"n": 1})
            third = next(lines)
            assert third.line == f"Job {job.id} started."
            gate.open()
            assert (next(lines)).line == f"Job {job.id} ended: COMPLETED."


def test_an_endpoint_without_workers() -> None:
    with LocalServer({"horse": LocalEndpoint(gallops, workers=0)}) as server:
        with Runpod(
            server.api_key, base_url=server.base_url, management_url=server.management_url
        ) as client:
            assert [] == collect(client.endpoint("horse").logs())
            assert [] == collect(client.endpoint("horse").logs(follow=True, timeout=0.2))
            with pytest.raises(NotFoundError, match="endpoint not found"):
                collect(client.endpoint("mule").logs())


def test_the_end_of_a_worker_ends_its_logs() -> None:
    with LocalServer({"horse": gallops}) as server:
        with Runpod(
            server.api_key, base_url=server.base_url, management_url=server.management_url
        ) as client:
            endpoint = client.endpoint("horse")
            [worker] = endpoint.workers()
            lines: list[str] = []
            for line in endpoint.logs(worker.id, follow=True, timeout=LONG):
                lines.append(line.line)
                if len(lines) == 1:
                    endpoint.pause()
            assert [f"Worker {worker.id} started.", f"Worker {worker.id} stopped."] == lines
            with pytest.raises(NotFoundError, match="worker not found"):
                collect(endpoint.logs(worker.id))


def test_no_thread_is_left(local: Runpod) -> None:
    with local.endpoint("horse").logs(follow=True) as lines:
        next(lines)
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "runpod-map"])
