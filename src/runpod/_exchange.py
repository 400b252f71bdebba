"""One request and its answer, as every engine below the boundary sees them."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING

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

# What the library can unpack by itself, and how much may come of it, in bytes: a few kilobytes
# can be made to unpack to all the memory there is.
ACCEPT_ENCODING = "gzip, deflate"
MAX_UNPACKED = 1 << 30

_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


class Exchange:
    """One request, and as much of its answer as came.

    Whoever carries it out notes what happens as it happens: a deadline can end it anywhere.
    """

    __slots__ = (
        "_pieces",
        "complete",
        "connect_timeout",
        "content",
        "headers",
        "method",
        "packed",
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
        self.read_timeout = min(left, patience)
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
        # How it is packed (`Content-Encoding`), as long as nobody unpacked it.
        self.packed = ""
        self._pieces: list[bytes] = []

    def began(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """The header is here. With it a refusal is known; its body only says why."""
        found: dict[str, str] = {}
        for raw_name, raw_value in headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            found[name] = f"{found[name]}, {value}" if name in found else value
        self.status, self.headers = status, found
        self.packed = found.get("content-encoding", "")

    def received(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def finish(self) -> None:
        """Nothing more comes.

        Raises:
            ValueError: What came cannot be unpacked.
        """
        body = self._body()
        # One piece, so that a large body is not here twice while it is read.
        self._pieces = [unpacked(body, self.packed)]
        self.packed = ""
        self.complete = True

    def outcome(self, problem: Exception | None, *, late: bool, key: str) -> Answer | Trouble:
        """What became of it. `problem` is what ended it, `late` says that the deadline did."""
        if self.status and (self.complete or not 200 <= self.status < 300):
            return Answer(self.status, self.headers, self._shown_body(), secret=key)
        if late:
            return TooLate("the deadline passed", sent=self.sent, partial=self._shown_body())
        kind = type(problem).__name__
        reason = f"{kind}: {problem}" if str(problem) else kind
        reason = reason.replace(key, "[key]")
        return NoAnswer(reason, partial=self._shown_body()) if self.sent else NotSent(reason)

    def _body(self) -> bytes:
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def _shown_body(self) -> bytes:
        body = self._body()
        try:
            return unpacked(body, self.packed)
        except ValueError:
            return body


def unpacked(body: bytes, packed: str) -> bytes:
    """A body without its `Content-Encoding`; of a body that was cut, what can be had.

    Raises:
        ValueError: It is not packed so, or it is too large.
    """
    for encoding in reversed(packed.lower().split(",")):
        name = encoding.strip()
        if name in {"", "identity"}:
            continue
        if name not in _WINDOWS:
            msg = f"the answer is packed as {name!r}, which was not asked for"
            raise ValueError(msg)
        body = _inflated(body, _WINDOWS[name])
    return body


def _inflated(body: bytes, window: int) -> bytes:
    if window == 15 and body and body[0] & 0x0F != 8:
        window = -15  # Some servers send "deflate" without the header that belongs to it.
    unpacker = zlib.decompressobj(window)
    try:
        whole = unpacker.decompress(body, MAX_UNPACKED)
    except zlib.error as error:
        msg = f"the answer cannot be unpacked: {error}"
        raise ValueError(msg) from None
    if unpacker.unconsumed_tail:
        msg = f"the answer unpacks to more than {MAX_UNPACKED} bytes"
        raise ValueError(msg)
    return whole
