"""Telling a webhook that a job has ended."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
from functools import partial
from typing import TYPE_CHECKING

from runpod.local.json_text import to_bytes
from runpod.local.signals import call_soon

if TYPE_CHECKING:
    from runpod.local.clock import Clock
    from runpod.local.json_text import JSONText

__all__ = ["Courier"]

logger = logging.getLogger("runpod.local")

# Seconds between the attempts. "DOCS says 10 s delay, captured gaps 5 s then 15 s; 3 deliveries
# total." Both sources agree on the number.
_PAUSES = (5.0, 15.0)

# Seconds of real time for one attempt; no source says how patient the service is.
_PATIENCE = 10.0


class Courier:
    """Delivers webhooks on the server's event loop, beside everything else.

    Nothing that goes wrong here becomes the job's trouble: "Webhook failure never fails the job".

    Args:
        clock: What the pauses between attempts go by.
        anywhere: Whether hosts that are not this machine are called as well.
    """

    def __init__(self, clock: Clock, *, anywhere: bool) -> None:
        self._clock = clock
        self._anywhere = anywhere
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Courier under way={len(self._tasks)}>"

    def start(self) -> None:
        """Deliver from now on."""
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        """Give up what is under way."""
        self._loop = None
        for task in self._tasks:
            task.cancel()

    def deliver(self, url: str, body: JSONText) -> None:
        """Send `body` to `url`, up to three times. Comes back at once; from whatever thread."""
        if self._loop is None:
            return
        if not self._anywhere and not _is_this_machine(url):
            logger.warning(
                "The webhook %s was not called: it is not on this machine. "
                "Pass LocalServer(..., external_webhooks=True) if what runs here may reach it.",
                _shown(url),
            )
            return
        call_soon(self._loop, partial(self._begin, url, to_bytes(body)))

    def _begin(self, url: str, body: bytes) -> None:
        if self._loop is None:
            return
        task = self._loop.create_task(self._deliver(url, body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, url: str, body: bytes) -> None:
        for pause in (*_PAUSES, None):
            if await _attempt(url, body):
                logger.debug("The webhook %s took the message.", _shown(url))
                return
            if pause is not None:
                await self._clock.sleep(pause)
        logger.info("The webhook %s was given up after three attempts.", _shown(url))


async def _attempt(url: str, body: bytes) -> bool:
    import httpx  # Only where somebody wants a webhook: loading it takes its time.

    # Captured from the service. "no signature header captured or documented".
    headers = {
        "content-type": "application/json",
        "traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01",
        "user-agent": "Go-http-client/2.0",
    }
    # Loading certificates takes its time, too.
    verify = not url.lower().startswith("http:")
    try:
        async with (
            httpx.AsyncClient(timeout=_PATIENCE, trust_env=False, verify=verify) as client,
            client.stream("POST", url, content=body, headers=headers) as response,
        ):
            # "DOCS says "200"; GP16 says any 2xx", and GP16 is the capture.
            return response.is_success
    except Exception as error:  # noqa: BLE001  # Whatever the address is or the other side does.
        logger.debug("The webhook %s could not be called: %r", url, error)
        return False


def _shown(url: str) -> str:
    # People put tokens into the query.
    return url.partition("?")[0]


def _is_this_machine(url: str) -> bool:
    import httpx

    try:
        # The parser of whoever calls it, so that both see the same host.
        host = httpx.URL(url).host
    except httpx.InvalidURL:
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
