"""Fixtures for pytest, which finds them by itself.

pytest loads this module at every start, so everything else is loaded when a fixture is used.
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
    """What `runpod_server` serves: write a fixture of this name that returns a mapping of ids to handlers."""
    pytest.fail(
        "runpod_server does not know what to serve. Write a fixture `runpod_endpoints` that returns "
        "your handlers by endpoint id, for example {'captions': captions}.",
        pytrace=False,
    )


@pytest.fixture
def runpod_server(runpod_endpoints: Mapping[str, Handler | LocalEndpoint]) -> Iterator[LocalServer]:
    """A local server for one test, which serves what `runpod_endpoints` says."""
    from runpod.local import LocalServer

    with LocalServer(runpod_endpoints) as server:
        yield server


@pytest.fixture
def runpod_client(runpod_server: LocalServer) -> Iterator[Runpod]:
    """A client of `runpod_server`."""
    from runpod import Runpod

    with Runpod(runpod_server.api_key, base_url=runpod_server.base_url) as client:
        yield client


@pytest.fixture
def async_runpod_client(runpod_server: LocalServer) -> AsyncRunpod:
    """A client of `runpod_server` for async code, on whatever event loop the test runs."""
    import httpx

    from runpod import AsyncRunpod

    # It keeps no connection, so nothing is left to close: a fixture that is closed in an async way
    # would have to know which plugin runs the test.
    http_client = httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0), trust_env=False)
    return AsyncRunpod(runpod_server.api_key, base_url=runpod_server.base_url, http_client=http_client)
