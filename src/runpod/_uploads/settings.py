"""The settings of a bucket, validated."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from runpod._text import readable
from runpod.errors import ConfigurationError

if TYPE_CHECKING:
    from pydantic import SecretStr

# The longest lifetime of a URL that is signed with signature version 4.
MAX_EXPIRES = timedelta(days=7)
# In bytes. Keys have at most 1,024, of which a unique part and a file name need up to 220.
MAX_PREFIX = 700

# The S3 API of the network volumes of a data center (docs.runpod.io, "S3-compatible API").
_VOLUME_HOST = re.compile(r"s3api-([a-z0-9-]+)\.runpod\.io")
_DATA_CENTER = re.compile(r"[A-Z]{2,3}-[A-Z]{2,3}-\d+")


@dataclass(frozen=True)
class Settings:
    """Where files go, and how long their URLs work."""

    bucket: str
    endpoint_url: str | None
    region: str | None
    access_key_id: str | None = field(repr=False)
    secret_access_key: SecretStr | None = field(repr=False)
    # Empty, or with a slash at the end.
    prefix: str
    expires: timedelta
    # Without a slash at the end. None: files are referred to by presigned URLs.
    mount: str | None
    # Whether credentials were set that a pickled copy does not have.
    lost_credentials: bool = False

    @property
    def is_volume(self) -> bool:
        return self.mount is not None


def parse_address(endpoint_url: object, region: object, mount: object) -> tuple[str | None, str | None, str | None]:
    """Validates the endpoint, the region and the mount, and derives what is missing for a network volume.

    Raises:
        ConfigurationError: One of them is invalid, or they do not fit together.
    """
    url, place, path = _parse_url(endpoint_url), _parse_region(region), _parse_mount(mount)
    host = (urlsplit(url).hostname or "") if url is not None else ""
    found = _VOLUME_HOST.fullmatch(host)
    looks_like_volume = found is not None or (url is None and _DATA_CENTER.fullmatch(place or "") is not None)
    if looks_like_volume and path is None:
        msg = (
            "Network volumes of Runpod have no presigned URLs. Pass mount='/runpod-volume' to send workers the path of "
            "the file, which needs an endpoint with that volume; or use a bucket of another service."
        )
        raise ConfigurationError(msg)
    if found is not None:
        data_center = found[1].upper()
        if place is not None and place.upper() != data_center:
            msg = (
                f"region is '{readable(place, 40)}', but endpoint_url is the address of {data_center}. "
                "Pass one of them, or the two of the data center of the network volume."
            )
            raise ConfigurationError(msg)
        return url, data_center, path
    if url is None and path is not None:
        if place is None:
            msg = (
                "mount needs region, the data center of the network volume, such as region='EU-RO-1'; "
                "or endpoint_url, its S3 address."
            )
            raise ConfigurationError(msg)
        return f"https://s3api-{place.lower()}.runpod.io/", place.upper(), path
    return url, place, path


def parse_bucket(bucket: object) -> str:
    """Validates the name of a bucket.

    Raises:
        ConfigurationError: It is not a str, blank, or an address.
    """
    name = _text(bucket, "bucket")
    if not name.isprintable() or " " in name or ("/" in name and not name.startswith("arn:")):
        msg = f"bucket must be the name alone, such as 'my-bucket', not '{readable(name, 80)}'."
        raise ConfigurationError(msg)
    return name


def parse_prefix(prefix: object) -> str:
    """Validates the beginning of the keys, and ends it with a slash.

    Raises:
        ConfigurationError: It is not a str, too long, or leaves the folder.
    """
    if not isinstance(prefix, str):
        msg = f"prefix must be a str, not {type(prefix).__name__}."
        raise ConfigurationError(msg)
    parts = [part for part in prefix.split("/") if part]
    # On a network volume, keys are paths.
    if any(part in {".", ".."} for part in parts) or not prefix.isprintable() or "\\" in prefix:
        msg = f"prefix must not contain '.' or '..', a backslash or a control character: '{readable(prefix, 80)}'."
        raise ConfigurationError(msg)
    if len(prefix.encode()) > MAX_PREFIX:
        msg = f"prefix is too long ({len(prefix.encode())} bytes). The limit is {MAX_PREFIX} bytes."
        raise ConfigurationError(msg)
    return "/".join(parts) + "/" if parts else ""


def parse_threshold(threshold: object) -> int:
    """Validates the size from which on files are uploaded, in bytes.

    Raises:
        ConfigurationError: It is not an int, or negative.
    """
    if isinstance(threshold, bool) or not isinstance(threshold, int):
        msg = f"threshold must be an int, a number of bytes, not {type(threshold).__name__}."
        raise ConfigurationError(msg)
    if threshold < 0:
        msg = f"threshold must not be negative, got {threshold}. Pass 0 to upload every file."
        raise ConfigurationError(msg)
    return threshold


def parse_expires(expires: object) -> timedelta:
    """Validates the lifetime of presigned URLs.

    Raises:
        ConfigurationError: It is not a timedelta, less than a second or more than seven days.
    """
    if not isinstance(expires, timedelta):
        msg = f"expires must be a timedelta, such as timedelta(hours=24), not {type(expires).__name__}."
        raise ConfigurationError(msg)
    if expires < timedelta(seconds=1):
        msg = f"expires must be at least one second, got {expires}."
        raise ConfigurationError(msg)
    if expires > MAX_EXPIRES:
        msg = f"expires is {expires}, but S3 allows at most seven days."
        raise ConfigurationError(msg)
    return expires


def parse_credentials(key_id: object, secret: object) -> tuple[str | None, SecretStr | None]:
    """Validates the credentials.

    Raises:
        ConfigurationError: One of them is missing, or is not a str.
    """
    from pydantic import SecretStr

    if isinstance(secret, SecretStr):
        secret = secret.get_secret_value()
    if key_id is None and secret is None:
        return None, None
    if key_id is None or secret is None:
        given, other = (
            ("secret_access_key", "access_key_id") if key_id is None else ("access_key_id", "secret_access_key")
        )
        msg = f"{given} needs {other}. Pass both, or neither to use what boto3 finds, such as AWS_ACCESS_KEY_ID."
        raise ConfigurationError(msg)
    key_id, secret = _text(key_id, "access_key_id"), _text(secret, "secret_access_key")
    for name, value in (("access_key_id", key_id), ("secret_access_key", secret)):
        # They are part of a header, or of the key of a signature.
        if not value.isascii() or not value.isprintable() or " " in value:
            msg = f"{name} contains a line break, a space or another invalid character. Check that only it was copied."
            raise ConfigurationError(msg)
    return key_id, SecretStr(secret)


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        msg = f"{name} must be a str, not {type(value).__name__}."
        raise ConfigurationError(msg)
    if not value.strip():
        msg = f"{name} is blank."
        raise ConfigurationError(msg)
    return value


def _parse_url(url: object) -> str | None:
    if url is None:
        return None
    text = _text(url, "endpoint_url")
    try:
        parts = urlsplit(text)
        valid = parts.scheme.lower() in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is not a number, or a broken IPv6 address
        valid = False
        parts = urlsplit("")
    # A part after "@", "?" or "#" can be a secret, so the value is not shown.
    if (
        not valid
        or parts.username is not None
        or parts.query
        or parts.fragment
        or not text.isprintable()
        or " " in text
    ):
        msg = (
            "endpoint_url must be the http(s) address of the S3 service without credentials or a query, such as "
            "'https://s3.example.com'."
        )
        raise ConfigurationError(msg)
    return text


def _parse_region(region: object) -> str | None:
    if region is None:
        return None
    text = _text(region, "region")
    if not re.fullmatch(r"[A-Za-z0-9-]{1,63}", text):
        msg = f"region must be the name of a region, such as 'us-east-1' or 'EU-RO-1', not '{readable(text, 40)}'."
        raise ConfigurationError(msg)
    return text


def _parse_mount(mount: object) -> str | None:
    if mount is None:
        return None
    text = _text(mount, "mount")
    if not text.startswith("/") or not text.isprintable() or any(part in {".", ".."} for part in text.split("/")):
        msg = (
            "mount must be the absolute path of the network volume on the workers, such as '/runpod-volume', not "
            f"'{readable(text, 80)}'."
        )
        raise ConfigurationError(msg)
    return text.rstrip("/")
