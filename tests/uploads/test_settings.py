"""Tests of the settings of S3Uploads, which need no server."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from runpod import ConfigurationError, S3Uploads
from runpod.uploads import UploadSource

SECRET = "secretsecretsecret"


def test_the_defaults() -> None:
    uploads = S3Uploads(bucket="inputs")
    found = uploads.bucket, uploads.endpoint_url, uploads.region, uploads.prefix, uploads.threshold, uploads.mount
    assert ("inputs", None, None, "", 5_000_000, None) == found
    assert timedelta(hours=24) == uploads.expires
    assert "runpod.uploads" == UploadSource.__module__


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bucket": 5}, "bucket must be a str, not int."),
        ({"bucket": " "}, "bucket is blank."),
        ({"bucket": "s3://horses"}, "bucket must be the name alone, such as 'my-bucket', not 's3://horses'."),
        ({"bucket": "a\nb"}, "bucket must be the name alone"),
        ({"endpoint_url": "s3.example.com"}, "endpoint_url must be the http(s) address"),
        ({"endpoint_url": "ftp://s3.example.com"}, "endpoint_url must be the http(s) address"),
        ({"endpoint_url": "https://key:hidden@s3.example.com"}, "without credentials or a query"),
        ({"endpoint_url": "https://s3.example.com?token=hidden"}, "without credentials or a query"),
        ({"endpoint_url": "https://[hidden"}, "endpoint_url must be the http(s) address"),
        ({"endpoint_url": "https://s3.example.com:port"}, "endpoint_url must be the http(s) address"),
        ({"endpoint_url": "https://"}, "endpoint_url must be the http(s) address"),
        ({"region": ""}, "region is blank."),
        ({"region": "eu/west"}, "region must be the name of a region"),
        ({"access_key_id": "AKIA"}, "access_key_id needs secret_access_key. Pass both, or neither"),
        ({"secret_access_key": "hidden"}, "secret_access_key needs access_key_id. Pass both, or neither"),
        ({"access_key_id": "AKIA", "secret_access_key": ""}, "secret_access_key is blank."),
        ({"access_key_id": "AKIA", "secret_access_key": "hidden\n"}, "secret_access_key contains a line break"),
        ({"access_key_id": "AK IA", "secret_access_key": "hidden"}, "access_key_id contains a line break"),
        ({"prefix": None}, "prefix must be a str, not NoneType."),
        ({"prefix": "a/../b"}, "prefix must not contain '.' or '..'"),
        ({"prefix": "./a"}, "prefix must not contain '.' or '..'"),
        ({"prefix": "a\\b"}, "prefix must not contain '.' or '..', a backslash"),
        ({"prefix": "a\0b"}, "prefix must not contain '.' or '..', a backslash or a control character"),
        ({"prefix": "ä" * 351}, "prefix is too long (702 bytes). The limit is 700 bytes."),
        ({"threshold": -1}, "threshold must not be negative, got -1. Pass 0 to upload every file."),
        ({"threshold": True}, "threshold must be an int, a number of bytes, not bool."),
        ({"threshold": 1.5}, "threshold must be an int, a number of bytes, not float."),
        ({"expires": 3600}, "expires must be a timedelta, such as timedelta(hours=24), not int."),
        ({"expires": timedelta(0)}, "expires must be at least one second, got 0:00:00."),
        ({"expires": timedelta(days=-1)}, "expires must be at least one second"),
        ({"expires": timedelta(days=7, seconds=1)}, "expires is 7 days, 0:00:01, but S3 allows at most seven days."),
        ({"mount": "runpod-volume", "region": "EU-RO-1"}, "mount must be the absolute path of the network volume"),
        ({"mount": "/a/../b", "region": "EU-RO-1"}, "mount must be the absolute path of the network volume"),
        ({"mount": "/runpod-volume"}, "mount needs region, the data center of the network volume"),
        ({"endpoint_url": "https://s3api-eu-ro-1.runpod.io"}, "Network volumes of Runpod have no presigned URLs."),
        ({"region": "EU-RO-1"}, "Network volumes of Runpod have no presigned URLs. Pass mount='/runpod-volume'"),
        (
            {"endpoint_url": "https://s3api-eu-ro-1.runpod.io", "region": "US-KS-2", "mount": "/runpod-volume"},
            "region is 'US-KS-2', but endpoint_url is the address of EU-RO-1.",
        ),
    ],
)
def test_an_invalid_setting_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        S3Uploads(**{"bucket": "inputs", **settings})
    assert message in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.fact("protocol-2 9: address of a volume")
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"region": "EU-RO-1"}, ("https://s3api-eu-ro-1.runpod.io/", "EU-RO-1")),
        ({"region": "eu-ro-1"}, ("https://s3api-eu-ro-1.runpod.io/", "EU-RO-1")),
        ({"endpoint_url": "https://s3api-us-ks-2.runpod.io/"}, ("https://s3api-us-ks-2.runpod.io/", "US-KS-2")),
        (
            {"endpoint_url": "https://S3API-US-KS-2.runpod.io", "region": "us-ks-2"},
            ("https://S3API-US-KS-2.runpod.io", "US-KS-2"),
        ),
        # Another service that is mounted on the workers.
        ({"endpoint_url": "http://10.1.2.3:9000", "region": "eu-1"}, ("http://10.1.2.3:9000", "eu-1")),
    ],
)
def test_the_address_of_a_network_volume_and_its_region_follow_from_each_other(
    settings: dict[str, str], expected: tuple[str, str]
) -> None:
    uploads = S3Uploads(bucket="4kuxf1t3qr", mount="/runpod-volume/", **settings)  # type: ignore[arg-type]
    assert expected == (uploads.endpoint_url, uploads.region)
    assert "/runpod-volume" == uploads.mount


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [("", ""), ("/", ""), ("a", "a/"), ("/a//b/", "a/b/"), ("Pferde/für mich", "Pferde/für mich/"), ("..a", "..a/")],
)
def test_a_prefix_ends_with_one_slash(prefix: str, expected: str) -> None:
    assert expected == S3Uploads(bucket="inputs", prefix=prefix).prefix


def test_the_credentials_are_hidden() -> None:
    uploads = S3Uploads(bucket="inputs", access_key_id="AKIAKEY", secret_access_key=SecretStr(SECRET))
    shown = f"{uploads!r} {uploads} {uploads._settings!r} {vars(uploads)}"
    assert "S3Uploads(bucket='inputs', endpoint_url=None, region=None, prefix='', threshold=5000000" in shown
    assert SECRET not in shown
    assert "AKIAKEY" not in shown


def test_a_pickle_has_the_settings_but_no_credentials() -> None:
    uploads = S3Uploads(
        bucket="inputs", access_key_id="AKIAKEY", secret_access_key=SECRET, prefix="a", threshold=7, region="eu-1"
    )
    data = pickle.dumps(uploads)
    assert b"AKIAKEY" not in data
    assert SECRET.encode() not in data
    copied = pickle.loads(pickle.dumps(pickle.loads(data)))
    assert repr(uploads) == repr(copied)
    assert copied._settings.lost_credentials


def test_a_copy_is_the_same_instance() -> None:
    uploads = S3Uploads(bucket="inputs")
    assert uploads is copy.copy(uploads)
    assert [uploads] == copy.deepcopy([uploads])


def test_boto3_is_imported_on_first_use(tmp_path: Any) -> None:
    code = "import sys; from runpod import S3Uploads; S3Uploads(bucket='b'); print('boto3' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "False" == run.stdout.strip()


def test_without_boto3_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = S3Uploads(bucket="inputs")
    monkeypatch.setattr("runpod.uploads.find_spec", lambda _: None)
    monkeypatch.setitem(sys.modules, "boto3", None)
    for action in (lambda: S3Uploads(bucket="inputs"), uploads._transfer):
        with pytest.raises(ConfigurationError) as caught:
            action()
        assert 'S3Uploads needs boto3: pip install "runpod-sdk[s3]".' == caught.value.message
