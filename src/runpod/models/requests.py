"""What a caller sends: a job request with its policy and its storage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, Field, SecretStr, StrictBool, StrictStr, field_serializer
from typing_extensions import Required, TypedDict

from runpod.models._base import GivenDuration, GivenModel, from_milliseconds

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
    """`ExecutionPolicy` in the shape of the wire. Durations are milliseconds."""

    executionTimeout: int
    lowPriority: bool
    ttl: int


class S3ConfigDict(TypedDict, total=False):
    """`S3Config` in the shape of the wire."""

    accessId: Required[str]
    accessSecret: Required[str]
    bucketName: Required[str]
    endpointUrl: Required[str]
    objectPath: str


class JobRequestDict(TypedDict, total=False):
    """A job request in the shape of the wire, as `run` and `run_sync` take it."""

    input: Required[Mapping[str, Any] | BaseModel]
    policy: ExecutionPolicyDict | ExecutionPolicy
    webhook: str
    webhookV2: str
    s3Config: S3ConfigDict | S3Config


class ExecutionPolicy(GivenModel):
    """How long a job may take on the platform, and how urgent it is.

    Limits and defaults are the server's (docs.runpod.io, "Send API requests").

    Args:
        execution_timeout: The longest the job may run on a worker. Default there: 10 minutes.
        ttl: The longest the job may live, queue and run together. Default there: 24 hours.
            After that the platform deletes it, also while it runs.
        low_priority: True: the job does not make the endpoint start more workers.

    Raises:
        InvalidRequestError: A duration is no timedelta or not positive, or a value has a wrong type.

    Example:
        >>> ExecutionPolicy(execution_timeout=timedelta(minutes=5), low_priority=True)
    """

    execution_timeout: GivenDuration | None = None
    ttl: GivenDuration | None = None
    low_priority: StrictBool | None = None

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            execution_timeout: timedelta | None = None,
            ttl: timedelta | None = None,
            low_priority: bool | None = None,
        ) -> None: ...


class S3Config(GivenModel):
    """A bucket of yours that the platform hands to the worker. It is never echoed back.

    Args:
        access_id: The access key id.
        access_secret: The secret key. Hidden in every `repr`.
        bucket_name: The bucket.
        endpoint_url: The URL of the S3 service.
        object_path: A prefix within the bucket.

    Raises:
        InvalidRequestError: A field is missing or not text.
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
        # The wire needs the secret; `model_dump()` in Python mode goes on hiding it.
        return secret.get_secret_value()


def _policy_from_wire(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    policy = {name: each for name, each in cast("dict[Any, Any]", value).items()}  # noqa: C416 - any mapping
    for name in {"executionTimeout", "ttl"} & policy.keys():
        try:
            policy[name] = from_milliseconds(policy[name])
        except ValueError as error:
            msg = f"{name} {error}"
            raise ValueError(msg) from None
    return policy


class JobRequest(GivenModel):
    """One job: what `run` and `run_sync` take as their positional argument.

    Args:
        input: What the handler gets as `job["input"]`: a mapping that JSON can hold, or a
            pydantic model. Not shown in the `repr`.
        policy: Limits and priority on the platform. In a mapping in the shape of the wire,
            durations are milliseconds.
        webhook: An http(s) URL that the platform calls when the job ended. Not shown in the
            `repr`, since people put tokens there.
        webhook_v2: Passed on as it is; the service does not say what it does.
        s3_config: A bucket for the worker.

    Raises:
        InvalidRequestError: A field has a wrong type. What is inside `input` is looked at when
            the request is sent.
    """

    input: Annotated[Any, Field(repr=False)]
    policy: Annotated[ExecutionPolicy | None, BeforeValidator(_policy_from_wire)] = None
    webhook: Annotated[StrictStr | None, Field(repr=False)] = None
    webhook_v2: Annotated[StrictStr | None, Field(repr=False)] = None
    s3_config: S3Config | None = None

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            input: Mapping[str, Any] | BaseModel,
            policy: ExecutionPolicy | ExecutionPolicyDict | None = None,
            webhook: str | None = None,
            webhook_v2: str | None = None,
            s3_config: S3Config | S3ConfigDict | None = None,
        ) -> None: ...
