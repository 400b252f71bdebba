"""Workers that run a handler, when a job is taken from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpod.local.jobs.job import Outcome
from runpod.local.workers import handler_pool, handlers

if TYPE_CHECKING:
    import pytest

    from tests.local.conftest import Serve


def test_a_worker_whose_handler_returns_as_it_is_killed_runs_the_job_again(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = handlers.run_handler
    attempts = 0

    async def run_handler(*arguments: Any, **options: Any) -> Outcome | None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            # The execution timeout passes, and nothing else runs on the event loop before the worker goes on.
            api.server.advance(600)
            return Outcome()
        return await original(*arguments, **options)

    monkeypatch.setattr(handler_pool, "run_handler", run_handler)
    api = serve(lambda job: "again")
    job = api.end(api.run())
    assert ("COMPLETED", "again", 1) == (job["status"], job["output"], job["retries"])
    assert 2 == attempts
