"""Which addresses a download may connect to: outputs name URLs, and must not make the client read a private network."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx

from runpod._config import is_loopback
from runpod._text import readable

# The only addresses of IPv6 that are assigned for the public internet.
_GLOBAL = ip_network("2000::/3")
# Exceptions that not all versions of Python know: documentation, protocols, and the services of Azure to its machines.
_NOT_PUBLIC = tuple(map(ip_network, ("3fff::/20", "192.0.0.0/24", "168.63.129.16/32")))
# A gateway that translates to the IPv4 address in the last 32 bits.
_NAT64 = ip_network("64:ff9b::/96")

# Names that are resolved within a private network (RFC 6762, RFC 8375, and those that ICANN reserves).
_LOCAL_NAMES = (".local", ".internal", ".home.arpa", ".lan", ".home", ".corp", ".intranet", ".private")


class RefusedURLError(Exception):
    """A URL is not allowed. Its text completes "it is not downloaded, since …"."""


class PrivateAddressError(RefusedURLError):
    """An address may be in a private network."""


@dataclass(frozen=True)
class Reach:
    """Which addresses may be connected to, besides public ones.

    Attributes:
        private: Whether private addresses may, too.
        loopback: Whether this machine may, too.
    """

    private: bool = False
    loopback: bool = False

    def check_address(self, address: str) -> None:
        """Checks an address before a connection is opened to it.

        Raises:
            PrivateAddressError: It must not be connected to.
        """
        if self.private:
            return
        found = ip_address(address)
        if not (_is_public(found) or (self.loopback and found.is_loopback)):
            msg = f"its host has the private address {address}"
            raise PrivateAddressError(msg)

    def check_url(self, text: str) -> httpx.URL:
        """Parses a URL and checks it, as far as that is possible without resolving its host.

        Raises:
            RefusedURLError: It must not be requested.
        """
        try:
            url = httpx.URL(text)
            host = url.host.rstrip(".")
        except (httpx.InvalidURL, ValueError) as error:  # ValueError includes the UnicodeError of idna
            msg = "it is not a valid URL"
            raise RefusedURLError(msg) from error
        # httpx accepts any number.
        if url.port is not None and not 0 < url.port < 65536:
            msg = "its port is not valid"
            raise RefusedURLError(msg)
        address = _literal(host)
        is_local = is_loopback(host) or (address is not None and address.is_loopback)
        if not host or (url.scheme != "https" and not (url.scheme == "http" and is_local)):
            msg = "only https:// is allowed, and http:// to this machine"
            raise RefusedURLError(msg)
        if url.userinfo:
            msg = "it contains a user name or a password"
            raise RefusedURLError(msg)
        if address is not None:
            self.check_address(str(address))
        elif is_local:
            self.check_address("127.0.0.1")
        elif not self.private and ("." not in host or host.endswith(_LOCAL_NAMES)):
            msg = f"{readable(host, 60)!r} is a name of a private network"
            raise PrivateAddressError(msg)
        return url


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    """The address if a host is one, also in an old form such as 127.1 or 0x7f000001."""
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return ip_address(socket.inet_aton(host)) if host[:1].isdigit() else None
    except (OSError, UnicodeError):
        return None


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return _is_public(address.ipv4_mapped)
        if address in _NAT64:
            return _is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address.sixtofour is not None:
            return _is_public(address.sixtofour)
        if address not in _GLOBAL:
            return False
    elif address.is_multicast or address.is_reserved:
        return False
    return address.is_global and not any(address in network for network in _NOT_PUBLIC)
