"""Scaling, pausing and resuming an endpoint, over the local server and over scripted responses."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod import (
    AsyncRunpod,
    AuthenticationError,
    InvalidRequestError,
    NotFoundError,
    RetryPolicy,
    RunpodTimeoutError,
    ServerError,
)
from runpod.local import LocalEndpoint, LocalServer
from tests._async.local_server import TIMEOUT
from tests.local.api import Gate
from tests.servers import BASE_URL, KEY, Delayed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runpod import AsyncEndpoint
    from tests.clocks import AsyncVirtualClock
    from tests.servers import Wire


def client_of(server: LocalServer) -> AsyncRunpod:
    return AsyncRunpod(server.api_key, base_url=server.base_url, management_url=server.management_url)


# Over the local server


@pytest.fixture
async def scaled() -> AsyncIterator[tuple[AsyncEndpoint, Gate]]:
    """An endpoint with two workers, whose jobs run until its gate is opened."""
    gate = Gate()
    with LocalServer({"horse": LocalEndpoint(gate, workers=2)}) as server:
        async with client_of(server) as client:
            yield client.endpoint("horse"), gate
        gate.open()


@pytest.mark.fact("protocol-2 1: jobs of a paused endpoint", "protocol-2 8.4: pause")
async def test_jobs_wait_while_an_endpoint_is_paused(scaled: tuple[AsyncEndpoint, Gate]) -> None:
    endpoint, gate = scaled
    running = await endpoint.run(input={"n": 1})
    gate.wait_entered()
    paused = await endpoint.pause()
    assert (0, 0) == (paused.workers.min, paused.workers.max)
    waiting = await endpoint.run(input={"n": 2})
    [worker] = await endpoint.workers()
    assert "RUNNING" == worker.status
    gate.open()
    # The job that was running finishes, and its worker ends; the other one waits.
    assert {"n": 1} == await running.result(timeout=TIMEOUT)
    assert [] == list(await endpoint.workers())
    assert "IN_QUEUE" == (await waiting.refresh()).status
    with pytest.raises(RunpodTimeoutError, match=r"had 0 of 1 ready workers .* \(no others; jobs in the queue: 1\)"):
        await endpoint.wait_ready(timeout=0.2)
    # Twice, so that the limits of a paused endpoint are not taken for the former ones.
    await endpoint.pause()
    resumed = await endpoint.resume()
    assert (2, 2) == (resumed.workers.min, resumed.workers.max)
    assert {"n": 2} == await waiting.result(timeout=TIMEOUT)
    assert 2 == (await endpoint.wait_ready(2, timeout=TIMEOUT)).workers.idle
    with pytest.raises(InvalidRequestError, match=r"was not paused with this client. Pass max: resume\(max=3\)"):
        await endpoint.resume()


async def test_more_and_fewer_workers(scaled: tuple[AsyncEndpoint, Gate]) -> None:
    endpoint, gate = scaled
    jobs = [await endpoint.run(input={"n": number}) for number in range(3)]
    grown = await endpoint.scale(max=3)
    assert (2, 3, timedelta(seconds=10)) == (grown.workers.min, grown.workers.max, grown.workers.idle_timeout)
    assert 3 == (await endpoint.wait_ready(3, timeout=TIMEOUT)).workers.running
    await endpoint.scale(0, 1, idle_timeout=timedelta(minutes=1))
    # Three run to their end.
    assert 3 == (await endpoint.health()).workers.running
    gate.open()
    for job in jobs:
        await job.result(timeout=TIMEOUT)
    [_] = await endpoint.workers()
    with pytest.raises(
        InvalidRequestError, match=r"min \(2\) must not be greater than max \(1\), which the endpoint has"
    ):
        await endpoint.scale(min=2)


async def test_workers_that_always_run_boot_without_a_job() -> None:
    with LocalServer({"horse": LocalEndpoint(Gate(), workers=3, cold_start=timedelta(hours=1))}) as server:
        async with client_of(server) as client:
            endpoint = client.endpoint("horse")
            assert 0 == len(await endpoint.workers())
            await endpoint.scale(min=2)
            assert ["INITIALIZING"] * 2 == [worker.status for worker in await endpoint.workers()]
            with pytest.raises(RunpodTimeoutError, match=r"\(2 initializing; .*They are starting"):
                await endpoint.wait_ready(timeout=0.2)
            server.advance(3600)
            health = await endpoint.wait_ready(2, timeout=TIMEOUT)
            assert (2, 0) == (health.workers.idle, health.workers.initializing)


# Over scripted responses


def settings(**workers: Any) -> dict[str, Any]:
    return {"id": "ep", "name": "horses", "workers": workers}


async def sent_workers(endpoint: AsyncEndpoint, wire: Wire, current: dict[str, Any], call: Any) -> Any:
    """Call something, and return the workers that it asked for."""
    wire.respond(settings(**current), settings())
    await call(endpoint)
    assert ["GET /v2/serverless/ep", "PATCH /v2/serverless/ep"] == wire.sent
    body = json.loads(wire.requests[1].content)
    assert ["workers"] == list(body)
    return body["workers"]


@pytest.mark.fact("protocol-2 8.4: all of workers")
@pytest.mark.parametrize(
    ("current", "call", "expected"),
    [
        ({"min": 1, "max": 3, "idleTimeout": 7}, lambda e: e.scale(max=5), {"min": 1, "max": 5, "idleTimeout": 7}),
        # Where an idle timeout is refused, the service does not show it.
        ({"min": 0, "max": 3}, lambda e: e.scale(min=2), {"min": 2, "max": 3}),
        ({"max": 3}, lambda e: e.scale(idle_timeout=30), {"min": 0, "max": 3, "idleTimeout": 30}),
        ({"min": 1, "max": 3, "idleTimeout": 7}, lambda e: e.pause(), {"min": 0, "max": 0, "idleTimeout": 7}),
        ({"min": 0, "max": 0, "idleTimeout": 7}, lambda e: e.resume(4), {"min": 0, "max": 4, "idleTimeout": 7}),
        ({"min": 0, "max": 0}, lambda e: e.resume(min=1, max=4), {"min": 1, "max": 4}),
    ],
)
async def test_all_settings_of_the_workers_are_sent(
    current: Any, call: Any, expected: Any, endpoint: AsyncEndpoint, wire: Wire
) -> None:
    assert expected == await sent_workers(endpoint, wire, current, call)


async def test_nothing_is_read_if_all_is_given(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(settings(min=1, max=2))
    assert 2 == (await endpoint.scale(1, 2, idle_timeout=30.4)).workers.max
    assert ["PATCH /v2/serverless/ep"] == wire.sent
    assert b'{"workers":{"min":1,"max":2,"idleTimeout":30}}' == wire.requests[0].content


@pytest.mark.fact("protocol-2 8.4: idle timeout")
@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda e: e.scale(), r"Pass min, max or idle_timeout: scale\(max=5\)"),
        (lambda e: e.scale(min=3, max=2), r"min \(3\) must not be greater than max \(2\)\."),
        (lambda e: e.scale(-1), "min must be a number of workers, 0 or more, not -1"),
        (lambda e: e.scale(max=2.5), "max must be a number of workers"),
        (lambda e: e.scale(max=True), "max must be a number of workers"),
        (lambda e: e.scale(idle_timeout=timedelta(hours=2)), "idle_timeout must be from 1 s to 3600 s"),
        (lambda e: e.scale(idle_timeout=0.5), "idle_timeout must be from 1 s"),
        (lambda e: e.scale(idle_timeout="5"), "idle_timeout must be from 1 s"),
        (lambda e: e.resume(), "Pass max"),
        (lambda e: e.resume(0), "max must be at least 1"),
        (lambda e: e.resume(1, 2), r"min \(2\) must not be greater"),
        (lambda e: e.wait_ready(0), "workers must be a number of workers, 1 or more, not 0"),
        (lambda e: e.wait_ready(timeout=0), "timeout must be positive"),
    ],
)
async def test_invalid_arguments(call: Any, says: str, endpoint: AsyncEndpoint) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        await call(endpoint)


async def test_the_service_does_not_say_the_maximum(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(settings(min=1))
    with pytest.raises(InvalidRequestError, match="did not say how many workers the endpoint may have"):
        await endpoint.scale(min=2)


async def test_limits_are_remembered_by_all_clients_that_share_a_session(client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(settings(min=1, max=3), 500, 500, 500, 500)
    with pytest.raises(ServerError):
        # It may have been executed.
        await client.endpoint("ep").with_options(timeout=5).pause()
    wire.respond(settings(min=0, max=0), settings(min=1, max=3))
    await client.with_options(timeout=6).endpoint("ep").resume()
    assert {"min": 1, "max": 3} == json.loads(wire.requests[-1].content)["workers"]


async def test_more_workers_end_a_pause(endpoint: AsyncEndpoint, wire: Wire) -> None:
    paused, scaled = settings(min=0, max=0), settings(min=0, max=10)
    wire.respond(settings(min=1, max=3), paused, paused, paused, paused, scaled)
    await endpoint.pause()
    await endpoint.scale(max=0)
    await endpoint.scale(max=10)
    with pytest.raises(InvalidRequestError, match="was not paused with this client"):
        await endpoint.resume()


async def test_one_timeout_for_both_requests(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.respond(Delayed(6, settings(min=1, max=3)))
    with pytest.raises(RunpodTimeoutError):
        await endpoint.scale(max=5, timeout=5)
    assert 1 == len(wire.sent)


def health(in_queue: int = 0, **workers: int) -> dict[str, Any]:
    return {"jobs": {"inQueue": in_queue}, "workers": workers}


async def test_polls_for_ready_workers(endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock) -> None:
    polls = [health(throttled=2), health(initializing=2), 503, health(ready=1), *[health(ready=1)] * 5]
    wire.respond(*polls, health(idle=1, running=1))
    assert 1 == (await endpoint.with_options(retry=RetryPolicy(max_retries=0)).wait_ready(2)).workers.running
    assert ["GET /v2/ep/health"] * 10 == wire.sent
    intervals = [pause for pause in clock.pauses if pause]
    assert [0.5, 0.75] == intervals[:2]
    assert 5.0 == intervals[-1]


@pytest.mark.parametrize(
    ("response", "says"),
    [
        (health(throttled=2), r"0 of 1 ready workers within the timeout of 9 s \(2 throttled; .*allow more GPU pools"),
        (
            health(3, unhealthy=1),
            r"\(1 unhealthy; jobs in the queue: 3\)\. Unhealthy workers fail to start: read endpoint.l",
        ),
        (health(), r"\(no others; jobs in the queue: 0\)\. No worker is starting\."),
        (Delayed(10, httpx.ReadTimeout("late")), "/health did not respond"),
        (503, r"was not known within the timeout of 9 s: .*HTTP 503"),
    ],
)
async def test_workers_that_are_not_ready_in_time(
    response: Any, says: str, endpoint: AsyncEndpoint, wire: Wire
) -> None:
    wire.always(response)
    with pytest.raises(RunpodTimeoutError, match=says) as caught:
        await endpoint.wait_ready(timeout=9)
    assert ("ep", False, True) == (caught.value.endpoint_id, caught.value.maybe_submitted, caught.value.retryable)


async def test_a_poll_waits_as_long_as_the_service_asks(endpoint: AsyncEndpoint, wire: Wire) -> None:
    later = httpx.Response(429, headers={"Retry-After": "3600"})
    wire.respond(health(), later)
    with pytest.raises(RunpodTimeoutError, match=r"had 0 of 1 ready .* The last poll failed: .*HTTP 429"):
        await endpoint.wait_ready(timeout=60)
    assert 2 == len(wire.sent)
    wire.respond(later, health(idle=1))
    await endpoint.wait_ready(timeout=None)


@pytest.mark.parametrize(("response", "error"), [(401, AuthenticationError), (404, NotFoundError)])
async def test_an_endpoint_that_cannot_be_polled(
    response: int, error: type[Exception], endpoint: AsyncEndpoint, wire: Wire
) -> None:
    wire.respond(response)
    with pytest.raises(error):
        await endpoint.wait_ready()


async def test_without_a_timeout_the_wait_ends_after_ten_failures(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.always(503)
    with pytest.raises(ServerError):
        await endpoint.with_options(retry=RetryPolicy(max_retries=0)).wait_ready(timeout=None)
    assert 10 == len(wire.sent)


async def test_the_key_goes_to_the_management_api(wire: Wire) -> None:
    async with AsyncRunpod(KEY, base_url=BASE_URL, management_url="https://manage.example.test") as client:
        wire.respond({"workers": [{"id": "w1"}]})
        assert ["w1"] == [worker.id for worker in await client.endpoint("ep/1").workers()]
    [request] = wire.requests
    assert "https://manage.example.test/v2/serverless/ep%2F1/workers" == str(request.url)
    assert f"Bearer {KEY}" == request.headers["Authorization"]
