"""The transfer of one file into a bucket."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, BinaryIO

from runpod._logging import logger
from runpod._text import readable
from runpod._uploads import patient_client
from runpod._uploads.failures import UploadStoppedError, as_upload_error, host_of
from runpod._uploads.patient_client import PatientClient
from runpod._uploads.s3 import import_boto3

if TYPE_CHECKING:
    from runpod._uploads.s3 import S3Client
    from runpod._uploads.settings import Settings
    from runpod._uploads.source import UploadSource

# Files of at least so many bytes are sent in parts. A network volume accepts 500 MB in one request and in one part.
MULTIPART_THRESHOLD = 64 * 2**20
# Files of more than 10,000 parts get larger ones: those of the largest file of a network volume, 4 TB, have 400 MB.
PART_SIZE = 16 * 2**20
# Parts that are in memory, and sent, at the same time.
PARALLEL_PARTS = 4

# How often the upload looks whether it was stopped, in seconds.
CHECK_INTERVAL = 0.1
# How long a stopped upload may take to remove what it sent, in seconds. After that, it goes on in the background.
PATIENCE = 5.0


class Transfer:
    """Uploads and deletes files, in any thread.

    Args:
        client: The client of boto3.
        settings: Those of the bucket.
    """

    def __init__(self, client: S3Client, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._host = host_of(str(client.meta.endpoint_url))
        self._attempts = patient_client.VOLUME_ATTEMPTS if settings.is_volume else patient_client.ATTEMPTS

    def upload(self, file: UploadSource, key: str, stop: threading.Event) -> None:
        """Uploads a file. After any error, nothing of it remains, or the error or the log says what does.

        Raises:
            UploadError: It failed.
            UploadStoppedError: `stop` was set.
            InvalidRequestError: The file does not exist any more, or has changed.
        """
        halt, ended = threading.Event(), threading.Event()
        errors: list[BaseException] = []

        def run() -> None:
            try:
                self._upload(file, key, stop, halt)
            except BaseException as error:  # noqa: BLE001 - it is raised below
                errors.append(error)
            finally:
                ended.set()

        # In a thread that can be left: a request to a server that does not respond ends after its timeout only.
        threading.Thread(target=run, name="runpod-upload", daemon=True).start()
        try:
            while not (ended.wait(CHECK_INTERVAL) or stop.is_set()):
                pass
            halt.set()
            if not ended.wait(PATIENCE):
                raise UploadStoppedError(f"{_describe(file)} was stopped.{self._warn(key)}")
        except KeyboardInterrupt:
            halt.set()
            if not ended.wait(PATIENCE):
                self._warn(key)
            elif not errors:
                self.delete(key)
            raise
        if errors:
            raise errors[0]

    def _upload(self, file: UploadSource, key: str, stop: threading.Event, halt: threading.Event) -> None:
        client = PatientClient(self._client, self._attempts, halt, file.size)
        try:
            _check(stop)
            with file.open() as body:
                self._transfer(client, body, file.mime, key, stop, halt)
            # It fails if the file changed in the meantime.
            file.open().close()
            _check(stop, halt)
        except Exception as error:
            halt.set()
            left = self._discard(client, key)
            if stop.is_set():
                raise UploadStoppedError(f"{_describe(file)} was stopped.{left}") from None
            failure = as_upload_error(error, f"{_describe(file)} to", self._host, self._settings)
            if left:
                failure.message += left
            if failure is error:
                raise
            raise failure from error

    def delete(self, key: str) -> bool:
        """Deletes an object. False, and a line in the log, if that fails."""
        client = PatientClient(self._client, self._attempts, threading.Event(), 0)
        try:
            client.remove(self._settings.bucket, key)
        except Exception as error:  # noqa: BLE001 - a name is returned in its place
            failure = as_upload_error(error, "The deletion of a file in", self._host, self._settings)
            logger.warning("s3://%s/%s was not deleted: %s", self._settings.bucket, key, failure)
            return False
        return True

    def sign(self, key: str) -> str:
        """The presigned URL of an object.

        Raises:
            UploadError: There are no credentials.
        """
        try:
            return self._client.generate_presigned_url(
                "get_object",
                Params={"Bucket": self._settings.bucket, "Key": key},
                ExpiresIn=int(self._settings.expires.total_seconds()),
            )
        except Exception as error:
            raise as_upload_error(error, "Signing a URL of", self._host, self._settings) from error

    def _transfer(
        self,
        client: PatientClient,
        body: BinaryIO,
        mime: str,
        key: str,
        stop: threading.Event,
        halt: threading.Event,
    ) -> None:
        s3transfer = import_boto3("s3transfer.manager")
        config = s3transfer.TransferConfig(
            multipart_threshold=MULTIPART_THRESHOLD,
            multipart_chunksize=PART_SIZE,
            max_request_concurrency=PARALLEL_PARTS,
            max_in_memory_upload_chunks=PARALLEL_PARTS,
        )
        content_type = mime if mime.isascii() and mime.isprintable() else "application/octet-stream"
        # Leaving the block waits for the threads. After a halt, each request of theirs fails.
        with s3transfer.TransferManager(client, config) as manager:
            manager.upload(
                body, self._settings.bucket, key, {"ContentType": content_type}, [_subscriber(stop, halt)]
            ).result()

    def _discard(self, client: PatientClient, key: str) -> str:
        """Deletes what a failed upload may have stored. Says what may remain, for the end of a message."""
        left = client.parts_left
        if client.maybe_stored:
            try:
                client.remove(self._settings.bucket, key)
            except Exception:  # noqa: BLE001 - the cause of the failed upload is raised
                left = True
        return self._warn(key) if left else ""

    def _warn(self, key: str) -> str:
        """Logs what may remain. Returns the end of a message that says it."""
        name = f"s3://{self._settings.bucket}/{key}"
        logger.warning("%s, or parts of it, may remain after a failed upload", name)
        return f" {name}, or parts of it, may remain: delete it."


def _describe(file: UploadSource) -> str:
    return f"The upload of '{readable(file.name, 100)}'"


def _check(*stops: threading.Event) -> None:
    if any(stop.is_set() for stop in stops):
        raise UploadStoppedError("The upload was stopped.")


def _subscriber(*stops: threading.Event) -> Any:
    base: Any = import_boto3("s3transfer.subscribers").BaseSubscriber

    class Subscriber(base):  # type: ignore[misc] # boto3 has no annotations
        def on_progress(self, future: object, bytes_transferred: int, **_: object) -> None:  # noqa: ARG002 - by name
            _check(*stops)

    return Subscriber()
