# Generated from tests/_async/endings.py by scripts/generate_sync.py. Do not edit.

"""How calls to servers that misbehave end: with an error of ours, and in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod import Runpod, RetryPolicy, RunpodError
from tests._sync.calls import OPERATIONS, SUBMISSIONS, Operation
from tests.clocks import together
from tests.servers import KEY

if TYPE_CHECKING:
    from tests.servers import RawServer

# Seconds. A call that only its deadline can end takes so long; every other one ends by itself, long before.
SHORT = 0.5
LONG = 60.0
# For a call that is to end in the middle of a response: longer ones are tried where a busy machine got no further.
DEADLINES = (0.5, 3.0, 20.0)

# Whether clients are made over an HTTP client of a caller's; see the fixture `carrier`.
over_a_callers = False

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class ClientOverACallers(Runpod):
    """A client that closes the HTTP client of its caller as well."""

    def __init__(self, http_client: httpx.Client, **options: Any) -> None:
        super().__init__(KEY, http_client=http_client, allow_insecure=True, **options)
        self._http_client = http_client

    def close(self) -> None:
        super().close()
        self._http_client.close()


def new_client(base_url: str, **options: Any) -> Runpod:
    options.setdefault("retry", RetryPolicy(initial_delay=0.01))
    if over_a_callers:
        return ClientOverACallers(httpx.Client(), base_url=base_url, **options)
    return Runpod(KEY, base_url=base_url, allow_insecure=True, **options)


def end_of(operation: Operation, client: Runpod, timeout: float = LONG) -> RunpodError:
    """The error that a call ended with."""
    with pytest.raises(RunpodError) as caught:
        operation(client.endpoint("ep"), timeout=timeout)
    return caught.value


def ends(base_url: str, timeout: float = LONG) -> list[tuple[Operation, RunpodError]]:
    """Every operation at once, and how each ended. Those that trouble does not end get a short deadline."""
    with new_client(base_url) as client:

        def one(index: int) -> RunpodError:
            operation = OPERATIONS[index]
            return end_of(operation, client, SHORT if operation.patient else timeout)

        errors = together(one, len(OPERATIONS))
    return list(zip(OPERATIONS, errors, strict=True))


def sent_once(server: RawServer) -> None:
    """No submission arrived twice."""
    for operation in SUBMISSIONS:
        assert server.times(operation.sent.partition("?")[0]) <= 1
