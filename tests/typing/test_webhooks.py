"""Typing tests of webhooks. This file is type-checked with mypy and pyright, not executed."""

# Both checkers report an unneeded `type: ignore`, so code that must be rejected is tested, too.
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import Any

from pydantic import SecretStr
from typing_extensions import assert_type

from runpod import AsyncEndpoint, AsyncRunpod, Endpoint, JobState, Runpod, RunpodError
from runpod.webhooks import AsyncWebhookReceiver, DeliveredState, Delivery, WebhookReceiver, http_status, parse


class Seen:
    def add(self, key: str) -> bool:
        return bool(key)

    def discard(self, key: str) -> object:
        return key


async def an_async_receiver(client: AsyncRunpod, endpoint: AsyncEndpoint[int]) -> None:
    receiver = AsyncWebhookReceiver(client=client, token=SecretStr("…"))
    assert_type(receiver.url("https://example.com", endpoint), str)
    assert_type(receiver.check("/ep/token"), str)
    delivery = await receiver.receive("/ep/token", b"{}", timeout=None)
    assert_type(delivery, Delivery)
    assert_type(delivery.state, JobState[Any])
    assert_type(delivery.duplicate, bool)
    await receiver.failed(delivery)
    delivery.duplicate = True  # type: ignore[misc]


def a_sync_receiver(client: Runpod, endpoint: Endpoint[int]) -> None:
    receiver = WebhookReceiver(client=client, seen=Seen(), max_bytes=1)
    assert_type(receiver.url("https://example.com", endpoint), str)
    assert_type(receiver.receive("/ep/token", {"id": "x"}), Delivery)
    WebhookReceiver(client=client, seen=set())  # type: ignore[arg-type]


def a_body_is_a_state_with_an_input() -> None:
    state = parse(b"{}")
    assert_type(state, DeliveredState)
    _: JobState[Any] = state
    assert_type(state.input, Any)
    assert_type(state.webhook, "str | None")
    assert_type(http_status(RunpodError()), int)
    parse(1)  # type: ignore[arg-type]
