"""`fetch` and `save`: what is sent, what is allowed, what is retried, and what is left on disk."""

from __future__ import annotations

import base64
import gzip
import logging
import os
import pickle
import socket
import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import anyio  # async-only
import httpx
import pytest

from runpod import (
    AsyncRunpod,
    ClientClosedError,
    ConfigurationError,
    InvalidRequestError,
    JobFailedError,
    JobState,
    MapResult,
    MediaError,
    RetryPolicy,
    RunpodTimeoutError,
    StreamChunk,
)
from runpod.media import Media
from runpod.public import PublicOutput
from tests._async.calls import FAILED, INPUT, JOB, QUEUED
from tests._async.misbehaving import DEADLINES, LONG, SHORT, new_client
from tests.servers import BASE_URL, KEY, Delayed, RawServer, Wire, free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runpod import AsyncEndpoint
    from tests.clocks import AsyncVirtualClock
    from tests.servers import Connection

PNG = b"\x89PNG\r\n\x1a\n" + b"a horse the size of a Boeing 787"
URL = "https://files.example.test/horse.png"
SIGNED = f"{URL}?X-Amz-Signature=SECRET"
PUBLIC = "93.184.216.34"

# The deadline of a sync call over a caller's client is kept between reads only.
own_all_loops = pytest.mark.parametrize("http_backend", ["own"], indirect=True)
own_all_loops = pytest.mark.parametrize("http_backend", ["own", "trio"], indirect=True)  # async-only


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> str:  # async-only
    uses_trio = "http_backend" in request.fixturenames and request.getfixturevalue("http_backend") == "trio"
    return "trio" if uses_trio else "asyncio"


def picture(url: str | None = None, name: str = "horse.png", data: bytes = PNG) -> Media:
    if url is not None:
        return Media("application/octet-stream", name, url)
    return Media("image/png", name, None, base64.b64encode(data).decode())


def ok(content: bytes = PNG, **headers: str) -> httpx.Response:
    return httpx.Response(200, content=content, headers=headers)


def moved(where: str) -> httpx.Response:
    return httpx.Response(302, headers={"Location": where})


def names(folder: Path) -> list[str]:
    """Every file in a folder, including hidden ones."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def serving(content: bytes, headers: str = "") -> Callable[[Connection], None]:
    def behave(connection: Connection) -> None:
        while connection.read_request():
            connection.respond(content, headers=headers)

    return behave


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


# What is sent


async def test_a_download_carries_nothing_of_the_client(client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(ok(**{"Set-Cookie": "tracked=1"}), ok())
    assert await client.fetch(SIGNED) == PNG
    assert await client.fetch(picture(SIGNED)) == PNG
    for request in wire.requests:
        assert request.headers.keys() == {"host", "accept", "accept-encoding", "user-agent"}
        assert request.headers["accept-encoding"] == "identity"
        assert str(request.url) == SIGNED
        assert KEY not in str(request.headers)


async def test_a_callers_client_sends_it_without_its_own_headers_and_cookies() -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return ok(**{"Set-Cookie": "session=theirs"})

    http_client = httpx.AsyncClient(
        transport=httpx.MockTransport(handle),
        headers={"X-Internal": "secret"},
        cookies={"session": "ours"},
        auth=("user", "password"),
    )
    async with http_client, AsyncRunpod(KEY, base_url=BASE_URL, http_client=http_client) as client:
        assert await client.fetch(URL) == PNG
        assert await client.fetch(URL) == PNG
        assert dict(http_client.cookies) == {"session": "ours"}
    assert len(seen) == 2
    for request in seen:
        assert request.headers.keys() == {"host", "accept", "accept-encoding", "user-agent"}


async def test_hooks_of_a_callers_client_see_downloads() -> None:
    """The cookies of the response are not kept although the hook raises."""
    statuses: list[int] = []

    async def check(response: httpx.Response) -> None:
        statuses.append(response.status_code)
        response.raise_for_status()

    missing = httpx.Response(404, headers={"Set-Cookie": "tracked=1; Domain=example.test"})
    http_client = httpx.AsyncClient(
        transport=httpx.MockTransport(lambda request: missing), event_hooks={"response": [check]}
    )
    async with http_client, AsyncRunpod(KEY, base_url=BASE_URL, http_client=http_client) as client:
        with pytest.raises(MediaError, match="answered 404: it has probably expired"):
            await client.fetch(SIGNED)
    assert statuses == [404]
    assert not http_client.cookies


async def test_a_stalled_download_is_given_up_even_without_timeout(client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(ok(), ok())
    await client.fetch(URL)
    await client.fetch(URL, timeout=7)
    assert [30.0, 8.0] == [request.extensions["timeout"]["read"] for request in wire.requests]


async def test_no_log_has_the_query_of_a_url(
    client: AsyncRunpod, wire: Wire, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    wire.respond(503, httpx.ConnectError(f"cannot connect to {SIGNED}"), moved(f"{URL}?token=SECRET"), ok(), 403)
    with caplog.at_level(logging.DEBUG):
        await client.fetch(SIGNED)
        with pytest.raises(MediaError) as caught:
            await client.save(picture(SIGNED), tmp_path)
    assert URL in caplog.text
    assert "HTTP/1.1 200" in caplog.text, "httpx logs requests"
    assert "SECRET" not in caplog.text
    assert "SECRET" not in str(caught.value)


async def test_no_log_of_httpcore_has_the_query_of_a_redirect(caplog: pytest.LogCaptureFixture) -> None:
    def behave(connection: Connection) -> None:
        if b"/old.png" in connection.read_request():
            connection.respond(b"", status="302 Found", headers="Location: /horse.png?sig=SECRET\r\n")
        else:
            connection.respond(PNG)

    with RawServer(behave) as server, caplog.at_level(logging.DEBUG):
        async with AsyncRunpod(KEY, base_url=server.base_url) as client:
            assert await client.fetch(f"http://127.0.0.1:{server.port}/old.png?sig=SECRET") == PNG
    assert "(b'Location', b'/horse.png?...')" in caplog.text
    assert "SECRET" not in caplog.text


async def test_a_message_hides_the_query_and_nothing_else(client: AsyncRunpod, wire: Wire) -> None:
    wire.always(httpx.ConnectError(f"1 error for {URL}?1"))
    with pytest.raises(MediaError, match=rf"ConnectError: 1 error for {URL}\[key\]\."):
        await client.fetch(f"{URL}?1")


# What is allowed


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
async def test_urls_that_are_refused(url: str, client: AsyncRunpod, wire: Wire) -> None:
    with pytest.raises(MediaError, match="is not downloaded, since") as caught:
        await client.fetch(url)
    assert "secret" not in str(caught.value)
    if url.partition("//")[2]:
        wire.respond(moved(url))
        with pytest.raises(MediaError, match=r"is not downloaded, since|not a valid URL") as caught:
            await client.fetch(URL)
        assert "secret" not in str(caught.value)
        assert ["GET /horse.png"] == wire.sent


async def test_redirects_are_followed(client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(
        moved("/a/b.png"), moved("https://other.example.test/c.png?x=1"), moved("../d.png"), moved("e"), moved("f")
    )
    wire.respond(ok())
    assert await client.fetch(URL) == PNG
    assert ["/horse.png", "/a/b.png", "/c.png?x=1", "/d.png", "/e", "/f"] == [s.removeprefix("GET ") for s in wire.sent]


async def test_redirects_that_never_end(client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(*[moved(URL)] * 6)
    with pytest.raises(MediaError, match="more than 5 times"):
        await client.fetch(URL)


async def test_a_redirect_without_a_target(client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(httpx.Response(302))
    with pytest.raises(MediaError, match="answered 302"):
        await client.fetch(URL)
    wire.always(moved("https://files.example.test:port/"))
    with pytest.raises(MediaError, match="Invalid URL in location header"):
        await client.fetch(URL)
    wire.always(moved("https://xn--0/"))
    with pytest.raises(MediaError, match="IDNAError: Invalid A-label"):
        await client.fetch(URL)


@own_all_loops
@pytest.mark.parametrize("addresses", [["127.0.0.1"], [PUBLIC, "127.0.0.1"], ["::ffff:10.0.0.7"], ["fd00::1"]])
async def test_a_public_name_with_a_private_address(
    addresses: list[str], http_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, *addresses)
    with RawServer(serving(PNG)) as server:
        async with AsyncRunpod(KEY, base_url=BASE_URL) as client:
            with pytest.raises(MediaError, match=f"private address {addresses[-1]}.*allow_private=True"):
                await client.fetch(f"https://files.example.test:{server.port}/horse.png")
        assert server.connections == 0


async def test_private_addresses_can_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "127.0.0.1")
    with RawServer(serving(PNG)) as server:
        url = f"http://127.0.0.1:{server.port}/horse.png"
        async with AsyncRunpod(KEY, base_url=BASE_URL, retry=RetryPolicy(max_retries=0)) as client:
            assert await client.fetch(url, allow_private=True) == PNG
            # The open connection serves no call without the permission.
            with pytest.raises(MediaError, match="allow_private=True"):
                await client.fetch(url)
            # Not refused, but nothing listens there.
            with pytest.raises(MediaError, match="could not be sent"):
                await client.fetch(f"https://files.example.test:{free_port()}/horse.png", allow_private=True)
        assert len(server.requests) == 1


async def test_a_client_of_a_local_server_may_download_from_this_machine_only() -> None:
    with RawServer(serving(PNG)) as server:
        async with AsyncRunpod(KEY, base_url=server.base_url) as client:
            assert await client.fetch(f"http://127.0.0.1:{server.port}/horse.png") == PNG
            assert await client.fetch(f"http://localhost:{server.port}/horse.png") == PNG
            with pytest.raises(MediaError, match=r"private address 10\.0\.0\.7"):
                await client.fetch("https://10.0.0.7/horse.png")


class Peer:
    """A network stream that is connected to this address."""

    def __init__(self, address: Any) -> None:
        self._address = address

    def get_extra_info(self, info: str) -> Any:
        assert info == "server_addr"
        if isinstance(self._address, Exception):
            raise self._address
        return self._address


async def fetch_from_peer(address: Any, **options: Any) -> bytes:
    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=PNG, extensions={"network_stream": Peer(address)})

    http_client = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    retry = RetryPolicy(max_retries=1, initial_delay=timedelta(0))
    async with http_client, AsyncRunpod(KEY, base_url=BASE_URL, http_client=http_client, retry=retry) as client:
        return await client.fetch(URL, **options)


async def test_a_callers_client_must_not_have_connected_to_a_private_address() -> None:
    assert await fetch_from_peer((PUBLIC, 443)) == PNG
    assert await fetch_from_peer(("2606:2800:220:1::1", 443, 0, 0)) == PNG
    for address in ("10.0.0.7", 443), ("127.0.0.1", 443), ("fe80::1%eth0", 443, 0, 2), "/run/proxy.sock", ():
        with pytest.raises(MediaError, match=r"http_client connected to .*allow_private=True"):
            await fetch_from_peer(address)
        assert await fetch_from_peer(address, allow_private=True) == PNG
    # The connection was reset before its address was read.
    for unknown in None, OSError(107, "not connected"):
        with pytest.raises(MediaError, match="2 attempts"):
            await fetch_from_peer(unknown)


class SilentTransport(httpx.AsyncBaseTransport):
    """A transport that does not say where it connects to."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=PNG)


async def test_a_transport_that_does_not_report_its_connections() -> None:
    http_client = httpx.AsyncClient(transport=SilentTransport())
    async with http_client, AsyncRunpod(KEY, base_url=BASE_URL, http_client=http_client) as client:
        with pytest.raises(MediaError, match=r"does not report .*allow_private=True"):
            await client.fetch(URL)
        assert await client.fetch(URL, allow_private=True) == PNG


async def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(connection: Connection) -> None:
        connection.read_request()
        connection.respond(b"", status="502 Bad Gateway")

    with RawServer(refuse) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        async with AsyncRunpod(KEY, base_url=BASE_URL, retry=RetryPolicy(max_retries=0)) as client:
            with pytest.raises(MediaError, match="could not be sent"):
                await client.fetch(SIGNED)
            with pytest.raises(MediaError, match="private address"):
                await client.fetch("https://10.0.0.7/horse.png")
        assert len(proxy.requests) == 1
        assert proxy.requests[0].startswith(b"CONNECT files.example.test:443 ")


# What is retried


async def test_transient_failures_are_retried(client: AsyncRunpod, wire: Wire, clock: AsyncVirtualClock) -> None:
    wire.respond(503, httpx.Response(429, headers={"Retry-After": "7"}), ok())
    assert await client.with_options(retry=RetryPolicy(max_retries=2)).fetch(URL) == PNG
    assert clock.pauses[1] == 7
    wire.respond(httpx.ConnectError("refused"), ok(PNG[:9], **{"Content-Length": "40"}), ok())
    assert await client.fetch(URL) == PNG


async def test_retries_that_do_not_help(client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(503, 503, 503)
    with pytest.raises(MediaError, match=r"HTTP 503 \(3 attempts\)") as caught:
        await client.with_options(retry=RetryPolicy(max_retries=2)).fetch(SIGNED)
    assert caught.value.retryable
    assert (None, None) == (caught.value.endpoint_id, caught.value.job_id)


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_an_expired_link(status: int, endpoint: AsyncEndpoint, wire: Wire, tmp_path: Path) -> None:
    wire.respond(QUEUED)
    job = await endpoint.run(input=INPUT)
    assert job._submitted_at is not None
    job._submitted_at -= timedelta(hours=30)
    wire.respond({**QUEUED, "status": "COMPLETED", "output": {"image_url": SIGNED}}, status)
    with pytest.raises(MediaError) as caught:
        await job.save(tmp_path)
    message = str(caught.value)
    assert f"The link {URL} answered {status}: it has probably expired" in message
    assert "The job was submitted 30 h ago." in message
    assert "Run the job again" in message
    assert ("ep", JOB) == (caught.value.endpoint_id, caught.value.job_id)
    assert not caught.value.maybe_submitted
    assert [] == names(tmp_path)


async def test_a_presigned_link_says_when_it_expired(client: AsyncRunpod, wire: Wire) -> None:
    start = datetime.now(timezone.utc) - timedelta(hours=27)
    wire.respond(403)
    with pytest.raises(
        MediaError, match=r"It was signed at 20.* UTC, valid for 24 h\. It expired at .* UTC, 3 h ago\."
    ):
        await client.fetch(f"{URL}?X-Amz-Date={start:%Y%m%dT%H%M%SZ}&X-Amz-Expires=86400&X-Amz-Signature=SECRET")


@pytest.mark.parametrize("status", [204, 206, 400, 418])
async def test_other_statuses(status: int, client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(httpx.Response(status))
    with pytest.raises(MediaError, match=f"answered {status}\\."):
        await client.fetch(URL)


# Servers that misbehave


def hanging(connection: Connection) -> None:
    connection.read_request()
    connection.hang()


def dripping(connection: Connection) -> None:
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    connection.drip(PNG)


def dripping_a_header(connection: Connection) -> None:
    connection.read_request()
    connection.drip(b"HTTP/1.1 200 OK\r\nX-Slow: aaaaa")


def without_end(connection: Connection) -> None:
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not connection.pause(0):
        connection.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")


def resetting(connection: Connection) -> None:
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + PNG)
    connection.reset()


def ending_early(connection: Connection) -> None:
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + PNG)


@pytest.mark.parametrize("behave", [hanging, dripping])
async def test_a_download_that_never_ends(
    behave: Callable[[Connection], None], http_backend: str, tmp_path: Path
) -> None:
    for timeout in DEADLINES:
        with RawServer(behave) as server:
            url = f"http://127.0.0.1:{server.port}/horse.png?sig=SECRET"
            async with new_client(server.base_url) as client:
                with pytest.raises(RunpodTimeoutError) as caught:
                    await client.save([picture(), picture(url)], tmp_path / str(timeout), timeout=timeout)
        if server.requests:
            break
    assert f"/horse.png was not downloaded within the timeout of {timeout:g} s." in str(caught.value)
    assert str(caught.value).endswith(" 1 of 2 files were saved before.")
    assert "SECRET" not in str(caught.value)
    assert not caught.value.maybe_submitted
    assert ["horse.png"] == names(tmp_path / str(timeout))


@own_all_loops
async def test_a_header_that_never_ends(http_backend: str) -> None:
    with RawServer(dripping_a_header) as server:
        async with new_client(server.base_url) as client:
            with pytest.raises(RunpodTimeoutError):
                await client.fetch(f"http://127.0.0.1:{server.port}/horse.png", timeout=SHORT)


@pytest.mark.parametrize("behave", [resetting, ending_early])
async def test_a_download_that_breaks_off(
    behave: Callable[[Connection], None], http_backend: str, tmp_path: Path
) -> None:
    with RawServer(behave) as server:
        url = f"http://127.0.0.1:{server.port}/horse.png"
        async with new_client(server.base_url, retry=RetryPolicy(max_retries=1, initial_delay=timedelta(0))) as client:
            with pytest.raises(MediaError, match="2 attempts"):
                await client.save(picture(url), tmp_path)
    assert [] == names(tmp_path)


async def test_a_download_starts_again_from_the_beginning(http_backend: str, tmp_path: Path) -> None:
    large = PNG + os.urandom(3_000_000)
    broken: list[Connection] = []

    def once(connection: Connection) -> None:
        while connection.read_request():
            if not broken:
                broken.append(connection)
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n" + bytes(2_500_000))
                return
            connection.respond(large)

    counts: list[tuple[int, int | None]] = []
    with RawServer(once) as server:
        async with new_client(server.base_url) as client:
            url = f"http://127.0.0.1:{server.port}/horse.bin"
            (path,) = await client.save(
                picture(url, "horse.bin"), tmp_path, progress=lambda done, total: counts.append((done, total))
            )
    assert large == path.read_bytes()
    assert ["horse.png"] == names(tmp_path)
    assert counts[-1] == (len(large), len(large))
    assert (0, len(large)) in counts


async def test_a_download_that_is_too_large(http_backend: str, tmp_path: Path) -> None:
    with RawServer(without_end) as server:
        async with new_client(server.base_url) as client:
            url = f"http://127.0.0.1:{server.port}/horse.png"
            with pytest.raises(MediaError, match=r"horse\.png is larger than max_bytes, 3,000,000"):
                await client.fetch(url, max_bytes=3_000_000)
            with pytest.raises(MediaError, match="larger than max_bytes"):
                await client.save(picture(url), tmp_path, max_bytes=3_000_000)
        assert len(server.requests) == 2
    assert [] == names(tmp_path)


async def test_the_announced_size_is_checked_first(http_backend: str) -> None:
    def announce(connection: Connection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\n\r\n")
        connection.hang()

    with RawServer(announce) as server:
        async with new_client(server.base_url) as client:
            with pytest.raises(MediaError, match="larger than max_bytes"):
                await client.fetch(f"http://127.0.0.1:{server.port}/horse.png")


async def test_a_stored_encoding_is_decoded_within_the_limit(http_backend: str) -> None:
    bomb = gzip.compress(PNG + bytes(5_000_000))
    with RawServer(serving(bomb, "Content-Encoding: gzip\r\n")) as server:
        async with new_client(server.base_url) as client:
            url = f"http://127.0.0.1:{server.port}/horse.png"
            assert await client.fetch(url, max_bytes=6_000_000) == PNG + bytes(5_000_000)
            with pytest.raises(MediaError, match="larger than max_bytes"):
                await client.fetch(url, max_bytes=1_000_000)


@pytest.mark.parametrize(
    ("content", "encoding", "problem"),
    [(PNG, "gzip", "not valid gzip"), (gzip.compress(PNG)[:-9], "gzip", "incomplete"), (PNG, "br", "not supported")],
    ids=["invalid", "incomplete", "unsupported"],
)
async def test_an_encoding_that_cannot_be_decoded(content: bytes, encoding: str, problem: str) -> None:
    with RawServer(serving(content, f"Content-Encoding: {encoding}\r\n")) as server:
        async with new_client(server.base_url) as client:
            with pytest.raises(MediaError, match=problem):
                await client.fetch(f"http://127.0.0.1:{server.port}/horse.png")
        assert len(server.requests) == 1


# Data in the output


async def test_media_with_data(client: AsyncRunpod, tmp_path: Path) -> None:
    assert await client.fetch(picture()) == PNG
    (path,) = await client.save(picture(), tmp_path)
    assert PNG == path.read_bytes()
    for call in client.fetch(picture(), max_bytes=9), client.save(picture(), tmp_path, max_bytes=9):  # async-only
        with pytest.raises(MediaError, match=r"'horse\.png' is larger than max_bytes, 9"):
            await call
    with pytest.raises(MediaError, match="cannot be decoded"):
        await client.fetch(Media("image/png", "horse.png", None, "iVBORw0KGgo*"))


# Files


async def test_names_come_from_the_content(client: AsyncRunpod, wire: Wire, tmp_path: Path) -> None:
    text = b"WEBVTT\n\nno horse"
    for name, content, kind in (
        ("horse.jpg", PNG, "image/jpeg"),
        ("horse.bin", PNG, ""),
        ("files", text, "text/plain; charset=utf-8"),
        ("subtitles.vtt", text, "text/html"),
        ("BMW.txt", b"BMW and others", "text/plain"),
        ("data", b"\0\1\2\3", "application/octet-stream"),
        ("../../etc/passwd.png", PNG, ""),
    ):
        wire.respond(ok(content, **{"Content-Type": kind}))
        url = f"https://files.example.test/{name}?x=1"
        await client.save(Media("application/octet-stream", name, url), tmp_path / "new" / "folder")
    assert sorted(
        ["horse.png", "horse-2.png", "files.txt", "subtitles.vtt", "BMW.txt", "data.bin", "passwd.png"]
    ) == names(tmp_path / "new" / "folder")


async def test_nothing_is_overwritten(client: AsyncRunpod, wire: Wire, tmp_path: Path) -> None:
    (tmp_path / "horse.png").write_bytes(b"mine")
    (tmp_path / "horse-2.png").symlink_to(tmp_path / "missing")
    wire.respond(ok())
    paths = await client.save([picture(), picture(URL)], tmp_path)
    assert [tmp_path / "horse-3.png", tmp_path / "horse-4.png"] == paths
    assert (tmp_path / "horse.png").read_bytes() == b"mine"
    assert not (tmp_path / "missing").exists()


async def test_one_problem_does_not_stop_the_others(client: AsyncRunpod, wire: Wire, tmp_path: Path) -> None:
    wire.respond(404, ok())
    items = [
        picture(),
        Media("image/png", "broken.png", None, "iVBORw0KGgo*"),
        picture(f"{URL}/gone.png"),
        picture(URL, "last.png"),
    ]
    with pytest.raises(
        MediaError, match=r"2 of 4 files were not saved; the others were\. The first: .*broken"
    ) as caught:
        await client.save(items, tmp_path)
    assert [tmp_path / "horse.png", tmp_path / "last.png"] == caught.value.saved
    assert ["horse.png", "last.png"] == names(tmp_path)
    assert isinstance(caught.value.__cause__, MediaError)
    with pytest.raises(MediaError, match=r"^2 of 2 files were not saved\. The first: .*broken"):
        await client.save(items[1:2] * 2, tmp_path)


async def test_a_folder_that_is_a_file(client: AsyncRunpod, wire: Wire, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    for folder in tmp_path / "file", tmp_path / "file" / "folder":
        with pytest.raises(MediaError, match=r"^Files cannot be saved in .*file") as caught:
            await client.save([picture(URL), picture(URL)], folder)
        assert isinstance(caught.value.__cause__, OSError)
        assert [] == caught.value.saved
    assert [] == wire.sent


async def test_a_disk_that_becomes_full(
    client: AsyncRunpod, wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    def fill(done: int, total: int | None) -> None:
        if done > len(PNG):
            monkeypatch.setattr("runpod.media.saving.os.open", full)

    wire.respond(ok(), ok())
    with pytest.raises(
        MediaError, match=r"No space left on device\. Free some space.* at 'two\.png': 1 of 3"
    ) as caught:
        await client.save([picture(URL, "one.png"), picture(URL, "two.png"), picture(URL)], tmp_path, progress=fill)
    monkeypatch.undo()
    assert [tmp_path / "one.png"] == caught.value.saved
    assert isinstance(caught.value.__cause__, OSError)
    assert ["one.png"] == names(tmp_path)


@pytest.mark.parametrize("after", [0, 2_000_000])
async def test_an_interrupt_leaves_nothing(after: int, client: AsyncRunpod, wire: Wire, tmp_path: Path) -> None:
    def interrupt(done: int, total: int | None) -> None:
        if done > after:
            raise KeyboardInterrupt

    wire.respond(ok(PNG + bytes(3_000_000)))
    with pytest.raises(KeyboardInterrupt):
        await client.save(picture(URL), tmp_path, progress=interrupt)
    assert [] == names(tmp_path)


@pytest.mark.parametrize("native", [False, True])
async def test_cancellation_leaves_nothing(native: bool, http_backend: str, tmp_path: Path) -> None:  # async-only
    import asyncio

    if native and http_backend == "trio":
        pytest.skip("it is a feature of asyncio")

    def half(connection: Connection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + PNG + bytes(4_000_000))
        connection.hang()

    with RawServer(half) as server:
        async with new_client(server.base_url) as client:
            written = anyio.Event()

            def show(done: int, total: int | None) -> None:
                if done >= 4_000_000:
                    written.set()

            async def save() -> None:
                url = f"http://127.0.0.1:{server.port}/horse.png"
                await client.save(picture(url), tmp_path, progress=show)

            if native:
                task = asyncio.create_task(save())
                await written.wait()
                assert len(names(tmp_path)) == 1
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            else:
                async with anyio.create_task_group() as group:
                    group.start_soon(save)
                    await written.wait()
                    assert len(names(tmp_path)) == 1
                    group.cancel_scope.cancel()
    assert [] == names(tmp_path)


# Progress


async def test_progress_counts_all_files(client: AsyncRunpod, wire: Wire, tmp_path: Path) -> None:
    counts: list[tuple[int, int | None]] = []
    wire.respond(ok(), 404, ok())
    with pytest.raises(MediaError):
        await client.save(
            [picture(), picture(URL), picture(URL), picture(URL)],
            tmp_path,
            progress=lambda done, total: counts.append((done, total)),
        )
    size = len(PNG)
    assert counts[0] == (0, None)
    assert counts[-1] == (3 * size, 3 * size)
    assert [done for done, _ in counts] == sorted(done for done, _ in counts)


async def test_progress_is_checked_before_anything_is_downloaded(
    client: AsyncRunpod, wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def show(done: int, total: int | None) -> None:  # async-only
        pass

    for wrong in ("yes", show):  # async-only
        given: Any = wrong
        with pytest.raises(InvalidRequestError, match="progress must"):
            await client.save(picture(URL), tmp_path, progress=given)
    for name in "tqdm", "tqdm.std", "tqdm.auto":
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigurationError, match=r"runpod-sdk\[progress\]"):
        await client.save(picture(URL), tmp_path, progress=True)
    assert [] == wire.sent


async def test_errors_of_progress_are_not_those_of_the_transport(
    client: AsyncRunpod, wire: Wire, tmp_path: Path
) -> None:
    broken = BrokenPipeError("nobody reads")
    broken.__cause__ = cause = ValueError()

    def show(done: int, total: int | None) -> None:
        if done:
            raise broken

    wire.respond(ok())
    with pytest.raises(BrokenPipeError) as caught:
        await client.save([picture(URL), picture()], tmp_path, progress=show)
    assert caught.value is broken
    assert (cause, None) == (broken.__cause__, broken.__context__)
    assert ["GET /horse.png"] == wire.sent
    assert [] == names(tmp_path)


# Jobs


async def test_a_job_is_waited_for_and_saved(endpoint: AsyncEndpoint, wire: Wire, tmp_path: Path) -> None:
    wire.respond(QUEUED)
    job = await endpoint.run(input=INPUT)
    wire.respond(
        {**QUEUED, "status": "IN_PROGRESS"}, {**QUEUED, "status": "COMPLETED", "output": {"image_url": URL}}, ok()
    )
    assert [tmp_path / "horse.png"] == await job.save(tmp_path)
    # The state is known now.
    wire.respond(ok())
    assert [tmp_path / "horse-2.png"] == await job.save(tmp_path)


async def test_the_timeout_covers_the_wait_and_the_downloads(
    endpoint: AsyncEndpoint, wire: Wire, clock: AsyncVirtualClock, tmp_path: Path
) -> None:
    wire.respond(
        Delayed(50, {"id": JOB, "status": "COMPLETED", "output": {"image_url": URL}}),
        Delayed(20, httpx.ReadTimeout("")),
    )
    with pytest.raises(RunpodTimeoutError, match="timeout of 60 s") as caught:
        await endpoint.job(JOB).save(tmp_path, timeout=60)
    assert ("ep", JOB) == (caught.value.endpoint_id, caught.value.job_id)


async def test_a_failed_job_raises(endpoint: AsyncEndpoint, wire: Wire, tmp_path: Path) -> None:
    wire.respond(FAILED)
    with pytest.raises(JobFailedError):
        await endpoint.job(JOB).save(tmp_path)


async def test_arguments_are_checked_before_the_wait(endpoint: AsyncEndpoint, wire: Wire, tmp_path: Path) -> None:
    given: Any = 7
    with pytest.raises(InvalidRequestError, match="folder must be a path"):
        await endpoint.job(JOB).save(given)
    with pytest.raises(InvalidRequestError, match="progress must"):
        await endpoint.job(JOB).save(tmp_path, progress=given)
    assert [] == wire.sent


async def test_an_output_without_media(
    endpoint: AsyncEndpoint, wire: Wire, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wire.respond({"id": JOB, "status": "COMPLETED", "output": {"text": "no horse"}})
    assert [] == await endpoint.job(JOB).save(tmp_path / "folder")
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [f"Job {JOB} has no files to save: its status is COMPLETED, and its output has no media"] == [
        record.getMessage() for record in warnings
    ]
    assert [] == names(tmp_path)


async def test_files_that_stayed_on_the_worker(endpoint: AsyncEndpoint, wire: Wire, tmp_path: Path) -> None:
    wire.respond({"id": JOB, "status": "COMPLETED", "output": "/tmp/output/horse.png"})
    with pytest.raises(MediaError, match=r"'/tmp/output/horse\.png'.*BUCKET_ENDPOINT_URL") as caught:
        await endpoint.job(JOB).save(tmp_path)
    assert ("ep", JOB) == (caught.value.endpoint_id, caught.value.job_id)


@pytest.mark.parametrize(
    "holder",
    [
        StreamChunk(output={"image_url": URL}),
        MapResult(0, {}, state=JobState(id=JOB, status="COMPLETED", output=[URL])),
        PublicOutput({"image_url": URL, "cost": 0.1}),
    ],
    ids=lambda holder: type(holder).__name__,
)
async def test_what_has_media_is_saved(holder: Any, client: AsyncRunpod, wire: Wire, tmp_path: Path) -> None:
    wire.respond(httpx.Response(200, content=PNG))
    [path] = await client.save(holder, tmp_path)
    assert PNG == path.read_bytes()


async def test_a_state_is_saved(client: AsyncRunpod, wire: Wire, tmp_path: Path) -> None:
    output = {"images": [{"filename": "a.png", "type": "base64", "data": base64.b64encode(PNG).decode()}]}
    state = JobState(id=JOB, status="COMPLETED", output=output)
    assert [tmp_path / "a.png"] == await client.save(state, tmp_path)
    wire.respond(410)
    with pytest.raises(MediaError) as caught:
        await client.save(JobState(id=JOB, status="COMPLETED", output={"image_url": URL}), tmp_path)
    assert caught.value.job_id == JOB


# Arguments and clients


async def test_wrong_arguments(client: AsyncRunpod, wire: Wire, tmp_path: Path) -> None:
    given: Any
    for given in None, 7, b"https://", [picture()]:
        with pytest.raises(InvalidRequestError, match="media must be"):
            await client.fetch(given)
    for given in None, URL, [URL], [picture(), None], 7:
        with pytest.raises(InvalidRequestError, match=r"media must be .*media\.find"):
            await client.save(given, tmp_path)
    for given in 0, -1, 1.5, True, None, "1":
        with pytest.raises(InvalidRequestError, match="max_bytes must be"):
            await client.fetch(URL, max_bytes=given)
    for given in None, 7, b"folder", "a\0b":
        with pytest.raises(InvalidRequestError, match="folder must be a path"):
            await client.save(picture(), given)
    with pytest.raises(InvalidRequestError, match="timeout must be positive"):
        await client.fetch(URL, timeout=0)
    assert [] == await client.save([], tmp_path / "folder")
    assert [] == wire.sent + names(tmp_path)


async def test_a_closed_client(tmp_path: Path) -> None:
    with RawServer(serving(PNG)) as server:
        client = AsyncRunpod(KEY, base_url=server.base_url)
        url = f"http://127.0.0.1:{server.port}/horse.png"
        await client.fetch(url)
        with_options = client.with_options(timeout=LONG)
        assert await with_options.fetch(url) == PNG
        assert server.connections == 1, "clients with options share connections"
        await client.aclose()
        for each in client, with_options:
            with pytest.raises(ClientClosedError) as caught:
                await each.fetch(url)
            assert caught.value.endpoint_id is None
            with pytest.raises(ClientClosedError):
                await each.save(picture(url), tmp_path)


async def test_an_unpickled_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    with RawServer(serving(PNG)) as server:
        async with AsyncRunpod(base_url=server.base_url) as client:
            copy = pickle.loads(pickle.dumps(client))
        assert await copy.fetch(f"http://127.0.0.1:{server.port}/horse.png") == PNG
        await copy._session.engine.aclose()


async def test_connections_are_kept_for_each_host() -> None:
    with RawServer(serving(PNG)) as one, RawServer(serving(PNG)) as two:
        async with AsyncRunpod(KEY, base_url=one.base_url) as client:
            for _ in range(3):
                for server in one, two:
                    await client.fetch(f"http://127.0.0.1:{server.port}/horse.png")
        assert (1, 1) == (one.connections, two.connections)


async def test_no_server(http_backend: str) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    async with new_client(f"{url}/v2") as client:
        with pytest.raises(MediaError, match="could not be sent"):
            await client.fetch(f"{url}/horse.png", timeout=DEADLINES[-1])
