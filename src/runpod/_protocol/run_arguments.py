"""Validates the arguments of runs of many jobs."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from runpod.errors import InvalidRequestError


def check_inputs(inputs: object, *, accepts_async: bool) -> None:
    """Validates the inputs of `map`.

    Raises:
        InvalidRequestError: They are not an iterable of inputs.
    """
    is_async = hasattr(inputs, "__aiter__")
    is_iterable = hasattr(inputs, "__iter__") or hasattr(inputs, "__getitem__") or (is_async and accepts_async)
    if is_iterable and not isinstance(inputs, (str, bytes, bytearray, Mapping, BaseModel)):
        return
    kind = "None" if inputs is None else type(inputs).__name__  # pyright: ignore[reportUnknownArgumentType]
    msg = f"inputs must be an iterable of inputs, such as a list of mappings, not {kind}."
    if isinstance(inputs, (Mapping, BaseModel)):
        msg += " To run a single input, use endpoint.run(input=…)."
    if is_async:
        msg += " For an async iterable, use AsyncRunpod."
    raise InvalidRequestError(msg)


def check_in_flight(in_flight: object) -> int:
    """Validates `in_flight`.

    Raises:
        InvalidRequestError: It is not a positive whole number.
    """
    if isinstance(in_flight, bool) or not isinstance(in_flight, int):
        msg = f"in_flight must be a whole number of jobs, such as 100, not {type(in_flight).__name__}."
        raise InvalidRequestError(msg)
    if in_flight < 1:
        msg = f"in_flight must be at least 1, got {in_flight}."
        raise InvalidRequestError(msg)
    return in_flight


def check_on_exit(on_exit: object) -> bool:
    """Returns whether the unfinished jobs are cancelled.

    Raises:
        InvalidRequestError: It is neither "cancel" nor "keep".
    """
    if on_exit not in ("cancel", "keep"):
        msg = f'on_exit must be "cancel" or "keep", not {on_exit!r:.40}.'
        raise InvalidRequestError(msg)
    return on_exit == "cancel"
