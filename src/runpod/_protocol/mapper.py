"""The state machine of `map`: what to submit, poll, cancel and hand out next, for many inputs.

Workers (tasks or threads) ask `next` what to do, carry it out, and report it with the method named below:

    Read → take the next input, then `read` or `end_of_inputs`
    Submit → submit it, then `submitted`, `postpone` or `finish`
    Poll → poll the job once, then `polled`, or `claim` and `finish`, or `cancel` at its time limit
    Cancel → cancel the job, then `finish`
    Idle → wait for the wakeup, at most this long
    Stop → nothing is left to do

The consumer asks `take` for the next result. Thread-safe.
"""

from __future__ import annotations

import heapq
import math
import threading
from collections import Counter, deque
from itertools import count
from typing import TYPE_CHECKING, Any

from runpod._protocol.deadlines import Deadline
from runpod._protocol.map_actions import Action, Cancel, Entry, Idle, Poll, Read, Stage, Stop, Submit
from runpod._protocol.polling import Done, Fail, Pause
from runpod._protocol.rate_limits import CONCURRENT_CANCELS
from runpod._protocol.tally import Tally
from runpod.errors import (
    APIConnectionError,
    AuthenticationError,
    ClientClosedError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RunpodError,
    ServerError,
)

if TYPE_CHECKING:
    from runpod._protocol.limiter import Wakeup
    from runpod._protocol.waiter import Waiter
    from runpod.models.reports import RunReport
    from runpod.models.results import MapResult

# For how long requests that fail without being executed (no connection, 429) are repeated while no job is submitted and
# none ends, in seconds.
PATIENCE = 300.0

# Pause before a submission is tried again after its retries, in seconds.
PAUSE = 5.0

# The number of failed polls of one job that ends its wait: at the longest interval, about as long as PATIENCE.
MAX_FAILURES = 60

# After a submission whose outcome is unknown, only one at a time is made, after pauses that grow up to this many seconds,
# until one succeeds. After so many in a row, in about PATIENCE seconds, the run ends.
MAX_DOUBT_PAUSE = 60.0
MAX_DOUBTS = 9


# These are completed even if the run ends.
_BUSY = (Stage.SUBMITTING, Stage.STORING, Stage.CANCELLING)
_LEFT = (*_BUSY, Stage.TO_CANCEL)


class Mapper:
    """Decides what happens next in a run of many jobs.

    Args:
        in_flight: How many inputs may be unfinished at once.
        ordered: Whether results are handed out in the order of the inputs.
        fail_fast: Whether the first failure ends the run, so that no inputs after it are submitted.
        stop_on_outage: Whether an outage of the service ends the run, instead of being the result of an input.
        cancel: Whether `close` cancels the unfinished jobs.
        max_submitting: How many submissions run at once.
        max_polling: How many polls run at once.
        price_per_second: See `RunReport.cost`.
    """

    def __init__(
        self,
        in_flight: int,
        *,
        ordered: bool = False,
        fail_fast: bool = False,
        stop_on_outage: bool = False,
        cancel: bool = True,
        max_submitting: int = 1,
        max_polling: int = 1,
        price_per_second: float | None = None,
    ) -> None:
        self.deadline: Deadline = Deadline()
        self._in_flight = in_flight
        # Unfinished inputs and results that wait for the consumer.
        self._window = 2 * in_flight if ordered else in_flight
        self._ordered = ordered
        self._fail_fast = fail_fast
        self._stop_on_outage = stop_on_outage
        self.cancels = cancel
        self._max_submitting = max_submitting
        self._max_polling = max_polling
        self._stages: Counter[Stage] = Counter()
        self._open: set[Entry] = set()
        self._ready: deque[Entry] = deque()
        self._to_cancel: deque[Entry] = deque()
        # Due times of polls, and of postponed submissions.
        self._polls: list[tuple[float, int, Entry]] = []
        self._postponed: list[tuple[float, int, Entry]] = []
        self._number = count()
        # The worker that reads the inputs, and whether it waits until there is room for one more.
        self._reader: Wakeup | None = None
        self._reader_waits = False
        self._end_of_inputs = False
        # Submissions in a row whose outcome is unknown, and from when on the next one is made.
        self._doubts = 0
        self._submits_from = -math.inf
        # Since when such requests have failed.
        self._failing_since: float | None = None
        self._tally = Tally(0.0, price_per_second)
        self._started = False
        # By index, in the order in which the jobs ended.
        self._results: dict[int, MapResult[Any]] = {}
        self._next_index = 0
        # With `fail_fast`, no inputs after this one are submitted.
        self._last_index: float = math.inf
        self._new_results: deque[MapResult[Any]] = deque()
        # Why the run ended, if it was not the end of the inputs, the consumer or the deadline.
        self.problem: BaseException | None = None
        self.timed_out: bool = False
        # Why the run did not succeed: `problem`, or with `fail_fast` the first failure.
        self.failure: BaseException | None = None
        # The jobs that were left running.
        self.kept: list[Entry] = []
        # The inputs that were given up although an earlier attempt may have submitted them.
        self.doubtful: list[Entry] = []
        self._closing = False
        # When the run was closed.
        self._ended_at = 0.0
        self._idle: dict[Wakeup, None] = {}
        # Whether a new worker has not yet asked what to do.
        self._starting = False
        # The idle worker that wakes up at the next due time.
        self._timer: Wakeup | None = None
        self._timer_due = math.inf
        self._consumers: dict[Wakeup, None] = {}
        self._lock = threading.RLock()
        # Whether the garbage collector has closed the run in the middle of another method.
        self._is_abandoned = False

    # What workers do

    def next(self, wakeup: Wakeup, now: float) -> Action:
        """Returns what the worker with this wakeup does next."""
        with self._lock:
            if self._is_abandoned:
                self._close(now)
            action = self._next_read() if wakeup is self._reader else self._next(wakeup, now)
            if self._is_abandoned:
                self._close(now)
            return action

    def _next(self, wakeup: Wakeup, now: float) -> Action:
        self._idle.pop(wakeup, None)
        self._starting = False
        if self._timer is wakeup:
            self._timer, self._timer_due = None, math.inf
        self._check_deadline(now)
        action = self._choose(now)
        if isinstance(action, Stop):
            self._wake_all()
        elif isinstance(action, Read):
            self._reader = wakeup
        elif isinstance(action, Idle):
            self._idle[wakeup] = None
            due = self._next_due()
            if due >= self._timer_due:
                return Idle(math.inf)
            self._timer, self._timer_due = wakeup, due
        elif self._idle and (self._is_available(now) or self._next_due() < self._timer_due):
            self._wake_one()
        return action

    def _next_read(self) -> Action:
        # One worker reads all inputs, and does nothing else: a generator can depend on its thread or task, as those do
        # that use sqlite3 or a cancel scope.
        self._reader_waits = False
        if self._closing or self._end_of_inputs:
            return Stop()
        if self._has_room():
            return Read()
        self._reader_waits = True
        return Idle(math.inf)

    def needs_worker(self, now: float) -> bool:
        """Whether another worker is needed: there is something to do, now or later, but no idle worker."""
        with self._lock:
            if self._idle or self._starting:
                return False
            action = self._choose(now, peek=True)
            if isinstance(action, Idle):
                later = self._polls or self._postponed or (self._ready and self._doubts)
                self._starting = bool(later) and not self._closing
            else:
                self._starting = not isinstance(action, Stop)
            return self._starting

    def _is_available(self, now: float) -> bool:
        return not isinstance(self._choose(now, peek=True), (Idle, Stop))

    def _choose(self, now: float, *, peek: bool = False) -> Action:
        while self._to_cancel and self._to_cancel[0].stage is not Stage.TO_CANCEL:
            self._to_cancel.popleft()  # it ended just before
        if self._to_cancel and self._stages[Stage.CANCELLING] < CONCURRENT_CANCELS:
            return Cancel(self._to_cancel[0] if peek else self._move(self._to_cancel.popleft(), Stage.CANCELLING))
        if self._closing:
            return Stop() if self.closed else Idle(math.inf)
        while self._postponed and self._postponed[0][0] <= now:
            self._ready.append(heapq.heappop(self._postponed)[2])
        if self._ready and self._may_submit(now):
            return Submit(self._ready[0] if peek else self._move(self._ready.popleft(), Stage.SUBMITTING))
        if (entry := self._due_poll(now)) and self._stages[Stage.POLLING] < self._max_polling:
            if not peek:
                heapq.heappop(self._polls)
                assert entry.waiter is not None
                entry.waiter.may_hold = self._may_hold()
                self._move(entry, Stage.POLLING)
            return Poll(entry)
        if self._reader is None and self._has_room():
            return Read()
        if self._is_done():
            return Stop()
        return Idle(max(0.0, self._next_due() - now))

    def _has_room(self) -> bool:
        if self._end_of_inputs or len(self._open) >= self._in_flight:
            return False
        return len(self._open) + len(self._results) < self._window

    def _may_submit(self, now: float) -> bool:
        most = 1 if self._doubts else self._max_submitting
        return self._stages[Stage.SUBMITTING] < most and now >= self._submits_from

    def _due_poll(self, now: float) -> Entry | None:
        # Jobs that ended or are being cancelled stay in the queue until they are first.
        while self._polls and self._polls[0][2].stage is not Stage.WAITING:
            heapq.heappop(self._polls)
        return self._polls[0][2] if self._polls and self._polls[0][0] <= now else None

    def _may_hold(self) -> bool:
        # A poll that is held occupies a worker, which then cannot poll another job.
        most = len(self._open) if self._end_of_inputs else self._in_flight
        return most <= self._max_polling

    def _next_due(self) -> float:
        due = self.deadline.at
        if self._postponed:
            due = min(due, self._postponed[0][0])
        if self._ready and self._doubts and not self._stages[Stage.SUBMITTING]:
            due = min(due, self._submits_from)
        if self._polls and self._stages[Stage.POLLING] < self._max_polling:
            due = min(due, self._polls[0][0])
        return due

    # What workers report

    def start(self, deadline: Deadline, now: float) -> None:
        """Starts the clock of the run."""
        self.deadline = deadline
        self._tally.restart(now)
        self._started = True

    def read(self, entry: Entry, now: float, *, is_valid: bool = True) -> None:
        """Takes the next input. With a waiter, its job is submitted already; an invalid one is reported with `finish`."""
        with self._lock:
            if self._closing or self._end_of_inputs:
                entry.stage = Stage.ENDED
                return
            self._open.add(entry)
            self._stages[entry.stage] += 1
            if not is_valid:
                self._move(entry, Stage.SUBMITTING)
            elif entry.waiter is None:
                self._ready.append(entry)
            else:
                self._tally.submitted()
                self._wait(entry, now)
            self._wake_one()

    def end_of_inputs(self, problem: BaseException | None = None) -> None:
        """Takes the end of the inputs. `problem`: what the iterator of the inputs raised."""
        with self._lock:
            self._end_of_inputs = True
            self.problem = self.problem or problem
            self.failure = self.failure or problem
            self._wake_all()

    def submitted(self, entry: Entry, waiter: Waiter, now: float) -> None:
        """Takes a submitted job."""
        with self._lock:
            entry.waiter = waiter
            self._failing_since = None
            self._doubts, self._submits_from = 0, -math.inf
            self._tally.submitted()
            if not self._closing:
                self._wait(entry, now)
                self._wake_one()
            else:
                self._leave(entry)

    def postpone(self, entry: Entry, delay: float, now: float) -> None:
        """Takes an input that was not submitted and can be tried again after a delay in seconds."""
        with self._lock:
            if self._closing or entry.index > self._last_index:
                self._give_up(entry)
                return
            self._move(entry, Stage.READY)
            heapq.heappush(self._postponed, (now + delay, next(self._number), entry))
            self._wake_one()

    def polled(self, entry: Entry, now: float) -> Done | Fail | None:
        """Takes a poll. Returns whether the wait for the job is over, which is reported with `finish`."""
        waiter = entry.waiter
        assert waiter is not None
        with self._lock:
            action = waiter.next(now)
            if isinstance(action, (Done, Fail)):
                return action
            if entry.stage is Stage.POLLING:
                self._wait(entry, now + action.seconds if isinstance(action, Pause) else now)
                self._wake_one()
            return None

    def cancel(self, entry: Entry, error: RunpodError) -> None:
        """Takes a job that exceeded its time limit."""
        with self._lock:
            if entry.stage is Stage.POLLING:
                entry.error = error
                self._queue_cancellation(entry)

    def claim(self, entry: Entry) -> bool:
        """Whether the worker that polled a job reports its end: not if the run has ended, or the job is cancelled."""
        with self._lock:
            if entry.stage not in {Stage.POLLING, Stage.TO_CANCEL}:
                return False
            self._move(entry, Stage.STORING)
            return True

    def finish(self, entry: Entry, result: MapResult[Any], now: float) -> bool:
        """Takes the result of an input. Returns False if the run has ended, so that it is not handed out."""
        with self._lock:
            # That an input is given up is no progress: the others would wait for as long again.
            if entry.waiter is not None or result.error is None or not result.error.retryable:
                self._failing_since = None
            if entry.stage is Stage.ENDED:
                return False
            self._tally.add(result, now)
            if result.maybe_submitted and result.error is not None:
                self._pause_submissions(result.error, now)
            self._end(entry)
            if self._closing:
                return False
            self._results[entry.index] = result
            self._new_results.append(result)
            if result.error is not None and self._fail_fast:
                self.failure = self.failure or result.error
                self._stop_reading_after(entry.index)
            self._wake_consumers()
            self._wake_one()
            return True

    def cancel_again(self, entry: Entry) -> None:
        """Takes a cancellation that was interrupted."""
        with self._lock:
            if entry.stage is Stage.CANCELLING:
                self._queue_cancellation(entry)

    def drop(self, entry: Entry, *, is_poll: bool = False) -> None:
        """Takes an input without a result: it was not submitted, stored or cancelled, and the run ends.

        `is_poll`: the worker polled the job, so that another one may be cancelling it.
        """
        with self._lock:
            if entry.stage is Stage.SUBMITTING:
                self._give_up(entry)
            elif entry.stage is Stage.STORING if is_poll else entry.stage in _BUSY:
                self._end(entry)

    def ends_run(self, error: RunpodError, *, submitting: bool) -> bool:
        """Whether an error concerns all inputs: refused credentials, no such endpoint."""
        if isinstance(error, (AuthenticationError, PermissionDeniedError, ClientClosedError)):
            return True
        if submitting and isinstance(error, NotFoundError):
            return True
        outage = isinstance(error, (APIConnectionError, RateLimitError, ServerError)) or error.retryable
        return self._stop_on_outage and outage and not error.maybe_submitted

    def is_patient(self, now: float) -> bool:
        """Whether requests that were not executed are still repeated."""
        with self._lock:
            if self._failing_since is None:
                self._failing_since = now
            return now - self._failing_since < PATIENCE

    def fail(self, error: BaseException, now: float) -> bool:
        """Ends the run with an error. Returns False if it has ended already."""
        with self._lock:
            if self._closing or self._is_done():
                return False
            self.problem = self.problem or error
            self.failure = self.failure or error
            self._close(now)
            return True

    # The end

    @property
    def closing(self) -> bool:
        """Whether the run was ended early."""
        return self._closing

    @property
    def is_over(self) -> bool:
        """Whether nothing more is submitted: the run was ended early, or all inputs have ended."""
        with self._lock:
            return self._closing or self._is_done()

    @property
    def closed(self) -> bool:
        """Whether the run has ended, and nothing is left to cancel."""
        with self._lock:
            return self._closing and not any(entry.stage in _LEFT for entry in self._open)

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do, however it ended."""
        with self._lock:
            return self._is_done() or self.closed

    def close(self, now: float) -> None:
        """Ends the run: what is not submitted is dropped, and what is unfinished is cancelled, or kept."""
        if not self._lock._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001  # pyright: ignore[reportAttributeAccessIssue, reportPrivateUsage]
            self._close(now)
            return
        # The garbage collector, in the middle of a worker's call: in the next call of `next`.
        self._is_abandoned = True
        for wakeup in self._idle:
            wakeup.set()

    def _close(self, now: float) -> None:
        with self._lock:
            self._is_abandoned = False
            # Also if it was called before: Ctrl-C can interrupt it.
            if not self._closing:
                self._closing, self._ended_at = True, now
            for entry in list(self._open):
                if entry.stage is Stage.READY:
                    self._give_up(entry)
                elif entry.stage in {Stage.WAITING, Stage.POLLING}:
                    self._leave(entry)
            self._wake_all()

    def _give_up(self, entry: Entry) -> None:
        """Ends an input that is not submitted any more."""
        if entry.attempts is not None and entry.attempts.doubt is not None:
            self.doubtful.append(entry)
            self._tally.count("in_doubt", None, None, 0, None)
        self._end(entry)

    def _leave(self, entry: Entry) -> None:
        if self.cancels:
            self._queue_cancellation(entry)
        else:
            self.kept.append(entry)
            self._end(entry)

    def _check_deadline(self, now: float) -> None:
        if self.deadline.passed(now) and not self._closing and not self._is_done():
            self.timed_out = True
            self._close(now)

    def _is_done(self) -> bool:
        return self._end_of_inputs and not self._open

    # What the consumer does

    def take(self, wakeup: Wakeup, now: float) -> MapResult[Any] | Idle | Stop:
        """Returns the next result, or how long to wait for the wakeup, or that there is none."""
        with self._lock:
            self._consumers.pop(wakeup, None)
            index = self._next_index if self._ordered else next(iter(self._results), None)
            result = None if index is None else self._results.pop(index, None)
            if result is not None:
                self._next_index += 1
                self._wake_reader()
                return result
            self._check_deadline(now)
            if self._closing or self._is_done():
                return Stop()
            self._consumers[wakeup] = None
            return Idle(self.deadline.remaining(now))

    def forget(self, wakeup: Wakeup) -> None:
        """Takes that a consumer no longer waits."""
        with self._lock:
            self._consumers.pop(wakeup, None)

    def wait_until_closed(self, wakeup: Wakeup) -> bool:
        """Returns whether the run is closed. If not, the wakeup is set when this may have changed."""
        with self._lock:
            self._consumers[wakeup] = None
            return self.closed

    def unfinished(self) -> tuple[list[str], int]:
        """The IDs of the submitted jobs whose end is not known, and how many inputs are being submitted."""
        with self._lock:
            return [each.job_id for each in self._open if each.job_id is not None], self._stages[Stage.SUBMITTING]

    def report(self, now: float) -> RunReport:
        """Summarizes the results so far."""
        with self._lock:
            if self._closing:
                now = self._ended_at
            return self._tally.report(now if self._started and not self._is_done() else None)

    def new_results(self) -> list[MapResult[Any]]:
        """Returns the results since the last call, in the order in which the jobs ended."""
        with self._lock:
            found = list(self._new_results)
            self._new_results.clear()
            return found

    # Internals

    def _move(self, entry: Entry, stage: Stage) -> Entry:
        # First, since Ctrl-C can come in between, and `closed` depends on it.
        before, entry.stage = entry.stage, stage
        self._stages[before] -= 1
        self._stages[stage] += 1
        return entry

    def _wait(self, entry: Entry, due: float) -> None:
        self._move(entry, Stage.WAITING)
        heapq.heappush(self._polls, (due, next(self._number), entry))

    def _queue_cancellation(self, entry: Entry) -> None:
        # In this order: after a Ctrl-C between the two, `close` can do it again.
        self._to_cancel.append(entry)
        self._move(entry, Stage.TO_CANCEL)

    def _end(self, entry: Entry) -> None:
        self._move(entry, Stage.ENDED)
        self._open.discard(entry)
        if self._closing and self.closed:
            self._wake_all()
        else:
            self._wake_reader()

    def _stop_reading_after(self, index: int) -> None:
        self._end_of_inputs = True
        self._last_index = min(self._last_index, index)
        for entry in [each for each in self._open if each.stage is Stage.READY and each.index > index]:
            self._give_up(entry)
        self._ready = deque(each for each in self._ready if each.stage is Stage.READY)
        self._postponed = [each for each in self._postponed if each[2].stage is Stage.READY]
        heapq.heapify(self._postponed)

    def _pause_submissions(self, error: RunpodError, now: float) -> None:
        # Those that were under way at the same time count once.
        if now < self._submits_from:
            return
        self._doubts += 1
        self._submits_from = now + min(2.0 ** (self._doubts - 1), MAX_DOUBT_PAUSE)
        if self._doubts >= MAX_DOUBTS:
            self.fail(error, now)

    def _wake_one(self) -> None:
        if self._idle:
            self._idle.popitem()[0].set()

    def _wake_reader(self) -> None:
        if self._reader is not None and self._reader_waits and (self._end_of_inputs or self._has_room()):
            self._reader.set()

    def _wake_consumers(self) -> None:
        for wakeup in self._consumers:
            wakeup.set()

    def _wake_all(self) -> None:
        for wakeup in self._idle:
            wakeup.set()
        self._idle.clear()
        if self._reader is not None:
            self._reader.set()
        self._wake_consumers()
