"""The session: carries out what `runpod._protocol` decides, for every kind of call."""

from __future__ import annotations

import logging
import math
import random
from typing import TYPE_CHECKING, Any, TypeVar

from runpod._async.engine import AsyncEngine
from runpod._config import load_config
from runpod._logging import logger
from runpod._primitives import AsyncClock
from runpod._protocol.deadlines import Deadline, parse_timeout
from runpod._protocol.decoding import read_job
from runpod._protocol.failures import closed_error, in_doubt
from runpod._protocol.looking import Done, Looker, Pause, Routes
from runpod._protocol.operations import STATUS, Call, Operation
from runpod._protocol.outcomes import Answer, Trouble
from runpod._protocol.retrying import Fail, decide
from runpod._protocol.streaming import Streamer
from runpod._protocol.submissions import Submissions
from runpod._protocol.turns import Turn, TurnsByEndpoint
from runpod._protocol.waiting import Waiter
from runpod.errors import ClientClosedError, ConfigurationError
from runpod.models.jobs import readable
from runpod.models.limits import WaitLimits
from runpod.models.retry import RetryPolicy

if TYPE_CHECKING:
    from types import EllipsisType

    from runpod._protocol.deadlines import Timeout, TimeoutOrDefault
    from runpod.models.jobs import JobState

T = TypeVar("T")


class AsyncSession:
    """What the endpoints and jobs of one client share."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        timeout: float | None,
        retry: RetryPolicy,
        wait_limits: WaitLimits,
        clock: AsyncClock | None = None,
        owner: bool = True,
    ) -> None:
        self.engine = engine
        self.timeout = timeout
        self.retry: RetryPolicy = _checked(retry, RetryPolicy, "retry")
        self.wait_limits: WaitLimits = _checked(wait_limits, WaitLimits, "wait_limits")
        self.clock: AsyncClock = clock or AsyncClock()
        self._routes = Routes()
        self._submissions = Submissions()
        self._turns = TurnsByEndpoint()
        self._closed = False
        # Whether closing it closes the connections.
        self._owner = owner

    def with_options(
        self,
        *,
        timeout: TimeoutOrDefault,
        retry: RetryPolicy | EllipsisType,
        wait_limits: WaitLimits | EllipsisType,
    ) -> AsyncSession:
        """A session with other options over the same connections and the same knowledge."""
        other = AsyncSession(
            self.engine,
            timeout=self.timeout if timeout is ... else parse_timeout(timeout),
            retry=self.retry if retry is ... else retry,
            wait_limits=self.wait_limits if wait_limits is ... else wait_limits,
            clock=self.clock,
            owner=False,
        )
        other._routes = self._routes
        other._submissions = self._submissions
        other._turns = self._turns
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the settings, and never the key: that is read anew where they arrive."""
        config = self.engine.config
        if not self.engine.owned:
            msg = "A client with an http_client= of yours cannot be pickled: build it where it is used."
            raise TypeError(msg)
        return _restored, (config.base_url, config.allow_insecure, self.timeout, self.retry, self.wait_limits)

    def __deepcopy__(self, memo: dict[int, Any]) -> AsyncSession:
        """Copies of a client, an endpoint or a job share its connections."""
        return self

    def deadline(self, timeout: TimeoutOrDefault) -> Deadline:
        """When a call that starts now must be over.

        Raises:
            InvalidRequestError: The timeout is not one.
        """
        span = self.timeout if timeout is ... else parse_timeout(timeout)
        return Deadline.after(span, self.clock.now())

    async def aclose(self) -> None:
        if self._owner:
            await self.engine.aclose()
        self._closed = True

    async def send(self, call: Call, deadline: Deadline) -> Answer:
        """Carries out a call, as often as the retry table allows.

        Raises:
            RunpodError: No attempt got a good answer.
        """
        attempt = 1
        doubt: Answer | Trouble | None = None
        while True:
            try:
                outcome = await self._attempt(call, deadline)
            except ClientClosedError as error:
                # Closed between two attempts, of which the first may have been carried out.
                error.maybe_submitted = doubt is not None
                raise
            if isinstance(outcome, Answer) and outcome.good:
                return outcome
            now = self.clock.now()
            decision = decide(
                call,
                outcome,
                attempt=attempt,
                policy=self.retry,
                deadline=deadline,
                now=now,
                submitted_at=self._submissions.moment(call, now),
                jitter=random.random,
                doubt=doubt,
            )
            if isinstance(decision, Fail):
                raise decision.error
            assert decision is not None
            logger.debug("%s: attempt %d again in %.2f s", call, attempt + 1, decision.delay)
            await self.clock.sleep(decision.delay)
            attempt += 1
            if doubt is None and in_doubt(call, outcome):
                doubt = outcome

    async def submit(self, call: Call, deadline: Deadline) -> JobState[Any]:
        """Submits a job, and remembers when.

        Raises:
            RunpodError: It was not submitted, or `maybe_submitted` says that nobody knows.
        """
        state = read_job(await self.send(call, deadline), call)
        self._submissions.note(call.endpoint_id, state.id, self.clock.now())
        # The id is the server's, and may hold what steers a terminal.
        logger.info("Job %s submitted to endpoint %s", readable(state.id), call.endpoint_id)
        return state

    async def ask(self, operation: Operation, endpoint_id: str, job_id: str, deadline: Deadline) -> JobState[Any]:
        """One call about a job whose answer is the state of the job.

        Raises:
            RunpodError: No attempt got a good answer.
        """
        call = Call(operation, endpoint_id, job_id)
        if operation is STATUS:
            # Never behind those who wait, but the service counts it with their looks.
            self._turns.of(endpoint_id, self.wait_limits).count(self.clock.now())
        return read_job(await self.send(call, deadline), call)

    def waiter(
        self,
        endpoint_id: str,
        job_id: str,
        timeout: Timeout | Deadline,
        *,
        state: JobState[Any] | None = None,
        changes: bool = False,
        hold: float = math.inf,
    ) -> Waiter:
        """A machine that waits for a job, ready to be driven."""
        now = self.clock.now()
        return Waiter(
            endpoint_id,
            job_id,
            timeout if isinstance(timeout, Deadline) else self.deadline(timeout),
            now,
            state=state,
            submitted_at=self._submissions.moment_of(endpoint_id, job_id, now),
            routes=self._routes,
            policy=self.retry,
            changes=changes,
            until=now + hold,
        )

    def note_output(self, endpoint_id: str, state: JobState[Any]) -> None:
        """Says of a job that completed without an output that it did: None alone tells nothing."""
        if state.succeeded and not state.has_output:
            msg = (
                "Job %s on endpoint %s completed without output: there was none, or it was too large for the "
                "platform. What a handler yields comes by stream()"
            )
            logger.warning(msg, readable(state.id), endpoint_id)

    async def wait(self, waiter: Waiter) -> JobState[Any]:
        """Drives a waiter to its end.

        Raises:
            RunpodError: The deadline passed, or the job cannot be looked at.
        """
        while (look := await self.look(waiter)) is not None:
            waiter.received(*look, self.clock.now())
        assert waiter.state is not None
        if waiter.state.completed and not waiter.state.succeeded:
            logger.warning(
                "Job %s on endpoint %s ended %s",
                readable(waiter.job_id),
                waiter.endpoint_id,
                waiter.state.status,
            )
        return waiter.state

    def streamer(
        self, endpoint_id: str, job_id: str, timeout: Timeout, *, state: JobState[Any] | None = None
    ) -> Streamer:
        """A machine that streams a job, ready to be driven."""
        now = self.clock.now()
        return Streamer(
            endpoint_id,
            job_id,
            self.deadline(timeout),
            now,
            state=state,
            submitted_at=self._submissions.moment_of(endpoint_id, job_id, now),
            routes=self._routes,
            policy=self.retry,
        )

    async def look(self, looker: Looker) -> tuple[Call, Answer | Trouble] | None:
        """Carries a machine to its next look and through it; None when it is over.

        Raises:
            RunpodError: It ended with one.
        """
        turns = self._turns.of(looker.endpoint_id, self.wait_limits)
        bell = self.clock.bell()
        turn = Turn(bell)
        outcome: Answer | Trouble | None = None
        try:
            while True:
                now = self.clock.now()
                action = looker.next(now)
                if isinstance(action, Fail):
                    raise action.error
                if isinstance(action, Done):
                    return None
                if isinstance(action, Pause):
                    await self.clock.sleep(action.seconds)
                elif (pause := turns.ask(turn, now)) > 0:
                    await bell.wait(min(pause, looker.end() - now))
                else:
                    call = turn.shorten(action.call)
                    outcome = await self._attempt(call, looker.deadline)
                    return call, outcome
        finally:
            turns.leave(turn, self.clock.now(), outcome)

    async def _attempt(self, call: Call, deadline: Deadline) -> Answer | Trouble:
        if self._closed:
            raise closed_error(call)
        start = self.clock.now()
        try:
            outcome: Answer | Trouble = await self.engine.send(call, deadline, self.clock)
        except Trouble as trouble:
            # An outcome is kept for a while; the frames it came through need not be.
            outcome = trouble.with_traceback(None)
        if logger.isEnabledFor(logging.DEBUG):
            said = outcome.status if isinstance(outcome, Answer) else type(outcome).__name__
            logger.debug("%s: %s after %.3f s", call, said, self.clock.now() - start)
        return outcome


# The engines of what was unpickled here, by address and key: many tasks of one process share their connections.
_engines: dict[tuple[str, str], AsyncEngine] = {}


def _restored(
    base_url: str, allow_insecure: bool, timeout: float | None, retry: RetryPolicy, wait_limits: WaitLimits
) -> AsyncSession:
    config = load_config(None, base_url, allow_insecure=allow_insecure)
    where = base_url, config.api_key.get_secret_value()
    engine = _engines.get(where) or _engines.setdefault(where, AsyncEngine(config, None))
    return AsyncSession(engine, timeout=timeout, retry=retry, wait_limits=wait_limits, owner=False)


def _checked(value: T, kind: type[T], name: str) -> T:
    if not isinstance(value, kind):
        msg = f"{name} must be a {kind.__name__}, not {type(value).__name__}."
        raise ConfigurationError(msg)
    return value
