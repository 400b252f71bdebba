"""Tests of network volumes, which respond in ways of their own (docs.runpod.io, "S3-compatible API")."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from runpod import S3Uploads, UploadError
from tests.uploads.s3_server import BUCKET, Answer, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.uploads.s3_server import S3Server

LARGE = os.urandom(2**16) * 100
BAD_GATEWAY = Answer(502, body="<html>Bad gateway</html>", headers=(("Content-Type", "text/html"),))
# The gateway has given up, but the server goes on.
TIMED_OUT = Answer(524, body="<html>A timeout occurred</html>", after=True)


def acquire(uploads: S3Uploads, file: Source) -> str:
    return uploads.acquire(file, threading.Event())


def content(server: S3Server, path: str) -> bytes:
    key = path.removeprefix("/runpod-volume/")
    data: bytes = server.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return data


@pytest.mark.fact("protocol-2 9: 502")
@pytest.mark.parametrize("operation", ["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
def test_ten_bad_gateways_are_survived(server: S3Server, volume: S3Uploads, operation: str) -> None:
    server.respond(operation, *[BAD_GATEWAY] * 10)
    data = b"horse" if operation == "PutObject" else LARGE
    assert data == content(server, acquire(volume, Source(data)))


def test_ten_bad_gateways_are_survived_by_a_deletion(server: S3Server, volume: S3Uploads) -> None:
    file = Source()
    acquire(volume, file)
    server.respond("DeleteObject", *[BAD_GATEWAY] * 10)
    assert volume.release(file, used=False) is None
    assert [] == server.objects()


@pytest.mark.fact("protocol-2 9: large files")
def test_a_completion_that_times_out_can_have_succeeded(server: S3Server, volume: S3Uploads) -> None:
    server.respond("CompleteMultipartUpload", TIMED_OUT)
    assert LARGE == content(server, acquire(volume, Source(LARGE)))
    assert (1, 1) == (server.sent("CompleteMultipartUpload"), server.sent("HeadObject"))
    assert 0 == server.sent("AbortMultipartUpload")


@pytest.mark.fact("protocol-2 9: NoSuchUpload")
def test_a_file_that_is_being_assembled_is_waited_for(server: S3Server, volume: S3Uploads) -> None:
    # As of a file that does not exist; then one that is not complete.
    server.respond("CompleteMultipartUpload", TIMED_OUT, *[Answer(404, "NoSuchUpload")] * 2)
    server.respond("HeadObject", Answer(403), Answer(200, headers=(("X-Real", "no"),)))
    assert LARGE == content(server, acquire(volume, Source(LARGE)))
    assert (3, 3) == (server.sent("CompleteMultipartUpload"), server.sent("HeadObject"))


def test_a_completion_that_never_succeeds_is_an_error(server: S3Server, volume: S3Uploads) -> None:
    server.always("CompleteMultipartUpload", Answer(524))
    with pytest.raises(UploadError, match=r"responded 524, also on retries\. Try again later\. See ") as caught:
        acquire(volume, Source(LARGE))
    assert caught.value.retryable
    assert 11 == server.sent("CompleteMultipartUpload")
    assert [] == server.objects()
    assert [] == server.parts()


def test_an_upload_that_vanished_is_an_error(server: S3Server, volume: S3Uploads) -> None:
    server.always("CompleteMultipartUpload", Answer(404, "NoSuchUpload"))
    with pytest.raises(UploadError, match="NoSuchUpload"):
        acquire(volume, Source(LARGE))
    assert [] == server.objects()


def test_an_object_of_another_size_is_not_complete(server: S3Server, volume: S3Uploads) -> None:
    server.always("CompleteMultipartUpload", Answer(524, after=True))
    server.always("HeadObject", Answer(200))
    with pytest.raises(UploadError, match="524"):
        acquire(volume, Source(LARGE))
    # What is there is removed.
    assert [] == server.objects()


@pytest.mark.fact("protocol-2 9: few operations")
def test_no_other_operations_are_used(server: S3Server, volume: S3Uploads) -> None:
    for data in (b"horse", LARGE):
        file = Source(data)
        acquire(volume, file)
        volume.release(file, used=False)
    assert {
        "PutObject",
        "CreateMultipartUpload",
        "UploadPart",
        "CompleteMultipartUpload",
        "DeleteObject",
    } == {request.operation for request in server.requests}


@pytest.mark.fact("protocol-2 9: 403")
def test_a_refusal_says_what_can_be_wrong(server: S3Server, uploads_with: Callable[..., S3Uploads]) -> None:
    volume = uploads_with(mount="/runpod-volume", region="EU-RO-1")
    server.always("PutObject", Answer(403))
    with pytest.raises(UploadError) as caught:
        acquire(volume, Source())
    for part in (
        "responded 403: the S3 API key is wrong, which is another one than the API key of the endpoints; ",
        "region and endpoint_url are not those of the data center of the network volume; ",
        f"the volume '{BUCKET}' belongs to another account; or the file does not exist.",
    ):
        assert part in str(caught.value)
    server.always("PutObject", Answer(404, "NoSuchBucket"))
    with pytest.raises(UploadError, match=r"there is no such network volume in EU-RO-1. Pass its ID as bucket."):
        acquire(volume, Source())
