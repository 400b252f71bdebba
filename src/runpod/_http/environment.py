"""Network settings from the environment: certificate authorities and proxies."""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from runpod._config import is_loopback
from runpod._logging import warn
from runpod.errors import ConfigurationError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

# Variables that configure TLS here, and those that name certificate authorities for other programs.
_TLS_FILES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
_AUTHORITIES_OF_OTHERS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


def tls_context() -> ssl.SSLContext:
    """A TLS context with the certificate authorities of SSL_CERT_FILE or SSL_CERT_DIR, otherwise those of certifi.

    Raises:
        ConfigurationError: The certificate authorities cannot be loaded.
    """
    try:
        return httpx.create_ssl_context()
    except OSError as error:  # includes ssl.SSLError
        named = [f"{name}={os.environ[name]!r}" for name in _TLS_FILES if os.environ.get(name)]
        check = " and ".join(named) or "the installation of certifi"
        msg = f"TLS cannot be set up ({type(error).__name__}: {error}). Check {check}."
        raise ConfigurationError(msg) from None


def certificate_advice() -> str:
    """What to do if the certificate of a server cannot be verified."""
    others = [name for name in _AUTHORITIES_OF_OTHERS if os.environ.get(name)]
    if others and not os.environ.get("SSL_CERT_FILE"):
        return f"{others[0]} is set, but this library reads SSL_CERT_FILE: set it to the same file."
    return "If your network uses its own certificate authority, set SSL_CERT_FILE to its file."


def proxies_for(url: str) -> Iterator[tuple[str, str]]:
    """Yields (source, proxy URL) for the proxies that the environment sets for a URL, the most specific first.

    Loopback hosts use no proxy: few proxies reach them, and over http:// a proxy would see the API key.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host):
        return
    settings = getproxies()
    found = [scheme for scheme in (parts.scheme.lower(), "all") if settings.get(scheme)]
    if not found or _is_bypassed(host, parts.port, settings.get("no", "")):
        return
    for scheme in found:
        proxy = settings[scheme].strip()
        yield _source(scheme), proxy if "://" in proxy else f"http://{proxy}"


def warn_of_proxy(source: str, proxy: str, error: Exception) -> None:
    """Warns that a proxy cannot be used, without its password."""
    scheme, _, address = proxy.partition("://")
    problem = 'the socksio package is missing: pip install "httpx[socks]"'
    if not isinstance(error, ImportError):
        problem = "not the URL of an http, https or socks5 proxy"
    msg = f"{source} is ignored: {scheme}://{address.rpartition('@')[2]} cannot be used ({problem})."
    warn(msg, RuntimeWarning)


def _is_bypassed(host: str, port: int | None, no_proxy: str) -> bool:
    entries = [entry.strip() for entry in no_proxy.split(",")]
    if "*" in entries or proxy_bypass(host if port is None else f"{host}:{port}"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # urllib compares names only; entries can also be networks, such as 10.0.0.0/8 or fc00::/7.
    return any(address in network for network in _networks(entries))


def _networks(entries: list[str]) -> Iterator[Any]:
    for entry in entries:
        try:
            yield ipaddress.ip_network(entry.strip("[]"), strict=False)
        except ValueError:
            continue


def _source(scheme: str) -> str:
    for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY"):
        if os.environ.get(name):
            return name
    return f"the system proxy for {scheme}"
