"""Tests of transfers: parts, memory, lost connections, stops and interrupts."""

from __future__ import annotations

import _thread
import os
import pickle
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, BinaryIO

import httpx
import pytest

from runpod import S3Uploads, UploadError
from runpod._uploads import patient_client, transfer
from tests.uploads.s3_server import BUCKET, TEST_TIMEOUT, Answer, Break, Hold, Source

if TYPE_CHECKING:
    from pathlib import Path

    from tests.uploads.s3_server import S3Server

# Two parts, the last of which is smaller.
LARGE = os.urandom(2**16) * 100


def acquire(uploads: S3Uploads, file: Any, stop: threading.Event | None = None) -> str:
    return uploads.acquire(file, stop or threading.Event())


def test_a_large_file_is_sent_in_parts(server: S3Server, uploads: S3Uploads) -> None:
    data = LARGE * 2
    url = acquire(uploads, Source(data))
    assert (1, 3, 1) == tuple(map(server.sent, ("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")))
    response = httpx.get(url)
    assert data == response.content
    assert "image/png" == response.headers["content-type"]
    assert [] == server.parts()


@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
@pytest.mark.parametrize("fault", [Answer(503, "SlowDown"), Break(), Answer(400, "RequestTimeout")])
def test_each_request_of_a_large_file_is_retried(
    server: S3Server, uploads: S3Uploads, operation: str, fault: object
) -> None:
    server.respond(operation, *[fault] * 4)
    assert LARGE == httpx.get(acquire(uploads, Source(LARGE))).content
    assert [] == server.parts()


@pytest.mark.parametrize("fault", [Break(1000), Break(), Break(after=True), Answer(502), Answer(429, "SlowDown")])
def test_the_upload_of_a_small_file_is_retried(server: S3Server, uploads: S3Uploads, fault: object) -> None:
    server.respond("PutObject", *[fault] * 4)
    data = bytes(range(256)) * 1000
    assert data == httpx.get(acquire(uploads, Source(data))).content
    assert 5 == server.sent("PutObject")
    assert 1 == len(server.objects())


@pytest.mark.parametrize("operation", ["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
@pytest.mark.parametrize("fault", [Break(1000), Answer(503, "SlowDown"), Answer(403, "AccessDenied")])
def test_nothing_is_left_of_an_upload_that_fails(
    server: S3Server, uploads: S3Uploads, operation: str, fault: object
) -> None:
    server.always(operation, fault)
    with pytest.raises(UploadError) as caught:
        acquire(uploads, Source() if operation == "PutObject" else Source(LARGE))
    assert not isinstance(fault, Answer) or fault.code in str(caught.value)
    assert (not isinstance(fault, Answer) or fault.status == 503) is caught.value.retryable
    assert not caught.value.maybe_submitted
    assert "may remain" not in str(caught.value)
    assert [] == server.objects()
    assert [] == server.parts()
    assert str(caught.value) == str(pickle.loads(pickle.dumps(caught.value)))


def test_parts_that_cannot_be_removed_are_named(
    server: S3Server, uploads: S3Uploads, caplog: pytest.LogCaptureFixture
) -> None:
    server.always("UploadPart", Answer(403, "AccessDenied"))
    server.always("AbortMultipartUpload", Answer(403, "AccessDenied"))
    with pytest.raises(UploadError) as caught:
        acquire(uploads, Source(LARGE))
    name = f"s3://{BUCKET}/{server.parts()[0]['Key']}"
    assert f" {name}, or parts of it, may remain: delete it." in str(caught.value)
    assert name in caplog.text
    assert caught.value.message == pickle.loads(pickle.dumps(caught.value)).message == caught.value.args[0]


def test_an_object_that_may_exist_and_cannot_be_removed_is_named(server: S3Server, uploads: S3Uploads) -> None:
    server.always("PutObject", Break(after=True))
    server.always("DeleteObject", Answer(500))
    with pytest.raises(UploadError) as caught:
        acquire(uploads, Source())
    assert f" s3://{BUCKET}/{server.objects()[0]}, or parts of it, may remain: delete it." in str(caught.value)


def test_a_response_to_the_completion_that_is_lost_is_no_failure(server: S3Server, uploads: S3Uploads) -> None:
    server.respond("CompleteMultipartUpload", Break(after=True))
    assert LARGE == httpx.get(acquire(uploads, Source(LARGE))).content
    assert (1, 1) == (server.sent("CompleteMultipartUpload"), server.sent("HeadObject"))


@pytest.mark.parametrize(
    ("operation", "size"), [("PutObject", 1), ("PutObject", 4 * 2**20), ("UploadPart", 1), ("UploadPart", 4 * 2**20)]
)
def test_a_stop_ends_the_upload_and_removes_it(server: S3Server, uploads: S3Uploads, operation: str, size: int) -> None:
    hold, stop = Hold(size), threading.Event()
    server.respond(operation, hold)
    file = Source(LARGE[: 5 * 2**20 - 1] if operation == "PutObject" else LARGE)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(acquire, uploads, file, stop)
        assert hold.arrived.wait(TEST_TIMEOUT)
        stop.set()
        hold.released.set()
        error = call.exception(TEST_TIMEOUT)
    assert isinstance(error, UploadError)
    assert "The upload of 'horse.png' was stopped." == error.message
    assert str(error) == str(pickle.loads(pickle.dumps(error)))
    assert [] == server.objects()
    assert [] == server.parts()
    # It can be tried again.
    assert file.data == httpx.get(acquire(uploads, file)).content


def test_a_stop_ends_the_pause_before_a_retry(
    server: S3Server, uploads: S3Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient_client, "FIRST_PAUSE", 3600.0)
    monkeypatch.setattr(patient_client, "LONGEST_PAUSE", 3600.0)
    failed, stop = threading.Event(), threading.Event()

    def fail() -> Answer:
        failed.set()
        return Answer(503, "SlowDown")

    server.respond("PutObject", fail)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(acquire, uploads, Source(), stop)
        assert failed.wait(TEST_TIMEOUT)
        stop.set()
        assert "was stopped" in str(call.exception(TEST_TIMEOUT))


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_server_that_does_not_respond_cannot_delay_a_stop(
    server: S3Server,
    uploads: S3Uploads,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    interrupted: bool,
) -> None:
    monkeypatch.setattr(transfer, "PATIENCE", 0.0)
    hold, stop, deleted = Hold(), threading.Event(), threading.Event()
    server.respond("PutObject", hold)
    server.respond("DeleteObject", deleted.set)

    def end() -> None:
        assert hold.arrived.wait(TEST_TIMEOUT)
        if interrupted:
            _thread.interrupt_main()
        else:
            stop.set()

    thread = threading.Thread(target=end)
    thread.start()
    with pytest.raises(KeyboardInterrupt if interrupted else UploadError) as caught:
        acquire(uploads, Source(), stop)
    thread.join(TEST_TIMEOUT)
    assert interrupted or "or parts of it, may remain: delete it." in str(caught.value)
    assert f"s3://{BUCKET}/" in caplog.text
    # It is removed as soon as possible.
    hold.released.set()
    assert deleted.wait(TEST_TIMEOUT)


def test_nothing_is_sent_after_a_stop(server: S3Server, uploads: S3Uploads) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(UploadError, match="was stopped"):
        acquire(uploads, Source(), stop)
    assert [] == server.requests


@pytest.mark.parametrize("operation", ["PutObject", "UploadPart"])
def test_ctrl_c_removes_the_upload(server: S3Server, uploads: S3Uploads, operation: str) -> None:
    hold = Hold()
    server.respond(operation, hold)

    def interrupt() -> None:
        assert hold.arrived.wait(TEST_TIMEOUT)
        _thread.interrupt_main()
        hold.released.set()

    file = Source() if operation == "PutObject" else Source(LARGE)
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        acquire(uploads, file)
    thread.join(TEST_TIMEOUT)
    assert [] == server.objects()
    assert [] == server.parts()
    assert file.data == httpx.get(acquire(uploads, file)).content


class SparseFile:
    """A file on the disk, of zeros."""

    name, mime = "zeros.bin", "application/octet-stream"

    def __init__(self, path: Path, size: int) -> None:
        self.size = size
        self._path = path
        with path.open("wb") as file:
            file.truncate(size)

    def open(self) -> BinaryIO:
        return self._path.open("rb")


def test_a_big_file_is_never_in_memory_at_once(server: S3Server, uploads: S3Uploads, tmp_path: Path) -> None:
    file = SparseFile(tmp_path / "zeros.bin", 200 * 2**20)
    started = "<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>"
    completed = "<CompleteMultipartUploadResult><ETag>tag</ETag></CompleteMultipartUploadResult>"
    server.always("CreateMultipartUpload", Answer(200, body=started))
    server.always("UploadPart", Answer(200, headers=(("ETag", "tag"),)))
    server.always("CompleteMultipartUpload", Answer(200, body=completed))
    uploads._transfer()
    tracemalloc.start()
    try:
        acquire(uploads, file)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 40 == server.sent("UploadPart")
    # Four parts of 5 MiB, one that is being read, and what the test server keeps.
    assert peak < file.size / 4


def test_a_file_that_cannot_be_read_is_an_error(server: S3Server, uploads: S3Uploads) -> None:
    class Broken(Source):
        def open(self) -> Any:
            file = super().open()

            class Reader:
                def __getattr__(self, name: str) -> Any:
                    return getattr(file, name)

                def __enter__(self) -> Any:
                    return self

                def __exit__(self, *_: object) -> None:
                    file.close()

                def read(self, *_: object) -> bytes:
                    raise PermissionError(13, "Permission denied")

            return Reader()

    for data in (b"horse", LARGE):
        with pytest.raises(UploadError, match=r"the file could not be read \(PermissionError\)"):
            acquire(uploads, Broken(data))
    assert [] == server.objects()
    assert [] == server.parts()
