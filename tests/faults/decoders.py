"""Every decoder of what comes from outside, as a function of bytes: only a `RunpodError` or a model comes out."""

from __future__ import annotations

import contextlib
import pickle
from typing import TYPE_CHECKING, Any

from runpod import EndpointHealth, PurgeResult, RunpodError
from runpod._config import _check_api_key, _default_key
from runpod._protocol.bodies import BodyReader
from runpod._protocol.deadlines import Deadline
from runpod._protocol.decoding import OutputReader, read, read_job, read_stream
from runpod._protocol.failures import failure, retry_after
from runpod._protocol.http1 import AnswerReader, BadAnswerError
from runpod._protocol.operations import HEALTH, PURGE_QUEUE, RUN, STATUS, STATUS_SYNC, STREAM, Call
from runpod._protocol.outcomes import Answer, NoAnswer, TooLate
from runpod._protocol.streaming import Streamer
from runpod._protocol.waiting import Waiter
from runpod.models.jobs import JobState, job_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from runpod._protocol.looking import Looker

JOB = "job-1"
SECRET = "rpa_FUZZED"
ASK = Call(STATUS, "ep", JOB)
SUBMIT = Call(RUN, "ep", body=b"{}")


def _check(error: RunpodError) -> None:
    """An error can be shown, logged and pickled."""
    assert str(error).isprintable(), ascii(str(error))
    assert repr(error).isprintable()
    with contextlib.suppress(RecursionError):  # Python's own limit for what is nested in an output
        assert repr(vars(error)) == repr(vars(pickle.loads(pickle.dumps(error))))


def _checked(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except RunpodError as error:
        _check(error)
        return None


def status(data: bytes) -> None:
    answer = Answer(200, {}, data, secret=SECRET)
    for call in (ASK, SUBMIT):
        state = _checked(lambda call=call: read_job(answer, call))
        if isinstance(state, JobState):
            assert state.id
            assert state.status
            assert repr(state).isprintable()
            _ = (state.started, state.progress, state.worker_error, state.error_message, state.delay_time)
            with contextlib.suppress(ValueError):  # a lone surrogate, which only Python's own JSON can write
                state.model_dump_json(by_alias=True)
            error = job_failure(state, "ep")
            if error is not None:
                _check(error)
            _checked(lambda state=state: OutputReader(list[int])(state, "ep"))


def stream(data: bytes) -> None:
    found = _checked(lambda: read_stream(Answer(200, {}, data), Call(STREAM, "ep", JOB)))
    if found is not None:
        assert all(repr(chunk).isprintable() for chunk in found[1])


def health(data: bytes) -> None:
    found = _checked(lambda: read(EndpointHealth, Answer(200, {}, data), Call(HEALTH, "ep")))
    if found is not None:
        assert found.jobs.in_queue + found.workers.idle is not None


def purge(data: bytes) -> None:
    _checked(lambda: read(PurgeResult, Answer(200, {}, data), Call(PURGE_QUEUE, "ep")))


def refusal(data: bytes) -> None:
    code = 300 + (data[0] if data else 0) * 2
    headers = {"location": data.decode("latin-1"), "cf-ray": data[:20].decode("latin-1")}
    for call in (ASK, SUBMIT):
        error = failure(call, Answer(code, headers, data[1:], secret=SECRET), Deadline.after(1.0, 0.0))
        _check(error)
        assert len(str(error)) < 4000


def lost(data: bytes) -> None:
    for outcome in (NoAnswer("reset", partial=data), TooLate("late", sent=True, partial=data)):
        error = failure(SUBMIT, outcome, Deadline.after(1.0, 0.0))
        _check(error)
        assert error.maybe_submitted


def pause(data: bytes) -> None:
    first, _, second = data.decode("latin-1").partition("|")
    seconds = retry_after(Answer(429, {"retry-after": first, "date": second}))
    assert seconds is None or seconds >= 0


def config(data: bytes) -> None:
    with contextlib.suppress(UnicodeDecodeError):  # the reader of the file turns that into an error of ours
        text = data.decode()
        key = _checked(lambda: _default_key(text))
        if key is not None:
            _checked(lambda: _check_api_key(key, "api_key"))


def packed(data: bytes) -> None:
    reader = BodyReader("gzip", limit=2**16)
    while data and reader.feed(data[:50]):
        data = data[50:]
    assert len(reader.body) <= 2**16


class _Taken:
    """What takes an answer apart from its bytes."""

    def __init__(self) -> None:
        self.status, self.body = 0, b""

    def began(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        assert self.status == 0
        assert all(name and b"\n" not in name + value for name, value in headers)
        self.status = status

    def received(self, piece: bytes) -> bool:
        self.body += piece
        return True


def _taken(pieces: Iterable[bytes]) -> tuple[int, bytes] | None:
    taken = _Taken()
    reader = AnswerReader(taken)
    try:
        for piece in pieces:
            if not reader.done:
                assert not reader.reusable
                reader.feed(piece)
        if not reader.done:
            reader.end()
    except BadAnswerError as error:
        problem = str(error)
    else:
        return taken.status, taken.body
    assert problem.isprintable()
    assert not reader.reusable
    return None


def answer(data: bytes) -> None:
    """HTTP itself: the same answer, however its bytes are cut."""
    whole = _taken([data])
    assert whole == _taken(data[place : place + 7] for place in range(0, len(data), 7))
    assert whole == _taken(data[place : place + 1] for place in range(len(data)))


def looks(data: bytes) -> None:
    """Whole waits and streams, fed with one answer after another; they end, or go on looking."""
    for machine, operation in ((Waiter, STATUS_SYNC), (Streamer, STREAM)):
        looker: Looker = machine("ep", JOB, Deadline.after(60.0, 0.0), 0.0)
        now = 0.0
        for part in data.split(b"\x00")[:20]:
            code, body = (200, part) if not part[:1].isdigit() else (100 * max(2, min(int(part[:1]), 5)), part[1:])
            call = Call(operation, "ep", JOB)
            looker.received(call, Answer(code, {}, body), now)  # type: ignore[attr-defined]
            now += 1.0
            action = looker.next(now)
            if hasattr(action, "error"):
                _check(action.error)
                break


TARGETS: dict[str, Callable[[bytes], None]] = {
    function.__name__: function
    for function in (status, stream, health, purge, refusal, lost, pause, config, packed, answer, looks)
}
