"""Why a request to a bucket failed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from runpod._base_errors import RunpodError, UploadError
from runpod._text import readable
from runpod._uploads.s3 import import_boto3

if TYPE_CHECKING:
    from runpod._uploads.settings import Settings

# Beyond it, AWS refuses a request because of its time; Runpod's network volumes do after an hour.
_MAX_SKEW = timedelta(minutes=15)

_THROTTLED = {"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests"}
# With status 400: the connection broke or was slow.
_INTERRUPTED = {"RequestTimeout", "RequestTimeoutException", "IncompleteBody"}


class UploadStoppedError(UploadError):
    """The caller asked for the end of the upload. Nothing of it remains."""


class UnexpectedResponseError(Exception):
    """A response without what S3 sends."""


def code_of(error: BaseException) -> str:
    """The error code of S3; empty if it did not respond."""
    return str(_response(error).get("Error", {}).get("Code", ""))


def status_of(error: BaseException) -> int:
    """The HTTP status; 0 if S3 did not respond."""
    status: int = _response(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status


def is_transient(error: BaseException) -> bool:
    """Whether another attempt can succeed."""
    exceptions = import_boto3("botocore.exceptions")
    if isinstance(error, exceptions.HTTPClientError):
        # The base class itself is for errors of other kinds, such as those of reading the file.
        return type(error) is not exceptions.HTTPClientError and not isinstance(error, exceptions.SSLError)
    return status_of(error) >= 500 or status_of(error) == 429 or code_of(error) in _THROTTLED | _INTERRUPTED


def is_unsent(error: BaseException) -> bool:
    """Whether the request cannot have reached the bucket, or was refused by it."""
    exceptions = import_boto3("botocore.exceptions")
    unsent = (exceptions.EndpointConnectionError, exceptions.ConnectTimeoutError, exceptions.SSLError)
    return isinstance(error, unsent) or (status_of(error) < 500 and status_of(error) >= 300)


def cause_of(error: BaseException) -> BaseException:
    """The error that botocore wrapped, such as one of reading the file."""
    inner = getattr(error, "kwargs", {}).get("error")
    return inner if type(error).__name__ == "HTTPClientError" and isinstance(inner, BaseException) else error


def as_upload_error(error: BaseException, what: str, host: str, settings: Settings) -> RunpodError:
    """Translates an error of boto3.

    Args:
        error: The error.
        what: What failed, in words that "the bucket" can follow: "The upload of 'horse.png' to".
        host: The host of the bucket.
        settings: Those of the bucket.
    """
    error = cause_of(error)
    if isinstance(error, RunpodError):
        return error
    reason, retryable = _explain(error, host, settings)
    return UploadError(f"{what} the bucket {settings.bucket!r} failed: {reason}", retryable=retryable)


def _explain(error: BaseException, host: str, settings: Settings) -> tuple[str, bool]:
    exceptions = import_boto3("botocore.exceptions")
    if status_of(error):
        return _explain_response(error, host, settings), is_transient(error)
    if isinstance(error, (exceptions.NoCredentialsError, exceptions.PartialCredentialsError)):
        lost = " They are not part of a pickled S3Uploads." if settings.lost_credentials else ""
        cure = "Pass access_key_id and secret_access_key, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        return f"there are no credentials.{lost} {cure}", False
    if isinstance(error, exceptions.SSLError):
        return f"the TLS connection to {host} could not be established. Check endpoint_url and its certificate.", False
    if isinstance(error, (exceptions.EndpointConnectionError, exceptions.ConnectTimeoutError)):
        return f"{host} could not be reached. Check endpoint_url, region and the network.", True
    if isinstance(error, exceptions.HTTPClientError) and type(error) is not exceptions.HTTPClientError:
        return f"the connection to {host} was lost, also on retries ({type(error).__name__}). Try again.", True
    if isinstance(error, (UnexpectedResponseError, import_boto3("botocore.parsers").ResponseParserError)):
        return f"{host} did not respond as S3 does. Check that endpoint_url is the address of an S3 service.", False
    if isinstance(error, OSError):
        return f"the file could not be read ({type(error).__name__}). Check it and try again.", False
    if isinstance(error, exceptions.ParamValidationError):
        return "boto3 rejected the arguments of the request. Check the name of the bucket.", False
    # Messages of other libraries can quote what must not be shown.
    return f"{type(error).__name__}. The error that caused this one has the details.", False


def _explain_response(error: BaseException, host: str, settings: Settings) -> str:
    status, code = status_of(error), code_of(error)
    message = readable(str(_response(error).get("Error", {}).get("Message", "")), 200)
    said = f"{host} responded {status}"
    if code and code != str(status):
        said += f" ({readable(code, 60)})"
    skew = _skew(error)
    if code == "RequestTimeTooSkewed" or (status in {401, 403} and abs(skew) > _MAX_SKEW):
        return f"{said}: the clock of this machine {_describe(skew)}. Set it, then try again."
    if code == "NoSuchBucket":
        if settings.is_volume:
            return f"{said}: there is no such network volume in {settings.region}. Pass its ID as bucket."
        return f"{said}: there is no such bucket. Check bucket, endpoint_url and region."
    if code in {
        "AuthorizationHeaderMalformed",
        "PermanentRedirect",
        "TemporaryRedirect",
        "IllegalLocationConstraint",
    } or (300 <= status < 400):
        region = _headers(error).get("x-amz-bucket-region")
        cure = f"Pass region={readable(region, 40)!r}." if region else "Check region and endpoint_url."
        return f"{said}: the bucket belongs to another region or address. {cure}"
    if status in {401, 403}:
        if settings.is_volume:
            return (
                f"{said}: the S3 API key is wrong, which is another one than the API key of the endpoints; or region "
                f"and endpoint_url are not those of the data center of the network volume; or the volume "
                f"{settings.bucket!r} belongs to another account; or the file does not exist."
            )
        return (
            f"{said}: the credentials are wrong or have expired, or have no permission for this bucket. Check "
            "access_key_id and secret_access_key; they need s3:PutObject, s3:GetObject, s3:DeleteObject and "
            "s3:AbortMultipartUpload."
        )
    if status >= 500 or status == 429:
        return f"{said}, also on retries. Try again later."
    return f"{said}: {message.rstrip('.')}." if message else f"{said}."


def _skew(error: BaseException) -> timedelta:
    """How far the clock of this machine is ahead of the server's; 0 if unknown."""
    try:
        date = parsedate_to_datetime(_headers(error).get("date", ""))
    except (ValueError, TypeError):
        return timedelta(0)
    if date.tzinfo is None:
        date = date.replace(tzinfo=timezone.utc)
    return datetime.now(timezone.utc) - date


def _describe(skew: timedelta) -> str:
    minutes = round(abs(skew).total_seconds() / 60)
    if not minutes:
        return "and that of the server differ"
    span = f"{minutes} minutes" if minutes < 180 else f"{round(minutes / 60)} hours"
    return f"is {span} {'fast' if skew > timedelta(0) else 'slow'}"


def _headers(error: BaseException) -> dict[str, str]:
    headers: dict[str, str] = _response(error).get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers


def _response(error: BaseException) -> dict[str, Any]:
    response = getattr(error, "response", None)
    return cast("dict[str, Any]", response) if isinstance(response, dict) else {}


def host_of(endpoint_url: str) -> str:
    """The host and port of an address, for messages."""
    return readable(urlsplit(endpoint_url).netloc.rpartition("@")[2], 100)
