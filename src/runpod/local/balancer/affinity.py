"""Worker affinity: which worker a request asks for."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["WORKER_ID_HEADER", "Affinity", "parse_affinity"]

WORKER_ID_HEADER = "x-runpod-worker-id"
"""In a request, the worker that it asks for; in a response, the worker that served it."""


@dataclass(frozen=True)
class Affinity:
    """The worker that a request asks for.

    Attributes:
        worker_id: ID of the worker; empty for any.
        strict: Whether no other worker may serve the request.
        resume: Whether to boot the worker if it was scaled down.
    """

    worker_id: str = ""
    strict: bool = False
    resume: bool = False


def parse_affinity(value: str) -> Affinity:
    """Parse the request header: `ID`, `strict ID` or `strict-resume ID`; empty for any worker."""
    mode, _, worker_id = value.strip().partition(" ")
    if mode in {"strict", "strict-resume"} and worker_id.strip():
        return Affinity(worker_id.strip(), strict=True, resume=mode == "strict-resume")
    return Affinity(value.strip())
