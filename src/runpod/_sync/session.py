# Generated from src/runpod/_async/session.py by scripts/generate_sync.py. Do not edit.

"""The session: retries, polling and submission, driven by `runpod._protocol`."""

from __future__ import annotations

import logging
import math
import weakref
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, TypeVar

from runpod import _observer
from runpod._sync.engine import Engine
from runpod._sync.open_response import OpenResponse
from runpod._base_errors import ClientClosedError, ConfigurationError
from runpod._config import load_config
from runpod._logging import JobFate, logger
from runpod._primitives import Clock
from runpod._protocol.address_hints import with_address_hint
from runpod._protocol.deadlines import CLIENT_DEFAULT, Deadline, parse_timeout
from runpod._protocol.decoding import parse_job
from runpod._protocol.failures import closed_error, with_failed_job, without_secrets
from runpod._protocol.limiter import Permit
from runpod._protocol.operations import STATUS, Call, Operation
from runpod._protocol.outcomes import DeadlineExceeded, Response
from runpod._protocol.polling import Done, Fail, Pause, Routes
from runpod._protocol.rate_limits import Limiters
from runpod._protocol.retries import Attempts
from runpod._protocol.streamer import Streamer
from runpod._protocol.submissions import RecentSubmissions
from runpod._protocol.waiter import Waiter
from runpod._text import readable
from runpod.errors import NotFoundError
from runpod.models.limits import EndpointLimits
from runpod.models.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import SecretStr

    from runpod._base_errors import RunpodError
    from runpod._observer import Submission
    from runpod._protocol.deadlines import TimeoutOrDefault
    from runpod._protocol.outcomes import Outcome
    from runpod._protocol.polling import Poller
    from runpod.media.file_store import FileStore
    from runpod.models.jobs import JobState

T = TypeVar("T")


class Run(Protocol):
    """A run of many jobs, or what reads logs, which is closed with its client."""

    session: Session

    def fail(self, error: RunpodError) -> None: ...

    def close(self) -> None: ...


class _PollerOptions(TypedDict):
    """Arguments of every `Poller`."""

    now: float
    submitted_at: float | None
    routes: Routes
    policy: RetryPolicy


class Session:
    """State shared by the endpoints and jobs of one client."""

    def __init__(
        self,
        engine: Engine,
        *,
        timeout: float | None,
        retry: RetryPolicy,
        limits: EndpointLimits,
        uploads: FileStore | None = None,
        owner: bool = True,
    ) -> None:
        self.engine = engine
        self.timeout = timeout
        self.retry: RetryPolicy = _checked(retry, RetryPolicy, "retry")
        self.limits: EndpointLimits = _checked(limits, EndpointLimits, "limits")
        self.uploads: FileStore | None = _checked_uploads(uploads)
        self.clock: Clock = Clock()
        self._routes = Routes()
        self._submissions = RecentSubmissions()
        self._limiters = Limiters()
        # The numbers of workers, minimum and maximum, of endpoints that were paused.
        self.paused: dict[str, tuple[int, int]] = {}
        # Unfinished runs of many jobs, and open logs.
        self.runs: weakref.WeakSet[Run] = weakref.WeakSet()
        self._closed = False
        # Whether closing it closes the connections.
        self._owner = owner

    def with_options(
        self, *, timeout: TimeoutOrDefault, retry: RetryPolicy | None, limits: EndpointLimits | None
    ) -> Session:
        """Returns a session with other options that shares the connections and all other state.

        Raises:
            ConfigurationError: An option is invalid.
        """
        other = object.__new__(Session)
        vars(other).update(vars(self), _owner=False)
        if timeout is not CLIENT_DEFAULT:
            other.timeout = parse_timeout(timeout, ConfigurationError)
        if retry is not None:
            other.retry = _checked(retry, RetryPolicy, "retry")
        if limits is not None:
            other.limits = _checked(limits, EndpointLimits, "limits")
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the settings without the API key, which is loaded again when unpickled."""
        config = self.engine.config
        if not self.engine.owned:
            msg = "A client with a custom http_client cannot be pickled. Create it in the process that uses it."
            raise TypeError(msg)
        addresses = config.base_url, config.management_url, config.load_balancer_url
        settings = addresses, config.profile, config.allow_insecure
        return _unpickled, (*settings, self.timeout, self.retry, self.limits, self.uploads)

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
        runs = [run for run in self.runs if self._owner or run.session is self]
        for run in runs:
            run.fail(ClientClosedError("The client was closed before the run ended.", maybe_submitted=False))
        for run in runs:
            run.close()
        if self._owner:
            self.engine.close()
        self._closed = True

    def send(self, call: Call, deadline: Deadline) -> Response:
        """Makes a call, with retries.

        Raises:
            RunpodError: No attempt succeeded.
        """
        submitted_at = self._submissions.submitted_at(call.endpoint_id, call.job_id, self.clock.now())
        attempts = Attempts(call, self.retry, deadline, submitted_at)
        while True:
            response = self._try(attempts)
            if isinstance(response, Response):
                return response
            self.clock.sleep(response)

    def try_submit(
        self,
        attempts: Attempts,
        before: Callable[[], None] | None = None,
        check: Callable[[], None] | None = None,
    ) -> JobState[Any] | float:
        """Makes one attempt to submit a job, and records its submission time.

        Args:
            attempts: The attempts so far.
            before: Called once the attempt is within the rate limits, just before it is sent.
            check: Called at least once per second until then. It can raise an error.

        Returns:
            The state of the job, or the delay before the next attempt, in seconds.

        Raises:
            RunpodError: The job was not submitted, or `maybe_submitted` is True.
        """
        response = self._try(attempts, before, check)
        return self._submitted(attempts.call, response) if isinstance(response, Response) else response

    def _try(
        self,
        attempts: Attempts,
        before: Callable[[], None] | None = None,
        check: Callable[[], None] | None = None,
    ) -> Response | float:
        """Makes one attempt. Returns the response, or the delay before the next attempt."""
        call = attempts.call
        try:
            outcome = self._limited_attempt(attempts, before, check)
        except ClientClosedError as error:
            # Closed between two attempts; the first one may have been executed.
            error.maybe_submitted = attempts.doubt is not None
            raise
        if isinstance(outcome, Response) and attempts.succeeded(outcome):
            return outcome
        delay = attempts.next_delay(outcome, self.clock.now())
        logger.info("Retrying %s in %.2f s (attempt %d): %s", call, delay, attempts.number, _describe(outcome))
        return delay

    def _submitted(self, call: Call, response: Response) -> JobState[Any]:
        state = parse_job(response, call)
        self._submissions.add(call.endpoint_id, state.id, self.clock.now())
        # IDs from the server may contain terminal control characters.
        logger.info("Job %s submitted to endpoint %s", readable(state.id), call.endpoint_id)
        return state

    def request_state(
        self, operation: Operation, endpoint_id: str, job_id: str, deadline: Deadline
    ) -> JobState[Any]:
        """Makes a call whose response is the state of the job.

        Raises:
            RunpodError: No attempt succeeded.
        """
        call = Call(operation, endpoint_id, job_id)
        if operation is STATUS:
            # It needs no permit, but counts towards the rate limit of the service.
            self._limiters.polls(endpoint_id, self.limits).count_unpermitted(self.clock.now())
        try:
            response = self.send(call, deadline)
        except NotFoundError as error:
            _observer.lost(endpoint_id, job_id, error)
            raise
        return parse_job(response, call)

    def waiter(
        self,
        endpoint_id: str,
        job_id: str,
        deadline: Deadline,
        *,
        state: JobState[Any] | None = None,
        changes: bool = False,
        until: float = math.inf,
    ) -> Waiter:
        """Creates the poller that waits for a job; see `Waiter`."""
        options = self._poller_options(endpoint_id, job_id)
        return Waiter(endpoint_id, job_id, deadline, state=state, changes=changes, until=until, **options)

    def streamer(
        self, endpoint_id: str, job_id: str, deadline: Deadline, *, state: JobState[Any] | None = None
    ) -> Streamer:
        """Creates the poller that streams a job; see `Streamer`."""
        return Streamer(endpoint_id, job_id, deadline, state=state, **self._poller_options(endpoint_id, job_id))

    def _poller_options(self, endpoint_id: str, job_id: str) -> _PollerOptions:
        now = self.clock.now()
        submitted_at = self._submissions.submitted_at(endpoint_id, job_id, now)
        return {"now": now, "submitted_at": submitted_at, "routes": self._routes, "policy": self.retry}

    def wait(self, waiter: Waiter) -> JobState[Any]:
        """Polls until a waiter is done.

        Raises:
            RunpodError: The deadline passed, or the job cannot be polled.
        """
        while (poll := self.poll(waiter)) is not None:
            waiter.received(*poll, self.clock.now())
        return self.waited(waiter)

    def waited(self, waiter: Waiter) -> JobState[Any]:
        """The state for which a waiter waited. Logs jobs that did not succeed."""
        state = waiter.state
        assert state is not None
        if state.completed and not state.succeeded:
            msg = "Job %s on endpoint %s ended with status %s"
            extra = JobFate(waiter.job_id, "returned").as_extra()
            logger.warning(msg, readable(waiter.job_id), waiter.endpoint_id, state.status, extra=extra)
        return state

    def poll(self, poller: Poller) -> tuple[Call, Outcome] | None:
        """Makes the next poll. Returns None if the poller is done.

        Raises:
            RunpodError: The poller failed.
        """
        limiter = self._limiters.polls(poller.endpoint_id, self.limits)
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
                    if not (isinstance(outcome, Response) and outcome.is_success):
                        logger.info("%s failed: %s", call, _describe(outcome))
                    return call, outcome
        finally:
            limiter.release(permit, self.clock.now(), outcome)

    def _limited_attempt(
        self,
        attempts: Attempts,
        before: Callable[[], None] | None,
        check: Callable[[], None] | None,
    ) -> Outcome:
        """Makes an attempt once it is within the rate limits of its operation, if any."""
        call, deadline = attempts.call, attempts.deadline
        limiter = self._limiters.requests(call.operation, call.endpoint_id, self.limits)
        if limiter is None:
            if before is not None:
                before()
            return self._attempt(call, deadline, attempts.observed)
        wakeup = self.clock.wakeup()
        permit = Permit(wakeup)
        outcome: Outcome | None = None
        try:
            while (pause := limiter.acquire(permit, now := self.clock.now())) > 0:
                if deadline.passed(now):
                    return DeadlineExceeded("it waited for the rate limit of the endpoint", sent=False)
                if check is not None:
                    check()
                    pause = min(pause, 1.0)
                wakeup.wait(min(pause, deadline.remaining(now)))
            if before is not None:
                before()
            outcome = self._attempt(call, deadline, attempts.observed)
            return outcome
        finally:
            limiter.release(permit, self.clock.now(), outcome)

    def check_open(self, call: Call) -> None:
        """Checks that requests can be sent.

        Raises:
            ClientClosedError: The client is closed.
        """
        if self._closed:
            raise closed_error(call)
        self.engine.check_open(call)

    def _attempt(self, call: Call, deadline: Deadline, observed: Submission | None = None) -> Outcome:
        if self._closed:
            raise closed_error(call)
        start = self.clock.now()
        with _observer.sending(observed):
            outcome = self.engine.send(call, deadline, self.clock)
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s: %s after %.3f s", call, _describe(outcome), self.clock.now() - start)
        outcome = with_address_hint(call, outcome, self.engine.config)
        return with_failed_job(call, without_secrets(call, outcome))

    def open(self, call: Call, headers: Mapping[str, str], deadline: Deadline) -> Outcome | OpenResponse:
        """Makes one attempt of a call whose response is read as it comes; see `Engine.open`."""
        if self._closed:
            raise closed_error(call)
        opened = self.engine.open(call, headers, deadline, self.clock)
        if isinstance(opened, OpenResponse):
            logger.debug("%s: open", call)
            return opened
        logger.debug("%s: %s", call, _describe(opened))
        return with_address_hint(call, opened, self.engine.config)


def _describe(outcome: Outcome) -> str:
    return f"HTTP {outcome.status}" if isinstance(outcome, Response) else readable(outcome.reason)


# Engines of unpickled sessions by addresses, profile and API key, so that the tasks of one process share connections.
_engines: dict[tuple[tuple[str, str, str], str | None, SecretStr], Engine] = {}


def _unpickled(
    addresses: tuple[str, str, str],
    profile: str | None,
    allow_insecure: bool,
    timeout: float | None,
    retry: RetryPolicy,
    limits: EndpointLimits,
    uploads: FileStore | None,
) -> Session:
    base_url, management_url, load_balancer_url = addresses
    config = load_config(
        None,
        base_url,
        profile,
        management_url=management_url,
        load_balancer_url=load_balancer_url,
        allow_insecure=allow_insecure,
    )
    key = addresses, profile, config.api_key
    engine = _engines.get(key) or _engines.setdefault(key, Engine(config, None))
    return Session(engine, timeout=timeout, retry=retry, limits=limits, uploads=uploads, owner=False)


def _checked_uploads(value: FileStore | None) -> FileStore | None:
    """Checks that the methods are there: the first large file would be too late."""
    threshold = getattr(value, "threshold", None)
    is_store = callable(getattr(value, "acquire", None)) and callable(getattr(value, "release", None))
    if value is None or (is_store and isinstance(threshold, int)):
        return value
    msg = f"uploads must be an S3Uploads, or have what runpod.media.FileStore describes, not {type(value).__name__}."
    raise ConfigurationError(msg)


def _checked(value: T, kind: type[T], name: str) -> T:
    if not isinstance(value, kind):
        msg = f"{name} must be a {kind.__name__}, not {type(value).__name__}."
        raise ConfigurationError(msg)
    return value
