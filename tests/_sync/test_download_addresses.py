# Generated from tests/_async/test_download_addresses.py by scripts/generate_sync.py. Do not edit.

"""Which addresses `fetch` and `save` download from, also after redirects."""

from __future__ import annotations

import socket
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod import (
    Runpod,
    MediaError,
    RetryPolicy,
)
from tests._sync.downloads import PNG, SIGNED, URL, moved, ok, own_all_loops, serving
from tests.servers import BASE_URL, KEY, RawServer, Wire, free_port

if TYPE_CHECKING:
    from tests.servers import Connection

PUBLIC = "93.184.216.34"


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Make every name resolve to these addresses."""
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if "example" not in str(host):
            return real(host, port, *args, **kwargs)
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize(
    "url",
    [
        "http://files.example.test/horse.png",
        "ftp://files.example.test/horse.png",
        "/horse.png",
        "",
        "https://",
        "https://user:secret@files.example.test/horse.png",
        "https://127.0.0.1/horse.png",
        "http://localhost:8000/horse.png",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/horse.png",
        "https://intranet/horse.png",
        "https://[bad/",
    ],
)
def test_urls_that_are_refused(url: str, client: Runpod, wire: Wire) -> None:
    with pytest.raises(MediaError, match="is not downloaded, since") as caught:
        client.fetch(url)
    assert "secret" not in str(caught.value)
    if url.partition("//")[2]:
        wire.respond(moved(url))
        with pytest.raises(MediaError, match=r"is not downloaded, since|not a valid URL") as caught:
            client.fetch(URL)
        assert "secret" not in str(caught.value)
        assert ["GET /horse.png"] == wire.sent


def test_redirects_are_followed(client: Runpod, wire: Wire) -> None:
    wire.respond(
        moved("/a/b.png"), moved("https://other.example.test/c.png?x=1"), moved("../d.png"), moved("e"), moved("f")
    )
    wire.respond(ok())
    assert client.fetch(URL) == PNG
    assert ["/horse.png", "/a/b.png", "/c.png?x=1", "/d.png", "/e", "/f"] == [s.removeprefix("GET ") for s in wire.sent]


def test_redirects_that_never_end(client: Runpod, wire: Wire) -> None:
    wire.respond(*[moved(URL)] * 6)
    with pytest.raises(MediaError, match="more than 5 times"):
        client.fetch(URL)


def test_a_redirect_without_a_target(client: Runpod, wire: Wire) -> None:
    wire.respond(httpx.Response(302))
    with pytest.raises(MediaError, match="answered 302"):
        client.fetch(URL)
    wire.always(moved("https://files.example.test:port/"))
    with pytest.raises(MediaError, match="Invalid URL in location header"):
        client.fetch(URL)
    wire.always(moved("https://xn--0/"))
    with pytest.raises(MediaError, match="IDNAError: Invalid A-label"):
        client.fetch(URL)


@own_all_loops
@pytest.mark.parametrize("addresses", [["127.0.0.1"], [PUBLIC, "127.0.0.1"], ["::ffff:10.0.0.7"], ["fd00::1"]])
def test_a_public_name_with_a_private_address(
    addresses: list[str], http_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, *addresses)
    with RawServer(serving(PNG)) as server:
        with Runpod(KEY, base_url=BASE_URL) as client:
            with pytest.raises(MediaError, match=f"private address {addresses[-1]}.*allow_private=True"):
                client.fetch(f"https://files.example.test:{server.port}/horse.png")
        assert server.connections == 0


def test_private_addresses_can_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "127.0.0.1")
    with RawServer(serving(PNG)) as server:
        url = f"http://127.0.0.1:{server.port}/horse.png"
        with Runpod(KEY, base_url=BASE_URL, retry=RetryPolicy(max_retries=0)) as client:
            assert client.fetch(url, allow_private=True) == PNG
            # The open connection serves no call without the permission.
            with pytest.raises(MediaError, match="allow_private=True"):
                client.fetch(url)
            # Not refused, but nothing listens there.
            with pytest.raises(MediaError, match="could not be sent"):
                client.fetch(f"https://files.example.test:{free_port()}/horse.png", allow_private=True)
        assert len(server.requests) == 1


def test_a_client_of_a_local_server_may_download_from_this_machine_only() -> None:
    with RawServer(serving(PNG)) as server:
        with Runpod(KEY, base_url=server.base_url) as client:
            assert client.fetch(f"http://127.0.0.1:{server.port}/horse.png") == PNG
            assert client.fetch(f"http://localhost:{server.port}/horse.png") == PNG
            with pytest.raises(MediaError, match=r"private address 10\.0\.0\.7"):
                client.fetch("https://10.0.0.7/horse.png")


class Peer:
    """A network stream that is connected to this address."""

    def __init__(self, address: Any) -> None:
        self._address = address

    def get_extra_info(self, info: str) -> Any:
        assert info == "server_addr"
        if isinstance(self._address, Exception):
            raise self._address
        return self._address


def fetch_from_peer(address: Any, **options: Any) -> bytes:
    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=PNG, extensions={"network_stream": Peer(address)})

    http_client = httpx.Client(transport=httpx.MockTransport(handle))
    retry = RetryPolicy(max_retries=1, initial_delay=timedelta(0))
    with http_client, Runpod(KEY, base_url=BASE_URL, http_client=http_client, retry=retry) as client:
        return client.fetch(URL, **options)


def test_a_callers_client_must_not_have_connected_to_a_private_address() -> None:
    assert fetch_from_peer((PUBLIC, 443)) == PNG
    assert fetch_from_peer(("2606:2800:220:1::1", 443, 0, 0)) == PNG
    for address in ("10.0.0.7", 443), ("127.0.0.1", 443), ("fe80::1%eth0", 443, 0, 2), "/run/proxy.sock", ():
        with pytest.raises(MediaError, match=r"http_client connected to .*allow_private=True"):
            fetch_from_peer(address)
        assert fetch_from_peer(address, allow_private=True) == PNG
    # The connection was reset before its address was read.
    for unknown in None, OSError(107, "not connected"):
        with pytest.raises(MediaError, match="2 attempts"):
            fetch_from_peer(unknown)


class SilentTransport(httpx.BaseTransport):
    """A transport that does not say where it connects to."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=PNG)


def test_a_transport_that_does_not_report_its_connections() -> None:
    http_client = httpx.Client(transport=SilentTransport())
    with http_client, Runpod(KEY, base_url=BASE_URL, http_client=http_client) as client:
        with pytest.raises(MediaError, match=r"does not report .*allow_private=True"):
            client.fetch(URL)
        assert client.fetch(URL, allow_private=True) == PNG


def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(connection: Connection) -> None:
        connection.read_request()
        connection.respond(b"", status="502 Bad Gateway")

    with RawServer(refuse) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with Runpod(KEY, base_url=BASE_URL, retry=RetryPolicy(max_retries=0)) as client:
            with pytest.raises(MediaError, match="could not be sent"):
                client.fetch(SIGNED)
            with pytest.raises(MediaError, match="private address"):
                client.fetch("https://10.0.0.7/horse.png")
        assert len(proxy.requests) == 1
        assert proxy.requests[0].startswith(b"CONNECT files.example.test:443 ")
