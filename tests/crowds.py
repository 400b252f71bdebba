"""Many waits at once, for both colours: time that passes when everybody is asleep, and an endpoint with limits."""

from __future__ import annotations

import heapq
import math
import threading
from itertools import count
from typing import TYPE_CHECKING, Any

import anyio

from runpod._protocol.outcomes import Answer, TooLate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runpod._protocol.deadlines import Deadline
    from runpod._protocol.operations import Call

WAY = 0.02  # seconds that an answer is on its way


class _Sleeper:
    def __init__(self, event: Any) -> None:
        self.event = event
        self.awake = False


class _CrowdTime:
    """Seconds on a clock that goes on to the next moment as soon as nobody has anything to do."""

    def __init__(self) -> None:
        self.time = 1000.0
        self._agenda: list[tuple[float, int, _Sleeper]] = []
        self._order = count()
        self._busy = 0
        self._asleep: set[_Sleeper] = set()
        self._lock = threading.RLock()

    def now(self) -> float:
        return self.time

    def _enter(self, people: int) -> None:
        with self._lock:
            self._busy += people

    def _go(self) -> None:
        with self._lock:
            self._busy -= 1
            self._advance()

    def _fall_asleep(self, sleeper: _Sleeper, seconds: float) -> None:
        with self._lock:
            self._asleep.add(sleeper)
            if not math.isinf(seconds):
                heapq.heappush(self._agenda, (self.time + max(0.0, seconds), next(self._order), sleeper))
            self._busy -= 1
            self._advance()

    def wake(self, sleeper: _Sleeper) -> None:
        with self._lock:
            if not sleeper.awake:
                sleeper.awake = True
                self._asleep.discard(sleeper)
                self._busy += 1
                sleeper.event.set()

    def _advance(self) -> None:
        while self._busy == 0 and self._agenda:
            moment, _, sleeper = heapq.heappop(self._agenda)
            if not sleeper.awake:
                self.time = max(self.time, moment)
                self.wake(sleeper)
        assert self._busy > 0 or not self._asleep, "everybody waits for ever"


class AsyncCrowdClock(_CrowdTime):
    """Stands in for `runpod._primitives.AsyncClock`."""

    width = 2000  # waits in a test

    async def sleep(self, seconds: float) -> None:
        await self.doze(_Sleeper(anyio.Event()), seconds)

    async def doze(self, sleeper: _Sleeper, seconds: float) -> None:
        self._fall_asleep(sleeper, seconds)
        try:
            await sleeper.event.wait()
        finally:
            self.wake(sleeper)  # if it was cancelled

    def bell(self) -> _AsyncBell:
        return _AsyncBell(self)

    async def together(self, call: Callable[[int], Awaitable[Any]], times: int) -> list[Any]:
        """Makes a call many times at once, as tasks; their results, or what they raised, in order."""
        results: list[Any] = [None] * times

        async def one(index: int) -> None:
            try:
                results[index] = await call(index)
            except Exception as error:  # noqa: BLE001 - for who asks
                results[index] = error
            finally:
                self._go()

        self._enter(times)
        async with anyio.create_task_group() as group:
            for index in range(times):
                group.start_soon(one, index)
        return results


class _AsyncBell:
    def __init__(self, clock: AsyncCrowdClock) -> None:
        self._clock = clock
        self._rung = False
        self._sleeper: _Sleeper | None = None

    def ring(self) -> None:
        self._rung = True
        if self._sleeper is not None:
            self._clock.wake(self._sleeper)

    async def wait(self, seconds: float) -> None:
        if not self._rung:
            self._sleeper = _Sleeper(anyio.Event())
            await self._clock.doze(self._sleeper, seconds)
            self._sleeper = None
        self._rung = False


class CrowdClock(_CrowdTime):
    """Stands in for `runpod._primitives.Clock`."""

    width = 200

    def sleep(self, seconds: float) -> None:
        self.doze(_Sleeper(threading.Event()), seconds)

    def doze(self, sleeper: _Sleeper, seconds: float) -> None:
        self._fall_asleep(sleeper, seconds)
        assert sleeper.event.wait(60)

    def bell(self) -> _Bell:
        return _Bell(self)

    def together(self, call: Callable[[int], Any], times: int) -> list[Any]:
        """Makes a call many times at once, in threads; their results, or what they raised, in order."""
        results: list[Any] = [None] * times

        def one(index: int) -> None:
            try:
                results[index] = call(index)
            except BaseException as error:  # noqa: BLE001 - for who asks
                results[index] = error
            finally:
                self._go()

        self._enter(times)
        threads = [threading.Thread(target=one, args=(index,), daemon=True) for index in range(times)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results


class _Bell:
    def __init__(self, clock: CrowdClock) -> None:
        self._clock = clock
        self._sleeper = _Sleeper(threading.Event())

    def ring(self) -> None:
        with self._clock._lock:
            if self._sleeper in self._clock._asleep:
                self._clock.wake(self._sleeper)
            else:
                self._sleeper.event.set()

    def wait(self, seconds: float) -> None:
        with self._clock._lock:
            if not self._sleeper.event.is_set():
                self._clock._fall_asleep(self._sleeper, seconds)
        assert self._sleeper.event.wait(60)
        self._sleeper = _Sleeper(threading.Event())


class _Limited:
    """Jobs that end at a moment, on an endpoint that refuses what is too much, in place of the engine.

    Attributes:
        asked: When each look began.
        most: The most looks that were under way at once.
        refused: How many of them were answered 429.
    """

    def __init__(self, *, concurrent: int, per_second: int) -> None:
        self.ends: dict[str, float] = {}
        self.asked: list[float] = []
        self.most = self.refused = 0
        self._concurrent = concurrent
        self._per_second = per_second
        self._running = 0
        self._lock = threading.Lock()

    def _begin(self, call: Call, deadline: Deadline, now: float) -> tuple[Answer, float]:
        """The answer to a look, and the seconds it takes."""
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)
            busy = len(self.asked) >= self._per_second and now - self.asked[-self._per_second] < 1.0 - 1e-9
            if busy or self._running > self._concurrent:
                self.refused += 1
                return Answer(429), WAY
            self.asked.append(now)
        assert call.job_id is not None
        end = self.ends[call.job_id]
        seconds = min(max(0.0, end - now), call.hold or 0.0) + WAY
        status = "COMPLETED" if now + seconds >= end else "IN_PROGRESS"
        answer = Answer(200, {}, f'{{"id":"{call.job_id}","status":"{status}"}}'.encode())
        return answer, min(seconds, deadline.remaining(now))

    def _end(self, answer: Answer, deadline: Deadline, now: float) -> Answer:
        if deadline.passed(now):
            raise TooLate("the deadline passed", sent=True)
        return answer

    def _over(self) -> None:
        with self._lock:
            self._running -= 1


class AsyncLimitedEndpoint(_Limited):
    async def send(self, call: Call, deadline: Deadline, clock: AsyncCrowdClock) -> Answer:
        try:
            answer, seconds = self._begin(call, deadline, clock.now())
            await clock.sleep(seconds)
            return self._end(answer, deadline, clock.now())
        finally:
            self._over()


class LimitedEndpoint(_Limited):
    def send(self, call: Call, deadline: Deadline, clock: CrowdClock) -> Answer:
        try:
            answer, seconds = self._begin(call, deadline, clock.now())
            clock.sleep(seconds)
            return self._end(answer, deadline, clock.now())
        finally:
            self._over()
