"""The requests of one upload: retried, and stopped on request."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any

from runpod._logging import logger
from runpod._uploads.failures import (
    UnexpectedResponseError,
    UploadStoppedError,
    code_of,
    is_transient,
    is_unsent,
    status_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runpod._uploads.s3 import S3Client

ATTEMPTS = 5
# Runpod recommends at least ten for its network volumes, which respond 502 at times.
VOLUME_ATTEMPTS = 11
# Connections lost after which an upload that failed, perhaps for the same reason, is not removed.
LOST_CLEANUPS = 3

# In seconds.
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0


class PatientClient:
    """A client for s3transfer and for one object.

    Args:
        client: The client of boto3, which makes one attempt.
        attempts: How often a request is sent at most.
        halt: Ends the upload: attempts under way fail, and no more begin.
        size: The size of the file, in bytes.
    """

    def __init__(self, client: S3Client, attempts: int, halt: threading.Event, size: int) -> None:
        self._client = client
        self._attempts = attempts
        self._halt = halt
        self._size = size
        # Whether the object may exist though the upload failed.
        self.maybe_stored = False
        # Whether parts may remain.
        self.parts_left = False

    @property
    def meta(self) -> Any:
        """For s3transfer, which registers event handlers."""
        return self._client.meta

    def put_object(self, **arguments: Any) -> dict[str, Any]:
        try:
            response = self._send(self._client.put_object, arguments, "ETag")
        except Exception as error:
            self.maybe_stored = not is_unsent(error)
            raise
        self.maybe_stored = True
        return response

    def create_multipart_upload(self, **arguments: Any) -> dict[str, Any]:
        return self._send(self._client.create_multipart_upload, arguments, "UploadId")

    def upload_part(self, **arguments: Any) -> dict[str, Any]:
        return self._send(self._client.upload_part, arguments, "ETag")

    def complete_multipart_upload(self, **arguments: Any) -> dict[str, Any]:
        """Completes the upload.

        The response can be lost, or a gateway can give up (524) while the server assembles a large file; after that, a
        further attempt gets NoSuchUpload. So after each failure, it checks whether the object is complete.
        """
        self.maybe_stored = True
        for pause in self._pauses(self._attempts):
            try:
                response = self._client.complete_multipart_upload(**arguments)
            except Exception as error:
                self.check()
                lost = is_transient(error) or code_of(error) == "NoSuchUpload"
                if lost and self._is_complete(arguments["Bucket"], arguments["Key"]):
                    return {}
                if not lost or pause is None:
                    self.maybe_stored = not is_unsent(error) or lost
                    raise
                self._wait(pause, error)
                continue
            if "ETag" not in response and not self._is_complete(arguments["Bucket"], arguments["Key"]):
                raise UnexpectedResponseError
            return response
        raise AssertionError

    def abort_multipart_upload(self, **arguments: Any) -> dict[str, Any]:
        """Removes the parts, also after a halt. s3transfer ignores errors."""
        try:
            return self._clean_up(self._client.abort_multipart_upload, arguments)
        except Exception as error:
            self.parts_left = code_of(error) != "NoSuchUpload"
            raise

    def remove(self, bucket: str, key: str) -> None:
        """Deletes the object, also after a halt."""
        self._clean_up(self._client.delete_object, {"Bucket": bucket, "Key": key})

    def check(self) -> None:
        """Raises UploadStoppedError after a halt."""
        if self._halt.is_set():
            raise UploadStoppedError("The upload was stopped.")

    def _is_complete(self, bucket: str, key: str) -> bool:
        try:
            response = self._send(self._client.head_object, {"Bucket": bucket, "Key": key}, "ContentLength")
        except UploadStoppedError:
            raise
        except Exception:  # noqa: BLE001 - then it is unknown; the error of the completion is raised
            return False
        size: int = response["ContentLength"]
        return size == self._size

    def _send(self, method: Callable[..., dict[str, Any]], arguments: dict[str, Any], expected: str) -> dict[str, Any]:
        body = arguments.get("Body")
        for pause in self._pauses(self._attempts):
            self.check()
            try:
                response = method(**arguments)
            except Exception as error:
                self.check()
                if pause is None or not is_transient(error):
                    raise
                self._wait(pause, error)
                if body is not None:
                    body.seek(0)
                continue
            if expected not in response:
                raise UnexpectedResponseError
            return response
        raise AssertionError

    def _clean_up(self, method: Callable[..., dict[str, Any]], arguments: dict[str, Any]) -> dict[str, Any]:
        lost = 0
        for pause in self._pauses(self._attempts):
            try:
                return method(**arguments)
            except Exception as error:
                lost += not status_of(error)
                if pause is None or not is_transient(error) or lost == LOST_CLEANUPS:
                    raise
                # Not `_halt`: it is set.
                threading.Event().wait(pause)
        raise AssertionError

    def _wait(self, pause: float, error: Exception) -> None:
        logger.debug("retrying a request to the bucket after %s %s", type(error).__name__, status_of(error) or "")
        self._halt.wait(pause)
        self.check()

    def _pauses(self, attempts: int) -> Iterator[float | None]:
        """The pause after each attempt, in seconds; None after the last one."""
        for attempt in range(attempts - 1):
            # Jitter: the parts of a file fail together.
            yield min(FIRST_PAUSE * 2**attempt, LONGEST_PAUSE) * random.uniform(0.5, 1)  # noqa: S311 - not a secret
        yield None
