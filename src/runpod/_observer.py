"""Who is told about jobs and runs, for instrumentation. By default nobody, which costs a comparison per event.

An observer must not raise errors: what it is told about goes on in any case.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from types import TracebackType

    from runpod._base_errors import RunpodError
    from runpod._protocol.operations import Call
    from runpod.models.jobs import JobState
    from runpod.models.reports import RunReport


class Submission(Protocol):
    """The submission of one job. Each of its requests is sent within it, as a context manager."""

    def __enter__(self) -> object: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...

    def submitted(self, state: JobState[Any], attempts: int) -> None:
        """The job was submitted, with the last of so many attempts. It may have ended already."""

    def failed(self, error: BaseException | None, attempts: int, *, in_doubt: bool) -> None:
        """It was given up. Has no effect after `submitted`."""


class Run(Protocol):
    """A run of many jobs."""

    def enter(self) -> None:
        """Called at the start of each of its workers, in the worker's own context."""

    # The submission of one of its inputs begins.
    def submission(self) -> Submission: ...

    def ended(self, report: RunReport, error: BaseException | None) -> None:
        """Nothing is left to do. Can be called more than once."""


class Observer(Protocol):
    """What is told about jobs and runs."""

    # A submission begins.
    def submission(self, endpoint_id: str, base_url: str) -> Submission: ...

    # A run begins.
    def run(self, kind: Literal["map", "bulk"], endpoint_id: str, base_url: str) -> Run: ...

    def received(self, call: Call, state: JobState[Any]) -> None:
        """A response has the state of a job."""

    def lost(self, endpoint_id: str, job_id: str, error: RunpodError) -> None:
        """A job no longer exists."""

    # What a pickled handle of the job takes along to other processes.
    def carrier(self, endpoint_id: str, job_id: str) -> Mapping[str, str]: ...

    def adopt(self, endpoint_id: str, job_id: str, carrier: Mapping[str, str]) -> None:
        """Takes the `carrier` of a handle that was unpickled."""


# Read once where it is used: another thread can replace it.
current: Observer | None = None

_UNOBSERVED = nullcontext()


def submission(endpoint_id: str, base_url: str) -> Submission | None:
    """Tells that a submission begins. Returns what is told about it."""
    observer = current
    return None if observer is None else observer.submission(endpoint_id, base_url)


def sending(observed: Submission | None) -> AbstractContextManager[object]:
    """Within it, a request of the submission is sent."""
    return _UNOBSERVED if observed is None else observed


def run(kind: Literal["map", "bulk"], endpoint_id: str, base_url: str) -> Run | None:
    """Tells that a run begins. Returns what is told about it."""
    observer = current
    return None if observer is None else observer.run(kind, endpoint_id, base_url)


def received(call: Call, state: JobState[Any]) -> None:
    """Tells about the state of a job in the response to a call, unless it is that to its submission."""
    observer = current
    if observer is not None and call.job_id is not None:
        observer.received(call, state)


def lost(endpoint_id: str, job_id: str, error: RunpodError) -> None:
    """Tells that a job no longer exists."""
    observer = current
    if observer is not None:
        observer.lost(endpoint_id, job_id, error)


def carrier(endpoint_id: str, job_id: str) -> Mapping[str, str]:
    """What a pickled handle of the job takes along to other processes; empty without an observer."""
    observer = current
    return {} if observer is None else observer.carrier(endpoint_id, job_id)


def adopt(endpoint_id: str, job_id: str, carrier: Mapping[str, str]) -> None:
    """Passes on what an unpickled handle took along."""
    observer = current
    if observer is not None and carrier:
        observer.adopt(endpoint_id, job_id, carrier)
