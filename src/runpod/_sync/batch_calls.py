# Generated from src/runpod/_async/batch_calls.py by scripts/generate_sync.py. Do not edit.

"""The calls to one batch, and what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpod._logging import logger
from runpod._primitives import connection_key, lock
from runpod._protocol.batches import (
    ADD_REQUESTS,
    GET_BATCH,
    BatchCall,
    merged,
    object_body,
    parse_batch,
    update_of,
    with_batch,
)
from runpod._protocol.submissions import GRACE
from runpod._text import readable
from runpod.errors import NotFoundError, RunpodError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from runpod._sync.batch_requests import BatchRequests
    from runpod._sync.session import Session
    from runpod._protocol.deadlines import Deadline, TimeoutOrDefault
    from runpod._protocol.operations import Operation
    from runpod._protocol.outcomes import Response
    from runpod.models.batches import BatchState

# The least pause after a 404 for a batch that was just created, in seconds.
_RECENT_PAUSE = 0.5


class BatchCalls:
    """Makes the calls to a batch.

    Args:
        session: The session of the endpoint.
        endpoint_id: The endpoint's ID.
        state: The last known state.
        created_at: When the batch was created here, on the monotonic clock; None if it was not.

    Attributes:
        keys: The keys of the inputs that were added here.
    """

    def __init__(
        self, session: Session, endpoint_id: str, state: BatchState, created_at: float | None = None
    ) -> None:
        self.session = session
        self.endpoint_id = endpoint_id
        self.state: BatchState = state
        self.keys: set[str | int] = set()
        self._created_at = created_at
        self._locks: dict[Any, AbstractContextManager[Any]] = {}
        # Whether requests of an earlier call may still arrive.
        self._in_doubt = False

    def __getstate__(self) -> dict[str, Any]:
        # Another process has another monotonic clock.
        return {**vars(self), "_locks": {}, "_created_at": None}

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Held by a call that continues what the one before it did: tasks or threads make them one after another."""
        # That of another event loop cannot be used, and after a fork, nobody would release that of the parent.
        return self._locks.setdefault(connection_key(), lock())

    def new(self, operation: Operation, *, body: bytes | None = None, request_id: str | None = None) -> BatchCall:
        """A call."""
        return BatchCall(operation, self.endpoint_id, body=body, batch_id=self.state.id, request_id=request_id)

    def send(self, call: BatchCall, deadline: Deadline) -> Response:
        """Makes a call. For a batch that was just created, a 404 is not an answer yet: it says that nothing was done."""
        clock = self.session.clock
        while True:
            try:
                return self.session.send(call, deadline)
            except NotFoundError:
                now = clock.now()
                is_recent = self._created_at is not None and 0 <= now - self._created_at < GRACE
                if not is_recent or call.request_id is not None or deadline.remaining(now) <= _RECENT_PAUSE:
                    raise
            clock.sleep(_RECENT_PAUSE)

    def fetch(self, deadline: Deadline) -> BatchState:
        """Fetches the state.

        Raises:
            RunpodError: The request failed.
        """
        call = self.new(GET_BATCH)
        try:
            state = parse_batch(self.send(call, deadline), call)
        except RunpodError as error:
            with_batch(error, self.state.id)
            raise
        self.state = merged(self.state, state)
        return self.state

    def try_fetch(self, timeout: TimeoutOrDefault) -> BatchState | None:
        """Fetches the state. None if that failed."""
        try:
            return self.fetch(self.session.deadline(timeout))
        except RunpodError:
            return None

    def change(self, call: BatchCall, timeout: TimeoutOrDefault) -> None:
        """Makes a call whose response is undocumented, and takes from it what it has of the state.

        Raises:
            RunpodError: The request failed, or its response was lost.
        """
        try:
            response = self.send(call, self.session.deadline(timeout))
            self.state = update_of(response, call, self.state)
        except RunpodError as error:
            with_batch(error, self.state.id)
            raise

    def append(self, requests: BatchRequests, groups: list[range], timeout: TimeoutOrDefault) -> None:
        """Adds requests, in one call for each group.

        Raises:
            RunpodError: Not all were added, or that is unknown.
        """
        for group in groups:
            try:
                with self.lock:
                    self._append(requests, group, timeout)
            except RunpodError as error:
                added, count = group.start, len(requests)
                if count > len(group):
                    error.message += f" {added:,} of {count:,} inputs were added before."
                raise

    def _append(self, requests: BatchRequests, group: range, timeout: TimeoutOrDefault) -> None:
        before = self.state.request_total
        after = None if before is None else before + len(group)
        call = self.new(ADD_REQUESTS, body=object_body(requests.encoded(group)))
        requests.sending(group)
        try:
            self.change(call, timeout)
        except RunpodError as error:
            if not error.maybe_submitted:
                requests.refused(group)
                raise
            if not self.was_added(after, timeout):
                self._doubt()
                raise
        requests.added(group)
        self.state = self.state.model_copy(update={"request_total": after})

    def _doubt(self) -> None:
        """Called when requests may still arrive: the count is unknown, and says nothing about later ones."""
        self._in_doubt = True
        self.state = self.state.model_copy(update={"request_total": None})

    def was_added(self, expected: int | None, timeout: TimeoutOrDefault) -> bool:
        """Whether the requests were added whose response was lost: only then the count is the expected one.

        An unchanged count says nothing: the request may still arrive.
        """
        if expected is None or self._in_doubt:
            return False
        found = self.try_fetch(timeout)
        return found is not None and found.request_total == expected

    def interrupted(self, requests: BatchRequests) -> None:
        """Releases the files of requests, and logs what is left, if any were sent."""
        if requests.begun:
            self._doubt()
        rest = requests.release()
        if requests.begun:
            msg = "Adding requests to batch %s on endpoint %s was interrupted; it is a draft, and runs nothing%s"
            logger.warning(msg, readable(self.state.id, 80), self.endpoint_id, rest and f".{rest}")
