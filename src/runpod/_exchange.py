"""One request and its response, as the engine sees them."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from functools import cached_property
from typing import TYPE_CHECKING

from runpod._primitives import monotonic
from runpod._protocol.bodies import BodyReader
from runpod._protocol.outcomes import DeadlineExceeded, RequestNotSent, Response, ResponseLost
from runpod._transport_errors import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runpod._protocol.operations import Call
    from runpod._protocol.outcomes import TransportError

# How long to wait for a connection, and how long beyond its hold for the next bytes of a response, in seconds, where
# the deadline leaves more. A stalled connection is found out by this.
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0

# How many connections a client opens, and for how many seconds an idle one is kept. The service lets 400 long polls of
# an endpoint wait at once; beside them, other calls must get through. Idle ones are dropped before common proxies drop
# them (60 s), so that few requests meet a connection that is just being closed.
MAX_CONNECTIONS = 1000
KEEP_ALIVE = 15.0

_ENCODING = b"content-encoding"


class Sending:
    """What is known of a request while it is on its way.

    Apart from its `Exchange`, and small: an event loop keeps the context in which a connection or a timer began.

    Attributes:
        until: The moment of its deadline on the monotonic clock.
        sent: Whether it may have reached the server. True until something shows that it did not: a transport that tells
            nothing gets no benefit of the doubt.
        traced: Whether `sent` follows the trace of httpcore, and not what the network backend notes.
    """

    __slots__ = ("sent", "traced", "until")

    def __init__(self, left: float) -> None:
        self.until = monotonic() + left
        self.sent = left > 0
        self.traced = False


# The request that is on its way in this task or thread.
current: ContextVar[Sending | None] = ContextVar("runpod_sending", default=None)


def time_left() -> float:
    """Seconds until the request on its way must have its response; infinite without one."""
    sending = current.get()
    return float("inf") if sending is None else sending.until - monotonic()


def note_unsent() -> None:
    """So far, nothing was sent of the request on its way: a connection is opened for it, or it waits to be written."""
    sending = current.get()
    if sending is not None and not sending.traced:
        sending.sent = False


def note_writing() -> None:
    """Bytes of the request on its way are about to leave."""
    sending = current.get()
    if sending is not None and not sending.traced:
        sending.sent = True


class Exchange:
    """One request, and as much of its response as came.

    The engine notes what happens as it happens: a deadline can end it anywhere.

    Attributes:
        method: Of the request.
        target: The path below the base URL, with its query.
        content: The body of the request, if it has one.
        patience: Seconds to wait for the next bytes of the response, where the deadline allows it.
        sending: Whether it was sent, and until when there is time.
        late: Whether the deadline ended it.
        status: 0 until the status line is here.
        complete: Whether the body is here as a whole.
    """

    # fmt: off
    __slots__ = (
        "_body", "complete", "content", "late", "method", "patience", "raw_headers", "sending", "status", "target",
    )
    # fmt: on

    def __init__(self, call: Call, left: float) -> None:
        self.method = call.operation.method
        self.target = call.target
        self.content = call.body
        self.patience = (call.hold or 0.0) + READ_TIMEOUT
        self.sending = Sending(left)
        self.late = False
        self.status = 0
        self.raw_headers: Sequence[tuple[bytes, bytes]] = ()
        self.complete = False
        self._body = BodyReader()

    def began(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """The header is here. With it a refusal is known; its body only says why."""
        self.status, self.raw_headers = status, headers
        encodings = [
            v.decode("latin-1") for name, v in headers if len(name) == len(_ENCODING) and name.lower() == _ENCODING
        ]
        if encodings:
            self._body = BodyReader(", ".join(encodings))

    def received(self, piece: bytes, *, encoded: bool = True) -> bool:
        """Takes the next piece of the body; False where there is no use for more.

        `encoded` says that it is as it came: nobody undid its Content-Encoding.
        """
        return self._body.feed(piece, packed=encoded)

    @property
    def partial(self) -> bytes:
        """What there is of the body."""
        return self._body.body

    def outcome(self, problem: Exception | None, key: str) -> Response | TransportError:
        """The result. `problem` is what ended it, if something did."""
        body = self._body.body
        if self.status and (self.complete or not 200 <= self.status < 300):
            return Response(self.status, Headers(self.raw_headers), body, secret=key, problem=self._body.problem)
        if self.late:
            return DeadlineExceeded("the deadline passed", sent=self.sending.sent, partial=body)
        reason = reason_of(problem).replace(key, "[key]")
        return ResponseLost(reason, partial=body) if self.sending.sent else RequestNotSent(reason)


class Headers(Mapping[str, str]):
    """The headers of a response, names in lower case. Put together when somebody looks: few do."""

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
