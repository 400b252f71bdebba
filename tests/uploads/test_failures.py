"""Tests of what an error says."""

from __future__ import annotations

import pickle
import socket
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runpod import ConfigurationError, RunpodError, S3Uploads, UploadError
from tests.uploads.s3_server import BUCKET, Answer, Source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.uploads.s3_server import S3Server


def failure(uploads: S3Uploads, file: Source | None = None) -> UploadError:
    """Upload a file, which fails. Whatever the reason, the error can be pickled and holds no secret."""
    with pytest.raises(UploadError) as caught:
        uploads.acquire(file or Source(), threading.Event())
    copied = pickle.loads(pickle.dumps(caught.value))
    assert (str(caught.value), vars(caught.value)) == (str(copied), vars(copied))
    assert isinstance(caught.value, RunpodError)
    assert not caught.value.maybe_submitted
    secret = uploads._settings.secret_access_key
    assert secret is None or secret.get_secret_value() not in str(caught.value)
    assert "X-Amz" not in str(caught.value)
    return caught.value


def test_wrong_credentials(server: S3Server, uploads_with: Callable[..., S3Uploads]) -> None:
    stranger_id, stranger_secret = server.stranger
    for key_id, secret, code in (
        (server.key_id, "anothersecret", "SignatureDoesNotMatch"),
        ("AKIAUNKNOWN", server.secret, "InvalidAccessKeyId"),
        (stranger_id, stranger_secret, "AccessDenied"),
    ):
        error = failure(uploads_with(access_key_id=key_id, secret_access_key=secret))
        host = server.url.removeprefix("http://")
        assert str(error).startswith(
            f"The upload of 'horse.png' to the bucket '{BUCKET}' failed: {host} responded 403 ({code}): "
            "the credentials are wrong or have expired, or have no permission for this bucket. "
        )
        assert not error.retryable
    assert 3 == server.sent("PutObject")


def test_no_credentials(server: S3Server, uploads_with: Callable[..., S3Uploads]) -> None:
    uploads = uploads_with(access_key_id=None, secret_access_key=None)
    error = failure(uploads)
    assert "failed: there are no credentials. Pass access_key_id and secret_access_key, or set AWS_" in str(error)
    assert [] == server.requests


def test_a_pickled_copy_uses_what_boto3_finds(
    server: S3Server, uploads: S3Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = failure(pickle.loads(pickle.dumps(uploads)))
    assert "there are no credentials. They are not part of a pickled S3Uploads. Pass access_key_id" in str(error)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret)
    file = Source()
    pickle.loads(pickle.dumps(uploads)).acquire(file, threading.Event())
    assert 1 == len(server.objects())


def test_credentials_of_the_file_of_boto3(
    server: S3Server, uploads_with: Callable[..., S3Uploads], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    folder = tmp_path / ".aws"
    folder.mkdir()
    text = f"[default]\naws_access_key_id = {server.key_id}\naws_secret_access_key = {server.secret}\n"
    (folder / "credentials").write_text(text)
    uploads_with(access_key_id=None, secret_access_key=None).acquire(Source(), threading.Event())
    assert 1 == len(server.objects())


def test_a_profile_that_does_not_exist(uploads_with: Callable[..., S3Uploads], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "missing")
    with pytest.raises(ConfigurationError, match=r"boto3 cannot use the settings of the bucket: ProfileNotFound."):
        uploads_with().acquire(Source(), threading.Event())


def test_a_bucket_that_does_not_exist(server: S3Server, uploads_with: Callable[..., S3Uploads]) -> None:
    error = failure(uploads_with(bucket="missing"))
    assert "responded 404 (NoSuchBucket): there is no such bucket. Check bucket, endpoint_url and region." in str(error)
    assert not error.retryable


def test_a_name_that_no_bucket_can_have(uploads_with: Callable[..., S3Uploads]) -> None:
    error = failure(uploads_with(bucket="not!a!bucket"))
    assert "boto3 rejected the arguments of the request. Check the name of the bucket." in str(error)


@pytest.mark.fact("protocol-2 9: clock")
@pytest.mark.parametrize(
    ("ahead", "code", "expected"),
    [
        (timedelta(minutes=42), "RequestTimeTooSkewed", "the clock of this machine is 42 minutes fast. Set it"),
        (timedelta(hours=-5), "RequestTimeTooSkewed", "the clock of this machine is 5 hours slow. Set it"),
        (timedelta(hours=2), "AccessDenied", "the clock of this machine is 120 minutes fast. Set it"),
        (timedelta(minutes=3), "AccessDenied", "the credentials are wrong"),
    ],
)
def test_a_skewed_clock(server: S3Server, uploads: S3Uploads, ahead: timedelta, code: str, expected: str) -> None:
    # The difference counts, so the server's clock is the one to change.
    server.behind = ahead
    server.always("PutObject", Answer(403, code))
    assert f"responded 403 ({code}): {expected}" in str(failure(uploads))


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_a_skewed_clock_of_unknown_size(server: S3Server, uploads: S3Uploads, date: str) -> None:
    server.date = date
    server.always("PutObject", Answer(403, "RequestTimeTooSkewed"))
    assert "the clock of this machine and that of the server differ. Set it" in str(failure(uploads))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(400, "AuthorizationHeaderMalformed"), "the bucket belongs to another region or address. Check region"),
        (Answer(307, headers=(("Location", "http://127.0.0.1:1/"),)), "responded 307: the bucket belongs to another"),
        (Answer(400, "EntityTooLarge", "Too\n\u202elarge."), "responded 400 (EntityTooLarge): Too \\u202elarge."),
        (Answer(409), "responded 409: Conflict."),
        (Answer(503, "SlowDown"), "responded 503 (SlowDown), also on retries. Try again later."),
        (Answer(200), "did not respond as S3 does. Check that endpoint_url is the address of an S3 service."),
        (Answer(200, body="<html>Welcome</html>"), "did not respond as S3 does."),
    ],
)
def test_other_responses(server: S3Server, uploads: S3Uploads, answer: Answer, expected: str) -> None:
    server.always("PutObject", answer)
    error = failure(uploads)
    assert expected in str(error)
    assert (answer.status == 503) is error.retryable
    assert [] == server.objects()


@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
@pytest.mark.parametrize("body", ["<html>Welcome</html>", ""])
def test_a_server_that_does_not_speak_s3(server: S3Server, uploads: S3Uploads, operation: str, body: str) -> None:
    server.always(operation, Answer(200, body=body))
    assert "did not respond as S3 does" in str(failure(uploads, Source(bytes(6 * 2**20))))
    assert [] == server.parts()
    assert [] == server.objects()


def test_a_completion_whose_response_says_nothing_is_checked(server: S3Server, uploads: S3Uploads) -> None:
    server.respond("CompleteMultipartUpload", Answer(200, after=True))
    uploads.acquire(Source(bytes(6 * 2**20)), threading.Event())
    assert 1 == server.sent("HeadObject")


@pytest.mark.parametrize(
    ("status", "code"), [(301, "PermanentRedirect"), (307, "TemporaryRedirect"), (400, "AuthorizationHeaderMalformed")]
)
def test_a_redirect_is_not_followed(server: S3Server, uploads: S3Uploads, status: int, code: str) -> None:
    location = (("Location", f"{server.url}/{BUCKET}/x"), ("x-amz-bucket-region", "eu-west-1"))
    server.always("PutObject", Answer(status, code, headers=location))
    error = failure(uploads)
    assert f"({code}): the bucket belongs to another region or address. Pass region='eu-west-1'." in str(error)
    assert 1 == len(server.requests)


def test_nobody_listens(uploads_with: Callable[..., S3Uploads]) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        error = failure(uploads_with(endpoint_url=f"http://127.0.0.1:{port}"))
    assert f"127.0.0.1:{port} could not be reached. Check endpoint_url, region and the network." in str(error)
    assert error.retryable
    # Nothing was stored, so nothing is looked for.
    assert "may remain" not in str(error)


def test_no_tls(server: S3Server, uploads_with: Callable[..., S3Uploads]) -> None:
    error = failure(uploads_with(endpoint_url=server.url.replace("http", "https")))
    assert "the TLS connection to 127.0.0.1:" in str(error)
    assert not error.retryable


def test_a_hostile_name_is_shortened(server: S3Server, uploads: S3Uploads) -> None:
    server.always("PutObject", Answer(403, "AccessDenied"))
    error = failure(uploads, Source(name="\x1b[31m" + "x" * 500))
    assert str(error).startswith("The upload of '\\x1b[31mxxx")
    assert len(str(error)) < 600


def test_an_unknown_error_is_named(server: S3Server, uploads: S3Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: Any) -> None:
        msg = "secret"
        raise RuntimeError(msg)

    monkeypatch.setattr(uploads._transfer()._client, "put_object", fail)
    error = failure(uploads)
    assert "failed: RuntimeError. The error that caused this one has the details." in str(error)
    assert isinstance(error.__cause__, RuntimeError)
