"""Tests of the webhook receiver: what it believes, what it refuses, and what it takes for a repetition."""

from __future__ import annotations

import asyncio  # async-only
import json
import logging
import threading  # async-only
from typing import TYPE_CHECKING, Any

import pytest

from runpod import (
    APIConnectionError,
    APIResponseError,
    AsyncRunpod,
    AuthenticationError,
    ConfigurationError,
    InvalidRequestError,
    JobError,
    NotFoundError,
    ServerError,
    WebhookTokenError,
)
from runpod._protocol.deliveries import RecentDeliveries  # async-only
from runpod.webhooks import AsyncWebhookReceiver, http_status
from tests._async.calls import CANCELLED, DONE, FAILED, JOB, PATH, QUEUED, RUNNING
from tests.servers import Delayed

if TYPE_CHECKING:
    from runpod import AsyncEndpoint
    from runpod.webhooks import SeenDeliveries
    from tests.servers import Wire

TOKEN = "a-token-of-the-tests-0123456789abcdef"
BASE = "https://example.com/hooks"
INPUT = {"prompt": "a horse"}
STATUS = f"GET {PATH}/ep/status/{JOB}"


@pytest.fixture
def receiver(client: AsyncRunpod) -> AsyncWebhookReceiver:
    return AsyncWebhookReceiver(client=client, token=TOKEN)


@pytest.fixture
def url(receiver: AsyncWebhookReceiver) -> str:
    return receiver.url(BASE, "ep")


def body(state: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({**state, "input": INPUT, "webhook": f"{BASE}/…", **fields}).encode()


@pytest.mark.parametrize("state", [DONE, FAILED, CANCELLED, DONE | {"status": "EVAPORATED"}], ids=lambda s: s["status"])
async def test_a_delivery_is_received(
    receiver: AsyncWebhookReceiver, url: str, wire: Wire, endpoint: AsyncEndpoint, state: dict[str, Any]
) -> None:
    wire.respond(state)
    delivery = await receiver.receive(url, body(state))
    assert (state["status"], state.get("output")) == (delivery.state.status, delivery.state.output)
    assert (False, "ep", INPUT) == (delivery.duplicate, delivery.endpoint_id, delivery.input)
    assert url == receiver.url(BASE + "/", endpoint)
    assert "a horse" not in repr(delivery)
    assert [STATUS] == wire.sent


@pytest.mark.fact("protocol 6: no signature")
async def test_the_fetched_state_is_believed_and_not_the_delivered_one(
    receiver: AsyncWebhookReceiver, url: str, wire: Wire
) -> None:
    wire.respond(FAILED)
    forged = body(DONE, output="pay the bearer", error=None)
    delivery = await receiver.receive(url, forged)
    assert ("FAILED", None) == (delivery.state.status, delivery.state.output)
    assert "pay" not in str(delivery)


@pytest.mark.fact("protocol 6: no signature")
@pytest.mark.parametrize(
    "forged",
    [
        lambda url: url[:-1],
        lambda url: url + "x",
        lambda url: url.replace("/ep/", "/other/"),
        lambda url: url.replace("/ep/", "/EP/"),
        lambda url: url.rpartition("/")[0],
        lambda url: f"{BASE}/ep/{TOKEN}",
        lambda url: f"{BASE}/ep/ä\ud800",
        lambda url: f"{BASE}?{url}",
        lambda url: "",
    ],
)
async def test_a_wrong_token_is_refused_before_anything_else(
    receiver: AsyncWebhookReceiver, url: str, wire: Wire, forged: Any
) -> None:
    # The body would be refused as well.
    with pytest.raises(WebhookTokenError, match="Answer 403") as caught:
        await receiver.receive(forged(url), b"not JSON")
    assert 403 == http_status(caught.value)
    assert not wire.requests


async def test_only_the_end_of_the_path_matters(receiver: AsyncWebhookReceiver, url: str, wire: Wire) -> None:
    end = url.removeprefix(BASE)
    for address in (end, end[1:], f"/behind/a/proxy{end}/", f"http://127.0.0.1:8000{end}?a=b/c#d/e"):
        assert "ep" == receiver.check(address)
    assert not wire.requests


async def test_each_endpoint_has_a_token_of_its_own(receiver: AsyncWebhookReceiver, client: AsyncRunpod) -> None:
    urls = {receiver.url(BASE, endpoint_id) for endpoint_id in ("ep", "other")}
    urls.add(AsyncWebhookReceiver(client=client, token=TOKEN[::-1]).url(BASE, "ep"))
    assert 3 == len({url.rpartition("/")[2] for url in urls})
    assert TOKEN not in str(urls)


async def test_a_job_that_is_not_ours_is_an_error(receiver: AsyncWebhookReceiver, url: str, wire: Wire) -> None:
    wire.respond(404, DONE)
    with pytest.raises(NotFoundError, match=f"webhook of job '{JOB}' on endpoint 'ep' cannot be confirmed") as caught:
        await receiver.receive(url, body(DONE))
    assert (JOB, "ep", 404) == (caught.value.job_id, caught.value.endpoint_id, http_status(caught.value))
    assert "it is a 404" in caught.value.body
    assert not (await receiver.receive(url, body(DONE))).duplicate


@pytest.mark.parametrize("state", [QUEUED, RUNNING], ids=lambda state: state["status"])
async def test_a_job_that_has_not_ended_is_an_error(
    receiver: AsyncWebhookReceiver, url: str, wire: Wire, state: dict[str, Any]
) -> None:
    wire.respond(state, DONE)
    with pytest.raises(JobError, match=f"ended COMPLETED, but its status is {state['status']}") as caught:
        await receiver.receive(url, body(DONE))
    assert (state["status"], 503) == (caught.value.state and caught.value.state.status, http_status(caught.value))
    assert not (await receiver.receive(url, body(DONE))).duplicate


@pytest.mark.parametrize(
    ("responses", "error"),
    [
        ([500] * 4, ServerError),
        ([401], AuthenticationError),
        # The default timeout leaves no time for another attempt.
        ([Delayed(11, 500)], ServerError),
        ([ConnectionResetError()] * 4, APIConnectionError),
        ([DONE | {"id": "another"}], APIResponseError),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_delivery_that_could_not_be_confirmed_is_no_duplicate_later(
    receiver: AsyncWebhookReceiver, url: str, wire: Wire, responses: list[Any], error: type[Exception]
) -> None:
    wire.respond(*responses, DONE)
    with pytest.raises(error) as caught:
        await receiver.receive(url, body(DONE))
    assert 503 == http_status(caught.value)
    assert not (await receiver.receive(url, body(DONE))).duplicate


@pytest.mark.fact("protocol 6: duplicates")
async def test_a_repeated_delivery_is_a_duplicate(receiver: AsyncWebhookReceiver, url: str, wire: Wire) -> None:
    wire.respond(DONE, DONE, DONE)
    # A forged body does not make another delivery of it.
    bodies = [body(DONE), body(DONE), body(FAILED, executionTime=31)]
    deliveries = [await receiver.receive(url, each) for each in bodies]
    assert [False, True, True] == [each.duplicate for each in deliveries]
    assert 1 == len({each.key for each in deliveries})


async def test_each_end_of_a_retried_job_is_a_delivery_of_its_own(
    receiver: AsyncWebhookReceiver, url: str, wire: Wire
) -> None:
    first = FAILED | {"delayTime": 20, "executionTime": 30}
    second = first | {"executionTime": 31}
    wire.respond(first, first, second, second, DONE, DONE)
    states = (first, first, second, second, DONE, DONE)
    duplicates = [(await receiver.receive(url, body(state))).duplicate for state in states]
    assert [False, True] * 3 == duplicates


async def test_the_same_job_id_on_another_endpoint_is_another_job(
    receiver: AsyncWebhookReceiver, url: str, wire: Wire
) -> None:
    wire.respond(DONE, DONE)
    await receiver.receive(url, body(DONE))
    assert not (await receiver.receive(receiver.url(BASE, "other"), body(DONE))).duplicate


async def test_a_failed_delivery_is_no_duplicate_when_it_is_repeated(
    receiver: AsyncWebhookReceiver, url: str, wire: Wire
) -> None:
    wire.respond(DONE, DONE, DONE)
    await receiver.failed(await receiver.receive(url, body(DONE)))
    assert not (await receiver.receive(url, body(DONE))).duplicate
    assert (await receiver.receive(url, body(DONE))).duplicate


async def test_receivers_can_share_what_they_have_seen(client: AsyncRunpod, url: str, wire: Wire) -> None:
    class Seen:
        def __init__(self) -> None:
            self.keys: set[str] = set()

        def add(self, key: str) -> bool:
            is_new = key not in self.keys
            self.keys.add(key)
            return is_new

        def discard(self, key: str) -> None:
            self.keys.discard(key)

    seen: SeenDeliveries = Seen()
    wire.respond(DONE, DONE, DONE)
    receivers = [AsyncWebhookReceiver(client=client, token=TOKEN, seen=seen) for _ in range(2)]
    deliveries = [await each.receive(url, body(DONE)) for each in receivers]
    assert [False, True] == [each.duplicate for each in deliveries]
    await receivers[1].failed(deliveries[0])
    assert not (await receivers[0].receive(url, body(DONE))).duplicate


class SlowSeen(RecentDeliveries):  # async-only
    """Waits in `add`, the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.noted, self.may_return = threading.Event(), threading.Event()

    def add(self, key: str) -> bool:
        is_new = super().add(key)
        self.noted.set()
        assert self.may_return.wait(30)
        return is_new


@pytest.mark.parametrize("is_new", [True, False])
async def test_a_delivery_that_is_cancelled_while_it_is_noted_is_no_duplicate_later(  # async-only: threads are not cancelled
    client: AsyncRunpod, url: str, wire: Wire, is_new: bool
) -> None:
    seen = SlowSeen()
    receiver = AsyncWebhookReceiver(client=client, token=TOKEN, seen=seen)
    wire.respond(DONE, DONE)
    if not is_new:
        wire.respond(DONE)
        seen.may_return.set()
        await receiver.receive(url, body(DONE))
        seen.may_return.clear()
        seen.noted.clear()
    task = asyncio.ensure_future(receiver.receive(url, body(DONE)))
    await asyncio.to_thread(seen.noted.wait, 30)
    task.cancel()
    asyncio.get_running_loop().call_soon(seen.may_return.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert is_new is not (await receiver.receive(url, body(DONE))).duplicate


async def test_an_endpoint_must_have_an_id(receiver: AsyncWebhookReceiver) -> None:
    with pytest.raises(InvalidRequestError, match="IDs must be str, not NoneType"):
        receiver.url(BASE, None)  # type: ignore[arg-type]


async def test_a_broken_body_is_an_error(receiver: AsyncWebhookReceiver, url: str, wire: Wire) -> None:
    with pytest.raises(InvalidRequestError, match="not valid JSON") as caught:
        await receiver.receive(url, body(DONE)[:-1])
    assert 400 == http_status(caught.value)
    assert not wire.requests


async def test_a_body_of_20_mb_is_received_unless_it_is_larger_than_max_bytes(
    client: AsyncRunpod, receiver: AsyncWebhookReceiver, url: str, wire: Wire
) -> None:
    wire.respond(DONE)
    large = body(DONE, output="x" * 20_000_000)
    assert {"n": 1} == (await receiver.receive(url, large)).state.output
    small = AsyncWebhookReceiver(client=client, token=TOKEN, max_bytes=1_000_000)
    with pytest.raises(InvalidRequestError, match=r"it has 20 MB, more than max_bytes allows \(1 MB\)"):
        await small.receive(url, large)


async def test_nothing_secret_is_shown(
    receiver: AsyncWebhookReceiver, url: str, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wire.respond(DONE, 404, RUNNING)
    shown = [repr(receiver), repr(await receiver.receive(url, body(DONE)))]
    secret = url.rpartition("/")[2]
    for address, content in ((url, body(DONE)), (url, body(DONE)), (url, b"[]"), (url[:-1], b"")):
        with pytest.raises((JobError, NotFoundError, InvalidRequestError, WebhookTokenError)) as caught:
            await receiver.receive(address, content)
        shown += [str(caught.value), repr(caught.value.args)]
    text = "\n".join([*shown, caplog.text])
    assert "status" in caplog.text
    assert [] == [each for each in (TOKEN, secret, secret[:-1], "a horse", "prompt") if each in text]


async def test_the_token_is_that_of_the_environment(client: AsyncRunpod, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("", None):
        monkeypatch.setattr("os.environ", {} if value is None else {"RUNPOD_WEBHOOK_TOKEN": value})
        with pytest.raises(ConfigurationError, match=r"Pass token=…, or set RUNPOD_WEBHOOK_TOKEN.*token_urlsafe"):
            AsyncWebhookReceiver(client=client)
    monkeypatch.setenv("RUNPOD_WEBHOOK_TOKEN", "too short")
    with pytest.raises(ConfigurationError, match="RUNPOD_WEBHOOK_TOKEN has fewer than 32 characters") as caught:
        AsyncWebhookReceiver(client=client)
    assert "too short" not in str(caught.value)
    # As a file of secrets has it.
    monkeypatch.setenv("RUNPOD_WEBHOOK_TOKEN", f"{TOKEN}\n")
    url = AsyncWebhookReceiver(client=client).url(BASE, "ep")
    assert AsyncWebhookReceiver(client=client, token=TOKEN).url(BASE, "ep") == url
