"""Adding rows to the file of a bulk run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from runpod._bulk.json_text import is_same
from runpod._bulk.rows import Row, SkippedRow, columns_of, missing_column
from runpod._protocol.encoding import encode_input
from runpod._text import readable
from runpod.errors import InvalidRequestError
from runpod.models.requests import JobRequest

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel

__all__ = ["Added", "Adder", "key_text"]

_LISTED_PROBLEMS = 100


@dataclass(frozen=True)
class Added:
    """What `add` did.

    Attributes:
        added: The number of rows that were added.
        known: The number of rows whose key was known before. They were not changed.
        changed: How many of the known rows have another input than the one that was added first.
        skipped: The first 100 rows that could not be used, as `(place, problem)`.
        skipped_count: The number of all rows that could not be used.
    """

    added: int = 0
    known: int = 0
    changed: int = 0
    skipped: list[SkippedRow] = field(default_factory=list[SkippedRow])
    skipped_count: int = 0


def key_text(value: object, what: str) -> str:
    """Returns a key as text.

    Raises:
        InvalidRequestError: It is neither a str nor an int, or it is blank.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return str(value)
        except ValueError:
            msg = f"{what} has too many digits."
            raise InvalidRequestError(msg) from None
    if not isinstance(value, str):
        kind = "None" if value is None else type(value).__name__
        msg = f"{what} must be a str or an int, not {kind}; convert it to a str."
        raise InvalidRequestError(msg)
    if not value.strip():
        msg = f"{what} is blank."
        raise InvalidRequestError(msg)
    try:
        value.encode()
    except UnicodeEncodeError:
        msg = f"{what} contains a lone surrogate, which UTF-8 cannot encode."
        raise InvalidRequestError(msg) from None
    return str(value)


class Adder:
    """One call of `add`, within its transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        key: str | Callable[[Any], str | int] | None,
        make_input: Callable[[Any], Mapping[str, Any] | BaseModel] | None,
        *,
        skip: bool,
    ) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._key, self._make_input, self._skip = key, make_input, skip
        # Rows with the number of this call are those that it added.
        self._cursor.execute("UPDATE meta SET value = value + 1 WHERE name = 'additions'")
        (self._addition,) = self._cursor.execute("SELECT value FROM meta WHERE name = 'additions'").fetchone()
        (self._next,) = self._cursor.execute("SELECT coalesce(max(number), 0) + 1 FROM rows").fetchone()
        self._first = self._next
        self._position = self._known = self._changed = self._skipped_count = 0
        self._skipped: list[SkippedRow] = []

    def add(self, row: object) -> None:
        """Adds a row, unless its key is known.

        Raises:
            InvalidRequestError: The row cannot be used, and is not to be skipped.
        """
        self._position += 1
        if isinstance(row, SkippedRow):
            self._problem(row.place, row.problem)
            return
        place = row.place if isinstance(row, Row) else f"row {self._position}"
        try:
            key = self._key_of(row)
            self._insert(key, self._input_of(row), place)
        except InvalidRequestError as error:
            if isinstance(error, _UseKeysError):
                raise
            self._problem(place, error.message, kind=type(error))
        except _CallbackError as error:
            cause = cast("Exception", error.__cause__)
            detail = f"{error.name} raised {type(cause).__name__}"
            if self._skip:  # in a list there is no traceback
                detail += f": {readable(str(cause), 200)}"
            self._problem(place, f"{detail}.", cause)

    def finish(self) -> Added:
        """Returns what was added."""
        return Added(self._next - self._first, self._known, self._changed, self._skipped, self._skipped_count)

    def _problem(
        self,
        place: str,
        problem: str,
        cause: Exception | None = None,
        kind: type[InvalidRequestError] = InvalidRequestError,
    ) -> None:
        if not self._skip:
            msg = f"{place}: {problem} Nothing was added."
            raise kind(msg) from cause
        self._skipped_count += 1
        if len(self._skipped) < _LISTED_PROBLEMS:
            self._skipped.append(SkippedRow(place, problem))

    def _key_of(self, row: object) -> str:
        if self._key is None:
            return str(self._position)
        if isinstance(self._key, str):
            columns = columns_of(row)
            if self._key not in columns:
                raise InvalidRequestError(missing_column(self._key, columns))
            return key_text(columns[self._key], f"the key in column {self._key!r}")
        try:
            key = self._key(row)
        except Exception as error:
            raise _CallbackError("key") from error
        return key_text(key, "the key")

    def _input_of(self, row: object) -> str:
        value = row
        if self._make_input is not None:
            try:
                value = self._make_input(row)
            except InvalidRequestError:
                raise
            except Exception as error:
                raise _CallbackError("input") from error
        if isinstance(value, JobRequest):
            msg = "the input of a row must be a mapping or a pydantic model, not a JobRequest; pass its input."
            raise InvalidRequestError(msg)
        return encode_input(value).decode()

    def _insert(self, key: str, input_json: str, place: str) -> None:
        inserted = self._cursor.execute(
            "INSERT OR IGNORE INTO rows VALUES (?, ?, ?, ?, ?)", (self._next, key, input_json, self._addition, place)
        )
        if inserted.rowcount:
            self._cursor.execute("INSERT INTO jobs (number, state) VALUES (?, 'PENDING')", (self._next,))
            self._next += 1
            return
        known_input, addition, known_place = self._cursor.execute(
            "SELECT input, addition, place FROM rows WHERE key = ?", (key,)
        ).fetchone()
        if addition == self._addition:
            msg = f"the key {readable(key, 80)!r} is also that of {known_place}; keys must be unique."
            raise InvalidRequestError(msg)
        is_changed = known_input != input_json and not is_same(known_input, input_json)
        if is_changed and self._key is None:
            msg = (
                f"{place} is not the row that was added before under the number {key}. Rows without a key are "
                "recognized by their number; pass key= to add other rows. Nothing was added."
            )
            raise _UseKeysError(msg)
        self._known += 1
        self._changed += is_changed


class _UseKeysError(InvalidRequestError):
    """The numbers of rows do not identify them. Not a problem of one row, so never skipped."""


class _CallbackError(Exception):
    """A function of the caller raised the cause."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name
