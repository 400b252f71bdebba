"""Tests of rows and their states in the file of a run."""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections import Counter
from dataclasses import FrozenInstanceError, replace
from datetime import datetime, timezone
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, RootModel

from runpod import InvalidRequestError, JobRequest, RunFileError
from runpod._bulk.adder import Added
from runpod._bulk.changes import (
    STATES,
    Change,
    Doubtful,
    Ended,
    Expired,
    Pending,
    Submitted,
    Submitting,
    new_state,
)
from runpod._bulk.resubmit import unfinished
from runpod._bulk.rows import Row, SkippedRow
from runpod._bulk.run_file import RowStatistics, RunFile, StoredRow
from runpod._bulk.sources import read_rows
from runpod._bulk.template import Template

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Horse(BaseModel):
    name: str
    legs: int | None = None


@pytest.fixture
def run(path: Path) -> Iterator[RunFile]:
    with RunFile(path) as run:
        yield run


def rows(count: int) -> list[dict[str, Any]]:
    return [{"id": f"k{n}", "n": n} for n in range(1, count + 1)]


def inputs(run: RunFile) -> dict[str, Any]:
    return {result.key: result.input for result in run.results()}


def refused(run: RunFile, *args: Any, **options: Any) -> str:
    """The message of `add`, which leaves the file as it was."""
    before = list(run.results())
    with pytest.raises(InvalidRequestError) as info:
        run.add(*args, **options)
    assert before == list(run.results())
    assert not info.value.maybe_submitted
    return info.value.message


def submit(run: RunFile, *numbers: int) -> None:
    run.apply([Submitting(number) for number in numbers])
    run.apply([Submitted(number, f"job-{number}") for number in numbers])


def states(run: RunFile) -> dict[str, int]:
    return {state: count for state, count in run.counts().items() if count}


def stored(run: RunFile) -> dict[str, int]:
    """The number of rows by the state that is stored."""
    found = {state: len(run.next_rows(state, limit=100_000)) for state in STATES}
    return {state: count for state, count in found.items() if count}


# Adding


def test_rows_are_added_once(run: RunFile, caplog: pytest.LogCaptureFixture) -> None:
    assert Added(added=3) == run.add(rows(3), key="id")
    assert Added(added=2, known=3) == run.add(iter(rows(5)), key="id")
    assert [f"k{n}" for n in range(1, 6)] == list(inputs(run))
    assert {"id": "k1", "n": 1} == inputs(run)["k1"]
    assert {"PENDING": 5} == states(run)
    assert not caplog.records
    changed = [{"id": "k1", "n": 9}, {"n": 2, "id": "k2"}, {"id": "k3", "n": 9}, {"id": "k6"}]
    assert Added(added=1, known=3, changed=2) == run.add(changed, key="id")
    assert {"id": "k1", "n": 1} == inputs(run)["k1"]
    (message,) = caplog.messages
    assert f"{run.path}: 2 of 3 known rows were added with another input than before." in message
    assert "The first input is kept; use another key for another input." in message


def test_kinds_of_rows_and_keys(run: RunFile) -> None:
    run.add([Horse(name="Bella"), MappingProxyType({"name": "Max"}), Row({"name": "7"}, "here")], key="name")
    run.add([{"id": 2**70}, {"id": -1}, {"id": " x "}], key="id")
    run.add(({"n": n} for n in range(2)), key=lambda row: f"f{row['n']}", make_input=Template('{"p": "{{n}}"}'))
    run.add([{"n": 5}], key="n", make_input=lambda row: Horse(name="made", legs=row["n"]))
    run.add([RootModel[dict[str, int]]({"a": 1}), {}], key=lambda row: "empty" if row == {} else "root")
    assert {
        "Bella": {"name": "Bella"},
        "Max": {"name": "Max"},
        "7": {"name": "7"},
        str(2**70): {"id": 2**70},
        "-1": {"id": -1},
        " x ": {"id": " x "},
        "f0": {"p": 0},
        "f1": {"p": 1},
        "5": {"name": "made", "legs": 5},
        "root": {"a": 1},
        "empty": {},
    } == inputs(run)


def test_rows_without_keys_are_recognized_by_their_number(run: RunFile) -> None:
    assert Added(added=2) == run.add([{"a": 1}, {"a": 2}])
    assert Added(added=1, known=2) == run.add([{"a": 1}, {"a": 2}, {"a": 3}])
    assert ["1", "2", "3"] == list(inputs(run))
    for on_error in ("raise", "skip"):
        message = refused(run, [{"a": 1}, {"a": 9}], on_error=on_error)
        assert (
            "row 2 is not the row that was added before under the number 2. Rows without a key are recognized by "
            "their number; pass key= to add other rows. Nothing was added."
        ) == message
    # A row that is skipped keeps its number.
    assert 1 == run.add([{"a": 1}, {"a": {1}}, {"a": 3}, {"a": 4}], on_error="skip").skipped_count
    assert ["1", "2", "3", "4"] == list(inputs(run))


@pytest.mark.parametrize(
    ("first", "second", "is_changed"),
    [
        ({"on": True}, {"on": 1}, True),
        ({"on": 0}, {"on": False}, True),
        ({"on": 1}, {"on": True}, True),
        ({"a": [{"on": [1, True]}]}, {"a": [{"on": [1, 1]}]}, True),
        ({"a": [1]}, {"a": [1, 1]}, True),
        ({"a": [1]}, {"a": {"1": 1}}, True),
        ({"a": {}}, {"a": []}, True),
        ({"a": {"b": None}}, {"a": {"c": None}}, True),
        ({"a": None}, {"a": 0}, True),
        ({"a": ""}, {"a": None}, True),
        ({"a": 2**60}, {"a": 2**60 + 1}, True),
        ({"a": 1, "b": {"c": 1, "d": [0]}}, {"b": {"d": [0.0], "c": 1.0}, "a": 1.0}, False),
        ({"a": [True, False, None]}, {"a": (True, False, None)}, False),
    ],
)
def test_inputs_that_are_equal(run: RunFile, first: Any, second: Any, is_changed: bool) -> None:
    run.add([first], key=lambda _: "k")
    assert Added(known=1, changed=is_changed) == run.add([second], key=lambda _: "k")
    assert Added(known=1) == run.add([first], key=lambda _: "k")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"i": 1}, "there is no column 'id' (did you mean 'i'?); the columns are 'i'."),
        ({f"c{n}": n for n in range(30)}, "and 10 more."),
        ({"id": None}, "the key in column 'id' must be a str or an int, not None; convert it to a str."),
        ({"id": 1.0}, "must be a str or an int, not float"),
        ({"id": True}, "must be a str or an int, not bool"),
        ({"id": " \n"}, "the key in column 'id' is blank."),
        ({"id": "\ud800"}, "the key in column 'id' contains a lone surrogate"),
        ({"id": 10**5000}, "the key in column 'id' has too many digits."),
        ({"id": "k1"}, "the key 'k1' is also that of row 1; keys must be unique."),
        ({"id": "x", "a": [{"b": {1}}]}, "input.a[0].b has type set, which is not JSON-serializable; convert"),
        ({"id": "x", "a": float("nan")}, "input.a is nan, which JSON does not support"),
        ({"id": "x", "a": b"x"}, "input.a has type bytes"),
        ({"id": "x", 1: 2}, "input has a key of type int"),
        ([1], "a row must be a mapping or a pydantic model, not list."),
        ("id", "a row must be a mapping or a pydantic model, not str."),
        (SkippedRow("line 9", "not valid JSON."), "not valid JSON."),
    ],
    ids=range(16),
)
def test_rows_that_cannot_be_used(run: RunFile, row: Any, expected: str) -> None:
    added = [{"id": "k1"}, row, {"id": "k3"}]
    place = "line 9" if isinstance(row, SkippedRow) else "row 2"
    message = refused(run, added, key="id")
    assert message.startswith(f"{place}: ")
    assert message.endswith(" Nothing was added.")
    assert expected in message
    result = run.add(added, key="id", on_error="skip")
    assert (2, 1, 1) == (result.added, result.skipped_count, len(result.skipped))
    assert place == result.skipped[0].place
    assert expected in result.skipped[0].problem
    assert {"PENDING": 2} == states(run)


def test_inputs_that_cannot_be_used(run: RunFile) -> None:
    assert "row 1: input must be a mapping, a dataclass or a pydantic model, not list" in refused(
        run, [{}], make_input=lambda _: []
    )
    assert "must be a mapping, a dataclass or a pydantic model, not list" in refused(run, [RootModel[list[int]]([1])])
    assert "not a JobRequest; pass its input." in refused(run, [JobRequest(input={})])
    template = Template({"p": "{{q}}"})
    assert "row 1: The template needs a column that the row lacks" in refused(run, [{}], make_input=template)


def test_functions_that_raise(run: RunFile) -> None:
    functions = {"key": lambda row: int(row["n"]), "make_input": lambda row: {"n": str(int(row["n"]))}}
    for name, function in functions.items():
        options: dict[str, Any] = {name: function}
        with pytest.raises(InvalidRequestError) as info:
            run.add([{"n": "1"}, {"n": "x"}], **options)
        shown = "input" if name == "make_input" else name
        assert f"row 2: {shown} raised ValueError. Nothing was added." == info.value.message
        assert isinstance(info.value.__cause__, ValueError)
        found = run.add([{"n": "1"}, {"n": "x"}], on_error="skip", **options).skipped
        expected = f"{shown} raised ValueError: invalid literal for int() with base 10: 'x'."
        assert [("row 2", expected)] == found

    def interrupted() -> Iterator[dict[str, Any]]:
        yield {"id": "new"}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.add(interrupted(), key="id")
    assert "new" not in inputs(run)


def test_arguments_that_cannot_be_used(run: RunFile) -> None:
    for wrong in ({"id": 1}, "rows.csv", Horse(name="x"), 7):
        assert "rows must be an iterable of mappings, not " in refused(run, wrong)
    assert "on_error must be 'raise' or 'skip', got 'ignore'." == refused(run, [], on_error="ignore")


def test_rows_of_a_file(run: RunFile, tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    source.write_text('{"id": 1}\nnonsense\n\n{"id": 1}\n{"id": 2}\n')
    assert "line 2 of rows.jsonl: not valid JSON: Expecting value at column 1." in refused(
        run, read_rows(source), key="id"
    )
    result = run.add(read_rows(source), key="id", on_error="skip")
    assert (2, 2) == (result.added, result.skipped_count)
    assert (
        "line 4 of rows.jsonl",
        "the key '1' is also that of line 1 of rows.jsonl; keys must be unique.",
    ) == result.skipped[1]


def test_the_list_of_skipped_rows_is_short(run: RunFile) -> None:
    result = run.add([{"id": None}] * 250, key="id", on_error="skip")
    assert (250, 100, "row 100") == (result.skipped_count, len(result.skipped), result.skipped[-1].place)


def test_rows_may_read_the_file_but_not_change_it(run: RunFile) -> None:
    def reading() -> Iterator[dict[str, Any]]:
        assert not states(run)
        yield {}

    def changing() -> Iterator[dict[str, Any]]:
        run.add([{}])
        yield {}

    run.add(reading())
    with pytest.raises(RunFileError, match="is being changed by a call that has not returned"):
        run.add(changing())
    assert {"PENDING": 1} == states(run)


# Changes


def test_a_run(run: RunFile) -> None:
    run.add(rows(6), key="id")
    submit(run, 1, 2, 3, 4)
    run.apply([Submitting(5)], 1.5)
    run.apply(
        [
            Ended(1, "COMPLETED", '{"a":1}', None, 10, 20, 1, 0.25),
            Ended(2, "COMPLETED", "null"),
            Ended(3, "FAILED", None, '"bad"', running_ms=7),
            Expired(4, '"gone"'),
            Doubtful(5, '"lost"'),
        ],
        2.0,
    )
    assert {"COMPLETED": 2, "FAILED": 1, "EXPIRED": 1, "DOUBTFUL": 1, "PENDING": 1} == states(run)
    assert 3.5 == run.wall_seconds
    assert [("k5", None)] == run.doubtful
    assert [("k4", "job-4")] == run.expired
    assert [
        {"key": "k1", "status": "COMPLETED", "job_id": "job-1", "output": {"a": 1}, "queued_ms": 10, "running_ms": 20},
        {"key": "k2", "status": "COMPLETED", "job_id": "job-2", "output": None, "queued_ms": None, "running_ms": None},
        {"key": "k3", "status": "FAILED", "job_id": "job-3", "error": "bad", "queued_ms": None, "running_ms": 7},
        {"key": "k4", "status": "EXPIRED", "job_id": "job-4", "error": "gone", "queued_ms": None, "running_ms": None},
        {"key": "k5", "status": "DOUBTFUL", "job_id": None, "error": "lost", "queued_ms": None, "running_ms": None},
        {"key": "k6", "status": "PENDING", "job_id": None, "queued_ms": None, "running_ms": None},
    ] == [result.to_dict() for result in run.results()]
    assert [True, True] + [False] * 4 == [result.succeeded for result in run.results(inputs=False)]
    assert [None] * 6 == [result.input for result in run.results(inputs=False)]
    assert RowStatistics("COMPLETED", True, 10, 20, 1, 0.25) == next(run.statistics())
    assert [result.status for result in run.results()] == [row.status for row in run.statistics()]


def test_rows_in_progress(run: RunFile) -> None:
    run.add(rows(2), key="id")
    submit(run, 1)
    run.apply([Submitting(2)])
    assert ["IN_QUEUE", "PENDING"] == [result.status for result in run.results()]
    assert {"SUBMITTED": 1, "SUBMITTING": 1} == stored(run)
    assert ({"IN_QUEUE": 1, "PENDING": 1}, []) == (states(run), run.doubtful)
    run.apply([Pending(2)])
    assert {"SUBMITTED": 1, "PENDING": 1} == stored(run)
    assert {"IN_QUEUE": 1, "PENDING": 1} == states(run)


def test_rows_that_nobody_submits_are_in_doubt(run: RunFile) -> None:
    run.add(rows(2), key="id")
    run.apply([Submitting(1)])
    assert run.is_run
    run.is_submitting = lambda: False
    for _ in range(2):
        assert not run.is_run
        assert ({"DOUBTFUL": 1, "PENDING": 1}, [("k1", None)]) == (states(run), run.doubtful)
        (result, _other) = run.results()
        assert ("DOUBTFUL", "What became of the request for this row could not be stored.") == (
            result.status,
            result.error.partition(" The log")[0],
        )
        assert ["DOUBTFUL", "PENDING"] == [row.status for row in run.statistics()]
        # Reading has changed nothing.
        assert {"SUBMITTING": 1, "PENDING": 1} == stored(run)
    # What is stored then reads the same.
    before = list(run.results())
    run.doubt_interrupted()
    assert {"DOUBTFUL": 1, "PENDING": 1} == stored(run)
    assert before == list(run.results())


def test_the_order_of_the_counts(run: RunFile) -> None:
    expected = ["PENDING", "IN_QUEUE", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT", "DOUBTFUL", "EXPIRED"]
    assert dict.fromkeys(expected, 0) == run.counts()
    assert expected == list(run.counts())


def test_a_run_that_is_over_begins_nothing(run: RunFile) -> None:
    """Its thread can come late, when the next run is submitting."""
    run.add(rows(2), key="id")
    run.apply([Submitting(1), Submitting(2), Doubtful(2)])
    run.begin("doubtful", lambda: True)
    assert {"SUBMITTING": 1, "DOUBTFUL": 1} == stored(run)
    run.begin(None, lambda: False)
    assert {"DOUBTFUL": 2} == stored(run)
    run.begin("doubtful", lambda: False)
    assert {"PENDING": 2} == stored(run)


def test_a_row_that_was_refused_has_no_job(run: RunFile) -> None:
    run.add(rows(1), key="id")
    run.apply([Submitting(1), Ended(1, "FAILED", error_json='"400"')])
    (result,) = run.results()
    assert ("FAILED", None, "400") == (result.status, result.job_id, result.error)


def test_next_rows(run: RunFile, monkeypatch: pytest.MonkeyPatch) -> None:
    run.add(rows(5), key="id")
    submit(run, 2, 4)
    assert [1, 3, 5] == [row.number for row in run.next_rows("PENDING")]
    assert [3] == [row.number for row in run.next_rows("PENDING", 1, 1)]
    assert StoredRow(1, "k1", '{"id":"k1","n":1}', None, None) == run.next_rows("PENDING")[0]
    found = run.next_rows("SUBMITTED", 2)[0]
    assert (4, "k4", "job-4") == (found.number, found.key, found.job_id)
    assert abs(datetime.now(timezone.utc).timestamp() - (found.submitted_at or 0)) < 600
    assert [] == run.next_rows("PENDING", 5)
    # Large rows come in smaller lists.
    monkeypatch.setattr("runpod._bulk.run_file._PAGE_TEXT", 20)
    assert [1, 3] == [row.number for row in run.next_rows("PENDING")]
    assert 5 == len(list(run.results()))


def test_pages(run: RunFile, monkeypatch: pytest.MonkeyPatch) -> None:
    run.add(rows(2500), key="id")
    monkeypatch.setattr("runpod._bulk.run_file._PAGE_ROWS", 100)
    assert [f"k{n}" for n in range(1, 2501)] == [result.key for result in run.results()]
    assert 2500 == len(list(run.statistics()))
    # The writer goes on, and its log is emptied, while someone reads.
    results = run.results()
    next(results)
    submit(run, *range(1, 2501))
    checkpoint = run._database._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()  # type: ignore[union-attr]
    assert 0 == checkpoint[0]
    assert 100 < Counter(result.status for result in results)["IN_QUEUE"]


ORIGINS: dict[type[Any], set[str]] = {
    Submitting: {"PENDING"},
    Pending: {"SUBMITTING"},
    Submitted: {"SUBMITTING"},
    Ended: {"SUBMITTING", "SUBMITTED"},
    Doubtful: {"SUBMITTING"},
    Expired: {"SUBMITTED"},
}
CHANGES = st.integers(1, 4).flatmap(
    lambda number: st.sampled_from(
        [
            Submitting(number),
            Pending(number),
            Submitted(number, "job"),
            Ended(number, "COMPLETED", "1"),
            Ended(number, "FAILED", None, '"e"'),
            Doubtful(number),
            Expired(number, '"e"'),
        ]
    )
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunFile]:
    with RunFile(tmp_path_factory.mktemp("shared") / "run.sqlite") as run:
        yield run


@given(st.lists(st.lists(CHANGES, max_size=4), max_size=10))
def test_transitions(shared: RunFile, batches: list[list[Change]]) -> None:
    """No sequence of changes submits a row twice, and a batch is applied as a whole or not at all."""
    first = sum(shared.counts().values())
    shared.add([{}] * 4, key=lambda _: uuid.uuid4().hex)
    model = dict.fromkeys(range(first + 1, first + 5), "PENDING")
    for relative in batches:
        batch = [replace(change, number=first + change.number) for change in relative]
        expected, valid = dict(model), True
        for change in batch:
            valid = valid and expected[change.number] in ORIGINS[type(change)]
            expected[change.number] = new_state(change)
        if valid:
            shared.apply(batch)
            model = expected
        else:
            with pytest.raises(RunFileError, match=r"cannot become .*Nothing was changed"):
                shared.apply(batch)
        assert model == {row.number: state for state in STATES for row in shared.next_rows(state, first)}


def test_changes_that_cannot_be_applied(run: RunFile) -> None:
    run.add(rows(1), key="id")
    submit(run, 1)
    with pytest.raises(RunFileError) as info:
        run.apply([Expired(1), Submitting(1)])
    assert f"Row 1 (key 'k1') of {run.path} is EXPIRED and cannot become SUBMITTING. Nothing was changed." in str(
        info.value
    )
    assert not info.value.maybe_submitted
    with pytest.raises(RunFileError, match=r"has no row 2\. Nothing was changed\."):
        run.apply([Submitting(2)])
    with pytest.raises(RunFileError, match="cannot end with the status 'IN_QUEUE', which is not final"):
        run.apply([Ended(1, "IN_QUEUE")])
    assert {"SUBMITTED": 1} == stored(run)
    assert {"IN_QUEUE": 1} == states(run)
    with pytest.raises(FrozenInstanceError):
        Submitting(1).number = 2  # type: ignore[misc]


# The endpoint, and resubmitting


def test_a_run_has_one_endpoint(run: RunFile) -> None:
    assert run.endpoint_id is None
    run.bind("a typo")
    run.bind("one")  # nothing was submitted yet
    run.add([{"n": 1}])
    run.bind("one")
    run.apply([Submitting(1)])
    run.bind("one")
    with pytest.raises(RunFileError) as info:
        run.bind("two")
    assert f"{run.path} is a run of endpoint 'one', not of 'two'. Run it with 'one'" in str(info.value)
    assert "one" == run.endpoint_id


@pytest.fixture
def ended(run: RunFile) -> RunFile:
    run.add(rows(8), key="id")
    submit(run, 1, 2, 3, 4, 5, 6)
    statuses = ["COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"]
    run.apply([Ended(n, status, "1", '"e"', 1, 2, 3, 4.0) for n, status in enumerate(statuses, 1)])
    run.apply([Expired(5, '"e"'), Submitting(7), Doubtful(7, '"e"')])
    return run


@pytest.mark.parametrize(
    ("which", "keys"),
    [
        ("doubtful", ["k7"]),
        ("expired", ["k5"]),
        ("failed", ["k2", "k3", "k4"]),
        (["k2", "k5", "k7", "k8", "k2"], ["k2", "k5", "k7"]),
        ((), []),
    ],
)
def test_resubmit(ended: RunFile, which: Any, keys: list[str]) -> None:
    before = {result.key: result for result in ended.results()}
    assert len(keys) == ended.resubmit(which)
    after = {result.key: result for result in ended.results()}
    for key, result in after.items():
        fresh = {"key": key, "status": "PENDING", "job_id": None, "queued_ms": None, "running_ms": None}
        assert (fresh if key in keys else before[key].to_dict()) == result.to_dict()
        assert (before[key].has_output and key not in keys) == result.has_output
    numbers = [row.number for row in ended.next_rows("PENDING")]
    submit(ended, *numbers)


@pytest.mark.parametrize(
    ("which", "expected"),
    [(None, 3), ("doubtful", 67), ("expired", 131), ("failed", 59), ([], 3), (["k1", "k2"], 5)],
)
def test_rows_that_are_unfinished(which: Any, expected: int) -> None:
    statuses = ["PENDING", "IN_QUEUE", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT", "DOUBTFUL", "EXPIRED"]
    assert expected == unfinished({status: 2**n for n, status in enumerate(statuses)}, which)


def test_rows_that_cannot_be_resubmitted(ended: RunFile) -> None:
    def refusal(which: Any) -> str:
        before = list(ended.results())
        with pytest.raises(InvalidRequestError) as info:
            ended.resubmit(which)
        assert before == list(ended.results())
        return info.value.message

    assert refusal(["k7", "k1"]).startswith("The row with the key 'k1' cannot be resubmitted: it has completed;")
    assert "'k6' cannot be resubmitted: it was submitted, and its job has not ended" in refusal(["k7", "k6"])
    ended.apply([Submitting(8)])
    assert "it is being submitted" in refusal(["k8"])
    assert f"{ended.path} has no row with the key 'x', 'y'. Nothing was changed." == refusal(["k7", "x", "y"])
    assert "'4' and 2 more. Nothing was changed." in refusal(range(7))
    assert "resubmit must be 'doubtful', 'expired', 'failed' or a list of keys, got 'fail'." == refusal("fail")
    assert "a key to resubmit must be a str or an int, not None" in refusal([None])


def test_long_keys_and_large_values_are_not_shown(run: RunFile) -> None:
    run.add([{"id": "k" * 10_000, "p": "x" * 10**6}], key="id")
    (result,) = run.results()
    assert len(repr(result)) < 500
    with pytest.raises(RunFileError) as info:
        run.apply([Pending(1)])
    assert len(str(info.value)) < 600


def test_json_survives(run: RunFile) -> None:
    values = {"int": 10**40, "float": 0.1, "text": "ä\u2028\x00😀", "nested": [[{}]], "null": None, "bool": True}
    run.add([values], key=lambda _: "\x00ä")
    submit(run, 1)
    run.apply([Ended(1, "COMPLETED", json.dumps(values))])
    (result,) = run.results()
    assert (values, values, "\x00ä") == (result.input, result.output, result.key)


def test_several_threads(run: RunFile) -> None:
    run.add(rows(200), key="id")
    errors: list[BaseException] = []

    def work(first: int) -> None:
        try:
            for number in range(first, 201, 8):
                submit(run, number)
                run.counts()
                run.apply([Ended(number, "COMPLETED", "1")])
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert {"COMPLETED": 200} == states(run)


def test_logging_is_quiet(run: RunFile, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        run.add(rows(2000), key="id")
    assert not caplog.records
