"""Clients in event loops, notebooks, threads, forked processes, at interpreter exit and with frozen time."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import subprocess
import sys
import threading
import types
import warnings
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import httpx
import pytest
from freezegun import freeze_time

from runpod import AsyncRunpod, Runpod, RunpodTimeoutError
from runpod.local import LocalServer
from tests.servers import KEY, TEST_TIMEOUT, RawServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import Connection


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer({"ep": lambda job: job["input"]}, workers=4) as server:
        yield server


def settings(server: LocalServer) -> dict[str, Any]:
    return {"api_key": server.api_key, "base_url": server.base_url}


async def test_sync_client_in_an_event_loop_warns_once(server: LocalServer) -> None:
    with Runpod(**settings(server)) as client, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        endpoint = client.endpoint("ep")
        assert endpoint.run_sync(input={"n": 1}).succeeded
        assert endpoint.health().jobs.completed
        assert client.with_options(timeout=9).endpoint("ep").health()
    assert [(RuntimeWarning, __file__)] == [(warning.category, warning.filename) for warning in caught]
    assert "Use AsyncRunpod" in str(caught[0].message)


async def test_sync_client_in_a_notebook_does_not_warn(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    with Runpod(**settings(server)) as client:
        assert client.endpoint("ep").health()


async def test_sync_client_in_a_worker_thread_does_not_warn(server: LocalServer) -> None:
    def use() -> None:
        with Runpod(**settings(server)) as client:
            assert client.endpoint("ep").health()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await anyio.to_thread.run_sync(use)


def test_callers_http_client_in_several_event_loops() -> None:
    mine = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200, json={"jobs": {}})))
    client = AsyncRunpod(KEY, http_client=mine)

    async def use() -> None:
        assert await client.endpoint("ep").health()

    asyncio.run(use())
    asyncio.run(use())


def test_sync_client_shared_by_threads(server: LocalServer) -> None:
    found: list[Any] = []
    with Runpod(**settings(server)) as client:
        endpoint = client.endpoint("ep")

        def use(number: int) -> None:
            found.extend(endpoint.run_sync(input={"n": number, "i": i}).output["n"] == number for i in range(5))

        threads = [threading.Thread(target=use, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(TEST_TIMEOUT)
    assert [True] * 100 == found


def respond_done(connection: Connection) -> None:
    while connection.read_request():
        connection.respond(json.dumps({"jobs": {"inQueue": 1}}).encode())


def output_of(program: str, base_url: str, *options: str) -> tuple[str, str]:
    command = [sys.executable, "-W", "error", *options, "-c", program, base_url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=4 * TEST_TIMEOUT)
    return done.stdout, done.stderr


def _sync_child(client: Runpod, results: Any) -> None:
    results.put(client.endpoint("ep").health().jobs.in_queue)


def _async_child(client: AsyncRunpod, results: Any) -> None:
    async def use() -> int:
        return (await client.endpoint("ep").health()).jobs.in_queue

    results.put(asyncio.run(use()))


# The threads of the test do not interfere with the fork.
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("used", [True, False], ids=["after use", "before use"])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_forked_child_opens_its_own_connections(kind: str, used: bool) -> None:
    fork = multiprocessing.get_context("fork")
    results = fork.Queue()

    def in_a_child(target: Any, client: Any) -> int:
        child = fork.Process(target=target, args=(client, results))
        child.start()
        found: int = results.get(timeout=TEST_TIMEOUT)
        child.join(TEST_TIMEOUT)
        assert 0 == child.exitcode
        return found

    with RawServer(respond_done) as server:
        if kind == "sync":
            with Runpod(KEY, base_url=server.base_url) as client:
                if used:
                    client.endpoint("ep").health()
                assert 1 == in_a_child(_sync_child, client)
                assert client.endpoint("ep").health()
        else:

            async def main() -> None:
                async with AsyncRunpod(KEY, base_url=server.base_url) as client:
                    if used:
                        await client.endpoint("ep").health()
                    # Fork in a thread without an event loop, like a preloading server before its loop runs.
                    assert 1 == await anyio.to_thread.run_sync(in_a_child, _async_child, client)
                    assert await client.endpoint("ep").health()

            asyncio.run(main())
        # One connection of the parent, reused, and one of the child.
        assert (2, 3 if used else 2) == (server.connections, len(server.requests))


SEVERAL_EVENT_LOOPS = """
import asyncio, sys
import anyio.to_thread
from runpod import AsyncRunpod

async def main():
    client = AsyncRunpod("key", base_url=sys.argv[1])

    async def use():
        print((await client.endpoint("ep").health()).jobs.in_queue, flush=True)

    await use()
    for _ in range(2):
        await anyio.to_thread.run_sync(lambda: asyncio.run(use()))
    await use()
    await client.aclose()

asyncio.run(main())
"""


def test_async_client_in_several_event_loops() -> None:
    """Runs in a subprocess, since connections of an ended event loop cannot be closed and cause a ResourceWarning."""
    with RawServer(respond_done) as server:
        assert ("1\n" * 4, "") == output_of(SEVERAL_EVENT_LOOPS, server.base_url, "-W", "ignore::ResourceWarning")
        # One connection per event loop. The first one is reused.
        assert (3, 4) == (server.connections, len(server.requests))


AT_EXIT = """
import asyncio, atexit, sys, threading
from runpod import AsyncRunpod, Runpod

def health():
    with Runpod("key", base_url=sys.argv[1]) as client:
        print(client.endpoint("ep").health().jobs.in_queue, flush=True)

async def async_health():
    async with AsyncRunpod("key", base_url=sys.argv[1]) as client:
        print((await client.endpoint("ep").health()).jobs.in_queue, flush=True)

def after_the_main_thread():
    threading.main_thread().join()
    health()

atexit.register(health)
atexit.register(lambda: asyncio.run(async_health()))
threading.Thread(target=after_the_main_thread).start()
"""


def test_calls_at_interpreter_exit() -> None:
    """At exit, Python 3.12 cannot start a thread for name resolution."""
    with RawServer(respond_done) as server:
        base_url = server.base_url.replace("127.0.0.1", "localhost")
        assert ("1\n" * 3, "") == output_of(AT_EXIT, base_url)


def test_frozen_time_does_not_affect_timeouts() -> None:
    def running(connection: Connection) -> None:
        while connection.read_request():
            connection.respond(b'{"id":"job-1","status":"IN_PROGRESS"}')

    with (
        RawServer(running) as server,
        Runpod(KEY, base_url=server.base_url) as client,
        freeze_time("2026-11-25"),
    ):
        job = client.endpoint("ep").job("job-1")
        with pytest.raises(RunpodTimeoutError):
            job.result(timeout=0.2)
        with pytest.raises(RunpodTimeoutError):
            list(job.watch(timeout=0.2))


IMPORT_FROZEN = """
import sys
from freezegun import freeze_time

with freeze_time("2026-11-25"):
    import runpod
    import runpod.models.management
    for name in runpod.__all__:
        getattr(runpod, name)
from runpod.models.management import Pod
print(Pod.model_validate({"id": "pod", "createdAt": "2026-01-01T00:00:00"}).created_at)
"""


def test_everything_can_be_imported_while_the_time_is_frozen() -> None:
    """freezegun replaces the class datetime, and then looks at all names of all modules."""
    assert ("2026-01-01 00:00:00+00:00\n", "") == output_of(IMPORT_FROZEN, "")


def test_pauses_count_although_sleep_is_patched(monkeypatch: pytest.MonkeyPatch) -> None:
    def running(connection: Connection) -> None:
        while connection.read_request():
            connection.respond(b'{"id":"job-1","status":"IN_PROGRESS"}')

    monkeypatch.setattr("time.sleep", lambda _: None)
    with RawServer(running) as server, Runpod(KEY, base_url=server.base_url) as client:
        with pytest.raises(RunpodTimeoutError):
            client.endpoint("ep").job("job-1").result(timeout=60)
        assert len(server.requests) < 40
