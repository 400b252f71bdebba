"""The outcome of a request: a response or a transport error."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Union

from pydantic import SecretStr

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias


def redacted(text: str, secret: SecretStr) -> str:
    """The text with the API key replaced: some servers quote requests, and some errors quote headers."""
    key = secret.get_secret_value()
    return text.replace(key, "[key]") if key else text


_NO_SECRET = SecretStr("")


@dataclass(frozen=True)
class Response:
    """An HTTP response. Header names are in lower case.

    Attributes:
        secret: The API key of the request, to redact it: parts of responses appear in errors and logs.
        problem: Why the body is unusable; empty if it is usable.
        hint: What is wrong with the address of the request, as sentences; empty if nothing is known to be.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    body: bytes = field(default=b"", repr=False)
    secret: SecretStr = field(default=_NO_SECRET, repr=False)
    problem: str = ""
    hint: str = field(default="", repr=False)

    @property
    def text(self) -> str:
        """The body with the key replaced."""
        return self.redacted(self.body.decode("utf-8", "replace"))

    @property
    def redacted_headers(self) -> dict[str, str]:
        """The headers with the key replaced."""
        return {name: self.redacted(value) for name, value in self.headers.items()}

    def redacted(self, text: str) -> str:
        """A text of the response with the key replaced."""
        return redacted(text, self.secret)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_redirect(self) -> bool:
        return 300 <= self.status < 400


@dataclass(frozen=True)
class TransportError:
    """No usable response was received.

    Attributes:
        reason: The cause, without API key and input.
        partial: The part of the body that was received: it may contain the ID of a job.
    """

    reason: str
    partial: bytes = field(default=b"", repr=False, kw_only=True)


@dataclass(frozen=True)
class RequestNotSent(TransportError):  # noqa: N818 - a value
    """The request provably never reached the server. `final`: a retry would fail in the same way."""

    final: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class ResponseLost(TransportError):  # noqa: N818
    """The request may have reached the server; whether it was executed is unknown."""


@dataclass(frozen=True)
class DeadlineExceeded(TransportError):  # noqa: N818
    """The deadline passed. `sent`: the request may have reached the server."""

    sent: bool = field(kw_only=True)


Outcome: TypeAlias = Union[Response, TransportError]  # noqa: UP007 - evaluated on Python 3.10
