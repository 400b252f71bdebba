"""What is said of links that do not work any more."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from runpod._protocol.links import LinkCall, refusal, span

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=timezone.utc)
URL = "https://files.example.com/horse.png"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (
            "X-Amz-Date=20260503T090000Z&X-Amz-Expires=86400&X-Amz-Signature=SECRET",
            "It was signed at 2026-05-03 09:00 UTC, valid for 24 h. It expired at 2026-05-04 09:00 UTC, 3 h ago.",
        ),
        (
            "X-Goog-Date=20260501T120000Z&X-Goog-Expires=604800&X-Goog-Signature=SECRET",
            "It was signed at 2026-05-01 12:00 UTC, valid for 7 days. Its signature is valid until 2026-05-08 12:00 UTC,",
        ),
        (f"AWSAccessKeyId=SECRET&Expires={int(NOW.timestamp()) - 90}", "It expired at 2026-05-04 11:58 UTC, 90 s ago."),
        ("se=2026-05-04T11%3A00%3A00Z&sig=SECRET", "It expired at 2026-05-04 11:00 UTC, 60 min ago."),
        ("se=2026-05-04&sig=SECRET", "It expired at 2026-05-04 00:00 UTC, 12 h ago."),
    ],
)
def test_a_presigned_url_says_how_long_it_is_valid(query: str, sentence: str) -> None:
    message = refusal(f"{URL}?{query}", 403, job_age=None, now=NOW)
    assert message.startswith(
        f"The link {URL} answered 403: it has probably expired, or its file was deleted. {sentence} "
    )
    assert "SECRET" not in message


@pytest.mark.parametrize(
    "query",
    [
        "",
        "Expires=tomorrow",
        "X-Amz-Date=yesterday&X-Amz-Expires=86400",
        "X-Amz-Date=20260503T090000Z&X-Amz-Expires=many",
        "X-Amz-Date=20260503T090000Z&X-Amz-Expires=99999999999999999",
        "se=soon&sig=SECRET",
    ],
)
def test_a_url_that_says_nothing(query: str) -> None:
    message = refusal(f"{URL}?{query}", 404, job_age=timedelta(days=3), now=NOW)
    expected = f"The link {URL} answered 404: it has probably expired, or its file was deleted. The job was submitted 3 days ago."
    assert message.startswith(f"{expected} Links in outputs are short-lived")


def test_other_statuses_may_mean_that_a_signature_has_expired() -> None:
    expired = f"{URL}?Expires={int(NOW.timestamp()) - 3600}"
    assert "has probably expired" in refusal(expired, 400, job_age=None, now=NOW)
    assert "expired" not in refusal(expired, 418, job_age=None, now=NOW)
    assert "expired" not in refusal(URL, 400, job_age=timedelta(hours=1), now=NOW)


def test_spans() -> None:
    spans = [-1, 0, 119, 120, 7199, 7200, 48 * 3600, 49 * 3600, 7 * 86400]
    assert ["0 s", "0 s", "119 s", "2 min", "119 min", "2 h", "48 h", "2 days", "7 days"] == [
        span(timedelta(seconds=seconds)) for seconds in spans
    ]


def test_a_call_shows_no_query() -> None:
    call = LinkCall(url=f"{URL}?sig=SECRET")
    assert str(call) == f"The request for {URL}"
    assert "SECRET" not in repr(call)
