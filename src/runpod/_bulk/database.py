"""An SQLite database that one process at a time changes, and others can read meanwhile.

Only one `Database` at a time changes a file, ensured twice: by a lock, which tells a second one early,
and by an owner in the file, which every transaction compares, should the lock fail (on some network
file systems, or because its file was removed).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from runpod._bulk.file_lock import AlreadyLockedError, FileLock, is_locked
from runpod.errors import InvalidRequestError, RunFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["Database", "Schema"]

APPLICATION_ID = 0x52504255  # "RPBU"

_CACHE_KB = 32 * 1024

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


class Schema(NamedTuple):
    """The tables of a database.

    Attributes:
        version: Files of later versions are refused.
        statements: What creates the tables, among them `meta (name, value)` with an `owner`.
    """

    version: int
    statements: str


class Database:
    """The connection to a run file.

    Can be used by several threads, one at a time, and not by a child of a fork.

    Args:
        path: The file. Beside it, SQLite keeps `-wal` and `-shm`, and a lock is kept in `.lock`.
        schema: The tables of a new file.
        opened: Called in the transaction that makes this object the owner of the file.
        create: Whether to create the file if it is missing.
        read_only: Whether only to read it. Works while another process runs it, and on read-only media.

    Raises:
        RunFileError: The file is missing, in use, not a run file, of a newer version, or not accessible.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        schema: Schema,
        opened: Callable[[sqlite3.Connection], object],
        *,
        create: bool,
        read_only: bool,
    ) -> None:
        self.path = _checked_path(path)
        # One lock for all symbolic links to the file.
        self._real = os.path.realpath(path)
        self._schema = schema
        self.read_only = read_only
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
                self._connection = self._open_for_running(opened, create=create)
        except BaseException as error:
            self.close()
            if isinstance(error, sqlite3.Error):
                raise self.failure(error) from error
            raise

    # Opening

    def _check_path(self, *, create: bool) -> None:
        real = Path(self._real)
        try:
            if real.is_dir():
                msg = f"{self.path} is a folder. Pass the path of a file."
                raise RunFileError(msg)
            if real.exists():
                return
        except (OSError, ValueError) as error:  # no access, or a null character
            reason = error.strerror if isinstance(error, OSError) else str(error)
            msg = f"{self.path!r} cannot be opened: {reason}. Check the path and its permissions."
            raise RunFileError(msg) from None
        if not create:
            msg = f"{self.path} does not exist. Check the path, or add rows to create it."
            raise RunFileError(msg)
        if not real.parent.is_dir():
            msg = f"{self.path} cannot be created: its folder does not exist. Create the folder first."
            raise RunFileError(msg)

    def _acquire(self) -> FileLock:
        path = f"{self._real}.lock"
        try:
            return FileLock(path)
        except AlreadyLockedError:
            msg = (
                f"{self.path} is in use: another process, or another part of this one, is running it. "
                "Wait until it ends, or stop it first."
            )
            raise RunFileError(msg) from None
        except sqlite3.OperationalError as error:
            msg = (
                f"{self.path} cannot be run: its lock {path} cannot be created or written ({error}). "
                "Check that the folder can be written, or open the file with read_only=True."
            )
            raise RunFileError(msg) from error
        except sqlite3.DatabaseError as error:
            msg = f"{self.path} cannot be run: {path} is not its lock. Move that file away."
            raise RunFileError(msg) from error

    def _open_for_running(self, opened: Callable[[sqlite3.Connection], object], *, create: bool) -> sqlite3.Connection:
        connection = self._connection = self._connect("rwc" if create else "rw")
        is_new = self._check_contents(connection, create=create)
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            msg = f"{self.path} is on a file system that SQLite cannot use safely. Move it to a local disk."
            raise RunFileError(msg)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
        # The write-ahead log of a large `add` does not keep its size.
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("BEGIN IMMEDIATE")
        if is_new:
            for statement in self._schema.statements.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {self._schema.version}")
        connection.execute("UPDATE meta SET value = ? WHERE name = 'owner'", (self._owner,))
        opened(connection)
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
                    f"{self.path} cannot be read: its folder cannot be written, and its latest changes are still in "
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
                msg = f"{self.path} {_FAILURES['not a database']}"
                raise RunFileError(msg)
            if not create:
                msg = f"{self.path} is empty. Check the path, or add rows to it."
                raise RunFileError(msg)
            return True
        if application != APPLICATION_ID:
            msg = f"{self.path} is the database of another program, not a run file. Pass another path."
            raise RunFileError(msg)
        if version > self._schema.version:
            msg = (
                f"{self.path} was written by a newer version of runpod-sdk (format {version}; this version reads up "
                f"to {self._schema.version}). Upgrade with: pip install --upgrade runpod-sdk"
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

    # Access

    @property
    def is_locked(self) -> bool:
        """Whether this object or another process has it open for changes."""
        return is_locked(f"{self._real}.lock")

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection, None, None]:
        """The connection, locked for other threads.

        Raises:
            RunFileError: The file is closed, or cannot be read.
        """
        if os.getpid() != self._pid:  # before the lock, which another thread of the parent may have held
            msg = f"{self.path} was opened before a fork, and cannot be used by the child. Open it in the child."
            raise RunFileError(msg)
        with self._lock:
            if self._connection is None:
                msg = f"{self.path} is closed. Open it again."
                raise RunFileError(msg)
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise self.failure(error) from error

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection, None, None]:
        """A transaction, which an error rolls back.

        Raises:
            RunFileError: The file cannot be changed.
        """
        with self.reading() as connection:
            if self.read_only:
                msg = f"{self.path} was opened with read_only=True, and cannot be changed."
                raise RunFileError(msg)
            if connection.in_transaction:
                msg = f"{self.path} is being changed by a call that has not returned, such as an add whose rows use it."
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
        if self.meta(connection, "owner") != self._owner:
            msg = f"{self.path} was opened by another process, which runs it now. Use one process at a time."
            raise RunFileError(msg)

    def meta(self, connection: sqlite3.Connection, name: str) -> Any:
        """A value of the table `meta`."""
        (value,) = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return value

    def failure(self, error: sqlite3.Error) -> RunFileError:
        """What to raise for an error of SQLite."""
        text = str(error)
        for part, what in _FAILURES.items():
            if part in text:
                return RunFileError(f"{self.path} {what}")
        return RunFileError(f"{self.path} cannot be used: {text}. Nothing of this step was saved.")


def _checked_path(path: object) -> str:
    found: object = os.fspath(cast("os.PathLike[str]", path)) if isinstance(path, os.PathLike) else path
    if not isinstance(found, str):
        msg = f"path must be a str or a path, not {type(found).__name__}."
        raise InvalidRequestError(msg)
    return found
