"""`EndpointMapper` without a cluster: batches, rows, failures, arguments."""

from __future__ import annotations

import json
import pickle
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from runpod import (
    AsyncRunpod,
    AuthenticationError,
    ConfigurationError,
    EndpointLimits,
    InvalidRequestError,
    NotFoundError,
    Runpod,
)
from runpod.integrations.ray import EndpointMapper
from runpod.local import LocalServer
from tests.servers import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

# Ray warns of its own settings.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context")

NESTED = 600


def deep() -> Any:
    value: Any = 1
    for _ in range(NESTED):
        value = [value]
    return value


def handle(job: dict[str, Any]) -> Any:
    given = job["input"]
    if given.get("prompt") == "fail":
        raise ValueError("it \ud800 failed")
    if given.get("prompt") == "surrogate":
        return "\ud800"
    return deep() if given.get("prompt") == "deep" else given


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    with LocalServer({"ep": handle}, workers=4) as server:
        monkeypatch.setenv("RUNPOD_API_KEY", server.api_key)
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", server.base_url)
        yield server


def run(batch: Any, **options: Any) -> list[dict[str, Any]]:
    mapper = EndpointMapper("ep", **options)
    try:
        rows: list[dict[str, Any]] = mapper(batch).to_pylist()
    finally:
        mapper.close()
    return rows


PROMPTS = {"prompt": ["a horse", "a foal"], "n": [1, 2]}


@pytest.mark.parametrize(
    "batch",
    [{name: np.array(values) for name, values in PROMPTS.items()}, pd.DataFrame(PROMPTS), pa.table(PROMPTS)],
    ids=["numpy", "pandas", "pyarrow"],
)
def test_every_format_of_a_batch(batch: Any, server: LocalServer) -> None:
    rows = run(batch)
    assert [{"prompt": "a horse", "n": 1}, {"prompt": "a foal", "n": 2}] == [json.loads(row["output"]) for row in rows]
    assert ["a horse", "a foal"] == [row["prompt"] for row in rows]
    assert [("COMPLETED", None)] * 2 == [(row["status"], row["error"]) for row in rows]
    assert {job["id"] for job in server.jobs["ep"]} == {row["job_id"] for row in rows}


def test_values_of_numpy_and_pandas(server: LocalServer) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - as in a column without a time zone
    columns: dict[str, Any] = {
        "missing": np.array([np.nan, 1.5]),
        "moment": np.array([moment, "NaT"], dtype="datetime64[ns]"),
        "length": np.array([1_500_000_000, "NaT"], dtype="timedelta64[ns]"),
        "pixels": np.arange(8, dtype=np.uint8).reshape(2, 2, 2),
        "nested": np.array([{"a": [1, None]}, None], dtype=object),
    }
    expected = [
        {
            "missing": None,
            "moment": "2026-01-02T03:04:05",
            "length": "PT1.5S",
            "pixels": [[0, 1], [2, 3]],
            "nested": {"a": [1, None]},
        },
        {"missing": 1.5, "moment": None, "length": None, "pixels": [[4, 5], [6, 7]], "nested": None},
    ]
    assert expected == [json.loads(row["output"]) for row in run(columns)]
    frame = pd.DataFrame(
        {"n": pd.array([None, 2], dtype="Int64"), "moment": [moment, pd.NaT], "x": [None, 2.0], "text": [None, "a"]}
    )
    assert [
        {"n": None, "moment": "2026-01-02T03:04:05", "x": None, "text": None},
        {"n": 2, "moment": None, "x": 2.0, "text": "a"},
    ] == [json.loads(row["output"]) for row in run(frame)]


def test_columns_are_chosen_and_renamed(server: LocalServer) -> None:
    batch = {"caption": ["a horse"], "id": [7], "other": [b"\x00"]}
    (row,) = run(batch, columns={"prompt": "caption", "key": "id"}, output_column="picture")
    assert {"prompt": "a horse", "key": 7} == json.loads(row["picture"])
    assert ["caption", "id", "other", "picture", "status", "error", "job_id"] == list(row)
    (row,) = run(batch, columns=["caption"])
    assert {"caption": "a horse"} == json.loads(row["output"])


def test_failures_are_rows(server: LocalServer) -> None:
    rows = run({"prompt": np.array(["fail", "fine", b"bytes", "deep", "surrogate"], dtype=object)})
    failed, fine, refused, deep_one, surrogate = rows
    assert ("FAILED", None) == (failed["status"], failed["output"])
    assert "ValueError: it " in failed["error"]
    assert "COMPLETED" == fine["status"]
    assert ("FAILED", None, None) == (refused["status"], refused["output"], refused["job_id"])
    assert "bytes" in refused["error"]
    assert (None, "FAILED") == (deep_one["output"], deep_one["status"])
    assert deep_one["error"]
    assert "\ud800" == json.loads(surrogate["output"])
    assert 4 == len(server.jobs["ep"])


def test_columns_have_their_types_without_values(server: LocalServer) -> None:
    mapper = EndpointMapper("ep")
    for batch in ({"prompt": np.array([])}, {"prompt": ["fail"]}, {"prompt": ["fine"]}):
        schema = mapper(batch).schema
        assert [pa.large_string()] * 4 == [schema.field(name).type for name in ("output", "status", "error", "job_id")]
    mapper.close()


def test_what_concerns_all_rows_is_raised(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"has no column 'text'\. Its columns are 'prompt'"):
        run({"prompt": ["a"]}, columns=["text"])
    with pytest.raises(ConfigurationError, match="has a column 'status', which the mapper adds: rename or drop"):
        run({"status": ["a"]})
    with pytest.raises(ConfigurationError, match="has a column 'output', which the mapper adds: set output_column"):
        run({"output": ["a"]})
    for batch in (pd.DataFrame([["a", "b"]], columns=["text"] * 2), pa.table([["a"], ["b"]], names=["text"] * 2)):
        with pytest.raises(ConfigurationError, match="several columns with the name 'text': rename or drop"):
            run(batch)
    monkeypatch.setenv("RUNPOD_API_KEY", "wrong")
    with pytest.raises(AuthenticationError):
        run({"prompt": ["a"] * 3})
    monkeypatch.delenv("RUNPOD_API_KEY")
    with pytest.raises(ConfigurationError, match="No API key found"):
        run({"prompt": ["a"]})
    monkeypatch.setenv("RUNPOD_API_KEY", server.api_key)
    mapper = EndpointMapper("missing")
    with pytest.raises(NotFoundError):
        mapper({"prompt": ["a"]})
    mapper.close()
    assert [] == server.jobs["ep"]


def test_a_run_that_ends_keeps_its_results(server: LocalServer) -> None:
    """The key is revoked in the middle of a batch."""
    with Runpod() as client:
        mapper = EndpointMapper("ep", client=client, in_flight=1)
        endpoint = mapper._connected()
        session = endpoint._session
        limited_attempt, sent = session._limited_attempt, []

        def revoked(call: Any, *arguments: Any) -> Any:
            sent.append(call)
            if len(sent) == 3:
                raise AuthenticationError("revoked", status_code=401)
            return limited_attempt(call, *arguments)

        session._limited_attempt = revoked
        rows = mapper({"prompt": ["a", "b", "c", "d", "e"]}).to_pylist()
    assert ["COMPLETED", "COMPLETED"] == [row["status"] for row in rows[:2]]
    assert {"DOUBTFUL", "FAILED"} >= {row["status"] for row in rows[2:]}
    assert "FAILED" == rows[-1]["status"]
    assert all("revoked" in row["error"] for row in rows[2:])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": "prompt"}, "columns must be a list of names"),
        ({"columns": []}, "columns is empty"),
        ({"columns": [1]}, "columns must be names of columns, got 1"),
        ({"columns": {"prompt": ""}}, "columns must be names of columns, got ''"),
        ({"output_column": "status"}, "output_column cannot be 'status'"),
        ({"output_column": ""}, "output_column must be a name, got ''"),
        ({"limits": {"polls_per_second": 1}}, "limits must be an EndpointLimits, not dict"),
        ({"client": "key"}, "client must be a Runpod, which is the sync client, not str"),
        ({"job_timeout": -1}, "job_timeout must be positive"),
        ({"in_flight": 0}, "in_flight must be at least 1"),
        ({"policy": {"executionTimeout": "x"}}, "executionTimeout"),
    ],
)
def test_arguments_are_checked_before_anything_is_sent(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigurationError, InvalidRequestError), match=message):
        EndpointMapper("ep", **options)


def test_ids_and_clients_are_checked() -> None:
    with pytest.raises(InvalidRequestError, match="endpoint_id"):
        EndpointMapper("  ")
    client: Any = AsyncRunpod(KEY)
    with pytest.raises(ConfigurationError, match="client must be a Runpod"):
        EndpointMapper("ep", client=client)


def test_it_is_pickled_without_the_key(server: LocalServer) -> None:
    with Runpod(limits=EndpointLimits(polls_per_second=7)) as client:
        mapper = EndpointMapper("ep", columns=["prompt"], client=client, limits=EndpointLimits(polls_per_second=9))
        mapper({"prompt": ["a horse"]})
        parcel = pickle.dumps(mapper)
        assert server.api_key.encode() not in parcel
        arrived = pickle.loads(parcel)
        assert ["COMPLETED"] == arrived({"prompt": ["a foal"]})["status"].to_pylist()
        assert 9 == arrived._endpoint._session.limits.polls_per_second
        assert 7 == client._session.limits.polls_per_second
        assert "EndpointMapper('ep', columns={'prompt': 'prompt'})" == repr(arrived)
        arrived._client._session.engine.close()


def test_the_extra_is_named_if_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "runpod.integrations.ray")
    with pytest.raises(ConfigurationError, match=r'needs the package ray: pip install "runpod-sdk\[ray\]"\.'):
        import runpod.integrations.ray  # noqa: F401
