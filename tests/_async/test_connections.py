"""Connections that break, or never come about, on real sockets: what is sent again, and what is known of a job."""

from __future__ import annotations

import json
import select
import threading
import warnings
from typing import TYPE_CHECKING, Any

import anyio  # async-only
import pytest

from runpod import APIConnectionError, APIResponseError, RunpodTimeoutError
from runpod._network import Exchanging
from tests._async.calls import BY_NAME, DONE, INPUT, JOB, QUEUED
from tests._async.conftest import CARRIERS
from tests._async.endings import HEAD, end_of, ends, new_client, sent_once
from tests.servers import PATIENCE, RawServer, free_port, has_no_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import Connection

pytestmark = pytest.mark.usefixtures("carrier")

LARGE = {"data": "x" * (20 * 1024 * 1024)}


@pytest.fixture
def anyio_backend(carrier: str) -> str:  # async-only
    return "trio" if carrier == "trio" else "asyncio"


def closing(connection: Connection) -> None:
    connection.read_request()


def closing_at_once(connection: Connection) -> None:
    pass


def resetting(connection: Connection) -> None:
    connection.read_request()
    connection.reset()


def resetting_at_once(connection: Connection) -> None:
    connection.reset()


def talking_something_else(connection: Connection) -> None:
    connection.read_request()
    connection.send(b"SSH-2.0-OpenSSH_9.6\r\n")


def sending_half_a_header(connection: Connection) -> None:
    connection.read_request()
    connection.send(HEAD + b"Content-Le")


def sending_half_a_body(connection: Connection) -> None:
    connection.read_request()
    connection.send(HEAD + b'Content-Length: 1000\r\n\r\n{"error": "')


@pytest.mark.parametrize(
    "behave",
    [
        closing,
        closing_at_once,
        resetting,
        resetting_at_once,
        talking_something_else,
        sending_half_a_header,
        sending_half_a_body,
    ],
)
async def test_a_connection_that_breaks(behave: Callable[[Connection], None]) -> None:
    with RawServer(behave) as server:
        for operation, error in await ends(server.base_url):
            expected = RunpodTimeoutError if operation.patient else APIConnectionError
            assert isinstance(error, expected), operation.name
            # The end can be there before the request: then nothing was sent.
            unsent = behave in {closing_at_once, resetting_at_once} and "could not be sent" in str(error)
            assert error.maybe_submitted is not (operation.repeatable or unsent), operation.name
        sent_once(server)


async def test_nobody_listens() -> None:
    for operation, error in await ends(f"http://127.0.0.1:{free_port()}/v2"):
        expected = RunpodTimeoutError if operation.patient else APIConnectionError
        assert isinstance(error, expected), operation.name
        assert error.maybe_submitted is False


async def test_a_host_that_has_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    has_no_address(monkeypatch, "nowhere.invalid")
    for _, error in await ends("https://nowhere.invalid/v2"):
        assert isinstance(error, (APIConnectionError, RunpodTimeoutError))
        assert error.maybe_submitted is False


def garbage(connection: Connection) -> None:
    connection.send(b"\x15\x03horse" * 100)
    connection.hang()


# Before 3.12, `ssl` itself leaves a socket to the garbage collector that was reset before its handshake.
@pytest.mark.filterwarnings("ignore:(?s).*<ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("behave", [garbage, closing_at_once, resetting_at_once])
async def test_a_server_that_cannot_do_tls(behave: Callable[[Connection], None], carrier: str) -> None:
    if carrier == "callers":
        # AnyIO leaves a socket to it as well. A warning that is raised would keep that past the end of the test.
        warnings.simplefilter("ignore", ResourceWarning)
    with RawServer(behave) as server:
        for operation, error in await ends(server.base_url.replace("http:", "https:")):
            expected = RunpodTimeoutError if operation.patient else APIConnectionError
            assert isinstance(error, expected), operation.name
            assert error.maybe_submitted is False


@pytest.mark.parametrize("name", ["run", "run_sync", "retry"])
async def test_an_id_in_half_an_answer_is_not_lost(name: str) -> None:
    def half(connection: Connection) -> None:
        connection.read_request()
        connection.send(HEAD + b'Content-Length: 1000\r\n\r\n{"id":"job-1","status":"IN_QUE')

    with RawServer(half) as server:
        async with new_client(server.base_url) as client:
            error = await end_of(BY_NAME[name], client)
        assert isinstance(error, APIConnectionError)
        assert (JOB, True) == (error.job_id, error.maybe_submitted)
        assert JOB in str(error)
        sent_once(server)


async def test_a_connection_closed_between_two_calls() -> None:
    def once(connection: Connection) -> None:
        connection.read_request()
        connection.answer(json.dumps(QUEUED).encode())

    with RawServer(once) as server:
        async with new_client(server.base_url) as client:
            endpoint = client.endpoint("ep")
            for number in range(1, 4):
                server.closed.clear()
                assert JOB == (await endpoint.run(input=INPUT)).id
                assert server.closed.wait(PATIENCE)
                assert number == server.times("POST /v2/ep/run")


@pytest.mark.parametrize("name", ["run", "status"])
async def test_a_connection_closed_by_the_second_call(name: str) -> None:
    def once(connection: Connection) -> None:
        connection.read_request()
        connection.answer(json.dumps(QUEUED).encode())
        connection.read_request()

    with RawServer(once) as server:
        async with new_client(server.base_url) as client:
            await client.endpoint("ep").status(JOB)
            if name == "status":
                await client.endpoint("ep").status(JOB)
                assert (3, 2) == (server.times(f"GET /v2/ep/status/{JOB}"), server.connections)
                return
            error = await end_of(BY_NAME["run"], client)
        assert isinstance(error, APIConnectionError)
        assert error.maybe_submitted is True
        assert 1 == server.times("POST /v2/ep/run")


async def test_connections_are_kept() -> None:
    def answering(connection: Connection) -> None:
        while connection.read_request():
            connection.answer(json.dumps(DONE).encode())

    with RawServer(answering) as server:
        async with new_client(server.base_url) as client:
            for _ in range(5):
                await client.with_options(timeout=9).endpoint("ep").status(JOB)
        assert 1 == server.connections


async def test_a_large_body_arrives() -> None:
    def answering(connection: Connection) -> None:
        connection.read_request()
        connection.answer(json.dumps(QUEUED).encode())

    with RawServer(answering) as server:
        async with new_client(server.base_url) as client:
            await client.endpoint("ep").run(input=LARGE)
        assert server.requests[0].endswith(json.dumps({"input": LARGE}, separators=(",", ":")).encode())


async def test_a_body_that_is_not_what_its_length_says() -> None:
    def short(connection: Connection) -> None:
        connection.read_request()
        connection.send(HEAD + b'Content-Length: 5\r\n\r\n{"id":"job-1","status":"IN_QUEUE"}')

    with RawServer(short) as server:
        async with new_client(server.base_url) as client:
            error = await end_of(BY_NAME["run"], client)
    # Whether there was an answer depends on who reads it.
    assert isinstance(error, (APIResponseError, APIConnectionError))
    assert error.maybe_submitted is True


# A thread cannot be cancelled.
async def test_a_cancelled_call_leaves_nothing_open() -> None:  # async-only
    def answering_later(connection: Connection) -> None:
        request = connection.read_request()
        if b"/run" in request:
            connection.read_request()
        else:
            connection.answer(json.dumps(DONE).encode())

    with RawServer(answering_later) as server:
        async with new_client(server.base_url) as client:
            endpoint = client.endpoint("ep")
            async with anyio.create_task_group() as group:
                group.start_soon(endpoint.run, {"input": INPUT})
                assert await anyio.to_thread.run_sync(server.arrived.wait, PATIENCE)
                group.cancel_scope.cancel()
            # The server saw the connection go.
            assert await anyio.to_thread.run_sync(server.closed.wait, PATIENCE)
            assert (await endpoint.status(JOB)).succeeded


async def test_an_id_in_an_answer_that_is_longer_than_it_says_is_not_lost() -> None:
    def longer(connection: Connection) -> None:
        connection.read_request()
        connection.send(
            HEAD + b'Content-Length: 30\r\n\r\n{"id":"job-1","status":"IN_QUEUE","echo":"a photo of a horse"}'
        )

    with RawServer(longer) as server:
        async with new_client(server.base_url) as client:
            error = await end_of(BY_NAME["run"], client)
        assert isinstance(error, (APIConnectionError, APIResponseError))
        assert (JOB, True) == (error.job_id, error.maybe_submitted)
        assert "a photo of" not in str(error)


ANSWER = b'{"id":"job-1","status":"IN_QUEUE"}'
STALE = HEAD + b"Content-Length: 34\r\n\r\n" + ANSWER.replace(b"job-1", b"job-9")


@pytest.mark.parametrize("carrier", [name for name in CARRIERS if name != "callers"], indirect=True)
@pytest.mark.parametrize("stale", [b"", STALE])
async def test_what_happens_to_a_connection_just_before_a_request_leaves(
    stale: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    def behave(connection: Connection) -> None:
        connection.read_request()
        connection.answer(ANSWER)
        if server.connections == 1 and begun.wait(PATIENCE):
            connection.send(stale)
        else:
            connection.read_request()

    to_write = Exchanging._to_write

    def slowly(stream: Any, buffer: bytes) -> bytes:
        if stream._reused and stream._header:
            begun.set()
            # The end, or a response that nobody asked for.
            select.select([stream.get_extra_info("socket").fileno()], [], [], PATIENCE)
        return to_write(stream, buffer)

    monkeypatch.setattr(Exchanging, "_to_write", slowly)
    with RawServer(behave) as server:
        async with new_client(server.base_url) as client:
            for _ in range(2):
                assert JOB == (await client.endpoint("ep").run(input=INPUT)).id
        assert (2, 2) == (server.connections, len(server.requests))
