"""The actor that grants permits, and its callers: here in one process, with a virtual clock."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Any

import pytest
import ray
from ray.exceptions import RaySystemError

from runpod import ConfigurationError, EndpointLimits
from runpod._primitives import Wakeup
from runpod._protocol.limiter import Permit
from runpod._protocol.operations import CANCEL, PURGE_QUEUE, RUN
from runpod._protocol.outcomes import Response
from runpod.integrations import _ray_limits
from runpod.integrations._ray_limits import PermitServer, SharedLimiters

TWO = EndpointLimits(concurrent_submissions=2, submissions_per_second=1000, concurrent_polls=2, polls_per_second=1000)


def key(number: int, process: str = "process", actor: str = "") -> tuple[str, str, int]:
    return actor, process, number


async def acquired(server: PermitServer, *keys: tuple[str, str, int], kind: str = "run") -> list[asyncio.Task[float]]:
    """Asks for permits, and returns once those are granted that can be."""
    tasks = [asyncio.create_task(server.acquire(each, kind)) for each in keys]
    for _ in range(20):
        await asyncio.sleep(0)
    return tasks


def done(tasks: list[asyncio.Task[float]]) -> list[bool]:
    return [task.done() for task in tasks]


async def test_permits_are_granted_up_to_the_limit() -> None:
    server = PermitServer(TWO)
    tasks = await acquired(server, key(1), key(2, "another process"), key(3))
    assert [True, True, False] == done(tasks)
    assert 3 == await server.in_use()
    await server.give_back(key(2, "another process"), None)
    await tasks[2]
    # Polls have limits of their own, and a time for which they may be held.
    (poll,) = await acquired(server, key(4), kind="polls")
    assert await poll > 0


async def test_a_permit_can_be_given_back_while_it_is_waited_for() -> None:
    server = PermitServer(TWO)
    tasks = await acquired(server, key(1), key(2), key(3), key(4))
    await server.give_back(key(3), None)
    await tasks[2]
    assert [True, True, True, False] == done(tasks)
    await server.give_back(key(1), None)
    await tasks[3]
    assert 2 == await server.in_use()


async def test_the_permits_of_an_actor_that_was_restarted_are_free() -> None:
    server = PermitServer(TWO)
    await acquired(server, key(1, "killed", "actor"), key(2, "killed", "actor"))
    (other,) = await acquired(server, key(1, "other", "another actor"))
    assert not other.done()
    (restarted,) = await acquired(server, key(1, "restarted", "actor"))
    await other
    await restarted


async def test_a_permit_that_is_never_given_back_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_ray_limits, "LEASE", 0.0)
    server = PermitServer(TWO)
    tasks = await acquired(server, *(key(number) for number in range(6)))
    await asyncio.gather(*tasks)


async def test_a_429_slows_everybody_down() -> None:
    server = PermitServer(TWO)
    await acquired(server, key(1))
    await server.give_back(key(1), {"retry-after": "30"})
    (task,) = await acquired(server, key(2, "another process"))
    assert not task.done()
    await server.give_back(key(2, "another process"), None)
    await task


async def test_a_restarted_actor_waits_until_the_rates_hold() -> None:
    (task,) = await acquired(PermitServer(TWO, restarted=True), key(1))
    assert not task.done()
    task.cancel()


async def test_it_exits_when_nobody_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class ExitedError(Exception):
        pass

    def exit_actor() -> None:
        raise ExitedError

    monkeypatch.setattr(ray.actor, "exit_actor", exit_actor)
    server = PermitServer(TWO)
    await acquired(server, key(1))
    lingering = asyncio.create_task(server.linger(0.01))
    await acquired(server)
    assert server._lingers
    await server.linger(0.01)  # It is doing so already.
    assert not lingering.done()
    await server.give_back(key(1), None)
    with pytest.raises(ExitedError):
        await lingering


class Handle:
    """What a process has of the actor. Each call is answered by the test, in another thread as in Ray."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.futures: list[Future[float]] = []
        for name in ("acquire", "give_back", "linger"):
            setattr(self, name, self)
        self.remote: Any = self

    def __call__(self, *arguments: Any) -> Handle:
        self.calls.append(arguments)
        return self

    def future(self) -> Future[float]:
        self.futures.append(Future())
        return self.futures[-1]

    def answer(self, **result: Any) -> None:
        future = self.futures.pop()
        target = future.set_exception if "error" in result else future.set_result
        thread = threading.Thread(target=target, args=tuple(result.values()))
        thread.start()
        thread.join()


@pytest.fixture
def handles(monkeypatch: pytest.MonkeyPatch) -> list[Handle]:
    found: list[Handle] = []

    class Options:
        def options(self, **options: Any) -> Options:
            assert ("detached", "runpod", True) == (options["lifetime"], options["namespace"], options["get_if_exists"])
            return self

        def remote(self, limits: EndpointLimits) -> Handle:
            found.append(Handle())
            return found[-1]

    class Context:
        def get_actor_id(self) -> None:
            return None

    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "remote", lambda kind: Options())
    monkeypatch.setattr(ray, "get_runtime_context", Context)
    return found


def test_a_process_asks_for_each_request_and_gives_back(handles: list[Handle]) -> None:
    limiters = SharedLimiters("https://example.com/v2", "ep")
    limiter = limiters.requests(RUN, "ep", TWO)
    assert limiter is not None
    assert limiter is limiters.requests(RUN, "ep", TWO)
    assert limiters.polls("ep", TWO) is not limiter
    assert limiters.requests(CANCEL, "ep", TWO) is not None
    assert limiters.requests(PURGE_QUEUE, "ep", TWO) is None
    (handle,) = handles
    permit = Permit(Wakeup())
    assert limiter.acquire(permit, 0.0) == limiter.acquire(permit, 0.0) == float("inf")
    handle.answer(result=7.0)
    assert (0.0, 7.0) == (limiter.acquire(permit, 0.0), permit.hold)
    limiter.count_unpermitted(0.0)
    # Of the response, only what the actor needs: not the key.
    limiter.release(permit, 0.0, Response(429, {"retry-after": "3", "x": "y"}, b"body"))
    limiter.release(permit, 0.0)
    assert [((*handle.calls[1][0],), {"retry-after": "3"})] == handle.calls[2:]
    # It is given back before it is granted.
    permit = Permit(Wakeup())
    limiter.acquire(permit, 0.0)
    limiter.release(permit, 0.0, Response(200))
    handle.answer(result=7.0)
    assert None is handle.calls[-1][1]


def test_a_process_asks_again_if_the_actor_has_ended(handles: list[Handle], monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = SharedLimiters("https://example.com/v2", "ep").polls("ep", TWO)
    wakeup = Wakeup()
    permit, other = Permit(wakeup), Permit(Wakeup())
    limiter.acquire(permit, 0.0)
    limiter.acquire(other, 0.0)
    for _ in range(2):
        handles[0].answer(error=RuntimeError("it has ended"))
    wakeup.wait(60)
    limiter.acquire(permit, 0.0)
    limiter.acquire(other, 0.0)
    # Both ask the same new one.
    assert (2, 2) == (len(handles), len(handles[1].futures))
    handles[1].answer(result=1.0)
    assert 0.0 == limiter.acquire(other, 0.0)
    handles[1].answer(error=RuntimeError("it has ended"))
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(ConfigurationError, match="Ray, which was shut down"):
        limiter.acquire(permit, 0.0)


def test_an_actor_that_never_runs_is_an_error(handles: list[Handle], monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as where the package is missing on the machine that Ray chooses for it."""
    limiter = SharedLimiters("https://example.com/v2", "ep").polls("ep", TWO)
    monkeypatch.setattr(_ray_limits, "PATIENCE", 0.0)
    permit = Permit(Wakeup())
    limiter.acquire(permit, 0.0)
    handles[0].answer(error=RuntimeError("it was leaving"))
    limiter.acquire(permit, 0.0)
    # One that has granted a permit could run.
    handles[1].answer(result=1.0)
    limiter.release(permit, 0.0)
    permit = Permit(Wakeup())
    limiter.acquire(permit, 0.0)
    handles[1].answer(error=RuntimeError("it was leaving"))
    limiter.acquire(permit, 0.0)
    handles[2].answer(error=RuntimeError("No module named 'runpod'"))
    with pytest.raises(ConfigurationError, match=r"cannot run\. Install the same .* No module named 'runpod'"):
        limiter.acquire(permit, 0.0)
    limiter.release(permit, 0.0)
    assert 3 == len(handles)


def test_the_outcome_of_a_request_survives_the_end_of_ray(handles: list[Handle]) -> None:
    limiter = SharedLimiters("https://example.com/v2", "ep").requests(RUN, "ep", TWO)
    assert limiter is not None

    ended: Any = RaySystemError

    def shut_down(*arguments: Any) -> None:
        raise ended("Ray has not been started yet.")

    permit, lost = Permit(Wakeup()), Permit(Wakeup())
    limiter.acquire(lost, 0.0)
    handles[0].answer(error=RuntimeError("it has ended"))
    limiter.acquire(permit, 0.0)
    handles[0].answer(result=1.0)
    (handle,) = handles
    give_back: Any = Handle()
    give_back.remote = shut_down
    vars(handle)["give_back"] = give_back
    # These would raise in place of what the request returned, with the ID of its job.
    limiter.release(permit, 0.0, Response(200))
    limiter.release(lost, 0.0)
    assert permit.released
    assert lost.released
