"""Kinds of values in inputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard


def is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def is_array(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray, memoryview))


def is_record(value: object) -> TypeGuard[Any]:
    """Whether it is a dataclass, which has named fields as a mapping has keys."""
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def is_secret(value: object) -> bool:
    return callable(getattr(value, "get_secret_value", None))
