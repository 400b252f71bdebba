"""Links in outputs: the call that downloads one, and what to say of one that has expired."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from runpod._protocol.operations import Call, Operation
from runpod.media.item import shown_url

if TYPE_CHECKING:
    from collections.abc import Mapping

FETCH = Operation("fetch", "GET", "", repeatable=True)

# Statuses of links that have expired, or whose file was deleted.
EXPIRED = frozenset({403, 404, 410})

# Statuses that stores use as well for a signature that has expired.
_REFUSED = EXPIRED | {400, 401}

_LIFETIMES = (
    "Links in outputs are short-lived: files of public endpoints are kept for 24 hours to 7 days, and those that a worker "
    "uploads with rp_upload for 7 days. Run the job again, and save its files as soon as it ends, with job.save."
)


@dataclass(frozen=True)
class LinkCall(Call):
    """The download of a URL. In messages it appears without the query, which can be a credential."""

    operation: Operation = FETCH
    endpoint_id: str = ""
    url: str = field(default="", repr=False, kw_only=True)

    def __str__(self) -> str:
        return f"The request for {shown_url(self.url)}"


def refusal(url: str, status: int, *, job_age: timedelta | None, now: datetime) -> str:
    """The message for a link whose response has a status that no retry changes.

    Args:
        url: The URL that was requested.
        status: The status.
        job_age: How long ago its job was submitted, if known.
        now: The current time.
    """
    signed = _signature(url, now) if status in _REFUSED else ""
    expired = status in EXPIRED or "expired" in signed
    msg = f"The link {shown_url(url)} answered {status}"
    msg += ": it has probably expired, or its file was deleted." if expired else "."
    if signed:
        msg += f" {signed}"
    if expired:
        msg += f" The job was submitted {span(job_age)} ago." if job_age is not None else ""
        msg += f" {_LIFETIMES}"
    else:
        msg += " Open it in a browser to see what it answers."
    return msg


def span(time: timedelta) -> str:
    """A span of time for people: `45 s`, `12 min`, `3 h`, `2 days`."""
    seconds = max(0, round(time.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 2 * 3600:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds <= 48 * 3600 else f"{seconds // 86400} days"


def _signature(url: str, now: datetime) -> str:
    """What a presigned URL says of its own lifetime, as sentences; empty if it is not presigned."""
    try:
        query = {name.lower(): value for name, value in parse_qsl(urlsplit(url).query)}
        signed_at, end = _lifetime(query)
    except (ValueError, OverflowError, OSError):
        return ""
    if end is None:
        return ""
    msg = "" if signed_at is None else f"It was signed at {_shown(signed_at)}, valid for {span(end - signed_at)}. "
    if end > now:
        return f"{msg}Its signature is valid until {_shown(end)}, for another {span(end - now)}."
    return f"{msg}It expired at {_shown(end)}, {span(now - end)} ago."


def _lifetime(query: Mapping[str, str]) -> tuple[datetime | None, datetime | None]:
    """When a URL was signed, if it says so, and when its signature expires."""
    for vendor in ("x-amz", "x-goog"):
        if f"{vendor}-date" in query and f"{vendor}-expires" in query:
            start = datetime.strptime(query[f"{vendor}-date"], "%Y%m%dT%H%M%S%z")
            return start, start + timedelta(seconds=int(query[f"{vendor}-expires"]))
    if re.fullmatch(r"\d{9,11}", query.get("expires", "")):  # S3 before version 4, CloudFront
        return None, datetime.fromtimestamp(int(query["expires"]), timezone.utc)
    if "se" in query and "sig" in query:  # Azure
        end = datetime.fromisoformat(query["se"].replace("Z", "+00:00"))
        return None, end if end.tzinfo else end.replace(tzinfo=timezone.utc)
    return None, None


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"
