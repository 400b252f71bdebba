"""Job requests, execution policies and S3 settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol, TypeAlias, Union, cast

from pydantic import BaseModel, BeforeValidator, Field, SecretStr, StrictBool, StrictStr, field_serializer
from typing_extensions import Required, TypedDict

from runpod.models._base import ArgumentModel, PositiveDuration, from_milliseconds

if TYPE_CHECKING:
    from datetime import timedelta

__all__ = [
    "ExecutionPolicy",
    "ExecutionPolicyDict",
    "JobRequest",
    "JobRequestDict",
    "S3Config",
    "S3ConfigDict",
]


class ExecutionPolicyDict(TypedDict, total=False):
    """`ExecutionPolicy` in the wire format. Durations are milliseconds."""

    executionTimeout: int
    lowPriority: bool
    ttl: int


class S3ConfigDict(TypedDict, total=False):
    """`S3Config` in the wire format."""

    accessId: Required[str]
    accessSecret: Required[str]
    bucketName: Required[str]
    endpointUrl: Required[str]
    objectPath: str


class DataclassInstance(Protocol):
    """What every dataclass has."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


JobInput: TypeAlias = Union[Mapping[str, Any], BaseModel, DataclassInstance]  # noqa: UP007 - evaluated on Python 3.10


class JobRequestDict(TypedDict, total=False):
    """A job request in the wire format, as accepted by `run` and `run_sync`."""

    input: Required[JobInput]
    policy: ExecutionPolicyDict | ExecutionPolicy
    webhook: str
    webhookV2: str
    s3Config: S3ConfigDict | S3Config


class ExecutionPolicy(ArgumentModel):
    """Time limits and priority of a job on the platform.

    The server sets the bounds and defaults (docs.runpod.io, "Send API requests").

    Args:
        execution_timeout: Maximum run time on a worker. Server default: 10 minutes.
        ttl: Maximum lifetime, including the time in the queue. Server default: 24 hours. The
            platform then deletes the job, even if it is running.
        low_priority: If True, the job does not make the endpoint start more workers.

    Raises:
        InvalidRequestError: A duration is not a positive timedelta, or a value has a wrong type.

    Example:
        >>> ExecutionPolicy(execution_timeout=timedelta(minutes=5), low_priority=True)
    """

    execution_timeout: PositiveDuration | None = None
    ttl: PositiveDuration | None = None
    low_priority: StrictBool | None = None

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            execution_timeout: timedelta | None = None,
            ttl: timedelta | None = None,
            low_priority: bool | None = None,
        ) -> None: ...


class S3Config(ArgumentModel):
    """Your S3 bucket, which the platform passes on to the worker. It is not part of any response.

    Args:
        access_id: The access key ID.
        access_secret: The secret key. Hidden in `repr`.
        bucket_name: The name of the bucket.
        endpoint_url: The URL of the S3 service.
        object_path: A key prefix within the bucket.

    Raises:
        InvalidRequestError: A field is missing or not a str.
    """

    access_id: Annotated[StrictStr, Field(min_length=1, repr=False)]
    access_secret: Annotated[SecretStr, Field(min_length=1)]
    bucket_name: Annotated[StrictStr, Field(min_length=1)]
    endpoint_url: Annotated[StrictStr, Field(min_length=1)]
    object_path: StrictStr | None = None

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            access_id: str,
            access_secret: str | SecretStr,
            bucket_name: str,
            endpoint_url: str,
            object_path: str | None = None,
        ) -> None: ...

    @field_serializer("access_secret", when_used="json")
    def _reveal(self, secret: SecretStr) -> str:
        # Requests contain the secret; `model_dump()` in Python mode still masks it.
        return secret.get_secret_value()


def _fields(value: object) -> Any:
    """A mapping as a dict with str keys; other values are returned unchanged."""
    if not isinstance(value, Mapping):
        return value
    fields = {name: each for name, each in cast("dict[Any, Any]", value).items()}  # noqa: C416 - any mapping
    if not all(isinstance(name, str) for name in fields):
        msg = "has a key that is not a str"
        raise ValueError(msg)
    return fields


def _policy_fields(value: object) -> Any:
    """Converts the durations of a policy in the wire format."""
    if not isinstance(value, Mapping):
        return value
    fields: dict[str, Any] = _fields(cast("object", value))
    for name in ("executionTimeout", "ttl"):
        if fields.get(name) is None:
            continue
        try:
            fields[name] = from_milliseconds(fields[name])
        except ValueError as error:
            msg = f"Invalid policy: {name} {error}"
            raise ValueError(msg) from None
    return fields


class JobRequest(ArgumentModel):
    """A job request: the positional argument of `run` and `run_sync`.

    Args:
        input: The handler's `job["input"]`: a mapping, a dataclass or a pydantic model, with values
            that JSON can express, and files (`runpod.File`). Hidden in `repr`.
        policy: Time limits and priority. In a mapping in the wire format, durations are
            milliseconds.
        webhook: An http(s) URL that the platform calls when the job ends. Hidden in `repr`, since
            it may contain a token.
        webhook_v2: Passed on unchanged; the service does not document it.
        s3_config: An S3 bucket for the worker.

    Raises:
        InvalidRequestError: A field has a wrong type. The content of `input` is validated when the
            request is sent.
    """

    input: Annotated[Any, Field(repr=False)]
    policy: Annotated[ExecutionPolicy | None, BeforeValidator(_policy_fields)] = None
    webhook: Annotated[StrictStr | None, Field(repr=False)] = None
    webhook_v2: Annotated[StrictStr | None, Field(repr=False)] = None
    s3_config: Annotated[S3Config | None, BeforeValidator(_fields)] = None

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            input: JobInput,
            policy: ExecutionPolicy | ExecutionPolicyDict | None = None,
            webhook: str | None = None,
            webhook_v2: str | None = None,
            s3_config: S3Config | S3ConfigDict | None = None,
        ) -> None: ...
