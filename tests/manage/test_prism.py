"""Every operation, by both clients, against Prism: the requests are valid, and the responses are understood."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from pydantic import BaseModel

from runpod import AsyncRunpod, Runpod
from tests.manage.calls import CALLS, COLLECTIONS, Call
from tests.servers import KEY

if TYPE_CHECKING:
    from tests.manage.prism import Description, Prism


class Recorder:
    """Records the requests of both clients. The async one gets random responses, instead of examples."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    def record(self, request: httpx.Request) -> None:
        self.requests.append(request)

    async def async_record(self, request: httpx.Request) -> None:
        request.headers["Prefer"] = "dynamic=true"
        self.requests.append(request)


def results(call: Call, url: str, recorder: Recorder) -> list[Any]:
    """The results of a call, by the sync and by the async client."""
    with (
        httpx.Client(event_hooks={"request": [recorder.record]}, trust_env=False, verify=False) as http,
        Runpod(KEY, management_url=url, http_client=http) as client,
    ):
        found = [call.call(client.manage)]

    async def main() -> None:
        hooks: dict[str, Any] = {"request": [recorder.async_record]}
        async with (
            httpx.AsyncClient(event_hooks=hooks, trust_env=False, verify=False) as http,
            AsyncRunpod(KEY, management_url=url, http_client=http) as client,
        ):
            found.append(await call.call(client.manage))  # type: ignore[arg-type]

    anyio.run(main)
    return found


def unknown_fields(value: Any, place: str = "") -> list[str]:
    """The fields of a response that no model has."""
    if isinstance(value, BaseModel):
        found = [f"{place}.{name}" for name in value.model_extra or {}]
        for name in type(value).model_fields:
            found += unknown_fields(getattr(value, name), f"{place}.{name}")
        return found
    if isinstance(value, list):
        return [each for item in value for each in unknown_fields(item, f"{place}[]")]
    return []


@pytest.mark.fact("protocol-2 8.2: operations")
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_an_operation(call: Call, prism: Prism, description: Description) -> None:
    recorder = Recorder()
    example, random = results(call, prism.url, recorder)
    assert [] == unknown_fields(example)
    [item_type] = call.result if isinstance(call.result, list) else [call.result]
    for result in (example, random):
        items = result if isinstance(call.result, list) else [result]
        assert all(isinstance(item, item_type) if item_type else item is None for item in items)
    assert example != []
    sync, asynchronous = recorder.requests
    assert (sync.method, sync.url, sync.content) == (asynchronous.method, asynchronous.url, asynchronous.content)
    assert call.operation == description.operation(sync.method, sync.url.path)
    assert [] == description.problems(call.operation, json.loads(sync.content or b"null"))


@pytest.mark.fact("protocol-2 8.2: operations")
def test_every_operation_is_called(description: Description) -> None:
    called = {call.operation for call in CALLS}
    expected = {
        name
        for name, (_, path) in description.operations.items()
        if path.startswith(COLLECTIONS) and not path.endswith("/logs")
    }
    assert expected == called & expected
    assert called <= description.operations.keys()


def test_the_checks_find_invalid_requests(description: Description) -> None:
    good: dict[str, Any] = {
        "name": "a",
        "type": "QUEUE",
        "image": "a:1",
        "gpu": {"pools": ["ADA_24"]},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
    }
    assert [] == description.problems("createEndpoint", good)
    for bad in ({"workersMin": 1}, {"timeout": 1.5}, {"gpu": {"pools": []}}, {"workers": {"minimum": 1}}):
        assert description.problems("createEndpoint", {**good, **bad})
