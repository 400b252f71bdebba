"""What clients send, checked: bodies, query parameters, and the texts of a refusal."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

from runpod.local._job import Payload
from runpod.local._json import JSONText, decode

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RUNSYNC_BODY_LIMIT", "RUN_BODY_LIMIT", "Refusal", "body_too_large", "payload", "wait"]

# Bytes. Documentation says 10 MB and 20 MB; the service's own error text says MiB.
RUN_BODY_LIMIT = 10 * 1024 * 1024
RUNSYNC_BODY_LIMIT = 20 * 1024 * 1024

# Milliseconds.
_MIN_WAIT = 1000
_MAX_WAIT = 300_000

# What reaches the worker besides `input`; the platform keeps `policy` to itself and "silently
# drops" every other top-level key.
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
_TYPE_NAMES = {bool: "a boolean", dict: "an object", int: "an integer", str: "a string"}


class Refusal(Exception):  # noqa: N818  # It is an answer.
    """The request is answered with this HTTP status and `{"error": text}`."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


def body_too_large(limit: int) -> Refusal:
    """Refuse a body over the limit, with the service's own text."""
    return _bad_body(f"exceeded max body size of {limit // (1024 * 1024)}MiB")


def payload(body: bytes) -> Payload:
    """Read the body of `/run` or `/runsync`."""
    try:
        request = decode(body.decode())
    except ValueError as error:
        raise _bad_body(f"invalid JSON: {error}") from None
    if not isinstance(request, dict):
        raise _bad_body("must be a JSON object")
    fields = cast("dict[str, Any]", request)
    if fields.get("input") is None:
        raise _bad_body("input is required")
    # "array/scalar rejected with 400: the server decodes into a struct whose input is an object".
    # The other fields have their types in that struct as well.
    _check(fields, (("input", dict), ("policy", dict), *_FOR_THE_WORKER))
    _check(fields.get("policy") or {}, _POLICY, within="policy.")
    kept = {"input": fields["input"]}
    for name, _ in _FOR_THE_WORKER:
        if fields.get(name) is not None:
            kept[name] = fields[name]
    return Payload(_encode(kept), empty=not fields["input"])


def wait(query: Mapping[str, str], default: int) -> float:
    """Read how long a long poll may take, given in milliseconds; gives seconds."""
    text = query.get("wait") or str(default)
    milliseconds = int(text) if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) else 0
    if not _MIN_WAIT <= milliseconds <= _MAX_WAIT:
        # Captured from the service.
        raise Refusal(400, f"wait is invalid; must be between {_MIN_WAIT} and {_MAX_WAIT}")
    return milliseconds / 1000


def _bad_body(text: str) -> Refusal:
    return Refusal(400, f"bad request: body: {text}")


def _check(fields: Mapping[str, Any], types: tuple[tuple[str, type], ...], *, within: str = "") -> None:
    for name, expected in types:
        value = fields.get(name)
        if value is None:
            continue
        # A bool is an int in Python only.
        if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
            raise _bad_body(f"{within}{name} must be {_TYPE_NAMES[expected]}")


def _encode(kept: dict[str, Any]) -> JSONText:
    try:
        # Unlike outputs, an input may hold an infinity: 1e999 is valid JSON, and becomes one.
        return JSONText(json.dumps(kept, ensure_ascii=False))
    except (RecursionError, ValueError) as error:
        raise _bad_body(f"invalid JSON: {error}") from None
