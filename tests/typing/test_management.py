"""Typing tests of the management API. This file is type-checked with mypy and pyright, not executed."""

# Both checkers report an unneeded `type: ignore`, so code that must be rejected is tested, too.
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from typing_extensions import assert_type

from runpod.models.management import (
    CreateEndpointDict,
    EndpointGPU,
    GPUSettings,
    Registry,
    Release,
    ScalingSettings,
    ServerlessEndpoint,
    Template,
    Worker,
    WorkerSettings,
)

if TYPE_CHECKING:
    from runpod import AsyncRunpod, Runpod

DELAY = ScalingSettings(queue_delay=timedelta(seconds=4))


def responses_are_typed(client: Runpod) -> None:
    assert_type(client.manage.serverless.list(), list[ServerlessEndpoint])
    assert_type(client.manage.templates.list(), list[Template])
    assert_type(client.manage.registries.get("abc"), Registry)
    assert_type(client.manage.request("GET", "/v2/clusters"), Any)
    endpoint = client.manage.serverless.get("abc")
    assert_type(endpoint.gpu, EndpointGPU | None)
    assert_type(endpoint.execution_timeout, timedelta | None)
    assert_type(endpoint.created_at, datetime | None)
    assert_type(endpoint.env, dict[str, str] | None)
    assert_type([worker for worker in client.manage.serverless.workers("abc")], list[Worker])  # noqa: C416 - its items
    assert_type(client.manage.serverless.releases("abc").releases, list[Release])


async def so_are_those_of_the_async_client(client: AsyncRunpod) -> None:
    assert_type(await client.manage.serverless.list(), list[ServerlessEndpoint])
    assert_type(await client.manage.templates.update("abc", image="a:2"), Template)


def arguments_are_typed(client: Runpod) -> None:
    create, update = client.manage.serverless.create, client.manage.serverless.update
    create(name="a", type="QUEUE", scaling=DELAY, image="a:1", gpu=GPUSettings(pools=["ADA_24"]))
    create({"name": "a", "type": "QUEUE", "scaling": DELAY, "image": "a:1", "gpu": {"pools": ["ADA_24"]}})
    create(name="a", type="QUEUE", image="a:1")  # type: ignore[call-overload]
    _1: CreateEndpointDict = {"name": "a", "type": "QUEUE"}  # type: ignore[typeddict-item]
    _2: CreateEndpointDict = {"name": "a", "type": "QEUE", "scaling": DELAY}  # type: ignore[typeddict-item]
    update("abc", workers=WorkerSettings(min=0, max=1), env={"A": "b"})
    update("abc", {"registry": None, "timeout": 600_000})
    update("abc", execution_timeout=600)  # type: ignore[call-overload]
    update("abc", env={"A": 5})  # type: ignore[dict-item]
    update("abc", flashboot="ON")  # type: ignore[call-overload]
    client.manage.request("TRACE", "/v2/clusters")  # type: ignore[arg-type]
    WorkerSettings(idle_timeout=5)  # type: ignore[arg-type]
