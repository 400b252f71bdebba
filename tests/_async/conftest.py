from __future__ import annotations

import functools
import os
import ssl
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
import respx

from runpod import AsyncRunpod, RetryPolicy
from tests._async import endings
from tests._async.serving import Gate, Serve
from tests.clocks import AsyncVirtualClock
from tests.servers import BASE_URL, KEY, Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from runpod import AsyncEndpoint


@pytest.fixture(scope="session", autouse=True)
def _one_tls_context() -> Iterator[None]:
    """Build the context for TLS once: it takes ten times as long as the rest of a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))
        yield


@pytest.fixture(autouse=True)
def _no_proxies_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request to a server of a test goes there."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


CARRIERS = ["own", "callers"]
CARRIERS += ["trio"]  # async-only


@pytest.fixture(params=CARRIERS)
def carrier(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test over the HTTP client of the library, and over one of a caller's."""
    name: str = request.param
    monkeypatch.setattr(endings, "over_a_callers", name == "callers")
    return name


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A server that follows the test's script."""
    with respx.mock(assert_all_called=False) as router:
        wire = Wire(router, AsyncVirtualClock())
        yield wire
    wire.check()


@pytest.fixture
async def client(wire: Wire) -> AsyncIterator[AsyncRunpod]:
    """A client that retries at once, in the time of `wire`: how busy the machine is does not show in what it sends."""
    async with AsyncRunpod(KEY, base_url=BASE_URL, retry=RetryPolicy(initial_delay=0)) as client:
        client._session.clock = wire.clock
        yield client


@pytest.fixture
def endpoint(client: AsyncRunpod) -> AsyncEndpoint:
    return client.endpoint("ep")


@pytest.fixture
def clock(wire: Wire) -> AsyncVirtualClock:
    """The time of `client` and `wire`, which passes in no time."""
    clock: AsyncVirtualClock = wire.clock
    return clock


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves a handler on a local server, until the end of the test."""
    with ExitStack() as stack:
        clients: list[AsyncRunpod] = []
        yield Serve(stack, clients)
        for client in clients:
            await client.aclose()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A handler that waits, until the end of the test at the latest."""
    gate = Gate()
    yield gate
    gate.opened.set()
