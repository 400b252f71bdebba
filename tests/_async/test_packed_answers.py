"""Answers that are packed: undone within bounds, or refused."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import httpx
import pytest

import runpod._protocol.bodies
from runpod import APIResponseError, AsyncRunpod, ServerError
from tests._async.calls import BY_NAME, DONE, JOB, QUEUED
from tests._async.endings import end_of, new_client, sent_once
from tests.servers import BASE_URL, KEY, RawServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import Connection

pytestmark = pytest.mark.usefixtures("carrier")

BOMB = gzip.compress(b'{"id":"job-1","status":"IN_QUEUE","x":"' + b"0" * 2**22)


@pytest.fixture
def anyio_backend(carrier: str) -> str:  # async-only
    return "trio" if carrier == "trio" else "asyncio"


def answering(body: bytes, headers: str, status: str = "200 OK") -> Callable[[Connection], None]:
    def behave(connection: Connection) -> None:
        while connection.read_request():
            connection.answer(body, headers=headers, status=status)

    return behave


async def test_a_packed_answer_is_unpacked() -> None:
    body = gzip.compress(json.dumps(DONE).encode())
    with RawServer(answering(body, "Content-Encoding: gzip\r\n")) as server:
        async with new_client(server.base_url) as client:
            assert (await client.endpoint("ep").status(JOB)).succeeded
        assert b"accept-encoding: gzip\r\n" in server.requests[0].lower()


@pytest.mark.parametrize("packing", ["gzip", "gzip, gzip", "br"])
async def test_a_small_answer_that_would_unpack_to_a_large_one_is_an_error(
    packing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runpod._protocol.bodies, "MAX_BODY", 2**20)
    body = gzip.compress(BOMB) if packing == "gzip, gzip" else BOMB
    with RawServer(answering(body, f"Content-Encoding: {packing}\r\n")) as server:
        async with new_client(server.base_url) as client:
            error = await end_of(BY_NAME["run"], client)
            assert isinstance(error, APIResponseError)
            assert error.maybe_submitted is True
            assert ("larger than 1 MiB" if packing == "gzip" else "packed in a way") in str(error)
            # As far as it was unpacked, it named the job.
            assert (JOB if packing == "gzip" else None) == error.job_id
            assert len(error.body) < 2**17
        sent_once(server)


async def test_a_refusal_that_is_packed_badly_is_one() -> None:
    with RawServer(answering(b"not gzip", "Content-Encoding: gzip\r\n", "500 Oh")) as server:
        async with new_client(server.base_url) as client:
            error = await end_of(BY_NAME["run"], client)
    assert isinstance(error, ServerError)
    assert "not gzip" in str(error)


async def test_an_id_in_an_answer_that_only_says_it_is_packed_is_not_lost() -> None:
    with RawServer(answering(json.dumps(QUEUED).encode(), "Content-Encoding: gzip\r\n")) as server:
        async with new_client(server.base_url) as client:
            error = await end_of(BY_NAME["run"], client)
    assert isinstance(error, APIResponseError)
    assert (JOB, True) == (error.job_id, error.maybe_submitted)


async def test_what_the_transport_of_a_caller_unpacked_is_not_unpacked_again() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        body = gzip.compress(json.dumps(DONE).encode())
        return httpx.Response(200, content=body, headers={"Content-Encoding": "gzip"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as mine:
        client = AsyncRunpod(KEY, base_url=BASE_URL, http_client=mine)
        assert (await client.endpoint("ep").status(JOB)).succeeded
