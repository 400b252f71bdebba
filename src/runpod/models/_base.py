"""Base classes and field types of the models."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, SchemaValidator, core_schema

from runpod._base_errors import InvalidRequestError, RunpodError

if TYPE_CHECKING:
    from collections.abc import Iterable


def suggestion(name: str, known: Iterable[str]) -> str:
    """A suggestion for an unknown name, such as ` (did you mean 'ttl'?)`; empty without a close match."""
    import difflib  # slow to import, and only errors need it

    by_normalized = {normalized(k): k for k in known}
    close = difflib.get_close_matches(normalized(name), by_normalized, n=1, cutoff=0.6)
    return f" (did you mean {by_normalized[close[0]]!r}?)" if close else ""


def normalized(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def milliseconds(span: timedelta) -> int:
    """Converts a duration to whole milliseconds, the unit of the API."""
    return round(span / timedelta(milliseconds=1))


def _duration(value: object) -> timedelta:
    if not isinstance(value, timedelta):
        example = f"timedelta(seconds={value})" if type(value) in {int, float} else "timedelta(seconds=60)"
        msg = f"must be a timedelta, such as {example}, not {type(value).__name__}"
        raise ValueError(msg)  # noqa: TRY004 - pydantic handles ValueError only
    return value


def _non_negative_duration(value: object) -> timedelta:
    duration = _duration(value)
    if duration < timedelta(0):
        msg = f"must not be negative, got {duration}"
        raise ValueError(msg)
    return duration


def _positive_duration(value: object) -> timedelta:
    duration = _duration(value)
    if milliseconds(duration) <= 0:
        msg = f"must be at least 1 ms, got {duration}"
        raise ValueError(msg)
    return duration


def from_milliseconds(value: object) -> timedelta:
    """Converts a duration of a request in the wire format, in milliseconds.

    Raises:
        ValueError: It is neither a positive number nor a timedelta.
    """
    if isinstance(value, timedelta):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
        try:
            return timedelta(milliseconds=value)
        except (OverflowError, ValueError):
            pass
    shown = value if isinstance(value, (int, float)) else type(value).__name__
    msg = f"must be a positive number of milliseconds, got {shown!s:.20}"
    raise ValueError(msg)


def _received_duration(value: object) -> timedelta | None:
    # An invalid duration must not make the result of a job unusable.
    if isinstance(value, timedelta):
        return value
    number = value if type(value) is int else received_number(value)
    if number is None:
        return None
    try:
        return timedelta(milliseconds=number)
    except OverflowError:
        return None


def received_number(value: object) -> float | None:
    """A number from the server, also if it was sent as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = value if isinstance(value, int) else float(value)
        return number if math.isfinite(number) else None
    except (OverflowError, ValueError):
        return None


class _DatetimeSchema:
    """The schema of an optional datetime, whatever the name `datetime` refers to.

    Libraries that freeze the time replace the class, and pydantic does not know theirs: models that are imported while
    it is frozen could not be created.
    """

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> CoreSchema:
        return core_schema.nullable_schema(core_schema.datetime_schema())


OptionalDatetime = Annotated[datetime | None, _DatetimeSchema()]
_moment = SchemaValidator(core_schema.datetime_schema())


def parsed_moment(value: object) -> datetime | None:
    """A moment from the server, in UTC if it has no time zone; None for anything that is none."""
    try:
        moment: datetime = _moment.validate_python(value)
    except ValidationError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _received_text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else str(value)


def _received_count(value: object) -> int | None:
    number = received_number(value)
    return None if number is None else int(number)


_as_milliseconds = PlainSerializer(lambda span: None if span is None else milliseconds(span), when_used="json")

NonNegativeDuration = Annotated[timedelta, BeforeValidator(_non_negative_duration)]
PositiveDuration = Annotated[timedelta, BeforeValidator(_positive_duration), _as_milliseconds]
ReceivedDuration = Annotated[
    timedelta | None,
    BeforeValidator(_received_duration),
    # Not rounded, so that a round trip preserves the value.
    PlainSerializer(lambda span: None if span is None else span / timedelta(milliseconds=1), when_used="json"),
]
ReceivedText = Annotated[str | None, BeforeValidator(_received_text)]
ReceivedCount = Annotated[int | None, BeforeValidator(_received_count)]
ReceivedTotal = Annotated[int, BeforeValidator(lambda value: _received_count(value) or 0)]


class ReceivedModel(BaseModel):
    """Base of models of responses: frozen, lenient, and keeps unknown fields."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True,
        extra="allow",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )


class ArgumentModel(BaseModel):
    """Base of models that callers create: frozen, strict, and rejects unknown fields."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )
    error_class: ClassVar[type[RunpodError]] = InvalidRequestError

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            msg = f"Invalid {type(self).__name__}: {describe(error, type(self))}."
            raise self.error_class(msg) from None

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        # For `help()`, which would show the aliases.
        parameters = [
            Parameter(name, Parameter.KEYWORD_ONLY, default=Parameter.empty if field.is_required() else field.default)
            for name, field in cls.model_fields.items()
        ]
        setattr(cls, "__signature__", Signature(parameters))  # noqa: B010 - not an attribute for type checkers


def describe(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """Describes validation errors in one line, without the input values."""
    known = list(model.model_fields) if model is not None else []
    by_alias = {to_camel(name): name for name in known}
    parts: list[str] = []
    for problem in error.errors(include_url=False, include_input=False):
        field = ".".join(str(step) for step in problem["loc"])
        cause = problem.get("ctx", {}).get("error")
        # The text of an error of the library has an address at its end.
        text = cause.message if isinstance(cause, RunpodError) else problem["msg"].removeprefix("Value error, ")
        message = text.rstrip(".")
        if problem["type"] == "extra_forbidden":
            parts.append(f"there is no field {field!r}{suggestion(field, known)}")
        elif problem["type"] == "missing":
            parts.append(f"{by_alias.get(field, field)} is missing")
        elif not field:
            parts.append(message)
        elif problem["type"] != "value_error":
            parts.append(f"{field}: {message}")
        elif message.startswith("Invalid "):  # the message of a nested model
            parts.append(f"{field}: {message.partition(': ')[2]}")
        else:
            parts.append(f"{field} {message}")
    return "; ".join(parts)
