"""Helpers for calls to misbehaving servers, which must raise a RunpodError before the deadline."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod import AsyncRunpod, EndpointLimits, RetryPolicy, RunpodError
from tests._async.calls import OPERATIONS, SUBMISSIONS, Operation
from tests.clocks import async_together
from tests.servers import KEY

if TYPE_CHECKING:
    from tests.servers import RawServer

# Seconds. SHORT is for calls that can only end at their deadline, LONG for calls that fail well before it.
SHORT = 0.5
LONG = 60.0
# For calls whose deadline must pass during the response. A busy machine may need one of the longer deadlines.
DEADLINES = (0.5, 3.0, 20.0)

# Whether clients are created with a caller's HTTP client; see the fixture `http_backend`.
use_callers_client = False

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class ClientWithCallersHTTP(AsyncRunpod):
    """A client that also closes the HTTP client passed to it."""

    def __init__(self, http_client: httpx.AsyncClient, **options: Any) -> None:
        super().__init__(KEY, http_client=http_client, allow_insecure=True, **options)
        self._http_client = http_client

    async def aclose(self) -> None:
        await super().aclose()
        await self._http_client.aclose()


def new_client(base_url: str, **options: Any) -> AsyncRunpod:
    options.setdefault("retry", RetryPolicy(initial_delay=timedelta(seconds=0.01)))
    options.setdefault("limits", EndpointLimits(run_bytes=None))
    if use_callers_client:
        return ClientWithCallersHTTP(httpx.AsyncClient(), base_url=base_url, **options)
    return AsyncRunpod(KEY, base_url=base_url, allow_insecure=True, **options)


async def error_of(operation: Operation, client: AsyncRunpod, timeout: float = LONG) -> RunpodError:
    """Return the error that a call raises."""
    with pytest.raises(RunpodError) as caught:
        await operation(client.endpoint("ep"), timeout=timeout)
    return caught.value


async def errors_of_all(base_url: str, timeout: float = LONG) -> list[tuple[Operation, RunpodError]]:
    """Run all operations concurrently and return the error of each. Operations that poll get a short deadline."""
    async with new_client(base_url) as client:

        async def one(index: int) -> RunpodError:
            operation = OPERATIONS[index]
            return await error_of(operation, client, SHORT if operation.polls else timeout)

        errors = await async_together(one, len(OPERATIONS))
    return list(zip(OPERATIONS, errors, strict=True))


def assert_submitted_once(server: RawServer) -> None:
    """Assert that no submission arrived twice."""
    for operation in SUBMISSIONS:
        assert server.times(operation.sent.partition("?")[0]) <= 1
