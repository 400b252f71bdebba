"""Tests of opening the file of a run: locks, processes that die, full disks and foreign files."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runpod import InvalidRequestError, RunFileError
from runpod._bulk import file_lock
from runpod._bulk.changes import STATES, Ended, Submitted, Submitting
from runpod._bulk.file_lock import AlreadyLockedError, FileLock, is_locked
from runpod._bulk.run_file import RunFile
from tests.bulk.conftest import without_root
from tests.processes import started

if TYPE_CHECKING:
    from collections.abc import Generator

POSIX = pytest.mark.skipif(os.name == "nt", reason="POSIX only")

PROGRAM = """
import sys
from runpod import RunFileError
from runpod._bulk.changes import *
from runpod._bulk.run_file import *

def wait():
    print("ready", flush=True)
    sys.stdin.read()

path = sys.argv[1]
"""


@contextmanager
def process(code: str, path: Path) -> Generator[subprocess.Popen[str], None, None]:
    """Another process, which has called `wait`. It is killed at the end."""
    command = [sys.executable, "-c", PROGRAM + code, str(path)]
    with started(command, stdin=subprocess.PIPE, stderr=None) as child:
        assert child.stdout is not None
        assert "ready\n" == child.stdout.readline()
        yield child


def error(*args: Any, **options: Any) -> str:
    with pytest.raises(RunFileError) as info:
        RunFile(*args, **options)
    assert not info.value.maybe_submitted
    return info.value.message


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def states(run: RunFile) -> dict[str, int]:
    return {state: count for state, count in run.counts().items() if count}


def stored(run: RunFile) -> dict[str, int]:
    """The number of rows by the state that is stored."""
    found = {state: len(run.next_rows(state, limit=100_000)) for state in STATES}
    return {state: count for state, count in found.items() if count}


def filled(path: Path, count: int = 3) -> None:
    with RunFile(path) as run:
        run.add({"id": n} for n in range(count))


# Paths and contents


def test_a_new_file(path: Path) -> None:
    with RunFile(str(path)) as run:
        assert (str(path), f"RunFile({str(path)!r})") == (run.path, repr(run))
        assert {"run.sqlite", "run.sqlite-wal", "run.sqlite-shm", "run.sqlite.lock"} == names(path.parent)
    assert {"run.sqlite"} == names(path.parent)
    run.close()
    with pytest.raises(RunFileError, match=r"is closed\. Open it again"):
        run.counts()
    with RunFile(path, create=False) as run:
        assert {} == states(run)


def test_names_with_special_characters(tmp_path: Path) -> None:
    for name in ("a b?c#d%41.sqlite", "ä;'\".sqlite", ":memory:"):
        filled(tmp_path / name)
        with RunFile(tmp_path / name, read_only=True) as run:
            assert {"PENDING": 3} == states(run)
    assert {"a b?c#d%41.sqlite", "ä;'\".sqlite", ":memory:"} == names(tmp_path)


def test_paths_that_cannot_be_used(tmp_path: Path) -> None:
    missing = tmp_path / "x.sqlite"
    for options in ({"create": False}, {"read_only": True}):
        assert f"{missing} does not exist. Check the path, or add rows to create it." == error(missing, **options)
    assert f"{tmp_path} is a folder. Pass the path of a file." == error(tmp_path)
    deep = tmp_path / "y" / "x.sqlite"
    assert f"{deep} cannot be created: its folder does not exist. Create the folder first." == error(deep)
    assert "cannot be opened: " in error(tmp_path / ("x" * 300))
    assert set() == names(tmp_path)


def test_files_that_are_not_run_files(path: Path) -> None:
    def check(expected: str) -> None:
        before = path.read_bytes()
        for options in ({}, {"create": False}, {"read_only": True}):
            assert f"{path} {expected}" == error(path, **options)
        assert (before, {path.name}) == (path.read_bytes(), names(path.parent))

    for content in (b"x", b"xy", b"a text\n" * 1000):
        path.write_bytes(content)
        check("is not a run file. Pass another path.")
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE other (x)")
    connection.close()
    check("is the database of another program, not a run file. Pass another path.")
    path.unlink()
    filled(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    check(
        "was written by a newer version of runpod-sdk (format 2; this version reads up to 1). Upgrade with: pip install "
        "--upgrade runpod-sdk"
    )


def test_an_empty_file(path: Path) -> None:
    path.touch()
    for options in ({"create": False}, {"read_only": True}):
        assert f"{path} is empty. Check the path, or add rows to it." == error(path, **options)
    filled(path)


def test_a_damaged_file(path: Path) -> None:
    filled(path, 2000)
    data = bytearray(path.read_bytes())
    for page in range(2, len(data) // 4096):
        data[page * 4096 : page * 4096 + 100] = b"\xff" * 100
    path.write_bytes(data)
    with (
        pytest.raises(RunFileError, match=r"is damaged. Restore it from a backup"),
        RunFile(path, read_only=True) as run,
    ):
        list(run.results())


@POSIX
def test_a_folder_that_cannot_be_written(open_folder: Path) -> None:
    path = open_folder / "run.sqlite"
    filled(path)
    open_folder.chmod(0o555)
    with without_root():
        message = error(path)
        assert message.startswith(f"{path} cannot be run: its lock {os.path.realpath(path)}.lock cannot be created")
        assert message.endswith("Check that the folder can be written, or open the file with read_only=True.")
        assert "cannot be run: its lock" in error(open_folder / "new.sqlite")
        with RunFile(path, read_only=True) as run:  # as on read-only media
            assert {"PENDING": 3} == states(run)
            assert 3 == len(list(run.results()))
    assert {"run.sqlite"} == names(open_folder)


@POSIX
def test_a_folder_that_cannot_be_written_with_changes_in_the_log(open_folder: Path) -> None:
    path, source = open_folder / "run.sqlite", open_folder / "source.sqlite"
    with RunFile(source) as run:
        run.add([{}])
        shutil.copy(source, path)
        shutil.copy(f"{source}-wal", f"{path}-wal")
    open_folder.chmod(0o555)
    with without_root():
        assert "its latest changes are still in" in error(path, read_only=True)
    open_folder.chmod(0o777)
    with RunFile(path, read_only=True) as run:
        assert {"PENDING": 1} == states(run)


@POSIX
def test_a_file_that_cannot_be_written(open_folder: Path) -> None:
    path = open_folder / "run.sqlite"
    filled(path)
    path.chmod(0o444)
    with without_root():
        assert f"{path} is read-only. Check the permissions" in error(path)
        with RunFile(path, read_only=True) as run:
            assert {"PENDING": 3} == states(run)
    path.chmod(0)
    with without_root():
        assert f"{path} cannot be opened. Check the permissions" in error(path)
    open_folder.chmod(0)
    with without_root():
        assert "cannot be opened: Permission denied." in error(path)


def test_a_lock_that_is_another_file(path: Path) -> None:
    lock = Path(f"{path}.lock")
    lock.write_text("a file of someone else\n" * 100)
    assert f"{path} cannot be run: {lock} is not its lock. Move that file away." == error(path)
    lock.unlink()
    lock.mkdir()
    assert "cannot be run: its lock" in error(path)


def test_a_reader_cannot_change_the_file(path: Path) -> None:
    filled(path)
    with RunFile(path, read_only=True) as run:
        for change in (
            lambda: run.add([]),
            lambda: run.apply([]),
            lambda: run.bind("x"),
            lambda: run.resubmit("failed"),
        ):
            with pytest.raises(RunFileError, match="was opened with read_only=True, and cannot be changed"):
                change()
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            run._database._connection.execute("DELETE FROM rows")  # type: ignore[union-attr]
    assert {"run.sqlite"} == names(path.parent)


def test_the_file_system_has_no_shared_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.touch()
    monkeypatch.setattr(
        "runpod._bulk.database.Database._connect", lambda *_: sqlite3.connect(":memory:", isolation_level=None)
    )
    assert f"{path} is on a file system that SQLite cannot use safely. Move it to a local disk." == error(path)


# Exclusive use

IN_USE = "is in use: another process, or another part of this one, is running it. Wait until it ends, or stop it first."


def test_one_process_at_a_time_runs_a_file(path: Path) -> None:
    code = "run = RunFile(path); run.add([{}, {}]); run.apply([Submitting(1)]); wait()"
    with process(code, path) as child:
        assert f"{path} {IN_USE}" == error(path)
        with RunFile(path, read_only=True) as reader:
            assert {"PENDING": 1, "SUBMITTING": 1} == stored(reader)
            assert ({"PENDING": 2}, True) == (states(reader), reader.is_run)
            assert ["PENDING", "PENDING"] == [result.status for result in reader.results()]
            assert [] == reader.doubtful
            # kill -9: the lock is free, and what was submitting is in doubt.
            child.kill()
            child.wait()
            assert ({"PENDING": 1, "DOUBTFUL": 1}, False) == (states(reader), reader.is_run)
            assert "could not be stored" in next(reader.results()).error
            assert ["DOUBTFUL", "PENDING"] == [result.status for result in reader.results()]
            assert ["DOUBTFUL", "PENDING"] == [row.status for row in reader.statistics()]
            assert [("1", None)] == reader.doubtful
    with RunFile(path) as run:
        assert {"PENDING": 1, "DOUBTFUL": 1} == states(run)
        (result, _) = run.results()
        assert "The process ended while it submitted this row, so" in result.error
    assert {"run.sqlite"} == names(path.parent)


def test_one_object_at_a_time_runs_a_file(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.sqlite"
    with RunFile(path) as run:
        link.symlink_to(path)
        assert f"{path} {IN_USE}" == error(path)
        assert f"{link} {IN_USE}" == error(link)
        # The failed attempts, and readers, have not released the lock.
        with RunFile(path, read_only=True) as reader:
            run.add([{}])
            assert {"PENDING": 1} == states(reader)
        with process("try: RunFile(path)\nexcept RunFileError: wait()", path):
            pass
    with RunFile(link):
        assert f"{path} {IN_USE}" == error(path)


def test_the_owner_is_compared_if_the_lock_was_lost(path: Path) -> None:
    with RunFile(path) as first:
        first.add([{}, {}])
        first.apply([Submitting(1)])
        Path(f"{path}.lock").unlink()
        with RunFile(path) as second:
            for change in (
                lambda: first.apply([Submitting(2)]),
                lambda: first.apply([Submitted(1, "job")]),
                lambda: first.add([{}]),
                lambda: first.resubmit("doubtful"),
            ):
                with pytest.raises(RunFileError, match="was opened by another process, which runs it now"):
                    change()
            assert {"DOUBTFUL": 1, "PENDING": 1} == states(second)
            second.apply([Submitting(2)])


def test_a_lock_file_that_was_replaced_is_not_trusted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = Path(f"{path}.lock")
    lock.touch()
    connect, replaced = sqlite3.connect, []

    def replacing(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*args, **options)
        if not replaced:
            # Between opening and locking, the previous holder removes the file, and another process creates its own.
            replaced.append(lock.rename(path.with_name("old")))
            lock.touch()
        return connection

    monkeypatch.setattr(file_lock.sqlite3, "connect", replacing)
    held = FileLock(str(lock))
    assert is_locked(str(lock))
    with pytest.raises(AlreadyLockedError):
        FileLock(str(lock))
    held.release()
    assert not is_locked(str(lock))
    assert not lock.exists()
    monkeypatch.setattr(file_lock, "_identity", lambda _: None)
    with pytest.raises(sqlite3.OperationalError, match="unable to lock a file that is being replaced"):
        FileLock(str(lock))


@POSIX
def test_a_child_of_a_fork_cannot_use_the_file(path: Path) -> None:
    with RunFile(path) as run:
        run.add([{}])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # other tests have left threads
            pid = os.fork()
        if pid == 0:
            try:
                run.counts()
            except RunFileError as found:
                code = 0 if "was opened before a fork, and cannot be used by the child" in str(found) else 1
                run.close()
                os._exit(code)
            os._exit(2)
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        # The child has not released the lock.
        with process("try: RunFile(path)\nexcept RunFileError: wait()", path):
            run.apply([Submitting(1)])


def test_another_program_locks_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(path)
    with RunFile(path) as run:
        run._database._connection.execute("PRAGMA busy_timeout = 0")  # type: ignore[union-attr]
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RunFileError, match="is locked by another program, such as a database browser"):
            run.apply([Submitting(1)])
        other.close()
        run.apply([Submitting(1)])


# Processes that die


def test_kill_while_adding(path: Path) -> None:
    filled(path, 3)
    code = """
def rows():
    for n in range(20_000):
        yield {"id": n, "p": "x" * 1000}
    wait()
run = RunFile(path)
run.add(rows(), key="id")
"""
    with process(code, path) as child:
        child.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
    with RunFile(path) as run:
        assert {"PENDING": 3} == states(run)
        assert "ok" == run._database._connection.execute("PRAGMA integrity_check").fetchone()[0]  # type: ignore[union-attr]
        assert 20_000 == run.add(({"id": n} for n in range(20_000)), key=lambda row: f"x{row['id']}").added
    assert {"run.sqlite"} == names(path.parent)


def test_kill_while_applying(path: Path) -> None:
    filled(path, 2000)
    code = """
def changes():
    for number in range(1, 1000):
        yield Submitted(number, "job")
    wait()
run = RunFile(path)
run.apply([Submitting(number) for number in range(1, 2001)])
run.apply([Submitted(2000, "job-2000")])
run.apply(changes())
"""
    with process(code, path):
        pass
    with RunFile(path) as run:
        # The calls that had returned are saved, and nothing of the one that had not.
        assert {"DOUBTFUL": 1999, "SUBMITTED": 1} == stored(run)
        assert {"DOUBTFUL": 1999, "IN_QUEUE": 1} == states(run)
        assert "job-2000" == run.next_rows("SUBMITTED")[0].job_id


# Full disks


def test_a_full_disk(path: Path) -> None:
    with RunFile(path) as run:
        run.add({"id": n} for n in range(10))
        run.apply([Submitting(1), Submitted(1, "job")])
        before = list(run.results())
        pages = run._database._connection.execute("PRAGMA page_count").fetchone()[0]  # type: ignore[union-attr]
        run._database._connection.execute(f"PRAGMA max_page_count = {pages}")  # type: ignore[union-attr]
        expected = (
            f"{path} cannot be written: the disk is full. Nothing of this step was saved. Free space, and try again."
        )
        for step in (
            lambda: run.add(({"p": "x" * 1000} for _ in range(100)), key=lambda _: os.urandom(4).hex()),
            lambda: run.add(({"p": "x" * 9000} for _ in range(9)), key=lambda _: os.urandom(4).hex(), on_error="skip"),
            lambda: run.apply([Submitting(2), Ended(1, "COMPLETED", '"' + "x" * 10_000 + '"')]),
        ):
            with pytest.raises(RunFileError) as info:
                step()
            assert expected == info.value.message
            assert before == list(run.results())
        run._database._connection.execute("PRAGMA max_page_count = 1000000")  # type: ignore[union-attr]
        run.apply([Submitting(2), Ended(1, "COMPLETED", '"' + "x" * 10_000 + '"')])
        assert {"COMPLETED": 1, "PENDING": 8, "SUBMITTING": 1} == stored(run)
        assert {"COMPLETED": 1, "PENDING": 9} == states(run)


@POSIX
def test_a_limit_on_the_size_of_files(path: Path) -> None:
    code = """
import resource
run = RunFile(path)
run.add([{"n": n} for n in range(1000)])
resource.setrlimit(resource.RLIMIT_FSIZE, (512 * 1024, resource.RLIM_INFINITY))
try:
    run.add(({"p": "x" * 1000} for _ in range(100_000)), key=lambda row: __import__("uuid").uuid4().hex)
except RunFileError as error:
    assert "disk I/O error. Nothing of this step was saved. Check the disk, its free space" in str(error), error
    assert run.counts()["PENDING"] == 1000
    applied = 0
    try:
        for number in range(1, 1001):
            run.apply([Submitting(number), Ended(number, "COMPLETED", '"' + "x" * 1000 + '"')])
            applied = number
    except RunFileError as error:
        assert "disk I/O error" in str(error), error
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert run.counts()["COMPLETED"] == applied < 1000
    run.apply([Submitting(1000)])
    wait()
"""
    with process(code, path):
        pass
    with RunFile(path) as run:
        assert 1000 == sum(run.counts().values())
        assert 1 == run.counts()["DOUBTFUL"]
        assert "ok" == run._database._connection.execute("PRAGMA integrity_check").fetchone()[0]  # type: ignore[union-attr]


def test_an_error_of_sqlite_is_never_seen(path: Path) -> None:
    filled(path)
    with RunFile(path) as run:
        run._database._connection.execute("DROP TABLE outcomes")  # type: ignore[union-attr]
        with pytest.raises(RunFileError, match="cannot be used: no such table: outcomes") as info:
            list(run.results())
        assert isinstance(info.value.__cause__, sqlite3.Error)
        with pytest.raises(RunFileError, match="no such table"):
            run.resubmit("failed")
        with pytest.raises(InvalidRequestError):
            run.resubmit("x")


def test_what_is_saved_survives_a_power_cut(path: Path) -> None:
    with RunFile(path) as run:
        connection = run._database._connection
        assert connection is not None
        modes = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert ["wal", 2] == modes  # 2 is FULL
