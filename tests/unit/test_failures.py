"""From an outcome to the error that people see."""

from __future__ import annotations

import pickle
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    ("status", "expected", "advice"),
    [
        *[(status, errors.APIStatusError, "a redirect to another address. Redirects are not") for status in (300, 399)],
        *[(status, errors.APIStatusError, "") for status in (402, 408, 499)],
        *[(400, errors.BadRequestError, ""), (409, errors.ConflictError, ""), (429, errors.RateLimitError, "")],
        *[(500, errors.ServerError, ""), (599, errors.ServerError, "")],
        (401, errors.AuthenticationError, "Check the API key."),
        (403, errors.PermissionDeniedError, "This API key may not use the endpoint;"),
        (404, errors.NotFoundError, "Check the endpoint id 'horse-endpoint', and that this API key may access it. Is the job id"),
        (413, TOO_LARGE, "Put large data into storage and pass a URL."),
    ],
)  # fmt: skip
def test_each_status_has_its_class_and_keeps_the_whole_response(status: int, expected: Any, advice: str) -> None:
    body = '{"error":"' + "x" * 2000 + '"}'
    error = error_for(reply(body, status, cf_ray="8a1-FRA", server="cloudflare"))
    assert (expected, status, body) == (type(error), error.status_code, error.body)
    assert ({"cf-ray": "8a1-FRA", "server": "cloudflare"}, "8a1-FRA") == (error.headers, error.request_id)
    assert (ENDPOINT, JOB) == (error.endpoint_id, error.job_id)
    # A message is read by people; what the server said is cut in it.
    assert f"HTTP {status}" in str(error)
    assert advice in str(error)
    assert len(str(error)) < 1200
    assert "job id" not in str(error_for(reply("", status), RUN_CALL))


def test_a_400_that_says_too_large_is_the_error_for_too_large() -> None:
    said = [f"the {what} too large" for what in ("body", "payload is", "Request Entity", "image is")]
    said += [f"exceeded {what} of 10MiB" for what in ("max body size", "Maximum upload size", "max size")]
    for text in [*said, "wait is too large", "the maximum of size is 3", "max token size"]:
        for body in (text, {"error": text}):
            error = error_for(reply(body, 400), RUN_CALL)
            assert (TOO_LARGE if text in said else errors.BadRequestError, 400) == (type(error), error.status_code)
            assert (text in said) == ("storage" in str(error))
        assert errors.APIStatusError is type(error_for(reply(text, 422)))


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
def test_a_message_holds_what_the_server_said(body: Any, expected: str) -> None:
    message = str(error_for(reply(body, 502)))
    assert "HTTP 502" + expected in message
    assert message.isprintable()
    assert [None] * 2 == [error_in([body]), error_in("error")]


def test_a_redirect_is_told_with_its_target_and_a_quoted_key_is_not_shown() -> None:
    answer = Response(302, {"location": "https://elsewhere.example/?key=KEY"}, b"KEY", secret="KEY")
    error = error_for(answer)
    assert "a redirect to https://elsewhere.example/?key=[key]. Redirects" in str(error)
    assert ({"location": "https://elsewhere.example/?key=[key]"}, "[key]") == (error.headers, error.body)
    assert ("Response(status=302, problem='')", "ResponseLost(reason='reset')") == (
        repr(answer),
        repr(ResponseLost("reset")),
    )


LOST = ResponseLost("ReadError: reset")
LATE = DeadlineExceeded("late", sent=True)


@pytest.mark.parametrize(
    ("outcome", "submission", "poll", "words"),
    [
        # (maybe_submitted, retryable) of a submission, and whether a poll is retryable.
        (RequestNotSent("ConnectError: refused."), (False, True), True, " could not be sent: ConnectError: refused."),
        (RequestNotSent("no certificate", final=True), (False, False), False, " could not be sent: no certificate."),
        (LOST, (True, False), True, " got no response: ReadError: reset. It may have been carried out."),
        (LATE, (True, False), True, " got no response within the timeout of 30 s. It may have been carried out"),
        (DeadlineExceeded("late", sent=False), (False, True), True, " within the timeout of 30 s. It was not sent."),
        (reply("", 429), (False, True), True, "HTTP 429, without a reason."),
        (reply("", 408), (True, False), True, "RetryPolicy(resubmit=True)"),
        (reply("", 502), (True, False), True, "twice: check the endpoint's queue first"),
        (reply("", 400), (False, False), False, "HTTP 400"),
        (reply("", 404), (False, False), False, "HTTP 404"),
    ],
)
def test_what_became_of_a_submission(outcome: Any, submission: tuple[bool, bool], poll: bool, words: str) -> None:
    for call in (RUN_CALL, Call(RUN_SYNC, ENDPOINT), Call(RETRY, ENDPOINT, JOB)):
        error = error_for(outcome, call)
        assert submission == (error.maybe_submitted, error.retryable)
        assert words in str(error)
        assert submission[0] == ("twice" in str(error))
    error = error_for(outcome)
    assert (False, poll) == (error.maybe_submitted, error.retryable)
    assert "twice" not in str(error) + str(error_for(DeadlineExceeded("late", sent=False)))


def test_an_earlier_attempt_can_leave_doubt_and_a_timeout_carries_the_last_state() -> None:
    error = error_for(reply("", 429), RUN_CALL, attempts=2, doubt=ResponseLost("cut", partial=b'{"id": "sync-1", '))
    assert (errors.RateLimitError, "sync-1", True) == (type(error), error.job_id, error.maybe_submitted)
    assert not error.retryable
    assert "(2 attempts)" in str(error)
    assert "The response was incomplete but names job 'sync-1'" in str(error)
    state: Any = object()
    assert state is error_for(LATE, state=state).state
    assert "timeout of no limit" in str(error_for(LATE, timeout=None))


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
def test_the_id_in_a_broken_response_is_not_lost(partial: bytes, expected: str | None) -> None:
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
        # Gateways give their refusals ids as well; one with a status beside it is a job's.
        (502, '{"id":"req-1","error":{"status":"down"},"status":{"a":1}}', None),
        (502, '<html><script>var beacon = {"id": "beacon-1"}</script></html>', None),
        (500, '{"id":"sync-1","status":"IN_QUEUE","error":"lost it"}', "sync-1"),
    ],
)
def test_an_id_in_a_refusal_is_seldom_that_of_a_job(status: int, body: str, expected: str | None) -> None:
    error = error_for(reply(body, status), RUN_CALL)
    assert (expected, status >= 500) == (error.job_id, error.maybe_submitted)
    assert (expected is not None) == ("names job" in str(error))


def test_a_closed_client_says_what_it_cannot_send() -> None:
    error = closed_error(STATUS_CALL)
    assert (ENDPOINT, JOB, False) == (error.endpoint_id, error.job_id, error.retryable)
    assert "Cannot send a request: the client is closed." == str(error)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry_after": formatdate(1_000_012, usegmt=True), "date": formatdate(1_000_000)}, 12.0),
        ({"retry_after": formatdate(900_000, usegmt=True)}, 0.0),
        *[({"retry_after": text}, seconds) for text, seconds in ((" 2.5 ", 2.5), ("-5", 0.0), ("soon", None))],
        ({}, None),
    ],
)
def test_a_retry_after_is_seconds_or_a_date(headers: dict[str, str], expected: float | None) -> None:
    assert expected == retry_after(reply("", 503, **headers)) == error_for(reply("", 429, **headers)).retry_after


@given(text=simulation.retry_afters | st.text(max_size=40), date=simulation.retry_afters | st.text(max_size=40))
def test_no_header_breaks_the_reading_of_it(text: str, date: str) -> None:
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
