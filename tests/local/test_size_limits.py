"""Size limits of outputs and chunks."""

from __future__ import annotations

import json
import logging
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod.local import Behavior
from runpod.local.jobs import output_limits
from runpod.local.json_text import encode, to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local.conftest import Serve

MIB = 1024 * 1024


def sizes(chunks: list[Any]) -> list[int]:
    return [len(json.dumps(chunk["output"], ensure_ascii=False).encode()) for chunk in chunks]


@pytest.mark.fact("protocol 1.3: size of a chunk", "protocol 1.3: how a chunk is split")
def test_yield_over_the_limit_is_split(serve: Serve) -> None:
    text, items = "ä" * MIB, list(range(300_000))

    def handler(_: dict[str, Any]) -> Iterator[Any]:
        yield "x" * (MIB - 2)  # Exactly at the limit.
        yield text
        yield items

    api = serve(handler, return_aggregate_stream=True)
    done = api.run_sync()
    assert ["x" * (MIB - 2), text, items] == done["output"]
    first, *rest = api.stream(done["id"])["stream"]
    assert [MIB] == sizes([first])
    assert max(sizes(rest)) <= MIB
    assert len(rest) > 4
    assert text + json.dumps(items, separators=(",", ":")) == "".join(chunk["output"] for chunk in rest)


@pytest.mark.fact("protocol 1.3: how a chunk is split")
@given(st.text(min_size=1), st.integers(8, 30))
def test_pieces_fit_and_join_to_the_original(text: str, limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output_limits, "CHUNK_LIMIT", limit)
        pieces = output_limits.split(encode(text))
        assert all(len(to_bytes(piece)) <= limit for piece in pieces)
        assert text == "".join(json.loads(piece) for piece in pieces)


@given(st.lists(st.text()), st.integers(1, 30) | st.none())
def test_chunks_per_response(texts: list[str], limit: int | None) -> None:
    chunks = deque(encode(text) for text in texts)
    responses = []
    while taken := output_limits.take_chunks(chunks, limit):
        responses.append(taken)
        size = sum(len(to_bytes(chunk)) for chunk in taken)
        assert limit is None or size <= limit or 1 == len(taken)
    assert [encode(text) for text in texts] == [chunk for response in responses for chunk in response]
    if limit is None:
        assert len(responses) <= 1


@pytest.mark.fact("protocol 3: chunks after the final status")
def test_chunks_can_follow_after_a_final_status(serve: Serve) -> None:
    def handler(_: dict[str, Any]) -> Iterator[str]:
        yield from ("one", "two", "three")

    api = serve(handler, behavior=Behavior(stream_reply_limit=10))
    job_id = api.run_sync()["id"]
    responses = [api.stream(job_id) for _ in range(3)]
    assert {"COMPLETED"} == {response["status"] for response in responses}
    outputs = [[chunk["output"] for chunk in response["stream"]] for response in responses]
    assert [["one", "two"], ["three"], []] == outputs


@pytest.mark.fact("protocol 1.3: output too large", "protocol 1.3: size of an output")
@pytest.mark.parametrize("value", ["x", "\0"])
def test_output_over_the_limit_is_refused(serve: Serve, caplog: pytest.LogCaptureFixture, value: str) -> None:
    width = len(json.dumps(value)) - 2
    fits = (20 * MIB - 2) // width
    api = serve(lambda job: value * job["input"]["n"])
    done = api.run_sync(n=fits)
    assert ("COMPLETED", fits) == (done["status"], len(done["output"]))
    with caplog.at_level(logging.WARNING, "runpod.local"):
        done = api.run_sync(n=fits + 1)
    assert ("COMPLETED", False) == (done["status"], "output" in done)
    assert f"output of job {done['id']} exceeds 20971520 bytes" in caplog.text


def test_error_with_an_output_over_the_limit_is_refused(serve: Serve) -> None:
    api = serve(lambda _: {"error": "no", "more": "x" * 100}, behavior=Behavior(output_limit=100))
    done = api.run_sync()
    assert ("COMPLETED", False) == (done["status"], "error" in done)


@pytest.mark.fact("protocol 1.3: size of an output")
def test_no_output_limit(serve: Serve) -> None:
    api = serve(lambda _: "x" * 21 * MIB, behavior=Behavior(output_limit=None))
    assert 21 * MIB == len(api.run_sync()["output"])
