"""What an exception that came out of `send` of an httpx client says of the request."""

from __future__ import annotations

import ssl
from socket import gaierror
from typing import TYPE_CHECKING, TypeGuard

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

_TRANSPORT_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ssl.SSLError, ConnectionError, gaierror)

# Whose errors some transports let through.
_TRANSPORT_PACKAGES = frozenset({"aiohttp", "anyio", "curl_cffi", "h11", "h2", "httpcore", "httpx_aiohttp", "socksio"})

# Errors of this kind are raised before the first byte of the request.
NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


def is_of_transport(error: BaseException) -> TypeGuard[Exception]:
    """Whether it is about the request: raised by httpx or by what carries requests for it.

    Everything else is not theirs (a signal handler's, an event hook's), and must not be taken for network trouble.
    """
    if isinstance(error, _TRANSPORT_ERRORS):
        return True
    packages = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return isinstance(error, Exception) and not packages.isdisjoint(_TRANSPORT_PACKAGES)


def may_have_been_sent(error: Exception) -> bool:
    """Whether the request may have been sent although the error is one of `NEVER_SENT`.

    httpx-aiohttp raises ConnectTimeout also for connections that were lost after the request.
    """
    kinds = type(error.__cause__).__mro__
    of_aiohttp = any(kind.__module__.partition(".")[0] == "aiohttp" for kind in kinds)
    return of_aiohttp and all(kind.__name__ != "ClientConnectorError" for kind in kinds)


def is_of_certificate(error: BaseException | None) -> bool:
    """Whether it comes of a certificate that cannot be verified."""
    return any(isinstance(each, ssl.SSLCertVerificationError) for each in _chain(error))


def reason_of(error: BaseException | None) -> str:
    """What went wrong, in a line."""
    name = type(error).__name__
    # An error that wraps another one can have no text of its own.
    text = next((str(each) for each in _chain(error) if str(each)), None)
    return name if text is None else f"{name}: {text}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what caused it, and so on. One that is raised again and again can be its own cause."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
