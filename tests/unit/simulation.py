"""A simulated server, clock and session for tests of polling, permits and retries, and hypothesis strategies."""

from __future__ import annotations

import heapq
import json
import math
import random
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

from hypothesis import strategies as st

from runpod._protocol.deadlines import Deadline
from runpod._protocol.limiter import Permit
from runpod._protocol.outcomes import DeadlineExceeded, RequestNotSent, Response, ResponseLost, TransportError
from runpod._protocol.polling import Done, Fail, Pause
from runpod._protocol.rate_limits import PollLimiter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runpod import EndpointLimits
    from runpod._protocol.operations import Call

    # Takes a call and its start time. Returns the outcome and after how many seconds it arrives.
    Server: TypeAlias = Callable[[Call, float], tuple[Response | TransportError, float]]

# Start time of every simulation, on the monotonic clock.
START = 1000.0
ENDPOINT = "horse-endpoint"
JOB = "job-1"

TERMINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")
# Statuses that end polling, and those after which the next poll may succeed.
FINAL = (301, 307, 400, 401, 402, 403, 405, 409, 422)
TRANSIENT = (408, 429, 500, 502, 524)


def deadline(span: float | None = None) -> Deadline:
    return Deadline.after(span, START)


def seeded(seed: int) -> Callable[[], float]:
    return random.Random(seed).random


def reply(value: Any = None, status: int = 200, **headers: str) -> Response:
    """A response. Text and bytes are used as the body, other values are encoded as JSON."""
    body = value if isinstance(value, (str, bytes)) else json.dumps(value)
    raw = body.encode() if isinstance(body, str) else body
    return Response(status, {name.replace("_", "-"): text for name, text in headers.items()}, raw)


def job(status: str, /, id: str = JOB, **fields: Any) -> Response:
    return reply({"id": id, "status": status, **fields})


def chunks(status: str | None, *outputs: Any) -> Response:
    items = [{"output": output} for output in outputs]
    return reply(items if status is None else {"status": status, "stream": items})


# --- running state machines -------------------------------------------------------------------


@dataclass
class Poll:
    """One poll. `wanted` is the time of its request for a permit, `ahead` the length of the queue at that time."""

    call: Call
    wanted: float
    ahead: int
    at: float
    ended: float = math.inf
    outcome: Response | TransportError | None = None
    got: Any = None


@dataclass(eq=False)
class Run:
    """The execution of one state machine. It is also the wakeup of its permit."""

    simulation: Simulation
    machine: Any
    steps: Iterator[float] | None = None
    polls: list[Poll] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    end: Done | Fail | None = None
    ended_at: float = START
    # Counts the wakeups, so that outdated ones are ignored.
    age: int = 0
    listening: bool = False
    woken: bool = False

    def set(self) -> None:
        self.woken = True
        if self.listening:
            self.listening = False
            self.wake(0.0)

    def wake(self, seconds: float) -> None:
        self.age += 1
        age = self.age
        self.simulation.later(seconds, lambda: self.step() if age == self.age else None)

    def step(self) -> None:
        self.listening = False
        assert self.steps is not None
        seconds = next(self.steps, math.inf)
        self.wake(0.0 if self.listening and self.woken else seconds)

    def abandon(self) -> None:
        """Abort the run at its current step."""
        self.age += 1
        self.steps.close()  # type: ignore[attr-defined]

    @property
    def names(self) -> list[str]:
        return [poll.call.operation.name for poll in self.polls]

    @property
    def error(self) -> Exception | None:
        return self.end.error if isinstance(self.end, Fail) else None

    @property
    def streamed(self) -> list[Any]:
        return [chunk.output for poll in self.polls for chunk in poll.got]


class Simulation:
    """Runs many state machines as a session does, without I/O. Without limits, polls need no permit."""

    def __init__(self, limits: EndpointLimits | None = None) -> None:
        self.now = START
        self.limits = limits
        self.limiter = None if limits is None else PollLimiter(limits)
        self.polls: list[Poll] = []
        self.runs: list[Run] = []
        self.most_at_once = 0
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        if not math.isinf(seconds):
            heapq.heappush(self._agenda, (self.now + seconds, next(self._order), action))

    def start(self, machine: Any, server: Server, after: float = 0.0) -> Run:
        run = Run(self, machine)
        run.steps = self._steps(run, server)
        self.runs.append(run)
        self.later(after, run.step)
        return run

    def run(self, *, at_most: int = 1_000_000) -> None:
        for _ in range(at_most):
            if not self._agenda:
                return
            moment, _, action = heapq.heappop(self._agenda)
            self.now = max(self.now, moment)
            action()
            if self.limiter is not None:
                self.most_at_once = max(self.most_at_once, len(self.limiter._running))
        msg = f"not finished after {at_most} steps, {self.now - START:.3f} s"
        raise AssertionError(msg)

    def _steps(self, run: Run, server: Server) -> Iterator[float]:
        # The same loop as `AsyncSession.wait`.
        machine, limiter = run.machine, self.limiter
        while True:
            permit, wanted, ahead = Permit(run), math.nan, 0
            outcome: Response | TransportError | None = None
            try:
                while True:
                    action = machine.next(self.now)
                    if isinstance(action, (Done, Fail)):
                        assert machine.next(self.now + 1.0) is action
                        run.end, run.ended_at = action, self.now
                        return
                    if isinstance(action, Pause):
                        assert action.seconds > 0
                        run.pauses.append(action.seconds)
                        yield action.seconds
                        continue
                    if math.isnan(wanted):
                        wanted, ahead = self.now, 0 if limiter is None else limiter.waiting
                    pause = 0.0 if limiter is None else limiter.acquire(permit, self.now)
                    if pause <= 0:
                        break
                    run.listening = True
                    yield min(pause, machine.end() - self.now)
                    run.woken = False
                poll = Poll(permit.shorten(action.call), wanted, ahead, self.now)
                self.polls.append(poll)
                run.polls.append(poll)
                outcome, seconds = server(poll.call, self.now)
                yield min(seconds, machine.deadline.at - self.now)
                if self.now >= machine.deadline.at:
                    outcome = DeadlineExceeded("the deadline passed", sent=True)
                poll.outcome = outcome
            finally:
                if run.polls:
                    run.polls[-1].ended = min(run.polls[-1].ended, self.now)
                if limiter is not None:
                    limiter.release(permit, self.now, outcome)
            poll.got = machine.received(poll.call, outcome, self.now)

    def check(self) -> None:
        """Assert that concurrency and rate never exceeded the limits, and that permits were granted in order."""
        assert self.limits is not None
        assert self.limiter is not None
        assert self.most_at_once <= self.limits.concurrent_polls
        assert len(self.limiter._running) == self.limiter.waiting == 0
        starts, rate = [poll.at for poll in self.polls], self.limits.polls_per_second
        assert sorted(starts) == starts
        assert all(later - earlier >= 1.0 - 1e-9 for earlier, later in zip(starts, starts[rate:], strict=False))
        wanted = [poll.wanted for poll in sorted(self.polls, key=lambda poll: (poll.at, poll.wanted))]
        assert sorted(wanted) == wanted


def drive(machine: Any, server: Server) -> Run:
    """Run one state machine until it ends."""
    simulation = Simulation()
    run = simulation.start(machine, server)
    simulation.run(at_most=10_000)
    return run


# --- servers ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    """The outcome of one poll. With a delay of None, it arrives at the end of the poll's hold time."""

    outcome: Response | TransportError
    delay: float | None = 0.0


class Script:
    """A server that returns each outcome in order, then repeats the last one."""

    def __init__(self, *events: Event | Response | TransportError) -> None:
        self.events = [event if isinstance(event, Event) else Event(event) for event in events]

    def __call__(self, call: Call, now: float) -> tuple[Response | TransportError, float]:
        event = self.events.pop(0) if len(self.events) > 1 else self.events[0]
        return event.outcome, (call.hold or 0.0) if event.delay is None else event.delay


def routed(**scripts: Any) -> Server:
    """A server with a separate script for each operation."""
    every = {name: each if isinstance(each, Script) else Script(each) for name, each in scripts.items()}
    return lambda call, now: every[call.operation.name](call, now)


# --- hypothesis strategies --------------------------------------------------------------------

plain_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
statuses = st.sampled_from([*TERMINAL, "IN_QUEUE", "IN_PROGRESS", "RUNNING", "in_progress"]) | st.text(
    st.characters(codec="utf-8"), min_size=1, max_size=12
)
open_statuses = statuses.filter(lambda text: text.upper() not in TERMINAL)


def states(status: st.SearchStrategy[str] = statuses) -> st.SearchStrategy[Response]:
    fields = {"output": plain_json, "error": plain_json, "delayTime": st.integers() | st.text(max_size=5)}
    optional = st.fixed_dictionaries({}, optional={**fields, "tomorrow": plain_json})
    return st.builds(lambda text, more: job(text, **more), status, optional)


unusable = st.sampled_from(
    [
        *map(reply, ["<html>", b"", b"\xff\xfe", '{"id": "job-1", "status": "IN_', '{"id": "job-1"}', "5", "null"]),
        reply('{"id": "another", "status": "COMPLETED"}'),
        Response(204),
    ]
)
retry_afters = st.sampled_from(["0", "2.5", "-3", "120", "31536000", "9" * 400, "soon", "nan", "inf", "Mon, 99 Foo 12"])


def error_responses(status: st.SearchStrategy[int]) -> st.SearchStrategy[Response]:
    bodies = st.sampled_from([b"", b'{"error":"no"}', b"<html>no</html>", b"[1", b"\xff", b'{"error":{"a":1}}'])
    return st.builds(Response, status, st.fixed_dictionaries({}, optional={"retry-after": retry_afters}), bodies)


transport_errors = st.one_of(
    st.builds(RequestNotSent, st.just("ConnectError: refused")),
    st.builds(ResponseLost, st.just("ReadError: reset"), partial=st.sampled_from([b"", b'{"id":"job-1","sta'])),
)
transient = st.one_of(transport_errors, error_responses(st.sampled_from(TRANSIENT)))
anything = st.one_of(
    *[states(open_statuses), states(), error_responses(st.just(404)), error_responses(st.sampled_from(FINAL))],
    *[transient, transient, unusable],
)
timeouts = st.none() | st.floats(0.01, 3.0) | st.floats(0.01, 150.0)


def events(outcome: st.SearchStrategy[Any]) -> st.SearchStrategy[Event]:
    return st.builds(Event, outcome, st.one_of(st.just(0.0), st.none(), st.floats(0.0, 2.0), st.floats(0.0, 130.0)))


def max_polls(timeout: float | None, responses: list[Any]) -> float:
    """An upper bound for the number of polls: some initial ones, then two or three a second."""
    return 2 * len(responses) + 60.0 + 3.0 * (timeout or 0.0)
