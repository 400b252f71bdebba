"""Clients with the HTTP client of a caller, with other options, and after they were closed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import httpx
import pytest

from runpod import AsyncRunpod, ClientClosedError, ConfigurationError, RetryPolicy
from tests._async.calls import BY_NAME, DONE, INPUT, JOB, OPERATIONS, QUEUED, of_a_job
from tests.servers import BASE_URL, KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod import AsyncEndpoint
    from tests._async.calls import Operation
    from tests.clocks import AsyncVirtualClock
    from tests.servers import Wire

CLOSED = r"^Cannot send a request: the client is closed\.$"


async def test_a_callers_client_is_used_and_stays_open(wire: Wire) -> None:
    wire.say(QUEUED, {})
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
    # The key wins over the caller's `auth`, and is for our requests alone.
    assert f"Bearer {KEY}" == ours.headers["Authorization"]
    assert theirs.headers["Authorization"].startswith("Basic ")
    assert ours.extensions["timeout"]["connect"] > 1
    with pytest.raises(ClientClosedError, match=CLOSED):
        await other.endpoint("ep").run(input=INPUT)


def other_half() -> object:
    """A client of the half that this is not, without its TLS context."""
    (other,) = {httpx.Client, getattr(httpx, "Async" + "Client")} - {httpx.AsyncClient}
    return other.__new__(other)


@pytest.mark.parametrize("wrong", [object, lambda: httpx.AsyncClient, other_half], ids=["object", "class", "other"])
def test_a_wrong_http_client_is_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(ConfigurationError, match=f"http_client must be an httpx.{httpx.AsyncClient.__name__}, not "):
        AsyncRunpod(KEY, http_client=wrong())


async def test_a_foreign_exception_passes_through(
    endpoint: AsyncEndpoint, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="runpod")
    error = RuntimeError("of a mock")
    wire.say(error, error, error)
    for name in ("run", "status", "health"):
        with pytest.raises(RuntimeError, match="of a mock") as caught:
            await BY_NAME[name](endpoint)
        assert error is caught.value
    # The log tells what the exception does not.
    assert [
        "run on endpoint 'ep' was interrupted by RuntimeError after it was sent; it may have been carried out",
        f"Job {JOB} on endpoint ep: status was interrupted by RuntimeError; the job goes on",
    ] == [record.getMessage() for record in caplog.records if record.name == "runpod"]


# --- closed clients, and other options --------------------------------------------------------


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
    wire.say(QUEUED)
    async with AsyncRunpod(KEY, base_url=BASE_URL) as client:
        job = await client.endpoint("ep").run(input=INPUT)
    for call in of_a_job(job):
        with pytest.raises(ClientClosedError, match=CLOSED) as caught:
            await call()
        assert JOB == caught.value.job_id
    assert 1 == len(wire.requests)


async def test_a_client_that_is_closed_before_a_retry_may_have_submitted_a_job(
    client: AsyncRunpod, wire: Wire, clock: AsyncVirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sleep(seconds: float) -> None:
        clock.advance(seconds)
        await client.aclose()

    monkeypatch.setattr(clock, "sleep", sleep)
    wire.say(502)
    with pytest.raises(ClientClosedError) as caught:
        await client.with_options(retry=RetryPolicy(resubmit=True)).endpoint("ep").run(input=INPUT)
    assert caught.value.maybe_submitted


async def test_clients_with_options_share_the_connections_and_are_closed_with_them(wire: Wire) -> None:
    client = AsyncRunpod(KEY, base_url=BASE_URL)
    one, other = client.with_options(timeout=5), client.with_options(timeout=5)
    assert client._session.engine is one._session.engine
    await one.aclose()
    with pytest.raises(ClientClosedError, match=CLOSED):
        await one.endpoint("ep").status(JOB)
    # It closed nothing of the client that it came from.
    wire.say(DONE, DONE)
    assert (await client.endpoint("ep").status(JOB)).succeeded
    assert (await other.endpoint("ep").status(JOB)).succeeded
    await client.aclose()
    with pytest.raises(ClientClosedError, match=CLOSED):
        await other.endpoint("ep").status(JOB)


async def test_a_subclass_keeps_its_class_and_what_it_added(wire: Wire) -> None:
    class Mine(AsyncRunpod):
        team = "horses"

    async with Mine(KEY, base_url=BASE_URL) as client:
        client.team = "planes"
        other = client.with_options(timeout=5)
        assert (Mine, "planes") == (type(other), other.team)
        assert repr(client) == repr(other)
