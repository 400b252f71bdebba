"""Servers on real sockets that never come to an end: every call does, at its deadline."""

from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from runpod import (
    AuthenticationError,
    RateLimitError,
    RetryPolicy,
    RunpodError,
    RunpodTimeoutError,
    ServerError,
)
from tests._async.calls import BY_NAME, INPUT, JOB, OPERATIONS, QUEUED
from tests._async.endings import DEADLINES, HEAD, LONG, SHORT, end_of, ends, new_client, sent_once
from tests.clocks import async_together
from tests.servers import PATIENCE, RawServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import Connection

pytestmark = pytest.mark.usefixtures("carrier")

# In sync code a header that drips stretches a call over a client of a caller's; see README, "Timeouts".
own = pytest.mark.parametrize("carrier", ["own"], indirect=True)
own_anywhere = own
own_anywhere = pytest.mark.parametrize("carrier", ["own", "trio"], indirect=True)  # async-only

LARGE = {"data": "x" * (20 * 1024 * 1024)}


@pytest.fixture
def anyio_backend(carrier: str) -> str:  # async-only
    return "trio" if carrier == "trio" else "asyncio"


def silent(connection: Connection) -> None:
    connection.read_request()
    connection.hang()


def deaf(connection: Connection) -> None:
    connection.see_request()
    connection.hang()


def dripping_a_header(connection: Connection) -> None:
    connection.read_request()
    connection.drip(b"HTTP/1.1 200 OK\r\nX-Slow: aaaaa")


def dripping_a_body(connection: Connection) -> None:
    connection.read_request()
    connection.send(HEAD + b"Content-Length: 100000\r\n\r\n")
    connection.drip(b'{"error": "xxxxx')


def dripping_chunks(connection: Connection) -> None:
    connection.read_request()
    connection.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while not connection.pause(0.02):
        connection.send(b"1\r\n \r\n")


def continuing_for_ever(connection: Connection) -> None:
    connection.read_request()
    while not connection.pause(0.02):
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")


def ended_by_its_deadline(ended: list[tuple[Any, RunpodError]], server: RawServer) -> None:
    for operation, error in ended:
        assert isinstance(error, RunpodTimeoutError), operation.name
        assert f"{SHORT:g} s" in str(error)
        assert (JOB if JOB in operation.sent else None) == error.job_id
        assert not (operation.repeatable and error.maybe_submitted), operation.name
        # On a busy machine the deadline can pass before there is a connection.
        if server.times(operation.sent.partition("?")[0]):
            assert operation.repeatable is not error.maybe_submitted, operation.name
    sent_once(server)


@pytest.mark.parametrize("behave", [silent, deaf, dripping_a_body, dripping_chunks])
async def test_a_server_that_does_not_come_to_an_end(behave: Callable[[Connection], None]) -> None:
    with RawServer(behave) as server:
        ended_by_its_deadline(await ends(server.base_url, SHORT), server)


@own_anywhere
@pytest.mark.parametrize("behave", [dripping_a_header, continuing_for_ever])
async def test_a_header_that_does_not_come_to_an_end(behave: Callable[[Connection], None]) -> None:
    with RawServer(behave) as server:
        ended_by_its_deadline(await ends(server.base_url, SHORT), server)


@own_anywhere
async def test_a_resolver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: int, flags: int = 0, **kwargs: int) -> Any:
        # A number is looked up by nobody, and event loops try that first.
        if "nowhere" in str(host) and not (flags or sum(args[3:])) & socket.AI_NUMERICHOST:
            over.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return real(host, port, *args, flags=flags, **kwargs) if flags else real(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    try:
        for _, error in await ends("https://nowhere.invalid/v2", SHORT):
            assert isinstance(error, RunpodTimeoutError)
            assert error.maybe_submitted is False
    finally:
        over.set()


# httpcore's own network streams leave a handshake open that was cancelled.
@own_anywhere
async def test_a_tls_handshake_that_hangs() -> None:
    with RawServer(deaf) as server:
        for _, error in await ends(server.base_url.replace("http:", "https:"), SHORT):
            assert isinstance(error, RunpodTimeoutError)
            assert error.maybe_submitted is False


@pytest.mark.parametrize("headers", ["", "Retry-After: 0\r\n", "Retry-After: 86400\r\n"], ids=["", "0", "86400"])
async def test_a_server_that_says_429_for_ever(headers: str) -> None:
    def busy(connection: Connection) -> None:
        while connection.read_request():
            connection.answer(b'{"error":"slow down"}', status="429 Too Many Requests", headers=headers)

    with RawServer(busy) as server:
        async with new_client(server.base_url, retry=RetryPolicy(max_retries=10**6, initial_delay=0.05)) as client:

            async def one(index: int) -> RunpodError:
                return await end_of(OPERATIONS[index], client, SHORT)

            errors = await async_together(one, len(OPERATIONS))
    for operation, error in zip(OPERATIONS, errors, strict=True):
        assert isinstance(error, (RateLimitError, RunpodTimeoutError)), operation.name
        # The deadline can fall between a request and its answer.
        assert not error.maybe_submitted or not (operation.repeatable or isinstance(error, RateLimitError))


async def test_an_id_in_a_response_that_stalls_is_not_lost() -> None:
    def stalling(connection: Connection) -> None:
        connection.read_request()
        connection.send(HEAD + b'Content-Length: 1000\r\n\r\n{"id":"job-1","status":"IN_QUEUE"')
        connection.hang()

    for timeout in DEADLINES:
        with RawServer(stalling) as server:
            async with new_client(server.base_url) as client:
                error = await end_of(BY_NAME["run"], client, timeout)
        if error.job_id is not None:
            break
    assert isinstance(error, RunpodTimeoutError)
    assert (JOB, True) == (error.job_id, error.maybe_submitted)
    assert JOB in str(error)


@pytest.mark.parametrize(
    ("status", "error_class"), [("401 Unauthorized", AuthenticationError), ("503 Service Unavailable", ServerError)]
)
@pytest.mark.parametrize("how", ["cut", "stalling"])
async def test_a_refusal_is_one_although_its_body_does_not_come(
    how: str, status: str, error_class: type[RunpodError]
) -> None:
    def refuse(connection: Connection) -> None:
        connection.read_request()
        connection.send(f"HTTP/1.1 {status}\r\nContent-Length: 1000\r\n\r\nbecause".encode())
        if how == "stalling":
            connection.hang()

    for timeout in DEADLINES if how == "stalling" else [LONG]:
        with RawServer(refuse) as server:
            async with new_client(server.base_url) as client:
                error = await end_of(BY_NAME["run"], client, timeout)
            sent_once(server)
        if not isinstance(error, RunpodTimeoutError):
            break
    assert error_class is type(error)
    assert "because" in str(error)
    assert (error_class is ServerError) is error.maybe_submitted


async def test_the_timeout_of_run_sync_counts_from_its_start() -> None:
    def accepting(connection: Connection) -> None:
        while request := connection.read_request():
            if request.startswith(b"GET"):
                connection.hang()
            connection.answer(json.dumps(QUEUED).encode())

    for timeout in DEADLINES:
        with RawServer(accepting) as server:
            async with new_client(server.base_url) as client:
                error = await end_of(BY_NAME["run_sync"], client, timeout)
            sent_once(server)
        if error.job_id is not None:
            break
    assert isinstance(error, RunpodTimeoutError)
    assert (JOB, "IN_QUEUE", False) == (error.job_id, error.state.status, error.maybe_submitted)


async def test_the_default_timeout_of_a_client_holds() -> None:
    with RawServer(silent) as server:
        async with new_client(server.base_url, timeout=SHORT) as client:
            for call in (client.endpoint("ep").run, client.with_options(timeout=SHORT).endpoint("ep").run):
                with pytest.raises(RunpodTimeoutError, match=f"{SHORT:g} s"):
                    await call(input=INPUT)


async def test_a_reader_that_is_too_slow_for_a_large_body() -> None:
    def slow(connection: Connection) -> None:
        connection.read_slowly()

    for timeout in DEADLINES:
        with RawServer(slow) as server:
            async with new_client(server.base_url) as client:
                with pytest.raises(RunpodTimeoutError) as caught:
                    await client.endpoint("ep").run(input=LARGE, timeout=timeout)
            assert server.connections <= 1
        if caught.value.maybe_submitted:
            break
    assert caught.value.maybe_submitted is True


@own
async def test_a_call_that_never_got_a_connection_was_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runpod._async.connection_pool.MAX_CONNECTIONS", 1)
    over = threading.Event()

    def holding(connection: Connection) -> None:
        connection.read_request()
        over.wait(PATIENCE)
        connection.answer(json.dumps(QUEUED).encode())

    with RawServer(holding) as server:
        async with new_client(server.base_url) as client:

            async def one(index: int) -> Any:
                if index == 0:
                    return (await client.endpoint("ep").run(input=INPUT, timeout=LONG)).id
                while not server.requests:
                    await client._session.clock.sleep(0.01)
                with pytest.raises(RunpodTimeoutError) as caught:
                    await client.endpoint("ep").run(input=INPUT, timeout=SHORT)
                if index == 1:
                    over.set()
                return caught.value.maybe_submitted

            assert [JOB, False] == await async_together(one, 2)
        assert 1 == len(server.requests)
