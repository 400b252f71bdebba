"""What an exception out of `send` of an httpx client says of the request."""

from __future__ import annotations

import ssl
from socket import gaierror
from typing import Any

import anyio
import h11
import httpcore
import httpx

from runpod._transport_errors import NEVER_SENT, is_of_certificate, is_of_transport, may_have_been_sent, reason_of


def of_package(name: str, module: str = "aiohttp.client_exceptions", cause: BaseException | None = None) -> Any:
    """An error of a package that need not be installed."""
    error = type(name, (Exception,), {"__module__": module})("lost")
    error.__cause__ = cause
    return error


def caused(error: BaseException, cause: BaseException) -> Any:
    error.__cause__ = cause
    return error


def test_what_is_about_the_request() -> None:
    ours: list[Any] = [httpx.ReadError, httpx.ConnectTimeout, httpx.InvalidURL, httpx.StreamError, httpcore.PoolTimeout]
    ours += [ssl.SSLError, ConnectionResetError, gaierror, h11.RemoteProtocolError, anyio.ClosedResourceError]
    ours += [lambda _: of_package("ClientError"), type("OfACaller", (httpx.ReadTimeout,), {})]
    others: list[Any] = [RuntimeError, OSError, ValueError, TimeoutError, KeyboardInterrupt]
    others += [lambda _: of_package("E", "aiohttp_of_x"), type("Exit", (BaseException,), {"__module__": "anyio"})]
    assert [] == [kind for kind in ours if not is_of_transport(kind("x"))]
    assert [] == [kind for kind in others if is_of_transport(kind("x"))]


def test_some_errors_are_raised_before_a_byte_is_sent_but_aiohttp_raises_them_later_too() -> None:
    assert {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"} == {
        kind.__name__ for kind in NEVER_SENT
    }
    never = [httpx.ConnectError("x"), caused(httpx.ConnectTimeout("x"), httpcore.ConnectTimeout())]
    never.append(caused(httpx.ConnectError("x"), of_package("ClientConnectorError")))
    assert [False] * 3 == [may_have_been_sent(error) for error in never]
    assert may_have_been_sent(caused(httpx.ConnectTimeout("x"), of_package("ServerDisconnectedError")))


def test_certificates_are_found_in_what_caused_it() -> None:
    refused = ssl.SSLCertVerificationError("self-signed")
    assert is_of_certificate(caused(httpx.ConnectError("x"), caused(httpcore.ConnectError(), refused)))
    assert not is_of_certificate(caused(httpx.ConnectError("x"), ssl.SSLError("handshake")))
    assert not is_of_certificate(None)


def test_the_reason_is_the_first_text_there_is() -> None:
    assert "ReadError: reset" == reason_of(caused(httpx.ReadError("reset"), OSError("below")))
    assert "ReadError: below" == reason_of(caused(httpx.ReadError(""), caused(OSError(), ValueError("below"))))
    context = httpx.ReadTimeout("")
    context.__context__ = OSError("around it")
    assert "ReadTimeout: around it" == reason_of(context)
    # One that is raised again and again can be its own cause.
    own = OSError()
    assert ("OSError", "NoneType") == (reason_of(caused(own, caused(OSError(), own))), reason_of(None))
