# Generated from src/runpod/_async/session.py by scripts/generate_sync.py. Do not edit.

"""The session: carries out what `runpod._protocol` decides, for every kind of call."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

from runpod._sync.engine import Engine
from runpod._base_errors import ClientClosedError, ConfigurationError
from runpod._config import load_config
from runpod._logging import logger
from runpod._primitives import Clock
from runpod._protocol.deadlines import CLIENT_DEFAULT, Deadline, parse_timeout
from runpod._protocol.decoding import read_job
from runpod._protocol.failures import closed_error
from runpod._protocol.operations import STATUS, Call, Operation
from runpod._protocol.outcomes import Response
from runpod._protocol.poll_limiter import Permit, PollLimiters
from runpod._protocol.polling import Done, Fail, Pause, Poller, Routes
from runpod._protocol.retries import Attempts
from runpod._protocol.submissions import RecentSubmissions
from runpod.models._text import readable
from runpod.models.limits import WaitLimits
from runpod.models.retry import RetryPolicy

if TYPE_CHECKING:
    from runpod._protocol.deadlines import TimeoutOrDefault
    from runpod._protocol.outcomes import Outcome
    from runpod._protocol.waiter import Waiter
    from runpod.models.jobs import JobState

PollerT = TypeVar("PollerT", bound=Poller)
T = TypeVar("T")


class Session:
    """What the endpoints and jobs of one client share."""

    def __init__(
        self,
        engine: Engine,
        *,
        timeout: float | None,
        retry: RetryPolicy,
        wait_limits: WaitLimits,
        owner: bool = True,
    ) -> None:
        self.engine = engine
        self.timeout = timeout
        self.retry: RetryPolicy = _checked(retry, RetryPolicy, "retry")
        self.wait_limits: WaitLimits = _checked(wait_limits, WaitLimits, "wait_limits")
        self.clock = Clock()
        self._routes = Routes()
        self._submissions = RecentSubmissions()
        self._limiters = PollLimiters()
        self._closed = False
        # Whether closing it closes the connections.
        self._owner = owner

    def with_options(
        self, *, timeout: TimeoutOrDefault, retry: RetryPolicy | None, wait_limits: WaitLimits | None
    ) -> Session:
        """A session with other options, over the same connections and with the same knowledge.

        Raises:
            ConfigurationError: An option cannot be used.
        """
        other = Session(
            self.engine,
            timeout=self.timeout if timeout is CLIENT_DEFAULT else parse_timeout(timeout, ConfigurationError),
            retry=self.retry if retry is None else retry,
            wait_limits=self.wait_limits if wait_limits is None else wait_limits,
            owner=False,
        )
        other.clock = self.clock
        other._routes = self._routes
        other._submissions = self._submissions
        other._limiters = self._limiters
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the settings without the key, which is read anew where they arrive."""
        config = self.engine.config
        if not self.engine.owned:
            msg = "A client with an http_client= of yours cannot be pickled: build it where it is used."
            raise TypeError(msg)
        return _restored, (config.base_url, config.allow_insecure, self.timeout, self.retry, self.wait_limits)

    def __deepcopy__(self, memo: dict[int, Any]) -> Session:
        """Copies of a client, an endpoint or a job share its connections."""
        return self

    def deadline(self, timeout: TimeoutOrDefault) -> Deadline:
        """The deadline of a call that starts now.

        Raises:
            InvalidRequestError: The timeout is not positive.
        """
        span = self.timeout if timeout is CLIENT_DEFAULT else parse_timeout(timeout)
        return Deadline.after(span, self.clock.now())

    def close(self) -> None:
        if self._owner:
            self.engine.close()
        self._closed = True

    def send(self, call: Call, deadline: Deadline) -> Response:
        """Carries out a call, with as many attempts as the retry table allows.

        Raises:
            RunpodError: No attempt got a good response.
        """
        submitted_at = self._submissions.submitted_at(call.endpoint_id, call.job_id, self.clock.now())
        attempts = Attempts(call, self.retry, deadline, submitted_at)
        while True:
            try:
                outcome = self._attempt(call, deadline)
            except ClientClosedError as error:
                # Closed between two attempts, of which the first may have been carried out.
                error.maybe_submitted = attempts.doubt is not None
                raise
            if isinstance(outcome, Response) and outcome.good:
                return outcome
            delay = attempts.next_delay(outcome, self.clock.now())
            logger.info("%s: %s; attempt %d follows in %.2f s", call, _said(outcome), attempts.number, delay)
            self.clock.sleep(delay)

    def submit(self, call: Call, deadline: Deadline) -> JobState[Any]:
        """Submits a job, and remembers when.

        Raises:
            RunpodError: It was not submitted, or `maybe_submitted` says that this is unknown.
        """
        state = read_job(self.send(call, deadline), call)
        self._submissions.add(call.endpoint_id, state.id, self.clock.now())
        # The id is the server's, and may hold what controls a terminal.
        logger.info("Job %s submitted to endpoint %s", readable(state.id), call.endpoint_id)
        return state

    def ask(
        self, operation: Operation, endpoint_id: str, job_id: str, timeout: TimeoutOrDefault
    ) -> JobState[Any]:
        """One call about a job, whose response is the state of the job.

        Raises:
            RunpodError: No attempt got a good response.
        """
        call = Call(operation, endpoint_id, job_id)
        deadline = self.deadline(timeout)
        if operation is STATUS:
            # It never waits for a permit, but the service counts it with the polls.
            self._limiters.of(endpoint_id, self.wait_limits).count(self.clock.now())
        return read_job(self.send(call, deadline), call)

    def poller(self, kind: type[PollerT], endpoint_id: str, job_id: str, deadline: Deadline, **options: Any) -> PollerT:
        """A machine that polls a job, ready to be driven."""
        now = self.clock.now()
        return kind(
            endpoint_id,
            job_id,
            deadline,
            now,
            submitted_at=self._submissions.submitted_at(endpoint_id, job_id, now),
            routes=self._routes,
            policy=self.retry,
            **options,
        )

    def wait(self, waiter: Waiter) -> JobState[Any]:
        """Drives a waiter to its end.

        Raises:
            RunpodError: The deadline passed, or the job cannot be polled.
        """
        while (poll := self.poll(waiter)) is not None:
            waiter.received(*poll, self.clock.now())
        state = waiter.state
        assert state is not None
        if state.completed and not state.succeeded:
            msg = "Job %s on endpoint %s ended with status %s"
            logger.warning(msg, readable(waiter.job_id), waiter.endpoint_id, state.status)
        return state

    def poll(self, poller: Poller) -> tuple[Call, Outcome] | None:
        """Drives a machine up to its next poll, and makes it. None when the machine is done.

        Raises:
            RunpodError: The machine ended with one.
        """
        limiter = self._limiters.of(poller.endpoint_id, self.wait_limits)
        wakeup = self.clock.wakeup()
        permit = Permit(wakeup)
        outcome: Outcome | None = None
        try:
            while True:
                now = self.clock.now()
                action = poller.next(now)
                if isinstance(action, Fail):
                    raise action.error
                if isinstance(action, Done):
                    return None
                if isinstance(action, Pause):
                    self.clock.sleep(action.seconds)
                elif (pause := limiter.acquire(permit, now)) > 0:
                    wakeup.wait(min(pause, poller.end() - now))
                else:
                    call = permit.shorten(action.call)
                    outcome = self._attempt(call, poller.deadline)
                    if not (isinstance(outcome, Response) and outcome.good):
                        logger.info("%s failed: %s", call, _said(outcome))
                    return call, outcome
        finally:
            limiter.release(permit, self.clock.now(), outcome)

    def _attempt(self, call: Call, deadline: Deadline) -> Outcome:
        if self._closed:
            raise closed_error(call)
        start = self.clock.now()
        outcome = self.engine.send(call, deadline, self.clock)
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s: %s after %.3f s", call, _said(outcome), self.clock.now() - start)
        return outcome


def _said(outcome: Outcome) -> str:
    return f"HTTP {outcome.status}" if isinstance(outcome, Response) else readable(outcome.reason)


# The engines of what was unpickled here, by address and key: many tasks of one process share their connections.
_engines: dict[tuple[str, str], Engine] = {}


def _restored(
    base_url: str, allow_insecure: bool, timeout: float | None, retry: RetryPolicy, wait_limits: WaitLimits
) -> Session:
    config = load_config(None, base_url, allow_insecure=allow_insecure)
    where = base_url, config.api_key.get_secret_value()
    engine = _engines.get(where) or _engines.setdefault(where, Engine(config, None))
    return Session(engine, timeout=timeout, retry=retry, wait_limits=wait_limits, owner=False)


def _checked(value: T, kind: type[T], name: str) -> T:
    if not isinstance(value, kind):
        msg = f"{name} must be a {kind.__name__}, not {type(value).__name__}."
        raise ConfigurationError(msg)
    return value
