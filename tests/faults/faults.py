"""Everything that can go wrong between a client and its server, one function a fault."""

from __future__ import annotations

import asyncio
import gzip
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.faults.proxy import Link

# Seconds that a call may take which only its deadline ends, and one that ends by itself.
DEADLINE = 0.4
LONG = 10.0
STALL = 1.5 * DEADLINE

HTML = b"<html><head><title>502 Bad Gateway</title></head><body>cloudflare</body></html>"
STEERING = b'{"id":"job\\u001b[2J\\r\\n\\u202e","status":"\\u001b]0;owned\\u0007","error":"\\u001b[31m"}'


@dataclass(frozen=True)
class Fault:
    """What a line does to its connections.

    Attributes:
        name: What it is called in the table.
        behave: What to do with a connection.
        unsent: Nothing can have been carried out, and the client must know.
        warm: The client makes a call that goes well first, so that its connection is a kept one.
        settles: The connection of that call is closed before the next.
        hangs: Nothing but its deadline ends a call.
        heals: After a while all goes well.
        racy: Whether the request got out depends on who is faster.
        forged: The answers are not those of the server.
        heavy: It costs so much time that only some operations meet it, one at a time.
        tls: Which certificate the server has.
        refusing: Nobody listens.
        scheme: What the client is told to speak.
    """

    name: str
    behave: Callable[[Link], Awaitable[None]]
    unsent: bool = False
    warm: bool = False
    settles: bool = False
    hangs: bool = False
    heals: bool = False
    racy: bool = False
    forged: bool = False
    heavy: bool = False
    tls: str | None = None
    refusing: bool = False
    scheme: str = "http"


FAULTS: list[Fault] = []


def fault(
    name: str, **options: bool | str
) -> Callable[[Callable[[Link], Awaitable[None]]], Callable[[Link], Awaitable[None]]]:
    """Enter a function into the list."""

    def enter(behave: Callable[[Link], Awaitable[None]]) -> Callable[[Link], Awaitable[None]]:
        FAULTS.append(Fault(name, behave, **options))  # type: ignore[arg-type]
        return behave

    return enter


@fault("no fault", heals=True)
async def passing(link: Link) -> None:
    while request := await link.request():
        await link.send((await link.forward(request)).whole)


# --- Connections ------------------------------------------------------------------------------

FAULTS.append(Fault("connection refused", passing, unsent=True, refusing=True))


@fault("accepts and hangs", hangs=True)
async def accepting_and_hanging(link: Link) -> None:
    await link.hang()


@fault("reset before the request", racy=True)
async def resetting_at_once(link: Link) -> None:
    await link.reset()


@fault("closed before the request", racy=True)
async def closing_at_once(link: Link) -> None:
    await link.close()


@fault("reset in the middle of the request", racy=True)
async def resetting_in_the_request(link: Link) -> None:
    await link.some_of_request()
    await link.reset()


@fault("request read, never answered", hangs=True)
async def reading_and_hanging(link: Link) -> None:
    await link.request()
    await link.hang()


@fault("request read, reset")
async def resetting_after_the_request(link: Link) -> None:
    await link.request()
    await link.reset()


@fault("request read, closed")
async def closing_after_the_request(link: Link) -> None:
    await link.request()


@fault("carried out, never answered", hangs=True)
async def hanging_after_processing(link: Link) -> None:
    if request := await link.request():
        await link.forward(request)
    await link.hang()


@fault("carried out, reset")
async def resetting_after_processing(link: Link) -> None:
    if request := await link.request():
        await link.forward(request)
    await link.reset()


@fault("carried out, closed")
async def closing_after_processing(link: Link) -> None:
    if request := await link.request():
        await link.forward(request)


@fault("reset after the headers")
async def resetting_after_the_headers(link: Link) -> None:
    if request := await link.request():
        reply = await link.forward(request)
        await link.send(reply.with_length(len(reply.body), b""))
    await link.reset()


@fault("reset after half the body")
async def resetting_after_half_the_body(link: Link) -> None:
    if request := await link.request():
        reply = await link.forward(request)
        await link.send(reply.with_length(len(reply.body), reply.body[: len(reply.body) // 2]))
    await link.reset()


@fault("closed after most of the body")
async def closing_after_most_of_the_body(link: Link) -> None:
    if request := await link.request():
        reply = await link.forward(request)
        await link.send(reply.with_length(len(reply.body), reply.body[:-1]))


@fault("closed in the middle of the headers")
async def closing_in_the_headers(link: Link) -> None:
    if request := await link.request():
        await link.send((await link.forward(request)).whole[:30])


@fault("kept connection closed before it is used again", warm=True, settles=True, heals=True)
async def closing_between_two_calls(link: Link) -> None:
    if request := await link.request():
        await link.send((await link.forward(request)).whole)


def _first_one_dies(end: Callable[[Link], Awaitable[None]], *, process: bool) -> Callable[[Link], Awaitable[None]]:
    async def behave(link: Link) -> None:
        link.line.counts["connections"] += 1
        first = link.line.counts["connections"] == 1
        served = 0
        while request := await link.request():
            if first and served:
                if process:
                    await link.forward(request)
                await end(link)
                return
            await link.send((await link.forward(request)).whole)
            served += 1

    return behave


async def _reset(link: Link) -> None:
    await link.reset()


async def _close(link: Link) -> None:
    await link.close()


FAULTS += [
    Fault("kept connection closed as it is used again", _first_one_dies(_close, process=False), warm=True, heals=True),
    Fault("kept connection reset as it is used again", _first_one_dies(_reset, process=False), warm=True, heals=True),
    Fault("kept connection reset after carrying out", _first_one_dies(_reset, process=True), warm=True, heals=True),
]


# --- Time -------------------------------------------------------------------------------------


@fault("drips the header", hangs=True)
async def dripping_the_header(link: Link) -> None:
    while request := await link.request():
        await link.drip((await link.forward(request)).with_length(5000, b"", "X-Slow: " + "a" * 500))


@fault("drips the body", hangs=True)
async def dripping_the_body(link: Link) -> None:
    while request := await link.request():
        reply = await link.forward(request)
        body = reply.body + b" " * 500
        await link.send(reply.with_length(len(body), b""))
        await link.drip(body)


@fault("drips chunks for ever", hangs=True)
async def dripping_chunks(link: Link) -> None:
    if await link.request():
        await link.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await link.send(b"1\r\n \r\n")
            await asyncio.sleep(0.02)


@fault("says 100 Continue for ever", hangs=True)
async def continuing(link: Link) -> None:
    if await link.request():
        while True:
            await link.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            await asyncio.sleep(0.02)


@fault("answers after the deadline and a half", hangs=True)
async def stalling_after_processing(link: Link) -> None:
    while request := await link.request():
        reply = await link.forward(request)
        await asyncio.sleep(STALL)
        await link.send(reply.whole)


@fault("carries out after the deadline and a half", hangs=True)
async def stalling_before_processing(link: Link) -> None:
    while request := await link.request():
        await asyncio.sleep(STALL)
        await link.send((await link.forward(request)).whole)


@fault("stalls in the middle of the body", hangs=True)
async def stalling_in_the_body(link: Link) -> None:
    if request := await link.request():
        reply = await link.forward(request)
        await link.send(reply.with_length(len(reply.body), reply.body[:-1]))
    await link.hang()


# --- Bodies -----------------------------------------------------------------------------------


@fault("body truncated")
async def truncating(link: Link) -> None:
    while request := await link.request():
        reply = await link.forward(request)
        await link.send(reply.with_length(len(reply.body) - 3, reply.body[:-3]))


@fault("body corrupted")
async def corrupting(link: Link) -> None:
    while request := await link.request():
        reply = await link.forward(request)
        await link.send(reply.with_length(len(reply.body), reply.body[:-3] + b"\xff\xfe\x00"))


@fault("body doubled")
async def doubling(link: Link) -> None:
    while request := await link.request():
        reply = await link.forward(request)
        await link.send(reply.with_length(2 * len(reply.body), 2 * reply.body))


@fault("body empty")
async def emptying(link: Link) -> None:
    while request := await link.request():
        await link.send((await link.forward(request)).with_length(0, b""))


@fault("length too long, then closed")
async def lying_too_long(link: Link) -> None:
    if request := await link.request():
        reply = await link.forward(request)
        await link.send(reply.with_length(len(reply.body) + 10))


@fault("length too long, then silent", hangs=True)
async def lying_too_long_and_hanging(link: Link) -> None:
    if request := await link.request():
        reply = await link.forward(request)
        await link.send(reply.with_length(len(reply.body) + 10))
    await link.hang()


@fault("length too short")
async def lying_too_short(link: Link) -> None:
    if request := await link.request():
        reply = await link.forward(request)
        await link.send(reply.with_length(len(reply.body) - 3))


@fault("length negative")
async def lying_below_zero(link: Link) -> None:
    if request := await link.request():
        await link.send((await link.forward(request)).with_length(-1))


@fault("two lengths that differ")
async def lying_twice(link: Link) -> None:
    if request := await link.request():
        reply = await link.forward(request)
        await link.send(reply.with_length(len(reply.body), None, "Content-Length: 1"))


@fault("gzip that is none")
async def lying_about_gzip(link: Link) -> None:
    if request := await link.request():
        reply = await link.forward(request)
        await link.send(reply.with_length(len(reply.body), None, "Content-Encoding: gzip"))


# 200 MiB that unpack from 200 KiB.
BOMB = gzip.compress(b"0" * (200 * 1024 * 1024))


@fault("gzip bomb", forged=True, heavy=True)
async def bombing(link: Link) -> None:
    while request := await link.request():
        await link.answer(request, 200, BOMB, "Content-Encoding: gzip\r\n")


@fault("gzip bomb of gzip bombs", forged=True)
async def bombing_twice(link: Link) -> None:
    body = gzip.compress(BOMB)
    while request := await link.request():
        await link.answer(request, 200, body, "Content-Encoding: gzip, gzip\r\n")


# --- Answers ----------------------------------------------------------------------------------


@fault("HTML with 200")
async def answering_html(link: Link) -> None:
    while request := await link.request():
        await link.answer(request, 200, HTML, "Content-Type: text/html\r\n")


@fault("204 without a body")
async def answering_nothing(link: Link) -> None:
    while request := await link.request():
        await link.answer(request, 204)


@fault("redirect to another host", unsent=True)
async def redirecting(link: Link) -> None:
    trap = link.line.counts["trap"]
    while request := await link.request():
        await link.answer(request, 307, headers=f"Location: http://localhost:{trap}/v2/ep/run\r\n")


@fault("control characters in every field", forged=True)
async def steering(link: Link) -> None:
    while request := await link.request():
        await link.answer(request, 200, STEERING, "X-Evil: \x1b[2J\r\n")


@fault("control characters in a refusal", unsent=True)
async def steering_in_a_refusal(link: Link) -> None:
    while request := await link.request():
        await link.answer(request, 400, b'{"error":"\\u001b[2J\\u0007\\u202e gone"}\r\n')


@fault("speaks SSH")
async def speaking_ssh(link: Link) -> None:
    await link.request()
    await link.send(b"SSH-2.0-OpenSSH_9.6\r\n")


@fault("speaks noise")
async def speaking_noise(link: Link) -> None:
    await link.request()
    await link.send(random.Random(787).randbytes(5000))


@fault("header of a megabyte")
async def speaking_long(link: Link) -> None:
    await link.request()
    await link.send(b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 2**20)
    await link.hang()


# --- Statuses, in any pattern -----------------------------------------------------------------


def pattern(*steps: int | str) -> Callable[[Link], Awaitable[None]]:
    """Do one step a request, the last one for ever.

    A status is answered in the server's place; "done 502" is answered after the server carried the request out; "ok"
    passes; "reset" carries out and resets.
    """

    async def behave(link: Link) -> None:
        while request := await link.request():
            index = link.line.counts["steps"]
            link.line.counts["steps"] += 1
            step = str(steps[min(index, len(steps) - 1)])
            if step == "ok":
                await link.send((await link.forward(request)).whole)
                continue
            if step.startswith("done ") or step == "reset":
                await link.forward(request)
            if step == "reset":
                await link.reset()
                return
            status = int(step.removeprefix("done "))
            html = status in {502, 520, 521, 522, 523, 524}
            await link.answer(request, status, HTML if html else b'{"error":"not now"}', "cf-ray: 8a1-FRA\r\n")

    return behave


FAULTS += [
    Fault("429", pattern(429), unsent=True),
    Fault("429, then well", pattern(429, "ok"), heals=True),
    Fault("408", pattern(408)),
    Fault("500", pattern(500)),
    Fault("500 after carrying out", pattern("done 500")),
    Fault("502, HTML", pattern(502)),
    Fault("502, HTML, after carrying out", pattern("done 502")),
    Fault("503", pattern(503)),
    Fault("503, then well", pattern(503, "ok"), heals=True),
    Fault("504 after carrying out", pattern("done 504")),
    *(Fault(f"{status}, HTML, after carrying out", pattern(f"done {status}")) for status in range(520, 525)),
    Fault("429, 503, 524, then well", pattern(429, 503, "done 524", "ok"), heals=True),
    Fault("429, 429, carried out and reset, then well", pattern(429, 429, "reset", "ok"), heals=True),
    Fault("well, then 500", pattern("ok", 500)),
    Fault("well, then 429", pattern("ok", 429)),
]


async def _retrying_after(link: Link) -> None:
    while request := await link.request():
        await link.answer(request, 429, headers="Retry-After: 86400\r\n")


FAULTS.append(Fault("429, come back tomorrow", _retrying_after, unsent=True))


# --- TLS --------------------------------------------------------------------------------------


async def _hang_up(link: Link) -> None:
    await link.some_of_request()


async def _talk_nonsense(link: Link) -> None:
    await link.some_of_request()
    await link.send(b"\x15\x03horse" * 100)


FAULTS += [
    Fault("TLS, no fault", passing, tls="good", scheme="https", heals=True),
    Fault("TLS, certificate expired", passing, tls="expired", scheme="https", unsent=True),
    Fault("TLS, certificate of another host", passing, tls="wrong host", scheme="https", unsent=True),
    Fault("TLS, certificate of a stranger", passing, tls="self-signed", scheme="https", unsent=True),
    Fault("TLS, handshake never answered", accepting_and_hanging, scheme="https", unsent=True, hangs=True),
    Fault("TLS, closed in the handshake", _hang_up, scheme="https", unsent=True),
    Fault("TLS, nonsense in the handshake", _talk_nonsense, scheme="https", unsent=True),
    Fault("TLS, reset after carrying out", resetting_after_processing, tls="good", scheme="https"),
    Fault("TLS, never answered", reading_and_hanging, tls="good", scheme="https", hangs=True),
]
