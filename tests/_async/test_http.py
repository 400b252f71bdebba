"""Requests and connections on real sockets, with the library's own HTTP client and with a caller's."""

from __future__ import annotations

import gzip
import json
import random  # async-only
import ssl
import threading
import zlib
from typing import TYPE_CHECKING

import anyio  # async-only
import httpx
import pytest
import trustme

from runpod import APIConnectionError, APIStatusError, RetryPolicy, RunpodTimeoutError
from runpod._async import connection_pool as pools
from tests._async.calls import BY_NAME, DONE, INPUT, JOB, OPERATIONS, PATH, QUEUED
from tests._async.misbehaving import error_of, new_client
from tests.clocks import async_together
from tests.servers import KEY, TEST_TIMEOUT, Connection, RawServer, fail_to_resolve

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("http_backend")

own = pytest.mark.parametrize("http_backend", ["own"], indirect=True)
own_all_loops = own
own_all_loops = pytest.mark.parametrize("http_backend", ["own", "trio"], indirect=True)  # async-only


@pytest.fixture
def anyio_backend(http_backend: str) -> str:  # async-only
    return "trio" if http_backend == "trio" else "asyncio"


def respond_done(connection: Connection) -> None:
    while connection.read_request():
        connection.respond(json.dumps(DONE).encode())


def parts(request: bytes) -> tuple[str, dict[str, str], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    return line, {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}, body


async def test_requests_on_the_wire() -> None:
    odd = "a/b%2F..?ü"
    good = {operation.sent.partition("?")[0]: json.dumps(operation.good).encode() for operation in OPERATIONS}

    def respond_per_operation(connection: Connection) -> None:
        while request := connection.read_request():
            method, target, _ = request.decode().split(" ", 2)
            connection.respond(good[f"{method} {target.partition('?')[0]}"])

    with RawServer(respond_per_operation) as server:
        async with new_client(server.base_url) as client:
            for operation in OPERATIONS:
                if not operation.polls:
                    await operation(client.endpoint("ep"))
        for operation, request in zip((o for o in OPERATIONS if not o.polls), server.requests, strict=True):
            line, headers, body = parts(request)
            assert f"{operation.sent} HTTP/1.1" == line
            assert operation.body == body
            assert f"127.0.0.1:{server.port}" == headers.pop("host")
            assert f"Bearer {KEY}" == headers.pop("authorization")
            assert "application/json" == headers.pop("accept")
            assert headers.pop("user-agent").startswith("runpod-sdk/")
            assert "gzip" == headers.pop("accept-encoding")
            assert "keep-alive" == headers.pop("connection", "keep-alive")
            length = str(len(body)) if operation.sent.startswith("POST") else None
            assert length == headers.pop("content-length", None)
            assert ("application/json" if body else None) == headers.pop("content-type", None)
            assert {} == headers
        assert 1 == server.connections

    with RawServer(respond_done) as server:
        async with new_client(server.base_url + "/größe") as client:
            await client.endpoint(odd).run(input=INPUT)
        (request,) = server.requests
        assert f"POST {PATH}/gr%C3%B6%C3%9Fe/a%2Fb%252F..%3F%C3%BC/run HTTP/1.1" == parts(request)[0]


COMPRESSED = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "identity": bytes,
}


@pytest.mark.parametrize("encoding", COMPRESSED)
async def test_compressed_responses(encoding: str) -> None:
    body = json.dumps({**DONE, "output": "horse" * 100_000}).encode()

    def compressed(connection: Connection) -> None:
        while connection.read_request():
            connection.respond(COMPRESSED[encoding](body), headers=f"Content-Encoding: {encoding}\r\n")

    with RawServer(compressed) as server:
        async with new_client(server.base_url) as client:
            assert "horse" * 100_000 == (await client.endpoint("ep").status(JOB)).output


async def test_redirects_are_not_followed_and_cookies_not_kept() -> None:
    def redirecting(connection: Connection) -> None:
        while connection.read_request():
            connection.respond(
                b"", status="307 Temporary Redirect", headers="Location: /elsewhere\r\nSet-Cookie: horse=1; Path=/\r\n"
            )

    with RawServer(redirecting) as server:
        async with new_client(server.base_url) as client:
            for _ in range(2):
                with pytest.raises(APIStatusError, match="redirect"):
                    await client.endpoint("ep").status(JOB)
        assert 2 == len(server.requests)
        assert all(b"elsewhere" not in request for request in server.requests)


@own_all_loops
async def test_cancelled_calls_release_their_connections(monkeypatch: pytest.MonkeyPatch) -> None:  # async-only
    slots = 20
    monkeypatch.setattr(pools, "MAX_CONNECTIONS", slots)
    chance = random.Random(1)
    together = threading.Barrier(slots)

    def later(connection: Connection) -> None:
        while request := connection.read_request():
            if b"/status/last " in request:
                together.wait(TEST_TIMEOUT)
            elif connection.pause(0.002):
                return
            connection.respond(json.dumps({**DONE, "id": "last"}).encode())

    with RawServer(later) as server:
        async with new_client(server.base_url) as client:
            endpoint = client.endpoint("ep")
            for _ in range(20):
                async with anyio.create_task_group() as group:
                    for _ in range(150):
                        group.start_soon(endpoint.health)
                    await anyio.sleep(chance.random() / 20)
                    group.cancel_scope.cancel()
            # The server responds once all of these requests have arrived.
            states = await async_together(lambda _: endpoint.status("last", timeout=TEST_TIMEOUT), slots)
            assert slots == sum(state.succeeded for state in states)


async def test_a_call_in_a_cancelled_scope_sends_nothing() -> None:  # async-only
    with RawServer(respond_done) as server:
        async with new_client(server.base_url) as client:
            endpoint = client.endpoint("ep")
            await endpoint.status(JOB)
            with anyio.CancelScope() as scope:
                scope.cancel()
                await endpoint.run(input=INPUT)
            assert scope.cancelled_caught
            await endpoint.status(JOB)
        assert 0 == server.times(f"POST {PATH}/ep/run")
        assert 2 == len(server.requests)


@own
async def test_idle_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "KEEP_ALIVE", 0.05)
    with RawServer(respond_done) as server:
        async with new_client(server.base_url) as client:
            await async_together(lambda _: client.endpoint("ep").status(JOB), 5)
            server.closed.clear()
            await client._session.clock.sleep(0.1)
            # All were idle for longer than KEEP_ALIVE. The sync client closes them at the next call.
            await client.endpoint("ep").status(JOB)
            assert server.closed.wait(TEST_TIMEOUT)


@own_all_loops
async def test_ssl_cert_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def over_tls(connection: Connection) -> None:
        with context.wrap_socket(connection._peer, server_side=True) as peer:
            connection._peer = peer
            respond_done(connection)

    with RawServer(over_tls) as server:
        address = server.base_url.replace("http:", "https:")
        async with new_client(address, retry=RetryPolicy(max_retries=0)) as client:
            with pytest.raises(APIConnectionError, match=r"(?i)certificate") as caught:
                await client.endpoint("ep").run(input=INPUT)
            assert caught.value.maybe_submitted is False
        assert [] == server.requests

        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        async with new_client(address) as client:
            for _ in range(3):
                assert (await client.endpoint("ep").status(JOB)).succeeded
        assert 3 == len(server.requests)

        # Within TLS in TLS, unsolicited data after a response cannot be detected, so these connections are not reused.
        monkeypatch.setenv("HTTP_PROXY", address)
        before = server.connections
        async with new_client("http://horse.test/v2") as client:
            for _ in range(2):
                assert (await client.endpoint("ep").status(JOB)).succeeded
        assert before + 2 == server.connections


@own_all_loops
async def test_proxies_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_to_resolve(monkeypatch, "horse.test")
    address = "http://horse.test:8000/v2"
    with RawServer(respond_done) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:secret@127.0.0.1:{proxy.port}")
        async with new_client(address) as client:
            await client.endpoint("ep").status(JOB)
        line, headers, _ = parts(proxy.requests[0])
        assert f"GET {address}/ep/status/{JOB} HTTP/1.1" == line
        assert headers["proxy-authorization"].startswith("Basic ")

        for entry in ("horse.test", ".test", "*", "horse.test:8000"):
            monkeypatch.setenv("NO_PROXY", f"other.test, {entry}")
            async with new_client(address, retry=RetryPolicy(max_retries=0)) as client:
                assert (await error_of(BY_NAME["run"], client)).maybe_submitted is False
        assert 1 == len(proxy.requests)


@own_all_loops
async def test_a_proxy_that_refuses_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(connection: Connection) -> None:
        while connection.read_request():
            connection.respond(b"", status="403 Forbidden")

    with RawServer(refusing) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        async with new_client("https://horse.test:9/v2") as client:
            error = await error_of(BY_NAME["run"], client)
        assert isinstance(error, (APIConnectionError, RunpodTimeoutError))
        assert error.maybe_submitted is False
        assert proxy.requests[0].startswith(b"CONNECT horse.test:9 ")


SOCKS_REPLIES = [b"\5\0\0\1" + bytes(6), b"\5\5\0\1" + bytes(6), b"HTTP/1.1 400 Bad Request\r\n\r\n"]


@own_all_loops
@pytest.mark.parametrize("reply", SOCKS_REPLIES, ids=["granted", "refused", "not SOCKS"])
async def test_a_socks_proxy(reply: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []

    def behave(connection: Connection) -> None:
        for data in (b"\5\0", reply):
            assert connection._receive().startswith(b"\5")
            connection.send(data)
        if reply.startswith(b"\5\0"):
            respond_done(connection)
        closed.append(not connection._receive())

    with RawServer(behave) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{proxy.port}")
        async with new_client("http://horse.test/v2", retry=RetryPolicy(max_retries=0)) as client:
            if reply.startswith(b"\5\0"):
                for _ in range(2):
                    assert (await client.endpoint("ep").status(JOB)).succeeded
            else:
                error = await error_of(BY_NAME["run"], client)
                assert isinstance(error, APIConnectionError)
                assert error.maybe_submitted is False
                assert proxy.closed.wait(TEST_TIMEOUT)
        assert proxy.closed.wait(TEST_TIMEOUT)
    assert ([True], 1) == (closed, proxy.connections)


async def test_a_patched_httpx_transport_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    async def handle(self: object, request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        return httpx.Response(200, json=QUEUED)

    with RawServer(respond_done) as server:
        async with new_client(server.base_url) as client:
            await client.endpoint("ep").run(input=INPUT)
            with monkeypatch.context() as patch:
                patch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", handle)
                await client.endpoint("ep").run(input=INPUT)
            await client.endpoint("ep").run(input=INPUT)
        assert ["/v2/ep/run"] == seen
        assert 2 == len(server.requests)
