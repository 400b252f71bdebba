"""The errors that need to know nothing of jobs and responses. `runpod.errors` has all of them, and draws the tree."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable

# What every error tells beside its message.
CONTEXT = ("endpoint_id", "job_id", "maybe_submitted", "retryable")


def _restore(cls: type[RunpodError], message: str, attributes: dict[str, Any]) -> RunpodError:
    error = cls.__new__(cls, message)
    Exception.__init__(error, message)
    error.__dict__.update(attributes)
    return error


class RunpodError(Exception):
    """Base of everything the library raises.

    Args:
        message: What happened and what to do next, in words.
        details: The attributes as a mapping that JSON can hold: what `args` has behind the message.

    Attributes:
        message: What happened and what to do next, in words.
        endpoint_id: The endpoint it happened on, where there is one.
        job_id: The job it happened to, wherever an id is known, also when the id could only be
            picked from a broken response.
        maybe_submitted: True only where a request that creates or changes something (`run`,
            `run_sync`, `retry`, `purge_queue`) was sent and its fate is unknown. Sending it
            again may do it twice. Where nobody said, it is True unless the class rules it out.
        retryable: Whether the same call may be made again as it is: it can succeed, and does
            nothing twice. False for a `run_sync` whose job was submitted: wait for that job.
    """

    # Whether an error of this class leaves it open what became of a submission, unless it says so itself.
    _leaves_open: ClassVar[bool] = True
    _details: ClassVar[tuple[str, ...]] = CONTEXT

    def __init__(
        self,
        message: str = "",
        details: Mapping[str, Any] | None = None,
        /,
        *,
        endpoint_id: str | None = None,
        job_id: str | None = None,
        maybe_submitted: bool | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.endpoint_id = endpoint_id
        self.job_id = job_id
        self.maybe_submitted: bool = self._leaves_open if maybe_submitted is None else maybe_submitted
        self.retryable = retryable
        for name, value in known(details).items():
            if name in CONTEXT and value is not None:
                setattr(self, name, value)

    if not TYPE_CHECKING:

        @property
        def args(self) -> tuple[Any, ...]:
            """The message, and the attributes in a mapping that JSON can hold. `type(error)(*error.args)` is a copy."""
            values = {name: getattr(self, name) for name in self._details}
            return self.message, {name: _in_json(value) for name, value in values.items() if value is not None}

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r})"

    def __reduce__(self) -> tuple[Callable[..., RunpodError], tuple[Any, ...]]:
        return _restore, (type(self), self.message, self.__dict__.copy())


def _in_json(value: Any) -> Any:
    """A detail as JSON can hold it: the state of a job becomes a mapping in the shape of the wire."""
    if not hasattr(value, "model_dump"):
        return value
    # pydantic cannot write every output, nor every error: they may be nested too deeply.
    for exclude in (None, {"output"}, {"output", "error"}):
        with suppress(ValueError, TypeError, RecursionError):
            return value.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude=exclude)
    return {"id": value.id, "status": str(value.status)}


def known(details: Mapping[str, Any] | None) -> dict[str, Any]:
    # Whatever a copy puts there, such as a text, must not break it.
    return dict(details) if isinstance(details, Mapping) else {}


class ConfigurationError(RunpodError, ValueError):
    """The client cannot be built: no API key, a bad `base_url`, an impossible `timeout`."""

    _leaves_open = False


class InvalidRequestError(RunpodError, ValueError):
    """What you passed cannot be sent. Nothing was."""

    _leaves_open = False


class ClientClosedError(RunpodError, RuntimeError):
    """The client was closed, so nothing more can be sent. `job_id` says which job was asked about, if any."""
