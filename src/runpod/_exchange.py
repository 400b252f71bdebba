"""One request and its answer, as every engine below the boundary sees them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from runpod._protocol.bodies import BodyReader
from runpod._protocol.outcomes import Answer, NoAnswer, NotSent, TooLate

if TYPE_CHECKING:
    from collections.abc import Iterable

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


class Exchange:
    """One request, and as much of its answer as came.

    Whoever carries it out notes what happens as it happens: a deadline can end it anywhere.
    """

    __slots__ = (
        "_body",
        "complete",
        "connect_timeout",
        "content",
        "headers",
        "method",
        "pool_timeout",
        "read_timeout",
        "sent",
        "stall_timeout",
        "status",
        "target",
    )

    def __init__(self, call: Call, left: float) -> None:
        self.method = call.operation.method
        self.target = call.target
        self.content = call.body
        self.connect_timeout = min(left, CONNECT_TIMEOUT)
        patience = (call.hold or 0.0) + READ_TIMEOUT
        self.read_timeout = None if left == patience == math.inf else min(left, patience)
        # The same, None where the deadline is nearer.
        self.stall_timeout = patience if left > patience else None
        self.pool_timeout = None if left == math.inf else left
        # Whether the request may have reached the server.
        self.sent = False
        # 0 until the status line is here.
        self.status = 0
        self.headers: dict[str, str] = {}
        # The body is here as a whole.
        self.complete = False
        self._body = BodyReader({})

    def began(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """The header is here. With it a refusal is known; its body only says why."""
        found: dict[str, str] = {}
        for raw_name, raw_value in headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            found[name] = f"{found[name]}, {value}" if name in found else value
        self.status, self.headers = status, found
        self._body = BodyReader(found)

    def received(self, piece: bytes, *, packed: bool = True) -> bool:
        """Takes the next piece of the body; False where there is no use for more.

        `packed` says that it is as it came, and that nobody unpacked it.
        """
        return self._body.feed(piece, packed=packed)

    def outcome(self, problem: Exception | None, *, late: bool, key: str) -> Answer | Trouble:
        """What became of it. `problem` is what ended it, `late` says that the deadline did."""
        body = self._body.body
        if self.status and (self.complete or not 200 <= self.status < 300):
            return Answer(self.status, self.headers, body, secret=key, problem=self._body.problem)
        if late:
            return TooLate("the deadline passed", sent=self.sent, partial=body)
        kind = type(problem).__name__
        reason = f"{kind}: {problem}" if str(problem) else kind
        reason = reason.replace(key, "[key]") if key else reason
        return NoAnswer(reason, partial=body) if self.sent else NotSent(reason)
