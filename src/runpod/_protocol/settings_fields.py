"""The body of a request that creates or changes something: from a mapping in the wire format, or from keywords."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from runpod._protocol.v1_names import renamed
from runpod._protocol.value_kinds import is_mapping
from runpod.errors import InvalidRequestError


def fields_of(request: object, keywords: Mapping[str, Any], example: str) -> dict[str, Any]:
    """The fields of a body, in the wire format.

    Args:
        request: The positional mapping in the wire format, or None.
        keywords: Instead of it, fields by their names in Python; None for those that were not passed.
        example: A call, for messages.

    Raises:
        InvalidRequestError: Both forms or neither were passed, or a name is that of an older API.
    """
    given = {name: value for name, value in keywords.items() if value is not None}
    if given and request is not None:
        msg = (
            f"Pass either a positional mapping or keywords, not both: got a positional mapping and {', '.join(given)}=."
        )
        raise InvalidRequestError(msg)
    if request is None:
        fields = {to_camel(name): plain(value) for name, value in given.items()}
    elif is_mapping(request):
        fields = {str(name): plain(value) for name, value in request.items()}
        check_names(fields)
    else:
        msg = f"A positional argument must be a mapping, not {type(request).__name__}. Otherwise use {example}."
        raise InvalidRequestError(msg)
    if not fields:
        msg = f"Pass the fields, such as {example}."
        raise InvalidRequestError(msg)
    check_env(fields)
    return fields


def check_names(fields: Mapping[str, Any]) -> None:
    """Checks for names of older APIs, and of Python.

    Raises:
        InvalidRequestError: There is one.
    """
    hint = renamed(fields)
    if hint:
        raise InvalidRequestError(hint)
    for name in fields:
        if "_" in name:
            msg = f"There is no field {name!r} in the wire format: it is {to_camel(name)!r} there. Keywords have _."
            raise InvalidRequestError(msg)


def require(fields: Mapping[str, Any], *names: str, example: str) -> None:
    """Checks that fields were passed.

    Raises:
        InvalidRequestError: One is missing.
    """
    missing = [name for name in names if fields.get(name) is None]
    if missing:
        msg = f"{missing[0]} is missing. Pass the fields, such as {example}."
        raise InvalidRequestError(msg)


def check_env(fields: Mapping[str, Any]) -> None:
    """Checks environment variables: the API accepts texts only.

    Raises:
        InvalidRequestError: They are not a mapping, or a value is not a str.
    """
    env: object = fields.get("env")
    if env is None:
        return
    if not isinstance(env, dict):
        msg = f"env must be a mapping, not {type(env).__name__}."
        raise InvalidRequestError(msg)
    for name, value in cast("dict[str, object]", env).items():
        if not isinstance(value, str):
            msg = f"env[{name!r:.80}] must be a str, not {type(value).__name__}."
            raise InvalidRequestError(msg)


def plain(value: object) -> Any:
    """A value with models as mappings in the wire format, and mappings and sequences as dicts and lists."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in cast("Mapping[object, object]", value).items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in cast("list[object]", value)]
    return value
