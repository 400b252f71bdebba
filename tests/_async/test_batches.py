"""Batches: against the local server, and against a stand-in for what the documentation leaves open."""

from __future__ import annotations

import logging
import pickle
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio  # async-only
import anyio.lowlevel  # async-only
import httpx
import pytest
from pydantic import BaseModel

from runpod import (
    APIConnectionError,
    APIResponseError,
    AsyncRunpod,
    BadRequestError,
    ClientClosedError,
    ConflictError,
    EndpointLimits,
    ExecutionPolicy,
    File,
    InputTooLargeError,
    InvalidRequestError,
    JobFailedError,
    JobRequest,
    NotFoundError,
    RateLimitError,
    RetryPolicy,
    RunpodError,
    RunpodTimeoutError,
    ServerError,
)
from runpod.local import LocalServer
from tests._async.batch_service import LOST, UNKNOWN, BatchService
from tests._async.calls import collect
from tests._async.test_files import Store
from tests.clocks import async_together
from tests.local.api import Gate
from tests.servers import BASE_URL, KEY, TEST_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from runpod import AsyncBatch, AsyncBatches, AsyncEndpoint

NUMBERS = [{"n": n} for n in range(5)]
HTML = httpx.Response(200, text="<html>Welcome")


@pytest.fixture
def service() -> BatchService:
    return BatchService()


@pytest.fixture
async def batches(service: BatchService) -> AsyncIterator[AsyncBatches]:
    async with service.client() as client:
        yield client.endpoint("ep").batches


async def drafted(batches: AsyncBatches, service: BatchService, **options: Any) -> AsyncBatch:
    """Create a draft, and forget the requests for it."""
    batch = await batches.create(NUMBERS, **options)
    service.requests.clear()
    return batch


# --- against the local server -----------------------------------------------------------------


def handler(job: dict[str, Any]) -> Any:
    if job["input"].get("wait"):
        gates[0](job)
    if job["input"].get("fail"):
        raise ValueError("no unicorns")
    return {"id": job["input"].get("id"), "double": 2 * job["input"].get("n", 0)}


gates: list[Gate] = []


@pytest.fixture(scope="module")
def local() -> Iterator[LocalServer]:
    with LocalServer({"ep": handler}) as server:
        yield server


@pytest.fixture
async def endpoint(local: LocalServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncEndpoint]:
    monkeypatch.setattr("runpod._protocol.batch_wait.FIRST_INTERVAL", 0.02)
    monkeypatch.setattr("runpod._protocol.batch_wait.LAST_INTERVAL", 0.02)
    async with AsyncRunpod(local.api_key, base_url=local.base_url) as client:
        yield client.endpoint("ep")


@pytest.mark.fact("protocol 8: finalize", "protocol-2 2: order")
async def test_a_batch_from_its_creation_to_its_results(endpoint: AsyncEndpoint) -> None:
    rows = [{"id": f"row-{n}", "n": n} for n in range(7)]
    batch = await endpoint.batches.create(rows[:5], name="horses", key="id")
    assert ("DRAFT", 5, "horses") == (batch.status, batch.state.request_total, batch.state.name)
    await batch.add([*rows[5:], {"id": 7, "fail": True}])
    extra = await batch.add([{"id": "extra"}])
    assert 9 == extra.request_total
    last = (await collect(batch.results()))[-1]
    await batch.remove(last.id or "")
    assert "FINALIZED" == (await batch.finalize()).status
    state = await batch.wait(timeout=TEST_TIMEOUT)
    assert (8, 7, 1) == (state.request_total, state.request_completed, state.request_failed)
    results = await collect(batch.results(page_size=3))
    outputs = {result.key: result.output["double"] for result in results if result.succeeded}
    assert {f"row-{n}": 2 * n for n in range(7)} == outputs
    [failed] = [result for result in results if not result.succeeded]
    assert isinstance(failed.error, JobFailedError)
    assert "no unicorns" in str(failed.error)
    assert failed.started_at is not None
    assert failed.completed_at is not None
    # Finalized twice is as good as once.
    assert "FINALIZED" == (await batch.finalize()).status
    with pytest.raises(BadRequestError, match=r"is FINALIZED.*Only a batch whose status is DRAFT") as caught:
        await batch.add([{"id": "late"}])
    assert (batch.id, False) == (caught.value.batch_id, caught.value.maybe_submitted)
    again = endpoint.batches.get(batch.id)
    assert again.status is None
    assert 8 == (await again.wait(timeout=TEST_TIMEOUT)).request_total


@pytest.mark.fact("protocol-2 2: cancelled batch")
async def test_a_batch_that_is_cancelled_while_it_runs(
    endpoint: AsyncEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    monkeypatch.setitem(globals(), "gates", [gate])
    try:
        batch = await endpoint.batches.create([{"wait": True}, {"wait": True}])
        await batch.finalize()
        gate.wait_entered()
        with pytest.raises(RunpodTimeoutError, match="2 requests, 1 running, 0 completed, 0 failed"):
            await batch.wait(timeout=0.1)
        assert "FINALIZED" == (await batch.cancel()).status
    finally:
        gate.opened.set()
    assert "CANCELLED" == (await batch.wait(timeout=TEST_TIMEOUT)).status
    assert "CANCELLED" == (await batch.cancel()).status
    assert ["COMPLETED", "CANCELLED"] == [result.status for result in await collect(batch.results())]


async def test_the_newest_batch_is_the_first_in_the_list(endpoint: AsyncEndpoint) -> None:
    first = await endpoint.batches.create([])
    second = await endpoint.batches.create([{"n": 1}])
    listed = await endpoint.batches.list()
    assert [second.id, first.id] == [batch.id for batch in listed[:2]]
    assert ("DRAFT", 1) == (listed[0].status, listed[0].state.request_total)
    with pytest.raises(InvalidRequestError, match=r"has no requests: add\(\) some first") as caught:
        await first.finalize()
    assert first.id == caught.value.batch_id
    with pytest.raises(InvalidRequestError, match=r"is a draft, which does not run: call finalize\(\) first"):
        await second.wait()
    for batch in (first, second):
        await batch.cancel()
    with pytest.raises(NotFoundError, match="Check the batch ID"):
        await endpoint.batches.get("missing").refresh()


async def test_many_that_use_one_batch(endpoint: AsyncEndpoint) -> None:
    batch = await endpoint.batches.create([])
    await async_together(lambda n: batch.add([{"n": n}] * 20), 5)
    assert 100 == batch.state.request_total
    results = batch.results(page_size=3)
    parts = await async_together(lambda _: collect(results), 4)
    found = [result.id for part in parts for result in part]
    assert (100, 100) == (len(found), len(set(found)))
    await batch.cancel()


async def test_a_poll_that_never_ends(local: LocalServer, endpoint: AsyncEndpoint) -> None:
    batch = await endpoint.with_options(timeout=0.2).batches.create([{"n": 1}], timeout=TEST_TIMEOUT)
    await batch.finalize(timeout=TEST_TIMEOUT)
    local.faults.drip("batch", 20)
    assert 1 == (await batch.wait(timeout=TEST_TIMEOUT)).request_completed


# --- inputs -----------------------------------------------------------------------------------


class Model(BaseModel):
    n: int


@dataclass
class Record:
    n: int


@pytest.mark.fact("protocol 8: create")
async def test_inputs_are_those_of_other_calls(batches: AsyncBatches, service: BatchService) -> None:
    inputs = [{"n": 1}, Model(n=2), Record(n=3), JobRequest(input={"n": 4}), {"file": File(b"x", name="x.txt")}]
    await batches.create(iter(inputs))
    assert [{"n": 1}, {"n": 2}, {"n": 3}, {"n": 4}, {"file": "data:text/plain;base64,eA=="}] == service.inputs()
    assert ["POST batches"] == service.requests

    async def given() -> AsyncIterator[Any]:
        for each in NUMBERS:
            yield dict(each)

    await batches.create(given())
    assert NUMBERS == service.inputs("b2")


@pytest.mark.fact("protocol 8: policy of a request")
@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        ({"n": 1}, {}, "inputs must be an iterable of inputs"),
        ([{"n": 1}, 5], {}, "^Input 1: input must be a mapping"),
        ([{"n": {1}}], {}, r"^Input 0: input\.n"),
        (
            [JobRequest(input={"n": 1}, policy=ExecutionPolicy(low_priority=True))],
            {},
            "^Input 0: policy cannot be used",
        ),
        ([{"n": 1}] * 5001, {}, r"more inputs than the batch has room for: 5,000\..*max_requests"),
        ([{"n": 1}] * 3, {"max_requests": 2}, r"room for: 2\."),
        ([{"id": 1}, {"n": 1}], {"key": "id"}, r"^Input 1: input\['id'\] is missing"),
        ([{"id": 1}, {"id": 1.5}], {"key": "id"}, r"^Input 1: input\['id'\] must be a str or an int"),
        (
            [{"id": "a"}, {"id": "b"}, {"id": "a"}],
            {"key": "id"},
            r"^Input 2: input\['id'\] is the same as that of input 0",
        ),
        ([], {"key": ""}, "key must be the name of a field"),
        ([], {"name": " "}, "name must be text, not blank"),
        ([], {"timeout": 0}, "timeout must be positive"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_cannot_be_created(
    inputs: Any, options: dict[str, Any], message: str, batches: AsyncBatches, service: BatchService
) -> None:
    with pytest.raises(InvalidRequestError, match=message) as caught:
        await batches.create(inputs, **options)
    assert not caught.value.maybe_submitted
    assert [] == service.requests


async def test_other_arguments(batches: AsyncBatches) -> None:
    batch = batches.get("b1")
    for size in (0, 2.5, True):
        with pytest.raises(InvalidRequestError, match="page_size must be a whole number"):
            batch.results(page_size=size)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="batch_id is blank"):
        batches.get(" ")
    with pytest.raises(InvalidRequestError, match="Request IDs must be str, not int"):
        await batch.remove(5)  # type: ignore[arg-type]


@pytest.mark.fact("protocol-2 2: larger batches")
async def test_more_requests_if_the_account_allows_it(batches: AsyncBatches, service: BatchService) -> None:
    batch = await batches.create([{"n": 1}] * 5001, max_requests=None)
    assert (5001, ["POST batches"]) == (batch.state.request_total, service.requests)


async def test_room_for_more(batches: AsyncBatches, service: BatchService) -> None:
    batch = await drafted(batches, service)
    with pytest.raises(InvalidRequestError, match=r"room for: 2\."):
        await batch.add(NUMBERS, max_requests=7)
    assert [] == service.requests
    # Its number of requests is not known yet.
    with pytest.raises(InvalidRequestError, match=r"room for: 1\."):
        await batches.get("b1").add(NUMBERS, max_requests=6)
    assert ["GET batch"] == service.requests
    await batch.add([])
    assert ["GET batch"] == service.requests


async def test_keys_are_unique_in_the_whole_batch(batches: AsyncBatches, service: BatchService) -> None:
    batch = await batches.create([{"id": 1}], key="id")
    service.next("POST requests", 400)
    with pytest.raises(BadRequestError):
        await batch.add([{"id": 2}])
    await batch.add([{"id": 2}])
    # A request is removed to add another one in its place.
    await batch.remove("b1-r2")
    await batch.add([{"id": 2}])
    await batch.add([{"id": 3}])
    for known in (2, 3):
        with pytest.raises(InvalidRequestError, match=r"Input 0: input\['id'\] is the same as that of a request"):
            await batch.add([{"id": known}])
    assert [{"id": 1}, {"id": 2}, {"id": 3}] == service.inputs()


@pytest.mark.fact("protocol 8: size of a call")
async def test_large_batches_are_added_in_several_requests(service: BatchService) -> None:
    inputs = [{"text": str(n) * 300} for n in range(10)]
    async with service.client(limits=EndpointLimits(run_bytes=1000)) as client:
        batch = await client.endpoint("ep").batches.create(inputs, name="large")
        assert (inputs, 10, "large") == (service.inputs(), batch.state.request_total, service.batches["b1"]["name"])
        assert ["POST batches", *["POST requests"] * 4, "PUT batch"] == service.requests
        assert b"[]" == service.bodies[0]
        assert max(map(len, service.bodies)) <= 1000
        service.requests.clear()
        with pytest.raises(
            InputTooLargeError, match=r"^Input 10: The request has 1,021 bytes, .* uploads it\. If your account"
        ):
            await batch.add([*inputs, {"text": "x" * 1000}])
        assert [] == service.requests


async def test_files_are_read_once_their_requests_are_sent(service: BatchService, tmp_path: Any) -> None:
    paths = [tmp_path / f"{n}.txt" for n in range(3)]
    for path in paths:
        path.write_bytes(b"x" * 600)
    inputs = [{"file": File(path)} for path in paths]
    async with service.client(limits=EndpointLimits(run_bytes=1000)) as client:
        batches = client.endpoint("ep").batches
        await batches.create(inputs)
        assert ["POST batches", *["POST requests"] * 3] == service.requests
        inputs = [{"file": File(path)} for path in paths]
        paths[2].unlink()
        with pytest.raises(
            InvalidRequestError, match=r"^Input 2: .* 2 of 3 inputs were added before\. The batch is 'b2'"
        ):
            await batches.create(inputs)
    assert 2 == len(service.inputs("b2"))


async def test_uploaded_files(service: BatchService) -> None:
    store = Store()
    inputs = [{"file": File(bytes(600), name=f"{n}.bin")} for n in range(3)]
    async with service.client(uploads=store, limits=EndpointLimits(run_bytes=1000)) as client:
        batches = client.endpoint("ep").batches
        await batches.create(inputs)
        assert {"file": "https://bucket.example/2.bin"} == service.inputs()[2]
        assert [("0.bin", True), ("1.bin", True), ("2.bin", True)] == store.released
        service.next("POST batches", 400)
        store.calls.clear()
        with pytest.raises(BadRequestError):
            await batches.create([{"file": File(bytes(600), name="3.bin")}, {"n": "x" * 950}])
        assert [("3.bin", False)] == store.released
        # What was refused has not been added.
        service.next("POST batches", 400)
        service.next("POST requests", 409)
        store.calls.clear()
        with pytest.raises(BadRequestError):
            await batches.create(inputs[:1])
        with pytest.raises(ConflictError):
            await batches.get("b1").add(inputs[:1], max_requests=None)
        assert [("0.bin", False), ("0.bin", False)] == store.released
        store.calls.clear()
        with pytest.raises(InvalidRequestError):
            await batches.create([*inputs, 5])
        assert [] == store.calls


# --- lost responses, and other shapes ---------------------------------------------------------


@pytest.mark.fact("protocol 8: undocumented responses")
@pytest.mark.parametrize(
    "reply",
    [
        lambda: httpx.Response(204),
        lambda: httpx.Response(200),
        {},
        {"ok": True, "message": "done"},
        [],
        {"batch": {"id": "b1"}},
        {"id": "r-7"},
    ],
    ids=range(7),
)
async def test_undocumented_responses(reply: Any, batches: AsyncBatches, service: BatchService) -> None:
    service.reply = reply
    batch = await batches.create(NUMBERS, name="numbers")
    assert 6 == (await batch.add([{"n": 5}])).request_total
    assert "FINALIZED" == (await batch.finalize()).status
    assert 6 == (await batch.wait()).request_completed
    assert [*NUMBERS, {"n": 5}] == [result.output for result in await collect(batch.results(page_size=4))]
    await batch.cancel()
    assert "CANCELLED" == (await batch.wait()).status
    assert ["b1"] == [each.id for each in await batches.list()]


@pytest.mark.fact("protocol 8: creation in doubt")
async def test_a_lost_creation_is_not_repeated(batches: AsyncBatches, service: BatchService) -> None:
    for lost in (LOST, UNKNOWN, 502, HTML, httpx.Response(200), httpx.Response(200, json={"status": "DRAFT"})):
        service.next("POST batches", lost)
        service.requests.clear()
        with pytest.raises(RunpodError) as caught:
            await batches.create(NUMBERS)
        assert (True, None, None) == (caught.value.maybe_submitted, caught.value.batch_id, caught.value.job_id)
        assert ["POST batches"] == service.requests
    service.next("POST batches", 429, httpx.ConnectError("refused"))
    service.script["POST batches"][1] = 429
    assert 5 == (await batches.create(NUMBERS)).state.request_total


async def test_resubmission_does_not_apply(service: BatchService) -> None:
    async with service.client(retry=RetryPolicy(initial_delay=timedelta(0), resubmit=True)) as client:
        batches = client.endpoint("ep").batches
        service.next("POST batches", UNKNOWN)
        with pytest.raises(APIConnectionError):
            await batches.create(NUMBERS)
        batch = await batches.create(NUMBERS)
        service.next("POST requests", LOST)
        assert 10 == (await batch.add(NUMBERS)).request_total
    assert ["POST batches", "POST batches", "POST requests", "GET batch"] == service.requests
    assert NUMBERS * 2 == service.inputs()


async def test_a_creation_whose_response_was_cut_off(batches: AsyncBatches, service: BatchService) -> None:
    cut = httpx.Response(200, text='{"id": "b1", "stat')
    await batches.create(NUMBERS)
    # Its ID is known, and it has all the requests.
    service.next("POST batches", cut)
    batch = await batches.create(NUMBERS)
    assert ("b1", 5, "DRAFT") == (batch.id, batch.state.request_total, batch.status)
    service.next("POST batches", cut)
    with pytest.raises(APIResponseError, match="The batch is 'b1'") as caught:
        await batches.create(NUMBERS[:3])
    assert ("b1", None, True) == (caught.value.batch_id, caught.value.job_id, caught.value.maybe_submitted)


@pytest.mark.parametrize("lost", [LOST, 502, HTML], ids=["lost", "502", "html"])
async def test_the_count_says_that_requests_were_added(lost: Any, batches: AsyncBatches, service: BatchService) -> None:
    batch = await drafted(batches, service)
    if lost is not LOST:
        # A gateway answered after the request was executed.
        service.batches["b1"]["requests"] |= {f"x{n}": {"input": {"n": n}, "status": "COMPLETED"} for n in range(5)}
    service.next("POST requests", lost)
    assert 10 == (await batch.add(NUMBERS)).request_total
    assert ["POST requests", "GET batch"] == service.requests


@pytest.mark.parametrize("lost", [UNKNOWN, 502, HTML], ids=["lost", "502", "html"])
async def test_an_unchanged_count_says_nothing(lost: Any, batches: AsyncBatches, service: BatchService) -> None:
    batch = await drafted(batches, service)
    service.next("POST requests", lost)
    with pytest.raises(RunpodError) as caught:
        await batch.add(NUMBERS)
    assert (True, "b1") == (caught.value.maybe_submitted, caught.value.batch_id)
    assert ["POST requests", "GET batch"] == service.requests
    # From now on no count does: these requests may be the ones that it counts.
    service._add(service.batches["b1"], [{"input": each} for each in NUMBERS])
    service.next("POST requests", lost)
    with pytest.raises(RunpodError):
        await batch.add(NUMBERS)
    assert batch.state.request_total is None
    assert 15 == (await batch.add(NUMBERS)).request_total


async def test_a_count_that_cannot_be_fetched(batches: AsyncBatches, service: BatchService) -> None:
    batch = await drafted(batches, service)
    service.next("POST requests", LOST, UNKNOWN)
    service.next("GET batch", 403)
    with pytest.raises(APIConnectionError, match=r"batch\.refresh\(\) shows how many the batch has"):
        await batch.add(NUMBERS)
    # The requests of the first call are no proof that those of the second were added.
    with pytest.raises(APIConnectionError):
        await batch.add([{"n": 9}] * 5)
    assert NUMBERS * 2 == service.inputs()


async def test_tasks_that_add_to_one_batch(service: BatchService) -> None:  # async-only
    failed = list[int]()

    async def respond(request: httpx.Request) -> httpx.Response:
        await anyio.lowlevel.checkpoint()
        response = service._respond(request)
        await anyio.lowlevel.checkpoint()
        return response

    async def add(number: int) -> None:
        try:
            await batch.add([{"task": number}])
        except APIConnectionError:
            failed.append(number)

    http_client = httpx.AsyncClient(transport=httpx.MockTransport(respond))
    async with AsyncRunpod(KEY, base_url=BASE_URL, http_client=http_client) as client:
        batch = await client.endpoint("ep").batches.create([])
        service.next("POST requests", UNKNOWN)
        await async_together(add, 2)
    # What another task added is no proof.
    assert 1 == len(failed)
    assert {0, 1} == {*failed, *(each["task"] for each in service.inputs())}


async def test_a_failure_half_way_leaves_a_draft(service: BatchService) -> None:
    inputs = [{"text": str(n) * 300} for n in range(6)]
    async with service.client(limits=EndpointLimits(run_bytes=1000)) as client:
        batches = client.endpoint("ep").batches
        service.next("POST requests", LOST, 503)
        with pytest.raises(ServerError, match=r"3 of 6 inputs were added before\.") as caught:
            await batches.create(inputs)
        assert ("b1", True) == (caught.value.batch_id, caught.value.maybe_submitted)
        assert (inputs[:3], "DRAFT") == (service.inputs(), service.batches["b1"]["status"])
        # The rest can be added, since the count says what is there.
        batch = batches.get("b1")
        await batch.add(inputs[3:])
        assert inputs == service.inputs()
        service.next("PUT batch", 400)
        with pytest.raises(BadRequestError, match=r"batch\.rename of batch 'b2'"):
            await batches.create([{"n": 1}], name="x")


async def test_an_interruption_names_what_is_left(service: BatchService, caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    store.left = "x.bin"
    file = {"file": File(bytes(600), name="x.bin")}
    inputs = [{"text": str(n) * 300} for n in range(6)]
    async with service.client(uploads=store, limits=EndpointLimits(run_bytes=1000)) as client:
        batches = client.endpoint("ep").batches
        service.next("POST batches", KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            await batches.create([file, *inputs])
        assert "These uploaded files could not be removed: x.bin." in caplog.text
        caplog.clear()
        service.next("POST requests", KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            await batches.create(inputs)
        batch = batches.get("b1")
        await batch.refresh()
        service.next("POST requests", KeyboardInterrupt(), UNKNOWN)
        with pytest.raises(KeyboardInterrupt):
            await batch.add([{"n": 1}])
        service._add(service.batches["b1"], [{"input": {"n": 1}}])  # it arrives late
        with pytest.raises(APIConnectionError):
            await batch.add([{"n": 2}])
        left = "Adding requests to batch b1 on endpoint ep was interrupted; it is a draft, and runs nothing"
        assert [left] == [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING][-1:]
        caplog.clear()

        def given() -> Iterator[Any]:
            yield {"n": 1}
            raise ValueError("the file is broken")

        with pytest.raises(ValueError, match="the file is broken"):
            await batches.create(given())
        with pytest.raises(ValueError, match="the file is broken"):
            await batches.get("b1").add(given(), max_requests=None)
    assert [] == [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_inputs_that_cannot_be_encoded_or_uploaded(service: BatchService) -> None:
    store = Store()

    def fail(file: File, _: Any) -> None:
        if file.name == "1.bin":
            raise RunpodError("the bucket is full")

    class Broken(dict[str, Any]):
        def items(self) -> Any:
            raise LookupError("no columns")

    store.before = fail
    async with service.client(uploads=store) as client:
        batches = client.endpoint("ep").batches
        with pytest.raises(RunpodError, match=r"^Input 1: the bucket is full") as caught:
            await batches.create([{"file": File(bytes(600), name=f"{n}.bin")} for n in range(3)])
        assert not caught.value.maybe_submitted
        assert [("0.bin", False)] == store.released
        with pytest.raises(InvalidRequestError, match=r"^Input 0: The input cannot be encoded: it raised LookupError"):
            await batches.create([Broken(n=1)])
    assert [] == service.requests


async def test_a_service_that_does_not_count(batches: AsyncBatches, service: BatchService) -> None:
    await drafted(batches, service)
    batch = batches.get("b1")
    assert (await batch.add(NUMBERS, max_requests=None)).request_total is None
    assert ["POST requests"] == service.requests
    service.next("POST requests", LOST)
    with pytest.raises(APIConnectionError):
        await batch.add(NUMBERS, max_requests=None)
    assert ["POST requests"] * 2 == service.requests


async def test_a_new_batch_that_is_not_found_yet(service: BatchService) -> None:
    inputs = [{"text": str(n) * 300} for n in range(6)]
    async with service.client(limits=EndpointLimits(run_bytes=1000)) as client:
        service.late = 2
        batch = await client.endpoint("ep").batches.create(inputs)
        assert inputs == service.inputs()
        assert [0.5, 0.5] == service.clock.pauses
        service.late = 100
        with pytest.raises(NotFoundError):
            await batch.refresh()
        service.late = 1
        with pytest.raises(NotFoundError):
            await batch.refresh()
        assert 6 == (await client.endpoint("ep").batches.get("b1").refresh()).request_total
        service.clock.time = 0
        again = await client.endpoint("ep").batches.create(NUMBERS)
        service.late = 2
        assert 5 == len(await collect(again.results()))


@pytest.mark.fact("protocol-2 2: finalized twice")
@pytest.mark.parametrize("failure", [LOST, 503, 409, HTML], ids=str)
async def test_a_batch_is_finalized_once(failure: Any, batches: AsyncBatches, service: BatchService) -> None:
    batch = await drafted(batches, service)
    if failure is not LOST:
        service.batches["b1"]["status"] = "FINALIZED"
    service.next("POST finalize", failure)
    assert "FINALIZED" == (await batch.finalize()).status
    assert ["POST finalize", "GET batch"] == service.requests


async def test_a_batch_that_was_not_finalized(batches: AsyncBatches, service: BatchService) -> None:
    batch = await drafted(batches, service)
    service.next("POST finalize", UNKNOWN, 400, 401)
    with pytest.raises(APIConnectionError, match="To finalize it again is harmless") as lost:
        await batch.finalize()
    assert (True, "b1") == (lost.value.maybe_submitted, lost.value.batch_id)
    with pytest.raises(BadRequestError, match="at most 10 active batches"):
        await batch.finalize()
    service.requests.clear()
    with pytest.raises(RunpodError, match="Check the API key"):
        await batch.finalize()
    assert ["POST finalize"] == service.requests
    service.next("POST finalize", UNKNOWN)
    service.next("GET batch", 403)
    with pytest.raises(APIConnectionError):
        await batch.finalize()
    assert "FINALIZED" == (await batch.finalize()).status


async def test_an_unknown_status_is_no_reason_not_to_finalize(batches: AsyncBatches, service: BatchService) -> None:
    batch = await drafted(batches, service)
    opened = {"id": "b1", "status": "OPEN", "requestTotal": 5}
    service.next("GET batch", *[httpx.Response(200, json=opened) for _ in range(3)])
    await batch.refresh()
    service.next("POST finalize", UNKNOWN)
    with pytest.raises(APIConnectionError):
        await batch.finalize()
    await batch.finalize()
    assert "FINALIZED" == service.batches["b1"]["status"]
    service.batches["b1"]["status"] = "RUNNING"
    assert "RUNNING" == (await batch.finalize()).status


async def test_a_cancelled_draft_cannot_be_finalized(batches: AsyncBatches, service: BatchService) -> None:
    batch = await drafted(batches, service)
    service.batches["b1"]["status"] = "CANCELLED"
    with pytest.raises(ConflictError, match="not a draft"):
        await batch.finalize()
    service.next("POST finalize", UNKNOWN)
    with pytest.raises(APIConnectionError):
        await batch.finalize()


async def test_a_closed_client(service: BatchService) -> None:
    store = Store()
    client = service.client(uploads=store)
    batches = client.endpoint("ep").batches
    batch = await batches.create(NUMBERS)
    await client.aclose()
    for call in (batches.create, batch.add):
        with pytest.raises(ClientClosedError):
            await call([{"file": File(bytes(600), name="x.bin")}])
    assert [] == store.calls


async def test_cancelling(batches: AsyncBatches, service: BatchService) -> None:
    batch = await drafted(batches, service)
    service.next("POST cancel", LOST)
    await batch.cancel()
    assert ["POST cancel", "POST cancel"] == service.requests
    # Some services refuse what has happened already.
    service.next("POST cancel", 409)
    assert "CANCELLED" == (await batch.cancel()).status
    service.batches["b1"]["status"] = "FINALIZING"
    service.next("POST cancel", 409)
    with pytest.raises(ConflictError):
        await batch.cancel()


@pytest.mark.fact("protocol 8: rename", "protocol 8: remove")
async def test_removing_and_renaming(batches: AsyncBatches, service: BatchService) -> None:
    batch = await drafted(batches, service)
    state = await batch.remove("b1-r2")
    assert (None, 4) == (state.request_total, len(service.inputs()))
    service.next("DELETE requests", LOST)
    with pytest.raises(APIConnectionError, match=r"batch\.results\(\) shows those") as caught:
        await batch.remove("b1-r3")
    assert caught.value.maybe_submitted
    service.next("PUT batch", LOST)
    await batch.rename("numbers")
    assert ["DELETE requests"] * 2 + ["PUT batch"] * 2 == service.requests
    assert ("numbers", 3) == ((await batch.refresh()).name, batch.state.request_total)
    with pytest.raises(InvalidRequestError, match="name must be text"):
        await batch.rename(5)  # type: ignore[arg-type]


# --- waiting and results ----------------------------------------------------------------------


async def test_waiting_survives_what_is_temporary(batches: AsyncBatches, service: BatchService) -> None:
    batch = await drafted(batches, service)
    await batch.finalize()
    running = {"id": "b1", "status": "FINALIZED", "requestTotal": 5, "requestCompleted": 3, "requestFailed": 1}
    many = [httpx.Response(200, json=running) for _ in range(3)]
    service.next("GET batch", many[0], *[503] * 6, HTML, many[1], *[UNKNOWN] * 5, many[2])
    state = await batch.wait(timeout=timedelta(hours=1))
    assert (5, 5) == (state.request_completed, batch.state.request_completed)


@pytest.mark.fact("protocol-2 2: lost requests")
async def test_a_wait_ends_although_the_counts_never_meet(batches: AsyncBatches, service: BatchService) -> None:
    batch = await drafted(batches, service)
    await batch.finalize()
    lost = {"id": "b1", "status": "FINALIZED", "requestTotal": 5, "requestCompleted": 3, "requestFailed": 1}
    service.next("GET batch", *[httpx.Response(200, json=lost) for _ in range(2000)])
    start = service.clock.time
    with pytest.raises(RunpodTimeoutError, match="5 requests, unknown running, 3 completed, 1 failed") as caught:
        await batch.wait()
    assert "b1" == caught.value.batch_id
    assert 86400 == round(service.clock.time - start)
    assert len(service.requests) < 1700
    service.script.clear()
    service.next("GET batch", 404)
    with pytest.raises(NotFoundError, match="of batch 'b1'"):
        await batch.wait()


async def test_reading_results_goes_on_after_an_error(
    batches: AsyncBatches, service: BatchService, caplog: pytest.LogCaptureFixture
) -> None:
    batch = await drafted(batches, service)
    results = batch.results(page_size=2)
    assert {"n": 0} == (await anext(results)).output
    await anext(results)
    service.next("GET requests", 403)
    with pytest.raises(RunpodError) as caught:
        await anext(results)
    assert "b1" == caught.value.batch_id
    # Refused again and again, since many read results: it waits.
    service.next("GET requests", *[429] * 9)
    assert [{"n": 2}, {"n": 3}, {"n": 4}] == [result.output for result in await collect(results)]
    assert [] == await collect(results)
    assert [10.0, 10.0] == [pause for pause in service.clock.pauses if pause]
    service.next("GET requests", httpx.Response(429, headers={"Retry-After": "3600"}))
    with pytest.raises(RateLimitError):
        await anext(batch.results(timeout=None))
    # The pauses are part of the timeout.
    service.next("GET requests", *[429] * 20)
    start = service.clock.time
    with pytest.raises(RateLimitError):
        await anext(batch.results(timeout=25))
    assert 20 == service.clock.time - start
    service.script.clear()
    caplog.set_level(logging.WARNING)
    service.next("GET requests", httpx.Response(200, json={"requests": [{"id": "r"}], "total": 5, "hasMore": False}))
    assert 1 == len(await collect(batch.results()))
    assert "The list of the requests of batch b1 on endpoint ep ended after 1 of 5" in caplog.text


async def test_outputs_have_their_type(service: BatchService) -> None:
    async with service.client() as client:
        batch = await client.endpoint("ep", output_type=Model).batches.create([{"n": 1}, {"x": 1}])
        good, bad = await collect(batch.results())
    assert Model(n=1) == good.output == good.state.result()
    assert bad.error is not None
    assert "does not match output_type" in bad.error.message


async def test_reprs_and_pickles(local: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", local.api_key)
    async with AsyncRunpod(base_url=local.base_url) as client:
        batches = client.endpoint("ep").batches
        batch = await batches.create([{"id": 1}], key="id")
        await batch.cancel()
        copy: AsyncBatch = pickle.loads(pickle.dumps(batch))
        assert ("CANCELLED", "id") == ((await copy.refresh()).status, copy.key)
        assert repr(batches).endswith("Batches(endpoint_id='ep')")
        assert repr(batch).endswith(f"Batch(id={batch.id!r}, status='CANCELLED')")
        assert "status='unknown'" in repr(batches.get("b"))
        assert repr(batch.results()).endswith(f"BatchResults(batch_id={batch.id!r}, count=0)")
        await copy._calls.session.engine.aclose()
