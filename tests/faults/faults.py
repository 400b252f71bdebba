"""What can go wrong between a client and its server: one fault for each kind of outcome.

What only tells one HTTP parser from another is the business of httpx.
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

# Hosts that are reached through an HTTP proxy: one that does its work, one that is not able to at first, and one that
# says nothing.
REACHED, REACHED_LATER, SILENT = HOSTS = ("reached.test", "later.test", "silent.test")


@dataclass(frozen=True)
class Fault:
    """What a line does to its connections."""

    name: str  # in the table
    behave: Behaviour
    unsent: bool = False  # nothing can have been processed, and the client must know
    final: bool = False  # it will not be better the next time, and the client must know
    warm: bool = False  # the client makes a call that goes well first, so that its connection is a kept one
    settles: bool = False  # the connection of that call is closed before the next
    hangs: bool = False  # nothing but its deadline ends a call
    heals: bool = False  # after a while all goes well
    unfinished: bool = False  # a client sees no job end
    racy: bool = False  # whether the request got out depends on who is faster
    forged: bool = False  # the responses are not those of the server
    heavy: bool = False  # it costs so much time that only `run` meets it
    tls: str = ""  # which certificate the server has
    refusing: bool = False  # nobody listens
    scheme: str = "http"
    host: str = "127.0.0.1"  # what the client calls the server
    stretches: bool = False  # a call that has limits for single steps only


# --- Behaviours -------------------------------------------------------------------------------


def processing(what: Callable[[Reply], bytes] | None = None, then: Behaviour | None = None) -> Behaviour:
    """Let requests be processed, send something for the response, and do something else instead of going on."""

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
    """Respond in the server's place."""

    async def behave(link: Link) -> None:
        while request := await link.request():
            await link.respond(request, status, body, headers.replace("TRAP", str(link.line.counts["trap"])))

    return behave


def pattern(*steps: int | str) -> Behaviour:
    """Do one step a request, the last one for ever.

    A status is responded in the server's place; "done 502" comes after the server processed the request; "ok" passes;
    "reset" processes and resets.
    """

    async def behave(link: Link) -> None:
        while request := await link.request():
            step = str(steps[min(link.line.counts["steps"], len(steps) - 1)])
            link.line.counts["steps"] += 1
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
    """What the HTTP proxy does between a client and each of `HOSTS`: no fault of its own."""
    if request := await link.request():
        host, _, port = request.target.partition(":")
        link.line.counts[port] += 1
        if host == SILENT:
            await link.hang()
        elif host == REACHED_LATER and link.line.counts[port] == 1:
            await link.respond(request, 502)
        else:
            try:
                await link.tunnel(int(port))
            except ConnectionRefusedError:
                await link.respond(request, 502)


def _bomb(mebibytes: int) -> bytes:
    """So much that unpacks from a thousandth of it."""
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    first, second = (packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + (mebibytes - 1) * second


# --- The list ---------------------------------------------------------------------------------


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
    Fault("kept connection closed before it is used again", passing_once, warm=True, settles=True, heals=True),
    Fault("kept connection reset after processing", pattern("ok", "reset", "ok"), warm=True, heals=True),
    # Time.
    Fault("drips the header", dripping_the_header, hangs=True, stretches=True),
    Fault("drips the body", dripping_the_body, hangs=True),
    Fault("stalls before the last byte", processing(lambda reply: reply.cut, Link.hang), hangs=True),
    # Responses.
    Fault("JSON without its end", processing(lambda reply: reply.with_body(reply.body[:-3]))),
    Fault("empty body", processing(lambda reply: reply.with_body(b""))),
    Fault("gzip bomb", responding(200, _bomb(200), "Content-Encoding: gzip\r\n"), forged=True, heavy=True),
    Fault("redirect to another host", responding(307, b"", REDIRECT), unsent=True, final=True),
    Fault("control characters in every field", responding(200, STEERING, EVIL), forged=True, unfinished=True),
    Fault("control characters in a refusal", responding(403, STEERING, EVIL), unsent=True, final=True),
    Fault("submitted, then 503", failing_after_the_submission, unfinished=True),
    Fault("429", pattern(429), unsent=True),
    Fault("429, then well", pattern(429, "ok"), heals=True),
    Fault("408", pattern(408)),
    Fault("502, HTML, after processing", pattern("done 502")),
    Fault("503, then well", pattern(503, "ok"), heals=True),
    Fault("429, 429, processed and reset, then well", pattern(429, 429, "reset", "ok"), heals=True),
    # TLS.
    _over_tls("TLS, no fault", passing, heals=True),
    _over_tls("TLS, certificate expired", passing, "expired", unsent=True, final=True),
    _over_tls("TLS, certificate of another host", passing, "wrong host", unsent=True, final=True),
    _over_tls("TLS, certificate of a stranger", passing, "stranger", unsent=True, final=True),
    _over_tls("TLS, handshake never answered", Link.hang, "", unsent=True, hangs=True),
    _over_tls("TLS, closed in the handshake", Link.some_of_request, "", unsent=True),
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
