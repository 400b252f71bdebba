"""The latest chunks of the streams of a queue, which are kept after a client has taken them."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runpod.local.json_text import JSONText

__all__ = ["ChunkList", "KeptChunks"]

_MAX_CHUNKS = 200  # of a job
_MAX_SIZE = 64 * 1024 * 1024  # characters of all jobs


class ChunkList(NamedTuple):
    """The latest chunks of a job, oldest first, and the number of all that it ever had."""

    items: list[JSONText]
    total: int


class KeptChunks:
    """The latest chunks of each job, within a limit of their size in total. Not thread-safe.

    Beyond the limit, those of the jobs go first that have had no chunk for the longest time.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, deque[JSONText]] = OrderedDict()
        self._totals: dict[str, int] = {}
        self._size = 0

    def __repr__(self) -> str:
        return f"<KeptChunks of {len(self._kept)} jobs, {self._size} characters>"

    def add(self, job_id: str, pieces: Sequence[JSONText]) -> None:
        """Keep chunks of a job."""
        self._totals[job_id] = self._totals.get(job_id, 0) + len(pieces)
        items = self._kept.setdefault(job_id, deque())
        self._kept.move_to_end(job_id)
        for piece in pieces:
            items.append(piece)
            self._size += len(piece)
            if len(items) > _MAX_CHUNKS:
                self._size -= len(items.popleft())
        while self._size > _MAX_SIZE:
            oldest, items = next(iter(self._kept.items()))
            self._size -= len(items.popleft())
            if not items:
                del self._kept[oldest]

    def get(self, job_id: str) -> ChunkList:
        """Return the chunks of a job."""
        return ChunkList(list(self._kept.get(job_id, ())), self._totals.get(job_id, 0))

    def drop(self, job_id: str) -> None:
        """Forget the chunks of a job."""
        self._totals.pop(job_id, None)
        self._size -= sum(map(len, self._kept.pop(job_id, ())))
