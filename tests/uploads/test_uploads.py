"""Tests of S3Uploads against an S3 server: what is uploaded, shared, signed and deleted."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest

from runpod import InvalidRequestError, S3Uploads, UploadError
from tests.uploads.s3_server import BUCKET, TEST_TIMEOUT, Answer, Hold, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.uploads.s3_server import S3Server


def acquire(uploads: S3Uploads, file: Source, stop: threading.Event | None = None) -> str:
    return uploads.acquire(file, stop or threading.Event())


def path_of(url: str) -> str:
    return unquote(urlsplit(url).path)


class Crowd(Source):
    """A source that tells when several threads have asked for it: each does so while it holds the lock."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._threads: set[int] = set()
        self.complete = threading.Event()

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        self._threads.add(threading.get_ident())
        if len(self._threads) == self._size:
            self.complete.set()
        return id(self)


def test_a_url_gives_the_file_to_anybody(server: S3Server, uploads: S3Uploads) -> None:
    url = acquire(uploads, Source(b"horse"))
    response = httpx.get(url)
    assert (200, b"horse", "image/png") == (response.status_code, response.content, response.headers["content-type"])
    query = parse_qs(urlsplit(url).query)
    assert (["AWS4-HMAC-SHA256"], ["86400"]) == (query["X-Amz-Algorithm"], query["X-Amz-Expires"])
    assert url.startswith(f"{server.url}/{BUCKET}/")
    assert server.secret not in url
    # The server does check them.
    assert 403 == httpx.get(url[:-4] + "0000").status_code
    assert 403 == httpx.get(url.partition("?")[0]).status_code


def test_expires_is_the_lifetime_of_urls(server: S3Server, uploads_with: Callable[..., S3Uploads]) -> None:
    url = acquire(uploads_with(expires=timedelta(minutes=1, milliseconds=700)), Source())
    assert ["60"] == parse_qs(urlsplit(url).query)["X-Amz-Expires"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"region": "eu-central-1"}, "https://inputs.s3.eu-central-1.amazonaws.com/a/horse.png?X-Amz-Algorithm="),
        ({}, "https://inputs.s3.amazonaws.com/a/horse.png?"),
        ({"bucket": "my.inputs", "region": "eu-west-1"}, "https://s3.eu-west-1.amazonaws.com/my.inputs/a/horse.png?"),
        ({"endpoint_url": "https://s3.example.com/"}, "https://s3.example.com/inputs/a/horse.png?"),
        (
            {"endpoint_url": "https://example.com:9000/s3", "region": "auto"},
            "https://example.com:9000/s3/inputs/a/horse.png?",
        ),
    ],
)
def test_the_host_of_a_url(settings: dict[str, str], expected: str) -> None:
    uploads = S3Uploads(**{"bucket": "inputs", "access_key_id": "AKIA", "secret_access_key": "secret", **settings})  # type: ignore[arg-type]
    url = uploads._transfer().sign("a/horse.png")
    assert url.startswith(expected)
    assert f"%2F{settings.get('region', 'us-east-1')}%2Fs3%2Faws4_request" in url


def test_the_endpoint_that_boto3_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://s3.example.com")
    uploads = S3Uploads(bucket="inputs", access_key_id="AKIA", secret_access_key="secret")
    assert uploads._transfer().sign("horse.png").startswith("https://s3.example.com/inputs/horse.png?")


def test_requests_have_no_checksums_that_other_services_refuse(server: S3Server, uploads: S3Uploads) -> None:
    acquire(uploads, Source())
    acquire(uploads, Source(bytes(6 * 2**20)))
    operations = {request.operation for request in server.requests}
    assert {"PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"} <= operations
    for request in server.requests:
        assert not [name for name in request.headers if "checksum" in name or "trailer" in name]
        # The signature covers the content.
        assert 64 == len(request.headers.get("x-amz-content-sha256", "0" * 64))
        assert "aws-chunked" not in request.headers.get("content-encoding", "")


@pytest.mark.parametrize(
    ("name", "prefix", "expected"),
    [
        ("horse.png", "", "-horse.png"),
        ("Pferd für mich.jpeg", "Pferde/für mich", "-Pferd für mich.jpeg"),
        ("../../etc/passwd", "/a//b/", "-passwd"),
        ("C:\\horses\\one?.png", "", "-one_.png"),
        ("", "", "-file"),
        ("x" * 300 + ".png", "p" * 700, ".png"),
    ],
)
def test_the_key_has_the_prefix_a_unique_part_and_the_name(
    server: S3Server, uploads_with: Callable[..., S3Uploads], name: str, prefix: str, expected: str
) -> None:
    uploads = uploads_with(prefix=prefix)
    first, second = (acquire(uploads, Source(b"horse", name)) for _ in range(2))
    assert path_of(first) != path_of(second)
    keys = server.objects()
    assert sorted(f"/{BUCKET}/{key}" for key in keys) == sorted(map(path_of, (first, second)))
    for key in keys:
        assert key.startswith(uploads.prefix)
        assert key.endswith(expected)
        assert 32 <= len(key.removeprefix(uploads.prefix).partition("-")[0])
        assert "/" not in key.removeprefix(uploads.prefix)
    assert b"horse" == httpx.get(first).content


@pytest.mark.parametrize("mime", ["image/png\r\nX-Evil: 1", "bäd/type"])
def test_a_media_type_that_is_not_a_header_value_is_replaced(server: S3Server, uploads: S3Uploads, mime: str) -> None:
    url = acquire(uploads, Source(mime=mime))
    assert "application/octet-stream" == httpx.get(url).headers["content-type"]


def test_an_empty_file_is_uploaded(server: S3Server, uploads: S3Uploads) -> None:
    assert b"" == httpx.get(acquire(uploads, Source(b""))).content


@pytest.mark.fact("protocol-2 9: path of a file")
def test_a_network_volume_is_referred_to_by_path(server: S3Server, volume: S3Uploads) -> None:
    path = acquire(volume, Source())
    assert [f"/runpod-volume/{key}" for key in server.objects()] == [path]


def test_a_hundred_uses_are_one_upload(server: S3Server, uploads: S3Uploads) -> None:
    file = Source()
    urls = [acquire(uploads, file) for _ in range(100)]
    assert 1 == server.sent("PutObject")
    assert 1 == len(set(map(path_of, urls)))


def test_each_use_gets_a_url_that_is_signed_anew(
    server: S3Server, uploads: S3Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed: list[Any] = []
    transfer = uploads._transfer()
    monkeypatch.setattr(transfer, "sign", lambda key: f"{signed.append(key)}{len(signed)}")
    file = Source()
    assert ["None1", "None2"] == [acquire(uploads, file) for _ in range(2)]


def test_threads_that_need_the_same_file_share_the_upload(server: S3Server, uploads: S3Uploads) -> None:
    file, hold = Crowd(8), Hold()
    server.respond("PutObject", hold)
    with ThreadPoolExecutor(8) as pool:
        urls = [pool.submit(acquire, uploads, file) for _ in range(8)]
        assert hold.arrived.wait(TEST_TIMEOUT)
        assert file.complete.wait(TEST_TIMEOUT)
        hold.released.set()
        paths = {path_of(url.result(TEST_TIMEOUT)) for url in urls}
    assert 1 == len(paths)
    assert 1 == server.sent("PutObject")
    # The file stays until the last use has failed.
    assert [None] * 8 == [uploads.release(file, used=False) for _ in range(8)]
    assert 1 == server.sent("DeleteObject")
    assert [] == server.objects()


def test_threads_that_wait_for_an_upload_share_its_error(server: S3Server, uploads: S3Uploads) -> None:
    file = Crowd(8)

    def fail() -> Answer:
        assert file.complete.wait(TEST_TIMEOUT)
        return Answer(403, "AccessDenied")

    server.always("PutObject", fail)
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(acquire, uploads, file) for _ in range(8)]
        errors = [call.exception(TEST_TIMEOUT) for call in calls]
    assert {UploadError} == set(map(type, errors))
    assert 8 == len(set(map(id, errors)))
    assert 1 == len(set(map(str, errors)))
    assert 1 == server.sent("PutObject")


def test_the_next_use_after_a_failed_upload_tries_again(server: S3Server, uploads: S3Uploads) -> None:
    file = Source()
    server.respond("PutObject", Answer(403, "AccessDenied"))
    with pytest.raises(UploadError):
        acquire(uploads, file)
    assert 200 == httpx.get(acquire(uploads, file)).status_code


def test_a_thread_whose_upload_was_stopped_leaves_it_to_one_that_waits(server: S3Server, uploads: S3Uploads) -> None:
    file, hold, stop = Crowd(2), Hold(), threading.Event()
    server.respond("PutObject", hold)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(acquire, uploads, file, stop)
        assert hold.arrived.wait(TEST_TIMEOUT)
        second = pool.submit(acquire, uploads, file)
        assert file.complete.wait(TEST_TIMEOUT)
        stop.set()
        hold.released.set()
        assert "was stopped" in str(first.exception(TEST_TIMEOUT))
        assert 200 == httpx.get(second.result(TEST_TIMEOUT)).status_code
    assert 1 == len(server.objects())


@pytest.mark.parametrize("moment", ["exit 1", "enter 2", "exit 2"])
def test_ctrl_c_before_or_after_an_upload_does_not_block_the_next_one(
    moment: str, server: S3Server, uploads: S3Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lock:
        """Interrupts one of its uses: the first is before the upload, the second after it."""

        def __init__(self) -> None:
            self.uses = 0

        def __enter__(self) -> None:
            self.uses += 1
            self._interrupt("enter")

        def __exit__(self, *_: object) -> None:
            self._interrupt("exit")

        def _interrupt(self, event: str) -> None:
            if moment == f"{event} {self.uses}":
                raise KeyboardInterrupt

    file = Source()
    with monkeypatch.context() as patch:
        patch.setattr(uploads._records_here(), "_lock", Lock())
        with pytest.raises(KeyboardInterrupt):
            acquire(uploads, file)
    urls: list[str] = []
    thread = threading.Thread(target=lambda: urls.append(acquire(uploads, file)), daemon=True)
    thread.start()
    thread.join(TEST_TIMEOUT)
    assert [200] == [httpx.get(url).status_code for url in urls]


def test_ctrl_c_while_another_thread_uploads_counts_no_use(server: S3Server, uploads: S3Uploads) -> None:
    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            raise KeyboardInterrupt

    file, hold = Source(), Hold()
    server.respond("PutObject", hold)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(acquire, uploads, file)
        assert hold.arrived.wait(TEST_TIMEOUT)
        with pytest.raises(KeyboardInterrupt):
            acquire(uploads, file, Stop())
        hold.released.set()
        first.result(TEST_TIMEOUT)
    assert uploads.release(file, used=False) is None
    assert [] == server.objects()


def test_an_old_object_is_not_used_again(server: S3Server, uploads: S3Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    # A lifecycle rule of the bucket may have deleted it.
    file, now = Source(), time.time()
    first = acquire(uploads, file)
    later = uploads.expires.total_seconds() + 3600
    monkeypatch.setattr(time, "time", lambda: now + later)
    # While it is in use, it has to be found again.
    assert path_of(first) == path_of(acquire(uploads, file))
    for _ in range(2):
        uploads.release(file, used=True)
    assert path_of(first) != path_of(acquire(uploads, file))
    assert uploads.release(file, used=False) is None
    assert [path_of(first)] == [f"/{BUCKET}/{key}" for key in server.objects()]


def test_a_thread_that_waits_can_be_stopped(server: S3Server, uploads: S3Uploads) -> None:
    file, hold, stop = Crowd(2), Hold(), threading.Event()
    server.respond("PutObject", hold)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(acquire, uploads, file)
        assert hold.arrived.wait(TEST_TIMEOUT)
        second = pool.submit(acquire, uploads, file, stop)
        assert file.complete.wait(TEST_TIMEOUT)
        stop.set()
        assert isinstance(second.exception(TEST_TIMEOUT), UploadError)
        hold.released.set()
        first.result(TEST_TIMEOUT)
    # Only one use is left.
    assert uploads.release(file, used=False) is None
    assert [] == server.objects()


def test_a_file_that_a_job_has_stays(server: S3Server, uploads: S3Uploads) -> None:
    file = Source()
    for _ in range(3):
        acquire(uploads, file)
    assert [None] * 3 == [uploads.release(file, used=used) for used in (False, True, False)]
    assert 1 == len(server.objects())
    assert 0 == server.sent("DeleteObject")
    # It can be used again.
    acquire(uploads, file)
    assert uploads.release(file, used=False) is None
    assert (1, 1) == (len(server.objects()), server.sent("PutObject"))


def test_a_file_of_a_failed_submission_is_deleted(server: S3Server, uploads: S3Uploads) -> None:
    file = Source()
    acquire(uploads, file)
    assert uploads.release(file, used=False) is None
    assert [] == server.objects()
    # One release too many, and one of a file that was never acquired.
    assert uploads.release(file, used=False) is None
    assert uploads.release(Source(), used=False) is None
    assert 1 == server.sent("DeleteObject")
    # The next use uploads it again.
    assert 200 == httpx.get(acquire(uploads, file)).status_code


def test_a_file_that_cannot_be_deleted_is_named(
    server: S3Server, uploads: S3Uploads, caplog: pytest.LogCaptureFixture
) -> None:
    file = Source()
    acquire(uploads, file)
    server.always("DeleteObject", Answer(403, "AccessDenied"))
    name = f"s3://{BUCKET}/{server.objects()[0]}"
    assert name == uploads.release(file, used=False)
    assert f"{name} was not deleted: The deletion of a file in the bucket '{BUCKET}' failed: " in caplog.text
    assert "AccessDenied" in caplog.text


def test_a_deletion_is_retried(server: S3Server, uploads: S3Uploads) -> None:
    file = Source()
    acquire(uploads, file)
    server.respond("DeleteObject", *[Answer(503, "SlowDown")] * 4)
    assert uploads.release(file, used=False) is None
    assert [] == server.objects()


def test_files_are_not_kept_alive(server: S3Server, uploads: S3Uploads) -> None:
    file = Source()
    acquire(uploads, file)
    reference = weakref.ref(file)
    del file
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("size", [500, 6 * 2**20])
def test_a_file_that_changes_during_the_upload_is_an_error(server: S3Server, uploads: S3Uploads, size: int) -> None:
    file = Source(bytes(size))

    def change() -> None:
        file.gone = True

    server.respond("PutObject", change)
    server.respond("CompleteMultipartUpload", change)
    with pytest.raises(InvalidRequestError, match=r"^The file 'horse.png' has changed\. See "):
        acquire(uploads, file)
    assert 2 == file.opened
    assert [] == server.objects()


def test_a_file_that_is_gone_is_an_error(server: S3Server, uploads: S3Uploads) -> None:
    file = Source()
    file.gone = True
    with pytest.raises(InvalidRequestError, match="has changed"):
        acquire(uploads, file)
    assert [] == server.requests


def test_an_upload_whose_url_cannot_be_signed_is_deleted(
    server: S3Server, uploads: S3Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.setattr(uploads._transfer()._client, "generate_presigned_url", fail)
    with pytest.raises(UploadError):
        acquire(uploads, Source())
    assert [] == server.objects()
