# Generated from tests/_async/test_downloads.py by scripts/generate_sync.py. Do not edit.

"""`fetch` and `save` by URL: what is sent, what is retried, and servers that misbehave."""

from __future__ import annotations

import gzip
import logging
import os
import pickle
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod import (
    Runpod,
    ClientClosedError,
    InvalidRequestError,
    MediaError,
    RetryPolicy,
    RunpodTimeoutError,
)
from tests._sync.calls import INPUT, JOB, QUEUED
from tests._sync.downloads import PNG, SIGNED, URL, moved, names, ok, own_all_loops, picture, serving
from tests._sync.misbehaving import DEADLINES, LONG, SHORT, new_client
from tests.servers import BASE_URL, KEY, RawServer, Wire, free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runpod import Endpoint
    from tests.clocks import VirtualClock
    from tests.servers import Connection


# What is sent


@pytest.mark.fact("protocol-2 5: files without a key")
def test_a_download_carries_nothing_of_the_client(client: Runpod, wire: Wire) -> None:
    wire.respond(ok(**{"Set-Cookie": "tracked=1"}), ok())
    assert client.fetch(SIGNED) == PNG
    assert client.fetch(picture(SIGNED)) == PNG
    for request in wire.requests:
        assert request.headers.keys() == {"host", "accept", "accept-encoding", "user-agent"}
        assert request.headers["accept-encoding"] == "identity"
        assert str(request.url) == SIGNED
        assert KEY not in str(request.headers)


def test_a_callers_client_sends_it_without_its_own_headers_and_cookies() -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return ok(**{"Set-Cookie": "session=theirs"})

    http_client = httpx.Client(
        transport=httpx.MockTransport(handle),
        headers={"X-Internal": "secret"},
        cookies={"session": "ours"},
        auth=("user", "password"),
    )
    with http_client, Runpod(KEY, base_url=BASE_URL, http_client=http_client) as client:
        assert client.fetch(URL) == PNG
        assert client.fetch(URL) == PNG
        assert dict(http_client.cookies) == {"session": "ours"}
    assert len(seen) == 2
    for request in seen:
        assert request.headers.keys() == {"host", "accept", "accept-encoding", "user-agent"}


def test_hooks_of_a_callers_client_see_downloads() -> None:
    """The cookies of the response are not kept although the hook raises."""
    statuses: list[int] = []

    def check(response: httpx.Response) -> None:
        statuses.append(response.status_code)
        response.raise_for_status()

    missing = httpx.Response(404, headers={"Set-Cookie": "tracked=1; Domain=example.test"})
    http_client = httpx.Client(
        transport=httpx.MockTransport(lambda request: missing), event_hooks={"response": [check]}
    )
    with http_client, Runpod(KEY, base_url=BASE_URL, http_client=http_client) as client:
        with pytest.raises(MediaError, match="answered 404: it has probably expired"):
            client.fetch(SIGNED)
    assert statuses == [404]
    assert not http_client.cookies


def test_a_stalled_download_is_given_up_even_without_timeout(client: Runpod, wire: Wire) -> None:
    wire.respond(ok(), ok())
    client.fetch(URL)
    client.fetch(URL, timeout=7)
    assert [30.0, 8.0] == [request.extensions["timeout"]["read"] for request in wire.requests]


def test_no_log_has_the_query_of_a_url(
    client: Runpod, wire: Wire, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    wire.respond(503, httpx.ConnectError(f"cannot connect to {SIGNED}"), moved(f"{URL}?token=SECRET"), ok(), 403)
    with caplog.at_level(logging.DEBUG):
        client.fetch(SIGNED)
        with pytest.raises(MediaError) as caught:
            client.save(picture(SIGNED), tmp_path)
    assert URL in caplog.text
    assert "HTTP/1.1 200" in caplog.text, "httpx logs requests"
    assert "SECRET" not in caplog.text
    assert "SECRET" not in str(caught.value)


def test_no_log_of_httpcore_has_the_query_of_a_redirect(caplog: pytest.LogCaptureFixture) -> None:
    def behave(connection: Connection) -> None:
        if b"/old.png" in connection.read_request():
            connection.respond(b"", status="302 Found", headers="Location: /horse.png?sig=SECRET\r\n")
        else:
            connection.respond(PNG)

    with RawServer(behave) as server, caplog.at_level(logging.DEBUG):
        with Runpod(KEY, base_url=server.base_url) as client:
            assert client.fetch(f"http://127.0.0.1:{server.port}/old.png?sig=SECRET") == PNG
    assert "(b'Location', b'/horse.png?...')" in caplog.text
    assert "SECRET" not in caplog.text


def test_a_message_hides_the_query_and_nothing_else(client: Runpod, wire: Wire) -> None:
    wire.always(httpx.ConnectError(f"1 error for {URL}?1"))
    with pytest.raises(MediaError, match=rf"ConnectError: 1 error for {URL}\[key\]\."):
        client.fetch(f"{URL}?1")


# What is retried


def test_transient_failures_are_retried(client: Runpod, wire: Wire, clock: VirtualClock) -> None:
    wire.respond(503, httpx.Response(429, headers={"Retry-After": "7"}), ok())
    assert client.with_options(retry=RetryPolicy(max_retries=2)).fetch(URL) == PNG
    assert clock.pauses[1] == 7
    wire.respond(httpx.ConnectError("refused"), ok(PNG[:9], **{"Content-Length": "40"}), ok())
    assert client.fetch(URL) == PNG


def test_retries_that_do_not_help(client: Runpod, wire: Wire) -> None:
    wire.respond(503, 503, 503)
    with pytest.raises(MediaError, match=r"HTTP 503 \(3 attempts\)") as caught:
        client.with_options(retry=RetryPolicy(max_retries=2)).fetch(SIGNED)
    assert caught.value.retryable
    assert (None, None) == (caught.value.endpoint_id, caught.value.job_id)


@pytest.mark.fact("protocol-2 5: lifetime of files")
@pytest.mark.parametrize("status", [403, 404, 410])
def test_an_expired_link(status: int, endpoint: Endpoint, wire: Wire, tmp_path: Path) -> None:
    wire.respond(QUEUED)
    job = endpoint.run(input=INPUT)
    assert job._submitted_at is not None
    job._submitted_at -= timedelta(hours=30)
    wire.respond({**QUEUED, "status": "COMPLETED", "output": {"image_url": SIGNED}}, status)
    with pytest.raises(MediaError) as caught:
        job.save(tmp_path)
    message = str(caught.value)
    assert f"The link {URL} answered {status}: it has probably expired" in message
    assert "The job was submitted 30 h ago." in message
    assert "Run the job again" in message
    assert ("ep", JOB) == (caught.value.endpoint_id, caught.value.job_id)
    assert not caught.value.maybe_submitted
    assert [] == names(tmp_path)


def test_a_presigned_link_says_when_it_expired(client: Runpod, wire: Wire) -> None:
    start = datetime.now(timezone.utc) - timedelta(hours=27)
    wire.respond(403)
    with pytest.raises(
        MediaError, match=r"It was signed at 20.* UTC, valid for 24 h\. It expired at .* UTC, 3 h ago\."
    ):
        client.fetch(f"{URL}?X-Amz-Date={start:%Y%m%dT%H%M%SZ}&X-Amz-Expires=86400&X-Amz-Signature=SECRET")


@pytest.mark.parametrize("status", [204, 206, 400, 418])
def test_other_statuses(status: int, client: Runpod, wire: Wire) -> None:
    wire.respond(httpx.Response(status))
    with pytest.raises(MediaError, match=f"answered {status}\\."):
        client.fetch(URL)


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
def test_a_download_that_never_ends(
    behave: Callable[[Connection], None], http_backend: str, tmp_path: Path
) -> None:
    for timeout in DEADLINES:
        with RawServer(behave) as server:
            url = f"http://127.0.0.1:{server.port}/horse.png?sig=SECRET"
            with new_client(server.base_url) as client:
                with pytest.raises(RunpodTimeoutError) as caught:
                    client.save([picture(), picture(url)], tmp_path / str(timeout), timeout=timeout)
        if server.requests:
            break
    assert f"/horse.png was not downloaded within the timeout of {timeout:g} s." in str(caught.value)
    assert caught.value.message.endswith(" 1 of 2 files were saved before.")
    assert "SECRET" not in str(caught.value)
    assert not caught.value.maybe_submitted
    assert ["horse.png"] == names(tmp_path / str(timeout))


@own_all_loops
def test_a_header_that_never_ends(http_backend: str) -> None:
    with RawServer(dripping_a_header) as server:
        with new_client(server.base_url) as client:
            with pytest.raises(RunpodTimeoutError):
                client.fetch(f"http://127.0.0.1:{server.port}/horse.png", timeout=SHORT)


@pytest.mark.parametrize("behave", [resetting, ending_early])
def test_a_download_that_breaks_off(
    behave: Callable[[Connection], None], http_backend: str, tmp_path: Path
) -> None:
    with RawServer(behave) as server:
        url = f"http://127.0.0.1:{server.port}/horse.png"
        with new_client(server.base_url, retry=RetryPolicy(max_retries=1, initial_delay=timedelta(0))) as client:
            with pytest.raises(MediaError, match="2 attempts"):
                client.save(picture(url), tmp_path)
    assert [] == names(tmp_path)


def test_a_download_starts_again_from_the_beginning(http_backend: str, tmp_path: Path) -> None:
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
        with new_client(server.base_url) as client:
            url = f"http://127.0.0.1:{server.port}/horse.bin"
            (path,) = client.save(
                picture(url, "horse.bin"), tmp_path, progress=lambda done, total: counts.append((done, total))
            )
    assert large == path.read_bytes()
    assert ["horse.png"] == names(tmp_path)
    assert counts[-1] == (len(large), len(large))
    assert (0, len(large)) in counts


def test_a_download_that_is_too_large(http_backend: str, tmp_path: Path) -> None:
    with RawServer(without_end) as server:
        with new_client(server.base_url) as client:
            url = f"http://127.0.0.1:{server.port}/horse.png"
            with pytest.raises(MediaError, match=r"horse\.png is larger than max_bytes, 3,000,000"):
                client.fetch(url, max_bytes=3_000_000)
            with pytest.raises(MediaError, match="larger than max_bytes"):
                client.save(picture(url), tmp_path, max_bytes=3_000_000)
        assert len(server.requests) == 2
    assert [] == names(tmp_path)


def test_the_announced_size_is_checked_first(http_backend: str) -> None:
    def announce(connection: Connection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\n\r\n")
        connection.hang()

    with RawServer(announce) as server:
        with new_client(server.base_url) as client:
            with pytest.raises(MediaError, match="larger than max_bytes"):
                client.fetch(f"http://127.0.0.1:{server.port}/horse.png")


def test_a_stored_encoding_is_decoded_within_the_limit(http_backend: str) -> None:
    bomb = gzip.compress(PNG + bytes(5_000_000))
    with RawServer(serving(bomb, "Content-Encoding: gzip\r\n")) as server:
        with new_client(server.base_url) as client:
            url = f"http://127.0.0.1:{server.port}/horse.png"
            assert client.fetch(url, max_bytes=6_000_000) == PNG + bytes(5_000_000)
            with pytest.raises(MediaError, match="larger than max_bytes"):
                client.fetch(url, max_bytes=1_000_000)


@pytest.mark.parametrize(
    ("content", "encoding", "problem"),
    [(PNG, "gzip", "not valid gzip"), (gzip.compress(PNG)[:-9], "gzip", "incomplete"), (PNG, "br", "not supported")],
    ids=["invalid", "incomplete", "unsupported"],
)
def test_an_encoding_that_cannot_be_decoded(content: bytes, encoding: str, problem: str) -> None:
    with RawServer(serving(content, f"Content-Encoding: {encoding}\r\n")) as server:
        with new_client(server.base_url) as client:
            with pytest.raises(MediaError, match=problem):
                client.fetch(f"http://127.0.0.1:{server.port}/horse.png")
        assert len(server.requests) == 1


# Arguments and clients


def test_wrong_arguments(client: Runpod, wire: Wire, tmp_path: Path) -> None:
    given: Any
    for given in None, 7, b"https://", [picture()]:
        with pytest.raises(InvalidRequestError, match="media must be"):
            client.fetch(given)
    for given in None, URL, [URL], [picture(), None], 7:
        with pytest.raises(InvalidRequestError, match=r"media must be .*media\.find"):
            client.save(given, tmp_path)
    for given in 0, -1, 1.5, True, None, "1":
        with pytest.raises(InvalidRequestError, match="max_bytes must be"):
            client.fetch(URL, max_bytes=given)
    for given in None, 7, b"folder", "a\0b":
        with pytest.raises(InvalidRequestError, match="folder must be a path"):
            client.save(picture(), given)
    with pytest.raises(InvalidRequestError, match="timeout must be positive"):
        client.fetch(URL, timeout=0)
    assert [] == client.save([], tmp_path / "folder")
    assert [] == wire.sent + names(tmp_path)


def test_a_closed_client(tmp_path: Path) -> None:
    with RawServer(serving(PNG)) as server:
        client = Runpod(KEY, base_url=server.base_url)
        url = f"http://127.0.0.1:{server.port}/horse.png"
        client.fetch(url)
        with_options = client.with_options(timeout=LONG)
        assert with_options.fetch(url) == PNG
        assert server.connections == 1, "clients with options share connections"
        client.close()
        for each in client, with_options:
            with pytest.raises(ClientClosedError) as caught:
                each.fetch(url)
            assert caught.value.endpoint_id is None
            with pytest.raises(ClientClosedError):
                each.save(picture(url), tmp_path)


def test_an_unpickled_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    with RawServer(serving(PNG)) as server:
        with Runpod(base_url=server.base_url) as client:
            copy = pickle.loads(pickle.dumps(client))
        assert copy.fetch(f"http://127.0.0.1:{server.port}/horse.png") == PNG
        copy._session.engine.close()


def test_connections_are_kept_for_each_host() -> None:
    with RawServer(serving(PNG)) as one, RawServer(serving(PNG)) as two:
        with Runpod(KEY, base_url=one.base_url) as client:
            for _ in range(3):
                for server in one, two:
                    client.fetch(f"http://127.0.0.1:{server.port}/horse.png")
        assert (1, 1) == (one.connections, two.connections)


def test_no_server(http_backend: str) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with new_client(f"{url}/v2") as client:
        with pytest.raises(MediaError, match="could not be sent"):
            client.fetch(f"{url}/horse.png", timeout=DEADLINES[-1])
