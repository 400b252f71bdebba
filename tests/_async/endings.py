"""How calls to servers that misbehave end: with an error of ours, and in time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from runpod import AsyncRunpod, RetryPolicy, RunpodError
from tests._async.calls import OPERATIONS, SUBMISSIONS, Operation
from tests.clocks import async_together
from tests.servers import KEY

if TYPE_CHECKING:
    from tests.servers import RawServer

TIMEOUT = 1.0
# What a slow machine may add. A call that runs away takes as long as the server does: for ever.
BOUND = 5.0

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def new_client(base_url: str, **options: Any) -> AsyncRunpod:
    options.setdefault("retry", RetryPolicy(initial_delay=0.01))
    return AsyncRunpod(KEY, base_url=base_url, allow_insecure=True, **options)


async def end_of(operation: Operation, client: AsyncRunpod) -> RunpodError:
    """The error that a call ended with, in time."""
    start = time.monotonic()
    with pytest.raises(RunpodError) as caught:
        await operation(client.endpoint("ep"), timeout=TIMEOUT)
    assert time.monotonic() - start < TIMEOUT + BOUND
    return caught.value


async def ends(base_url: str) -> list[tuple[Operation, RunpodError]]:
    """Every operation at once, and how each ended."""
    async with new_client(base_url) as client:

        async def one(index: int) -> RunpodError:
            return await end_of(OPERATIONS[index], client)

        errors = await async_together(one, len(OPERATIONS))
    return list(zip(OPERATIONS, errors, strict=True))


def sent_once(server: RawServer) -> None:
    """No submission arrived twice."""
    for operation in SUBMISSIONS:
        assert server.times(operation.sent.partition("?")[0]) <= 1
