"""Storage for large files of inputs: an S3-compatible bucket, or a network volume of Runpod. Needs the extra `s3`."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from runpod._uploads.records import Records
from runpod._uploads.s3 import create_client, import_boto3
from runpod._uploads.settings import (
    Settings,
    parse_address,
    parse_bucket,
    parse_credentials,
    parse_expires,
    parse_prefix,
    parse_threshold,
)
from runpod._uploads.source import UploadSource
from runpod._uploads.transfer import Transfer
from runpod.media.names import safe_name

if TYPE_CHECKING:
    import threading

    from pydantic import SecretStr

__all__ = ["S3Uploads", "UploadSource"]

UploadSource.__module__ = __name__


class S3Uploads:
    """Stores large files of inputs in a bucket. The input refers to them by URL or path.

    A file is uploaded once, however many jobs use it; again if it is used later than `expires` after that. If the
    submission of the only job fails, its file is deleted. All other files stay: let a lifecycle rule of the bucket delete
    them, later than twice `expires`.

    Without `mount`, the input gets a presigned URL (signature version 4), which anybody who has it can download from
    until it expires. With `mount`, the bucket is a network volume of Runpod that is attached to the endpoint, and the
    input gets the path of the file on the workers (docs.runpod.io, "S3-compatible API").

    Connections are opened on first use, and again in a child of a fork. Threads and clients can share an instance.
    A copy is the same instance. A pickle contains neither `access_key_id` nor `secret_access_key`: unpickled, it uses
    what boto3 finds.

    Args:
        bucket: The name of the bucket, or the ID of the network volume.
        endpoint_url: The address of the S3 service. Default: AWS; with `mount`, that of the data center `region`.
            With an address, requests are path-style (`https://host/bucket/key`), since few services other than AWS
            have a DNS entry for every bucket.
        region: The region of the bucket. Default: the one that boto3 finds, or "us-east-1". With `mount`: the data
            center of the network volume, such as "EU-RO-1". Default: the one in `endpoint_url`.
        access_key_id: With `secret_access_key`, the credentials. Default: what boto3 finds, such as the variables
            AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or `~/.aws/credentials`. For a network volume: an S3 API key
            from the Runpod console, which is not the API key of the endpoints.
        secret_access_key: Hidden in `repr`.
        prefix: Folder of the objects in the bucket.
        threshold: Files of at least so many bytes are uploaded; smaller ones become part of the request. 0: all are
            uploaded.
        expires: How long a URL works, from one second to seven days. It is signed just before the submission, which
            `map` may have to repeat for five minutes, and has to cover the time in the queue. A URL that was signed
            with temporary credentials expires with them.
        mount: Where workers see the network volume: "/runpod-volume".

    Raises:
        ConfigurationError: A setting is invalid, or boto3 is not installed.

    Attributes:
        bucket: As passed.
        endpoint_url: As passed, or derived from `region`.
        region: As passed, or derived from `endpoint_url`.
        prefix: As passed, with one slash at the end.
        threshold: As passed, in bytes.
        expires: As passed.
        mount: As passed.

    Example:
        >>> client = Runpod(uploads=S3Uploads(bucket="my-inputs", region="eu-central-1"))
        >>> volume = S3Uploads(bucket="4kuxf1t3qr", region="EU-RO-1", mount="/runpod-volume")
    """

    def __init__(
        self,
        *,
        bucket: str,
        endpoint_url: str | None = None,
        region: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | SecretStr | None = None,
        prefix: str = "",
        threshold: int = 5_000_000,
        expires: timedelta = timedelta(hours=24),
        mount: str | None = None,
    ) -> None:
        name = parse_bucket(bucket)
        address, place, path = parse_address(endpoint_url, region, mount)
        key_id, secret = parse_credentials(access_key_id, secret_access_key)
        settings = Settings(name, address, place, key_id, secret, parse_prefix(prefix), parse_expires(expires), path)
        self._set_up(settings, parse_threshold(threshold))
        if find_spec("boto3") is None:
            import_boto3("boto3")

    def _set_up(self, settings: Settings, threshold: int) -> None:
        self._settings = settings
        self.bucket: str = settings.bucket
        self.endpoint_url: str | None = settings.endpoint_url
        self.region: str | None = settings.region
        self.prefix: str = settings.prefix
        self.threshold: int = threshold
        self.expires: timedelta = settings.expires
        self.mount: str | None = settings.mount
        # Per process: a child of a fork must not use the connections of its parent, nor wait for its threads.
        self._records: dict[int, Records] = {}
        self._transfers: dict[int, Transfer] = {}

    def acquire(self, file: UploadSource, stop: threading.Event) -> str:
        """Uploads a file, unless it is in the bucket, and returns what the input has in its place.

        Called by the library, in a thread. It blocks; while another thread uploads the same file, it waits for that.
        Each call counts one use, which `release` ends.

        Args:
            file: The file.
            stop: Ends the upload when set, and removes what was sent. If the bucket does not respond, `acquire`
                returns after five seconds all the same, with an error that names what may remain.

        Returns:
            A presigned URL, signed anew by each call, or a path on the network volume.

        Raises:
            UploadError: The upload failed, or was stopped.
            InvalidRequestError: The file does not exist any more, or has changed.
            ConfigurationError: boto3 is not installed, or cannot use its own configuration.
        """
        transfer = self._transfer()

        def upload() -> str:
            key = f"{self.prefix}{uuid4().hex}-{safe_name(file.name, default='file', extension=None)}"
            transfer.upload(file, key, stop)
            return key

        key = self._records_here().acquire(file, stop, upload)
        if self.mount is not None:
            return f"{self.mount}/{key}"
        try:
            return transfer.sign(key)
        except BaseException:
            self.release(file, used=False)
            raise

    def release(self, file: UploadSource, *, used: bool) -> str | None:
        """Ends a use that `acquire` counted. Called by the library. It blocks if it deletes the object, up to minutes.

        Args:
            file: The file.
            used: Whether a job has the reference, or may have it: then the object stays. If not, and if nobody else
                uses it, the object is deleted.

        Returns:
            The name of an object that should have been deleted, but was not: "s3://bucket/key". None otherwise.
        """
        key = self._records_here().release(file, used=used)
        if key is None or self._transfer().delete(key):
            return None
        return f"s3://{self.bucket}/{key}"

    def _records_here(self) -> Records:
        pid = os.getpid()
        return self._records.get(pid) or self._records.setdefault(pid, Records(self.expires.total_seconds()))

    def _transfer(self) -> Transfer:
        pid = os.getpid()
        found = self._transfers.get(pid)
        if found is not None:
            return found
        # Without a lock, which a fork could leave locked: at worst, a client is created in vain.
        return self._transfers.setdefault(pid, Transfer(create_client(self._settings), self._settings))

    def __repr__(self) -> str:
        names = ("bucket", "endpoint_url", "region", "prefix", "threshold", "expires", "mount")
        return f"S3Uploads({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    def __copy__(self) -> S3Uploads:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> S3Uploads:
        return self

    def __getstate__(self) -> dict[str, Any]:
        settings = self._settings
        lost = settings.lost_credentials or settings.access_key_id is not None
        safe = replace(settings, access_key_id=None, secret_access_key=None, lost_credentials=lost)
        return {"settings": safe, "threshold": self.threshold}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._set_up(**state)
