# Generated from src/runpod/_async/batch_requests.py by scripts/generate_sync.py. Do not edit.

"""The requests that one call adds to a batch: all of them are checked before anything is sent."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runpod._sync.submission import SubmissionFiles
from runpod._primitives import in_thread
from runpod._protocol.batches import OVERHEAD, groups
from runpod._protocol.encoding import submission
from runpod._protocol.request_body import batch_limit
from runpod._protocol.run_arguments import check_inputs
from runpod._workers import Inputs
from runpod.errors import InvalidRequestError, RunpodError
from runpod.models.requests import JobRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runpod._sync.session import Session
    from runpod._protocol.request_body import RequestBody

MAX_REQUESTS: int = 5000
"""The service's limit of requests in one batch (docs.runpod.io, "Batch jobs")."""


@dataclass
class _Request:
    body: RequestBody
    size: int
    key: str | int | None
    files: SubmissionFiles | None = None


class BatchRequests:
    """The requests of one call.

    Args:
        session: The session of the endpoint.
        key: The field of each input that has the caller's key, or None.
        known_keys: The keys of the requests that the batch has; the new ones are added to them.

    Attributes:
        begun: Whether some were sent.
    """

    def __init__(self, session: Session, key: str | None, known_keys: set[str | int]) -> None:
        self._session = session
        self._key = key
        self._known_keys = known_keys
        self._limit = batch_limit(session.limits, OVERHEAD)
        self._requests: list[_Request] = []
        self._stop = threading.Event()
        self.begun: bool = False

    def __len__(self) -> int:
        return len(self._requests)

    def read(self, inputs: Any, *, room: int | None) -> None:
        """Takes and checks all inputs, then uploads their large files.

        Args:
            inputs: The inputs.
            room: How many are accepted, or None.

        Raises:
            InvalidRequestError: There are too many, or one is invalid.
            InputTooLargeError: One is too large.
            RunpodError: A file was not uploaded.
        """
        check_inputs(inputs, accepts_async=Inputs.ACCEPTS_ASYNC)
        # With the positions of the inputs.
        keys = dict[str | int, int]()
        for given in Inputs(inputs):
            if room is not None and len(self._requests) >= room:
                raise _too_many(room)
            try:
                body = _encoded(given)
                key = self._key_in(body, keys)
                self._requests.append(_Request(body, self._size(body), key))
            except RunpodError as error:
                self._name_input(error, len(self._requests))
                raise
        self._upload()

    def _size(self, body: RequestBody) -> int:
        uploads = self._session.uploads
        if body.files and uploads is not None:
            in_thread(body.to_upload, self._limit, uploads.threshold)
            return 0  # known once they are uploaded
        return body.checked_size(self._limit)

    def _upload(self) -> None:
        uploads = self._session.uploads
        if uploads is None:
            return
        for index, request in enumerate(self._requests):
            if request.body.files:
                request.files = SubmissionFiles(uploads, self._stop)
                try:
                    request.size = len(request.files.encode(request.body, self._limit))
                except RunpodError as error:
                    self._name_input(error, index)
                    raise

    def _key_in(self, body: RequestBody, keys: dict[str | int, int]) -> str | int | None:
        if self._key is None:
            return None
        key = body.input.get(self._key)
        if isinstance(key, bool) or not isinstance(key, (str, int)):
            what = "is missing" if self._key not in body.input else "must be a str or an int"
            msg = f"input[{self._key!r}] {what}: it is the key that tells the results of the batch apart."
            raise InvalidRequestError(msg)
        if key in keys or key in self._known_keys:
            # Not the key itself: inputs do not belong into messages.
            other = f"input {keys[key]}" if key in keys else "a request that was added before"
            msg = f"input[{self._key!r}] is the same as that of {other}. Keys must be unique."
            raise InvalidRequestError(msg)
        keys[key] = len(self._requests)
        return key

    def _name_input(self, error: RunpodError, index: int) -> None:
        error.message = f"Input {index}: {error.message}"

    def groups(self) -> list[range]:
        """The positions of the requests of each call."""
        return groups([request.size for request in self._requests], self._session.limits.run_bytes)

    def encoded(self, group: Sequence[int]) -> list[bytes]:
        """The bodies of some requests. Reads their files, which are then in memory.

        Raises:
            InvalidRequestError: A file is gone, has changed or cannot be read.
        """
        found = list[bytes]()
        for index in group:
            request = self._requests[index]
            try:
                if request.files is not None:
                    found.append(request.files.encode(request.body, self._limit))
                elif request.body.files:
                    found.append(in_thread(request.body.content, self._limit))
                else:
                    found.append(request.body.content())
            except RunpodError as error:
                self._name_input(error, index)
                raise
        return found

    def sending(self, group: Sequence[int]) -> None:
        """Called before some requests are sent: their uploaded files may be used from now on."""
        self.begun = True
        self._may_be_used(group, True)

    def refused(self, group: Sequence[int]) -> None:
        """Called when some requests were not added, and will not be."""
        self._may_be_used(group, False)

    def _may_be_used(self, group: Sequence[int], value: bool) -> None:
        for index in group:
            files = self._requests[index].files
            if files is not None:
                files.may_be_used = value

    def added(self, group: Sequence[int]) -> None:
        """Called when some requests were added to the batch."""
        self._known_keys.update(key for index in group if (key := self._requests[index].key) is not None)

    def release(self) -> str:
        """Ends the use of uploaded files. Returns a sentence that names those that could not be removed, or nothing."""
        left = ""
        for request in self._requests:
            if request.files is not None:
                left += request.files.release()
        return left


def _encoded(given: Any) -> RequestBody:
    request = given if isinstance(given, JobRequest) else JobRequest(input=given)
    names = "policy", "webhook", "webhook_v2", "s3_config"
    extra = [name for name in names if getattr(request, name) is not None]
    if extra:
        # Without a policy, a job can run for longer, and cost more, than its caller expects.
        msg = (
            f"{extra[0]} cannot be used in a batch: it is undocumented whether the service regards it, and it would be "
            "ignored silently. Set it for the endpoint, or use endpoint.map."
        )
        raise InvalidRequestError(msg)
    try:
        return submission(request)
    except RunpodError:
        raise
    except Exception as error:  # what a mapping of the caller raises
        msg = f"The input cannot be encoded: it raised {type(error).__name__}: {error}."
        raise InvalidRequestError(msg) from error


def _too_many(room: int) -> InvalidRequestError:
    return InvalidRequestError(
        f"There are more inputs than the batch has room for: {room:,}. Nothing was sent. A batch has at most "
        f"{MAX_REQUESTS:,} requests: create several. If your account allows more, pass a higher max_requests."
    )
