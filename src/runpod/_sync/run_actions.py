# Generated from src/runpod/_async/run_actions.py by scripts/generate_sync.py. Do not edit.

"""Carries out the actions that a `Mapper` decides: reads, submits, polls and cancels."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from runpod._sync.job import Job, warn_if_no_output
from runpod._sync.submission import SubmissionFiles
from runpod._logging import JobFate, logger
from runpod._protocol.deadlines import CLIENT_DEFAULT
from runpod._protocol.decoding import OutputReader
from runpod._protocol.map_actions import Cancel, Entry, Poll, Read, Stage, Submit
from runpod._protocol.mapper import MAX_FAILURES, PAUSE
from runpod._protocol.operations import RUN, Call
from runpod._protocol.polling import MAX_PAUSE, Done, Fail
from runpod._protocol.rate_limits import CANCEL_SECONDS
from runpod._protocol.request_body import body_limit
from runpod._protocol.retries import Attempts
from runpod._text import readable
from runpod._workers import Inputs
from runpod.errors import (
    InvalidRequestError,
    JobExpiredError,
    JobOutputError,
    NotFoundError,
    RateLimitError,
    RunFileError,
    RunpodError,
    RunpodTimeoutError,
)
from runpod.models.jobs import JobState, job_failure
from runpod.models.results import MapResult
from runpod.models.status import JobStatus

if TYPE_CHECKING:
    from runpod._sync.session import Session
    from runpod._observer import Run
    from runpod._protocol.map_actions import Action
    from runpod._protocol.mapper import Mapper
    from runpod._protocol.request_body import RequestBody
    from runpod._protocol.waiter import Waiter


class _RunEndedError(Exception):
    """The run ended just before a submission was sent."""


class _Stop(threading.Event):
    """Ends an upload when its run ends. Not set by the run, which can end while the garbage collector runs."""

    def __init__(self, mapper: Mapper) -> None:
        super().__init__()
        self._mapper = mapper

    def is_set(self) -> bool:
        return super().is_set() or self._mapper.closing


class RunActions(ABC):
    """What a worker of a run does for one input.

    Args:
        session: The session of the endpoint.
        endpoint_id: The endpoint's ID.
        read_output: Validates outputs.
        inputs: An iterable, or in async code also an async one.
        mapper: Decides what happens next.
        job_timeout: Seconds for each job, from its submission, or None.
    """

    def __init__(
        self,
        session: Session,
        endpoint_id: str,
        read_output: OutputReader[Any],
        inputs: Any,
        mapper: Mapper,
        job_timeout: float | None,
    ) -> None:
        self.session = session
        self.endpoint_id = endpoint_id
        self._read_output = read_output
        self._inputs = Inputs(inputs)
        self._count = 0
        self._mapper = mapper
        # Once it begins, what is told about it, and its inputs whose submissions have begun, if there is an observer.
        self._observed: Run | None = None
        self._unsubmitted: set[Entry] = set()
        self._job_timeout = job_timeout
        self._clock = session.clock
        # Why the last submission was put off, and the jobs that could not be cancelled.
        self._last_problem: RunpodError | None = None
        self._uncancelled: list[str] = []
        # Of the inputs that are being submitted.
        self._files: dict[Entry, SubmissionFiles] = {}
        # Not one of the primitives: it is held without awaiting. Reentrant, for handlers of the log.
        self._log_lock = threading.RLock()

    # What a subclass defines

    @abstractmethod
    def _prepare(self, entry: Entry) -> None:
        """Sets the request of an input, or the waiter of its job if it is submitted already.

        Raises:
            InvalidRequestError: The input cannot be sent.
        """

    def _submitting(self, entry: Entry) -> None:  # noqa: B027 - optional
        """Called just before a submission is sent."""

    def _not_submitted(self, entry: Entry) -> None:  # noqa: B027 - optional
        """Called when a submission was not executed, and is tried again later or given up."""

    def _submitted(self, entry: Entry, job_id: str) -> None:  # noqa: B027 - optional
        """Called when a job was submitted, before it is waited for."""

    def _ended(self, entry: Entry, result: MapResult[Any]) -> None:  # noqa: B027 - optional
        """Called with each result, before it is handed out."""

    # What workers do

    def _carry_out(self, action: Action) -> None:
        if isinstance(action, Submit):
            self._submit(action.entry)
        elif isinstance(action, Poll):
            self._poll(action.entry)
        elif isinstance(action, Cancel):
            self._cancel(action.entry)
        elif isinstance(action, Read):
            self._read()

    def _read(self) -> None:
        try:
            given = next(self._inputs)
        except StopIteration:
            self._mapper.end_of_inputs()
            return
        except Exception as error:  # noqa: BLE001 - the consumer raises it
            self._mapper.end_of_inputs(error)
            return
        except (KeyboardInterrupt, SystemExit) as error:  # likewise
            self._mapper.fail(error, self._clock.now())
            return
        entry = Entry(self._count, given)
        self._count += 1
        problem: InvalidRequestError | None = None
        try:
            self._prepare(entry)
        except InvalidRequestError as error:
            problem = error
        except Exception as error:  # noqa: BLE001 - what a mapping of the caller raises
            problem = InvalidRequestError(f"The input cannot be encoded: it raised {type(error).__name__}: {error}.")
            problem.__cause__ = error
        self._mapper.read(entry, self._clock.now(), is_valid=problem is None)
        if problem is not None:
            try:
                self._finish(entry, MapResult(entry.index, entry.input, error=problem))
            except BaseException:
                self._mapper.drop(entry)
                raise

    def _submit(self, entry: Entry) -> None:
        if entry.request is not None and not self._encode(entry, entry.request):
            return
        # Not that of the run, which would leave the job in doubt.
        deadline = self.session.deadline(CLIENT_DEFAULT)
        if entry.attempts is None:
            entry.attempts = Attempts(Call(RUN, self.endpoint_id), self.session.retry, deadline)
            if self._observed is not None:
                entry.attempts.observed = self._observed.submission()
                self._unsubmitted.add(entry)
        entry.attempts.call = Call(RUN, self.endpoint_id, body=entry.body)
        entry.attempts.deadline = deadline
        is_sent = False

        def check() -> None:
            if self._mapper.closing:
                raise _RunEndedError

        def before() -> None:
            nonlocal is_sent
            check()
            self._submitting(entry)
            is_sent = True

        try:
            reply = self.session.try_submit(entry.attempts, before, check)
        except _RunEndedError:
            self._release(entry)
            self._mapper.drop(entry)
            return
        except RunpodError as error:
            if isinstance(error, RunFileError):  # it was not stored, and not sent
                raise
            self._submission_failed(entry, error, is_sent=is_sent)
            return
        except BaseException:
            if is_sent:
                if entry in self._files:
                    self._files[entry].may_be_used = True
                msg = "Input %d may have been submitted to endpoint %s: its request was interrupted"
                logger.warning(msg, entry.index, self.endpoint_id)
            raise
        if isinstance(reply, JobState):
            self._was_submitted(entry, reply)
        else:
            self._not_submitted(entry)
            self._postpone(entry, reply)

    def _encode(self, entry: Entry, request: RequestBody) -> bool:
        """Reads or uploads the files of an input. Returns False if it cannot be submitted now."""
        files = self._files.get(entry)
        if files is None:
            files = self._files[entry] = SubmissionFiles(self.session.uploads, _Stop(self._mapper))
        try:
            entry.body = files.encode(request, body_limit(RUN, self.session.limits))
        except RunpodError as error:
            # An earlier attempt may have been executed.
            error.maybe_submitted = entry.attempts is not None and entry.attempts.doubt is not None
            if self._mapper.closing:  # it was stopped
                self._release(entry)
                self._mapper.drop(entry)
            else:
                self._submission_failed(entry, error, is_sent=False)
            return False
        return True

    def _release(self, entry: Entry, *, may_be_used: bool = False) -> str:
        """Ends the use of the uploaded files of an input. Returns a sentence that names what is left of them, if any."""
        files = self._files.pop(entry, None)
        if files is None:
            return ""
        if may_be_used or (entry.attempts is not None and entry.attempts.doubt is not None):
            files.may_be_used = True
        left = files.release()
        if left:
            logger.warning("Input %d was not submitted to endpoint %s.%s", entry.index, self.endpoint_id, left)
        return left

    def _release_rest(self) -> None:
        """Releases the files of inputs that were given up between two attempts."""
        for entry in list(self._files):
            if entry.stage is Stage.ENDED:
                self._release(entry)

    def _postpone(self, entry: Entry, delay: float) -> None:
        if entry.request is not None and entry.attempts is not None:
            # Its files are not kept in memory meanwhile.
            entry.body = b""
            entry.attempts.call = Call(RUN, self.endpoint_id)
        self._mapper.postpone(entry, delay, self._clock.now())

    def _was_submitted(self, entry: Entry, state: JobState[Any]) -> None:
        entry.body, entry.request = b"", None
        attempts, entry.attempts = entry.attempts, None
        waiter = self.waiter(state)
        waiter.submitted_at = self._clock.now()
        try:
            self._submitted(entry, state.id)
        except BaseException:
            msg = "Job %s was submitted to endpoint %s for input %d, but this could not be stored"
            logger.error(msg, readable(state.id), self.endpoint_id, entry.index)
            raise
        finally:
            # Only now: an observer can take its time, and until it is stored the job would be in doubt after a crash.
            self._unsubmitted.discard(entry)
            if attempts is not None:
                attempts.submitted(state)
        self._last_problem = None
        self._release(entry, may_be_used=True)
        self._mapper.submitted(entry, waiter, self._clock.now())

    def _submission_failed(self, entry: Entry, error: RunpodError, *, is_sent: bool) -> None:
        if error.maybe_submitted and error.job_id is not None:
            # The response was incomplete or invalid, but names the job.
            self._was_submitted(entry, JobState(id=error.job_id, status=JobStatus.IN_QUEUE))
            return
        now = self._clock.now()
        is_postponed = error.retryable and self._mapper.is_patient(now)
        if not is_postponed and not self._mapper.ends_run(error, submitting=True):
            error.message += self._release(entry, may_be_used=error.maybe_submitted)
            self._finish(entry, MapResult(entry.index, entry.input, error.job_id, error=error))
            return
        if is_sent and not error.maybe_submitted:
            self._not_submitted(entry)
        if is_postponed:
            asked = error.retry_after if isinstance(error, RateLimitError) else None
            self._last_problem = error
            self._postpone(entry, max(PAUSE, min(asked or 0.0, MAX_PAUSE)))
        else:
            # First: without this input, the run may be done.
            self._mapper.fail(error, now)
            self._release(entry, may_be_used=error.maybe_submitted)
            self._mapper.drop(entry)

    def waiter(self, state: JobState[Any]) -> Waiter:
        deadline = self.session.deadline(self._job_timeout)
        waiter = self.session.waiter(self.endpoint_id, state.id, deadline, state=state)
        waiter.max_failures = MAX_FAILURES
        return waiter

    def _poll(self, entry: Entry) -> None:
        waiter = entry.waiter
        assert waiter is not None
        try:
            poll = self.session.poll(waiter)
        except RunpodError as error:
            self._poll_failed(entry, error)
            return
        if poll is not None:
            waiter.received(*poll, self._clock.now())
        action = self._mapper.polled(entry, self._clock.now())
        if isinstance(action, Done) and self._mapper.claim(entry):
            state = waiter.state if self._mapper.closing else self.session.waited(waiter)
            assert state is not None
            self._finish(entry, self._result(entry, state))
        elif isinstance(action, Fail):
            self._poll_failed(entry, action.error)

    def _poll_failed(self, entry: Entry, error: RunpodError) -> None:
        if isinstance(error, RunpodTimeoutError):
            self._mapper.cancel(entry, error)
        elif self._mapper.ends_run(error, submitting=False):
            self._mapper.fail(error, self._clock.now())
        elif self._mapper.cancels and not isinstance(error, (JobExpiredError, NotFoundError)):
            # It may run, but nobody can wait for it.
            self._mapper.cancel(entry, error)
        elif self._mapper.claim(entry):
            state = None if entry.waiter is None else entry.waiter.state
            self._finish(entry, MapResult(entry.index, entry.input, entry.job_id, state, error))

    def _cancel(self, entry: Entry) -> None:
        assert entry.waiter is not None
        job_id, state = entry.waiter.job_id, entry.waiter.state
        job: Job[Any] = Job(self.session, self.endpoint_id, OutputReader(None), job_id, state)
        # The timeout of the client can be too short for the wait for the rate limit.
        timeout = None if self.session.timeout is None else max(self.session.timeout, 3 * CANCEL_SECONDS)
        if entry.error is None:
            self._cancel_at_end(entry, job, timeout)
            return
        ended = job.cancel_after(entry.error, timeout=timeout)
        if ended is None:
            result: MapResult[Any] = MapResult(entry.index, entry.input, job_id, job.state, entry.error)
        else:
            result = self._result(entry, ended)
        self._finish(entry, result)

    def _cancel_at_end(self, entry: Entry, job: Job[Any], timeout: float | None) -> None:
        try:
            state = job.cancel(timeout=timeout)
        except RunpodError as error:
            self._log_left(job.id, error.message)
            self._uncancelled.append(job.id)
            self._mapper.drop(entry)
            return
        msg = "Job %s on endpoint %s was unfinished when its run ended; after its cancellation its status is %s"
        fate = JobFate(
            job.id, "left" if not state.completed else "cancelled" if state.status == JobStatus.CANCELLED else "ended"
        )
        logger.warning(msg, readable(job.id), self.endpoint_id, readable(state.status, 40), extra=fate.as_extra())
        if state.completed:
            self._finish(entry, self._result(entry, state))
        else:
            self._mapper.drop(entry)

    def _result(self, entry: Entry, state: JobState[Any]) -> MapResult[Any]:
        try:
            state = self._read_output(state, self.endpoint_id)
        except JobOutputError as error:
            return MapResult(entry.index, entry.input, state.id, state, error)
        warn_if_no_output(state, self.endpoint_id)
        return MapResult(entry.index, entry.input, state.id, state, job_failure(state, self.endpoint_id))

    def _finish(self, entry: Entry, result: MapResult[Any]) -> None:
        self._ended(entry, result)
        self._not_observed(entry, result.error)
        # `close` waits for the lock, so that it returns when the log is complete.
        with self._log_lock:
            handed_out = self._mapper.finish(entry, result, self._clock.now())
            if handed_out or result.error is None:
                return
            # A job that exceeded `job_timeout` may go on; its error says so.
            if result.maybe_submitted or entry.error is not None:
                logger.warning("Input %d: %s", entry.index, result.error.message)
            if result.state is not None and not result.state.completed:
                self._uncancelled.append(result.state.id)

    def _not_observed(self, entry: Entry, error: BaseException | None) -> None:
        if entry.attempts is not None:
            entry.attempts.given_up(error)
            self._unsubmitted.discard(entry)

    # What becomes of jobs that are left

    def _log_kept(self) -> None:
        """Logs the IDs of the jobs that were not cancelled."""
        with self._log_lock:
            while self._mapper.kept:
                self._log_left(self._mapper.kept.pop().job_id or "")
            while self._mapper.doubtful:
                msg = "Input %d may have been submitted to endpoint %s: its run ended before the next attempt"
                logger.warning(msg, self._mapper.doubtful.pop().index, self.endpoint_id)

    def _log_left(self, job_id: str, reason: str = "") -> None:
        """Logs the ID of a job that was not cancelled, and why."""
        msg = "Job %s on endpoint %s was not cancelled when its run ended%s"
        extra = JobFate(job_id, "left", reason).as_extra()
        logger.warning(msg, readable(job_id), self.endpoint_id, reason and f": {reason}", extra=extra)
