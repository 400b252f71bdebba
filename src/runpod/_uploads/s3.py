"""The part of boto3 that is used, and the client."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from runpod.errors import ConfigurationError

if TYPE_CHECKING:
    from runpod._uploads.settings import Settings

# boto3 installs its dependencies botocore and s3transfer. None of them has annotations.
_MODULES = {"boto3", "botocore", "s3transfer"}

# In seconds.
CONNECT_TIMEOUT = 10
READ_TIMEOUT = 60
# A network volume responds after a large file is assembled; the gateway in front of it gives up after 100 seconds.
VOLUME_READ_TIMEOUT = 180


class S3Client(Protocol):
    """The methods of a boto3 client that are used."""

    @property
    def meta(self) -> Any: ...

    def put_object(self, **arguments: Any) -> dict[str, Any]: ...

    def head_object(self, **arguments: Any) -> dict[str, Any]: ...

    def delete_object(self, **arguments: Any) -> dict[str, Any]: ...

    def create_multipart_upload(self, **arguments: Any) -> dict[str, Any]: ...

    def upload_part(self, **arguments: Any) -> dict[str, Any]: ...

    def complete_multipart_upload(self, **arguments: Any) -> dict[str, Any]: ...

    def abort_multipart_upload(self, **arguments: Any) -> dict[str, Any]: ...

    def generate_presigned_url(self, method: str, /, **arguments: Any) -> str: ...


def import_boto3(module: str) -> Any:
    """Imports a module of boto3 or of its dependencies.

    Raises:
        ConfigurationError: boto3 is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _MODULES:
            raise
        msg = 'S3Uploads needs boto3: pip install "runpod-sdk[s3]".'
        raise ConfigurationError(msg) from None


def _addressing_style(settings: Settings) -> str:
    # Services other than AWS rarely have a DNS entry and a certificate for every bucket; nor has AWS for a dot.
    elsewhere = settings.endpoint_url or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    # The default of boto3 signs URLs for a global host, which redirects to the host of the region: the signature does
    # not match there.
    return "path" if elsewhere or "." in settings.bucket else "virtual"


def create_client(settings: Settings) -> S3Client:
    """Creates the client of a bucket, which threads can share.

    Raises:
        ConfigurationError: boto3 is not installed, or cannot use the settings, for example those of `~/.aws`.
    """
    boto3, exceptions = import_boto3("boto3"), import_boto3("botocore.exceptions")
    config = import_boto3("botocore.config").Config(
        # Some regions and services default to version 2 for presigned URLs, which most services refuse.
        signature_version="s3v4",
        s3={"addressing_style": _addressing_style(settings)},
        # S3-compatible services refuse the checksums that boto3 adds by default since version 1.36. The signature
        # covers the data.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        # `PatientClient` retries: unlike boto3, it can be stopped between attempts.
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=VOLUME_READ_TIMEOUT if settings.is_volume else READ_TIMEOUT,
        max_pool_connections=50,
    )
    secret = settings.secret_access_key
    try:
        # A session of its own: the default one cannot be shared by threads.
        session = boto3.session.Session(
            aws_access_key_id=settings.access_key_id,
            aws_secret_access_key=secret.get_secret_value() if secret is not None else None,
        )
        client: S3Client = session.client(
            "s3",
            endpoint_url=settings.endpoint_url,
            region_name=settings.region or session.region_name or "us-east-1",
            config=config,
        )
    except (exceptions.BotoCoreError, ValueError) as error:
        msg = f"boto3 cannot use the settings of the bucket: {type(error).__name__}. Check region and ~/.aws/config."
        raise ConfigurationError(msg) from error

    def refuse_redirect(response: Any, operation: Any, **_: object) -> None:
        if response is None:
            return
        http, content = response
        wrong_region = content.get("Error", {}).get("Code") == "AuthorizationHeaderMalformed"
        if wrong_region or http.status_code in {301, 302, 307, 308}:
            raise exceptions.ClientError(content, operation.name)

    # boto3 would follow it to the region of the bucket, but go on signing URLs for the wrong region.
    client.meta.events.register_first("needs-retry.s3", refuse_redirect)
    return client
