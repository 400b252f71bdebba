"""Our client and the local API server of the official package, which `--rp_serve_api` starts for a worker script.

That server is for one worker, so its routes name no endpoint, and it takes POST where a client of the service sends GET.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from runpod import (
    AsyncRunpod,
    Endpoint,
    InvalidRequestError,
    JobExpiredError,
    JobFailedError,
    JobStatus,
    NotFoundError,
    Runpod,
    ServerError,
)
from tests.conformance.environments import OFFICIAL_PACKAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conformance.conftest import StartServer

PROMPT = {"prompt": "a photo of a horse the size of a Boeing 787"}
PLAIN = {"handler": "plain", **PROMPT}
PHOTO = {"image": "…", **PROMPT}
PHOTOS = [{"photo": 0}, {"photo": 1}, {"photo": 2}]


@pytest.fixture(scope="session", autouse=True)
def _both_servers_at_once(start_api_server: StartServer) -> None:
    """Each takes a second or two to start."""
    start_api_server("chosen")
    start_api_server("generator")


# As it is: there is no address that suits, and every call says so.

CALLS: dict[str, Callable[[Endpoint[Any]], object]] = {
    "run": lambda endpoint: endpoint.run(input=PROMPT),
    "run_sync": lambda endpoint: endpoint.run_sync(input=PROMPT),
    "status": lambda endpoint: endpoint.status("test-1"),
    "status_sync": lambda endpoint: endpoint.status_sync("test-1"),
    "wait": lambda endpoint: endpoint.job("test-1").wait(timeout=10),
    "stream": lambda endpoint: list(endpoint.stream("test-1", timeout=10)),
    "cancel": lambda endpoint: endpoint.cancel("test-1"),
    "retry": lambda endpoint: endpoint.retry("test-1"),
    "health": lambda endpoint: endpoint.health(),
    "purge_queue": lambda endpoint: endpoint.purge_queue(),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(("path", "endpoint_id"), [("", "horse"), ("/v2", "horse"), ("", "."), ("", "run")])
def test_its_address_as_base_url_is_refused(start_api_server, name, path, endpoint_id):
    with Runpod("any", base_url=start_api_server("chosen").url + path) as client:
        endpoint = client.endpoint(endpoint_id)
        with pytest.raises(NotFoundError, match=r"HTTP 404: Not Found\. Check the endpoint id") as caught:
            CALLS[name](endpoint)
    assert (404, '{"detail":"Not Found"}') == (caught.value.status_code, caught.value.body)
    assert endpoint_id == caught.value.endpoint_id
    assert not caught.value.maybe_submitted


# With its address marked as that of a worker.


@pytest.fixture
def worker(start_api_server) -> Iterator[Callable[[str], Endpoint[Any]]]:
    """An endpoint that is the API server of a worker."""
    with ExitStack() as stack:

        def worker(handler: str) -> Endpoint[Any]:
            # There is no key here, and it asks for none.
            client = stack.enter_context(Runpod(base_url=f"worker+{start_api_server(handler).url}"))
            return client.endpoint("horse")

        yield worker


@pytest.fixture
def photographer(worker) -> Endpoint[Any]:
    """One whose handler is a generator."""
    return worker("generator")


@pytest.fixture
def painter(worker) -> Endpoint[Any]:
    """One whose handler is none: it does what the input says."""
    return worker("chosen")


def test_run_and_wait(painter):
    job = painter.run(input=PLAIN)
    assert job.id.startswith("test-")
    # Documentation of the service shows `{"id", "status": "IN_QUEUE"}`.
    assert JobStatus.IN_PROGRESS == job.status
    # It has no long poll, and executes the job when it is asked for the status.
    assert PHOTO == job.result(timeout=10)
    assert (None, None, None) == (job.state.delay_time, job.state.execution_time, job.state.worker_id)


def test_watch(painter):
    job = painter.run(input=PLAIN)
    assert [JobStatus.IN_PROGRESS, JobStatus.COMPLETED] == [state.status for state in job.watch(timeout=10)]


def test_status(painter):
    job = painter.run(input=PLAIN)
    assert PHOTO == painter.status(job.id).output


def test_run_sync(painter):
    state = painter.run_sync(input=PLAIN)
    assert state.succeeded
    assert PHOTO == state.output


def test_output_of_a_generator_is_the_list_of_its_yields(photographer):
    # The service has that with `return_aggregate_stream` alone: "without it … the worker posts an empty list".
    assert PHOTOS == photographer.run_sync(input={"photos": 3}).output
    assert PHOTOS == photographer.run(input={"photos": 3}).result(timeout=10)


def test_a_handler_that_raised(painter):
    job_input = {"handler": "failing", **PROMPT}
    with pytest.raises(JobFailedError, match="there is no a photo of a horse") as caught:
        painter.run(input=job_input).result(timeout=10)
    for state in (caught.value.state, painter.run_sync(input=job_input)):
        assert state is not None
        assert state.worker_error is not None
        assert "ValueError" == state.worker_error.type
        assert f"there is no {PROMPT['prompt']}" == state.worker_error.message
        assert "raise ValueError" in (state.worker_error.traceback or "")
        assert OFFICIAL_PACKAGE[1] == state.worker_error.runpod_version


def test_a_handler_that_returned_an_error(painter):
    # Of the service, documentation says that "remaining keys stay in `output`"; this server drops them.
    state = painter.run_sync(input={"handler": "error_returning"})
    assert ("FAILED", "bad seed", False) == (state.status, state.error_message, state.has_output)


# It looks for an output where the handler left none, and then has no answer.


@pytest.mark.parametrize("submit", ["run_sync", "run"])
def test_a_handler_that_returned_an_empty_dict(painter, submit):
    with pytest.raises(ServerError, match=r"HTTP 500: Internal Server Error\..* The handler may have run") as caught:
        if submit == "run_sync":
            painter.run_sync(input={"handler": "nothing"})
        else:
            painter.run(input={"handler": "nothing"}).wait(timeout=10)
    # A client cannot know that it ran, and here it did.
    assert caught.value.maybe_submitted


# It loses its way, and keeps the job: every further look would run the handler again. "executes the stored job *now*,
# then forgets it" is so for handlers that end well.
@pytest.mark.parametrize("look", ["wait", "stream", "status"])
def test_a_generator_that_raised_is_run_once(photographer, tmp_path, look):
    runs = tmp_path / "runs"
    job = photographer.run(input={"photos": 3, "runs": str(runs), **PROMPT})
    with pytest.raises(ServerError, match="HTTP 500: Internal Server Error") as caught:
        if look == "wait":
            job.wait()
        elif look == "stream":
            list(job.stream())
        else:
            photographer.status(job.id)
    assert caught.value.maybe_submitted
    assert "run\n" == runs.read_text()


def test_a_job_is_known_until_it_was_looked_at(painter):
    job = painter.run(input=PLAIN)
    assert painter.status(job.id).succeeded
    # This server says 200, and that the job FAILED with "Job ID not found"; the service says 404.
    with pytest.raises(NotFoundError, match=r"Job ID not found\. The API server of a worker forgets a job once"):
        painter.status(job.id)
    with pytest.raises(JobExpiredError, match="forgets a job once it was asked for its status or stream"):
        job.wait(timeout=10)


def test_stream(photographer):
    # The first look brings all chunks and COMPLETED, and this server forgets the job. Of the service, documentation says
    # "after finish and drain: still COMPLETED", so the client looks once more.
    job = photographer.run(input={"photos": 3})
    assert PHOTOS == [chunk.output for chunk in job.stream(timeout=10)]


def test_stream_of_a_handler_that_yields_nothing(painter):
    # This server says FAILED and "Stream not supported, handler must be a generator.". What came of the job, only its
    # status tells: it completed, so there was nothing to stream, as on the service ("stream stays empty").
    job = painter.run(input=PLAIN)
    assert [] == list(job.stream(timeout=10))


def test_status_sync_is_status(painter):
    job = painter.run(input=PLAIN)
    assert PHOTO == painter.status_sync(job.id, timeout=10).output


@pytest.mark.parametrize("name", ["cancel", "retry", "health", "purge_queue"])
def test_what_it_has_no_route_for(painter, name):
    with pytest.raises(InvalidRequestError, match=f"^{name} is not possible here: .* runs the same worker and has all"):
        CALLS[name](painter)


async def test_the_async_client(start_api_server):
    async with AsyncRunpod(base_url=f"worker+{start_api_server('chosen').url}") as client:
        endpoint = client.endpoint("horse")
        assert PHOTO == (await endpoint.run_sync(input=PLAIN)).output
        job = await endpoint.run(input=PLAIN)
        assert PHOTO == await job.result(timeout=10)
    async with AsyncRunpod(base_url=f"worker+{start_api_server('generator').url}") as client:
        job = await client.endpoint("horse").run(input={"photos": 3})
        assert PHOTOS == [chunk.output async for chunk in job.stream(timeout=10)]


def test_the_address_in_the_environment(start_api_server, monkeypatch):
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", f"worker+{start_api_server('chosen').url}/")
    with Runpod() as client:
        assert PHOTO == client.endpoint("horse").run_sync(input=PLAIN).output
