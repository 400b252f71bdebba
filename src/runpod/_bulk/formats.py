"""The formats of files with rows and results."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from runpod.errors import ConfigurationError, InvalidRequestError
from runpod.models._base import suggestion

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["Format", "format_of", "import_pyarrow", "name_of"]

Format: TypeAlias = Literal["jsonl", "csv", "tsv", "parquet"]

_FORMATS: dict[str, Format] = {
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "csv": "csv",
    "tsv": "tsv",
    "parquet": "parquet",
    "pq": "parquet",
}


def format_of(target: object, given: str | None) -> Format:
    """Returns the format of a file: the given one, or that of its suffix. Streams are JSONL by default.

    Raises:
        InvalidRequestError: The format is unknown.
    """
    if given is not None:
        found = _FORMATS.get(given.lower().removeprefix(".")) if isinstance(cast("object", given), str) else None
        if found is None:
            msg = f"format must be 'jsonl', 'csv', 'tsv' or 'parquet', got {given!r}{suggestion(str(given), _FORMATS)}."
            raise InvalidRequestError(msg)
        return found
    if not isinstance(target, (str, os.PathLike)) or target == "-":
        return "jsonl"
    path = cast("str | os.PathLike[str]", target)
    suffix = PurePath(path).suffix
    found = _FORMATS.get(suffix.lower().removeprefix("."))
    if found is None:
        what = f"has the suffix {suffix!r}" if suffix else "has no suffix"
        hint = " A JSON file can be converted with: jq -c '.[]' rows.json > rows.jsonl" if suffix == ".json" else ""
        msg = (
            f"The format of {name_of(path)} is unknown, since it {what}. Use .jsonl, .csv, .tsv or .parquet, or pass "
            f"format=.{hint}"
        )
        raise InvalidRequestError(msg)
    return found


def name_of(target: object, standard: str = "standard input") -> str:
    """Returns the name of a file or stream for messages."""
    if target == "-":
        return standard
    if isinstance(target, (str, os.PathLike)):
        return os.fspath(cast("str | os.PathLike[str]", target))
    name = getattr(target, "name", None)
    if name == "<stdin>":
        return standard
    return name if isinstance(name, str) else f"the {type(target).__name__}"


def import_pyarrow() -> tuple[Any, Any]:
    """Returns the modules `pyarrow` and `pyarrow.parquet`.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """
    from importlib import import_module

    try:
        modules: tuple[ModuleType, ModuleType] = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        if error.name not in {"pyarrow", "pyarrow.parquet"}:
            raise
        msg = 'Parquet files need pyarrow, which is not installed. Install it with: pip install "runpod-sdk[parquet]"'
        raise ConfigurationError(msg) from None
    return modules
