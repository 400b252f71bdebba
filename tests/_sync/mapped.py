# Generated from tests/_async/mapped.py by scripts/generate_sync.py. Do not edit.

"""Helpers for tests of `map`: an endpoint in memory, and a clock that skips what nobody waits for."""

from __future__ import annotations

import json
import math
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx

from runpod import Runpod, RetryPolicy
from runpod._primitives import Clock, Wakeup
from tests.servers import BASE_URL, KEY, TEST_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# How long a wait with a time limit really lasts, in seconds.
_REAL = 0.01


class SkippingClock(Clock):
    """A clock on which waits with a time limit end soon, unless they are woken: then time jumps to their end."""

    def __init__(self) -> None:
        super().__init__()
        # While it is false, time passes as usual.
        self.skips: Callable[[], bool] = lambda: True

    def sleep(self, seconds: float) -> None:
        start = self.now()
        super().sleep(0)
        self._slept(seconds, start)

    def wakeup(self) -> Wakeup:
        return _SkippingWakeup(self)

    def skip_to(self, moment: float) -> None:
        if math.isfinite(moment):
            self._slept(moment - self.now(), self.now())


class _SkippingWakeup(Wakeup):
    def __init__(self, clock: SkippingClock) -> None:
        super().__init__()
        self._clock = clock
        self._woken = False

    def set(self) -> None:
        self._woken = True
        super().set()

    def wait(self, seconds: float) -> None:
        end = self._clock.now() + seconds
        while True:
            super().wait(_REAL if math.isfinite(seconds) else seconds)
            was_woken, self._woken = self._woken, False
            if was_woken or self._clock.now() >= end or not math.isfinite(seconds):
                return
            if self._clock.skips():
                self._clock.skip_to(end)
                return


class _Client(Runpod):
    def close(self) -> None:
        super().close()
        self._session.engine._client.close()


class Service:
    """The endpoint `ep`, in memory. A job completes with its input as output when it is first polled.

    `answer` is called with the name of each operation and the input or the job's ID. If it returns None, the request is
    answered as usual. An int is a status code, an exception is raised by the transport.
    """

    def __init__(self) -> None:
        self.answer: Callable[[str, Any], Any] = lambda _operation, _what: None
        self.requests: list[tuple[str, Any]] = []
        self.inputs: dict[str, Any] = {}
        self.bodies: list[Any] = []
        self.cancelled: list[str] = []
        self.ended: set[str] = set()
        self.most = 0
        self._lock = threading.RLock()

    def sent(self, *operations: str) -> list[Any]:
        """The inputs, or job IDs, of the requests for these operations."""
        return [what for operation, what in self.requests if operation in operations]

    @property
    def unfinished(self) -> list[Any]:
        """The inputs of the jobs that are neither completed nor cancelled."""
        return [given for job, given in self.inputs.items() if job not in self.ended and job not in self.cancelled]

    def handle(self, request: httpx.Request) -> httpx.Response:
        operation, _, job_id = request.url.path.removeprefix("/v2/ep/").partition("/")
        what: Any = job_id
        with self._lock:
            if operation == "run":
                self.bodies.append(json.loads(request.content))
                what = self.bodies[-1]["input"]
            self.requests.append((operation, what))
        answer = self.answer(operation, what)
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, int):
            return httpx.Response(answer, json={"error": f"it is a {answer}"})
        if isinstance(answer, httpx.Response):
            return answer
        with self._lock:
            return httpx.Response(200, json=self._state(operation, what) if answer is None else answer)

    def _state(self, operation: str, what: Any) -> Any:
        if operation == "health":
            return {"jobs": {}, "workers": {}}
        if operation == "run":
            job_id = f"job-{len(self.inputs)}"
            self.inputs[job_id] = what
            self.most = max(self.most, len(self.unfinished))
            return {"id": job_id, "status": "IN_QUEUE"}
        if operation == "cancel":
            self.cancelled.append(what)
            return {"id": what, "status": "CANCELLED"}
        if what in self.cancelled:
            return {"id": what, "status": "CANCELLED"}
        self.ended.add(what)
        return {"id": what, "status": "COMPLETED", "output": self.inputs[what]}

    def client(self, *, is_virtual: bool = True, **options: Any) -> Runpod:
        options = {"timeout": None, "retry": RetryPolicy(initial_delay=timedelta(seconds=0.01)), **options}
        http_client = httpx.Client(transport=httpx.MockTransport(self.handle))
        client = _Client(KEY, base_url=BASE_URL, http_client=http_client, **options)
        if is_virtual:
            client._session.clock = SkippingClock()
        return client


def running(job_id: str) -> dict[str, Any]:
    return {"id": job_id, "status": "IN_PROGRESS"}


def numbers(count: int) -> list[dict[str, int]]:
    return [{"n": n} for n in range(count)]


def indices(results: Iterable[Any]) -> list[int]:
    return [result.index for result in results]


def until(condition: Callable[[], Any]) -> None:
    """Wait until a condition is met."""
    clock = Clock()
    end = clock.now() + TEST_TIMEOUT
    while not condition():
        assert clock.now() < end, "condition was not met in time"
        clock.sleep(0.002)
