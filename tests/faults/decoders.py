"""Every decoder of external data as a function of bytes. Each must return a model or raise a `RunpodError`."""

from __future__ import annotations

import contextlib
import json
import pickle
from typing import TYPE_CHECKING, Any

from runpod import EndpointHealth, PurgeResult, RunpodError
from runpod._config import check_api_key, parse_profiles
from runpod._protocol.deadlines import Deadline
from runpod._protocol.decoding import OutputReader, parse, parse_job, parse_stream
from runpod._protocol.failures import failure, retry_after
from runpod._protocol.operations import HEALTH, PURGE_QUEUE, RUN, STATUS, STATUS_SYNC, STREAM, Call
from runpod._protocol.outcomes import DeadlineExceeded, Response, ResponseLost
from runpod._protocol.streamer import Streamer
from runpod._protocol.waiter import Waiter
from runpod.models.jobs import JobState, job_failure

if TYPE_CHECKING:
    from collections.abc import Callable

JOB = "job-1"
QUERY = Call(STATUS, "ep", JOB)
SUBMIT = Call(RUN, "ep", body=b"{}")
SECOND = Deadline.after(1.0, 0.0)


def _check(error: RunpodError) -> None:
    """Check that an error can be printed and pickled, and rebuilt from its JSON-encoded args."""
    assert str(error).isprintable(), ascii(str(error))
    assert repr(error).isprintable()
    with contextlib.suppress(RecursionError):  # Python's recursion limit, for a deeply nested output
        assert repr(vars(error)) == repr(vars(pickle.loads(pickle.dumps(error))))
        copy = type(error)(*json.loads(json.dumps(error.args)))
        assert (str(error), error.job_id, error.maybe_submitted) == (str(copy), copy.job_id, copy.maybe_submitted)


def _checked(function: Callable[..., Any], *args: Any) -> Any:
    try:
        return function(*args)
    except RunpodError as error:
        _check(error)
        return None


def state(data: bytes) -> None:
    for call in (QUERY, SUBMIT):
        state = _checked(parse_job, Response(200, {}, data), call)
        if isinstance(state, JobState):
            assert state.id
            assert state.status
            assert repr(state).isprintable()
            _ = (state.started, state.progress, state.worker_error, state.error_message, state.delay_time)
            with contextlib.suppress(ValueError):  # a lone surrogate, which only Python's own JSON can write
                state.model_dump_json(by_alias=True)
            if error := job_failure(state, "ep"):
                _check(error)
            _checked(OutputReader(list[int]), state, "ep")


def others(data: bytes) -> None:
    response = Response(200, {}, data)
    _checked(parse, PurgeResult, response, Call(PURGE_QUEUE, "ep"))
    health = _checked(parse, EndpointHealth, response, Call(HEALTH, "ep"))
    assert health is None or health.jobs.in_queue + health.workers.idle is not None
    stream = _checked(parse_stream, response, Call(STREAM, "ep", JOB))
    assert stream is None or all(repr(chunk).isprintable() for chunk in stream[1])


def error_response(data: bytes) -> None:
    headers = {"location": data.decode("latin-1"), "cf-ray": data[:20].decode("latin-1")}
    headers |= zip(("retry-after", "date"), data.decode("latin-1").split("|"), strict=False)
    response = Response(300 + 2 * data[0] if data else 300, headers, data[1:])
    for call in (QUERY, SUBMIT):
        error = failure(call, response, SECOND)
        _check(error)
        assert len(str(error)) < 4000
    assert (retry_after(response) or 0.0) >= 0.0


def lost(data: bytes) -> None:
    for outcome in (ResponseLost("reset", partial=data), DeadlineExceeded("late", sent=True, partial=data)):
        error = failure(SUBMIT, outcome, SECOND)
        _check(error)
        assert error.maybe_submitted


def config(data: bytes) -> None:
    with contextlib.suppress(UnicodeDecodeError):  # converted into a ConfigurationError by the reader of the file
        for profile in (_checked(parse_profiles, data.decode()) or {}).values():
            _checked(check_api_key, profile.get("api_key"), "api_key")


def polls(data: bytes) -> None:
    """Feed a series of responses to the state machines of `wait` and `stream`."""
    for machine, operation in ((Waiter, STATUS_SYNC), (Streamer, STREAM)):
        poller: Any = machine("ep", JOB, Deadline.after(60.0, 0.0), 0.0)
        for now, part in enumerate(data.split(b"\x00")[:20]):
            code, body = (200, part) if not part[:1].isdigit() else (100 * max(2, min(int(part[:1]), 5)), part[1:])
            poller.received(Call(operation, "ep", JOB), Response(code, {}, body), float(now))
            action = poller.next(now + 1.0)
            if hasattr(action, "error"):
                _check(action.error)
                break


TARGETS: dict[str, Callable[[bytes], None]] = {
    function.__name__: function for function in (state, others, error_response, lost, config, polls)
}
