"""A make-believe server, clock and driver for the machines and the retry table."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from hypothesis import strategies as st

from runpod import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from runpod._protocol.deadlines import Deadline
from runpod._protocol.looking import Done, Look, Pause
from runpod._protocol.outcomes import Answer, NoAnswer, NotSent, TooLate, Trouble
from runpod._protocol.retrying import Fail

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod._protocol.looking import Looker
    from runpod._protocol.operations import Call

    Server: TypeAlias = Callable[[Call, float], tuple[Answer | Trouble, float]]

# When every make-believe story begins, on the monotonic clock.
START = 1000.0
ENDPOINT = "horse-endpoint"
JOB = "job-1"

TERMINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")

ERROR_CLASSES = {
    301: APIStatusError,
    302: APIStatusError,
    307: APIStatusError,
    400: BadRequestError,
    401: AuthenticationError,
    402: APIStatusError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: APIStatusError,
    408: APIStatusError,
    409: ConflictError,
    413: PayloadTooLargeError,
    422: APIStatusError,
    429: RateLimitError,
    500: ServerError,
    502: ServerError,
    503: ServerError,
    504: ServerError,
    520: ServerError,
    524: ServerError,
}

# Nobody can look at the job with these, however often.
REFUSALS = (301, 302, 307, 400, 401, 402, 403, 405, 409, 422)
# With these, the next look may do better.
PASSING = (408, 429, 500, 502, 503, 504, 520, 524)


def deadline(span: float | None = None) -> Deadline:
    return Deadline.after(span, START)


def seeded(seed: int) -> Callable[[], float]:
    return random.Random(seed).random


def reply(value: Any = None, status: int = 200, **headers: str) -> Answer:
    """An answer; text and bytes are its body as they are, anything else becomes JSON."""
    body = value if isinstance(value, (str, bytes)) else json.dumps(value)
    raw = body.encode() if isinstance(body, str) else body
    return Answer(status, {name.replace("_", "-"): text for name, text in headers.items()}, raw)


def job(status: str, /, id: str = JOB, **fields: Any) -> Answer:
    return reply({"id": id, "status": status, **fields})


def chunks(status: str | None, *outputs: Any) -> Answer:
    items = [{"output": output} for output in outputs]
    return reply(items if status is None else {"status": status, "stream": items})


@dataclass
class Looked:
    """One look that was taken."""

    at: float
    call: Call
    outcome: Answer | Trouble
    got: Any


@dataclass
class Run:
    """What became of a machine."""

    looks: list[Looked] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    end: Done | Fail = field(default_factory=Done)
    ended_at: float = START

    @property
    def names(self) -> list[str]:
        return [look.call.operation.name for look in self.looks]

    @property
    def error(self) -> Exception | None:
        return self.end.error if isinstance(self.end, Fail) else None

    @property
    def streamed(self) -> list[Any]:
        return [chunk.output for look in self.looks for chunk in look.got]


def drive(machine: Looker, server: Server, *, at_most: int = 3000) -> Run:
    """Carries a machine to its end. Like the engine, it never waits beyond the deadline."""
    run = Run()
    now = machine.now
    end = machine.deadline.at
    for _ in range(at_most):
        action = machine.next(now)
        if isinstance(action, (Done, Fail)):
            assert machine.next(now + 1.0) is action
            run.end, run.ended_at = action, now
            return run
        if isinstance(action, Pause):
            assert action.seconds > 0
            run.pauses.append(action.seconds)
            now += action.seconds
            continue
        assert isinstance(action, Look)
        asked = now
        outcome, delay = server(action.call, now)
        now = min(now + delay, end)
        if now >= end:
            outcome = TooLate("the deadline passed", sent=True)
        got = machine.received(action.call, outcome, now)  # type: ignore[attr-defined]
        run.looks.append(Looked(asked, action.call, outcome, got))
    msg = f"still looking after {at_most} steps, {now - START:.3f} s"
    raise AssertionError(msg)


@dataclass(frozen=True)
class Event:
    """What becomes of one look. A delay of None: after exactly as long as it is held."""

    outcome: Answer | Trouble
    delay: float | None = 0.0

    def after(self, call: Call) -> float:
        return (call.hold or 0.0) if self.delay is None else self.delay


class Script:
    """A server that gives one outcome after the other, and then the last one for ever."""

    def __init__(self, *events: Event | Answer | Trouble) -> None:
        self._events = [event if isinstance(event, Event) else Event(event) for event in events]

    def __call__(self, call: Call, now: float) -> tuple[Answer | Trouble, float]:
        event = self._events.pop(0) if len(self._events) > 1 else self._events[0]
        return event.outcome, event.after(call)


class Routed:
    """A server with one script per operation."""

    def __init__(self, **scripts: Script | Answer | Trouble) -> None:
        self._scripts = {
            name: script if isinstance(script, Script) else Script(script) for name, script in scripts.items()
        }

    def __call__(self, call: Call, now: float) -> tuple[Answer | Trouble, float]:
        return self._scripts[call.operation.name](call, now)


@dataclass
class StreamedJob:
    """A job that yields: each of its answers takes what is in the buffer, at most so much."""

    yields: list[tuple[float, Any]]
    ends: float
    status: str
    running: str
    cap: int
    holds: bool
    trouble: list[Answer | Trouble | None]
    lost: list[Any] = field(default_factory=list)

    def __call__(self, call: Call, now: float) -> tuple[Answer | Trouble, float]:
        trouble = self.trouble.pop(0) if self.trouble else None
        status = self.status if now >= self.ends else self.running
        if call.operation.name == "status":
            return trouble or job(status, error="no horse"), 0.01
        waited = 0.0
        if self.holds and not self._ready(now) and now < self.ends:
            following = min([moment for moment, _ in self.yields] + [self.ends])
            waited = min(following - now, call.hold or 0.0)
        then = now + waited
        ready = [] if isinstance(trouble, NotSent) else self._ready(then)[: self.cap]
        self.yields = self.yields[len(ready) :]
        if trouble is not None:
            # What an answer that did not arrive carried is lost with it.
            self.lost += ready
            return trouble, waited
        return chunks(self.status if then >= self.ends else self.running, *ready), waited

    def _ready(self, now: float) -> list[Any]:
        return [value for moment, value in self.yields if moment <= now]


# --- what hypothesis draws from ---------------------------------------------------------------

plain_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)

statuses = st.sampled_from([*TERMINAL, "IN_QUEUE", "IN_PROGRESS", "RUNNING", "EXPIRED", "in_progress"]) | st.text(
    st.characters(codec="utf-8"), min_size=1, max_size=12
)
open_statuses = statuses.filter(lambda text: text.upper() not in TERMINAL)


@st.composite
def states(draw: st.DrawFn, status: st.SearchStrategy[str] = statuses) -> Answer:
    fields: dict[str, Any] = {"id": JOB, "status": draw(status)}
    for name, values in {
        "output": plain_json,
        "error": plain_json,
        "delayTime": st.integers(),
        "executionTime": st.integers() | st.text(max_size=5),
        "workerId": st.text(max_size=5),
        "tomorrow": plain_json,
    }.items():
        if draw(st.booleans()):
            fields[name] = draw(values)
    return reply(fields)


unusable = st.sampled_from(
    [
        reply("<html><title>502 Bad Gateway</title></html>"),
        reply(b""),
        reply(b"\xff\xfe\xfd"),
        reply('{"id": "job-1", "status": "IN_'),
        reply('{"id": "job-1"}'),
        reply('{"status": "IN_QUEUE", "id": null}'),
        reply('{"id": "job-1", "status": ""}'),
        reply('{"id": "another", "status": "COMPLETED"}'),
        reply("5"),
        reply("null"),
        Answer(204),
    ]
)

retry_after_texts = st.one_of(
    st.sampled_from(["0", "1", "2.5", "-3", "120", "31536000", "9" * 400, "soon", "nan", "inf", ""]),
    st.sampled_from(["Wed, 21 Oct 2015 07:28:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 99 Foo 12"]),
)


@st.composite
def refusals(draw: st.DrawFn, status: st.SearchStrategy[int]) -> Answer:
    body = draw(st.sampled_from([b"", b'{"error":"no"}', b"<html>no</html>", b"[1", b"\xff", b'{"error":{"a":1}}']))
    headers = {"retry-after": draw(retry_after_texts)} if draw(st.booleans()) else {}
    return Answer(draw(status), headers, body)


troubles = st.one_of(
    st.builds(NotSent, st.just("ConnectError: refused")),
    st.builds(NoAnswer, st.just("ReadError: reset"), partial=st.sampled_from([b"", b'{"id":"job-1","sta'])),
)

passing = st.one_of(troubles, refusals(st.sampled_from(PASSING)))
delays = st.one_of(st.just(0.0), st.none(), st.floats(0.0, 2.0), st.floats(0.0, 130.0))


def events(outcome: st.SearchStrategy[Any]) -> st.SearchStrategy[Event]:
    return st.builds(Event, outcome, delays)


anything = st.one_of(
    states(open_statuses),
    states(),
    refusals(st.just(404)),
    refusals(st.sampled_from(REFUSALS)),
    passing,
    passing,
    unusable,
)

timeouts = st.none() | st.floats(0.01, 3.0) | st.floats(0.01, 150.0)


def budget(span: float | None) -> float:
    """How many looks are plenty in such a time: a few to begin with, then two or three a second."""
    return 60.0 + (0.0 if span is None else 3.0 * span)
