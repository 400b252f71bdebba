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
    AsyncRunpod,
    AuthenticationError,
    ConfigurationError,
    RateLimitError,
    RetryPolicy,
    RunpodError,
)
from tests._async.calls import DONE, INPUT, JOB, QUEUED
from tests._async.misbehaving import LONG, new_client
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
    return mock.patch.object(httpx.AsyncClient, "send", return_value=httpx.Response(200, json=MOCKED))


def by_transport() -> AbstractContextManager[Any]:
    response = httpx.Response(200, json=MOCKED)
    return mock.patch.object(httpx.AsyncHTTPTransport, "handle_async_request", return_value=response)


def by_pool() -> AbstractContextManager[Any]:
    """Patch the method that vcrpy 8.0 and 8.1 patched."""

    async def handle(pool: object, request: httpcore.Request) -> httpcore.Response:
        return httpcore.Response(200, content=json.dumps(MOCKED).encode())

    return mock.patch.object(httpcore.AsyncConnectionPool, "handle_async_request", handle)


MOCKS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "respx": lambda: by_respx("httpcore"),
    "respx, httpx": lambda: by_respx("httpx"),
    "send": by_send,
    "transport": by_transport,
    "httpcore": by_pool,
}


@pytest.mark.parametrize("name", MOCKS)
async def test_a_mock_never_submits_a_real_job(name: str, server: RawServer) -> None:
    # Enabled before the client is created.
    with MOCKS[name]():
        async with new_client(server.base_url) as client:
            assert "mocked" == (await client.endpoint("ep").run(input=INPUT)).id
    assert [] == server.requests
    # Enabled after the client was created and used, then disabled again.
    async with new_client(server.base_url) as client:
        endpoint = client.endpoint("ep")
        for _ in range(2):
            assert JOB == (await endpoint.run(input=INPUT)).id
            with MOCKS[name]():
                assert "mocked" == (await endpoint.run(input=INPUT)).id
        assert 2 == len(server.requests)


async def test_pytest_httpx(server: RawServer, request: pytest.FixtureRequest) -> None:
    async with new_client(server.base_url) as client:
        assert JOB == (await client.endpoint("ep").run(input=INPUT)).id
        httpx_mock = request.getfixturevalue("httpx_mock")
        httpx_mock.add_response(json=MOCKED, is_reusable=True)
        assert "mocked" == (await client.endpoint("ep").run(input=INPUT)).id
        async with new_client(server.base_url) as other:
            assert "mocked" == (await other.endpoint("ep").run(input=INPUT)).id
        assert {"input": INPUT} == json.loads(httpx_mock.get_requests()[-1].content)
    assert 1 == len(server.requests)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_vcrpy(when: str, server: RawServer, tmp_path: Path) -> None:
    def cassette() -> AbstractContextManager[Any]:
        return vcr.use_cassette(str(tmp_path / "cassette.yaml"), filter_headers=["authorization"])

    for expected in (1, 1):
        with contextlib.ExitStack() as stack:
            if when == "before":
                stack.enter_context(cassette())
            async with new_client(server.base_url) as client:
                if when == "after":
                    stack.enter_context(cassette())
                assert JOB == (await client.endpoint("ep").run(input=INPUT)).id
        # The first round records the request, the second one replays it.
        assert expected == len(server.requests)
    assert KEY not in (tmp_path / "cassette.yaml").read_text()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_opentelemetry(when: str, server: RawServer) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    instrumentor = HTTPXClientInstrumentor()
    try:
        if when == "before":
            instrumentor.instrument(tracer_provider=provider)
        async with new_client(server.base_url) as client:
            if when == "after":
                await client.endpoint("ep").status(JOB)
                instrumentor.instrument(tracer_provider=provider)
            await client.endpoint("ep").run(input=INPUT)
    finally:
        instrumentor.uninstrument()
    (span,) = spans.get_finished_spans()
    assert f"{server.base_url}/ep/run" in dict(span.attributes or {}).values()
    assert b"traceparent: " in server.requests[-1]
    assert KEY not in str(span.to_json())


@pytest.mark.parametrize("when", ["before", "after"])
async def test_sentry(when: str, server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Envelope] = []

    class Transport(sentry_sdk.transport.Transport):
        def capture_envelope(self, envelope: Envelope) -> None:
            sent.append(envelope)

    original = httpx.AsyncClient.send
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
        if httpx.AsyncClient.send is original:
            HttpxIntegration.setup_once()

    try:
        if when == "before":
            enable()
        async with new_client(server.base_url) as client:
            if when == "after":
                await client.endpoint("ep").status(JOB)
                enable()
            with sentry_sdk.start_transaction(name="test"):
                await client.endpoint("ep").run(input=INPUT)
    finally:
        sentry_sdk.init(default_integrations=False)  # Others would patch Starlette, for the rest of the process.
    (transaction,) = [envelope.get_transaction_event() for envelope in sent]
    assert [f"POST {server.base_url}/ep/run"] == [span["description"] for span in transaction["spans"]]
    assert b"sentry-trace: " in server.requests[-1]
    assert KEY not in str(transaction)


# --- Event hooks of a caller's client ---------------------------------------------------------------------------------


async def test_a_hook_that_calls_raise_for_status() -> None:
    statuses = iter(["429 Too Many Requests", "200 OK", "401 Unauthorized"])

    def changing(connection: Connection) -> None:
        while connection.read_request():
            connection.respond(json.dumps(QUEUED).encode(), status=next(statuses), headers="Retry-After: 0\r\n")

    async def raise_for_status(response: httpx.Response) -> None:
        response.raise_for_status()

    seen: list[bytes] = []

    async def see(request: httpx.Request) -> None:
        seen.append(await request.aread())
        request.headers["X-Seen"] = "1"

    with RawServer(changing) as server:
        hooks = {"response": [raise_for_status], "request": [see]}
        async with httpx.AsyncClient(event_hooks=hooks) as http_client:
            client = AsyncRunpod(KEY, base_url=server.base_url, http_client=http_client)
            assert JOB == (await client.endpoint("ep").run(input=INPUT)).id
            with pytest.raises(AuthenticationError) as caught:
                await client.endpoint("ep").run(input=INPUT)
        assert (401, False) == (caught.value.status_code, caught.value.maybe_submitted)
        assert [request.partition(b"\r\n\r\n")[2] for request in server.requests] == seen
        assert all(b"X-Seen: 1" in request for request in server.requests)


async def test_a_hook_that_reads_the_response() -> None:
    async def read(response: httpx.Response) -> None:
        await response.aread()
        response.raise_for_status()

    def busy(connection: Connection) -> None:
        while connection.read_request():
            connection.respond(b'{"error":"slow down"}', status="429 Too Many Requests")

    with RawServer(busy) as server:
        async with httpx.AsyncClient(event_hooks={"response": [read]}) as http_client:
            client = AsyncRunpod(
                KEY, base_url=server.base_url, http_client=http_client, retry=RetryPolicy(max_retries=0)
            )
            with pytest.raises(RateLimitError, match="slow down"):
                await client.endpoint("ep").run(input=INPUT)


async def test_other_exceptions_of_a_hook_propagate() -> None:
    async def refuse(request: httpx.Request) -> None:
        raise LookupError("not today")

    async with httpx.AsyncClient(event_hooks={"request": [refuse]}) as http_client:
        client = AsyncRunpod(KEY, base_url=f"http://127.0.0.1:{free_port()}", http_client=http_client)
        with pytest.raises(LookupError, match="not today"):
            await client.endpoint("ep").run(input=INPUT)


# --- Other HTTP libraries ---------------------------------------------------------------------------------------------


def test_a_client_of_httpx2_is_rejected() -> None:
    httpx2 = pytest.importorskip("httpx2")
    kind = getattr(httpx2, httpx.AsyncClient.__name__)
    with pytest.raises(ConfigurationError, match=r"http_client must be an httpx\..*Client, not an httpx2 client"):
        AsyncRunpod(KEY, http_client=kind())


async def over_aiohttp(behave: Callable[[Connection], None]) -> tuple[RawServer, RunpodError | None]:  # async-only
    from httpx_aiohttp import HttpxAiohttpClient

    with RawServer(behave) as server:
        async with HttpxAiohttpClient() as http_client:
            client = AsyncRunpod(KEY, base_url=server.base_url, http_client=http_client)
            try:
                await client.endpoint("ep").run(input=INPUT, timeout=LONG)
                assert (await client.endpoint("ep").status(JOB)).succeeded
            except RunpodError as error:
                return server, error
    return server, None


async def test_httpx_aiohttp() -> None:  # async-only: it has no sync client
    server, error = await over_aiohttp(respond_done)
    assert (None, 2) == (error, len(server.requests))
    assert server.requests[0].endswith(json.dumps({"input": INPUT}, separators=(",", ":")).encode())


@pytest.mark.parametrize("end", [Connection.reset, lambda connection: None], ids=["reset", "closed"])
async def test_a_lost_submission_over_httpx_aiohttp_is_not_retried(  # async-only: as above
    end: Callable[[Connection], None],
) -> None:
    """httpx-aiohttp raises ConnectTimeout for connections lost after the request was sent."""

    def losing(connection: Connection) -> None:
        connection.read_request()
        end(connection)

    server, error = await over_aiohttp(losing)
    assert isinstance(error, APIConnectionError)
    assert (True, 1) == (error.maybe_submitted, len(server.requests))


async def test_connection_refused_over_httpx_aiohttp() -> None:  # async-only: as above
    from httpx_aiohttp import HttpxAiohttpClient

    async with HttpxAiohttpClient() as http_client:
        base_url = f"http://127.0.0.1:{free_port()}"
        client = AsyncRunpod(
            KEY, base_url=base_url, http_client=http_client, retry=RetryPolicy(initial_delay=timedelta(0))
        )
        with pytest.raises(APIConnectionError, match=r"could not be sent \(4 attempts\)") as caught:
            await client.endpoint("ep").run(input=INPUT, timeout=TEST_TIMEOUT)
    assert caught.value.maybe_submitted is False
