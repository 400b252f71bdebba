"""Tests of the errors made from outcomes."""

from __future__ import annotations

import pickle
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from runpod import errors
from runpod._protocol.failures import closed_error, error_in, failure, retry_after, submitted_job
from runpod._protocol.operations import RETRY, RUN, RUN_SYNC, STATUS, Call
from runpod._protocol.outcomes import DeadlineExceeded, RequestNotSent, Response, ResponseLost
from tests.unit import simulation
from tests.unit.simulation import ENDPOINT, JOB, deadline, reply

RUN_CALL = Call(RUN, ENDPOINT, body=b'{"input":{"prompt":"PLANTED-INPUT"}}')
STATUS_CALL = Call(STATUS, ENDPOINT, JOB)
TOO_LARGE = errors.PayloadTooLargeError


def error_for(outcome: Any, call: Call = STATUS_CALL, timeout: float | None = 30.0, **options: Any) -> Any:
    return failure(call, outcome, deadline(timeout), **options)


@pytest.mark.fact("protocol 1.3: 413", "protocol 4: 402", "protocol 4: 403", "protocol 4: cf-ray")
@pytest.mark.parametrize(
    ("status", "expected", "advice"),
    [
        *[(status, errors.APIStatusError, "redirect to another address. Redirects are not") for status in (300, 399)],
        *[(status, errors.APIStatusError, "") for status in (402, 408, 499)],
        *[(400, errors.BadRequestError, ""), (409, errors.ConflictError, ""), (429, errors.RateLimitError, "")],
        *[(500, errors.ServerError, ""), (599, errors.ServerError, "")],
        (401, errors.AuthenticationError, "Check the API key."),
        (403, errors.PermissionDeniedError, "This API key has no access to the endpoint;"),
        (404, errors.NotFoundError, "Check the endpoint ID 'horse-endpoint', and that this API key has access to it. Check the job ID"),
        (413, TOO_LARGE, "Upload large data to storage and pass a URL."),
    ],
)  # fmt: skip
def test_each_status_has_its_error_class(status: int, expected: Any, advice: str) -> None:
    body = '{"error":"' + "x" * 2000 + '"}'
    error = error_for(reply(body, status, cf_ray="8a1-FRA", server="cloudflare"))
    assert (expected, status, body) == (type(error), error.status_code, error.body)
    assert ({"cf-ray": "8a1-FRA", "server": "cloudflare"}, "8a1-FRA") == (error.headers, error.request_id)
    assert (ENDPOINT, JOB) == (error.endpoint_id, error.job_id)
    # The message contains a shortened body.
    assert f"HTTP {status}" in str(error)
    assert advice in str(error)
    assert len(str(error)) < 1200
    assert "job ID" not in str(error_for(reply("", status), RUN_CALL))


@pytest.mark.fact("protocol 1.3: body of /run")
def test_a_400_about_the_size_is_a_payload_too_large_error() -> None:
    too_large = [f"the {what} too large" for what in ("body", "payload is", "Request Entity", "image is")]
    too_large += [f"exceeded {what} of 10MiB" for what in ("max body size", "Maximum upload size", "max size")]
    for text in [*too_large, "wait is too large", "the maximum of size is 3", "max token size"]:
        for body in (text, {"error": text}):
            error = error_for(reply(body, 400), RUN_CALL)
            assert (TOO_LARGE if text in too_large else errors.BadRequestError, 400) == (type(error), error.status_code)
            assert (text in too_large) == ("storage" in str(error))
        assert errors.UnprocessableEntityError is type(error_for(reply(text, 422)))


@pytest.mark.fact("protocol 4: error body", "protocol 4: body of a 401")
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"error":"wait is invalid"}', ": wait is invalid."),
        ('{"error":"","message":"Not Found!"}', ": Not Found!"),
        ('{"detail":[{"msg":"Field required"}],"title":"x"}', ': [{"msg": "Field required"}].'),
        *[('{"title":"Conflict"}', ": Conflict."), ('{"id":1}', ': {"id":1}.'), ('"just text"', ": just text.")],
        *[("plain\n\n text", ": plain text."), ("", ", without a reason."), (b"\xff\xfe", ": \ufffd\ufffd.")],
        *[("[" * 100_000, ": [[["), ("\x1b[2Jevil", ": \\x1b[2Jevil.")],
        ("<html><head><title>502 Bad Gateway</title></head></html>", ": an HTML page, '502 Bad Gateway'."),
        ("<!doctype html><p>no title", ": an HTML page."),
    ],
)
def test_the_message_includes_the_error_of_the_server(body: Any, expected: str) -> None:
    message = str(error_for(reply(body, 502)))
    assert "HTTP 502" + expected in message
    assert message.isprintable()
    assert [None] * 2 == [error_in([body]), error_in("error")]


def test_any_depth_of_an_error_is_printed() -> None:
    # Near the limit, Python reads some values that it cannot write.
    for depth in range(900, 1010):
        nested = "[" * depth + "]" * depth
        for body in (f'{{"detail": {nested}}}', f'{{"detail": "x", "errors": [{nested}]}}'):
            assert "HTTP 422" in str(error_for(reply(body, 422)))


def test_a_redirect_error_names_its_target_without_its_query() -> None:
    response = Response(302, {"location": "https://elsewhere.example/?key=KEY"}, b"KEY", secret=SecretStr("KEY"))
    error = error_for(response)
    assert "redirect to https://elsewhere.example/. Redirects" in str(error)
    assert ({"location": "https://elsewhere.example/?key=[key]"}, "[key]") == (error.headers, error.body)
    assert ("Response(status=302, problem='')", "ResponseLost(reason='reset')") == (
        repr(response),
        repr(ResponseLost("reset")),
    )


LOST = ResponseLost("ReadError: reset")
LATE = DeadlineExceeded("late", sent=True)


@pytest.mark.fact("protocol 1.5: no 408")
@pytest.mark.parametrize(
    ("outcome", "submission", "poll", "words"),
    [
        # (maybe_submitted, retryable) of a submission, and whether a poll is retryable.
        (RequestNotSent("ConnectError: refused."), (False, True), True, " could not be sent: ConnectError: refused."),
        (RequestNotSent("no certificate", final=True), (False, False), False, " could not be sent: no certificate."),
        (LOST, (True, False), True, " got no response: ReadError: reset. The request may have been executed,"),
        (LATE, (True, False), True, " got no response within the timeout of 30 s. The request may have been executed"),
        (
            DeadlineExceeded("late", sent=False),
            (False, True),
            True,
            " within the timeout of 30 s. The request was not sent: late.",
        ),
        (reply("", 429), (False, True), True, "HTTP 429, without a reason."),
        (reply("", 408), (True, False), True, "RetryPolicy(resubmit=True)"),
        (reply("", 502), (True, False), True, "twice. Check the endpoint's queue first"),
        (reply("", 400), (False, False), False, "HTTP 400"),
        (reply("", 404), (False, False), False, "HTTP 404"),
    ],
)
def test_maybe_submitted_and_retryable(outcome: Any, submission: tuple[bool, bool], poll: bool, words: str) -> None:
    for call in (RUN_CALL, Call(RUN_SYNC, ENDPOINT), Call(RETRY, ENDPOINT, JOB)):
        error = error_for(outcome, call)
        assert submission == (error.maybe_submitted, error.retryable)
        assert words in str(error)
        assert submission[0] == ("twice" in str(error))
    error = error_for(outcome)
    assert (False, poll) == (error.maybe_submitted, error.retryable)
    assert "twice" not in str(error) + str(error_for(DeadlineExceeded("late", sent=False)))


def test_maybe_submitted_of_earlier_attempts_and_state_of_a_timeout() -> None:
    error = error_for(reply("", 429), RUN_CALL, attempts=2, doubt=ResponseLost("cut", partial=b'{"id": "sync-1", '))
    assert (errors.RateLimitError, "sync-1", True) == (type(error), error.job_id, error.maybe_submitted)
    assert not error.retryable
    assert "(2 attempts)" in str(error)
    assert "The response was incomplete but names job 'sync-1'" in str(error)
    state: Any = object()
    assert state is error_for(LATE, state=state).state


@pytest.mark.parametrize(
    ("partial", "expected"),
    [
        (b'{"id": "sync-1", "status": "IN_', "sync-1"),
        (b'\xef\xbb\xbf [{"delayTime":5,"id":"sync-1"', "sync-1"),
        (b'{"id":"a\\u00e9\\"b","st', 'aé"b'),
        (b'{"error":"{\\"id\\": \\"not-this\\"}","id":"sync-1"', "sync-1"),
        (b'{"output":{"id":"not-this","a":[{}]},"id":"sync-1","id":"nor-this"', "sync-1"),
        *[(b'{"output":{"id":"not-this"', None), (b'{"a" "id":"not-this", "\\x":"b"', None), (b'{"id": "syn', None)],
        *[(b'{"id": 5, ', None), (b'{"id":{"not-this":1}, ', None), (b'{"id": "", ', None), (b"<html>", None), (b"", None)],
    ],
)  # fmt: skip
def test_the_job_id_of_a_truncated_response_is_kept(partial: bytes, expected: str | None) -> None:
    for outcome in (ResponseLost("cut short", partial=partial), DeadlineExceeded("late", sent=True, partial=partial)):
        error = error_for(outcome, RUN_CALL)
        assert (expected, True) == (error.job_id, error.maybe_submitted)
        assert (expected is not None) == (f"names job {expected!r}" in str(error))
    assert expected == submitted_job(RUN_CALL, partial)
    assert submitted_job(STATUS_CALL, partial) is submitted_job(Call(RETRY, ENDPOINT, JOB), partial) is None


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, '{"error":{"id":"err-1"}}', None),
        (429, '{"error":"slow down","id":"req-1","status":"x"}', None),
        # Gateways give their error responses IDs as well; one with a status beside it is a job's.
        (502, '{"id":"req-1","error":{"status":"down"},"status":{"a":1}}', None),
        (502, '<html><script>var beacon = {"id": "beacon-1"}</script></html>', None),
        (500, '{"id":"sync-1","status":"IN_QUEUE","error":"lost it"}', "sync-1"),
    ],
)
def test_the_id_of_an_error_response_is_a_job_id_only_with_a_status(
    status: int, body: str, expected: str | None
) -> None:
    error = error_for(reply(body, status), RUN_CALL)
    assert (expected, status >= 500) == (error.job_id, error.maybe_submitted)
    assert (expected is not None) == ("names job" in str(error))


def test_client_closed_error() -> None:
    error = closed_error(STATUS_CALL)
    assert (ENDPOINT, JOB, False) == (error.endpoint_id, error.job_id, error.retryable)
    assert "Cannot send a request: the client is closed." == error.message


@pytest.mark.fact("protocol 4: Retry-After")
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry_after": formatdate(1_000_012, usegmt=True), "date": formatdate(1_000_000)}, 12.0),
        ({"retry_after": formatdate(900_000, usegmt=True)}, 0.0),
        *[({"retry_after": text}, seconds) for text, seconds in ((" 2.5 ", 2.5), ("-5", 0.0), ("soon", None))],
        ({}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], expected: float | None) -> None:
    assert expected == retry_after(reply("", 503, **headers)) == error_for(reply("", 429, **headers)).retry_after


@given(text=simulation.retry_afters | st.text(max_size=40), date=simulation.retry_afters | st.text(max_size=40))
def test_any_retry_after_header_is_accepted(text: str, date: str) -> None:
    found = retry_after(Response(503, {"retry-after": text, "date": date}))
    assert found is None or found >= 0.0


codes = st.sampled_from([302, 400, 404, 429, 500])


@given(
    call=st.sampled_from([RUN_CALL, STATUS_CALL]),
    outcome=st.one_of(
        st.builds(Response, st.integers(300, 599), st.just({}), st.binary(max_size=300)),
        st.builds(
            lambda status, text: Response(status, {"location": text}, text.encode("utf-8", "replace")), codes, st.text()
        ),
        st.builds(ResponseLost, st.text(), partial=st.binary(max_size=300)),
        st.builds(RequestNotSent, st.text()),
        st.builds(DeadlineExceeded, st.text(), sent=st.booleans(), partial=st.binary(max_size=300)),
    ),
    timeout=st.none() | st.floats(0.001, 1e9),
)
def test_any_outcome_becomes_a_printable_error_without_the_input(call: Call, outcome: Any, timeout: Any) -> None:
    error = error_for(outcome, call, timeout)
    assert isinstance(error, errors.RunpodError)
    assert str(error).isprintable()
    assert "PLANTED" not in str(error) + repr(error) + repr(vars(error)) + repr(call)
    assert vars(error) == vars(pickle.loads(pickle.dumps(error)))
    assert error.__cause__ is None
