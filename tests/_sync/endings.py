# Generated from tests/_async/endings.py by scripts/generate_sync.py. Do not edit.

"""How calls to servers that misbehave end: with an error of ours, and in time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from runpod import Runpod, RetryPolicy, RunpodError
from tests._sync.calls import OPERATIONS, SUBMISSIONS, Operation
from tests.clocks import together
from tests.servers import KEY

if TYPE_CHECKING:
    from tests.servers import RawServer

TIMEOUT = 1.0
# What a slow machine may add. A call that runs away takes as long as the server does: for ever.
BOUND = 5.0

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def new_client(base_url: str, **options: Any) -> Runpod:
    options.setdefault("retry", RetryPolicy(initial_delay=0.01))
    return Runpod(KEY, base_url=base_url, allow_insecure=True, **options)


def end_of(operation: Operation, client: Runpod) -> RunpodError:
    """The error that a call ended with, in time."""
    start = time.monotonic()
    with pytest.raises(RunpodError) as caught:
        operation(client.endpoint("ep"), timeout=TIMEOUT)
    assert time.monotonic() - start < TIMEOUT + BOUND
    return caught.value


def ends(base_url: str) -> list[tuple[Operation, RunpodError]]:
    """Every operation at once, and how each ended."""
    with new_client(base_url) as client:

        def one(index: int) -> RunpodError:
            return end_of(OPERATIONS[index], client)

        errors = together(one, len(OPERATIONS))
    return list(zip(OPERATIONS, errors, strict=True))


def sent_once(server: RawServer) -> None:
    """No submission arrived twice."""
    for operation in SUBMISSIONS:
        assert server.times(operation.sent.partition("?")[0]) <= 1
