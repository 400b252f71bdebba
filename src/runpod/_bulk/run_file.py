"""The file of a bulk run: an SQLite database with the rows, their jobs and what became of them.

What a method saved survives the end of the process at any moment, and a power cut. Each method that
changes the file is one transaction: it is saved as a whole, or not at all.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from pydantic import BaseModel

from runpod._bulk import changes as states
from runpod._bulk.adder import Added, Adder
from runpod._bulk.database import Database, Schema
from runpod._bulk.json_text import encode
from runpod._bulk.resubmit import check_resubmit, reset
from runpod._bulk.results import BulkResult
from runpod._bulk.rows import RowSource
from runpod._logging import logger
from runpod._text import readable
from runpod.errors import InvalidRequestError, RunFileError

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

    from runpod._bulk.resubmit import Resubmit

__all__ = ["RowStatistics", "RunFile", "StoredRow"]

# Rows and jobs are separate, so that changes of a job do not rewrite the row's input, and statistics do not read it.
_SCHEMA = Schema(
    version=1,
    statements="""
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE rows (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    input TEXT NOT NULL,
    addition INTEGER NOT NULL,
    place TEXT NOT NULL
);
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY REFERENCES rows,
    state TEXT NOT NULL,
    job_id TEXT,
    submitted_at REAL,
    queued_ms INTEGER,
    running_ms INTEGER,
    retries INTEGER,
    cost REAL
);
CREATE INDEX jobs_by_state ON jobs (state);
CREATE TABLE outcomes (number INTEGER PRIMARY KEY REFERENCES rows, output TEXT, error TEXT);
INSERT INTO meta VALUES ('additions', 0), ('endpoint_id', NULL), ('owner', NULL), ('wall_seconds', 0.0);
""",
)

_INTERRUPTED = encode("The process ended while it submitted this row, so that the outcome of the request is unknown.")
_UNSTORED = encode("What became of the request for this row could not be stored. The log may have the ID of its job.")

# For how long after a submission a 404 is not final, in seconds. It is measured on the system clock, which may jump, so
# it is longer than for a submission of this process.
_RECENT = 60.0

# How much is read at once: rows, and characters of JSON text.
_PAGE_ROWS = 1000
_PAGE_TEXT = 8 * 1024 * 1024


class StoredRow(NamedTuple):
    """A row to submit, or to wait for.

    Attributes:
        number: The position of the row in the file.
        key: Its key.
        input_json: Its input as JSON text.
        job_id: Its job, if it was submitted.
        submitted_at: When it was submitted, in seconds since the epoch.
    """

    number: int
    key: str
    input_json: str
    job_id: str | None
    submitted_at: float | None

    @property
    def is_recent(self) -> bool:
        """Whether it was submitted so recently that a 404 for its job is not final."""
        return self.submitted_at is not None and time.time() - self.submitted_at < _RECENT


class RowStatistics(NamedTuple):
    """What a report needs to know of a row. `status` is that of its `BulkResult`."""

    status: str
    has_job: bool
    queued_ms: int | None
    running_ms: int | None
    retries: int | None
    cost: float | None


class RunFile:
    """The file of a bulk run.

    Can be used by several threads, one at a time, and not by a child of a fork.

    Args:
        path: The file. Beside it, SQLite keeps `-wal` and `-shm`, and a lock is kept in `.lock`.
        create: Whether to create the file if it is missing.
        read_only: Whether only to read it. Works while another process runs it, and on read-only media.

    Attributes:
        is_submitting: Whether requests of this object may be under way. If not, SUBMITTING rows are shown as DOUBTFUL.

    Raises:
        RunFileError: The file is missing, in use, not a run file, of a newer version, or not accessible.
    """

    def __init__(self, path: str | os.PathLike[str], *, create: bool = True, read_only: bool = False) -> None:
        self._database = Database(path, _SCHEMA, _begin, create=create, read_only=read_only)
        self.is_submitting: Callable[[], bool] = lambda: True
        self._beginning = threading.Lock()

    @property
    def path(self) -> str:
        """The path as it was passed."""
        return self._database.path

    def close(self) -> None:
        """Closes the file, and lets others run it. Can be called again."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"RunFile({self.path!r})"

    # Adding rows

    def add(
        self,
        rows: Iterable[Mapping[str, Any] | BaseModel],
        key: str | Callable[[Any], str | int] | None = None,
        make_input: Callable[[Any], Mapping[str, Any] | BaseModel] | None = None,
        on_error: Literal["raise", "skip"] = "raise",
    ) -> Added:
        """Adds rows; those whose key is known are skipped.

        Args:
            rows: Mappings, pydantic models, or a `RowSource`. Read once, while the file is locked
                for other threads.
            key: The column with the key, a function that returns it, or None for the number of the
                row within this call.
            make_input: Makes the input of a row. Without it, the row is the input.
            on_error: What to do with a row that cannot be used: raise and add nothing, or skip it.

        Raises:
            InvalidRequestError: A row cannot be used. Nothing was added.
            RunFileError: The file cannot be written. Nothing was added.
        """
        if isinstance(rows, (str, bytes, Mapping, BaseModel)) or not isinstance(cast("object", rows), Iterable):
            kind = type(cast("object", rows)).__name__
            msg = f"rows must be an iterable of mappings, not {kind}. To read a file, pass its path."
            raise InvalidRequestError(msg)
        if on_error not in ("raise", "skip"):
            msg = f"on_error must be 'raise' or 'skip', got {on_error!r}."
            raise InvalidRequestError(msg)
        if not (key is None or isinstance(key, str) or callable(cast("object", key))):
            msg = f"key must be a column or a function, not {type(cast('object', key)).__name__}."
            raise InvalidRequestError(msg)
        if not (make_input is None or callable(cast("object", make_input))):
            msg = f"input must be a function or a Template, not {type(cast('object', make_input)).__name__}."
            raise InvalidRequestError(msg)
        with self._database.transaction() as connection:
            adder = Adder(connection, key, make_input, skip=on_error == "skip")
            for row in rows.items() if isinstance(rows, RowSource) else rows:
                adder.add(row)
            added = adder.finish()
        if added.added > _PAGE_ROWS:
            # The write-ahead log has as many pages as were written. An error leaves it for the next checkpoint.
            with suppress(RunFileError), self._database.reading() as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if added.changed:
            logger.warning(
                "%s: %d of %d known rows were added with another input than before. The first input is kept; "
                "use another key for another input.",
                self.path,
                added.changed,
                added.known,
            )
        return added

    # Running

    def bind(self, endpoint_id: str) -> None:
        """Records the endpoint of this run. Until a row was submitted, it can be changed.

        Raises:
            RunFileError: The run belongs to another endpoint.
        """
        with self._database.transaction() as connection:
            known = self._database.meta(connection, "endpoint_id")
            begun = connection.execute("SELECT EXISTS (SELECT 1 FROM jobs WHERE state != 'PENDING')").fetchone()[0]
            if known is None or not begun:
                connection.execute("UPDATE meta SET value = ? WHERE name = 'endpoint_id'", (endpoint_id,))
            elif known != endpoint_id:
                msg = (
                    f"{self.path} is a run of endpoint {known!r}, not of {endpoint_id!r}. Run it with {known!r}, or "
                    "add the rows to another file."
                )
                raise RunFileError(msg)

    def apply(self, changes: Iterable[states.Change], elapsed: float = 0.0) -> None:
        """Saves changes durably, all or none.

        Args:
            changes: In order; a row can occur several times.
            elapsed: The seconds of running since the previous call, for `wall_seconds`.

        Raises:
            RunFileError: A row is not in a state that the change starts from, or the file cannot be written.
        """
        with self._database.transaction() as connection:
            for change in changes:
                self._apply(connection, change)
            if elapsed > 0:
                connection.execute("UPDATE meta SET value = value + ? WHERE name = 'wall_seconds'", (elapsed,))

    def _apply(self, connection: sqlite3.Connection, change: states.Change) -> None:
        state = states.new_state(change)
        if isinstance(change, states.Ended):
            if state not in states.FINAL_STATES:
                msg = f"Row {change.number} cannot end with the status {readable(state, 40)!r}, which is not final."
                raise RunFileError(msg)
            statistics = (change.queued_ms, change.running_ms, change.retries, change.cost)
        else:
            statistics = (None, None, None, None)
        submitted_at = time.time() if isinstance(change, states.Submitted) else None
        allowed = change.allowed_from
        updated = connection.execute(
            "UPDATE jobs SET state = ?, job_id = coalesce(?, job_id), submitted_at = coalesce(?, submitted_at), "
            "queued_ms = ?, running_ms = ?, retries = ?, cost = ? WHERE number = ? AND state IN (?, ?)",
            (
                state,
                change.job_id if isinstance(change, (states.Submitted, states.Ended)) else None,
                submitted_at,
                *statistics,
                change.number,
                allowed[0],
                allowed[-1],
            ),
        )
        if updated.rowcount != 1:
            raise self._wrong_transition(connection, change.number, state)
        output = change.output_json if isinstance(change, states.Ended) else None
        error = (
            change.error_json
            if isinstance(change, (states.Ended, states.Refused, states.Doubtful, states.Expired))
            else None
        )
        if output is not None or error is not None:
            connection.execute("INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?)", (change.number, output, error))

    def _wrong_transition(self, connection: sqlite3.Connection, number: int, state: str) -> RunFileError:
        found = connection.execute("SELECT key, state FROM rows JOIN jobs USING (number) WHERE number = ?", (number,))
        for key, current in found:
            return RunFileError(
                f"Row {number} (key {readable(key, 80)!r}) of {self.path} is {current} and cannot become {state}. "
                "Nothing was changed. If nothing else changed the file, please report this as a bug."
            )
        return RunFileError(f"{self.path} has no row {number}. Nothing was changed.")

    def begin(self, which: Resubmit | list[str] | None, is_over: Callable[[], bool]) -> None:
        """Begins a run: what was interrupted is in doubt from now on, and rows are resubmitted.

        Does nothing if the run is over: a thread of it can come late, when the next run is submitting already.

        Args:
            which: What to resubmit.
            is_over: Whether the run is over.

        Raises:
            InvalidRequestError: See `resubmit`.
            RunFileError: The file cannot be written.
        """
        with self._beginning:
            if is_over():
                return
            self.doubt_interrupted()
            if which is not None:
                self.resubmit(which)

    def doubt_interrupted(self) -> None:
        """Sets rows that are being submitted to DOUBTFUL. To be called when no request is under way.

        Only an error leaves such rows: their IDs could not be stored, or their requests were interrupted.
        """
        with self._database.transaction() as connection:
            _doubt(connection, _UNSTORED)

    def next_rows(self, state: str, after_number: int = 0, limit: int = _PAGE_ROWS) -> list[StoredRow]:
        """Returns the next rows in a state, in the order in which they were added.

        Args:
            state: The stored state, such as PENDING.
            after_number: Returns rows whose number is greater.
            limit: The maximum number of rows. There are fewer if their inputs are large; only an
                empty list means that there are no more.
        """
        query = (
            "SELECT j.number, r.key, r.input, j.job_id, j.submitted_at FROM jobs j CROSS JOIN rows r USING (number) "
            "WHERE j.state = ? AND j.number > ? ORDER BY j.number LIMIT ?"
        )
        return [StoredRow(*row) for row in self._page(query, (state, after_number, limit), text_columns=(2,))]

    def resubmit(self, which: Resubmit | Iterable[str]) -> int:
        """Sets rows back to PENDING, so that they are submitted again; returns how many.

        Args:
            which: The rows in doubt, the expired ones, those whose jobs did not succeed, or keys.
                Keys of rows that are PENDING are allowed.

        Raises:
            InvalidRequestError: A key is unknown, or its row was submitted or has completed. Nothing was changed.
        """
        checked = check_resubmit(which) or []
        with self._database.transaction() as connection:
            return reset(connection, checked, self.path)

    # Reading

    @property
    def endpoint_id(self) -> str | None:
        """The endpoint of this run, or None before it ran."""
        with self._database.reading() as connection:
            return cast("str | None", self._database.meta(connection, "endpoint_id"))

    @property
    def wall_seconds(self) -> float:
        """How long this run has been running, in all processes together."""
        with self._database.reading() as connection:
            return float(self._database.meta(connection, "wall_seconds"))

    @property
    def is_run(self) -> bool:
        """Whether this object or another process runs the file."""
        return self._database.is_locked if self._database.read_only else self.is_submitting()

    def counts(self) -> dict[str, int]:
        """Returns the number of rows by status, 0 included."""
        shown = self._statuses()
        counts = dict.fromkeys(states.STATUSES, 0)
        with self._database.reading() as connection:
            for state, number in connection.execute("SELECT state, count(*) FROM jobs GROUP BY state"):
                counts[shown[state]] += number
        return counts

    @property
    def doubtful(self) -> list[tuple[str, str | None]]:
        """The rows that may have been submitted, as `(key, None)`: their jobs are unknown."""
        return self._keys(states.DOUBTFUL)

    @property
    def expired(self) -> list[tuple[str, str | None]]:
        """The rows whose results were gone before they were received, as `(key, job_id)`."""
        return self._keys(states.EXPIRED)

    def _keys(self, wanted: str) -> list[tuple[str, str | None]]:
        found = [state for state, status in self._statuses().items() if status == wanted]
        with self._database.reading() as connection:
            return connection.execute(
                "SELECT r.key, j.job_id FROM jobs j CROSS JOIN rows r USING (number) WHERE j.state IN (?, ?) "
                "ORDER BY j.number",
                (found[0], found[-1]),
            ).fetchall()

    def results(self, *, inputs: bool = True) -> Iterator[BulkResult]:
        """Yields the result of every row, in the order in which they were added.

        Rows are read in pages. A page is consistent; later pages can contain later changes.

        Args:
            inputs: Whether the results have inputs. Without them, less is read.
        """
        query = (
            f"SELECT r.number, r.key, j.state, {'r.input' if inputs else 'NULL'}, j.job_id, o.output, o.error, "  # noqa: S608 - fixed text
            "j.queued_ms, j.running_ms FROM rows r CROSS JOIN jobs j USING (number) LEFT JOIN outcomes o USING (number) "
            "WHERE r.number > ? ORDER BY r.number LIMIT ?"
        )
        for shown, page in self._pages(query, _PAGE_ROWS, text_columns=(3, 5, 6)):
            for _, key, state, input_json, job_id, output, error, queued_ms, running_ms in page:
                if state == states.SUBMITTING and shown[state] == states.DOUBTFUL:
                    error = _UNSTORED  # noqa: PLW2901
                yield BulkResult(
                    key=key,
                    status=shown[state],
                    input=None if input_json is None else json.loads(input_json),
                    job_id=job_id,
                    output=None if output is None else json.loads(output),
                    error=None if error is None else json.loads(error),
                    queued_ms=queued_ms,
                    running_ms=running_ms,
                    has_output=output is not None,
                )

    def statistics(self) -> Iterator[RowStatistics]:
        """Yields what a report needs of every row, without reading inputs and outputs."""
        query = (
            "SELECT number, state, job_id IS NOT NULL, queued_ms, running_ms, retries, cost FROM jobs WHERE number > ? "
            "ORDER BY number LIMIT ?"
        )
        for shown, page in self._pages(query, 10 * _PAGE_ROWS):
            for _, state, has_job, *values in page:
                yield RowStatistics(shown[state], bool(has_job), *values)

    def _statuses(self) -> dict[str, str]:
        """The status that is shown for each stored state. Called before rows are read, whose run can end meanwhile."""
        submitting = states.PENDING if self.is_run else states.DOUBTFUL
        stored = {state: state for state in states.STATES}
        return stored | {states.SUBMITTED: states.IN_QUEUE, states.SUBMITTING: submitting}

    def _pages(
        self, query: str, limit: int, *, text_columns: tuple[int, ...] = ()
    ) -> Iterator[tuple[dict[str, str], list[Any]]]:
        """All rows of a query in pages, each with the status that is shown for each stored state."""
        number = 0
        while True:
            shown = self._statuses()
            page = self._page(query, (number, limit), text_columns=text_columns)
            if not page:
                return
            yield shown, page
            number = page[-1][0]

    def _page(self, query: str, values: tuple[Any, ...], *, text_columns: tuple[int, ...] = ()) -> list[Any]:
        """The next rows of a query, as many as fit into memory easily, but at least one."""
        rows: list[Any] = []
        size = 0
        with self._database.reading() as connection:
            cursor = connection.execute(query, values)
            try:
                for row in cursor:
                    rows.append(row)
                    size += sum(len(row[column] or "") for column in text_columns)
                    if size >= _PAGE_TEXT:
                        break
            finally:
                # A cursor that is not at its end would keep the write-ahead log from being reused.
                cursor.close()
        return rows


def _begin(connection: sqlite3.Connection) -> None:
    _doubt(connection, _INTERRUPTED)


def _doubt(connection: sqlite3.Connection, error_json: str) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO outcomes SELECT number, NULL, ? FROM jobs WHERE state = 'SUBMITTING'", (error_json,)
    )
    connection.execute("UPDATE jobs SET state = 'DOUBTFUL' WHERE state = 'SUBMITTING'")
