"""Certificates for TLS that is right, and for TLS that is broken."""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path


class Certificates:
    """An authority that a client may be told to trust, and servers that are more or less worthy of it."""

    def __init__(self) -> None:
        self._ours = trustme.CA()
        self._strangers = trustme.CA()
        yesterday = datetime.now(timezone.utc) - timedelta(days=1)
        self.contexts = {
            "good": _context(self._ours.issue_cert("127.0.0.1")),
            "expired": _context(
                self._ours.issue_cert("127.0.0.1", not_before=yesterday - timedelta(days=9), not_after=yesterday)
            ),
            "wrong host": _context(self._ours.issue_cert("elsewhere.test")),
            "self-signed": _context(self._strangers.issue_cert("127.0.0.1")),
        }

    def write_authority(self, path: Path) -> None:
        """Write what SSL_CERT_FILE may name."""
        self._ours.cert_pem.write_to_path(str(path))


def _context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context
