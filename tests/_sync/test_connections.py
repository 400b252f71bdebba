# Generated from tests/_async/test_connections.py by scripts/generate_sync.py. Do not edit.

"""Connection failures on real sockets: what is retried, and what the error says about the job."""

from __future__ import annotations

import json
import select
import threading
import warnings
from typing import TYPE_CHECKING, Any
import pytest

from runpod import APIConnectionError, APIResponseError, RunpodTimeoutError
from runpod._http.network import ExchangeStream
from tests._sync.calls import BY_NAME, DONE, INPUT, JOB, QUEUED
from tests._sync.conftest import HTTP_BACKENDS
from tests._sync.misbehaving import HEAD, assert_submitted_once, error_of, errors_of_all, new_client
from tests.servers import TEST_TIMEOUT, RawServer, fail_to_resolve, free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import Connection

pytestmark = pytest.mark.usefixtures("http_backend")

LARGE = {"data": "x" * (20 * 1024 * 1024)}


def close(connection: Connection) -> None:
    connection.read_request()


def close_at_once(connection: Connection) -> None:
    pass


def reset(connection: Connection) -> None:
    connection.read_request()
    connection.reset()


def reset_at_once(connection: Connection) -> None:
    connection.reset()


def respond_with_ssh(connection: Connection) -> None:
    connection.read_request()
    connection.send(b"SSH-2.0-OpenSSH_9.6\r\n")


def truncate_header(connection: Connection) -> None:
    connection.read_request()
    connection.send(HEAD + b"Content-Le")


def truncate_body(connection: Connection) -> None:
    connection.read_request()
    connection.send(HEAD + b'Content-Length: 1000\r\n\r\n{"error": "')


@pytest.mark.parametrize(
    "behave",
    [
        close,
        close_at_once,
        reset,
        reset_at_once,
        respond_with_ssh,
        truncate_header,
        truncate_body,
    ],
)
def test_a_lost_connection(behave: Callable[[Connection], None]) -> None:
    with RawServer(behave) as server:
        for operation, error in errors_of_all(server.base_url):
            expected = RunpodTimeoutError if operation.polls else APIConnectionError
            assert isinstance(error, expected), operation.name
            # The connection may be closed before the request is written: then nothing was sent.
            unsent = behave in {close_at_once, reset_at_once} and "could not be sent" in str(error)
            assert error.maybe_submitted is not (operation.repeatable or unsent), operation.name
        assert_submitted_once(server)


def test_connection_refused() -> None:
    for operation, error in errors_of_all(f"http://127.0.0.1:{free_port()}/v2"):
        expected = RunpodTimeoutError if operation.polls else APIConnectionError
        assert isinstance(error, expected), operation.name
        assert error.maybe_submitted is False


def test_unresolvable_host(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_to_resolve(monkeypatch, "nowhere.invalid")
    for _, error in errors_of_all("https://nowhere.invalid/v2"):
        assert isinstance(error, (APIConnectionError, RunpodTimeoutError))
        assert error.maybe_submitted is False


def garbage(connection: Connection) -> None:
    connection.send(b"\x15\x03horse" * 100)
    connection.hang()


# Before 3.12, `ssl` leaks a socket that was reset before its handshake.
@pytest.mark.filterwarnings("ignore:(?s).*<ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("behave", [garbage, close_at_once, reset_at_once])
def test_a_server_without_tls(behave: Callable[[Connection], None], http_backend: str) -> None:
    if http_backend == "callers":
        # AnyIO leaks a socket, too. A warning raised as an error would keep it alive beyond the test.
        warnings.simplefilter("ignore", ResourceWarning)
    with RawServer(behave) as server:
        for operation, error in errors_of_all(server.base_url.replace("http:", "https:")):
            expected = RunpodTimeoutError if operation.polls else APIConnectionError
            assert isinstance(error, expected), operation.name
            assert error.maybe_submitted is False


@pytest.mark.parametrize("name", ["run", "run_sync", "retry"])
def test_the_job_id_of_a_truncated_response_is_kept(name: str) -> None:
    def truncated(connection: Connection) -> None:
        connection.read_request()
        connection.send(HEAD + b'Content-Length: 1000\r\n\r\n{"id":"job-1","status":"IN_QUE')

    with RawServer(truncated) as server:
        with new_client(server.base_url) as client:
            error = error_of(BY_NAME[name], client)
        assert isinstance(error, APIConnectionError)
        assert (JOB, True) == (error.job_id, error.maybe_submitted)
        assert JOB in str(error)
        assert_submitted_once(server)


def test_a_connection_closed_between_two_calls() -> None:
    def once(connection: Connection) -> None:
        connection.read_request()
        connection.respond(json.dumps(QUEUED).encode())

    with RawServer(once) as server:
        with new_client(server.base_url) as client:
            endpoint = client.endpoint("ep")
            for number in range(1, 4):
                server.closed.clear()
                assert JOB == (endpoint.run(input=INPUT)).id
                assert server.closed.wait(TEST_TIMEOUT)
                assert number == server.times("POST /v2/ep/run")


@pytest.mark.parametrize("name", ["run", "status"])
def test_a_connection_closed_by_the_second_call(name: str) -> None:
    def once(connection: Connection) -> None:
        connection.read_request()
        connection.respond(json.dumps(QUEUED).encode())
        connection.read_request()

    with RawServer(once) as server:
        with new_client(server.base_url) as client:
            client.endpoint("ep").status(JOB)
            if name == "status":
                client.endpoint("ep").status(JOB)
                assert (3, 2) == (server.times(f"GET /v2/ep/status/{JOB}"), server.connections)
                return
            error = error_of(BY_NAME["run"], client)
        assert isinstance(error, APIConnectionError)
        assert error.maybe_submitted is True
        assert 1 == server.times("POST /v2/ep/run")


def test_connections_are_reused() -> None:
    def respond_done(connection: Connection) -> None:
        while connection.read_request():
            connection.respond(json.dumps(DONE).encode())

    with RawServer(respond_done) as server:
        with new_client(server.base_url) as client:
            for _ in range(5):
                client.with_options(timeout=9).endpoint("ep").status(JOB)
        assert 1 == server.connections


def test_a_large_body_arrives() -> None:
    def respond_queued(connection: Connection) -> None:
        connection.read_request()
        connection.respond(json.dumps(QUEUED).encode())

    with RawServer(respond_queued) as server:
        with new_client(server.base_url) as client:
            client.endpoint("ep").run(input=LARGE)
        assert server.requests[0].endswith(json.dumps({"input": LARGE}, separators=(",", ":")).encode())


def test_a_body_longer_than_its_content_length() -> None:
    def short(connection: Connection) -> None:
        connection.read_request()
        connection.send(HEAD + b'Content-Length: 5\r\n\r\n{"id":"job-1","status":"IN_QUEUE"}')

    with RawServer(short) as server:
        with new_client(server.base_url) as client:
            error = error_of(BY_NAME["run"], client)
    # Whether the truncated response is returned depends on the HTTP parser.
    assert isinstance(error, (APIResponseError, APIConnectionError))
    assert error.maybe_submitted is True


def test_the_job_id_of_a_body_longer_than_its_content_length_is_kept() -> None:
    def longer(connection: Connection) -> None:
        connection.read_request()
        connection.send(
            HEAD + b'Content-Length: 30\r\n\r\n{"id":"job-1","status":"IN_QUEUE","echo":"a photo of a horse"}'
        )

    with RawServer(longer) as server:
        with new_client(server.base_url) as client:
            error = error_of(BY_NAME["run"], client)
        assert isinstance(error, (APIConnectionError, APIResponseError))
        assert (JOB, True) == (error.job_id, error.maybe_submitted)
        assert "a photo of" not in str(error)


RESPONSE = b'{"id":"job-1","status":"IN_QUEUE"}'
STALE = HEAD + b"Content-Length: 34\r\n\r\n" + RESPONSE.replace(b"job-1", b"job-9")


@pytest.mark.parametrize("http_backend", [name for name in HTTP_BACKENDS if name != "callers"], indirect=True)
@pytest.mark.parametrize("head", [b"HTTP/1.1 204 x\r\nContent-Length: %d", b"HTTP/1.1 304 x\r\nContent-Length: %d"])
def test_the_body_of_a_response_that_must_have_none_is_not_the_next_response(head: bytes) -> None:
    def behave(connection: Connection) -> None:
        connection.read_request()
        if server.connections == 1:
            connection.send(head % len(STALE) + b"\r\n\r\n" + STALE)
        else:
            connection.respond(RESPONSE)
        connection.read_request()

    with RawServer(behave) as server:
        with new_client(server.base_url) as client:
            error_of(BY_NAME["status"], client)
            assert JOB == (client.endpoint("ep").run(input=INPUT)).id
        assert 2 == server.connections


@pytest.mark.parametrize("http_backend", [name for name in HTTP_BACKENDS if name != "callers"], indirect=True)
@pytest.mark.parametrize("stale", [b"", STALE])
def test_a_reused_connection_is_checked_right_before_the_request(
    stale: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    def behave(connection: Connection) -> None:
        connection.read_request()
        connection.respond(RESPONSE)
        if server.connections == 1 and begun.wait(TEST_TIMEOUT):
            connection.send(stale)
        else:
            connection.read_request()

    to_write = ExchangeStream._to_write

    def slowly(stream: Any, buffer: bytes) -> bytes:
        if stream._reused and stream._header:
            begun.set()
            # Wait for the end of the connection, or for an unsolicited response.
            select.select([stream.get_extra_info("socket").fileno()], [], [], TEST_TIMEOUT)
        return to_write(stream, buffer)

    monkeypatch.setattr(ExchangeStream, "_to_write", slowly)
    with RawServer(behave) as server:
        with new_client(server.base_url) as client:
            for _ in range(2):
                assert JOB == (client.endpoint("ep").run(input=INPUT)).id
        assert (2, 2) == (server.connections, len(server.requests))
