"""Tests of reading rows."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runpod import ConfigurationError, InvalidRequestError
from runpod._bulk.rows import Row, SkippedRow
from runpod._bulk.sources import read_rows

if TYPE_CHECKING:
    from pathlib import Path


def read(source: Any, format: str | None = None) -> list[tuple[str, Any]]:
    """The place of each row, with its columns or its problem."""
    return [
        (item.place, dict(item) if isinstance(item, Row) else item.problem)
        for item in read_rows(source, format=format).items()
    ]


def saved(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def problem(path: Path) -> str:
    """The problem of the only row that cannot be used."""
    (found,) = [item.problem for item in read_rows(path).items() if isinstance(item, SkippedRow)]
    return found


def fatal(source: Any, format: str | None = None) -> str:
    with pytest.raises(InvalidRequestError) as info:
        list(read_rows(source, format=format).items())
    return info.value.message


@pytest.mark.parametrize("suffix", ["jsonl", "ndjson", "JSONL"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_jsonl(tmp_path: Path, suffix: str, bom: str, newline: str) -> None:
    content = newline.join([bom + '{"id": 1, "p": "ä\\n\u2028"}', "", "   ", '{"id": 2}'])
    name = f"rows.{suffix}"
    expected = [(f"line 1 of {name}", {"id": 1, "p": "ä\n\u2028"}), (f"line 4 of {name}", {"id": 2})]
    assert expected == read(saved(tmp_path, name, content))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"a": 1', "not valid JSON: Expecting ',' delimiter at column 8."),
        (b'{"a": 1} {"a": 2}', "not valid JSON: Extra data at column 10."),
        (b'{"a": 1, "b": {"c": 1, "c": 1}}', "not valid JSON: the key 'c' occurs twice in an object."),
        (b'{"a": NaN}', "not valid JSON: NaN is not valid in JSON; use null or a number."),
        (b'{"a": -Infinity}', "not valid JSON: -Infinity is not valid in JSON; use null or a number."),
        (b'{"a": ' + b"1" * 5000 + b"}", "not valid JSON: a number has too many digits."),
        (b"[" * 100_000, "not valid JSON: it is nested too deeply."),
        (b"[", "Write each row as one JSON object on one line."),
        (b"[1]", "not a JSON object, but an array. Write each row as one JSON object on one line."),
        (b'"x"', "not a JSON object, but text."),
        (b"null", "not a JSON object, but null."),
        (b"true", "not a JSON object, but a boolean."),
        (b"1.5", "not a JSON object, but a number."),
        (b'{"a": "\xe4"}', "not UTF-8 at byte 8. Convert the file to UTF-8."),
        (b'{"a": "' + b"x" * 20 * 1024 * 1024 + b'"}', "longer than 20 MB, which the service does not accept."),
    ],
    ids=range(15),
)
def test_lines_that_cannot_be_used(tmp_path: Path, line: bytes, expected: str) -> None:
    path = saved(tmp_path, "rows.jsonl", b'{"a": 0}\n' + line + b'\n{"a": 3}\n')
    first, (place, problem), last = read(path)
    assert (("line 1 of rows.jsonl", {"a": 0}), ("line 3 of rows.jsonl", {"a": 3})) == (first, last)
    assert "line 2 of rows.jsonl" == place
    assert expected in problem
    rows = iter(read_rows(path))
    assert {"a": 0} == next(rows)
    with pytest.raises(InvalidRequestError) as info:
        next(rows)
    assert str(info.value).startswith("line 2 of rows.jsonl: ")
    assert expected in str(info.value)


def test_a_long_last_line(tmp_path: Path) -> None:
    assert "longer than 20 MB" in problem(saved(tmp_path, "rows.jsonl", b"x" * (45 * 1024 * 1024)))


@pytest.mark.parametrize(("suffix", "comma"), [("csv", ","), ("tsv", "\t")])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_csv(tmp_path: Path, suffix: str, comma: str, bom: str) -> None:
    lines = [bom + "id, prompt ", '1,"two\nlines, ""quoted"""', "", "2,ä", '3,""']
    content = "\r\n".join(lines).replace(",", comma)
    expected = [
        ("line 2", {"id": "1", "prompt": 'two\nlines, "quoted"'.replace(",", comma)}),
        ("line 5", {"id": "2", "prompt": "ä"}),
        ("line 6", {"id": "3", "prompt": ""}),
    ]
    name = f"rows.{suffix}"
    assert [(f"{place} of {name}", row) for place, row in expected] == read(saved(tmp_path, name, content))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1", "1 fields instead of 2. Quote fields that contain the separator."),
        ("1,2,3", "3 fields instead of 2."),
        ('1,"a"b', "not valid CSV: ',' expected after '\"'."),
        ("1,a\rb", "the line ends with CR alone."),
        (b"1,\xe4", "not UTF-8 at byte 3."),
        (b'1,"a\n\xe4"', "line 3: not UTF-8 at byte 1."),
        ("1," + "x" * 21 * 1024 * 1024, "longer than 20 MB"),
    ],
    ids=range(7),
)
def test_csv_rows_that_cannot_be_used(tmp_path: Path, line: str | bytes, expected: str) -> None:
    body = line if isinstance(line, bytes) else line.encode()
    found = read(saved(tmp_path, "rows.csv", b"id,p\n" + body + b"\n4,d\n"))
    assert "line 2 of rows.csv" == found[0][0]
    assert expected in found[0][1]
    assert {"id": "4", "p": "d"} == found[-1][1]
    assert 2 == len(found)


_LONG = b"x" * 21 * 1024 * 1024


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'1,"first\n\xe4\nthird, last"', "line 3: not UTF-8 at byte 1."),
        (b'1,"first \xe4\nsecond, last"', "not UTF-8 at byte 10."),
        (b'1,"first\n\xe4\n\xe4\n""fourth"", \xe4"', "line 3: not UTF-8 at byte 1."),
        (b'1,"' + _LONG + b'\nsecond, last"', "longer than 20 MB"),
        (b'1,"first\n' + _LONG + b'\nthird, last"', "line 3: longer than 20 MB"),
        (b'1,"first\n' + _LONG + b'"', "line 3: longer than 20 MB"),
        (b'1,"first\n' + _LONG + b'""\nthird, last"', "line 3: longer than 20 MB"),
    ],
    ids=range(7),
)
def test_nothing_of_a_csv_row_that_cannot_be_used_becomes_a_row(line: bytes, expected: str) -> None:
    content = b"id,p\n" + line + b'\n4,"d\ne"\n'
    texts = [] if b"\xe4" in line else [io.StringIO(content.decode())]
    for source in (io.BytesIO(content), *texts):
        (place, problem), (_, row) = read(source, "csv")
        assert place.startswith("line 2 of ")
        assert problem.startswith(expected)
        assert {"id": "4", "p": "d\ne"} == row


def test_the_problem_of_a_line_is_not_that_of_the_next_row() -> None:
    content = b'id,p\n1,"a\xe4"b\n2,c\n3,"d\n\xe4\n'
    first, second, last = read(io.BytesIO(content), "csv")
    assert "not valid CSV: ',' expected after '\"'." == first[1]
    assert {"id": "2", "p": "c"} == second[1]
    assert "quotes of a field are not closed" in last[1]


def test_quotes_that_are_not_closed(tmp_path: Path) -> None:
    assert "quotes of a field are not closed" in problem(saved(tmp_path, "rows.csv", 'id,p\n1,"a\n2,b\n'))
    content = 'id,p\n1,"' + ("a" * 1000 + "\n") * 21 * 1024
    path = saved(tmp_path, "rows.csv", content + '"\n')
    expected = (
        "line 2 of rows.csv: a field is longer than 20 MB. Close its quotes, and write quotes within a field twice."
    )
    assert expected == fatal(path)


def test_large_csv_fields_do_not_change_the_limit_of_the_process(tmp_path: Path) -> None:
    import csv

    before = csv.field_size_limit()
    ((_, row),) = read(saved(tmp_path, "rows.csv", "id\n" + "x" * 1_000_000))
    assert (1_000_000, before) == (len(row["id"]), csv.field_size_limit())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "must name the columns: it is empty."),
        ("\n\n", "must name the columns: it is empty."),
        ("a,,b\n", "column 2 has no name."),
        ("a, b ,b\n", "two columns are named 'b'."),
        (b"a,\xe4\n", "not UTF-8"),
        ('a,"b\n', "quotes of a field are not closed"),
    ],
)
def test_csv_headers_that_cannot_be_used(tmp_path: Path, content: str | bytes, expected: str) -> None:
    path = saved(tmp_path, "rows.csv", content)
    assert fatal(path).startswith(f"The first line of {path} must name the columns: ")
    assert expected in fatal(path)


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_utf_16_is_refused(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, name, '{"a": 1}\n'.encode("utf-16"))
    assert f"{path} is UTF-16. Convert it to UTF-8." == fatal(path)


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    rows = [{"id": n, "p": f"ä {n}", "tags": [n], "more": {"x": None}} for n in range(600)]
    pq.write_table(pa.Table.from_pylist(rows), path)
    expected = [(f"row {n + 1} of rows.parquet", row) for n, row in enumerate(rows)]
    assert expected == read(path)
    with path.open("rb") as file:
        assert expected == read(file, "parquet")
        assert not file.closed
    assert "cannot be read as Parquet: " in fatal(saved(tmp_path, "bad.parquet", b"x" * 100))
    assert "standard input cannot be read as Parquet, which is read from its end." in fatal("-", "parquet")


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=r'Install it with: pip install "runpod-sdk\[parquet\]"'):
        list(read_rows(tmp_path / "rows.parquet"))
    code = "import sys, runpod._bulk.sources, runpod._bulk.sinks, runpod._bulk.run_file; assert 'pyarrow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_open_files_and_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [("line 1 of the BytesIO", {"a": 1})] == read(io.BytesIO(b'{"a": 1}'))
    assert [("line 1 of the StringIO", {"a": "ä"})] == read(io.StringIO('{"a": "ä"}\n'))
    assert [("line 2 of the StringIO", {"a": "ä"})] == read(io.StringIO("a\nä\n"), "CSV")
    with saved(tmp_path, "x.txt", '{"a": 1}').open(encoding="utf-8") as file:
        assert [("line 1 of x.txt", {"a": 1})] == read(file)
        assert not file.closed
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"a": 1}\n')))
    assert [("line 1 of standard input", {"a": 1})] == read("-")
    code = "import sys; from runpod._bulk.sources import *; print([row.place for row in read_rows(sys.stdin)])"
    done = subprocess.run([sys.executable, "-c", code], input="\n{}", text=True, check=True, capture_output=True)
    assert "['line 2 of standard input']\n" == done.stdout


def test_files_are_read_again_and_lazily(tmp_path: Path) -> None:
    path = saved(tmp_path, "rows.csv", "a\n1\n2\n")
    rows = read_rows(path)
    assert [{"a": "1"}, {"a": "2"}] == list(rows) == list(rows)
    assert f"read_rows({str(path)!r}, format='csv')" == repr(rows)
    reader = rows.items()
    next(reader)
    reader.close()  # closes the file: an open one would be a ResourceWarning


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rows.xlsx", "has the suffix '.xlsx'. Use .jsonl, .csv, .tsv or .parquet, or pass format=."),
        ("rows", "has no suffix"),
        ("rows.json", "can be converted with: jq"),
    ],
)
def test_unknown_formats(tmp_path: Path, name: str, expected: str) -> None:
    with pytest.raises(InvalidRequestError) as info:
        read_rows(tmp_path / name)
    assert expected in str(info.value)
    with pytest.raises(InvalidRequestError, match=r"got 'jsnl' \(did you mean 'jsonl'\?\)"):
        read_rows(tmp_path / name, format="jsnl")
    assert not list(read_rows(saved(tmp_path, name, ""), format="jsonl"))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert f"{tmp_path / 'x.csv'} cannot be read: No such file or directory." == fatal(tmp_path / "x.csv")
    assert "Is a directory" in fatal(str(tmp_path), "jsonl")
    assert "No such file" in fatal(tmp_path / "x.parquet")
