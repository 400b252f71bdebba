"""Worker affinity: which worker the requests of a load-balancer session ask for.

docs.runpod.io, "Worker affinity": the header `X-Runpod-Worker-Id` of a response names the worker that served it. In a
request, `<id>` prefers that worker, `strict <id>` insists on it, and `strict-resume <id>` also wakes it.
"""

from __future__ import annotations

import re
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from runpod.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

WORKER_HEADER = "x-runpod-worker-id"

_WORKER_ID = re.compile(r"[\x21-\x7e]+")


class Pin(NamedTuple):
    """What one request asks for.

    Attributes:
        value: The value of the header; empty for any worker.
        worker_id: The worker that it names, or None.
        strict: Whether no other worker may serve it.
        releases: How often the session had released its worker before.
    """

    value: str
    worker_id: str | None
    strict: bool
    releases: int


class Affinity:
    """The worker of a session, and how strictly it is asked for. Threads may share it.

    Args:
        strict: Whether only that worker may serve the session.
        resume: Whether it is woken if it was scaled down. It implies `strict`.
        worker_id: The first worker; None for any.

    Raises:
        InvalidRequestError: The worker ID cannot be sent in a header.
    """

    def __init__(self, *, strict: bool = False, resume: bool = False, worker_id: object = None) -> None:
        if worker_id is not None and not (isinstance(worker_id, str) and _WORKER_ID.fullmatch(worker_id)):
            msg = "worker_id is not the ID of a worker. Pass the worker_id of another session, or omit it."
            raise InvalidRequestError(msg)
        self.strict: bool = strict or resume
        self.resume: bool = resume
        self._worker_id: str | None = worker_id
        self._releases = 0
        self._lock = Lock()

    @property
    def worker_id(self) -> str | None:
        """The ID of the worker; None before the first response, and after a release."""
        return self._worker_id

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments of an equal one."""
        return {"strict": self.strict, "resume": self.resume, "worker_id": self._worker_id}

    def pin(self) -> Pin:
        """What a request that starts now asks for."""
        with self._lock:
            worker_id, releases = self._worker_id, self._releases
        if worker_id is None:
            return Pin("", None, strict=False, releases=releases)
        prefix = "strict-resume " if self.resume else "strict " if self.strict else ""
        return Pin(prefix + worker_id, worker_id, self.strict, releases)

    def served(self, pin: Pin, headers: Mapping[str, str]) -> None:
        """Remembers the worker that a response names."""
        worker_id = headers.get(WORKER_HEADER, "").strip()
        if not _WORKER_ID.fullmatch(worker_id):
            return
        with self._lock:
            # A response to a request from before a release must not bring the old worker back. And of the first requests
            # of a strict session, which ran at once on several workers, the first response decides.
            is_settled = self.strict and self._worker_id is not None
            if pin.releases == self._releases and not is_settled:
                self._worker_id = worker_id

    def release(self) -> None:
        """Forgets the worker."""
        with self._lock:
            self._worker_id = None
            self._releases += 1
