"""How much a job may give: chunks that are split, answers that are full, outputs that are refused."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from runpod.local.json_text import JSONText, decode, encode, to_bytes

if TYPE_CHECKING:
    from collections import deque

    from runpod.local.jobs.job import Outcome

__all__ = ["CHUNK_LIMIT", "accepted", "first", "split"]

logger = logging.getLogger("runpod.local")

# Bytes. "Chunk cap: 1 MB each, larger yields split". As with bodies, an MB is taken for a MiB.
CHUNK_LIMIT = 1024 * 1024


def split(chunk: JSONText) -> list[JSONText]:
    """Split a chunk that is over the limit.

    How the service does it is documented nowhere ("split format UNKNOWN"). Here the pieces of
    text are text, so that joining them gives the whole; of anything else its JSON is split.
    """
    if _fits(chunk, CHUNK_LIMIT):
        return [chunk]
    return _split(decode(chunk) if chunk.startswith('"') else str(chunk))


def _split(text: str) -> list[JSONText]:
    piece = encode(text)
    if _fits(piece, CHUNK_LIMIT):
        return [piece]
    middle = len(text) // 2
    return _split(text[:middle]) + _split(text[middle:])


def first(chunks: deque[JSONText], limit: int | None) -> list[JSONText]:
    """Take as many chunks as fit into `limit` bytes, but one at least if there is any."""
    taken: list[JSONText] = []
    size = 0
    while chunks:
        size += _size(chunks[0]) if limit is not None else 0
        if limit is not None and size > limit and taken:
            break
        taken.append(chunks.popleft())
    return taken


def accepted(outcome: Outcome, limit: int | None, job_id: str) -> Outcome:
    """Give what is left of an outcome whose output may have so many bytes.

    "oversize results are refused when the worker posts them, job shows COMPLETED without
    `output`".
    """
    if outcome.output is None or limit is None or _fits(outcome.output, limit):
        return outcome
    logger.warning(
        "The output of job %s is over %d bytes, which the service refuses: the job is COMPLETED without output. "
        "Put large outputs into a bucket, and return where.",
        job_id,
        limit,
    )
    return replace(outcome, output=None, error=None)


def _fits(text: JSONText, limit: int) -> bool:
    # No character takes more than six bytes: half a surrogate pair does, as an escape.
    return len(text) * 6 <= limit or (len(text) <= limit and _size(text) <= limit)


def _size(text: JSONText) -> int:
    return len(to_bytes(text))
