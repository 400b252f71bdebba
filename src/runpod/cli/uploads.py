"""The option --uploads: where large files of inputs are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runpod import S3Uploads

# Where workers see a network volume.
_MOUNT = "/runpod-volume"


def uploads_of(place: str | None) -> S3Uploads | None:
    """The storage that `BUCKET/PREFIX` or, for a network volume, `VOLUME@DATACENTER/PREFIX` describes.

    Credentials, region and address of a bucket are those that boto3 finds.

    Raises:
        ConfigurationError: It is invalid, or boto3 is not installed.
    """
    if place is None:
        return None
    from runpod import S3Uploads

    name, _, prefix = place.removeprefix("s3://").partition("/")
    bucket, is_volume, data_center = name.partition("@")
    if is_volume:
        return S3Uploads(bucket=bucket, region=data_center, prefix=prefix, mount=_MOUNT)
    return S3Uploads(bucket=bucket, prefix=prefix)
