"""Tests of classifying exceptions raised by `send` of an httpx client."""

from __future__ import annotations

import ssl
from socket import gaierror
from typing import Any

import anyio
import h11
import httpcore
import httpx

from runpod._http.transport_errors import (
    NEVER_SENT,
    error_reason,
    is_certificate_error,
    is_transport_error,
    may_have_been_sent,
)


def of_package(name: str, module: str = "aiohttp.client_exceptions", cause: BaseException | None = None) -> Any:
    """An exception of a package that need not be installed."""
    error = type(name, (Exception,), {"__module__": module})("lost")
    error.__cause__ = cause
    return error


def caused(error: BaseException, cause: BaseException) -> Any:
    error.__cause__ = cause
    return error


def test_errors_about_the_request() -> None:
    ours: list[Any] = [httpx.ReadError, httpx.ConnectTimeout, httpx.InvalidURL, httpx.StreamError, httpcore.PoolTimeout]
    ours += [ssl.SSLError, ConnectionResetError, gaierror, h11.RemoteProtocolError, anyio.ClosedResourceError]
    ours += [lambda _: of_package("ClientError"), type("OfACaller", (httpx.ReadTimeout,), {})]
    others: list[Any] = [RuntimeError, OSError, ValueError, TimeoutError, KeyboardInterrupt]
    others += [lambda _: of_package("E", "aiohttp_of_x"), type("Exit", (BaseException,), {"__module__": "anyio"})]
    assert [] == [kind for kind in ours if not is_transport_error(kind("x"))]
    assert [] == [kind for kind in others if is_transport_error(kind("x"))]


def test_errors_raised_before_sending_except_with_aiohttp() -> None:
    assert {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"} == {
        kind.__name__ for kind in NEVER_SENT
    }
    never = [httpx.ConnectError("x"), caused(httpx.ConnectTimeout("x"), httpcore.ConnectTimeout())]
    never.append(caused(httpx.ConnectError("x"), of_package("ClientConnectorError")))
    assert [False] * 3 == [may_have_been_sent(error) for error in never]
    assert may_have_been_sent(caused(httpx.ConnectTimeout("x"), of_package("ServerDisconnectedError")))


def test_certificate_errors_are_found_in_the_causes() -> None:
    refused = ssl.SSLCertVerificationError("self-signed")
    assert is_certificate_error(caused(httpx.ConnectError("x"), caused(httpcore.ConnectError(), refused)))
    assert not is_certificate_error(caused(httpx.ConnectError("x"), ssl.SSLError("handshake")))
    assert not is_certificate_error(None)


def test_the_reason_is_the_first_message_of_the_causes() -> None:
    assert "ReadError: reset" == error_reason(caused(httpx.ReadError("reset"), OSError("below")))
    assert "ReadError: below" == error_reason(caused(httpx.ReadError(""), caused(OSError(), ValueError("below"))))
    context = httpx.ReadTimeout("")
    context.__context__ = OSError("around it")
    assert "ReadTimeout: around it" == error_reason(context)
    # An exception that is raised repeatedly can be its own cause.
    own = OSError()
    assert ("OSError", "NoneType") == (error_reason(caused(own, caused(OSError(), own))), error_reason(None))
