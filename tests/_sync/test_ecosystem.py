# Generated from tests/_async/test_ecosystem.py by scripts/generate_sync.py. Do not edit.

"""Tools that patch or instrument httpx see every request, whether enabled before or after the client is created."""

from __future__ import annotations

import contextlib
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

import httpcore
import httpx
import pytest
import respx
import sentry_sdk
import vcr
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.integrations.httpx import HttpxIntegration

from runpod import (
    APIConnectionError,
    Runpod,
    AuthenticationError,
    ConfigurationError,
    RateLimitError,
    RetryPolicy,
    RunpodError,
)
from tests._sync.calls import DONE, INPUT, JOB, QUEUED
from tests._sync.misbehaving import LONG, new_client
from tests.servers import KEY, TEST_TIMEOUT, Connection, RawServer, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sentry_sdk.envelope import Envelope

MOCKED = {"id": "mocked", "status": "IN_QUEUE"}


def respond_done(connection: Connection) -> None:
    """Represents the real service, which no mocked request may reach."""
    while connection.read_request():
        connection.respond(json.dumps(DONE).encode())


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer(respond_done) as server:
        yield server


def by_respx(using: str) -> AbstractContextManager[Any]:
    router = respx.mock(using=using, assert_all_called=False)
    router.route().respond(json=MOCKED)
    return router


def by_send() -> AbstractContextManager[Any]:
    return mock.patch.object(httpx.Client, "send", return_value=httpx.Response(200, json=MOCKED))


def by_transport() -> AbstractContextManager[Any]:
    response = httpx.Response(200, json=MOCKED)
    return mock.patch.object(httpx.HTTPTransport, "handle_request", return_value=response)


def by_pool() -> AbstractContextManager[Any]:
    """Patch the method that vcrpy 8.0 and 8.1 patched."""

    def handle(pool: object, request: httpcore.Request) -> httpcore.Response:
        return httpcore.Response(200, content=json.dumps(MOCKED).encode())

    return mock.patch.object(httpcore.ConnectionPool, "handle_request", handle)


MOCKS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "respx": lambda: by_respx("httpcore"),
    "respx, httpx": lambda: by_respx("httpx"),
    "send": by_send,
    "transport": by_transport,
    "httpcore": by_pool,
}


@pytest.mark.parametrize("name", MOCKS)
def test_a_mock_never_submits_a_real_job(name: str, server: RawServer) -> None:
    # Enabled before the client is created.
    with MOCKS[name]():
        with new_client(server.base_url) as client:
            assert "mocked" == (client.endpoint("ep").run(input=INPUT)).id
    assert [] == server.requests
    # Enabled after the client was created and used, then disabled again.
    with new_client(server.base_url) as client:
        endpoint = client.endpoint("ep")
        for _ in range(2):
            assert JOB == (endpoint.run(input=INPUT)).id
            with MOCKS[name]():
                assert "mocked" == (endpoint.run(input=INPUT)).id
        assert 2 == len(server.requests)


def test_pytest_httpx(server: RawServer, request: pytest.FixtureRequest) -> None:
    with new_client(server.base_url) as client:
        assert JOB == (client.endpoint("ep").run(input=INPUT)).id
        httpx_mock = request.getfixturevalue("httpx_mock")
        httpx_mock.add_response(json=MOCKED, is_reusable=True)
        assert "mocked" == (client.endpoint("ep").run(input=INPUT)).id
        with new_client(server.base_url) as other:
            assert "mocked" == (other.endpoint("ep").run(input=INPUT)).id
        assert {"input": INPUT} == json.loads(httpx_mock.get_requests()[-1].content)
    assert 1 == len(server.requests)


@pytest.mark.parametrize("when", ["before", "after"])
def test_vcrpy(when: str, server: RawServer, tmp_path: Path) -> None:
    def cassette() -> AbstractContextManager[Any]:
        return vcr.use_cassette(str(tmp_path / "cassette.yaml"), filter_headers=["authorization"])

    for expected in (1, 1):
        with contextlib.ExitStack() as stack:
            if when == "before":
                stack.enter_context(cassette())
            with new_client(server.base_url) as client:
                if when == "after":
                    stack.enter_context(cassette())
                assert JOB == (client.endpoint("ep").run(input=INPUT)).id
        # The first round records the request, the second one replays it.
        assert expected == len(server.requests)
    assert KEY not in (tmp_path / "cassette.yaml").read_text()


@pytest.mark.parametrize("when", ["before", "after"])
def test_opentelemetry(when: str, server: RawServer) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    instrumentor = HTTPXClientInstrumentor()
    try:
        if when == "before":
            instrumentor.instrument(tracer_provider=provider)
        with new_client(server.base_url) as client:
            if when == "after":
                client.endpoint("ep").status(JOB)
                instrumentor.instrument(tracer_provider=provider)
            client.endpoint("ep").run(input=INPUT)
    finally:
        instrumentor.uninstrument()
    (span,) = spans.get_finished_spans()
    assert f"{server.base_url}/ep/run" in dict(span.attributes or {}).values()
    assert b"traceparent: " in server.requests[-1]
    assert KEY not in str(span.to_json())


@pytest.mark.parametrize("when", ["before", "after"])
def test_sentry(when: str, server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Envelope] = []

    class Transport(sentry_sdk.transport.Transport):
        def capture_envelope(self, envelope: Envelope) -> None:
            sent.append(envelope)

    original = httpx.Client.send
    # Sentry patches once per process and never undoes it.
    for kind in (httpx.Client, getattr(httpx, "Async" + "Client")):
        monkeypatch.setattr(kind, "send", kind.send)

    def enable() -> None:
        sentry_sdk.init(
            dsn="https://key@sentry.test/1",
            default_integrations=False,
            integrations=[HttpxIntegration()],
            traces_sample_rate=1.0,
            transport=Transport,
        )
        if httpx.Client.send is original:
            HttpxIntegration.setup_once()

    try:
        if when == "before":
            enable()
        with new_client(server.base_url) as client:
            if when == "after":
                client.endpoint("ep").status(JOB)
                enable()
            with sentry_sdk.start_transaction(name="test"):
                client.endpoint("ep").run(input=INPUT)
    finally:
        sentry_sdk.init(default_integrations=False)  # Others would patch Starlette, for the rest of the process.
    (transaction,) = [envelope.get_transaction_event() for envelope in sent]
    assert [f"POST {server.base_url}/ep/run"] == [span["description"] for span in transaction["spans"]]
    assert b"sentry-trace: " in server.requests[-1]
    assert KEY not in str(transaction)


# --- Event hooks of a caller's client ---------------------------------------------------------------------------------


def test_a_hook_that_calls_raise_for_status() -> None:
    statuses = iter(["429 Too Many Requests", "200 OK", "401 Unauthorized"])

    def changing(connection: Connection) -> None:
        while connection.read_request():
            connection.respond(json.dumps(QUEUED).encode(), status=next(statuses), headers="Retry-After: 0\r\n")

    def raise_for_status(response: httpx.Response) -> None:
        response.raise_for_status()

    seen: list[bytes] = []

    def see(request: httpx.Request) -> None:
        seen.append(request.read())
        request.headers["X-Seen"] = "1"

    with RawServer(changing) as server:
        hooks = {"response": [raise_for_status], "request": [see]}
        with httpx.Client(event_hooks=hooks) as http_client:
            client = Runpod(KEY, base_url=server.base_url, http_client=http_client)
            assert JOB == (client.endpoint("ep").run(input=INPUT)).id
            with pytest.raises(AuthenticationError) as caught:
                client.endpoint("ep").run(input=INPUT)
        assert (401, False) == (caught.value.status_code, caught.value.maybe_submitted)
        assert [request.partition(b"\r\n\r\n")[2] for request in server.requests] == seen
        assert all(b"X-Seen: 1" in request for request in server.requests)


def test_a_hook_that_reads_the_response() -> None:
    def read(response: httpx.Response) -> None:
        response.read()
        response.raise_for_status()

    def busy(connection: Connection) -> None:
        while connection.read_request():
            connection.respond(b'{"error":"slow down"}', status="429 Too Many Requests")

    with RawServer(busy) as server:
        with httpx.Client(event_hooks={"response": [read]}) as http_client:
            client = Runpod(
                KEY, base_url=server.base_url, http_client=http_client, retry=RetryPolicy(max_retries=0)
            )
            with pytest.raises(RateLimitError, match="slow down"):
                client.endpoint("ep").run(input=INPUT)


def test_other_exceptions_of_a_hook_propagate() -> None:
    def refuse(request: httpx.Request) -> None:
        raise LookupError("not today")

    with httpx.Client(event_hooks={"request": [refuse]}) as http_client:
        client = Runpod(KEY, base_url=f"http://127.0.0.1:{free_port()}", http_client=http_client)
        with pytest.raises(LookupError, match="not today"):
            client.endpoint("ep").run(input=INPUT)


# --- Other HTTP libraries ---------------------------------------------------------------------------------------------


def test_a_client_of_httpx2_is_rejected() -> None:
    httpx2 = pytest.importorskip("httpx2")
    kind = getattr(httpx2, httpx.Client.__name__)
    with pytest.raises(ConfigurationError, match=r"http_client must be an httpx\..*Client, not an httpx2 client"):
        Runpod(KEY, http_client=kind())
