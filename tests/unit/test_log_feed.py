"""Streams of logs, without I/O."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod._http.server_sent_events import EventParser, EventTooLargeError
from runpod._protocol.log_feed import LogFeed, LogQuery, log_query, logs_path
from runpod.models.management import LogLine

NOW = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
EVENTS = [("1", "a"), ("2", "über\u2028 b"), ("3", ""), ("4", "two\nlines"), ("4", "d")]


def body(end: str) -> bytes:
    """Server-sent events with comments, in which lines end as given."""
    lines = [": open", "", "retry: 5", ""]
    for event_id, data in EVENTS:
        lines += [f"id: {event_id}", "event: log", *(f"data: {line}" for line in data.split("\n")), ""]
    return (end.join(lines) + end).encode()


@given(st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(0, 400)))
def test_events_are_found_however_the_body_is_cut(end: str, cuts: list[int]) -> None:
    whole, parser = body(end), EventParser()
    edges = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    pieces = [whole[start:stop] for start, stop in pairwise(edges)]
    found = [(event.id, event.data) for piece in pieces for event in parser.feed(piece)]
    assert EVENTS == [each for each in found if each[0]]
    assert not parser.is_within_event


def test_an_event_that_is_not_complete_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = EventParser()
    assert [] == list(parser.feed(b"id: 1\ndata: a\n"))
    assert parser.is_within_event
    monkeypatch.setattr("runpod._http.server_sent_events.MAX_EVENT", 20)
    with pytest.raises(EventTooLargeError):
        parser.feed(b"data: b\n")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_comments_are_no_part_of_an_event(end: str) -> None:
    parser = EventParser()
    for _ in range(2):
        assert [] == list(parser.feed(f": ping{end}".encode()))
        assert not parser.is_within_event
    assert [] == list(parser.feed(f"data: a{end}: ping{end}".encode()))
    assert parser.is_within_event


def feed(**query: Any) -> LogFeed:
    return LogFeed(
        logs_path("serverless", "e/p", "workers", "w1"), LogQuery(**query), worker_id="w1", endpoint_id="e/p"
    )


def event(time: str = "2026-06-01T12:00:01Z", line: str = "a", **more: str) -> str:
    return LogLine.model_validate({"ts": time, "line": line, **more}).model_dump_json(by_alias=True, exclude_unset=True)


def test_the_first_request() -> None:
    assert "/v2/serverless/e%2Fp/workers/w1/logs?tail=7" == feed(tail=7).call.target
    since = feed(source="system", tail=None, since=NOW - timedelta(minutes=30))
    assert since.call.target.endswith("/logs?source=system&since=2026-06-01T11%3A30%3A00Z")
    assert "Last-Event-ID" not in since.headers
    assert "logs (GET /v2/serverless/e%2Fp/workers/w1/logs)" == str(since.call)


def test_an_id_that_cannot_be_a_header_is_not_sent() -> None:
    stream = feed()
    for event_id in ("ü", "a\x01", "a" * 1001):
        stream.line(event_id, event())
        assert "Last-Event-ID" not in stream.headers
    stream.line("5", event())
    assert "5" == stream.headers["Last-Event-ID"]
    # Only events have one that is new.
    stream.line("", event("2026-06-01T12:00:02Z"))
    assert "5" == stream.headers["Last-Event-ID"]


@pytest.mark.parametrize("time", ["\ud800", "a" * 10_000])
def test_what_is_no_time_is_not_sent_back(time: str) -> None:
    stream = feed()
    assert stream.line("", json.dumps({"ts": time, "line": "a"})) is not None
    assert stream.call.target.endswith("/logs?tail=0")


@pytest.mark.parametrize("data", ["", '{"ts": "2026-06-01T12:00:01Z"}', '{"line": null}'])
def test_events_without_a_line(data: str) -> None:
    stream = feed()
    assert stream.line("9", data) is None
    assert ("9", 0) == (stream.headers["Last-Event-ID"], stream.received)


@pytest.mark.parametrize(
    ("data", "line"), [("plain", "plain"), ("[1]", "[1]"), ('{"line": {"a": 1}}', '{"a": 1}'), ('"text"', '"text"')]
)
def test_lines_in_other_formats(data: str, line: str) -> None:
    found = feed().line("", data)
    assert found is not None
    assert (line, None, "w1") == (found.line, found.timestamp, found.worker_id)


def test_a_line_that_is_written_again_is_new() -> None:
    stream = feed()
    stream.opened({})
    lines = [stream.line("", event()) for _ in range(2)]
    assert None not in lines
    stream.opened({})
    # Both come again, and one more that is equal.
    assert [True, True, False] == [stream.line("", event()) is None for _ in range(3)]


def test_what_is_live() -> None:
    line = LogLine.model_validate({"ts": "2026-06-01T12:00:02.5Z"})
    for date, is_live in (
        ("Mon, 01 Jun 2026 12:00:01 GMT", True),
        ("Mon, 01 Jun 2026 12:00:02 -0000", False),
        ("x", False),
    ):
        stream = feed()
        stream.opened({"date": date})
        assert is_live == stream.is_live(line)
        assert not stream.is_live(LogLine(line="without time"))
    following = feed(follow=True)
    following.opened({"date": "Mon, 01 Jun 2026 12:00:01 GMT"})
    assert not following.is_live(line)


def test_when_all_wanted_lines_are_there() -> None:
    stream, following = feed(tail=1), feed(tail=1, follow=True)
    assert not stream.is_complete
    for each in (stream, following):
        each.line("1", event())
    assert (True, False) == (stream.is_complete, following.is_complete)
    assert feed(tail=0).is_complete
    assert not feed(tail=None, since=NOW).is_complete


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        (timedelta(hours=1), NOW - timedelta(hours=1)),
        (timedelta.max, datetime.min.replace(tzinfo=timezone.utc)),
        (datetime(2026, 6, 1, 9, tzinfo=timezone(timedelta(hours=-2))), NOW - timedelta(hours=1)),
    ],
)
def test_since(since: Any, expected: datetime) -> None:
    query = log_query(source=None, tail=None, since=since, follow=False, now=NOW)
    assert LogQuery(tail=None, since=expected) == query
    assert LogQuery() == log_query(source=None, tail=None, since=None, follow=False, now=NOW)


def test_a_time_without_a_zone_is_local() -> None:
    local = datetime(2026, 6, 1, 9)  # noqa: DTZ001 - what is tested
    query = log_query(source=None, tail=None, since=local, follow=False, now=NOW)
    assert local.astimezone(timezone.utc) == query.since


@pytest.mark.parametrize("time", [5, "yesterday", None, "2026-06-01T12:00:01.123456789Z"])
def test_any_time_is_accepted(time: Any) -> None:
    line = LogLine.model_validate({"ts": time, "line": "a"})
    assert (line.timestamp is None) == (time in {"yesterday", None})
