# Generated from tests/_async/test_deadlines.py by scripts/generate_sync.py. Do not edit.

"""Servers that misbehave on real sockets: every call ends in time, and says whether a job may be out there."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Any
import pytest

from runpod import (
    APIConnectionError,
    APIResponseError,
    Runpod,
    AuthenticationError,
    RateLimitError,
    RetryPolicy,
    RunpodError,
    RunpodTimeoutError,
    ServerError,
)
from tests._sync.calls import BY_NAME, DONE, INPUT, JOB, OPERATIONS, QUEUED, SUBMISSIONS, Operation, name_of
from tests.clocks import together
from tests.servers import KEY, RawServer, free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import Connection

TIMEOUT = 0.5
# What a slow machine may add. A call that runs away takes as long as the server does: for ever.
BOUND = 5.0

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def new_client(base_url: str, **options: Any) -> Runpod:
    options.setdefault("retry", RetryPolicy(initial_delay=0.01))
    return Runpod(KEY, base_url=base_url, allow_insecure=True, **options)


def end_of(operation: Operation, client: Runpod, timeout: float = TIMEOUT) -> RunpodError:
    """The error that a call ended with, in time."""
    start = time.monotonic()
    with pytest.raises(RunpodError) as caught:
        operation(client.endpoint("ep"), timeout=timeout)
    assert time.monotonic() - start < timeout + BOUND
    return caught.value


def ends(base_url: str, timeout: float = TIMEOUT) -> list[tuple[Operation, RunpodError]]:
    """Every operation at once, and how each ended."""
    with new_client(base_url) as client:

        def one(index: int) -> RunpodError:
            return end_of(OPERATIONS[index], client, timeout)

        errors = together(one, len(OPERATIONS))
    return list(zip(OPERATIONS, errors, strict=True))


def sent_once(server: RawServer) -> None:
    """No submission arrived twice."""
    for operation in SUBMISSIONS:
        assert server.times(operation.sent.partition("?")[0]) <= 1


def silent(connection: Connection) -> None:
    connection.read_request()
    connection.hang()


def deaf(connection: Connection) -> None:
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


@pytest.mark.parametrize(
    "behave", [silent, deaf, dripping_a_header, dripping_a_body, dripping_chunks, continuing_for_ever]
)
def test_a_server_that_does_not_come_to_an_end(behave: Callable[[Connection], None]) -> None:
    with RawServer(behave) as server:
        for operation, error in ends(server.base_url):
            assert isinstance(error, RunpodTimeoutError), operation.name
            assert operation.repeatable is not error.maybe_submitted, operation.name
            assert "0.5 s" in str(error)
            assert (JOB if JOB in operation.sent else None) == error.job_id
        sent_once(server)


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
def test_a_connection_that_breaks(behave: Callable[[Connection], None]) -> None:
    with RawServer(behave) as server:
        for operation, error in ends(server.base_url):
            expected = RunpodTimeoutError if operation.patient else APIConnectionError
            assert isinstance(error, expected), operation.name
            assert operation.repeatable is not error.maybe_submitted, operation.name
        sent_once(server)


def test_nobody_listens() -> None:
    for operation, error in ends(f"http://127.0.0.1:{free_port()}/v2"):
        expected = RunpodTimeoutError if operation.patient else APIConnectionError
        assert isinstance(error, expected), operation.name
        assert error.maybe_submitted is False


def test_a_host_that_has_no_address() -> None:
    for _, error in ends("https://nowhere.invalid/v2"):
        assert isinstance(error, (APIConnectionError, RunpodTimeoutError))
        assert error.maybe_submitted is False


def test_a_resolver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
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
        for _, error in ends("https://nowhere.invalid/v2"):
            assert isinstance(error, RunpodTimeoutError)
            assert error.maybe_submitted is False
    finally:
        over.set()


def garbage(connection: Connection) -> None:
    connection.send(b"\x15\x03horse" * 100)
    connection.hang()


@pytest.mark.parametrize("behave", [garbage, closing_at_once, resetting_at_once])
def test_a_server_that_cannot_do_tls(behave: Callable[[Connection], None]) -> None:
    with RawServer(behave) as server:
        for operation, error in ends(server.base_url.replace("http:", "https:")):
            expected = RunpodTimeoutError if operation.patient else APIConnectionError
            assert isinstance(error, expected), operation.name
            assert error.maybe_submitted is False


@pytest.mark.parametrize(
    "headers", ["", "Retry-After: 0\r\n", "Retry-After: 1\r\n", "Retry-After: 86400\r\n"], ids=["", "0", "1", "86400"]
)
def test_a_server_that_says_429_for_ever(headers: str) -> None:
    def busy(connection: Connection) -> None:
        while connection.read_request():
            connection.answer(b'{"error":"slow down"}', status="429 Too Many Requests", headers=headers)

    with RawServer(busy) as server:
        with new_client(server.base_url, retry=RetryPolicy(max_retries=10**6, initial_delay=0.05)) as client:

            def one(index: int) -> RunpodError:
                return end_of(OPERATIONS[index], client)

            errors = together(one, len(OPERATIONS))
        for operation, error in zip(OPERATIONS, errors, strict=True):
            assert isinstance(error, (RateLimitError, RunpodTimeoutError)), operation.name
            assert error.maybe_submitted is False, operation.name


@pytest.mark.parametrize("operation", SUBMISSIONS, ids=name_of)
def test_an_id_in_half_an_answer_is_not_lost(operation: Operation) -> None:
    if operation.name == "purge_queue":
        return

    def half(connection: Connection) -> None:
        connection.read_request()
        connection.send(HEAD + b'Content-Length: 1000\r\n\r\n{"id":"job-1","status":"IN_QUE')

    with RawServer(half) as server:
        with new_client(server.base_url) as client:
            error = end_of(operation, client)
        assert isinstance(error, APIConnectionError)
        assert (JOB, True) == (error.job_id, error.maybe_submitted)
        assert JOB in str(error)
        sent_once(server)


def test_an_id_in_an_answer_that_stalls_is_not_lost() -> None:
    def stalling(connection: Connection) -> None:
        connection.read_request()
        connection.send(HEAD + b'Content-Length: 1000\r\n\r\n{"id":"job-1","status":"IN_QUEUE"')
        connection.hang()

    with RawServer(stalling) as server:
        with new_client(server.base_url) as client:
            error = end_of(BY_NAME["run"], client)
        assert isinstance(error, RunpodTimeoutError)
        assert (JOB, True) == (error.job_id, error.maybe_submitted)
        assert JOB in str(error)


@pytest.mark.parametrize(
    ("status", "error_class"), [("401 Unauthorized", AuthenticationError), ("503 Service Unavailable", ServerError)]
)
@pytest.mark.parametrize("how", ["cut", "stalling"])
def test_a_refusal_is_one_although_its_body_does_not_come(
    how: str, status: str, error_class: type[RunpodError]
) -> None:
    def refuse(connection: Connection) -> None:
        connection.read_request()
        connection.send(f"HTTP/1.1 {status}\r\nContent-Length: 1000\r\n\r\nbecause".encode())
        if how == "stalling":
            connection.hang()

    with RawServer(refuse) as server:
        with new_client(server.base_url) as client:
            error = end_of(BY_NAME["run"], client)
        assert error_class is type(error)
        assert "because" in str(error)
        assert (error_class is ServerError) is error.maybe_submitted
        sent_once(server)


def test_the_timeout_of_run_sync_counts_from_its_start() -> None:
    def accepting(connection: Connection) -> None:
        while request := connection.read_request():
            if request.startswith(b"GET"):
                connection.hang()
            connection.answer(json.dumps(QUEUED).encode())

    with RawServer(accepting) as server:
        with new_client(server.base_url) as client:
            error = end_of(BY_NAME["run_sync"], client)
        assert isinstance(error, RunpodTimeoutError)
        assert (JOB, "IN_QUEUE", False) == (error.job_id, error.state.status, error.maybe_submitted)
        sent_once(server)


def test_the_default_timeout_of_a_client_holds() -> None:
    with RawServer(silent) as server:
        with new_client(server.base_url, timeout=TIMEOUT) as client:
            start = time.monotonic()
            with pytest.raises(RunpodTimeoutError):
                client.endpoint("ep").run(input=INPUT)
            with pytest.raises(RunpodTimeoutError):
                client.with_options(timeout=TIMEOUT).endpoint("ep").health()
            assert time.monotonic() - start < 2 * TIMEOUT + BOUND


def test_a_connection_closed_between_two_calls() -> None:
    def once(connection: Connection) -> None:
        connection.read_request()
        connection.answer(json.dumps(QUEUED).encode())

    with RawServer(once) as server:
        with new_client(server.base_url) as client:
            endpoint = client.endpoint("ep")
            for number in range(1, 4):
                server.closed.clear()
                assert JOB == (endpoint.run(input=INPUT)).id
                assert server.closed.wait(BOUND)
                assert number == server.times("POST /v2/ep/run")


@pytest.mark.parametrize("name", ["run", "status"])
def test_a_connection_closed_by_the_second_call(name: str) -> None:
    def once(connection: Connection) -> None:
        connection.read_request()
        connection.answer(json.dumps(QUEUED).encode())
        connection.read_request()

    with RawServer(once) as server:
        with new_client(server.base_url) as client:
            client.endpoint("ep").status(JOB)
            if name == "status":
                client.endpoint("ep").status(JOB)
                assert (3, 2) == (server.times(f"GET /v2/ep/status/{JOB}"), server.connections)
                return
            error = end_of(BY_NAME["run"], client)
        assert isinstance(error, APIConnectionError)
        assert error.maybe_submitted is True
        assert 1 == server.times("POST /v2/ep/run")


def test_connections_are_kept() -> None:
    def answering(connection: Connection) -> None:
        while connection.read_request():
            connection.answer(json.dumps(DONE).encode())

    with RawServer(answering) as server:
        with new_client(server.base_url) as client:
            for _ in range(5):
                client.with_options(timeout=9).endpoint("ep").status(JOB)
        assert 1 == server.connections


LARGE = {"data": "x" * (20 * 1024 * 1024)}


def test_a_reader_that_is_too_slow_for_a_large_body() -> None:
    def slow(connection: Connection) -> None:
        connection.read_slowly()

    with RawServer(slow) as server:
        with new_client(server.base_url) as client:
            start = time.monotonic()
            with pytest.raises(RunpodTimeoutError) as caught:
                client.endpoint("ep").run(input=LARGE, timeout=TIMEOUT)
            assert time.monotonic() - start < TIMEOUT + BOUND
        assert caught.value.maybe_submitted is True
        assert 1 == server.connections


def test_a_large_body_arrives() -> None:
    def answering(connection: Connection) -> None:
        connection.read_request()
        connection.answer(json.dumps(QUEUED).encode())

    with RawServer(answering) as server:
        with new_client(server.base_url) as client:
            client.endpoint("ep").run(input=LARGE)
        assert server.requests[0].endswith(json.dumps({"input": LARGE}, separators=(",", ":")).encode())


def test_a_body_that_is_not_what_its_length_says() -> None:
    def short(connection: Connection) -> None:
        connection.read_request()
        connection.send(HEAD + b'Content-Length: 5\r\n\r\n{"id":"job-1","status":"IN_QUEUE"}')

    with RawServer(short) as server:
        with new_client(server.base_url) as client:
            error = end_of(BY_NAME["run"], client)
    assert isinstance(error, APIResponseError)
    assert error.maybe_submitted is True
