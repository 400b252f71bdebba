"""Who may use the page: one-use keys, sessions, and the hosts and origins of requests.

A key is part of the printed address. A browser trades it for a session, which it keeps in a cookie that only this server
knows, and that no script can read. Cookies are shared by all ports of a host, and pages of other origins can send
requests, so a cookie alone proves nothing: the request must also come from the page itself.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.datastructures import Headers

__all__ = ["KEY_LIFETIME", "Access", "is_same_origin"]

KEY_LIFETIME = 600.0
"""Seconds after which a key that was not used expires."""

_MAX_KEYS = 100
_MAX_SESSIONS = 100

_AUTHORITY = re.compile(r"(?:\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<name>[^\s\[\]:/@?#\\]+))(?::\d{1,5})?", re.IGNORECASE)


class Access:
    """The keys and sessions of one server. Thread-safe.

    Args:
        host: The host that the server was told to listen on.
        clock: Clock for the end of keys, in seconds.
    """

    def __init__(self, host: str, clock: Callable[[], float]) -> None:
        self.cookie: str = ""
        """The name of the cookie. It contains the port, as browsers send a cookie to every port of its host."""

        self._host = host.lower()
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: OrderedDict[str, float] = OrderedDict()
        self._sessions: OrderedDict[str, None] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Access {len(self._keys)} keys, {len(self._sessions)} sessions>"

    def new_key(self) -> str:
        """Create a key that can be used once."""
        key = secrets.token_urlsafe(32)
        with self._lock:
            self._keys[key] = self._clock() + KEY_LIFETIME
            if len(self._keys) > _MAX_KEYS:
                self._keys.popitem(last=False)
        return key

    def use(self, key: str) -> bool:
        """Use up a key, and return whether it was valid."""
        with self._lock:
            found = _find(key, self._keys)
            return found is not None and self._clock() <= self._keys.pop(found)

    def new_session(self) -> str:
        """Create a session, which lasts as long as the server, unless there are too many."""
        session = secrets.token_urlsafe(32)
        with self._lock:
            self._sessions[session] = None
            if len(self._sessions) > _MAX_SESSIONS:
                self._sessions.popitem(last=False)
        return session

    def is_signed_in(self, headers: Headers) -> bool:
        """Return whether a request has the cookie of a session."""
        # More than one: a page on another port can add a cookie of the same name, but does not know a session.
        cookies = (pair.strip().partition("=") for header in headers.getlist("cookie") for pair in header.split(";"))
        given = [value for name, _, value in cookies if name == self.cookie]
        with self._lock:
            return any(_find(value, self._sessions) is not None for value in given)

    def is_own_host(self, headers: Headers) -> bool:
        """Return whether a request was sent to a name of this server.

        The page of an attacker can reach this server by a name of its own that resolves to this machine (DNS
        rebinding), and is of the same origin then. That takes a name: so addresses are allowed, and of names only those
        that the attacker cannot have.
        """
        found = _AUTHORITY.fullmatch(headers.get("host", ""))
        if found is None:
            return False
        name = (found["ipv6"] or found["name"]).lower().removesuffix(".")
        if name in {"localhost", self._host} or name.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def is_same_origin(headers: Headers) -> bool:
    """Return whether a request can only come from the page itself, as far as its headers tell."""
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    origin = headers.get("origin")
    # Compared with the host that the browser sees, which differs from ours if a tunnel forwards another port.
    return origin is None or origin.lower() == f"http://{headers.get('host', '')}".lower()


def _find(given: str, known: Iterable[str]) -> str | None:
    """Find a secret. All are compared, each in constant time."""
    # Starlette decodes headers as latin-1, and queries with replacement characters.
    content = given.encode("utf-8", "replace")
    found = None
    for secret in known:
        if hmac.compare_digest(secret.encode(), content):
            found = secret
    return found
