"""Faults between a client and its server, one for each kind of outcome.

Faults that only test an HTTP parser are left to httpx.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.faults.proxy import Link, Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Behaviour = Callable[[Link], Awaitable[None]]

HTML = b"<html><head><title>502 Bad Gateway</title></head><body>cloudflare</body></html>"
STEERING = b'{"id":"job\\u001b[2J\\r\\n\\u202e","status":"\\u001b]0;owned\\u0007","error":"\\u001b[31m"}'
EVIL = "X-Evil: \x1b[2J\r\n"
REDIRECT = "Location: http://localhost:TRAP/v2/ep/run\r\n"

# Hosts behind an HTTP proxy that works, that fails at first, and that never responds.
REACHED, REACHED_LATER, SILENT = HOSTS = ("reached.test", "later.test", "silent.test")


@dataclass(frozen=True)
class Fault:
    """What a listener does to its connections."""

    name: str  # in the table
    behave: Behaviour
    unsent: bool = False  # no request can have been processed, and maybe_submitted must be False
    final: bool = False  # a retry cannot succeed, and the client must not try
    warm: bool = False  # a successful call comes first, so that its connection is reused
    settles: bool = False  # the connection of that call is closed before the next call
    hangs: bool = False  # a call ends only at its deadline
    heals: bool = False  # retries succeed eventually
    unfinished: bool = False  # no job reaches a final status
    racy: bool = False  # whether the request is sent depends on timing
    forged: bool = False  # the responses are not those of the server
    heavy: bool = False  # slow, so that it is only tested with `run`
    tls: str = ""  # name of the server's certificate
    refusing: bool = False  # connections are refused
    scheme: str = "http"
    host: str = "127.0.0.1"  # the host name of the server in the base URL
    stretches: bool = False  # a client without total deadlines exceeds its timeout


# --- behaviours -------------------------------------------------------------------------------


def processing(what: Callable[[Reply], bytes] | None = None, then: Behaviour | None = None) -> Behaviour:
    """Forward requests, then send `what` of the reply, if given, and end with `then`, if given."""

    async def behave(link: Link) -> None:
        while request := await link.request():
            reply = await link.forward(request)
            if what is not None:
                await link.send(what(reply))
            if then is not None:
                await then(link)
                return

    return behave


def responding(status: int, body: bytes = b"", headers: str = "") -> Behaviour:
    """Respond instead of the server."""

    async def behave(link: Link) -> None:
        while request := await link.request():
            await link.respond(request, status, body, headers.replace("TRAP", str(link.listener.counts["trap"])))

    return behave


def pattern(*steps: int | str) -> Behaviour:
    """Apply one step per request, and repeat the last one.

    A status code is sent instead of forwarding the request; "done 502" is sent after forwarding it; "ok" returns the
    reply; "reset" forwards the request and resets the connection.
    """

    async def behave(link: Link) -> None:
        while request := await link.request():
            step = str(steps[min(link.listener.counts["steps"], len(steps) - 1)])
            link.listener.counts["steps"] += 1
            if step == "ok":
                await link.send((await link.forward(request)).whole)
                continue
            if step.startswith("done ") or step == "reset":
                await link.forward(request)
            if step == "reset":
                await link.reset()
                return
            status = int(step.removeprefix("done "))
            body = HTML if status > 500 else b'{"error":"not now"}'
            await link.respond(request, status, body, "cf-ray: 8a1-FRA\r\n")

    return behave


passing = processing(lambda reply: reply.whole)
passing_once = processing(lambda reply: reply.whole, Link.close)
silent_after_processing = processing(then=Link.hang)
reset_after_processing = processing(then=Link.reset)


async def dripping_the_header(link: Link) -> None:
    if request := await link.request():
        await link.drip((await link.forward(request)).with_body(b"", headers=f"X-Slow: {'a' * 5000}\r\n"))


async def dripping_the_body(link: Link) -> None:
    if request := await link.request():
        reply = await link.forward(request)
        body = b" " * 10_000 + reply.body
        await link.send(reply.with_body(b"", len(body)))
        await link.drip(body)


async def failing_after_the_submission(link: Link) -> None:
    while request := await link.request():
        if "/status" in request.target:
            await link.respond(request, 503)
        else:
            await link.send((await link.forward(request, submit_only=True)).whole)


async def proxying(link: Link) -> None:
    """The behaviour of the HTTP proxy for each of `HOSTS`."""
    if request := await link.request():
        host, _, port = request.target.partition(":")
        link.listener.counts[port] += 1
        if host == SILENT:
            await link.hang()
        elif host == REACHED_LATER and link.listener.counts[port] == 1:
            await link.respond(request, 502)
        else:
            try:
                await link.tunnel(int(port))
            except ConnectionRefusedError:
                await link.respond(request, 502)


def _bomb(mebibytes: int) -> bytes:
    """Gzip data that decompresses to this size, a thousand times its own."""
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    first, second = (packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + (mebibytes - 1) * second


# --- faults -----------------------------------------------------------------------------------


def _over_tls(name: str, behave: Behaviour, tls: str = "good", **options: Any) -> Fault:
    return Fault(name, behave, tls=tls, scheme="https", **options)


FAULTS = [
    Fault("no fault", passing, heals=True),
    # Connections.
    Fault("connection refused", passing, unsent=True, refusing=True),
    Fault("accepted, then silent", Link.hang, hangs=True),
    Fault("reset before the request", Link.reset, racy=True),
    Fault("processed, then silent", silent_after_processing, hangs=True),
    Fault("processed, then reset", reset_after_processing),
    Fault("processed, then closed", processing(then=Link.close)),
    Fault(
        "reset in the middle of the body", processing(lambda reply: reply.whole[: -len(reply.body) // 2], Link.reset)
    ),
    Fault("closed before the last byte", processing(lambda reply: reply.cut, Link.close)),
    Fault("idle connection closed before reuse", passing_once, warm=True, settles=True, heals=True),
    Fault("reused connection reset after processing", pattern("ok", "reset", "ok"), warm=True, heals=True),
    # Time.
    Fault("header sent byte by byte", dripping_the_header, hangs=True, stretches=True),
    Fault("body sent byte by byte", dripping_the_body, hangs=True),
    Fault("stalls before the last byte", processing(lambda reply: reply.cut, Link.hang), hangs=True),
    # Responses.
    Fault("truncated JSON", processing(lambda reply: reply.with_body(reply.body[:-3]))),
    Fault("empty body", processing(lambda reply: reply.with_body(b""))),
    Fault("gzip bomb", responding(200, _bomb(200), "Content-Encoding: gzip\r\n"), forged=True, heavy=True),
    Fault("redirect to another host", responding(307, b"", REDIRECT), unsent=True, final=True),
    Fault("control characters in every field", responding(200, STEERING, EVIL), forged=True, unfinished=True),
    Fault("control characters in an error response", responding(403, STEERING, EVIL), unsent=True, final=True),
    Fault("submitted, then 503", failing_after_the_submission, unfinished=True),
    Fault("429", pattern(429), unsent=True),
    Fault("429, then success", pattern(429, "ok"), heals=True),
    Fault("408", pattern(408)),
    Fault("502, HTML, after processing", pattern("done 502")),
    Fault("503, then success", pattern(503, "ok"), heals=True),
    Fault("429, 429, processed and reset, then success", pattern(429, 429, "reset", "ok"), heals=True),
    # TLS.
    _over_tls("TLS, no fault", passing, heals=True),
    _over_tls("TLS, certificate expired", passing, "expired", unsent=True, final=True),
    _over_tls("TLS, certificate of another host", passing, "wrong host", unsent=True, final=True),
    _over_tls("TLS, certificate of an unknown authority", passing, "unknown authority", unsent=True, final=True),
    _over_tls("TLS, handshake without response", Link.hang, "", unsent=True, hangs=True),
    _over_tls("TLS, closed during the handshake", Link.partial_request, "", unsent=True),
    _over_tls("TLS, processed, then silent", silent_after_processing, hangs=True),
    _over_tls("TLS, processed, then reset", reset_after_processing),
    # A proxy, between a client and a server that speak TLS.
    _over_tls("proxy, no fault", passing, host=REACHED, heals=True),
    _over_tls("proxy that cannot reach the server", passing, "", host=REACHED, unsent=True, refusing=True),
    _over_tls("proxy that cannot reach the server at first", passing, host=REACHED_LATER, heals=True),
    _over_tls("proxy that is silent", passing, host=SILENT, unsent=True, hangs=True),
    _over_tls("proxy, processed, then silent", silent_after_processing, host=REACHED, hangs=True),
    _over_tls("proxy, processed, then reset", reset_after_processing, host=REACHED),
]
