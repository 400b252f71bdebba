from __future__ import annotations

import functools
import ssl
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import respx

from runpod import AsyncRunpod, RetryPolicy
from tests._async import misbehaving
from tests._async.local_server import Serve
from tests.clocks import AsyncVirtualClock
from tests.local.api import Gate
from tests.servers import BASE_URL, KEY, Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from runpod import AsyncEndpoint


@pytest.fixture(scope="session", autouse=True)
def _one_tls_context() -> Iterator[None]:
    """Build the TLS context once per session: building it takes ten times as long as the rest of a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))
        yield


HTTP_BACKENDS = ["own", "callers"]
HTTP_BACKENDS += ["trio"]  # async-only


@pytest.fixture(params=HTTP_BACKENDS)
def http_backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test with the library's own HTTP client, with a caller's, and on trio."""
    name: str = request.param
    monkeypatch.setattr(misbehaving, "use_callers_client", name == "callers")
    return name


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> str:  # async-only
    """Run the tests of trio on trio."""
    uses_trio = "http_backend" in request.fixturenames and request.getfixturevalue("http_backend") == "trio"
    return "trio" if uses_trio else "asyncio"


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A server with scripted responses."""
    with respx.mock(assert_all_called=False) as router:
        wire = Wire(router, AsyncVirtualClock())
        yield wire
    wire.check()


@pytest.fixture
async def client(wire: Wire) -> AsyncIterator[AsyncRunpod]:
    """A client that retries without delay, on the virtual clock of `wire`."""
    async with AsyncRunpod(KEY, base_url=BASE_URL, retry=RetryPolicy(initial_delay=timedelta(0))) as client:
        client._session.clock = wire.clock
        yield client


@pytest.fixture
def endpoint(client: AsyncRunpod) -> AsyncEndpoint:
    return client.endpoint("ep")


@pytest.fixture
def clock(wire: Wire) -> AsyncVirtualClock:
    """The virtual clock of `client` and `wire`."""
    clock: AsyncVirtualClock = wire.clock
    return clock


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serve handlers on a local server until the end of the test."""
    with ExitStack() as stack:
        clients: list[AsyncRunpod] = []
        yield Serve(stack, clients)
        for client in clients:
            await client.aclose()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A handler that blocks until the test opens it, or ends."""
    gate = Gate()
    yield gate
    gate.opened.set()
