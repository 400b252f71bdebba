"""The file of a bulk run: an SQLite database with the rows, their jobs and what became of them.

What a method saved survives the end of the process at any moment, and a power cut. Each method that
changes the file is one transaction: it is saved as a whole, or not at all.

One `RunFile` at a time runs a file, ensured twice: by a lock, which tells a second one early, and by
an owner in the file, which every transaction compares, should the lock fail (on some network file
systems, or because its file was removed).
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast

from pydantic import BaseModel

from runpod._bulk import changes as states
from runpod._bulk.adder import Added, Adder, key_text
from runpod._bulk.file_lock import AlreadyLockedError, FileLock, is_locked
from runpod._bulk.json_text import encode
from runpod._bulk.results import BulkResult
from runpod._bulk.rows import RowSource
from runpod._logging import logger
from runpod._text import readable
from runpod.errors import InvalidRequestError, RunFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from typing_extensions import Self

__all__ = ["Resubmit", "RowStatistics", "RunFile", "StoredRow"]

APPLICATION_ID = 0x52504255  # "RPBU"
VERSION = 1

# Rows and jobs are separate, so that changes of a job do not rewrite the row's input, and statistics do not read it.
_SCHEMA = """
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
"""

_INTERRUPTED = encode("The process ended while it submitted this row, so that the outcome of the request is unknown.")
_UNSTORED = encode("What became of the request for this row could not be stored. The log may have the ID of its job.")

Resubmit: TypeAlias = Literal["doubtful", "expired", "failed"]
_RESUBMITTED: dict[str, tuple[str, ...]] = {
    "doubtful": (states.DOUBTFUL,),
    "expired": (states.EXPIRED,),
    "failed": ("CANCELLED", "FAILED", "TIMED_OUT"),
}
_REFUSED = {
    states.COMPLETED: "has completed; add it under another key to run it again",
    states.SUBMITTED: "was submitted, and its job has not ended; wait for it or cancel it first",
    states.SUBMITTING: "is being submitted",
}

# For how long after a submission a 404 is not final, in seconds. It is measured on the system clock, which may jump, so
# it is longer than for a submission of this process.
_RECENT = 60.0

_CACHE_KB = 32 * 1024
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

    Raises:
        RunFileError: The file is missing, in use, not a run file, of a newer version, or not accessible.
    """

    def __init__(self, path: str | os.PathLike[str], *, create: bool = True, read_only: bool = False) -> None:
        self._shown = _checked_path(path)
        # One lock for all symbolic links to the file.
        self._real = os.path.realpath(path)
        self._read_only = read_only
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._file_lock: FileLock | None = None
        self._connection: sqlite3.Connection | None = None
        self._owner = uuid.uuid4().hex
        self._check_path(create=create and not read_only)
        try:
            if read_only:
                self._connection = self._open_for_reading()
            else:
                self._file_lock = self._acquire()
                self._connection = self._open_for_running(create=create)
        except BaseException as error:
            self.close()
            if isinstance(error, sqlite3.Error):
                raise self._failure(error) from error
            raise

    # Opening

    def _check_path(self, *, create: bool) -> None:
        real = Path(self._real)
        try:
            if real.is_dir():
                msg = f"{self._shown} is a folder. Pass the path of a file."
                raise RunFileError(msg)
            if real.exists():
                return
        except (OSError, ValueError) as error:  # no access, or a null character
            reason = error.strerror if isinstance(error, OSError) else str(error)
            msg = f"{self._shown!r} cannot be opened: {reason}. Check the path and its permissions."
            raise RunFileError(msg) from None
        if not create:
            msg = f"{self._shown} does not exist. Check the path, or add rows to create it."
            raise RunFileError(msg)
        if not real.parent.is_dir():
            msg = f"{self._shown} cannot be created: its folder does not exist. Create the folder first."
            raise RunFileError(msg)

    def _acquire(self) -> FileLock:
        path = f"{self._real}.lock"
        try:
            return FileLock(path)
        except AlreadyLockedError:
            msg = (
                f"{self._shown} is in use: another process, or another part of this one, is running it. "
                "Wait until it ends, or stop it first."
            )
            raise RunFileError(msg) from None
        except sqlite3.OperationalError as error:
            msg = (
                f"{self._shown} cannot be run: its lock {path} cannot be created or written ({error}). "
                "Check that the folder can be written, or open the file with read_only=True."
            )
            raise RunFileError(msg) from error
        except sqlite3.DatabaseError as error:
            msg = f"{self._shown} cannot be run: {path} is not its lock. Move that file away."
            raise RunFileError(msg) from error

    def _open_for_running(self, *, create: bool) -> sqlite3.Connection:
        connection = self._connection = self._connect("rwc" if create else "rw")
        is_new = self._check_contents(connection, create=create)
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            msg = f"{self._shown} is on a file system that SQLite cannot use safely. Move it to a local disk."
            raise RunFileError(msg)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
        # The write-ahead log of a large `add` does not keep its size.
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("BEGIN IMMEDIATE")
        if is_new:
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("UPDATE meta SET value = ? WHERE name = 'owner'", (self._owner,))
        _doubt(connection, _INTERRUPTED)
        connection.execute("COMMIT")
        return connection

    def _open_for_reading(self) -> sqlite3.Connection:
        # Not `mode=ro`, which leaves `-wal` and `-shm` behind. Falls back to it if the file cannot be written.
        connection = self._connection = self._connect("rw")
        try:
            self._check_contents(connection, create=False)
        except sqlite3.OperationalError as error:
            if not any(reason in str(error) for reason in ("unable to open", "readonly")):
                raise
            # A database with a write-ahead log cannot be opened in a folder that cannot be written, unless it is said
            # that nobody changes it.
            connection.close()
            wal = Path(f"{self._real}-wal")
            if wal.exists() and wal.stat().st_size:
                msg = (
                    f"{self._shown} cannot be read: its folder cannot be written, and its latest changes are still in "
                    f"{wal}. Copy both files to a folder that can be written."
                )
                raise RunFileError(msg) from error
            connection = self._connection = self._connect("ro&immutable=1")
            self._check_contents(connection, create=False)
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _connect(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{Path(self._real).as_uri()}?mode={mode}",
            uri=True,
            timeout=30,
            isolation_level=None,
            check_same_thread=False,
        )

    def _check_contents(self, connection: sqlite3.Connection, *, create: bool) -> bool:
        """Checks that it is a run file of this version; returns whether it is empty and to be created."""
        # One state of the file: another process may be creating it.
        connection.execute("BEGIN")
        try:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        finally:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        if not (application or version or tables):
            if 0 < Path(self._real).stat().st_size < 512:  # SQLite takes a file of one byte for an empty one
                msg = f"{self._shown} {_FAILURES['not a database']}"
                raise RunFileError(msg)
            if not create:
                msg = f"{self._shown} is empty. Check the path, or add rows to it."
                raise RunFileError(msg)
            return True
        if application != APPLICATION_ID:
            msg = f"{self._shown} is the database of another program, not a run file. Pass another path."
            raise RunFileError(msg)
        if version > VERSION:
            msg = (
                f"{self._shown} was written by a newer version of runpod-sdk (format {version}; this version reads up "
                f"to {VERSION}). Upgrade with: pip install --upgrade runpod-sdk"
            )
            raise RunFileError(msg)
        return False

    def close(self) -> None:
        """Closes the file, and lets others run it. Can be called again."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            connection, self._connection = self._connection, None
            file_lock, self._file_lock = self._file_lock, None
            try:
                if connection is not None:
                    with suppress(sqlite3.Error):  # what was committed is in the write-ahead log
                        connection.close()
            finally:
                if file_lock is not None:
                    file_lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"RunFile({self._shown!r})"

    # Access

    @property
    def path(self) -> str:
        """The path as it was passed."""
        return self._shown

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection, None, None]:
        if os.getpid() != self._pid:  # before the lock, which another thread of the parent may have held
            msg = f"{self._shown} was opened before a fork, and cannot be used by the child. Open it in the child."
            raise RunFileError(msg)
        with self._lock:
            if self._connection is None:
                msg = f"{self._shown} is closed. Open it again."
                raise RunFileError(msg)
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise self._failure(error) from error

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection, None, None]:
        with self._reading() as connection:
            if self._read_only:
                msg = f"{self._shown} was opened with read_only=True, and cannot be changed."
                raise RunFileError(msg)
            if connection.in_transaction:
                msg = (
                    f"{self._shown} is being changed by a call that has not returned, such as an add whose rows use it."
                )
                raise RunFileError(msg)
            try:
                connection.execute("BEGIN IMMEDIATE")
                self._check_owner(connection)
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                raise

    def _check_owner(self, connection: sqlite3.Connection) -> None:
        if self._meta(connection, "owner") != self._owner:
            msg = f"{self._shown} was opened by another process, which runs it now. Use one process at a time."
            raise RunFileError(msg)

    def _meta(self, connection: sqlite3.Connection, name: str) -> Any:
        (value,) = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return value

    def _failure(self, error: sqlite3.Error) -> RunFileError:
        text = str(error)
        for part, what in _FAILURES.items():
            if part in text:
                return RunFileError(f"{self._shown} {what}")
        return RunFileError(f"{self._shown} cannot be used: {text}. Nothing of this step was saved.")

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
        with self._transaction() as connection:
            adder = Adder(connection, key, make_input, skip=on_error == "skip")
            for row in rows.items() if isinstance(rows, RowSource) else rows:
                adder.add(row)
            added = adder.finish()
        if added.added > _PAGE_ROWS:
            # The write-ahead log has as many pages as were written. An error leaves it for the next checkpoint.
            with suppress(RunFileError), self._reading() as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if added.changed:
            logger.warning(
                "%s: %d of %d known rows were added with another input than before. The first input is kept; "
                "use another key for another input.",
                self._shown,
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
        with self._transaction() as connection:
            known = self._meta(connection, "endpoint_id")
            begun = connection.execute("SELECT EXISTS (SELECT 1 FROM jobs WHERE state != 'PENDING')").fetchone()[0]
            if known is None or not begun:
                connection.execute("UPDATE meta SET value = ? WHERE name = 'endpoint_id'", (endpoint_id,))
            elif known != endpoint_id:
                msg = (
                    f"{self._shown} is a run of endpoint {known!r}, not of {endpoint_id!r}. Run it with {known!r}, or "
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
        with self._transaction() as connection:
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
        error = change.error_json if isinstance(change, (states.Ended, states.Doubtful, states.Expired)) else None
        if output is not None or error is not None:
            connection.execute("INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?)", (change.number, output, error))

    def _wrong_transition(self, connection: sqlite3.Connection, number: int, state: str) -> RunFileError:
        found = connection.execute("SELECT key, state FROM rows JOIN jobs USING (number) WHERE number = ?", (number,))
        for key, current in found:
            return RunFileError(
                f"Row {number} (key {readable(key, 80)!r}) of {self._shown} is {current} and cannot become {state}. "
                "Nothing was changed. If nothing else changed the file, please report this as a bug."
            )
        return RunFileError(f"{self._shown} has no row {number}. Nothing was changed.")

    def doubt_interrupted(self) -> None:
        """Sets rows that are being submitted to DOUBTFUL. To be called when no request is under way.

        Only an error leaves such rows: their IDs could not be stored, or their requests were interrupted.
        """
        with self._transaction() as connection:
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
        keys = check_resubmit(which) or []
        if isinstance(keys, str):
            with self._transaction() as connection:
                found = _RESUBMITTED[keys]
                selected = f"SELECT number FROM jobs WHERE state IN ({', '.join('?' * len(found))})"  # noqa: S608 - fixed text
                return _reset(connection, selected, found)
        with self._transaction() as connection:
            count, unknown = 0, list[str]()
            for key in keys:
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
                msg = f"{self._shown} has no row with the key {', '.join(unknown[:5])}{more}. Nothing was changed."
                raise InvalidRequestError(msg)
            return count

    # Reading

    @property
    def endpoint_id(self) -> str | None:
        """The endpoint of this run, or None before it ran."""
        with self._reading() as connection:
            return cast("str | None", self._meta(connection, "endpoint_id"))

    @property
    def wall_seconds(self) -> float:
        """How long this run has been running, in all processes together."""
        with self._reading() as connection:
            return float(self._meta(connection, "wall_seconds"))

    def counts(self) -> dict[str, int]:
        """Returns the number of rows in each stored state, 0 included.

        Rows that a process left SUBMITTING are counted as DOUBTFUL.
        """
        with self._reading() as connection:
            found = connection.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall()
        counts = dict.fromkeys(sorted(states.STATES), 0) | dict(found)
        if counts[states.SUBMITTING] and not self._is_run():
            counts[states.DOUBTFUL] += counts[states.SUBMITTING]
            counts[states.SUBMITTING] = 0
        return counts

    @property
    def doubtful(self) -> list[tuple[str, str | None]]:
        """The rows that may have been submitted, as `(key, job_id)`."""
        return self._keys((states.DOUBTFUL,) if self._is_run() else (states.DOUBTFUL, states.SUBMITTING))

    @property
    def expired(self) -> list[tuple[str, str | None]]:
        """The rows whose results were gone before they were received, as `(key, job_id)`."""
        return self._keys((states.EXPIRED,))

    def _keys(self, wanted: Sequence[str]) -> list[tuple[str, str | None]]:
        with self._reading() as connection:
            return connection.execute(
                "SELECT r.key, j.job_id FROM jobs j CROSS JOIN rows r USING (number) WHERE j.state IN (?, ?) "
                "ORDER BY j.number",
                (wanted[0], wanted[-1]),
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
        number = 0
        while page := self._page(query, (number, _PAGE_ROWS), text_columns=(3, 5, 6)):
            shown = self._shown_states()
            number = page[-1][0]
            for _, key, state, input_json, job_id, output, error, queued_ms, running_ms in page:
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
        number = 0
        while page := self._page(query, (number, 10 * _PAGE_ROWS)):
            shown = self._shown_states()
            number = page[-1][0]
            for _, state, has_job, *values in page:
                yield RowStatistics(shown[state], bool(has_job), *values)

    def _shown_states(self) -> dict[str, str]:
        """The status that is shown for each stored state."""
        submitting = states.PENDING if self._is_run() else states.DOUBTFUL
        return {state: state for state in states.STATES} | {states.SUBMITTED: "IN_QUEUE", states.SUBMITTING: submitting}

    def _is_run(self) -> bool:
        """Whether this object or another process runs the file."""
        return not self._read_only or is_locked(f"{self._real}.lock")

    def _page(self, query: str, values: tuple[Any, ...], *, text_columns: tuple[int, ...] = ()) -> list[Any]:
        """The next rows of a query, as many as fit into memory easily, but at least one."""
        rows: list[Any] = []
        size = 0
        with self._reading() as connection:
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


# What SQLite reports, and what to say.
_FAILURES = {
    "disk is full": "cannot be written: the disk is full. Nothing of this step was saved. Free space, and try again.",
    "disk I/O error": (
        "cannot be read or written: disk I/O error. Nothing of this step was saved. Check the disk, its free space, "
        "and the limits on file sizes and quotas."
    ),
    "readonly": "is read-only. Check the permissions of the file and its folder, or open it with read_only=True.",
    "is locked": "is locked by another program, such as a database browser. Close that program, and try again.",
    "not a database": "is not a run file. Pass another path.",
    "malformed": "is damaged. Restore it from a backup, or export what is still readable with the sqlite3 program.",
    "unable to open": "cannot be opened. Check the permissions of the file and its folder.",
}


def _checked_path(path: object) -> str:
    found: object = os.fspath(cast("os.PathLike[str]", path)) if isinstance(path, os.PathLike) else path
    if not isinstance(found, str):
        msg = f"path must be a str or a path, not {type(found).__name__}."
        raise InvalidRequestError(msg)
    return found


def check_resubmit(which: object) -> Resubmit | list[str] | None:
    """Validates what to resubmit.

    Raises:
        InvalidRequestError: It is none of the words, and no iterable of keys.
    """
    if which is None or (isinstance(which, str) and which in _RESUBMITTED):
        return cast("Resubmit | None", which)
    if isinstance(which, (str, bytes, Mapping)) or not isinstance(which, Iterable):
        shown = f"{readable(which, 80)!r}" if isinstance(which, str) else type(which).__name__  # pyright: ignore[reportUnknownArgumentType]
        msg = f"resubmit must be 'doubtful', 'expired', 'failed' or a list of keys, got {shown}."
        raise InvalidRequestError(msg)
    return [key_text(key, "a key to resubmit") for key in cast("Iterable[object]", which)]


def _doubt(connection: sqlite3.Connection, error_json: str) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO outcomes SELECT number, NULL, ? FROM jobs WHERE state = 'SUBMITTING'", (error_json,)
    )
    connection.execute("UPDATE jobs SET state = 'DOUBTFUL' WHERE state = 'SUBMITTING'")


def _reset(connection: sqlite3.Connection, selected: str, values: Sequence[Any]) -> int:
    connection.execute(f"DELETE FROM outcomes WHERE number IN ({selected})", values)  # noqa: S608 - fixed text
    return connection.execute(
        "UPDATE jobs SET state = 'PENDING', job_id = NULL, submitted_at = NULL, queued_ms = NULL, running_ms = NULL, "  # noqa: S608 - fixed text
        f"retries = NULL, cost = NULL WHERE number IN ({selected})",
        values,
    ).rowcount
