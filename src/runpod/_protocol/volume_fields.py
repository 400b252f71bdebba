"""The body of a request that creates or changes a network volume, or replaces the SSH keys of an account."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, cast

from runpod._protocol.settings_fields import fields_of, require
from runpod.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

# The description of REST API v2, in GB.
_MIN_SIZE, _MAX_SIZE = 10, 4096

_CREATE = 'create(name="models", size=100, data_center="US-KS-2")'
_UPDATE = 'update("VOLUME_ID", size=200)'

_PUBLIC_KEY = re.compile(r"(?:ssh|ecdsa|sk)-\S+ \S+(?:[ \t][^\r\n]*)?")


def created_volume(request: object, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a new network volume, in the wire format.

    Raises:
        InvalidRequestError: A field is missing, or surely wrong.
    """
    volume = fields_of(request, keywords, _CREATE)
    require(volume, "name", "size", example=_CREATE)
    if not volume.get("dataCenter"):
        _refuse(
            "data_center is missing. Pass the ID of a data center, such as 'US-KS-2'; "
            "client.manage.catalog.datacenters() lists them."
        )
    _check_size(volume)
    return volume


def changed_volume(request: object, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a network volume to change, in the wire format.

    Raises:
        InvalidRequestError: There is none, or it cannot be changed, or is surely wrong.
    """
    volume = fields_of(request, keywords, _UPDATE)
    for name in ("dataCenter", "type"):
        if name in volume:
            _refuse(f"{name} of a network volume cannot be changed. Create another volume.")
    _check_size(volume)
    return volume


def public_keys(keys: object) -> list[str]:
    """SSH public keys without surrounding blanks.

    Raises:
        InvalidRequestError: They are not a list of public keys.
    """
    if isinstance(keys, (str, bytes)) or not isinstance(keys, Sequence):
        _refuse(f"keys must be a list of public keys, not {type(keys).__name__}: it replaces all keys of the account.")
    found: list[str] = []
    # A key is not shown: it may be anything.
    for number, key in enumerate(cast("Sequence[object]", keys)):
        text = key.strip() if isinstance(key, str) else ""
        if "PRIVATE KEY" in text:
            _refuse(f"keys[{number}] is a private key, which must stay here. Pass the content of its .pub file.")
        if not _PUBLIC_KEY.fullmatch(text):
            _refuse(f"keys[{number}] is not a public key, such as 'ssh-ed25519 AAAA… me@example.com'.")
        found.append(text)
    return found


def _refuse(message: str) -> NoReturn:
    raise InvalidRequestError(message)


def _check_size(volume: Mapping[str, Any]) -> None:
    size: object = volume.get("size")
    if size is None:
        return
    if isinstance(size, bool) or not isinstance(size, int):
        _refuse(f"size must be an int, in GB, not {type(size).__name__}.")
    if not _MIN_SIZE <= size <= _MAX_SIZE:
        _refuse(f"size must be from {_MIN_SIZE} to {_MAX_SIZE} GB, got {size}.")
