"""Classification of exceptions raised by `send` of an httpx client."""

from __future__ import annotations

import ssl
from socket import gaierror
from typing import TYPE_CHECKING, TypeGuard

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

_TRANSPORT_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ssl.SSLError, ConnectionError, gaierror)

# Some transports raise errors of these packages; httpx itself one of idna, for a redirect to an invalid host.
_TRANSPORT_PACKAGES = frozenset(
    {"aiohttp", "anyio", "curl_cffi", "h11", "h2", "httpcore", "httpx_aiohttp", "idna", "socksio"}
)

# Raised before the first byte of the request was sent.
NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


def is_transport_error(error: BaseException) -> TypeGuard[Exception]:
    """Whether an exception was raised by httpx or by one of its transports.

    Any other exception (from a signal handler or an event hook) must not be treated as a transport error.
    """
    if isinstance(error, _TRANSPORT_ERRORS):
        return True
    packages = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return isinstance(error, Exception) and not packages.isdisjoint(_TRANSPORT_PACKAGES)


def may_have_been_sent(error: Exception) -> bool:
    """Whether the request may have been sent although the error is in `NEVER_SENT`.

    httpx-aiohttp raises ConnectTimeout also for connections that were lost after the request was sent.
    """
    kinds = type(error.__cause__).__mro__
    of_aiohttp = any(kind.__module__.partition(".")[0] == "aiohttp" for kind in kinds)
    return of_aiohttp and all(kind.__name__ != "ClientConnectorError" for kind in kinds)


def is_certificate_error(error: BaseException | None) -> bool:
    """Whether the error was caused by a certificate that cannot be verified."""
    return any(isinstance(each, ssl.SSLCertVerificationError) for each in _chain(error))


def error_reason(error: BaseException | None) -> str:
    """A one-line description: class and message."""
    name = type(error).__name__
    # An error that wraps another one can have an empty message.
    text = next((str(each) for each in _chain(error) if str(each)), None)
    return name if text is None else f"{name}: {text}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yields an error and its causes. An error that was raised repeatedly can be its own cause."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
