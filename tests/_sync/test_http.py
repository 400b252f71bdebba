# Generated from tests/_async/test_http.py by scripts/generate_sync.py. Do not edit.

"""Requests and connections on real sockets, with the library's own HTTP client and with a caller's."""

from __future__ import annotations

import gzip
import json
import ssl
import threading
import zlib
from typing import TYPE_CHECKING
import httpx
import pytest
import trustme

from runpod import APIConnectionError, APIStatusError, RetryPolicy, RunpodTimeoutError
from runpod._sync import connection_pool as pools
from tests._sync.calls import BY_NAME, DONE, INPUT, JOB, OPERATIONS, PATH, QUEUED
from tests._sync.misbehaving import error_of, new_client
from tests.clocks import together
from tests.servers import KEY, TEST_TIMEOUT, Connection, RawServer, fail_to_resolve

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("http_backend")

own = pytest.mark.parametrize("http_backend", ["own"], indirect=True)
own_all_loops = own


def respond_done(connection: Connection) -> None:
    while connection.read_request():
        connection.respond(json.dumps(DONE).encode())


def parts(request: bytes) -> tuple[str, dict[str, str], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    return line, {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}, body


def test_requests_on_the_wire() -> None:
    odd = "a/b%2F..?ü"
    good = {operation.sent.partition("?")[0]: json.dumps(operation.good).encode() for operation in OPERATIONS}

    def respond_per_operation(connection: Connection) -> None:
        while request := connection.read_request():
            method, target, _ = request.decode().split(" ", 2)
            connection.respond(good[f"{method} {target.partition('?')[0]}"])

    with RawServer(respond_per_operation) as server:
        with new_client(server.base_url) as client:
            for operation in OPERATIONS:
                if not operation.polls:
                    operation(client.endpoint("ep"))
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
        with new_client(server.base_url + "/größe") as client:
            client.endpoint(odd).run(input=INPUT)
        (request,) = server.requests
        assert f"POST {PATH}/gr%C3%B6%C3%9Fe/a%2Fb%252F..%3F%C3%BC/run HTTP/1.1" == parts(request)[0]


COMPRESSED = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "identity": bytes,
}


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_compressed_responses(encoding: str) -> None:
    body = json.dumps({**DONE, "output": "horse" * 100_000}).encode()

    def compressed(connection: Connection) -> None:
        while connection.read_request():
            connection.respond(COMPRESSED[encoding](body), headers=f"Content-Encoding: {encoding}\r\n")

    with RawServer(compressed) as server:
        with new_client(server.base_url) as client:
            assert "horse" * 100_000 == (client.endpoint("ep").status(JOB)).output


def test_redirects_are_not_followed_and_cookies_not_kept() -> None:
    def redirecting(connection: Connection) -> None:
        while connection.read_request():
            connection.respond(
                b"", status="307 Temporary Redirect", headers="Location: /elsewhere\r\nSet-Cookie: horse=1; Path=/\r\n"
            )

    with RawServer(redirecting) as server:
        with new_client(server.base_url) as client:
            for _ in range(2):
                with pytest.raises(APIStatusError, match="redirect"):
                    client.endpoint("ep").status(JOB)
        assert 2 == len(server.requests)
        assert all(b"elsewhere" not in request for request in server.requests)


@own
def test_idle_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "KEEP_ALIVE", 0.05)
    with RawServer(respond_done) as server:
        with new_client(server.base_url) as client:
            together(lambda _: client.endpoint("ep").status(JOB), 5)
            server.closed.clear()
            client._session.clock.sleep(0.1)
            # All were idle for longer than KEEP_ALIVE. The sync client closes them at the next call.
            client.endpoint("ep").status(JOB)
            assert server.closed.wait(TEST_TIMEOUT)


@own_all_loops
def test_ssl_cert_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def over_tls(connection: Connection) -> None:
        with context.wrap_socket(connection._peer, server_side=True) as peer:
            connection._peer = peer
            respond_done(connection)

    with RawServer(over_tls) as server:
        address = server.base_url.replace("http:", "https:")
        with new_client(address, retry=RetryPolicy(max_retries=0)) as client:
            with pytest.raises(APIConnectionError, match=r"(?i)certificate") as caught:
                client.endpoint("ep").run(input=INPUT)
            assert caught.value.maybe_submitted is False
        assert [] == server.requests

        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        with new_client(address) as client:
            for _ in range(3):
                assert (client.endpoint("ep").status(JOB)).succeeded
        assert 3 == len(server.requests)

        # Within TLS in TLS, unsolicited data after a response cannot be detected, so these connections are not reused.
        monkeypatch.setenv("HTTP_PROXY", address)
        before = server.connections
        with new_client("http://horse.test/v2") as client:
            for _ in range(2):
                assert (client.endpoint("ep").status(JOB)).succeeded
        assert before + 2 == server.connections


@own_all_loops
def test_proxies_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_to_resolve(monkeypatch, "horse.test")
    address = "http://horse.test:8000/v2"
    with RawServer(respond_done) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:secret@127.0.0.1:{proxy.port}")
        with new_client(address) as client:
            client.endpoint("ep").status(JOB)
        line, headers, _ = parts(proxy.requests[0])
        assert f"GET {address}/ep/status/{JOB} HTTP/1.1" == line
        assert headers["proxy-authorization"].startswith("Basic ")

        for entry in ("horse.test", ".test", "*", "horse.test:8000"):
            monkeypatch.setenv("NO_PROXY", f"other.test, {entry}")
            with new_client(address, retry=RetryPolicy(max_retries=0)) as client:
                assert (error_of(BY_NAME["run"], client)).maybe_submitted is False
        assert 1 == len(proxy.requests)


@own_all_loops
def test_a_proxy_that_refuses_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(connection: Connection) -> None:
        while connection.read_request():
            connection.respond(b"", status="403 Forbidden")

    with RawServer(refusing) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with new_client("https://horse.test:9/v2") as client:
            error = error_of(BY_NAME["run"], client)
        assert isinstance(error, (APIConnectionError, RunpodTimeoutError))
        assert error.maybe_submitted is False
        assert proxy.requests[0].startswith(b"CONNECT horse.test:9 ")


SOCKS_REPLIES = [b"\5\0\0\1" + bytes(6), b"\5\5\0\1" + bytes(6), b"HTTP/1.1 400 Bad Request\r\n\r\n"]


@own_all_loops
@pytest.mark.parametrize("reply", SOCKS_REPLIES, ids=["granted", "refused", "not SOCKS"])
def test_a_socks_proxy(reply: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
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
        with new_client("http://horse.test/v2", retry=RetryPolicy(max_retries=0)) as client:
            if reply.startswith(b"\5\0"):
                for _ in range(2):
                    assert (client.endpoint("ep").status(JOB)).succeeded
            else:
                error = error_of(BY_NAME["run"], client)
                assert isinstance(error, APIConnectionError)
                assert error.maybe_submitted is False
                assert proxy.closed.wait(TEST_TIMEOUT)
        assert proxy.closed.wait(TEST_TIMEOUT)
    assert ([True], 1) == (closed, proxy.connections)


def test_a_patched_httpx_transport_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def handle(self: object, request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        return httpx.Response(200, json=QUEUED)

    with RawServer(respond_done) as server:
        with new_client(server.base_url) as client:
            client.endpoint("ep").run(input=INPUT)
            with monkeypatch.context() as patch:
                patch.setattr(httpx.HTTPTransport, "handle_request", handle)
                client.endpoint("ep").run(input=INPUT)
            client.endpoint("ep").run(input=INPUT)
        assert ["/v2/ep/run"] == seen
        assert 2 == len(server.requests)
