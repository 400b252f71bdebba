"""Parsing and validation of request bodies and query parameters, with the service's error texts."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

from runpod.local.jobs.job import Payload
from runpod.local.jobs.policy import MIN_EXECUTION_TIMEOUT, MIN_TTL, TTL, Policy
from runpod.local.json_text import JSONText, decode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runpod.local.settings import Behavior

__all__ = [
    "RUNSYNC_BODY_LIMIT",
    "RUN_BODY_LIMIT",
    "HTTPError",
    "body_too_large",
    "invalid_body",
    "parse_job",
    "parse_job_body",
    "parse_json",
    "parse_ttl",
    "parse_wait",
]

# Bytes. Documentation says 10 MB and 20 MB; the service's own error text says MiB.
RUN_BODY_LIMIT = 10 * 1024 * 1024
RUNSYNC_BODY_LIMIT = 20 * 1024 * 1024

# Milliseconds.
_MIN_WAIT = 1000
_MAX_WAIT = 300_000

# Fields that are passed on to the worker besides `input`. The service keeps `policy` to itself, and
# silently drops every other top-level key.
_FOR_THE_WORKER: tuple[tuple[str, type], ...] = (
    ("webhook", str),
    ("webhookV2", str),
    ("s3Config", dict),
)
_POLICY: tuple[tuple[str, type], ...] = (
    ("executionTimeout", int),
    ("lowPriority", bool),
    ("ttl", int),
)
_MAX_DURATION = 10**15  # Milliseconds. Longer durations could overflow.
_TYPE_NAMES = {bool: "a boolean", dict: "an object", int: "an integer", str: "a string"}


class HTTPError(Exception):
    """Makes the server respond with this HTTP status and `{"error": text}`."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


def invalid_body(text: str) -> HTTPError:
    """Create the error of an invalid body."""
    return HTTPError(400, f"bad request: body: {text}")


def body_too_large(limit: int) -> HTTPError:
    """Create the error of a body over the limit, with the service's text."""
    return invalid_body(f"exceeded max body size of {limit // (1024 * 1024)}MiB")


def parse_job_body(body: bytes, behavior: Behavior) -> Payload:
    """Parse the body of `/run` or `/runsync`."""
    return parse_job(parse_json(body), behavior)


def parse_json(body: bytes) -> Any:
    """Parse a body as JSON."""
    try:
        return decode(body.decode())
    except ValueError as error:
        raise invalid_body(f"invalid JSON: {error}") from None


def parse_job(request: object, behavior: Behavior) -> Payload:
    """Validate and convert the submission of one job."""
    if not isinstance(request, dict):
        raise invalid_body("must be a JSON object")
    fields = cast("dict[str, Any]", request)
    if fields.get("input") is None:
        raise invalid_body("input is required")
    # The service decodes the body into a struct whose `input` is an object, so that arrays and
    # scalars return 400. The other fields are typed in that struct as well.
    _check(fields, (("input", dict), ("policy", dict), *_FOR_THE_WORKER))
    policy = cast("dict[str, Any]", fields.get("policy") or {})
    _check(policy, _POLICY, within="policy.")
    others = {name: fields[name] for name, _ in _FOR_THE_WORKER if fields.get(name) is not None}
    return Payload(
        _encode(fields["input"]),
        empty=not fields["input"],
        policy=_policy(policy, behavior),
        webhook=fields.get("webhook"),
        others=_encode(others) if others else None,
    )


def _policy(fields: Mapping[str, Any], behavior: Behavior) -> Policy:
    def seconds(name: str, least: float) -> float | None:
        milliseconds: int | None = fields.get(name)
        if milliseconds is None:
            return None
        if milliseconds < least * 1000 and behavior.refuse_short_policies:
            raise invalid_body(f"policy.{name} must be at least {least * 1000:.0f}")
        return max(min(milliseconds, _MAX_DURATION) / 1000, least)

    return Policy(
        ttl=seconds("ttl", MIN_TTL) or TTL,
        execution_timeout=seconds("executionTimeout", MIN_EXECUTION_TIMEOUT),
        low_priority=bool(fields.get("lowPriority")),
    )


def parse_wait(query: Mapping[str, str], default: int) -> float:
    """Parse the `wait` parameter in milliseconds, and return seconds."""
    text = query.get("wait") or str(default)
    milliseconds = int(text) if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) else 0
    if not _MIN_WAIT <= milliseconds <= _MAX_WAIT:
        # Captured from the service.
        raise HTTPError(400, f"wait is invalid; must be between {_MIN_WAIT} and {_MAX_WAIT}")
    return milliseconds / 1000


def parse_ttl(query: Mapping[str, str]) -> float | None:
    """Parse the `ttl` parameter in milliseconds, and return seconds, or None if it is missing."""
    text = query.get("ttl")
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,15}", text, re.ASCII):
        raise HTTPError(400, "ttl is invalid; must be a number of milliseconds")
    return int(text) / 1000


def _check(fields: Mapping[str, Any], types: tuple[tuple[str, type], ...], *, within: str = "") -> None:
    for name, expected in types:
        value = fields.get(name)
        if value is None:
            continue
        # A bool is an int in Python, but not in JSON.
        if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
            raise invalid_body(f"{within}{name} must be {_TYPE_NAMES[expected]}")


def _encode(value: object) -> JSONText:
    try:
        # Unlike outputs, an input may contain an infinity: 1e999 is valid JSON and decodes to one.
        return JSONText(json.dumps(value, ensure_ascii=False))
    except (RecursionError, ValueError) as error:
        raise invalid_body(f"invalid JSON: {error}") from None
