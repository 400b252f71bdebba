from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from runpod import AsyncRunpod, ConfigurationError, InvalidRequestError, RateLimitError, RetryPolicy
from tests._async.calls import DONE, INPUT, JOB, OPERATIONS, QUEUED, Operation, collect, name_of
from tests.servers import BASE_URL, KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod import AsyncEndpoint
    from tests.clocks import AsyncVirtualClock
    from tests.servers import Wire

CLOSED = "closed"


async def test_a_callers_client_is_used_and_stays_open() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=QUEUED)

    headers = {"X-Mine": "1"}
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), headers=headers) as http_client:
        async with AsyncRunpod(KEY, base_url=BASE_URL, http_client=http_client) as client:
            await client.endpoint("ep").run(input=INPUT)
        assert not http_client.is_closed
        await http_client.get("https://other.test")

    assert ["api.example.test", "other.test"] == [request.url.host for request in seen]
    assert "1" == seen[0].headers["X-Mine"]
    assert f"Bearer {KEY}" == seen[0].headers["Authorization"]
    assert "Authorization" not in seen[1].headers


async def test_the_key_wins_over_the_auth_of_a_callers_client(wire: Wire) -> None:
    wire.say(QUEUED)
    async with httpx.AsyncClient(auth=("me", "password"), headers={"Authorization": "Basic x"}) as http_client:
        await AsyncRunpod(KEY, base_url=BASE_URL, http_client=http_client).endpoint("ep").run(input=INPUT)
    assert f"Bearer {KEY}" == wire.requests[0].headers["Authorization"]


async def test_a_callers_base_url_and_timeout_do_not_matter(wire: Wire, clock: AsyncVirtualClock) -> None:
    wire.say(QUEUED)
    async with httpx.AsyncClient(base_url="https://other.test", timeout=0.001) as http_client:
        await AsyncRunpod(KEY, base_url=BASE_URL, http_client=http_client).endpoint("ep").run(input=INPUT)
    assert "api.example.test" == wire.requests[0].url.host
    assert wire.requests[0].extensions["timeout"]["connect"] > 1


def other_colour() -> object:
    """A client of the half that this is not, without its TLS context."""
    clients = {httpx.Client, getattr(httpx, "Async" + "Client")}
    (other,) = clients - {httpx.AsyncClient}
    return other.__new__(other)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(object, id="object"),
        pytest.param(lambda: "client", id="text"),
        pytest.param(lambda: httpx.AsyncClient, id="class"),
        pytest.param(other_colour, id="other-colour"),
    ],
)
def test_a_wrong_http_client_is_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(ConfigurationError, match=f"http_client must be an httpx.{httpx.AsyncClient.__name__}, not "):
        AsyncRunpod(KEY, http_client=wrong())


@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
async def test_use_after_close(operation: Operation, wire: Wire) -> None:
    client = AsyncRunpod(KEY, base_url=BASE_URL)
    endpoint = client.endpoint("ep")
    await client.aclose()
    with pytest.raises(InvalidRequestError, match=CLOSED) as caught:
        await operation(endpoint)
    assert caught.value.maybe_submitted is False
    assert [] == wire.requests


async def test_use_of_a_job_after_close(wire: Wire) -> None:
    wire.say(QUEUED)
    async with AsyncRunpod(KEY, base_url=BASE_URL) as client:
        job = await client.endpoint("ep").run(input=INPUT)
    for call in (job.refresh, job.wait, job.result, job.cancel, job.retry):
        with pytest.raises(InvalidRequestError, match=CLOSED):
            await call()
    with pytest.raises(InvalidRequestError, match=CLOSED):
        await collect(job.stream())
    with pytest.raises(InvalidRequestError, match=CLOSED):
        await collect(job.watch())
    assert 1 == len(wire.requests)


async def test_closing_twice_is_fine(wire: Wire) -> None:
    client = AsyncRunpod(KEY, base_url=BASE_URL)
    await client.aclose()
    await client.aclose()
    async with client:
        pass


async def test_a_callers_client_that_is_closed(wire: Wire) -> None:
    http_client = httpx.AsyncClient()
    client = AsyncRunpod(KEY, base_url=BASE_URL, http_client=http_client)
    await http_client.aclose()
    with pytest.raises(InvalidRequestError, match=CLOSED):
        await client.endpoint("ep").run(input=INPUT)


async def test_with_options_shares_the_connections(client: AsyncRunpod, wire: Wire) -> None:
    wire.say(429, 429, DONE)
    other = client.with_options(retry=RetryPolicy(max_retries=0))
    with pytest.raises(RateLimitError):
        await other.endpoint("ep").status(JOB)
    # The client it came from is as it was.
    await client.endpoint("ep").status(JOB)
    assert 3 == len(wire.requests)
    assert client._session.engine is other._session.engine


async def test_closing_a_client_with_options_closes_only_itself(client: AsyncRunpod, wire: Wire) -> None:
    wire.say(DONE)
    async with client.with_options(timeout=5) as other:
        endpoint = other.endpoint("ep")
    with pytest.raises(InvalidRequestError, match=CLOSED):
        await endpoint.status(JOB)
    assert "COMPLETED" == (await client.endpoint("ep").status(JOB)).status


async def test_closing_the_client_closes_those_with_options(wire: Wire) -> None:
    client = AsyncRunpod(KEY, base_url=BASE_URL)
    endpoint = client.with_options(timeout=5).endpoint("ep")
    await client.aclose()
    with pytest.raises(InvalidRequestError, match=CLOSED):
        await endpoint.status(JOB)


async def test_with_options_of_an_endpoint(endpoint: AsyncEndpoint, wire: Wire) -> None:
    wire.say(429)
    other = endpoint.with_options(retry=RetryPolicy(max_retries=0))
    assert "ep" == other.id
    with pytest.raises(RateLimitError):
        await other.status(JOB)


@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
async def test_an_endpoint_of_a_client_with_options_does_all_the_others_do(
    operation: Operation, client: AsyncRunpod, wire: Wire, clock: AsyncVirtualClock
) -> None:
    wire.say(operation.good)
    await operation(client.with_options(retry=RetryPolicy(max_retries=0)).endpoint("ep"))
    assert [operation.sent] == wire.sent
