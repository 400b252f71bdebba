"""Virtual clocks for the sync and async client, and helpers to run many calls concurrently."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class _VirtualTime:
    """A clock that only advances explicitly. `pauses` lists the durations the library slept."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.pauses: list[float] = []

    def now(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += seconds


class AsyncVirtualClock(_VirtualTime):
    """Replaces `runpod._primitives.AsyncClock`."""

    async def sleep(self, seconds: float) -> None:
        await anyio.lowlevel.checkpoint()
        self.pauses.append(seconds)
        self.advance(seconds)

    def wakeup(self) -> _AsyncWakeup:
        return _AsyncWakeup(self)


class VirtualClock(_VirtualTime):
    """Replaces `runpod._primitives.Clock`."""

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.advance(seconds)

    def wakeup(self) -> _Wakeup:
        return _Wakeup(self)


class _AsyncWakeup:
    """A wakeup that is never set: `wait` advances the clock by the whole time."""

    def __init__(self, clock: AsyncVirtualClock) -> None:
        self._clock = clock

    def set(self) -> None:
        pass

    async def wait(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


class _Wakeup:
    """A wakeup that is never set: `wait` advances the clock by the whole time."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def set(self) -> None:
        pass

    def wait(self, seconds: float) -> None:
        self._clock.sleep(seconds)


async def async_together(call: Callable[[int], Awaitable[Any]], times: int) -> list[Any]:
    """Run a call many times concurrently, as tasks. Returns the results in order."""
    results: list[Any] = [None] * times

    async def one(index: int) -> None:
        results[index] = await call(index)

    async with anyio.create_task_group() as group:
        for index in range(times):
            group.start_soon(one, index)
    return results


def together(call: Callable[[int], Any], times: int) -> list[Any]:
    """Run a call many times concurrently, in threads. Returns the results in order."""
    results: list[Any] = [None] * times
    errors: list[BaseException] = []

    def one(index: int) -> None:
        try:
            results[index] = call(index)
        except BaseException as error:  # noqa: BLE001 - raised in the calling thread
            errors.append(error)

    threads = [threading.Thread(target=one, args=(index,)) for index in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
