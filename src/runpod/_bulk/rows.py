"""Rows before they are added to a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pydantic import BaseModel

from runpod.errors import InvalidRequestError
from runpod.models._base import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Row", "RowSource", "SkippedRow"]


class Row(dict[str, Any]):
    """A row that was read from a file: a dict of its columns.

    Attributes:
        place: Where the row begins, such as `line 731 of rows.jsonl`.
    """

    __slots__ = ("place",)

    def __init__(self, columns: Mapping[str, Any], place: str) -> None:
        super().__init__(columns)
        self.place: str = place


class SkippedRow(NamedTuple):
    """A row that cannot be used.

    Attributes:
        place: Where the row begins, such as `line 731 of rows.jsonl`.
        problem: What is wrong with it.
    """

    place: str
    problem: str


def columns_of(row: object) -> Mapping[str, Any]:
    """Returns the columns of a row: a mapping, or the fields of a pydantic model.

    Raises:
        InvalidRequestError: It is neither.
    """
    if isinstance(row, BaseModel):
        return dict(row)
    if isinstance(row, Mapping):
        return cast("Mapping[str, Any]", row)
    msg = f"a row must be a mapping or a pydantic model, not {type(row).__name__}."
    raise InvalidRequestError(msg)


def missing_column(name: str, columns: Iterable[object]) -> str:
    """Describes a column that a row lacks, and names the columns it has."""
    known = [str(column) for column in columns]
    shown = ", ".join(repr(column) for column in known[:20]) or "none"
    more = f" and {len(known) - 20} more" if len(known) > 20 else ""
    return f"there is no column {name!r}{suggestion(name, known)}; the columns are {shown}{more}."


class RowSource(ABC):
    """Rows that are read from somewhere. Iterating over them raises at the first row that cannot be used."""

    @abstractmethod
    def items(self) -> Iterator[Row | SkippedRow]:
        """Yields all rows. Those that cannot be used are `SkippedRow`."""

    def __iter__(self) -> Iterator[Row]:
        for item in self.items():
            if isinstance(item, SkippedRow):
                msg = f"{item.place}: {item.problem}"
                raise InvalidRequestError(msg)
            yield item
