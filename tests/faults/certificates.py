"""Valid and invalid TLS certificates."""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta, timezone
from typing import Any

import trustme


class ServerContext(ssl.SSLContext):
    """A server-side TLS context that counts the handshakes started."""

    handshakes = 0

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        self.handshakes += 1
        return super().wrap_bio(*args, **options)


class Certificates:
    """A certificate authority, and server certificates issued by it and by another one."""

    def __init__(self, *hosts: str) -> None:
        ours = trustme.CA()
        self.authority = ours.cert_pem
        yesterday = datetime.now(timezone.utc) - timedelta(days=1)
        self._servers = {
            "good": ours.issue_cert("127.0.0.1", *hosts),
            "expired": ours.issue_cert("127.0.0.1", not_before=yesterday - timedelta(days=9), not_after=yesterday),
            "wrong host": ours.issue_cert("elsewhere.test"),
            "unknown authority": trustme.CA().issue_cert("127.0.0.1"),
        }

    def context(self, name: str) -> ServerContext:
        context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
        self._servers[name].configure_cert(context)
        return context
