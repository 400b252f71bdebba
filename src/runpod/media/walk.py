"""Walks through any output, in order, and yields the values that can be media."""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from runpod.media.item import Media
from runpod.media.keys import OTHER, TOP, Key, below, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping

# With a type for type checkers, which call it partially unknown otherwise
_type_of: Callable[[object], type[Any]] = type

_NUMBERS = frozenset([int, float])
_SCALARS = frozenset([int, float, bool, type(None)])
# How far objects are examined before the walk enters them. An object that contains itself many times bounds both.
_DEPTH, _SMALL = 3, 16

_CONTENTS = (bytes, bytearray, memoryview, Media)


# A value that can be media (text, bytes or Media), its key or that of its list, what is known of the object that it is in
# by the keys above, and that object. Plain tuples: an output can have ten thousand.
Found: TypeAlias = "tuple[str | bytes | Media, object, Key, Mapping[Any, Any]]"

# What an object that declares its `data` as base64 has as its `type`.
BASE64 = "base64"
_MIME_KEYS = ("mime_type", "media_type", "content_type", "mimeType", "contentType")
_DECLARED_TYPES = frozenset(["image", "audio", "video", "file", "url"])


def walk(output: Any, beginnings: Container[str]) -> Iterator[Found]:
    """Yields in order all values that can be media.

    These are bytes, text that begins with one of `beginnings`, and text under the key `data` of an object that says what
    it is. It must take a fraction of the time that decoding the JSON took, so nearly nothing is done for values without
    interest: most outputs are numbers, text and small objects of both. Deep nesting and cycles do no harm.
    """
    seen = dict[int, Any]()  # the containers, kept so that no other gets the ID of one
    # Where the walk is: the rest of each container, the key of the object that it is, or is in, and that object.
    levels: list[tuple[Iterator[tuple[Any, Any]], Key, Mapping[Any, Any]]] = [(iter([(None, output)]), TOP, {})]
    while levels:
        items, parent, mapping = levels[-1]
        for name, value in items:
            cls = _type_of(value)
            if cls is str:
                if value[:3] in beginnings or (name == "data" and declared(mapping) is not None):
                    yield value, name, parent, mapping
                continue
            if cls in _SCALARS:
                continue
            if cls is dict:
                if ("data" not in value and _is_dull(value.values(), beginnings, _DEPTH)) or id(value) in seen:
                    continue
                levels.append((iter(value.items()), key_in(name, parent), value))
            elif cls is list:
                if not value or (type(value[0]) in _NUMBERS and _are_numbers(value)) or id(value) in seen:
                    continue
                levels.append((zip(repeat(_name_of_items(name, mapping)), value), parent, mapping))
            elif isinstance(value, str):
                yield str.__str__(value), name, parent, mapping
                continue
            elif issubclass(cls, _CONTENTS):
                yield value if cls is Media else bytes(value), name, parent, mapping
                continue
            else:
                if id(value) in seen:
                    continue
                children, inner = _children(name, value)
                levels.append(
                    (iter(children), *((parent, mapping) if inner is None else (key_in(name, parent), inner)))
                )
            seen[id(value)] = value
            break
        else:
            levels.pop()


def key_in(name: object, parent: Key) -> Key:
    """What is known of a value by its key and by those above."""
    if name is None:
        return parent
    return below(key_of(name) if isinstance(name, str) else OTHER, parent)


def declared(mapping: Mapping[Any, Any]) -> str | None:
    """What an object says that its `data` is: a media type, `BASE64`, or empty for a URL or any media; None if nothing."""
    kind = mapping.get("type")
    if isinstance(kind, str):
        kind = kind.lower().partition(";")[0]
        if kind == BASE64 or "/" in kind:
            return kind
        if kind in _DECLARED_TYPES or kind.endswith("_url"):
            return ""
    for name in _MIME_KEYS:
        mime = mapping.get(name)
        if isinstance(mime, str) and "/" in mime:
            return mime.lower().partition(";")[0]
    return None


def _name_of_items(name: object, mapping: Mapping[Any, Any]) -> object:
    # `value` says as little as `data`, but its items are not looked at one by one.
    return "value" if name == "data" and declared(mapping) is None else name


def _is_dull(values: Iterable[Any], beginnings: Container[str], depth: int) -> bool:
    """Whether the walk can skip an object, or a small list in one: it has only numbers and text without interest."""
    for value in values:
        cls = _type_of(value)
        if cls is float or cls is int:
            continue
        if cls is str:
            if value[:3] in beginnings:
                return False
        elif cls is list:
            if not value:
                continue
            first = _type_of(value[0])
            if first is int or first is float:
                if not _are_numbers(value):
                    return False
            elif depth == 0 or len(value) > _SMALL or not _is_dull(value, beginnings, depth - 1):
                return False
        elif cls is dict:
            if "data" in value or depth == 0 or len(value) > _SMALL:
                return False
            if not _is_dull(value.values(), beginnings, depth - 1):
                return False
        elif cls not in _SCALARS:
            return False
    return True


def _are_numbers(values: list[Any]) -> bool:
    """Whether a list has only numbers, such as an embedding or tokens. Adding them is faster than looking at types."""
    try:
        sum(values)
    except Exception:  # noqa: BLE001 - text and containers cannot be added; objects of others can raise anything
        return False
    return True


def _children(name: object, value: Any) -> tuple[Iterable[tuple[Any, Any]], Mapping[Any, Any] | None]:
    """The items of an unusual container; and the container as a mapping if it is an object, not a list."""
    cls = cast("Any", type(value))
    mapping: dict[Any, Any]
    if issubclass(cls, dict):
        mapping = dict(value)
    elif hasattr(cls, "_asdict") and issubclass(cls, tuple):
        mapping = value._asdict()
    elif issubclass(cls, (list, tuple, set, frozenset)):
        return zip(repeat(name), value), None
    # The URL types of pydantic
    elif hasattr(value, "unicode_string") and cls.__module__.startswith("pydantic"):
        return [(name, str(value))], None
    else:
        mapping = _attributes(value)
    return mapping.items(), mapping


def _alias_of(field: Any) -> str | None:
    # `alias` sets it as well; it can also be several names, or a path.
    alias = getattr(field, "validation_alias", None)
    return alias if isinstance(alias, str) else None


def _attributes(value: Any) -> dict[Any, Any]:
    """The fields of a pydantic model or a dataclass, by the names of the wire format; none of other objects."""
    cls = cast("Any", type(value))
    fields = getattr(cls, "model_fields", None)
    if isinstance(fields, dict):
        names = cast("dict[str, Any]", fields)
        extra = cast("dict[str, Any]", getattr(value, "__pydantic_extra__", None) or {})
        items = chain(getattr(value, "__dict__", {}).items(), extra.items())
        return {_alias_of(names.get(name)) or name: item for name, item in items}
    fields = getattr(cls, "__dataclass_fields__", None)
    if isinstance(fields, dict):
        return {name: getattr(value, name, None) for name in cast("dict[str, Any]", fields)}
    return {}
