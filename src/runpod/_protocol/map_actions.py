"""The inputs of a run of many jobs, and what workers do with them; see `mapper`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    from typing import TypeAlias

    from runpod._protocol.request_body import RequestBody
    from runpod._protocol.retries import Attempts
    from runpod._protocol.waiter import Waiter
    from runpod.errors import RunpodError


class Stage(Enum):
    """What happens with an input."""

    READY = auto()
    SUBMITTING = auto()
    WAITING = auto()
    POLLING = auto()
    STORING = auto()
    TO_CANCEL = auto()
    CANCELLING = auto()
    ENDED = auto()


@dataclass(eq=False)
class Entry:
    """One input and its job.

    Attributes:
        index: The position of the input.
        input: The input as it was passed.
        request: The request, if it has files that are not in `body` yet.
        body: The request; empty if the job is submitted already, or before its files are read.
        output_json: The output as a bulk run stores it.
        waiter: Once it is submitted, the poller that waits for the job.
        error: Why the job is cancelled.
    """

    index: int
    input: Any = field(repr=False)
    request: RequestBody | None = field(default=None, repr=False)
    body: bytes = field(default=b"", repr=False)
    output_json: str | None = field(default=None, repr=False)
    attempts: Attempts | None = field(default=None, repr=False)
    waiter: Waiter | None = field(default=None, repr=False)
    error: RunpodError | None = None
    stage: Stage = Stage.READY

    @property
    def job_id(self) -> str | None:
        return None if self.waiter is None else self.waiter.job_id


@dataclass(frozen=True)
class Read:
    """Take the next input."""


@dataclass(frozen=True)
class Submit:
    """Make an attempt to submit this input."""

    entry: Entry


@dataclass(frozen=True)
class Poll:
    """Poll this job once."""

    entry: Entry


@dataclass(frozen=True)
class Cancel:
    """Cancel this job."""

    entry: Entry


@dataclass(frozen=True)
class Idle:
    """Wait for the wakeup, at most this many seconds."""

    seconds: float


@dataclass(frozen=True)
class Stop:
    """Nothing is left to do."""


Action: TypeAlias = Union[Read, Submit, Poll, Cancel, Idle, Stop]  # noqa: UP007 - evaluated on Python 3.10
