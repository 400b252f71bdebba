"""The client and the local server with workers of the released official package.

An official worker requests its next job up to a second after finishing one. The run time of these tests depends on the
number of jobs, and workers are shared.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from runpod import AsyncRunpod, JobCancelledError, JobFailedError, JobStatus, Runpod
from runpod.local import LocalEndpoint, LocalServer
from tests.conformance.conftest import official_worker
from tests.conformance.environments import OFFICIAL_PACKAGE
from tests.local.api import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from runpod import AsyncEndpoint, Endpoint, JobState
    from tests.conformance.conftest import StartWorker

PROMPT = {"prompt": "a photo of a horse the size of a Boeing 787"}
PHOTO = {"image": "…", **PROMPT}
PHOTOS = [{"photo": 0}, {"photo": 1}, {"photo": 2}]

TIMEOUT = 30.0  # seconds


@pytest.fixture(scope="module")
def server(official_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    def worker(handler: str, **settings: Any) -> LocalEndpoint:
        return LocalEndpoint(command=[*official_worker(official_python), handler], **settings)

    endpoints = {
        "any": worker("chosen", workers=2),  # The input names the handler.
        "photos": worker("generator"),
        "albums": worker("generator_async-aggregated"),
        "pairs": worker("meeting_here-in-pairs"),
    }
    # The official package prefers an API key in the home folder to that of the environment, although the documented
    # behavior is "worker requests carry `Authorization: <RUNPOD_AI_API_KEY>`".
    home = tmp_path_factory.mktemp("home-with-a-key")
    (home / ".runpod").mkdir()
    (home / ".runpod" / "config.toml").write_text('[default]\napi_key = "of-an-account"\n', encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("USERPROFILE", str(home))
        server = LocalServer(endpoints)
        server.start()
    yield server
    server.stop()


class SyncClient:
    """The sync client of this library."""

    def __init__(self, server: LocalServer) -> None:
        self._server = server

    def _do(self, endpoint: str, do: Callable[[Endpoint[Any]], Any]) -> Any:
        with Runpod(self._server.api_key, base_url=self._server.base_url) as client:
            return do(client.endpoint(endpoint))

    def run_sync(self, job_input: dict[str, Any], endpoint: str = "any") -> JobState[Any]:
        state: JobState[Any] = self._do(endpoint, lambda e: e.run_sync(input=job_input, timeout=TIMEOUT))
        return state

    def result(self, job_input: dict[str, Any], endpoint: str = "any") -> Any:
        return self._do(endpoint, lambda e: e.run(input=job_input).result(timeout=TIMEOUT))

    def stream(self, job_input: dict[str, Any], endpoint: str, chunks: list[Any]) -> None:
        """Append every chunk to `chunks`, even if the stream raises."""

        def stream(endpoint: Endpoint[Any]) -> None:
            for chunk in endpoint.run(input=job_input).stream(timeout=TIMEOUT):
                chunks.append(chunk.output)  # noqa: PERF401  # It can raise.

        self._do(endpoint, stream)

    def watch(self, job_input: dict[str, Any], see: Callable[[JobState[Any]], None]) -> None:
        def watch(endpoint: Endpoint[Any]) -> None:
            for state in endpoint.run(input=job_input).watch(timeout=TIMEOUT):
                see(state)

        self._do("any", watch)

    def cancel(self, job_input: dict[str, Any], ready: Callable[[], None]) -> JobState[Any]:
        """Cancel a job once `ready`, and return its state."""

        def cancel(endpoint: Endpoint[Any]) -> JobState[Any]:
            job = endpoint.run(input=job_input)
            ready()
            job.cancel()
            with pytest.raises(JobCancelledError):
                job.result(timeout=TIMEOUT)
            return job.state

        state: JobState[Any] = self._do("any", cancel)
        return state


class AsyncClient(SyncClient):
    """The async client of this library, with the same interface."""

    def _do(self, endpoint: str, do: Callable[[Any], Any]) -> Any:
        raise NotImplementedError

    def _await(self, endpoint: str, do: Callable[[AsyncEndpoint[Any]], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            async with AsyncRunpod(self._server.api_key, base_url=self._server.base_url) as client:
                return await do(client.endpoint(endpoint))

        return asyncio.run(main())

    def run_sync(self, job_input: dict[str, Any], endpoint: str = "any") -> JobState[Any]:
        state: JobState[Any] = self._await(endpoint, lambda e: e.run_sync(input=job_input, timeout=TIMEOUT))
        return state

    def result(self, job_input: dict[str, Any], endpoint: str = "any") -> Any:
        async def result(endpoint: AsyncEndpoint[Any]) -> Any:
            return await (await endpoint.run(input=job_input)).result(timeout=TIMEOUT)

        return self._await(endpoint, result)

    def stream(self, job_input: dict[str, Any], endpoint: str, chunks: list[Any]) -> None:
        async def stream(endpoint: AsyncEndpoint[Any]) -> None:
            async for chunk in (await endpoint.run(input=job_input)).stream(timeout=TIMEOUT):
                chunks.append(chunk.output)  # noqa: PERF401  # It can raise.

        self._await(endpoint, stream)

    def watch(self, job_input: dict[str, Any], see: Callable[[JobState[Any]], None]) -> None:
        async def watch(endpoint: AsyncEndpoint[Any]) -> None:
            async for state in (await endpoint.run(input=job_input)).watch(timeout=TIMEOUT):
                see(state)

        self._await("any", watch)

    def cancel(self, job_input: dict[str, Any], ready: Callable[[], None]) -> JobState[Any]:
        async def cancel(endpoint: AsyncEndpoint[Any]) -> JobState[Any]:
            job = await endpoint.run(input=job_input)
            await asyncio.to_thread(ready)
            await job.cancel()
            with pytest.raises(JobCancelledError):
                await job.result(timeout=TIMEOUT)
            return job.state

        state: JobState[Any] = self._await("any", cancel)
        return state


@pytest.fixture(params=[SyncClient, AsyncClient], ids=["sync", "async"])
def client(request: pytest.FixtureRequest, server: LocalServer) -> SyncClient:
    client: SyncClient = request.param(server)
    return client


@pytest.mark.fact("protocol 15: environment")
@pytest.mark.parametrize("handler", ["plain", "plain_async"])
def test_a_handler_that_returns(client, handler):
    state = client.run_sync({"handler": handler, **PROMPT})
    assert ("COMPLETED", PHOTO) == (state.status, state.output)
    assert None not in (state.delay_time, state.execution_time, state.worker_id)


@pytest.mark.fact("protocol 1.8: exception of a handler")
def test_a_handler_that_raises(client):
    with pytest.raises(JobFailedError, match=r"ValueError: there is no a photo of a horse") as caught:
        client.result({"handler": "failing", **PROMPT})
    state = caught.value.state
    assert state is not None
    error = state.worker_error
    assert error is not None
    assert ("ValueError", f"there is no {PROMPT['prompt']}") == (error.type, error.message)
    assert "raise ValueError" in (error.traceback or "")
    assert (state.worker_id, OFFICIAL_PACKAGE[1]) == (error.worker_id, error.runpod_version)


@pytest.mark.fact("protocol 1.8: returned error")
def test_a_handler_that_returns_an_error(client):
    state = client.run_sync({"handler": "error_returning"})
    # "FAILED may carry both"
    assert ("FAILED", "bad seed", {"detail": 1}) == (state.status, state.error, state.output)


@pytest.mark.fact("protocol 1.8: empty dict")
def test_a_handler_that_returns_an_empty_dict(client):
    state = client.run_sync({"handler": "nothing"})
    # "remaining keys stay in `output` (dropped if empty)"
    assert ("COMPLETED", False) == (state.status, state.has_output)


@pytest.mark.fact("protocol 1.7: progress")
def test_a_handler_that_reports_progress(client, tmp_path):
    seen = []

    def see(state: JobState[Any]) -> None:
        seen.append(state)
        if state.progress == {"percent": 50}:
            (tmp_path / "go").touch()

    client.watch({"handler": "progress_sending", "progress": [50], "go": str(tmp_path / "go"), **PROMPT}, see)
    assert {"percent": 50} in [state.progress for state in seen]
    assert ("COMPLETED", PHOTO) == (seen[-1].status, seen[-1].output)


@pytest.mark.fact("protocol 15: jobs to stop")
def test_an_async_handler_is_cancelled_while_it_runs(client, tmp_path):
    started, stopped = tmp_path / "started", tmp_path / "stopped"
    job_input = {"handler": "waiting", "started": str(started), "stopped": str(stopped)}
    state = client.cancel(job_input, lambda: until(started.exists))
    assert (JobStatus.CANCELLED, False) == (state.status, state.has_output)
    # "the worker cancels those asyncio tasks"
    until(stopped.exists)
    assert PHOTO == client.result({"handler": "plain", **PROMPT})


def test_an_async_handler_that_takes_too_long_is_stopped(server, tmp_path):
    started, stopped = tmp_path / "started", tmp_path / "stopped"
    job_input = {"handler": "waiting", "started": str(started), "stopped": str(stopped)}
    with Runpod(server.api_key, base_url=server.base_url) as client:
        job = client.endpoint("any").run(input=job_input, policy={"executionTimeout": 5000})
        for _ in range(2):
            until(started.exists)
            started.unlink()
            server.advance(5)
            until(stopped.exists)
            stopped.unlink()
        state = job.wait(timeout=TIMEOUT)
    # Used "also for executionTimeout kills"
    assert ("FAILED", "job timed out after 1 retries", 1) == (state.status, state.error, state.retries)


@pytest.mark.fact("protocol 15: chunk")
def test_a_generator_is_streamed(client):
    chunks: list[Any] = []
    client.stream({"photos": 3}, "photos", chunks)
    assert PHOTOS == chunks


@pytest.mark.fact("protocol 3: aggregate")
def test_a_generator_has_an_empty_output(client):
    # "without it … the worker posts an empty list"
    assert [] == client.result({"photos": 3}, "photos")


@pytest.mark.fact("protocol 1.8: exception of a generator")
def test_a_generator_that_raises(client):
    chunks: list[Any] = []
    with pytest.raises(JobFailedError, match="ValueError: there is no a photo of a horse") as caught:
        client.stream({"photos": 3, **PROMPT}, "photos", chunks)
    # "partial chunks already sent stay readable", and the error is "plain text, not JSON".
    assert PHOTOS == chunks
    assert caught.value.state is not None
    error = str(caught.value.state.error)
    assert error.startswith(f"handler: there is no {PROMPT['prompt']} \ntraceback: Traceback")


@pytest.mark.fact("protocol 3: aggregate")
def test_a_generator_with_its_yields_as_output(client):
    chunks: list[Any] = []
    client.stream({"photos": 3}, "albums", chunks)
    assert PHOTOS == chunks
    # "with it the list of all yields"
    assert PHOTOS == client.result({"photos": 3}, "albums")


def test_several_workers_work_at_once(server, tmp_path):
    with Runpod(server.api_key, base_url=server.base_url) as client:
        endpoint = client.endpoint("any")
        job_input = {"handler": "meeting", "folder": str(tmp_path), "expected": 2}
        jobs = [endpoint.run(input=job_input) for _ in range(2)]
        assert ["met", "met"] == [job.result(timeout=TIMEOUT) for job in jobs]
        assert 2 == len({job.state.worker_id for job in jobs})


@pytest.mark.fact("protocol 15: take several jobs")
def test_one_worker_with_several_jobs_at_once(server):
    # The worker uses `job-take-batch`, whose format is documented from the source only.
    with Runpod(server.api_key, base_url=server.base_url) as client:
        endpoint = client.endpoint("pairs")
        jobs = [endpoint.run(input={"expected": 2}) for _ in range(2)]
        assert ["met", "met"] == [job.result(timeout=TIMEOUT) for job in jobs]
        assert 1 == len({job.state.worker_id for job in jobs})


@pytest.mark.fact("protocol 1.2: empty input")
def test_a_job_with_an_empty_input_fails(server):
    warned = pytest.warns(UserWarning, match="input is empty")
    with Runpod(server.api_key, base_url=server.base_url) as client, warned:
        state = client.endpoint("any").run_sync(input={}, timeout=TIMEOUT)
    # "the worker then logs a missing `id or input`, the job is re-dispatched once and ends FAILED"
    assert ("FAILED", "job timed out after 1 retries", 1) == (state.status, state.error, state.retries)


@pytest.mark.fact("protocol 1.8: given up")
def test_a_worker_that_crashes(server):
    """Tests both clients concurrently, since each crash needs a restart."""

    async def main() -> list[JobState[Any]]:
        async with AsyncRunpod(server.api_key, base_url=server.base_url) as client:
            job = await client.endpoint("any").run(input={"handler": "crashing"})
            with Runpod(server.api_key, base_url=server.base_url) as sync_client:
                other = await asyncio.to_thread(sync_client.endpoint("any").run, input={"handler": "crashing"})
                return [await asyncio.to_thread(other.wait, timeout=TIMEOUT), await job.wait(timeout=TIMEOUT)]

    for state in asyncio.run(main()):
        # Captured: `"error":"job timed out after 1 retries", "retries":1,"status":"FAILED"`
        assert ("FAILED", "job timed out after 1 retries", 1) == (state.status, state.error, state.retries)


@pytest.mark.fact("protocol 1.8: refresh_worker")
def test_a_worker_with_refresh_worker(server):
    with Runpod(server.api_key, base_url=server.base_url) as client:
        endpoint = client.endpoint("photos")
        before = endpoint.run_sync(input={"photos": 1}, timeout=TIMEOUT).worker_id
        [place] = server._endpoints["photos"].pool._slots
        assert before == place.worker_id
        endpoint = client.endpoint("any")
        state = endpoint.run_sync(input={"handler": "refreshing"}, timeout=TIMEOUT)
        # "popped; worker restarts; not visible to client"
        assert {"was": state.worker_id} == state.output
        until(lambda: state.worker_id not in {place.worker_id for place in server._endpoints["any"].pool._slots})
        assert endpoint.run_sync(input={"handler": "plain", **PROMPT}, timeout=TIMEOUT).succeeded


@pytest.mark.fact("protocol 15: environment")
def test_a_worker_started_manually(start_worker: StartWorker):
    with (
        LocalServer({"horse": LocalEndpoint(workers=0)}) as server,
        Runpod(server.api_key, base_url=server.base_url) as client,
    ):
        endpoint = client.endpoint("horse")
        job = endpoint.run(input={"handler": "plain", **PROMPT})
        assert 0 == sum(count for _, count in endpoint.health().workers)
        worker = start_worker(server, "horse", "chosen")
        assert PHOTO == job.result(timeout=TIMEOUT)
        assert "official-1" == job.state.worker_id
        until(lambda: 1 == endpoint.health().workers.idle)
        worker.end()
        until(lambda: 0 == endpoint.health().workers.idle)
