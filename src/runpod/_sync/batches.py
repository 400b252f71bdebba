# Generated from src/runpod/_async/batches.py by scripts/generate_sync.py. Do not edit.

"""The batches of one endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from runpod._sync.batch import Batch
from runpod._sync.batch_calls import BatchCalls
from runpod._sync.batch_requests import MAX_REQUESTS, BatchRequests
from runpod._logging import logger
from runpod._protocol.batches import (
    CREATE_BATCH,
    LIST_BATCHES,
    BatchCall,
    array_body,
    check_key,
    check_name,
    parse_batch,
    parse_batches,
    with_batch,
)
from runpod._protocol.deadlines import CLIENT_DEFAULT
from runpod._protocol.operations import check_id
from runpod._text import readable
from runpod.errors import RunpodError
from runpod.models.batches import BatchState
from runpod.models.jobs import OutputT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from runpod._sync.session import Session
    from runpod._primitives import InputIterable
    from runpod._protocol.deadlines import ClientDefault, TimeoutOrDefault
    from runpod._protocol.decoding import OutputReader
    from runpod.models.requests import JobInput, JobRequest


class Batches(Generic[OutputT]):
    """The batches of an endpoint: `endpoint.batches`. Experimental: the service has its Batch API in beta.

    Example:
        >>> batch = endpoint.batches.create([{"prompt": "a horse"}, {"prompt": "a foal"}])
        >>> batch.finalize()
    """

    def __init__(self, session: Session, endpoint_id: str, read_output: OutputReader[OutputT]) -> None:
        self.endpoint_id = endpoint_id
        if session.retry.resubmit:
            # The count and the status of a batch say what a lost response would have said.
            retry = session.retry.model_copy(update={"resubmit": False})
            session = session.with_options(timeout=CLIENT_DEFAULT, retry=retry, limits=None)
        self._session = session
        self._read_output = read_output

    def create(
        self,
        inputs: InputIterable[JobInput | JobRequest],
        *,
        name: str | None = None,
        key: str | None = None,
        max_requests: int | None = MAX_REQUESTS,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> Batch[OutputT]:
        """Creates a draft with these inputs. `POST /batch`. Nothing runs before `batch.finalize()`.

        All inputs are checked before anything is sent. If they do not fit into one request of 10 MB, an
        empty draft is created, and they are added with several. No request that may have been executed
        is sent again, not even with `RetryPolicy(resubmit=True)`. If it fails after the draft was
        created, the draft remains: `error.batch_id` has its ID. A draft costs nothing.

        Args:
            inputs: An iterable of inputs (in async code, also an async one), as of `endpoint.map`. They
                are all kept in memory, but not the content of their files. The service does not say
                whether it regards a policy, a webhook or S3 settings, so a `JobRequest` with one is
                refused.
            name: A display name, which is set with a request of its own; see `batch.rename`.
            key: The field of each input that has a unique key of your own, a str or an int. If your
                handler returns it in its output, `batch.results()` gives it as `result.key`.
            max_requests: How many are accepted. The service allows 5,000 in a batch; if your account
                allows more, pass a higher number, or None for no limit.
            timeout: Seconds or timedelta for each request; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: An input is invalid, or there are too many. Nothing was sent.
            InputTooLargeError: An input is larger than `EndpointLimits.run_bytes`. Nothing was sent.
            RunpodError: The draft was not created, or lacks inputs or its name; the message says which.

        Example:
            >>> rows = [{"id": "a", "prompt": "a horse"}, {"id": "b", "prompt": "a foal"}]
            >>> batch = endpoint.batches.create(rows, name="horses", key="id")
            >>> print(batch.id)
        """
        name = None if name is None else check_name(name)
        key = None if key is None else check_key(key)
        keys = set[str | int]()
        requests = BatchRequests(self._session, key, keys)
        calls: BatchCalls | None = None
        try:
            self._session.check_open(BatchCall(CREATE_BATCH, self.endpoint_id))
            requests.read(inputs, room=max_requests)
            groups = requests.groups()
            first = groups[0] if len(groups) == 1 else range(0)
            calls = self._create(requests, first, timeout)
            calls.keys = keys
            requests.added(first)
            calls.append(requests, [] if first else groups, timeout)
            batch = Batch(calls, self._read_output, key=key)
            if name is not None:
                batch.rename(name, timeout=timeout)
        except RunpodError as error:
            error.message += requests.release()
            with_batch(error, None if calls is None else calls.state.id)
            raise
        except BaseException:
            if calls is not None:
                calls.interrupted(requests)
            elif left := requests.release():
                logger.warning("Creating a batch on endpoint %s was interrupted.%s", self.endpoint_id, left)
            raise
        requests.release()
        return batch

    def _create(self, requests: BatchRequests, group: range, timeout: TimeoutOrDefault) -> BatchCalls:
        call = BatchCall(CREATE_BATCH, self.endpoint_id, body=array_body(requests.encoded(group)))
        requests.sending(group)
        try:
            state = parse_batch(self._session.send(call, self._session.deadline(timeout)), call)
        except RunpodError as error:
            if not error.maybe_submitted:
                requests.refused(group)
            # An incomplete response can have the ID. If the batch has all the requests, nothing is missing.
            if not error.maybe_submitted or error.job_id is None:
                raise
            calls = self._calls(BatchState(id=error.job_id), is_new=True)
            if not calls.was_added(len(group), timeout):
                raise
            return calls
        logger.info("Batch %s created on endpoint %s", readable(state.id, 80), self.endpoint_id)
        state = state.model_copy(update={"request_total": len(group), "status": state.status or "DRAFT"})
        return self._calls(state, is_new=True)

    def _calls(self, state: BatchState, *, is_new: bool = False) -> BatchCalls:
        created_at = self._session.clock.now() if is_new else None
        return BatchCalls(self._session, self.endpoint_id, state, created_at)

    def get(self, batch_id: str, *, key: str | None = None) -> Batch[OutputT]:
        """Returns a handle for a known batch ID, without sending a request.

        Args:
            batch_id: The batch's ID.
            key: The field of each input that has your own key; see `create`.

        Raises:
            InvalidRequestError: The ID or the key is blank or not a str.

        Example:
            >>> batch = endpoint.batches.get("BATCH_ID")
            >>> batch.refresh()
        """
        calls = self._calls(BatchState(id=check_id(batch_id, "batch_id")))
        return Batch(calls, self._read_output, key=None if key is None else check_key(key))

    def list(
        self, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> Sequence[Batch[OutputT]]:
        """Lists the batches of the endpoint, newest first. `GET /batch`.

        Args:
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            RunpodError: The request failed; see `runpod.errors`.

        Example:
            >>> for batch in endpoint.batches.list():
            ...     print(batch.id, batch.status)
        """
        call = BatchCall(LIST_BATCHES, self.endpoint_id)
        response = self._session.send(call, self._session.deadline(timeout))
        return [Batch(self._calls(state), self._read_output) for state in parse_batches(response, call)]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(endpoint_id={self.endpoint_id!r})"
