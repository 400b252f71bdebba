"""Fixtures for pytest, registered through an entry point.

pytest imports this module at every start, so other imports happen when a fixture is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runpod import AsyncRunpod, Runpod
    from runpod.local import Handler, LocalEndpoint, LocalServer


@pytest.fixture
def runpod_endpoints() -> Mapping[str, Handler | LocalEndpoint]:
    """The endpoints of `runpod_server`. Override it to return a mapping of endpoint IDs to handlers."""
    pytest.fail(
        "runpod_server has no endpoints to serve. Define a fixture `runpod_endpoints` that returns "
        "your handlers by endpoint ID, for example {'captions': captions}.",
        pytrace=False,
    )


@pytest.fixture
def runpod_server(runpod_endpoints: Mapping[str, Handler | LocalEndpoint]) -> Iterator[LocalServer]:
    """A running local server with the endpoints of `runpod_endpoints`; one per test."""
    from runpod.local import LocalServer

    with LocalServer(runpod_endpoints) as server:
        yield server


@pytest.fixture
def runpod_client(runpod_server: LocalServer) -> Iterator[Runpod]:
    """A client for `runpod_server`."""
    from runpod import Runpod

    with Runpod(runpod_server.api_key, base_url=runpod_server.base_url) as client:
        yield client


@pytest.fixture
def async_runpod_client(runpod_server: LocalServer) -> AsyncRunpod:
    """An async client for `runpod_server`, for any event loop."""
    import httpx

    from runpod import AsyncRunpod

    # Without keep-alive connections there is nothing to close. Async teardown would depend on the
    # plugin that runs the test.
    http_client = httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0), trust_env=False)
    return AsyncRunpod(runpod_server.api_key, base_url=runpod_server.base_url, http_client=http_client)
