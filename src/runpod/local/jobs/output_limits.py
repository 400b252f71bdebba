"""Size limits of chunks, stream responses and outputs."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from runpod.local.json_text import JSONText, decode, encode, to_bytes

if TYPE_CHECKING:
    from collections import deque

    from runpod.local.jobs.job import Outcome

__all__ = ["CHUNK_LIMIT", "limit_output", "split", "take_chunks"]

_logger = logging.getLogger("runpod.local")

# Bytes. The documented limit of a chunk is 1 MB; larger yields are split. As with bodies, this is
# taken as 1 MiB.
CHUNK_LIMIT = 1024 * 1024


def split(chunk: JSONText) -> list[JSONText]:
    """Split a chunk that exceeds the limit.

    How the service splits it is undocumented. Here a string is split into strings, which join to
    the original; the JSON text of any other value is split.
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


def take_chunks(chunks: deque[JSONText], limit: int | None) -> list[JSONText]:
    """Take as many chunks as fit into `limit` bytes, but at least one if there is any."""
    taken: list[JSONText] = []
    size = 0
    while chunks:
        size += _size(chunks[0]) if limit is not None else 0
        if limit is not None and size > limit and taken:
            break
        taken.append(chunks.popleft())
    return taken


def limit_output(outcome: Outcome, limit: int | None, job_id: str) -> Outcome:
    """Remove an output of more than `limit` bytes from an outcome.

    The service refuses a larger result when the worker posts it, and the job is COMPLETED without
    output.
    """
    if outcome.output is None or limit is None or _fits(outcome.output, limit):
        return outcome
    _logger.warning(
        "The output of job %s exceeds %d bytes, which the service refuses: the job is COMPLETED without output. "
        "Upload large outputs to a bucket and return their URL.",
        job_id,
        limit,
    )
    return replace(outcome, output=None, error=None)


def _fits(text: JSONText, limit: int) -> bool:
    # A character takes at most six bytes: a lone surrogate, as an escape.
    return len(text) * 6 <= limit or (len(text) <= limit and _size(text) <= limit)


def _size(text: JSONText) -> int:
    return len(to_bytes(text))
