"""The body of a request that creates or changes a template, or creates a credential for a registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import SecretStr

from runpod._protocol.settings_fields import fields_of, require
from runpod.errors import InvalidRequestError

_CREATE = 'create(name="horses", image="horses:1", serverless=True)'
_UPDATE = 'update("TEMPLATE_ID", image="horses:2")'
_REGISTRY = 'create(name="docker", username="horse", password="…")'


def created_template(request: object, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a new template, in the wire format.

    Raises:
        InvalidRequestError: A field is missing, or surely wrong.
    """
    fields = fields_of(request, keywords, _CREATE)
    require(fields, "name", "image", example=_CREATE)
    _check_mounts(fields)
    return fields


def changed_template(request: object, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a template to change, in the wire format.

    Raises:
        InvalidRequestError: A field is surely wrong.
    """
    fields = fields_of(request, keywords, _UPDATE)
    _check_mounts(fields)
    return fields


def created_registry(request: object, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a new credential, in the wire format.

    Raises:
        InvalidRequestError: A field is missing, or not a str.
    """
    fields = fields_of(request, keywords, _REGISTRY)
    for name in ("name", "username", "password"):
        if isinstance(fields.get(name), SecretStr):
            fields[name] = fields[name].get_secret_value()
        require(fields, name, example=_REGISTRY)
        if not isinstance(fields[name], str) or not fields[name]:
            msg = f"{name} must be a str that is not empty."
            raise InvalidRequestError(msg)
    return fields


def _check_mounts(fields: Mapping[str, Any]) -> None:
    mounts: object = fields.get("mounts")
    if not isinstance(mounts, Mapping):
        return
    disk: object = cast("Mapping[str, object]", mounts).get("persistent")
    size = cast("Mapping[str, object]", disk).get("size") if isinstance(disk, Mapping) else None
    if isinstance(size, int) and size < 10:
        msg = f"mounts.persistent.size must be at least 10 (GB), got {size}."
        raise InvalidRequestError(msg)
