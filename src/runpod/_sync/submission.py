# Generated from src/runpod/_async/submission.py by scripts/generate_sync.py. Do not edit.

"""The submission of one job, and the files in its input."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runpod import _observer
from runpod._logging import logger
from runpod._primitives import in_stoppable_thread, in_thread, shield
from runpod._protocol.request_body import body_limit
from runpod._protocol.retries import Attempts
from runpod._text import readable
from runpod.errors import RunpodError
from runpod.models.jobs import JobState

if TYPE_CHECKING:
    from runpod._sync.session import Session
    from runpod._protocol.deadlines import Deadline, TimeoutOrDefault
    from runpod._protocol.operations import Call
    from runpod._protocol.request_body import BodyLimit, RequestBody
    from runpod.media.file import File
    from runpod.media.file_store import FileStore


def submit(
    session: Session, call: Call, body: RequestBody, timeout: TimeoutOrDefault
) -> tuple[JobState[Any], Deadline]:
    """Submits a job. Returns its state, and the deadline of the call.

    Raises:
        RunpodError: The job was not submitted, or `maybe_submitted` is True.
    """
    limit = body_limit(call.operation, session.limits)
    deadline = session.deadline(timeout)
    if not body.files:
        return _send(session, replace(call, body=body.content(limit)), deadline), deadline
    # Before an upload.
    session.check_open(call)
    files = SubmissionFiles(session.uploads, threading.Event())
    try:
        content = files.encode(body, limit)
        # An upload can take longer than any submission.
        deadline = session.deadline(timeout)
        state = _send(session, replace(call, body=content), deadline, files)
    except RunpodError as error:
        files.may_be_used = error.maybe_submitted
        error.message += files.release()
        raise
    except BaseException:
        _log(files.release())
        raise
    files.may_be_used = True
    files.release()
    return state, deadline


def _send(
    session: Session, call: Call, deadline: Deadline, files: SubmissionFiles | None = None
) -> JobState[Any]:
    """Sends a submission, with retries."""
    before = None if files is None else files.before_sending
    observed = _observer.submission(call.endpoint_id, session.engine.config.base_url)
    attempts = Attempts(call, session.retry, deadline, observed=observed)
    try:
        while True:
            reply = session.try_submit(attempts, before)
            if isinstance(reply, JobState):
                attempts.submitted(reply)
                return reply
            if files is not None:
                files.may_be_used = attempts.doubt is not None
            session.clock.sleep(reply)
    except BaseException as error:
        attempts.given_up(error)
        raise


def _log(left: str) -> None:
    if left:
        logger.warning("A submission was interrupted.%s", left)


class SubmissionFiles:
    """The files of one submission: reads or uploads them.

    Args:
        uploads: Where large files are uploaded, or None.
        stop: Set to end an upload.

    Attributes:
        may_be_used: Whether a job may have been submitted with them, or may still be.
    """

    def __init__(self, uploads: FileStore | None, stop: threading.Event) -> None:
        self._uploads = uploads
        self._stop = stop
        self.may_be_used = False
        self._references: dict[File, str] = {}
        self._is_released = False

    def encode(self, body: RequestBody, limit: BodyLimit) -> bytes:
        """Returns the request. Uploads large files, unless an earlier call did.

        Raises:
            InvalidRequestError: A file cannot be read.
            InputTooLargeError: The request is too large.
            RunpodError: A file was not uploaded.
        """
        uploads = self._uploads
        if uploads is not None:
            for file in in_thread(body.to_upload, limit, uploads.threshold):
                if file not in self._references:
                    self._upload(uploads, file)
        return in_thread(body.content, limit, self._references)

    def before_sending(self) -> None:
        """Called just before an attempt is sent."""
        self.may_be_used = True

    def _upload(self, uploads: FileStore, file: File) -> None:
        def acquire() -> None:
            # In the thread: if this is cancelled, the file may have been uploaded all the same.
            self._references[file] = uploads.acquire(file, self._stop)
            # After a second cancellation, nobody waits for the thread.
            if self._is_released:
                _log(self._release(uploads))

        try:
            in_stoppable_thread(acquire, self._stop)
        except RunpodError as error:
            # A store knows nothing of jobs.
            error.maybe_submitted = False
            raise
        except Exception as error:
            msg = (
                f"The file {readable(file.name, 80)!r} was not uploaded: {type(error).__name__}: {readable(str(error))}"
            )
            raise RunpodError(msg, maybe_submitted=False) from error

    def release(self) -> str:
        """Ends the use of uploaded files. Returns a sentence that names those that could not be removed, or nothing."""
        self._is_released = True
        if not self._references or self._uploads is None:
            return ""
        if self.may_be_used:
            # Without waiting, since a cancellation in between would lose the ID of the job.
            return self._release(self._uploads)
        uploads = self._uploads
        try:
            with shield():
                return in_thread(self._release, uploads)
        except BaseException:
            # A second cancellation, perhaps before the thread began.
            threading.Thread(target=lambda: _log(self._release(uploads)), daemon=True).start()
            raise

    def _release(self, uploads: FileStore) -> str:
        left: list[str] = []
        for file in list(self._references):
            if self._references.pop(file, None) is None:  # another thread releases it
                continue
            try:
                name = uploads.release(file, used=self.may_be_used)
            except Exception as error:  # noqa: BLE001 - the other files have to be released, and the caller has an error
                name = f"{file.name} ({type(error).__name__})"
            if name is not None:
                left.append(readable(name, 200))
        if not left or self.may_be_used:
            return ""
        return f" These uploaded files could not be removed: {', '.join(left)}."
