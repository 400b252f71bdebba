"""Checks of an input against a schema, as the validator of the official package does them for several workers."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Field", "check_input"]


class Field(NamedTuple):
    """A key of an input: its type and default. None is always accepted."""

    type: type
    default: Any = None


def check_input(job_input: dict[str, Any], schema: dict[str, Field]) -> tuple[dict[str, Any], str | None]:
    """Return the input with defaults, and an error text or None.

    The originals return a list of errors, which the service does not accept as an error: such a job is COMPLETED
    without output. The samples return text, with which it is FAILED.
    """
    errors = [f"Unexpected input. {key} is not a valid input option." for key in job_input if key not in schema]
    values: dict[str, Any] = {}
    for key, field in schema.items():
        value = job_input.get(key, field.default)
        if field.type is float and type(value) is int:
            value = float(value)
        if value is not None and not isinstance(value, field.type):
            errors.append(f"{key} should be {field.type} type, not {type(value)}.")
        values[key] = value
    return values, " ".join(errors) or None
