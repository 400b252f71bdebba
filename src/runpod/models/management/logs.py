"""Lines of logs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from runpod.models.management._base import ManagementModel, ReceivedText, ReceivedTime

__all__ = ["LogLine"]


class LogLine(ManagementModel):
    """A line of the logs of a worker or a pod.

    Attributes:
        source: "container" for what the program prints, "system" for what the platform says about it; other values
            are kept. None if it is missing.
        line: The text, without a line break.
        timestamp: When it was written, by the clock of the platform; None if it is missing. `ts` on the wire.
        worker_id: The worker that wrote it; None for a pod.
    """

    source: ReceivedText = None
    line: str = ""
    timestamp: Annotated[ReceivedTime, Field(alias="ts")] = None
    worker_id: ReceivedText = None
