"""Compressed responses: decompressed up to a limit, or rejected."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import httpx
import pytest

import runpod._http.body_reader
from runpod import APIResponseError, AsyncRunpod, ServerError
from tests._async.calls import BY_NAME, DONE, JOB, QUEUED
from tests._async.misbehaving import assert_submitted_once, error_of, new_client
from tests.servers import BASE_URL, KEY, RawServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import Connection

pytestmark = pytest.mark.usefixtures("http_backend")

BOMB = gzip.compress(b'{"id":"job-1","status":"IN_QUEUE","x":"' + b"0" * 2**22)


@pytest.fixture
def anyio_backend(http_backend: str) -> str:  # async-only
    return "trio" if http_backend == "trio" else "asyncio"


def responding(body: bytes, headers: str, status: str = "200 OK") -> Callable[[Connection], None]:
    def behave(connection: Connection) -> None:
        while connection.read_request():
            connection.respond(body, headers=headers, status=status)

    return behave


async def test_a_compressed_response_is_decompressed() -> None:
    body = gzip.compress(json.dumps(DONE).encode())
    with RawServer(responding(body, "Content-Encoding: gzip\r\n")) as server:
        async with new_client(server.base_url) as client:
            assert (await client.endpoint("ep").status(JOB)).succeeded
        assert b"accept-encoding: gzip\r\n" in server.requests[0].lower()


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "br"])
async def test_a_compression_bomb_is_an_error(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runpod._http.body_reader, "MAX_BODY", 2**20)
    body = gzip.compress(BOMB) if encoding == "gzip, gzip" else BOMB
    with RawServer(responding(body, f"Content-Encoding: {encoding}\r\n")) as server:
        async with new_client(server.base_url) as client:
            error = await error_of(BY_NAME["run"], client)
            assert isinstance(error, APIResponseError)
            assert error.maybe_submitted is True
            assert ("larger than 1 MiB" if encoding == "gzip" else "its Content-Encoding is not supported") in str(
                error
            )
            # The decompressed beginning contains the job ID.
            assert (JOB if encoding == "gzip" else None) == error.job_id
            assert len(error.body) < 2**17
        assert_submitted_once(server)


async def test_an_error_response_with_invalid_compression_keeps_its_status() -> None:
    with RawServer(responding(b"not gzip", "Content-Encoding: gzip\r\n", "500 Oh")) as server:
        async with new_client(server.base_url) as client:
            error = await error_of(BY_NAME["run"], client)
    assert isinstance(error, ServerError)
    assert "not gzip" in str(error)


async def test_the_job_id_of_an_uncompressed_response_with_content_encoding_is_kept() -> None:
    with RawServer(responding(json.dumps(QUEUED).encode(), "Content-Encoding: gzip\r\n")) as server:
        async with new_client(server.base_url) as client:
            error = await error_of(BY_NAME["run"], client)
    assert isinstance(error, APIResponseError)
    assert (JOB, True) == (error.job_id, error.maybe_submitted)


async def test_a_response_decompressed_by_a_custom_transport() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        body = gzip.compress(json.dumps(DONE).encode())
        return httpx.Response(200, content=body, headers={"Content-Encoding": "gzip"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as mine:
        client = AsyncRunpod(KEY, base_url=BASE_URL, http_client=mine)
        assert (await client.endpoint("ep").status(JOB)).succeeded
