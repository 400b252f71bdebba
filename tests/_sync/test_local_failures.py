# Generated from tests/_async/test_local_failures.py by scripts/generate_sync.py. Do not edit.

"""Failures of handlers and of the local server, over real HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from runpod import (
    Runpod,
    AuthenticationError,
    EndpointLimits,
    InputTooLargeError,
    InvalidRequestError,
    JobFailedError,
    JobOutputError,
    NotFoundError,
    PayloadTooLargeError,
    RunpodTimeoutError,
)
from tests._sync.calls import collect
from tests._sync.local_server import TIMEOUT, echo
from tests.servers import TEST_TIMEOUT

if TYPE_CHECKING:
    from tests._sync.local_server import Serve
    from tests.local.api import Gate


def test_a_handler_that_raises(serve: Serve) -> None:
    def fails(job: dict[str, Any]) -> None:
        raise LookupError("the horse is out")

    endpoint = serve(fails)
    job = endpoint.run(input={"n": 1})
    with pytest.raises(JobFailedError, match=r"LookupError: the horse is out") as caught:
        job.result(timeout=TIMEOUT)
    error = caught.value
    assert (job.id, "horse", "FAILED") == (error.job_id, error.endpoint_id, error.state.status)
    report = error.state.worker_error
    assert ("LookupError", "the horse is out") == (report.type, report.message)
    assert report.traceback.startswith("Traceback")
    assert report.hostname
    assert report.worker_id == error.state.worker_id
    assert "Traceback (most" not in str(error)
    # `run_sync` returns the failed state instead of raising.
    state = endpoint.run_sync(input={"n": 1}, timeout=TIMEOUT)
    assert (True, False, "LookupError: the horse is out") == (
        state.completed,
        state.succeeded,
        state.error_message,
    )


@pytest.mark.parametrize(
    ("given", "message", "output"),
    [
        ({"error": "bad seed"}, "bad seed", None),
        ({"error": "bad seed", "detail": 1}, "bad seed", {"detail": 1}),
    ],
)
def test_a_handler_that_returns_an_error(given: Any, message: str, output: Any, serve: Serve) -> None:
    job = serve(echo).run(input=given)
    with pytest.raises(JobFailedError, match=message) as caught:
        job.result(timeout=TIMEOUT)
    assert (message, output) == (caught.value.state.error, caught.value.state.output)
    assert caught.value.state.worker_error is None


def test_a_handler_whose_output_is_not_json(serve: Serve) -> None:
    job = serve(lambda job: {"horse": object()}).run(input={"n": 1})
    state = job.wait(timeout=TIMEOUT)
    assert state.completed
    assert not state.has_output


@pytest.mark.parametrize("error", [KeyboardInterrupt("stop"), SystemExit(3), KeyError("prompt")], ids=repr)
def test_any_exception_of_a_handler_only_fails_its_job(error: BaseException, serve: Serve) -> None:
    # A coroutine function here, and a plain function in the generated sync test.
    def fails(job: dict[str, Any]) -> None:
        raise error

    endpoint = serve(fails)
    for _ in range(2):
        with pytest.raises(JobFailedError, match=type(error).__name__):
            (endpoint.run(input={"n": 1})).result(timeout=TIMEOUT)


class Horse(BaseModel):
    legs: int


def test_an_output_type(serve: Serve) -> None:
    endpoint = serve(echo, Horse)
    assert Horse(legs=4) == (endpoint.run(input={"legs": 4})).result(timeout=TIMEOUT)
    assert Horse(legs=4) == (endpoint.run_sync(input=Horse(legs=4), timeout=TIMEOUT)).output
    with pytest.raises(JobOutputError, match="legs") as caught:
        endpoint.run_sync(input={"legs": "many"}, timeout=TIMEOUT)
    assert {"legs": "many"} == caught.value.state.output


def test_an_output_type_that_is_not_a_model(serve: Serve) -> None:
    endpoint = serve(lambda job: job["input"]["values"], list[int])
    assert [1, 2] == (endpoint.run_sync(input={"values": ["1", 2]}, timeout=TIMEOUT)).output


def test_an_input_that_is_not_json_is_not_sent(serve: Serve) -> None:
    endpoint = serve(echo)
    with pytest.raises(InvalidRequestError, match=r"input\.when"):
        endpoint.run(input={"when": {1, 2}})
    assert [] == serve.server.requests


def test_an_input_that_is_too_large(serve: Serve) -> None:
    endpoint = serve(echo)
    given = {"data": "x" * (11 * 1024 * 1024)}
    with pytest.raises(InputTooLargeError, match="The request has 11 MB, more than the limit of 10 MB"):
        endpoint.run(input=given)
    # With a limit that is too high, it is the service that refuses.
    with pytest.raises(PayloadTooLargeError, match="10MiB") as caught:
        endpoint.with_options(limits=EndpointLimits(run_bytes=None)).run(input=given)
    assert caught.value.maybe_submitted is False
    assert {"horse": []} == serve.server.jobs


@pytest.mark.fact("protocol 4: wrong key", "protocol 4: unknown endpoint")
def test_a_wrong_key_a_wrong_endpoint_and_a_wrong_job(serve: Serve) -> None:
    endpoint = serve(echo)
    with Runpod("wrong", base_url=serve.server.base_url) as client:
        with pytest.raises(AuthenticationError, match="API key"):
            client.endpoint("horse").run(input={"n": 1})
    with Runpod(serve.server.api_key, base_url=serve.server.base_url) as client:
        with pytest.raises(NotFoundError, match="'cow'"):
            client.endpoint("cow").run(input={"n": 1})
    for call in (endpoint.status, endpoint.status_sync, endpoint.cancel, endpoint.retry):
        with pytest.raises(NotFoundError, match="no-such-job"):
            call("no-such-job")
    with pytest.raises(NotFoundError, match="no-such-job"):
        collect(endpoint.stream("no-such-job"))


def test_a_server_that_stops_while_a_job_is_waited_for(serve: Serve, gate: Gate) -> None:
    endpoint = serve(gate)
    job = endpoint.run(input={"n": 1})
    assert gate.entered.wait(TEST_TIMEOUT)
    serve.server.stop()
    with pytest.raises(RunpodTimeoutError) as caught:
        job.wait(timeout=1)
    assert job.id == caught.value.job_id
