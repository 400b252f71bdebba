"""Tests of writing results."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from runpod import ConfigurationError, InvalidRequestError, RunFileError
from runpod._bulk.results import BulkResult
from runpod._bulk.run_file import RunFile
from runpod._bulk.sinks import write_results

if TYPE_CHECKING:
    from collections.abc import Iterator

RESULTS = [
    BulkResult("a", "COMPLETED", {"n": 1}, "job-1", {"x": [1, None], "ä": "\n"}, None, 10, 20, has_output=True),
    BulkResult("b", "COMPLETED", {}, "job-2", None, None, 10, 20, has_output=True),
    BulkResult("c", "COMPLETED", {}, "job-3", None, None, 10, 20, has_output=False),
    BulkResult("d", "FAILED", {}, "job-4", "partial", 'it, "failed"', has_output=True),
    BulkResult("e", "PENDING", {}),
    BulkResult("f", "COMPLETED", {}, "job-6", "text \ud800", has_output=True),
    BulkResult("g", "COMPLETED", {}, "job-7", float("inf"), has_output=True),
]
LINES = [
    {"key": "a", "status": "COMPLETED", "job_id": "job-1", "output": {"x": [1, None], "ä": "\n"}, "queued_ms": 10, "running_ms": 20},
    {"key": "b", "status": "COMPLETED", "job_id": "job-2", "output": None, "queued_ms": 10, "running_ms": 20},
    {"key": "c", "status": "COMPLETED", "job_id": "job-3", "queued_ms": 10, "running_ms": 20},
    {"key": "d", "status": "FAILED", "job_id": "job-4", "error": 'it, "failed"', "queued_ms": None, "running_ms": None},
    {"key": "e", "status": "PENDING", "job_id": None, "queued_ms": None, "running_ms": None},
    {"key": "f", "status": "COMPLETED", "job_id": "job-6", "output": "text \ud800", "queued_ms": None, "running_ms": None},
    {"key": "g", "status": "COMPLETED", "job_id": "job-7", "output": None, "queued_ms": None, "running_ms": None},
]  # fmt: skip
NAMES = ["key", "status", "job_id", "output", "error", "queued_ms", "running_ms"]
CELLS = [
    ["a", "COMPLETED", "job-1", '{"x":[1,null],"ä":"\\n"}', None, 10, 20],
    ["b", "COMPLETED", "job-2", "null", None, 10, 20],
    ["c", "COMPLETED", "job-3", None, None, 10, 20],
    ["d", "FAILED", "job-4", None, 'it, "failed"', None, None],
    ["e", "PENDING", None, None, None, None, None],
    ["f", "COMPLETED", "job-6", "text ?", None, None, None],
    ["g", "COMPLETED", "job-7", "null", None, None, None],
]


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def failing() -> Iterator[BulkResult]:
    yield from RESULTS
    raise RuntimeError


def test_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    assert 7 == write_results(RESULTS, path)
    lines = path.read_text(encoding="utf-8").split("\n")
    assert (LINES, "") == ([json.loads(line) for line in lines[:-1]], lines[-1])
    assert '{"key":"a","status":"COMPLETED","job_id":"job-1","output":{"x":[1,null],"ä"' in lines[0]
    assert ["results.jsonl"] == names(tmp_path)


@pytest.mark.parametrize(("suffix", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_csv(tmp_path: Path, suffix: str, delimiter: str) -> None:
    path = tmp_path / f"results.{suffix}"
    assert 7 == write_results(RESULTS, str(path))
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter=delimiter))
    assert [NAMES, *([("" if cell is None else str(cell)) for cell in row] for row in CELLS)] == rows


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    assert 2100 == write_results(RESULTS * 300, path)
    table: Any = pq.read_table(path)
    assert (NAMES, CELLS * 300) == (table.column_names, [list(row.values()) for row in table.to_pylist()])
    assert 0 == write_results([], path)
    assert (NAMES, 0) == (pq.read_table(path).column_names, pq.read_table(path).num_rows)


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match="pip install"):
        write_results(RESULTS, tmp_path / "results.parquet")
    assert not names(tmp_path)


def test_streams(tmp_path: Path) -> None:
    text, data, parquet = io.StringIO(newline=""), io.BytesIO(), io.BytesIO()
    write_results(RESULTS[:1], text, "csv")
    assert text.getvalue().startswith("key,status,job_id,output")
    write_results(RESULTS[:1], data)
    assert LINES[:1] == [json.loads(data.getvalue())]
    write_results(RESULTS, parquet, "parquet")
    parquet.seek(0)
    assert 7 == pq.read_table(parquet).num_rows
    with pytest.raises(InvalidRequestError, match="mode 'wb'"):
        write_results(RESULTS, text, "parquet")
    with (tmp_path / "opened").open("w", encoding="utf-8") as opened:
        write_results(RESULTS[:1], opened)
    assert LINES[:1] == [json.loads((tmp_path / "opened").read_text(encoding="utf-8"))]


def test_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr("sys.stdout", stdout)
    write_results(RESULTS[:2], "-")
    assert LINES[:2] == [json.loads(line) for line in stdout.buffer.getvalue().splitlines()]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["results.jsonl", "results.csv", "results.parquet"])
def test_an_error_leaves_the_file_as_it_was(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(RuntimeError):
        write_results(failing(), path)
    assert not names(tmp_path)
    path.write_text("before")
    with pytest.raises(RuntimeError):
        write_results(failing(), path)
    assert ("before", [name]) == (path.read_text(), names(tmp_path))


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.symlink_to("/dev/full")
    with pytest.raises(RunFileError) as info:
        write_results(RESULTS, path)
    # A device is written directly.
    assert f"{path} cannot be written: No space left on device." == info.value.message


@pytest.mark.parametrize("before", [None, "before"])
def test_a_full_disk_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "results.jsonl"
    if before is not None:
        path.write_text(before)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunFileError) as info:
        write_results(RESULTS, path)
    assert f"{path} cannot be written: No space left on device. It was left as it was." == info.value.message
    assert before == (path.read_text() if path.exists() else None)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_permissions_and_links(tmp_path: Path) -> None:
    target, link = tmp_path / "target.jsonl", tmp_path / "link.jsonl"
    before = os.umask(0o027)
    try:
        write_results(RESULTS, target)
    finally:
        os.umask(before)
    assert 0o640 == stat.S_IMODE(target.stat().st_mode)
    target.chmod(0o604)
    link.symlink_to(target)
    write_results(RESULTS[:1], link)
    assert (True, 0o604) == (link.is_symlink(), stat.S_IMODE(target.stat().st_mode))
    assert 1 == len(target.read_text().splitlines())
    write_results(RESULTS, "/dev/null", "jsonl")
    assert Path("/dev/null").is_char_device()


def test_the_run_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with RunFile(path):
        linked = tmp_path / "link.jsonl"
        linked.symlink_to(path)
        for target in (path, linked, f"{path}-wal", f"{path}-shm", f"{path}.lock"):
            with pytest.raises(InvalidRequestError, match="is the file of the run itself, or belongs to it"):
                write_results(RESULTS, target, "jsonl", run_file=path)
        write_results(RESULTS, tmp_path / "results.jsonl", run_file=path)
    with RunFile(path, create=False):
        pass


def test_targets_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(InvalidRequestError, match="is a folder"):
        write_results(RESULTS, tmp_path / "x.csv")
    with pytest.raises(InvalidRequestError, match="its folder does not exist"):
        write_results(RESULTS, tmp_path / "y" / "x.csv")
    with pytest.raises(InvalidRequestError, match="has the suffix"):
        write_results(RESULTS, tmp_path / "x.pdf")


def test_the_repr_of_a_result_is_short() -> None:
    result = BulkResult(
        "k" * 1000, "FAILED", {"p": "x" * 10**6}, "j", "o" * 10**6, ["e"] * 10**6, 1, 2, has_output=True
    )
    assert len(repr(result)) < 700
    assert "BulkResult(key='a', status='PENDING')" == repr(BulkResult("a", "PENDING"))
    assert "BulkResult(key='b', status='COMPLETED', job_id='job-2', output=None, queued_ms=10, running_ms=20)" == repr(
        RESULTS[1]
    )
