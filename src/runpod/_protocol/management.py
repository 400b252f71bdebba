"""Calls of the management API (docs.runpod.io, "API reference", version 2)."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, unquote, urlencode

from pydantic_core import to_json

from runpod._protocol.json_values import Converter, NotSerializableError
from runpod._protocol.operations import MANAGEMENT, Call, Operation, encoded
from runpod._protocol.v1_names import correction
from runpod._protocol.value_kinds import is_mapping
from runpod._text import readable
from runpod.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeAlias

    Query: TypeAlias = Sequence[tuple[str, str]]

_ADVICE = {
    401: "Check the API key.",
    404: "Check the ID, and that this API key belongs to the same account.",
    409: "Something else has changed it, or has the same name. Get its current state, and try again.",
    413: "The management API accepts bodies of up to 100 KB.",
    422: "Correct the fields that are named, and try again.",
    429: "The management API allows 60 requests per minute.",
}

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

# Fields of requests that no error may show, and the shortest text that is hidden: `1` is in many messages.
_SECRETS = frozenset({"env", "password", "value"})
_SHORTEST = 4


def management_operation(name: str, method: str) -> Operation:
    """An operation of the management API. All but POST can be repeated: they have the same result."""
    return Operation(name, method, "", repeatable=method != "POST", service=MANAGEMENT)


@dataclass(frozen=True)
class ManagementCall(Call):
    """A call of the management API.

    Attributes:
        path: The path, whose IDs are encoded, such as `/v2/pods/abc`.
        query: Names and values of the query.
    """

    endpoint_id: str = ""
    path: str = ""
    query: Sequence[tuple[str, str]] = field(default=(), repr=False)

    @property
    def target(self) -> str:
        """The path and the query."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    def advice(self, status: int) -> str:
        """What to do after an error status, as sentences; empty for most."""
        if status == 403:
            permission = "read" if self.operation.method == "GET" else "read and write"
            return (
                f"This API key is not permitted to do that: it needs the permission to {permission}. Keys have "
                "permissions of their own; check those of this one in the Runpod console."
            )
        hint = correction(self._json) if status in {400, 422} else ""
        return hint or _ADVICE.get(status, "")

    @property
    def doubt_advice(self) -> str:
        """What to do if the request may have been executed."""
        return (
            "The request may have been executed, and sending it again may create or start something twice. List what "
            "there is first."
        )

    @property
    def _json(self) -> Any:
        with suppress(ValueError):
            return json.loads(self.body or b"null")
        return None

    def secrets_of(self, body: bytes) -> frozenset[str]:
        """The environment variables and passwords of a body."""
        with suppress(ValueError, RecursionError):
            return frozenset(text for text in _secrets(json.loads(body)) if len(text) >= _SHORTEST)
        return frozenset()

    def __str__(self) -> str:
        return f"{self.operation.name} ({self.operation.method} {readable(self.path, 200)})"


def new_call(
    name: str, method: str, steps: Sequence[str], *, query: Query = (), fields: object = None
) -> ManagementCall:
    """A call of an operation.

    Args:
        name: What to call it in messages, such as "manage.pods.get".
        method: The HTTP method.
        steps: The steps of the path below `/v2`. IDs are encoded.
        query: Names and values of the query.
        fields: The body, JSON; None for no body.

    Raises:
        InvalidRequestError: The body cannot be expressed in JSON, or the query not in a URL.
    """
    path = "/".join(("/v2", *map(encoded, steps)))
    endpoint_id = steps[1] if steps[0] == "serverless" and len(steps) > 1 else ""
    body = None if fields is None else encode_fields(fields)
    operation = management_operation(name, method)
    return ManagementCall(operation, endpoint_id, body=body, path=path, query=_checked_query(query))


def raw_call(method: object, path: object, query: object, fields: object) -> ManagementCall:
    """A call of any path.

    Raises:
        InvalidRequestError: The method or the path is not one of the API, or the body cannot be expressed in JSON, or
            the query not in a URL.
    """
    if not isinstance(method, str) or method.upper() not in METHODS:
        msg = f"method must be one of {', '.join(METHODS)}, not {method!r:.40}."
        raise InvalidRequestError(msg)
    body = None if fields is None else encode_fields(fields)
    operation = management_operation("manage.request", method.upper())
    if query is not None and not is_mapping(query):
        msg = f"query must be a mapping, such as {{'limit': 10}}, not {type(query).__name__}."
        raise InvalidRequestError(msg)
    pairs = [(str(name), _query_text(name, each)) for name, each in (query or {}).items() if each is not None]
    return ManagementCall(operation, body=body, path=_checked_path(path), query=_checked_query(pairs))


def _checked_path(path: object) -> str:
    if not isinstance(path, str) or not path.startswith("/v2/"):
        msg = f'path must start with "/v2/", such as "/v2/clusters", without a host; got {path!r:.80}.'
        raise InvalidRequestError(msg)
    if re.search(r"[?#]", path):
        msg = "path must not contain ? or #. Pass the query as query={…}, and encode other ? as %3F."
        raise InvalidRequestError(msg)
    if re.search(r"[\x00-\x20\x7f\\]|//", path) or {".", ".."} & {unquote(step) for step in path.split("/")}:
        msg = "path must not contain spaces, control characters, backslashes, empty steps, . or .. as a step."
        raise InvalidRequestError(msg)
    try:
        return quote(path, safe="/%:@!$&'()*+,;=~-._")
    except UnicodeEncodeError:
        msg = "path contains a lone surrogate and cannot be encoded in a URL."
        raise InvalidRequestError(msg) from None


def _checked_query(query: Query) -> Query:
    for name, text in query:
        try:
            f"{name}{text}".encode()
        except UnicodeEncodeError:
            msg = f"{name!r:.60} in the query contains a lone surrogate and cannot be encoded in a URL."
            raise InvalidRequestError(msg) from None
    return query


def _query_text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    msg = f"query[{name!r:.60}] must be a str, a number or a bool, not {type(value).__name__}."
    raise InvalidRequestError(msg)


def encode_fields(fields: object) -> bytes:
    """Encodes the body of a request.

    Raises:
        InvalidRequestError: It cannot be expressed in JSON.
    """
    converter = Converter()
    try:
        # The body itself does not count as a level.
        ready = converter.convert(fields, -1)
    except NotSerializableError as error:
        msg = f"{error.place or 'The body'} {error.problem}."
        raise InvalidRequestError(msg) from None
    if converter.parts:
        raise InvalidRequestError("The management API takes no files: a runpod.File belongs into the input of a job.")
    return to_json(ready)


def _secrets(value: object, *, hidden: bool = False) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in cast("dict[str, Any]", value).items():
            yield from _secrets(each, hidden=hidden or name in _SECRETS)
    elif isinstance(value, list):
        for each in cast("list[object]", value):
            yield from _secrets(each, hidden=hidden)
    elif hidden and isinstance(value, str):
        yield value
