"""From an outcome to the error that people see."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod import (
    APIConnectionError,
    APIStatusError,
    BadRequestError,
    PayloadTooLargeError,
    RateLimitError,
    RunpodError,
    RunpodTimeoutError,
    ServerError,
)
from runpod._protocol.failures import failure
from runpod._protocol.operations import CANCEL, RETRY, RUN, RUN_SYNC, STATUS, Call
from runpod._protocol.outcomes import Answer, NoAnswer, NotSent, TooLate
from tests.unit.machines import ENDPOINT, ERROR_CLASSES, JOB, deadline, reply

RUN_CALL = Call(RUN, ENDPOINT, body=b'{"input":{"prompt":"PLANTED-INPUT"}}')
STATUS_CALL = Call(STATUS, ENDPOINT, JOB)


def error_for(outcome: Any, call: Call = STATUS_CALL, timeout: float | None = 30.0, **options: Any) -> Any:
    return failure(call, outcome, deadline(timeout), **options)


@pytest.mark.parametrize(("status", "expected"), [*ERROR_CLASSES.items(), (599, ServerError), (418, APIStatusError)])
def test_each_status_has_its_class_and_keeps_the_whole_answer(status: int, expected: type[APIStatusError]) -> None:
    body = '{"error":"' + "x" * 2000 + '"}'
    error = error_for(reply(body, status, cf_ray="8a1-FRA", server="cloudflare"))
    assert expected is type(error)
    assert status == error.status_code
    assert body == error.body
    assert {"cf-ray": "8a1-FRA", "server": "cloudflare"} == error.headers
    assert "8a1-FRA" == error.request_id
    assert (ENDPOINT, JOB) == (error.endpoint_id, error.job_id)
    # A message is read by people; what the server said is cut in it.
    assert str(status) in str(error)
    assert len(str(error)) < 1200


def test_without_a_cf_ray_there_is_no_request_id() -> None:
    assert error_for(reply("", 500)).request_id is None


@pytest.mark.parametrize(
    "body", ['{"error":"bad request: body: exceeded max body size of 10MiB"}', "request body too large"]
)
def test_the_400_that_says_too_large_is_the_error_for_too_large(body: str) -> None:
    error = error_for(reply(body, 400), RUN_CALL)
    assert PayloadTooLargeError is type(error)
    assert 400 == error.status_code
    assert "storage" in str(error)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"error":"wait is invalid"}', "wait is invalid"),
        ('{"message":"Not Found"}', "Not Found"),
        ('{"detail":"Method Not Allowed"}', "Method Not Allowed"),
        ('{"detail":[{"loc":["body"],"msg":"Field required"}]}', "Field required"),
        ('"just text"', "just text"),
        ("plain text", "plain text"),
        ("<html><head><title>502 Bad Gateway</title></head></html>", "502 Bad Gateway"),
        ("<!doctype html><p>no title", "HTML"),
        ("", "without a reason"),
        (b"\xff\xfe", "HTTP 502"),
        ("[" * 100_000, "HTTP 502"),
        ("\x1b[2Jevil\n\nnew line", "evil"),
    ],
)
def test_a_message_holds_what_the_server_said(body: Any, expected: str) -> None:
    message = str(error_for(reply(body, 502)))
    assert expected in message
    assert message.isprintable()
    assert "<html" not in message


@pytest.mark.parametrize(("status", "hint"), [(401, "API key"), (403, "API key"), (404, ENDPOINT), (413, "storage")])
def test_a_message_says_what_to_do_next(status: int, hint: str) -> None:
    assert hint in str(error_for(reply("", status)))


def test_a_404_speaks_of_a_job_where_there_is_one() -> None:
    assert "30 minutes" in str(error_for(reply("", 404)))
    assert "30 minutes" not in str(error_for(reply("", 404), RUN_CALL))


def test_a_redirect_is_told_and_not_followed() -> None:
    error = error_for(reply("", 302, location="https://elsewhere.example/login"))
    assert APIStatusError is type(error)
    assert "https://elsewhere.example/login" in str(error)
    assert "base_url" in str(error)


@pytest.mark.parametrize(
    ("outcome", "expected", "words"),
    [
        (NotSent("ConnectError: refused"), APIConnectionError, "could not be sent"),
        (NoAnswer("ReadError: reset"), APIConnectionError, "got no answer"),
        (TooLate("late", sent=True), RunpodTimeoutError, "30 s"),
        (TooLate("late", sent=False), RunpodTimeoutError, "not sent"),
    ],
)
def test_no_answer_is_told_with_its_kind(outcome: Any, expected: type[RunpodError], words: str) -> None:
    error = error_for(outcome, RUN_CALL)
    assert expected is type(error)
    assert words in str(error)


def test_a_timeout_carries_the_last_state_and_is_a_timeout_error() -> None:
    state: Any = object()
    error = error_for(TooLate("late", sent=True), state=state)
    assert error.state is state
    assert isinstance(error, TimeoutError)


@pytest.mark.parametrize("call", [RUN_CALL, Call(RUN_SYNC, ENDPOINT), Call(RETRY, ENDPOINT, JOB)])
@pytest.mark.parametrize("outcome", [NoAnswer("reset"), TooLate("late", sent=True), reply("", 502)])
def test_where_twice_would_cost_it_says_so(call: Call, outcome: Any) -> None:
    error = error_for(outcome, call)
    assert error.maybe_submitted
    assert "twice" in str(error)


@pytest.mark.parametrize("call", [STATUS_CALL, Call(CANCEL, ENDPOINT, JOB)])
@pytest.mark.parametrize("outcome", [NoAnswer("reset"), TooLate("late", sent=True), reply("", 502)])
def test_a_question_submits_nothing(call: Call, outcome: Any) -> None:
    error = error_for(outcome, call)
    assert not error.maybe_submitted
    assert "twice" not in str(error)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (NoAnswer("cut short", partial=b'{"id": "sync-1", "status": "IN_'), "sync-1"),
        (NoAnswer("cut short", partial=b'{"id":"a\\u00e9\\"b","st'), 'aé"b'),
        (TooLate("late", sent=True, partial=b'{"delayTime":5,"id":"sync-1"'), "sync-1"),
        (NoAnswer("cut short", partial=b'{"id": "syn'), None),
        (NoAnswer("cut short", partial=b'{"id": 5, '), None),
        (NoAnswer("cut short"), None),
        (NoAnswer("cut short", partial=b'{"error":"{\\"id\\": \\"not-this\\"}","id":"sync-1"'), "sync-1"),
    ],
)
def test_the_id_in_an_answer_that_broke_is_not_lost(outcome: Any, expected: str | None) -> None:
    error = error_for(outcome, RUN_CALL)
    assert expected == error.job_id
    assert error.maybe_submitted
    if expected:
        assert repr(expected) in str(error)


@pytest.mark.parametrize(
    "outcome",
    [
        reply('{"error":{"id":"err-1"}}', 400),
        reply('{"error":"unauthorized","id":"req-1"}', 401),
        reply('{"error":"slow down","id":"req-1"}', 429),
    ],
    ids=["400", "401", "429"],
)
def test_an_id_in_a_refusal_is_not_the_id_of_a_job(outcome: Answer) -> None:
    assert error_for(outcome, RUN_CALL).job_id is None


def test_a_broken_server_that_tells_of_the_job_names_it() -> None:
    error = error_for(reply('{"id":"sync-1","status":"IN_QUEUE","error":"lost it"}', 500), RUN_CALL)
    assert ("sync-1", True) == (error.job_id, error.maybe_submitted)


@pytest.mark.parametrize(
    "body",
    ['<html><script>var beacon = {"id": "beacon-1"}</script></html>', '{"id":"req-1","error":{"status":"down"}}'],
    ids=["html", "json"],
)
def test_a_page_of_a_gateway_does_not_say_that_a_job_was_submitted(body: str) -> None:
    error = error_for(reply(body, 502), RUN_CALL)
    assert error.job_id is None
    assert error.maybe_submitted
    assert "was carried out" not in str(error)


@given(
    call=st.sampled_from([RUN_CALL, STATUS_CALL]),
    outcome=st.one_of(
        st.builds(Answer, st.integers(300, 599), st.just({}), st.binary(max_size=300)),
        st.builds(
            lambda text, status: Answer(status, {}, text.encode("utf-8", "surrogatepass")),
            st.text(max_size=300),
            st.sampled_from([302, 400, 404, 429, 500]),
        ),
        st.builds(NoAnswer, st.text(), partial=st.binary(max_size=300)),
        st.builds(NotSent, st.text()),
        st.builds(TooLate, st.text(), sent=st.booleans(), partial=st.binary(max_size=300)),
    ),
    timeout=st.none() | st.floats(0.001, 1e9),
)
def test_any_outcome_becomes_one_printable_picklable_error_without_the_input(
    call: Call, outcome: Any, timeout: float | None
) -> None:
    error = error_for(outcome, call, timeout)
    assert isinstance(error, RunpodError)
    assert str(error).isprintable()
    assert "PLANTED" not in str(error) + repr(error) + repr(vars(error))
    again = pickle.loads(pickle.dumps(error))
    assert type(error) is type(again)
    assert vars(error) == vars(again)


def test_the_body_of_a_refusal_is_kept_whole_for_those_who_want_it() -> None:
    error = error_for(reply(b"\xff not utf-8", 400))
    assert isinstance(error, BadRequestError)
    assert "\ufffd not utf-8" == error.body


def test_a_rate_limit_without_a_header_has_no_moment() -> None:
    error = error_for(reply("", 429))
    assert isinstance(error, RateLimitError)
    assert error.retry_after is None
