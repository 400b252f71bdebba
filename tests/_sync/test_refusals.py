# Generated from tests/_async/test_refusals.py by scripts/generate_sync.py. Do not edit.

from __future__ import annotations

import pickle
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING

import httpx
import pytest

from runpod import (
    APIStatusError,
    Runpod,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    RetryPolicy,
    ServerError,
)
from tests._sync.calls import BY_NAME, INPUT, JOB, OPERATIONS, SIMPLE, Operation, collect, name_of
from tests.servers import BASE_URL, KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod import Endpoint
    from tests.servers import Wire

CLASSES = {
    400: BadRequestError,
    401: AuthenticationError,
    402: APIStatusError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: APIStatusError,
    408: APIStatusError,
    409: ConflictError,
    410: APIStatusError,
    413: PayloadTooLargeError,
    418: APIStatusError,
    422: APIStatusError,
    429: RateLimitError,
    500: ServerError,
    502: ServerError,
    503: ServerError,
    504: ServerError,
    520: ServerError,
    524: ServerError,
    599: ServerError,
}


@pytest.fixture
def endpoint(wire: Wire) -> Iterator[Endpoint]:
    """One that asks once."""
    with Runpod(KEY, base_url=BASE_URL, retry=RetryPolicy(max_retries=0)) as client:
        yield client.endpoint("ep")


@pytest.mark.parametrize(("status", "error_class"), CLASSES.items())
@pytest.mark.parametrize("name", ["run", "status"])
def test_every_status_has_its_class(
    name: str, status: int, error_class: type[APIStatusError], endpoint: Endpoint, wire: Wire
) -> None:
    body = '{"error":"no horse today"}'
    headers = {"cf-ray": "8f00-FRA", "X-Other": "1"}
    wire.say(httpx.Response(status, text=body, headers=headers))
    with pytest.raises(APIStatusError) as caught:
        BY_NAME[name](endpoint)

    error = caught.value
    assert error_class is type(error)
    assert status == error.status_code
    assert body == error.body
    assert "8f00-FRA" == error.request_id == error.headers["cf-ray"]
    assert "1" == error.headers["x-other"]
    assert "ep" == error.endpoint_id
    assert (None if name == "run" else JOB) == error.job_id
    for part in (str(status), "no horse today", "'ep'", name):
        assert part in str(error)
    assert 1 == len(wire.requests)


@pytest.mark.parametrize("operation", SIMPLE, ids=name_of)
@pytest.mark.parametrize("status", CLASSES)
def test_whether_a_refused_submission_may_be_out_there(
    operation: Operation, status: int, endpoint: Endpoint, wire: Wire
) -> None:
    wire.say(status)
    with pytest.raises(APIStatusError) as caught:
        operation(endpoint)
    # Behind these a server may have done what it was asked to.
    expected = not operation.repeatable and (status >= 500 or status == 408)
    assert expected is caught.value.maybe_submitted
    assert expected is ("may have been carried out" in str(caught.value))


@pytest.mark.parametrize("status", [400, 401, 403, 409, 422])
@pytest.mark.parametrize("name", ["status_sync", "stream"])
def test_a_refusal_ends_waiting_and_streaming(
    name: str, status: int, endpoint: Endpoint, wire: Wire
) -> None:
    # A 400 can mean that a server has no long polls, so waiting looks once more.
    wire.say(*[status] * (2 if (name, status) == ("status_sync", 400) else 1))
    with pytest.raises(CLASSES[status]) as caught:
        BY_NAME[name](endpoint)
    assert status == caught.value.status_code
    assert JOB == caught.value.job_id


def test_an_unknown_job_is_a_404_for_waiting_and_streaming(endpoint: Endpoint, wire: Wire) -> None:
    wire.always(404)
    with pytest.raises(NotFoundError, match=JOB):
        endpoint.status_sync(JOB)
    with pytest.raises(NotFoundError, match=JOB):
        endpoint.job(JOB).wait()
    with pytest.raises(NotFoundError, match=JOB):
        collect(endpoint.stream(JOB))


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ('{"error":"plain"}', "plain"),
        ('{"error":{"code":7}}', '{"code": 7}'),
        ('{"message":"from the gateway"}', "from the gateway"),
        ('{"detail":"Method Not Allowed"}', "Method Not Allowed"),
        ('{"detail":[{"loc":["body","input"]}]}', '"loc"'),
        ('{"error":"","message":"the second"}', "the second"),
        ('"just text"', "just text"),
        ("404 page not found\n", "404 page not found"),
        ("<html><head><title>502: Bad gateway</title></head></html>", "502: Bad gateway"),
        ("<!DOCTYPE html><p>x</p>", "HTML"),
        ("", "without a reason"),
        ("[" * 100_000, "[[["),
        ("\xff\xfe\x00", "HTTP 503"),
        ("x" * 5_000_000, "5000000 characters"),
        ("\x1b[31mred", "\\x1b[31mred"),
    ],
    ids=range(15),
)
def test_what_the_server_said_is_in_the_message(
    body: str, part: str, endpoint: Endpoint, wire: Wire
) -> None:
    wire.say(httpx.Response(503, content=body.encode("latin-1")))
    with pytest.raises(ServerError) as caught:
        endpoint.health()
    message = str(caught.value)
    assert part in message
    assert len(message) < 1000
    assert "\n" not in message
    assert body.encode("latin-1").decode("utf-8", "replace") == caught.value.body


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, '{"error":"bad request: body: exceeded max body size of 10MiB"}'),
        (413, ""),
        (413, "<html>Request Entity Too Large</html>"),
    ],
)
def test_a_body_that_is_too_large(status: int, body: str, endpoint: Endpoint, wire: Wire) -> None:
    wire.say(httpx.Response(status, text=body))
    with pytest.raises(PayloadTooLargeError, match="URL") as caught:
        endpoint.run(input=INPUT)
    assert (status, False) == (caught.value.status_code, caught.value.maybe_submitted)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "-5"}, 0.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "86400000"}, 86_400_000.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:27:00 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0.0),
    ],
)
def test_retry_after(
    headers: dict[str, str], expected: float | None, endpoint: Endpoint, wire: Wire
) -> None:
    wire.say(httpx.Response(429, headers=headers))
    with pytest.raises(RateLimitError) as caught:
        endpoint.run(input=INPUT)
    assert expected == caught.value.retry_after
    assert caught.value.maybe_submitted is False


def test_retry_after_as_a_date_by_our_own_clock(endpoint: Endpoint, wire: Wire) -> None:
    moment = datetime.now(timezone.utc) + timedelta(hours=1)
    wire.say(httpx.Response(429, headers={"Retry-After": format_datetime(moment, usegmt=True)}))
    with pytest.raises(RateLimitError) as caught:
        endpoint.run(input=INPUT)
    assert caught.value.retry_after == pytest.approx(3600, abs=60)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("operation", SIMPLE, ids=name_of)
def test_a_redirect_is_an_error_and_the_key_stays_here(
    operation: Operation, status: int, endpoint: Endpoint, wire: Wire
) -> None:
    wire.say(httpx.Response(status, headers={"Location": "https://elsewhere.test/v2/ep"}))
    with pytest.raises(APIStatusError, match=r"elsewhere\.test.*base_url") as caught:
        operation(endpoint)
    assert status == caught.value.status_code
    assert caught.value.maybe_submitted is False
    assert ["api.example.test"] == [request.url.host for request in wire.requests]


@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
def test_a_callers_client_that_follows_redirects_does_not_for_us(operation: Operation, wire: Wire) -> None:
    wire.say(httpx.Response(307, headers={"Location": "https://elsewhere.test/v2/ep"}))
    with httpx.Client(follow_redirects=True) as http_client:
        client = Runpod(KEY, base_url=BASE_URL, http_client=http_client)
        with pytest.raises(APIStatusError, match="redirect"):
            operation(client.endpoint("ep"))
    assert ["api.example.test"] == [request.url.host for request in wire.requests]


@pytest.mark.parametrize(("status", "error_class"), CLASSES.items())
def test_errors_survive_pickling(
    status: int, error_class: type[APIStatusError], endpoint: Endpoint, wire: Wire
) -> None:
    headers = {"Retry-After": "3", "cf-ray": "ray"}
    wire.say(httpx.Response(status, json={"error": "no", "id": "job-of-the-answer"}, headers=headers))
    with pytest.raises(APIStatusError) as caught:
        endpoint.run(input=INPUT)
    again = pickle.loads(pickle.dumps(caught.value))
    assert error_class is type(again)
    assert vars(caught.value) == vars(again)
    assert str(caught.value) == str(again)
