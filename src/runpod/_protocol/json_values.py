"""Converts inputs to plain JSON values."""

from __future__ import annotations

import dataclasses
import math
import secrets
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import MultiHostUrl, PydanticSerializationError, SchemaSerializer, Url, to_jsonable_python

from runpod._protocol.model_values import ModelDump
from runpod._protocol.value_kinds import is_array, is_mapping, is_record, is_secret
from runpod.media.file import File, encoded_size, link_of
from runpod.media.file_sources import is_image
from runpod.media.item import Media

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Maximum nesting depth of an input.
MAX_DEPTH = 64

# How pydantic serializes secrets.
_MASK = "**********"

# What pydantic writes in a way of its own, and what is written as its `str`.
_SCALARS = (date, time, timedelta, UUID, Decimal)
_TEXTS = (PurePath, IPv4Address, IPv6Address, Url, MultiHostUrl)

# By kind of dtype.
_NUMPY_SCALARS = {"b": bool, "i": int, "u": int, "f": float, "U": str}


class FilePart:
    """A file in a converted input. Its text is inserted when the request is encoded."""

    def __init__(self, file: File) -> None:
        self.file = file


class NotSerializableError(Exception):
    """A value is not JSON-serializable. `steps` is the path to it, innermost first."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.steps: list[Any] = []

    @property
    def place(self) -> str:
        return place_of(reversed(self.steps))


def place_of(steps: Any) -> str:
    """A path into an input, such as `input.images[0]`."""
    place = ""
    for step in steps:
        place += f".{step}" if isinstance(step, str) and step.isidentifier() else f"[{step!r}]"
    place = place.removeprefix(".")
    return place if len(place) <= 80 else place[:80] + "…"


class Converter:
    """Converts one input. It collects the files in it.

    Attributes:
        parts: The files, in the order in which they were found.
    """

    def __init__(self) -> None:
        self.parts: list[FilePart] = []
        # What pydantic left in models, by the random texts that stand for it in their dumps.
        self._left: dict[str, Any] = {}

    def convert(self, value: Any, depth: int, *, has_secret: bool = False) -> Any:
        """Converts a value to plain JSON types and `FilePart`.

        Raises:
            NotSerializableError: The value is not JSON-serializable.
        """
        kind = type(cast("object", value))
        if value is None or kind is int or kind is bool:
            return value
        if isinstance(value, str):
            if self._left and value in self._left:
                return self.convert(self._left[value], depth)
            _check_text(value, "contains a lone surrogate")
            if has_secret and value == _MASK:
                msg = f"is a secret, which would be sent as {_MASK}. Pass its get_secret_value() as a str"
                raise NotSerializableError(msg)
            return str.__str__(value)
        if isinstance(value, float):
            if not math.isfinite(value):
                msg = f"is {float(value)}, which JSON does not support; use None or a number"
                raise NotSerializableError(msg)
            return float(value)
        if isinstance(value, int):
            return int(value)
        if kind is not dict and kind is not list and isinstance(value, BaseModel):
            return self._model(value, depth)
        if depth >= MAX_DEPTH:
            msg = f"is nested deeper than {MAX_DEPTH} levels"
            raise NotSerializableError(msg)
        if kind is dict or is_mapping(value):
            return self._object(value, depth, has_secret=has_secret)
        if is_array(value):
            return self._array(value, depth, has_secret=has_secret)
        return self._other(value, depth)

    def _object(self, value: Mapping[Any, Any], depth: int, *, has_secret: bool = False) -> dict[str, Any]:
        for key in value:
            if not isinstance(key, str):
                msg = f"has a key of type {type(key).__name__}; JSON keys must be str"
                raise NotSerializableError(msg)
            _check_text(key, "has a key with a lone surrogate")
        step: Any = None
        fields: dict[str, Any] = {}
        try:
            for step, item in value.items():
                fields[step] = self.convert(item, depth + 1, has_secret=has_secret)
        except NotSerializableError as error:
            error.steps.append(step)
            raise
        return fields

    def _array(self, value: Sequence[Any], depth: int, *, has_secret: bool = False) -> list[Any]:
        items: list[Any] = []
        try:
            for item in value:
                items.append(self.convert(item, depth + 1, has_secret=has_secret))  # noqa: PERF401 - its length is the failing index
        except NotSerializableError as error:
            error.steps.append(len(items))
            raise
        return items

    def _model(self, value: Any, depth: int) -> Any:
        dump = ModelDump(value)
        try:
            dumped = dump.run(self._leave)
        except (PydanticSerializationError, ValueError, TypeError, RecursionError) as error:
            # The pydantic error is not shown, since it can quote the input.
            msg = (
                f"has type {type(value).__name__}, which pydantic cannot serialize to JSON "
                f'({type(error).__name__}); call its model_dump(mode="json") for details'
            )
            raise NotSerializableError(msg) from None
        return self.convert(dumped, depth, has_secret=dump.has_secret)

    def _leave(self, value: Any) -> str:
        # 128 random bits, so that no text of the input is mistaken for it.
        name = secrets.token_hex(16)
        self._left[name] = value
        return name

    def _other(self, value: Any, depth: int) -> Any:
        if isinstance(value, Media):
            value = File(value) if value.url is None else value.url
        if isinstance(value, str):
            return self.convert(value, depth)
        if isinstance(value, File):
            link = link_of(value)
            if link is not None:
                return link
            part = FilePart(value)
            self.parts.append(part)
            return part
        if is_secret(value):
            raise _refused(value)
        if isinstance(getattr(type(cast("object", value)), "__pydantic_serializer__", None), SchemaSerializer):
            return self._model(value, depth)
        if is_record(value):
            fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
            return self._object(fields, depth)
        if isinstance(value, Enum):
            return self.convert(value.value, depth)
        if isinstance(value, _SCALARS):
            if isinstance(value, Decimal) and not value.is_finite():
                msg = f"is {value}, which JSON does not support; use None or a number"
                raise NotSerializableError(msg)
            return self.convert(to_jsonable_python(value), depth)
        if isinstance(value, _TEXTS):
            return self.convert(str(value), depth)
        if _is_numpy(value):
            return self._numpy(value, depth)
        raise _refused(value)

    def _numpy(self, value: Any, depth: int) -> Any:
        convert = _NUMPY_SCALARS.get(value.dtype.kind)
        if convert is None:
            msg = f"is a numpy value of dtype {value.dtype}, which is not JSON-serializable; convert it with .astype()"
            raise NotSerializableError(msg)
        plain = value.tolist()
        if not value.ndim and plain is not None:  # a scalar; None: it is masked
            # `tolist` leaves numbers of extended precision as they are.
            plain = convert(plain)
        return self.convert(plain, depth)


def _is_numpy(value: object) -> bool:
    of_numpy = any(cls.__module__.partition(".")[0] == "numpy" for cls in type(value).__mro__)
    return of_numpy and all(hasattr(value, name) for name in ("dtype", "item", "ndim", "tolist"))


def _check_text(text: str, problem: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            msg = f"{problem}, which UTF-8 cannot encode"
            raise NotSerializableError(msg) from None


def _refused(value: object) -> NotSerializableError:
    return NotSerializableError(f"has type {type(value).__name__}, which is not JSON-serializable{_hint(value)}")


def _hint(value: Any) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "; wrap it as runpod.File(…), or decode it to a str"
    if isinstance(value, (set, frozenset)):
        return "; convert it to a list"
    if is_secret(value):
        return "; pass its get_secret_value()"
    if is_image(value):
        return "; wrap it as runpod.File(image)"
    if callable(getattr(value, "tolist", None)):
        return "; call its tolist()"
    if callable(getattr(value, "read", None)):
        return "; wrap it as runpod.File(file)"
    return ""


# What is large


def size_of(value: object) -> int:
    """About how many bytes a converted value has as JSON."""
    if isinstance(value, str):
        # Escapes are rare.
        return len(value) + 2 if value.isascii() else len(value.encode()) + 2
    if isinstance(value, FilePart):
        return encoded_size(value.file) + 2
    if isinstance(value, int):  # `str` refuses integers of thousands of digits
        return value.bit_length() // 3 + 1
    children = children_of(value)
    if children is None:
        return len(repr(value))
    keys = sum(len(key) + 3 for key, _ in children if isinstance(key, str))
    return keys + sum(size_of(item) + 1 for _, item in children) + 1


def largest_part(value: object) -> tuple[list[object], object]:
    """The largest part of a converted value: its path, and itself. An array of many small items is one part."""
    steps: list[object] = []
    small = size_of(value) / 100
    while children := children_of(value):
        sizes = [size_of(item) for _, item in children]
        if steps and max(sizes) < small:
            break
        step, value = children[sizes.index(max(sizes))]
        steps.append(step)
    return steps, value


def children_of(value: object) -> list[tuple[object, object]] | None:
    """The items of a converted object or array, with their keys or indices; None for other values."""
    if isinstance(value, dict):
        return list(cast("dict[object, object]", value).items())
    return list(enumerate(cast("list[object]", value))) if isinstance(value, list) else None
