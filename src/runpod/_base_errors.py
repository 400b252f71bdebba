"""Base errors, which do not depend on jobs and responses. `runpod.errors` documents the whole hierarchy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from runpod._links import DOCUMENTATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# The attributes of every error besides its message.
CONTEXT = ("endpoint_id", "job_id", "batch_id", "maybe_submitted", "retryable")


def _restore(cls: type[RunpodError], message: str, attributes: dict[str, Any]) -> RunpodError:
    error = cls.__new__(cls, message)
    Exception.__init__(error, message)
    error.__dict__.update(attributes)
    return error


class RunpodError(Exception):
    """Base class of all errors that the library raises.

    `str(error)` is the message, followed by the address of the documentation of its class.

    Args:
        message: What happened and what to do next.
        details: The attributes as a JSON-compatible mapping: the second item of `args`.

    Attributes:
        message: What happened and what to do next.
        endpoint_id: The endpoint of the call, or None.
        job_id: The job of the call, or None if unknown. It is set even if the ID could only be
            extracted from a broken response.
        batch_id: The batch of the call, or None.
        maybe_submitted: True if a request with side effects (`run`, `run_sync`, `retry`,
            `purge_queue`, or one that creates something) was sent and its outcome is unknown. Sending it again may execute it
            twice. If not given, it is True unless the class rules it out.
        retryable: Whether the same call can safely be repeated unchanged. False for a `run_sync`
            whose job was submitted: wait for that job.
    """

    # The default of `maybe_submitted`.
    _maybe_submitted_default: ClassVar[bool] = True
    _details: ClassVar[tuple[str, ...]] = CONTEXT

    def __init__(
        self,
        message: str = "",
        details: Mapping[str, Any] | None = None,
        /,
        *,
        endpoint_id: str | None = None,
        job_id: str | None = None,
        batch_id: str | None = None,
        maybe_submitted: bool | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.endpoint_id = endpoint_id
        self.job_id = job_id
        self.batch_id = batch_id
        self.maybe_submitted: bool = self._maybe_submitted_default if maybe_submitted is None else maybe_submitted
        self.retryable = retryable
        for name, value in details_dict(details).items():
            if name in CONTEXT and value is not None:
                setattr(self, name, value)

    if not TYPE_CHECKING:

        @property
        def args(self) -> tuple[Any, ...]:
            """The message and a JSON-compatible mapping of the attributes. `type(error)(*error.args)` is a copy."""
            values = {name: getattr(self, name) for name in self._details}
            return self.message, {name: _to_json(value) for name, value in values.items() if value is not None}

    def __str__(self) -> str:
        stop = "" if self.message.endswith((".", "!", "?")) or not self.message else "."
        return f"{self.message}{stop} See {_page_of(type(self))}".lstrip()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r})"

    def __reduce__(self) -> tuple[Callable[..., RunpodError], tuple[Any, ...]]:
        return _restore, (type(self), self.message, self.__dict__.copy())


def _page_of(cls: type[RunpodError]) -> str:
    """The address of the page about an error. A subclass has none, but its nearest public base class does."""
    # errors.py moves its public classes into its module, wherever they are defined.
    public = (base.__name__ for base in cls.__mro__ if base.__module__ == "runpod.errors" and base.__name__[0] != "_")
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", next(public, RunpodError.__name__))
    return f"{DOCUMENTATION}errors/{words.lower()}/"


def _to_json(value: Any) -> Any:
    """Makes a detail JSON-compatible: a job state becomes a mapping in the wire format, a path becomes text."""
    if isinstance(value, list):
        return [str(path) for path in cast("list[Path]", value)]
    if not hasattr(value, "model_dump"):
        return value
    # pydantic cannot serialize every output or error, for example one that is nested too deeply.
    for exclude in (None, {"output"}, {"output", "error"}):
        with suppress(ValueError, TypeError, RecursionError):
            return value.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude=exclude)
    return {"id": value.id, "status": str(value.status)}


def details_dict(details: Mapping[str, Any] | None) -> dict[str, Any]:
    # Copies made by other libraries may pass anything here, such as a str.
    return dict(details) if isinstance(details, Mapping) else {}


class ConfigurationError(RunpodError, ValueError):
    """The client cannot be created: no API key, or an invalid `base_url`, `timeout` or other setting."""

    _maybe_submitted_default = False


class InvalidRequestError(RunpodError, ValueError):
    """The arguments of a call are invalid. Nothing was sent."""

    _maybe_submitted_default = False


class InputTooLargeError(InvalidRequestError):
    """The request is larger than the service accepts. Nothing was sent."""


class MediaError(RunpodError):
    """Media in an output cannot be decoded, downloaded or saved; for example, its URL has expired.

    Attributes:
        saved: The files that were saved before the error.
    """

    _maybe_submitted_default = False
    _details = (*CONTEXT, "saved")

    def __init__(
        self,
        message: str = "",
        details: Mapping[str, Any] | None = None,
        /,
        *,
        saved: Iterable[str | Path] = (),
        **context: Any,
    ) -> None:
        super().__init__(message, details, **context)
        self.saved: list[Path] = [Path(path) for path in saved or details_dict(details).get("saved") or ()]


class UploadError(RunpodError):
    """A large file of an input was not stored in the bucket of `S3Uploads`. The job was not submitted."""

    _maybe_submitted_default = False


class NoTextError(RunpodError, ValueError):
    """An output has no text of a language model: it is an error, or something else. See `runpod.text`."""

    _maybe_submitted_default = False


class ClientClosedError(RunpodError, RuntimeError):
    """The client is closed and cannot send requests. `job_id` is the job of the call, if any."""
