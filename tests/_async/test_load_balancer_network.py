"""Tests of load-balancing endpoints over real connections, to servers that misbehave."""

from __future__ import annotations

import gzip
import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from runpod import BadRequestError
from tests._async.misbehaving import new_client
from tests.servers import TEST_TIMEOUT, Connection, RawServer, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runpod import AsyncRunpod

pytestmark = pytest.mark.usefixtures("http_backend")

BUSY = b'{"error":"no workers available"}'


def client_of(server: RawServer) -> AsyncRunpod:
    return new_client(server.base_url, load_balancer_url=f"http://127.0.0.1:{server.port}/{{endpoint_id}}")


async def pieces() -> AsyncIterator[bytes]:
    yield b"a "
    yield b"horse"


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


CHUNKED = b"HTTP/1.1 %b\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("form", ["plain", "chunked", "zipped"])
async def test_a_refusal_is_recognised_in_every_form(form: str) -> None:
    def behave(connection: Connection) -> None:
        for number in range(3):
            connection.read_request()
            if number == 2:
                connection.respond(b"done")
            elif form == "plain":
                connection.respond(BUSY, status="400 Bad Request")
            elif form == "zipped":
                headers = "Content-Encoding: gzip\r\n"
                connection.respond(gzip.compress(BUSY), status="400 Bad Request", headers=headers)
            else:
                connection.send(CHUNKED % b"400 Bad Request" + b"".join(chunk(bytes([byte])) for byte in BUSY))
                connection.send(b"0\r\n\r\n")

    with RawServer(behave) as server:
        async with client_of(server) as client:
            response = await client.load_balancer("ep").http.post("/go", content=b"a horse")
            assert "done" == response.text
        assert (3, 1) == (server.times("POST /ep/go"), server.connections)
        assert all(request.endswith(b"\r\n\r\na horse") for request in server.requests)


async def test_a_connection_that_is_refused_or_lost() -> None:
    def reset(connection: Connection) -> None:
        connection.read_request()
        connection.reset()

    def cut(connection: Connection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    url = f"http://127.0.0.1:{free_port()}"
    async with new_client(url, load_balancer_url=url) as client:
        with pytest.raises(httpx.ConnectError):
            await client.load_balancer("ep").http.get("/")
    for behave in (reset, cut):
        with RawServer(behave) as server:
            async with client_of(server) as client:
                with pytest.raises(httpx.NetworkError if behave is reset else httpx.RemoteProtocolError) as caught:
                    await client.load_balancer("ep").http.get("/")
                assert "Authorization" not in caught.value.request.headers
            assert 1 == len(server.requests)


@pytest.mark.parametrize("start", [b"", CHUNKED % b"400 Bad Request" + b"5\r\nno"], ids=["at once", "in an error"])
async def test_a_server_that_hangs(start: bytes) -> None:
    def behave(connection: Connection) -> None:
        connection.read_request()
        connection.send(start)
        connection.hang()

    with RawServer(behave) as server:
        async with client_of(server) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.load_balancer("ep").http.post("/", timeout=httpx.Timeout(TEST_TIMEOUT, read=0.2))
        assert 1 == len(server.requests)


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found"])
async def test_a_response_is_passed_on_as_it_arrives(status: str) -> None:
    seen = threading.Event()
    # An error is read as far as a refusal could be long.
    first = b"first " * 1000

    def behave(connection: Connection) -> None:
        connection.read_request()
        connection.send(CHUNKED % status.encode() + chunk(first))
        assert seen.wait(TEST_TIMEOUT)
        connection.send(chunk(b"second") + b"0\r\n\r\n")

    with RawServer(behave) as server:
        async with client_of(server) as client:
            read = b""
            async with client.load_balancer("ep").http.stream("GET", "/") as response:
                async for piece in response.aiter_bytes():
                    read += piece
                    if len(read) == len(first):
                        seen.set()
            assert first + b"second" == read


async def test_leaving_a_response_early_leaves_nothing_open() -> None:
    def behave(connection: Connection) -> None:
        connection.read_request()
        connection.send(CHUNKED % b"404 Not Found" + chunk(5000 * b"x"))
        connection.hang()

    with RawServer(behave) as server:
        async with client_of(server) as client:
            # Its beginning was read already, since it might have been a refusal.
            async with client.load_balancer("ep").http.stream("GET", "/") as response:
                assert 404 == response.status_code
            assert response.is_closed
            # Before the server ends, which collects what was left open.
            del response


async def test_a_large_response() -> None:
    def behave(connection: Connection) -> None:
        connection.read_request()
        connection.respond(bytes(40_000_000))

    with RawServer(behave) as server:
        async with client_of(server) as client:
            response = await client.load_balancer("ep").http.get("/")
        assert 40_000_000 == len(response.content)


async def test_a_streamed_body_survives_a_connection_that_was_closed_meanwhile() -> None:
    bodies: list[bytes] = []

    def behave(connection: Connection) -> None:
        if b"chunked" in connection.read_request():
            bodies.append(connection._read_until(b"0\r\n\r\n")[0])
        connection.respond(b"done")

    with RawServer(behave) as server:
        async with client_of(server) as client:
            http = client.load_balancer("ep").http
            await http.get("/")
            assert server.closed.wait(TEST_TIMEOUT)
            response = await http.post("/", content=pieces())
            assert "done" == response.text
        assert ([chunk(b"a ") + chunk(b"horse")], 2) == (bodies, server.connections)


async def test_an_address_that_is_not_a_load_balancer() -> None:
    def wrong_port(connection: Connection) -> None:
        connection.read_request()
        connection.respond(b"<title>502 Bad Gateway</title>", status="502 Bad Gateway")

    def queue(connection: Connection) -> None:
        connection.read_request()
        connection.respond(b'{"error":"not allowed for QB API"}', status="400 Bad Request")

    with RawServer(wrong_port) as server:
        async with client_of(server) as client:
            assert 502 == (await client.load_balancer("ep").http.post("/")).status_code
        assert 1 == len(server.requests)
    with RawServer(queue) as server:
        async with client_of(server) as client:
            with pytest.raises(BadRequestError, match="is a queue endpoint"):
                await client.load_balancer("ep").http.post("/")
