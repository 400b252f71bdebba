"""Base classes and field types of the models of the management API."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    ValidationError,
    field_validator,
    model_validator,
)

from runpod.models._base import (
    OptionalDatetime,
    ReceivedCount,
    ReceivedDuration,
    ReceivedModel,
    ReceivedText,
    ReceivedTotal,
    parsed_moment,
    received_number,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import ValidationInfo, ValidatorFunctionWrapHandler

# With the field types of other models, so that models import all from one module.
__all__ = [
    "Container",
    "ManagementModel",
    "NullIsEmpty",
    "ReceivedCount",
    "ReceivedEnv",
    "ReceivedFlag",
    "ReceivedMilliseconds",
    "ReceivedNumber",
    "ReceivedSeconds",
    "ReceivedText",
    "ReceivedTime",
    "ReceivedTotal",
    "seconds_json",
]

_HIDDEN = "***"


def _received_seconds(value: object) -> timedelta | None:
    if isinstance(value, timedelta):
        return value
    number = received_number(value)
    try:
        return None if number is None else timedelta(seconds=number)
    except OverflowError:
        return None


def _received_flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _received_env(value: object) -> dict[str, str] | None:
    if not isinstance(value, dict):
        return None
    variables = cast("dict[object, object]", value)
    return {str(name): "" if text is None else str(text) for name, text in variables.items()}


def _number(value: float) -> Any:
    """A number as JSON, without a fraction if it is whole. `Any`, since pydantic would convert it to a float."""
    return int(value) if value.is_integer() else value


def seconds_json(span: timedelta | None) -> Any:
    """A duration as JSON, in seconds."""
    return None if span is None else _number(span.total_seconds())


def _milliseconds_json(span: timedelta | None) -> Any:
    return None if span is None else _number(span / timedelta(milliseconds=1))


# An invalid time must not make the other fields unusable.
ReceivedTime = Annotated[OptionalDatetime, BeforeValidator(parsed_moment)]
ReceivedSeconds = Annotated[
    timedelta | None,
    BeforeValidator(_received_seconds),
    PlainSerializer(seconds_json, when_used="json"),
]
ReceivedMilliseconds = Annotated[ReceivedDuration, PlainSerializer(_milliseconds_json, when_used="json")]
ReceivedFlag = Annotated[bool | None, BeforeValidator(_received_flag)]
ReceivedNumber = Annotated[float | None, BeforeValidator(received_number)]
# Of a required list, null is one without items, as some servers write it.
NullIsEmpty = BeforeValidator(lambda value: [] if value is None else value)
ReceivedEnv = Annotated[dict[str, str] | None, BeforeValidator(_received_env)]


class ManagementModel(ReceivedModel):
    """Base of responses of the management API. `repr` shows the fields that are set, without unknown ones."""

    @field_validator("*", mode="wrap")
    @classmethod
    def _or_missing(cls, value: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        """Takes a field of an unexpected type as missing: it must not make a whole list unreadable."""
        try:
            return validate(value)
        except ValidationError:
            field = cls.model_fields[str(info.field_name)]
            if field.is_required():
                raise
            return field.get_default(call_default_factory=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        """Takes null for a list or an object as its absence."""
        if not isinstance(value, dict):
            return value
        fields = cast("dict[str, Any]", value)
        empty = {
            field.alias
            for name, field in cls.model_fields.items()
            if field.default_factory is not None and fields.get(field.alias or name, ...) is None
        }
        return {name: each for name, each in fields.items() if name not in empty} if empty else fields

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        # An unknown field may be a secret.
        fields = type(self).model_fields
        for name in sorted(fields, key=lambda name: name not in {"id", "name"}):
            field = fields[name]
            value = getattr(self, name)
            if field.repr and value is not None and value != []:
                yield name, self._shown(name, value)

    def _shown(self, name: str, value: Any) -> Any:
        if name == "env" and isinstance(value, dict):
            return dict.fromkeys(cast("dict[str, str]", value), _HIDDEN)
        return str(value) if isinstance(value, (datetime, timedelta)) else value


class Container(ManagementModel):
    """The container of an endpoint, a template or a pod.

    Attributes:
        image: The container image, such as "runpod/worker-v1-vllm:v2.7.0"; None if it is missing.
        args: The start command, as one text. Hidden in `repr`, since it may contain a token.
        disk: The size of the container disk in GB.
        env: The environment variables. `repr` shows the names only.
        ports: The exposed ports, such as "8888/http".
        registry: The ID of the credential for a private registry, or None.
    """

    image: ReceivedText = None
    args: Annotated[ReceivedText, Field(repr=False)] = None
    disk: ReceivedCount = None
    env: ReceivedEnv = None
    ports: list[str] = Field(default_factory=list[str])
    registry: ReceivedText = None
