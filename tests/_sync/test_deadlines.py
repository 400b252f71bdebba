# Generated from tests/_async/test_deadlines.py by scripts/generate_sync.py. Do not edit.

"""Deadlines against servers on real sockets that hang or drip."""

from __future__ import annotations

import json
import socket
import threading
from datetime import timedelta
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
from tests._sync.calls import BY_NAME, INPUT, JOB, OPERATIONS, QUEUED
from tests._sync.misbehaving import (
    DEADLINES,
    HEAD,
    LONG,
    SHORT,
    assert_submitted_once,
    error_of,
    errors_of_all,
    new_client,
)
from tests.clocks import together
from tests.servers import TEST_TIMEOUT, RawServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import Connection

pytestmark = pytest.mark.usefixtures("http_backend")

# A sync call with a caller's HTTP client can exceed its deadline if the server drips a header: docs/how-to/timeouts.md.
own = pytest.mark.parametrize("http_backend", ["own"], indirect=True)
own_all_loops = own

LARGE = {"data": "x" * (20 * 1024 * 1024)}


def silent(connection: Connection) -> None:
    connection.read_request()
    connection.hang()


def hang_before_reading(connection: Connection) -> None:
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


def repeat_100_continue(connection: Connection) -> None:
    connection.read_request()
    while not connection.pause(0.02):
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")


def assert_timed_out(errors: list[tuple[Any, RunpodError]], server: RawServer) -> None:
    for operation, error in errors:
        assert isinstance(error, RunpodTimeoutError), operation.name
        assert f"{SHORT:g} s" in str(error)
        assert (JOB if JOB in operation.sent else None) == error.job_id
        assert not (operation.repeatable and error.maybe_submitted), operation.name
        # On a busy machine the deadline can pass before the connection is open.
        if server.times(operation.sent.partition("?")[0]):
            assert operation.repeatable is not error.maybe_submitted, operation.name
    assert_submitted_once(server)


@pytest.mark.parametrize("behave", [silent, hang_before_reading, dripping_a_body, dripping_chunks])
def test_a_response_that_never_ends(behave: Callable[[Connection], None]) -> None:
    with RawServer(behave) as server:
        assert_timed_out(errors_of_all(server.base_url, SHORT), server)


@own_all_loops
@pytest.mark.parametrize("behave", [dripping_a_header, repeat_100_continue])
def test_a_header_that_never_ends(behave: Callable[[Connection], None]) -> None:
    with RawServer(behave) as server:
        assert_timed_out(errors_of_all(server.base_url, SHORT), server)


@own_all_loops
def test_a_resolver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: int, flags: int = 0, **kwargs: int) -> Any:
        # IP addresses are parsed without a lookup, which event loops try first.
        if "nowhere" in str(host) and not (flags or sum(args[3:])) & socket.AI_NUMERICHOST:
            over.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real(host, port, *args, flags=flags, **kwargs) if flags else real(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    try:
        for _, error in errors_of_all("https://nowhere.invalid/v2", SHORT):
            assert isinstance(error, RunpodTimeoutError)
            assert error.maybe_submitted is False
    finally:
        over.set()


# With httpcore's own network streams, a cancelled TLS handshake leaks its socket.
@own_all_loops
def test_a_tls_handshake_that_hangs() -> None:
    with RawServer(hang_before_reading) as server:
        for _, error in errors_of_all(server.base_url.replace("http:", "https:"), SHORT):
            assert isinstance(error, RunpodTimeoutError)
            assert error.maybe_submitted is False


@pytest.mark.parametrize("headers", ["", "Retry-After: 0\r\n", "Retry-After: 86400\r\n"], ids=["", "0", "86400"])
def test_a_server_that_always_responds_429(headers: str) -> None:
    def busy(connection: Connection) -> None:
        while connection.read_request():
            connection.respond(b'{"error":"slow down"}', status="429 Too Many Requests", headers=headers)

    with RawServer(busy) as server:
        with new_client(
            server.base_url, retry=RetryPolicy(max_retries=10**6, initial_delay=timedelta(seconds=0.05))
        ) as client:

            def one(index: int) -> RunpodError:
                return error_of(OPERATIONS[index], client, SHORT)

            errors = together(one, len(OPERATIONS))
    for operation, error in zip(OPERATIONS, errors, strict=True):
        assert isinstance(error, (RateLimitError, RunpodTimeoutError)), operation.name
        # The deadline can pass between a request and its response.
        assert not error.maybe_submitted or not (operation.repeatable or isinstance(error, RateLimitError))


@pytest.mark.fact("protocol 1.5: billed without an ID")
def test_the_job_id_of_a_stalled_response_is_kept() -> None:
    def stalling(connection: Connection) -> None:
        connection.read_request()
        connection.send(HEAD + b'Content-Length: 1000\r\n\r\n{"id":"job-1","status":"IN_QUEUE"')
        connection.hang()

    for timeout in DEADLINES:
        with RawServer(stalling) as server:
            with new_client(server.base_url) as client:
                error = error_of(BY_NAME["run"], client, timeout)
        if error.job_id is not None:
            break
    assert isinstance(error, RunpodTimeoutError)
    assert (JOB, True) == (error.job_id, error.maybe_submitted)
    assert JOB in str(error)


@pytest.mark.parametrize(
    ("status", "error_class"), [("401 Unauthorized", AuthenticationError), ("503 Service Unavailable", ServerError)]
)
@pytest.mark.parametrize("how", ["cut", "stalling"])
def test_an_error_response_without_its_body_keeps_its_status(
    how: str, status: str, error_class: type[RunpodError]
) -> None:
    def refuse(connection: Connection) -> None:
        connection.read_request()
        connection.send(f"HTTP/1.1 {status}\r\nContent-Length: 1000\r\n\r\nbecause".encode())
        if how == "stalling":
            connection.hang()

    for timeout in DEADLINES if how == "stalling" else [LONG]:
        with RawServer(refuse) as server:
            with new_client(server.base_url) as client:
                error = error_of(BY_NAME["run"], client, timeout)
            assert_submitted_once(server)
        if not isinstance(error, RunpodTimeoutError):
            break
    assert error_class is type(error)
    assert "because" in str(error)
    assert (error_class is ServerError) is error.maybe_submitted


def test_the_timeout_of_run_sync_includes_the_submission() -> None:
    def accepting(connection: Connection) -> None:
        while request := connection.read_request():
            if request.startswith(b"GET"):
                connection.hang()
            connection.respond(json.dumps(QUEUED).encode())

    for timeout in DEADLINES:
        with RawServer(accepting) as server:
            with new_client(server.base_url) as client:
                error = error_of(BY_NAME["run_sync"], client, timeout)
            assert_submitted_once(server)
        if error.job_id is not None:
            break
    assert isinstance(error, RunpodTimeoutError)
    assert (JOB, "IN_QUEUE", False) == (error.job_id, error.state.status, error.maybe_submitted)


def test_the_default_timeout_of_a_client() -> None:
    with RawServer(silent) as server:
        with new_client(server.base_url, timeout=SHORT) as client:
            for call in (client.endpoint("ep").run, client.with_options(timeout=SHORT).endpoint("ep").run):
                with pytest.raises(RunpodTimeoutError, match=f"{SHORT:g} s"):
                    call(input=INPUT)


def test_a_server_that_reads_too_slowly() -> None:
    def slow(connection: Connection) -> None:
        connection.read_slowly()

    for timeout in DEADLINES:
        with RawServer(slow) as server:
            with new_client(server.base_url) as client:
                with pytest.raises(RunpodTimeoutError) as caught:
                    client.endpoint("ep").run(input=LARGE, timeout=timeout)
            assert server.connections <= 1
        if caught.value.maybe_submitted:
            break
    assert caught.value.maybe_submitted is True


@own
def test_a_timeout_while_waiting_for_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runpod._sync.connection_pool.MAX_CONNECTIONS", 1)
    over = threading.Event()

    def holding(connection: Connection) -> None:
        connection.read_request()
        over.wait(TEST_TIMEOUT)
        connection.respond(json.dumps(QUEUED).encode())

    with RawServer(holding) as server:
        with new_client(server.base_url) as client:

            def one(index: int) -> Any:
                if index == 0:
                    return (client.endpoint("ep").run(input=INPUT, timeout=LONG)).id
                while not server.requests:
                    client._session.clock.sleep(0.01)
                with pytest.raises(RunpodTimeoutError) as caught:
                    client.endpoint("ep").run(input=INPUT, timeout=SHORT)
                if index == 1:
                    over.set()
                return caught.value.maybe_submitted

            assert [JOB, False] == together(one, 2)
        assert 1 == len(server.requests)
