"""Submitting rows of a bulk run once more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from runpod._bulk import changes as states
from runpod._bulk.adder import key_text
from runpod._text import readable
from runpod.errors import InvalidRequestError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

__all__ = ["RESUBMITTED", "Resubmit", "check_resubmit", "reset", "unfinished"]

Resubmit: TypeAlias = Literal["doubtful", "expired", "failed"]
RESUBMITTED: dict[str, tuple[str, ...]] = {
    "doubtful": (states.DOUBTFUL,),
    "expired": (states.EXPIRED,),
    "failed": ("CANCELLED", "FAILED", "TIMED_OUT"),
}
_REFUSED = {
    states.COMPLETED: "has completed; add it under another key to run it again",
    states.SUBMITTED: "was submitted, and its job has not ended; wait for it or cancel it first",
    states.SUBMITTING: "is being submitted",
}


def check_resubmit(which: object) -> Resubmit | list[str] | None:
    """Validates what to resubmit.

    Raises:
        InvalidRequestError: It is none of the words, and no iterable of keys.
    """
    if which is None or (isinstance(which, str) and which in RESUBMITTED):
        return cast("Resubmit | None", which)
    if isinstance(which, (str, bytes, Mapping)) or not isinstance(which, Iterable):
        shown = f"{readable(which, 80)!r}" if isinstance(which, str) else type(which).__name__  # pyright: ignore[reportUnknownArgumentType]
        msg = f"resubmit must be 'doubtful', 'expired', 'failed' or a list of keys, got {shown}."
        raise InvalidRequestError(msg)
    return [key_text(key, "a key to resubmit") for key in cast("Iterable[object]", which)]


def unfinished(counts: Mapping[str, int], which: Resubmit | list[str] | None) -> int:
    """How many rows a run has to submit or to wait for.

    Args:
        counts: The number of rows by status.
        which: What is resubmitted. Keys are counted without a look at their rows.
    """
    again = RESUBMITTED[which] if isinstance(which, str) else ()
    number = sum(counts[status] for status in (states.PENDING, states.IN_QUEUE, *again))
    return number + len(which) if isinstance(which, list) else number


def reset(connection: sqlite3.Connection, which: Resubmit | list[str], path: str) -> int:
    """Sets rows back to PENDING, within a transaction; returns how many.

    Raises:
        InvalidRequestError: A key is unknown, or its row was submitted or has completed.
    """
    if isinstance(which, str):
        found = RESUBMITTED[which]
        selected = f"SELECT number FROM jobs WHERE state IN ({', '.join('?' * len(found))})"  # noqa: S608 - fixed text
        return _reset(connection, selected, found)
    count, unknown = 0, list[str]()
    for key in which:
        row = connection.execute(
            "SELECT number, state FROM rows JOIN jobs USING (number) WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            unknown.append(repr(readable(key, 80)))
        elif row[1] in _REFUSED:
            msg = f"The row with the key {readable(key, 80)!r} cannot be resubmitted: it {_REFUSED[row[1]]}."
            raise InvalidRequestError(msg)
        elif row[1] != states.PENDING:
            count += _reset(connection, "?", (row[0],))
    if unknown:
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        msg = f"{path} has no row with the key {', '.join(unknown[:5])}{more}. Nothing was changed."
        raise InvalidRequestError(msg)
    return count


def _reset(connection: sqlite3.Connection, selected: str, values: Sequence[Any]) -> int:
    connection.execute(f"DELETE FROM outcomes WHERE number IN ({selected})", values)  # noqa: S608 - fixed text
    return connection.execute(
        "UPDATE jobs SET state = 'PENDING', job_id = NULL, submitted_at = NULL, queued_ms = NULL, running_ms = NULL, "  # noqa: S608 - fixed text
        f"retries = NULL, cost = NULL WHERE number IN ({selected})",
        values,
    ).rowcount
