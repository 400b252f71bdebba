"""State of one HTTP request and its response."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from functools import cached_property
from typing import TYPE_CHECKING

from runpod._http.body_reader import BodyReader
from runpod._http.transport_errors import error_reason
from runpod._primitives import monotonic
from runpod._protocol.outcomes import DeadlineExceeded, RequestNotSent, Response, ResponseLost, redacted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import SecretStr

    from runpod._protocol.operations import Call, Service
    from runpod._protocol.outcomes import TransportError

# Connect timeout and read timeout in seconds, to detect stalled connections. The deadline may be shorter. A long poll
# adds its hold to the read timeout.
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0

# The connection limit of a client, and the keep-alive of idle connections in seconds. The service allows 400 concurrent
# long polls per endpoint, and other calls need connections besides them. The keep-alive is shorter than that of common
# proxies (60 s), so that few requests meet a connection that is just being closed.
MAX_CONNECTIONS = 1000
KEEP_ALIVE = 15.0

_ENCODING = b"content-encoding"


class SendState:
    """State of a request in progress.

    Separate from its `Exchange`, and small: event loops keep the context in which a connection or timer was created.

    Attributes:
        deadline: On the monotonic clock.
        sent: Whether it may have reached the server. True until proven otherwise, since some transports report nothing.
        traced: Whether `sent` is set by the trace extension of httpcore rather than by the network backend.
    """

    __slots__ = ("deadline", "sent", "traced")

    def __init__(self, remaining: float) -> None:
        self.deadline: float = monotonic() + remaining
        self.sent: bool = remaining > 0
        self.traced: bool = False


# The request in progress in this task or thread.
current_send: ContextVar[SendState | None] = ContextVar("runpod_sending", default=None)


def time_remaining() -> float:
    """Seconds until the deadline of the current request; infinite without a request."""
    sending = current_send.get()
    return float("inf") if sending is None else sending.deadline - monotonic()


def mark_unsent() -> None:
    """Records that nothing of the current request was sent yet: it waits for a connection or for its first write."""
    sending = current_send.get()
    if sending is not None and not sending.traced:
        sending.sent = False


def mark_sent() -> None:
    """Records that the first bytes of the current request are about to be sent."""
    sending = current_send.get()
    if sending is not None and not sending.traced:
        sending.sent = True


class Exchange:
    """One request, and what has been received of its response.

    The engine updates it step by step, since a deadline can interrupt it anywhere.

    Attributes:
        method: The HTTP method.
        service: The service that it is sent to.
        target: The path below the URL of the service, with its query.
        content: The request body, or None.
        read_timeout: Read timeout in seconds. The deadline may be shorter.
        sending: Whether the request was sent, and its deadline.
        late: Whether the deadline ended it.
        status: The HTTP status; 0 until the response header was received.
        complete: Whether the whole body was received.
    """

    __slots__ = (
        "_body",
        "complete",
        "content",
        "late",
        "method",
        "raw_headers",
        "read_timeout",
        "sending",
        "service",
        "status",
        "target",
    )

    def __init__(self, call: Call, remaining: float) -> None:
        self.method: str = call.operation.method
        self.service: Service = call.operation.service
        self.target: str = call.target
        self.content: bytes | None = call.body
        self.read_timeout: float = (call.hold or 0.0) + READ_TIMEOUT
        self.sending: SendState = SendState(remaining)
        self.late: bool = False
        self.status: int = 0
        self.raw_headers: Sequence[tuple[bytes, bytes]] = ()
        self.complete: bool = False
        self._body = BodyReader()

    def start_response(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Records the response header. An error status is final; its body only adds the reason."""
        self.status, self.raw_headers = status, headers
        encodings = [
            v.decode("latin-1") for name, v in headers if len(name) == len(_ENCODING) and name.lower() == _ENCODING
        ]
        if encodings:
            self._body = BodyReader(", ".join(encodings))

    def feed(self, piece: bytes, *, encoded: bool = True) -> bool:
        """Adds the next piece of the body.

        Args:
            piece: The bytes.
            encoded: Whether its Content-Encoding still applies.

        Returns:
            False if more data is not needed.
        """
        return self._body.feed(piece, encoded=encoded)

    @property
    def partial(self) -> bytes:
        """The body received so far."""
        return self._body.body

    def outcome(self, problem: Exception | None, key: SecretStr) -> Response | TransportError:
        """The outcome. `problem` is the error that ended the request, if any."""
        body = self._body.body
        if self.status and (self.complete or not 200 <= self.status < 300):
            return Response(self.status, Headers(self.raw_headers), body, secret=key, problem=self._body.problem)
        if self.late:
            sent = self.sending.sent
            reason = "the deadline passed" if sent else "no connection was ready in time"
            return DeadlineExceeded(reason, sent=sent, partial=body)
        reason = redacted(error_reason(problem), key)
        return ResponseLost(reason, partial=body) if self.sending.sent else RequestNotSent(reason)


class Headers(Mapping[str, str]):
    """Response headers, with names in lower case. Parsed on first access."""

    def __init__(self, raw: Sequence[tuple[bytes, bytes]]) -> None:
        self._raw = raw

    @cached_property
    def _found(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for raw_name, raw_value in self._raw:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            found[name] = f"{found[name]}, {value}" if name in found else value
        return found

    def __getitem__(self, name: str) -> str:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)
