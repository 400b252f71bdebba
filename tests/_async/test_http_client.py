"""Tests of `http_client`, `with_options` and closed clients."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import httpx
import pytest

from runpod import AsyncRunpod, ClientClosedError, ConfigurationError, RetryPolicy
from tests._async.calls import BY_NAME, DONE, INPUT, JOB, OPERATIONS, QUEUED, job_calls
from tests.servers import BASE_URL, KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod import AsyncEndpoint
    from tests._async.calls import Operation
    from tests.clocks import AsyncVirtualClock
    from tests.servers import Wire

CLOSED = r"^Cannot send a request: the client is closed\. See "


async def test_a_callers_http_client_is_used_and_stays_open(wire: Wire) -> None:
    wire.respond(QUEUED, {})
    auth = ("me", "password")
    async with httpx.AsyncClient(
        base_url="https://other.test", headers={"X-Mine": "1"}, cookies={"mine": "1"}, auth=auth, timeout=0.001
    ) as mine:
        other = AsyncRunpod(KEY, base_url=BASE_URL, http_client=mine)
        async with AsyncRunpod(KEY, base_url=BASE_URL, http_client=mine) as client:
            await client.endpoint("ep").run(input=INPUT)
        assert not mine.is_closed
        await mine.get("/")
    ours, theirs = wire.requests
    assert ("api.example.test", "other.test") == (ours.url.host, theirs.url.host)
    assert ("1", "mine=1") == (ours.headers["X-Mine"], ours.headers["Cookie"])
    # The API key overrides the caller's `auth`, for requests of this library only.
    assert f"Bearer {KEY}" == ours.headers["Authorization"]
    assert theirs.headers["Authorization"].startswith("Basic ")
    assert ours.extensions["timeout"]["connect"] > 1
    with pytest.raises(ClientClosedError, match=CLOSED):
        await other.endpoint("ep").run(input=INPUT)


def other_kind() -> object:
    """An instance of the other class, httpx.Client or httpx.AsyncClient, without a TLS context."""
    (other,) = {httpx.Client, getattr(httpx, "Async" + "Client")} - {httpx.AsyncClient}
    return other.__new__(other)


@pytest.mark.parametrize("wrong", [object, lambda: httpx.AsyncClient, other_kind], ids=["object", "class", "other"])
def test_a_wrong_http_client_is_rejected(wrong: Callable[[], object]) -> None:
    with pytest.raises(ConfigurationError, match=f"http_client must be an httpx.{httpx.AsyncClient.__name__}, not "):
        AsyncRunpod(KEY, http_client=wrong())


async def test_foreign_exceptions_propagate(
    endpoint: AsyncEndpoint, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="runpod")
    error = RuntimeError("raised by a mock")
    wire.respond(error, error, error)
    for name in ("run", "status", "health"):
        with pytest.raises(RuntimeError, match="raised by a mock") as caught:
            await BY_NAME[name](endpoint)
        assert error is caught.value
    # The log holds the context that the exception lacks.
    assert [
        "run on endpoint 'ep' was interrupted by RuntimeError after it was sent; it may have been executed",
        f"Job {JOB} on endpoint ep: status was interrupted by RuntimeError; the job keeps running",
    ] == [record.getMessage() for record in caplog.records if record.name == "runpod"]


# --- closed clients and with_options ----------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_use_after_close(operation: Operation, wire: Wire) -> None:
    async with AsyncRunpod(KEY, base_url=BASE_URL) as client:
        endpoint = client.endpoint("ep")
    await client.aclose()
    with pytest.raises(ClientClosedError, match=CLOSED) as caught:
        await operation(endpoint)
    error = caught.value
    assert ("ep", operation.job_id, False) == (error.endpoint_id, error.job_id, error.maybe_submitted)
    assert isinstance(error, RuntimeError)
    assert [] == wire.requests


async def test_use_of_a_job_after_close(wire: Wire) -> None:
    wire.respond(QUEUED)
    async with AsyncRunpod(KEY, base_url=BASE_URL) as client:
        job = await client.endpoint("ep").run(input=INPUT)
    for call in job_calls(job):
        with pytest.raises(ClientClosedError, match=CLOSED) as caught:
            await call()
        assert JOB == caught.value.job_id
    assert 1 == len(wire.requests)


async def test_closing_the_client_before_a_retry_sets_maybe_submitted(
    client: AsyncRunpod, wire: Wire, clock: AsyncVirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sleep(seconds: float) -> None:
        clock.advance(seconds)
        await client.aclose()

    monkeypatch.setattr(clock, "sleep", sleep)
    wire.respond(502)
    with pytest.raises(ClientClosedError) as caught:
        await client.with_options(retry=RetryPolicy(resubmit=True)).endpoint("ep").run(input=INPUT)
    assert caught.value.maybe_submitted


async def test_clients_with_options_share_connections(wire: Wire) -> None:
    client = AsyncRunpod(KEY, base_url=BASE_URL)
    one, other = client.with_options(timeout=5), client.with_options(timeout=5)
    assert client._session.engine is one._session.engine
    await one.aclose()
    with pytest.raises(ClientClosedError, match=CLOSED):
        await one.endpoint("ep").status(JOB)
    # Closing it did not close the original client.
    wire.respond(DONE, DONE)
    assert (await client.endpoint("ep").status(JOB)).succeeded
    assert (await other.endpoint("ep").status(JOB)).succeeded
    await client.aclose()
    with pytest.raises(ClientClosedError, match=CLOSED):
        await other.endpoint("ep").status(JOB)


async def test_with_options_keeps_the_subclass_and_its_attributes(wire: Wire) -> None:
    class Mine(AsyncRunpod):
        team = "horses"

    async with Mine(KEY, base_url=BASE_URL) as client:
        client.team = "planes"
        other = client.with_options(timeout=5)
        assert (Mine, "planes") == (type(other), other.team)
        assert repr(client) == repr(other)
