"""Our client and the local API server of the official package, which `--rp_serve_api` starts for a worker script.

That server is for one worker, so its routes name no endpoint, and it takes POST where a client of the service sends GET.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod import Endpoint, JobFailedError, JobStatus, NotFoundError, Runpod, ServerError
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


# With an HTTP client that says everything in its way.


def in_its_way(request: httpx.Request) -> None:
    """From `GET /horse/status/ID` to `POST /status/ID`."""
    _, _, rest = request.url.raw_path.split(b"/", 2)
    request.url = request.url.copy_with(raw_path=b"/" + rest)
    request.method = "POST"


@pytest.fixture
def worker(start_api_server) -> Iterator[Callable[[str], Endpoint[Any]]]:
    """An endpoint that is the API server of a worker."""
    with ExitStack() as stack:
        http_client = stack.enter_context(httpx.Client(event_hooks={"request": [in_its_way]}, trust_env=False))

        def worker(handler: str) -> Endpoint[Any]:
            # It has no keys, and takes any.
            client = Runpod("any", base_url=start_api_server(handler).url, http_client=http_client)
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


def test_a_handler_that_returned_an_empty_dict(painter):
    with pytest.raises(ServerError, match="HTTP 500: Internal Server Error") as caught:
        painter.run_sync(input={"handler": "nothing"})
    # A client cannot know that it ran, and here it did.
    assert caught.value.maybe_submitted


def test_a_generator_that_raised(photographer):
    with pytest.raises(ServerError, match="HTTP 500: Internal Server Error") as caught:
        photographer.run_sync(input={"photos": 3, **PROMPT})
    assert caught.value.maybe_submitted


def test_a_job_is_known_until_it_was_looked_at(painter):
    job = painter.run(input=PLAIN)
    assert painter.status(job.id).succeeded
    # From the service clients get a 404 with "job not found"; here it is a job that failed.
    state = painter.status(job.id)
    assert ("FAILED", "Job ID not found") == (state.status, state.error)


# The first look brings all chunks and COMPLETED, and this server forgets the job. Of the service, documentation says
# "after finish and drain: still COMPLETED", so the client looks once more, and does not believe that a job FAILED after it completed.
def test_stream(photographer):
    chunks = photographer.run(input={"photos": 3}).stream(timeout=10)
    assert PHOTOS == [next(chunks).output for _ in PHOTOS]
    assert [] == list(chunks)


def test_stream_of_a_handler_that_yields_nothing(painter):
    # This server says FAILED and "Stream not supported, handler must be a generator.". What came of the job, only its
    # status tells: it completed, so there was nothing to stream, as on the service ("stream stays empty").
    job = painter.run(input=PLAIN)
    assert [] == list(job.stream(timeout=10))


@pytest.mark.parametrize("name", ["cancel", "retry", "health", "purge_queue"])
def test_what_it_has_no_route_for(painter, name):
    with pytest.raises(NotFoundError, match="HTTP 404: Not Found"):
        CALLS[name](painter)
