"""Sends webhooks when jobs end."""

from __future__ import annotations

import asyncio
import logging
import secrets
from functools import partial
from typing import TYPE_CHECKING

from runpod.local.json_text import to_bytes
from runpod.local.signals import call_soon

if TYPE_CHECKING:
    from runpod.local.clock import Clock
    from runpod.local.json_text import JSONText

__all__ = ["WebhookSender"]

_logger = logging.getLogger("runpod.local")

# Seconds between the attempts, as captured from the service. Documentation says 10 seconds; the
# number of attempts, three, is the same in both.
_DELAYS = (5.0, 15.0)

# Timeout of one attempt, in seconds of real time. The service's timeout is undocumented.
_TIMEOUT = 10.0


class WebhookSender:
    """Sends webhooks in background tasks on the server's event loop.

    As on the service, a failed webhook does not affect its job.

    Args:
        clock: Clock for the delays between attempts.
        allow_external: Whether to call hosts other than this machine.
    """

    def __init__(self, clock: Clock, *, allow_external: bool) -> None:
        self._clock = clock
        self._allow_external = allow_external
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<WebhookSender in flight={len(self._tasks)}>"

    def start(self) -> None:
        """Start sending."""
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        """Cancel all attempts in flight."""
        self._loop = None
        for task in self._tasks:
            task.cancel()

    def deliver(self, url: str, body: JSONText) -> None:
        """Send `body` to `url` in the background, in up to three attempts. Thread-safe."""
        if self._loop is None:
            return
        if not self._allow_external and not _is_this_machine(url):
            _logger.warning(
                "The webhook %s was not called: it is not on this machine. "
                "Pass LocalServer(..., external_webhooks=True) to call webhooks on other machines.",
                _origin(url),
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
        for delay in (*_DELAYS, None):
            if await _attempt(url, body):
                _logger.debug("The webhook %s was delivered.", _origin(url))
                return
            if delay is not None:
                await self._clock.sleep(delay)
        _logger.info("The webhook %s failed after three attempts.", _origin(url))


async def _attempt(url: str, body: bytes) -> bool:
    import httpx  # Imported lazily: the import is slow, and most jobs have no webhook.

    # Captured from the service. A header with a signature is neither captured nor documented.
    headers = {
        "content-type": "application/json",
        "traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01",
        "user-agent": "Go-http-client/2.0",
    }
    # Loading certificates is slow, too.
    verify = not url.lower().startswith("http:")
    try:
        async with (
            httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False, verify=verify) as client,
            client.stream("POST", url, content=body, headers=headers) as response,
        ):
            # Captured from the service: any 2xx status is a success. Documentation says 200.
            return response.is_success
    except Exception as error:  # noqa: BLE001  # A webhook can fail in any way.
        _logger.debug("The webhook %s could not be called: %r", _origin(url), error)
        return False


def _origin(url: str) -> str:
    # The path and the query can hold tokens, and before the host can be a password.
    scheme, _, rest = url.partition("?")[0].partition("//")
    return f"{scheme}//{rest.partition('/')[0].rpartition('@')[2]}"


def _is_this_machine(url: str) -> bool:
    import httpx

    from runpod._config import is_loopback

    try:
        # Parsed as httpx does, so that the checked host is the one that is called.
        host = httpx.URL(url).host
    except httpx.InvalidURL:
        return False
    return is_loopback(host)
