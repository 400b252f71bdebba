"""One request and its answer, as every engine below the boundary sees them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from runpod._protocol.bodies import BodyReader
from runpod._protocol.outcomes import Answer, NoAnswer, NotSent, TooLate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runpod._protocol.operations import Call
    from runpod._protocol.outcomes import Trouble

# How long to wait for a connection, and how long beyond its hold for the next bytes of an
# answer, in seconds, where the deadline leaves more. A stalled connection is found out by this.
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0

# How many connections a client opens, and for how many seconds an idle one is kept. The service
# lets 400 long polls of an endpoint wait at once; beside them, other calls must get through. Idle
# ones are dropped before common proxies drop them (60 s), so that few requests meet a connection
# that is just being closed.
MAX_CONNECTIONS = 1000
KEEP_ALIVE = 15.0

_ENCODING = b"content-encoding"


class Exchange:
    """One request, and as much of its answer as came.

    Whoever carries it out notes what happens as it happens: a deadline can end it anywhere.
    """

    # fmt: off
    __slots__ = (
        "_body", "complete", "content", "late", "method", "patience", "raw_headers", "sent", "status",
        "target", "until",
    )
    # fmt: on

    def __init__(self, call: Call, left: float) -> None:
        self.method = call.operation.method
        self.target = call.target
        self.content = call.body
        # The moment on the monotonic clock at which it must be over.
        self.until = time.monotonic() + left
        # For how long to wait for the next bytes of the answer, where the deadline allows it.
        self.patience = (call.hold or 0.0) + READ_TIMEOUT
        # Whether the deadline ended it.
        self.late = False
        # Whether the request may have reached the server.
        self.sent = False
        # 0 until the status line is here.
        self.status = 0
        self.raw_headers: Sequence[tuple[bytes, bytes]] = ()
        # The body is here as a whole.
        self.complete = False
        self._body = BodyReader()

    @property
    def left(self) -> float:
        """Seconds until the deadline; infinite without one."""
        return max(0.0, self.until - time.monotonic())

    @property
    def stall_timeout(self) -> float | None:
        """`patience` where the deadline is not nearer than that."""
        return self.patience if self.left > self.patience else None

    def began(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """The header is here. With it a refusal is known; its body only says why."""
        self.status, self.raw_headers = status, headers
        packings = [
            v.decode("latin-1") for name, v in headers if len(name) == len(_ENCODING) and name.lower() == _ENCODING
        ]
        if packings:
            self._body = BodyReader(", ".join(packings))

    def received(self, piece: bytes, *, packed: bool = True) -> bool:
        """Takes the next piece of the body; False where there is no use for more.

        `packed` says that it is as it came, and that nobody unpacked it.
        """
        return self._body.feed(piece, packed=packed)

    @property
    def partial(self) -> bytes:
        """What there is of the body."""
        return self._body.body

    def outcome(self, problem: Exception | None, key: str) -> Answer | Trouble:
        """What became of it. `problem` is what ended it, if something did."""
        body = self._body.body
        if self.status and (self.complete or not 200 <= self.status < 300):
            return Answer(self.status, Headers(self.raw_headers), body, secret=key, problem=self._body.problem)
        if self.late:
            return TooLate("the deadline passed", sent=self.sent, partial=body)
        reason = _reason(problem)
        reason = reason.replace(key, "[key]") if key else reason
        return NoAnswer(reason, partial=body) if self.sent else NotSent(reason)


class Headers(Mapping[str, str]):
    """The headers of an answer, names in lower case. Put together when somebody looks: few do."""

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


def _reason(problem: BaseException | None) -> str:
    name, told = type(problem).__name__, problem
    # On trio the error at the top has no text; that of TLS is below.
    while told is not None and not str(told):
        told = told.__cause__ or told.__context__
    return name if told is None else f"{name}: {told}"
