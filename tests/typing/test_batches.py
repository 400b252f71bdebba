"""Typing tests of batches. This file is type-checked with mypy and pyright, not executed."""

# Both checkers report an unneeded `type: ignore`, so code that must be rejected is tested, too.
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from typing_extensions import assert_type

from runpod import (
    AsyncBatch,
    AsyncBatches,
    AsyncBatchResults,
    AsyncEndpoint,
    Batch,
    Batches,
    BatchResult,
    BatchResults,
    BatchState,
    Endpoint,
    JobRequest,
    JobState,
    RunpodError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


class Horse(BaseModel):
    image: str


async def a_batch_has_the_type_of_its_endpoint(horses: AsyncEndpoint[Horse], later: AsyncIterator[Horse]) -> None:
    assert_type(horses.batches, AsyncBatches[Horse])
    batch = await horses.batches.create([{"n": 1}], name="horses", key="id", max_requests=None, timeout=5)
    assert_type(batch, AsyncBatch[Horse])
    await horses.batches.create(later)
    assert_type(horses.batches.get("id"), AsyncBatch[Horse])
    assert_type(await horses.batches.list(), Sequence[AsyncBatch[Horse]])
    assert_type(await batch.add([JobRequest(input={"n": 1})]), BatchState)
    assert_type(await batch.finalize(), BatchState)
    assert_type(await batch.wait(timeout=timedelta(hours=1)), BatchState)
    assert_type(batch.results(), AsyncBatchResults[Horse])
    async for result in batch.results(page_size=10):
        assert_type(result, BatchResult[Horse])
    _results: AsyncIterator[BatchResult[Horse]] = batch.results()


def a_batch_of_the_sync_client(horses: Endpoint[Horse], endpoint: Endpoint[Any]) -> None:
    assert_type(endpoint.batches, Batches[Any])
    batch = horses.batches.create({"n": n} for n in range(10))
    assert_type(batch, Batch[Horse])
    assert_type(batch.results(), BatchResults[Horse])
    _results: Iterator[BatchResult[Horse]] = batch.results()
    horses.batches.create()  # type: ignore[call-arg]
    horses.batches.create([5])  # type: ignore[list-item]
    horses.batches.get(5)  # type: ignore[arg-type]


def results_and_states_have_types(result: BatchResult[Horse], state: BatchState) -> None:
    assert_type(result.output, Horse | None)
    assert_type(result.state, JobState[Horse])
    assert_type(result.error, RunpodError | None)
    assert_type(result.key, str | int | None)
    assert_type(result.completed_at, datetime | None)
    assert_type(state.status, str | None)
    assert_type(state.request_total, int | None)
    assert_type(state.created_at, datetime | None)
    assert_type(state.done, bool)
    assert_type(RunpodError().batch_id, str | None)
