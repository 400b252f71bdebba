from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runpod import S3Uploads
from runpod._uploads import patient_client, transfer
from tests.uploads.s3_server import BUCKET, REGION, TEST_TIMEOUT, running

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.uploads.s3_server import S3Server


@pytest.fixture(scope="session")
def _server() -> S3Server:
    return running()


@pytest.fixture
def server(_server: S3Server) -> S3Server:
    _server.reset()
    return _server


@pytest.fixture(scope="session")
def uploads_with(_server: S3Server) -> Callable[..., S3Uploads]:
    """Create S3Uploads for the bucket of the server, with other settings where given."""
    server = _server

    def create(**settings: Any) -> S3Uploads:
        defaults: dict[str, Any] = {
            "bucket": BUCKET,
            "endpoint_url": server.url,
            "region": REGION,
            "access_key_id": server.key_id,
            "secret_access_key": server.secret,
        }
        return S3Uploads(**{**defaults, **settings})

    return create


# A client takes a tenth of a second, so the tests share those of the usual settings.
@pytest.fixture(scope="session")
def uploads(uploads_with: Callable[..., S3Uploads]) -> S3Uploads:
    return uploads_with()


@pytest.fixture(scope="session")
def volume(uploads_with: Callable[..., S3Uploads]) -> S3Uploads:
    """The same for a network volume."""
    return uploads_with(mount="/runpod-volume")


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let retries follow at once, parts be as small as S3 allows, and a busy machine take long to remove them."""
    monkeypatch.setattr(patient_client, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(transfer, "PATIENCE", TEST_TIMEOUT)
    monkeypatch.setattr(transfer, "MULTIPART_THRESHOLD", 5 * 2**20)
    monkeypatch.setattr(transfer, "PART_SIZE", 5 * 2**20)
