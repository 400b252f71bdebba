# Generated from src/runpod/_async/runner.py by scripts/generate_sync.py. Do not edit.

"""Runs many jobs: carries out what a `Mapper` decides, with workers in the background."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from runpod import _observer
from runpod._sync.run_actions import RunActions
from runpod._logging import logger
from runpod._primitives import connection_key, shield
from runpod._protocol.map_actions import Cancel, Idle, Poll, Read, Stop
from runpod._protocol.mapper import Mapper
from runpod._workers import Workers
from runpod.errors import RunpodError, RunpodTimeoutError
from runpod.models.results import MapResult

if TYPE_CHECKING:
    from runpod._sync.session import Session
    from runpod._progress import Progress
    from runpod._protocol.decoding import OutputReader
    from runpod.models.reports import RunReport


class Runner(RunActions):
    """Submits inputs, waits for their jobs, and hands out the results.

    Subclasses turn inputs into requests, and can store what happens.

    Args:
        session: The session of the endpoint.
        endpoint_id: The endpoint's ID.
        read_output: Validates outputs.
        inputs: An iterable, or in async code also an async one.
        timeout: Seconds for the whole run, or None.
        job_timeout: Seconds for each job, from its submission, or None.
        progress: Receives each result, or None.
        options: Those of `Mapper`.
    """

    KIND: Literal["map", "bulk"] = "map"

    def __init__(
        self,
        session: Session,
        endpoint_id: str,
        read_output: OutputReader[Any],
        inputs: Any,
        *,
        in_flight: int,
        timeout: float | None,
        job_timeout: float | None,
        progress: Progress | None,
        **options: Any,
    ) -> None:
        mapper = Mapper(
            in_flight,
            max_submitting=min(
                Workers.MAX_SUBMITTING,
                session.limits.concurrent_submissions,
                # More would wait for the rate limit until their request times out.
                10 * session.limits.submissions_per_second,
            ),
            max_polling=Workers.MAX_POLLING,
            **options,
        )
        super().__init__(session, endpoint_id, read_output, inputs, mapper, job_timeout)
        self._timeout = timeout
        self._progress = progress
        self._workers = Workers(self._work, self.close)
        self._started = False
        self._raised = False
        self._is_abandoned = False
        # The process and event loop of the workers.
        self._home: Any = None

    # The consumer

    def take(self) -> MapResult[Any]:
        """Returns the next result.

        Raises:
            StopIteration: There are no more results.
            RunpodTimeoutError: The timeout passed.
            RuntimeError: It is called in another process or event loop than before.
            Exception: What the iterator of the inputs raised.
        """
        self._start()
        if not self._is_home():
            msg = "The results of a run can only be read in the process and event loop in which it began."
            raise RuntimeError(msg)
        wakeup = self._clock.wakeup()
        while True:
            # First, so that no result is lost if it raises an error.
            self._show_progress()
            found = self._mapper.take(wakeup, self._clock.now())
            self._add_worker()
            if isinstance(found, MapResult):
                return found
            if isinstance(found, Stop):
                break
            try:
                wakeup.wait(found.seconds)
            except BaseException:
                self._mapper.forget(wakeup)
                raise
        self._show_progress()
        # The workers may not have ended yet.
        self._observe_end()
        if not self._raised:
            self._raised = True
            if self._mapper.timed_out:
                self.close()
                raise self._timeout_error()
            if self._mapper.problem is not None:
                self._show_end()
                raise self._mapper.problem
        self._show_end()
        raise StopIteration

    def _start(self) -> None:
        if self._started:
            return
        self._started = True
        self._home = connection_key()
        self.session.engine.check_loop()
        self._mapper.start(self.session.deadline(self._timeout), self._clock.now())
        self._observed = _observer.run(self.KIND, self.endpoint_id, self.session.engine.config.base_url)
        self.session.runs.add(self)

    def fail(self, error: RunpodError) -> None:
        """Ends the run with an error, unless it has ended. Its workers cancel the unfinished jobs in the background."""
        if self._is_home():
            self._mapper.fail(error, self._clock.now())
            self._add_worker()

    def close_soon(self) -> None:
        """Ends the run. Its workers cancel the unfinished jobs in the background."""
        if self._is_home():
            self._mapper.close(self._clock.now())
            self._add_worker()
        else:
            # The garbage collector runs in any thread.
            self._workers.call_soon(self.close_soon)

    def close(self) -> None:
        """Ends the run, and waits until the unfinished jobs are cancelled."""
        self.close_soon()
        if not self._is_home() or self._is_abandoned:
            return
        wakeup = self._clock.wakeup()
        try:
            with shield():
                while not self._mapper.wait_until_closed(wakeup):
                    wakeup.wait(math.inf)
                self._workers.abandon()
                self._workers.join()
                self._release_rest()
        except BaseException:
            # A second Ctrl-C: the process exits without waiting.
            self._is_abandoned = True
            for job_id in self._mapper.unfinished()[0]:
                self._log_left(job_id, "that was interrupted")
            raise
        self._log_kept()
        self._observe_end()
        self._show_end()

    def _observe_end(self) -> None:
        if self._observed is None or not self._mapper.settled:
            return
        for entry in list(self._unsubmitted):
            self._not_observed(entry, self._mapper.failure)
        error = self._timeout_error() if self._mapper.timed_out else self._mapper.failure
        self._observed.ended(self.report(), error)

    def _is_home(self) -> bool:
        """Whether the workers are those of this process and event loop."""
        return not self._started or self._home == connection_key()

    @property
    def is_over(self) -> bool:
        """Whether nothing is submitted: the run has not begun, or has ended."""
        return not self._started or self._mapper.is_over

    def report(self) -> RunReport:
        return self._mapper.report(self._clock.now())

    def _show_progress(self) -> None:
        for result in self._mapper.new_results():
            if self._progress is not None:
                self._progress.update(result)

    def _show_end(self) -> None:
        if self._progress is not None:
            self._progress.close()

    def _timeout_error(self) -> RunpodTimeoutError:
        report = self.report()
        problem = self._last_problem
        span = self._mapper.deadline.span or 0.0
        msg = (
            f"The run on endpoint {self.endpoint_id!r} did not end within the timeout of {span:g} s (submitted: "
            f"{report.submitted}, completed: {report.completed}, in doubt: {report.in_doubt})."
        )
        if not self._mapper.cancels:
            msg += " The unfinished jobs go on."
        elif self._uncancelled:
            msg += f" {len(self._uncancelled)} of the unfinished jobs could not be cancelled; the log has their IDs."
        else:
            msg += " The unfinished jobs were cancelled."
        if problem is not None:
            msg += f" The last submission failed: {problem.message}"
        error = RunpodTimeoutError(msg, endpoint_id=self.endpoint_id, maybe_submitted=report.in_doubt > 0)
        error.__cause__ = problem
        return error

    # The workers

    def _add_worker(self) -> None:
        if self._mapper.needs_worker(self._clock.now()):
            self._workers.add()

    def _work(self) -> None:
        if self._observed is not None:
            self._observed.enter()
        try:
            self._carry_out_actions()
        except BaseException as error:
            # Cancelled: the event loop ends, or the run was closed.
            msg = f"The run on endpoint {self.endpoint_id!r} was interrupted: its background work was cancelled."
            interrupted = RunpodError(msg, endpoint_id=self.endpoint_id, maybe_submitted=False)
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                # Before Python 3.11, asyncio lets Ctrl-C interrupt any task. Not raised by the consumer itself: it would
                # end the event loop before the jobs are cancelled.
                interrupted.__cause__ = error
            self._mapper.fail(error if isinstance(error, Exception) else interrupted, self._clock.now())
            with shield():
                self._carry_out_actions(is_last=True)
            raise

    def _carry_out_actions(self, *, is_last: bool = False) -> None:
        wakeup = self._clock.wakeup()
        while True:
            action = self._mapper.next(wakeup, self._clock.now())
            self._add_worker()
            if isinstance(action, Stop):
                self._log_kept()
                self._release_rest()
                self._observe_end()
                if self._mapper.closed:
                    self._workers.abandon()
                return
            if isinstance(action, Idle):
                wakeup.wait(action.seconds)
                continue
            try:
                self._carry_out(action)
            except BaseException as error:
                # The consumer raises it. Before the input is dropped: without it, the run may be done.
                if isinstance(error, Exception) and not self._mapper.fail(error, self._clock.now()):
                    logger.error("An error while the run on endpoint %s ended: %r", self.endpoint_id, error)
                if isinstance(action, Cancel) and not isinstance(error, Exception) and not is_last:
                    self._mapper.cancel_again(action.entry)
                elif not isinstance(action, Read):
                    if isinstance(action, Cancel):
                        self._log_left(action.entry.job_id or "", f"it was interrupted by {error!r}")
                    self._mapper.drop(action.entry, is_poll=isinstance(action, Poll))
                if not isinstance(error, Exception):
                    raise
