"""The texts in a JSON value, and where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Callable

Place: TypeAlias = "tuple[Place | None, str | int]"
"""A key or an index, and before it the place of what it is in."""


def with_texts(value: Any, change: Callable[[str, Place], Any], name: Callable[[str], str] | None = None) -> Any:
    """A JSON value with others in place of its texts. Without recursion, since values can be nested deeply.

    Args:
        value: JSON.
        change: Makes the new value of a text at a place.
        name: Makes the new name of a field.
    """
    root = [value]
    left: list[tuple[list[Any] | dict[str, Any], Place | None]] = [(root, None)]
    while left:
        parent, within = left.pop()
        # Only values are assigned, not keys.
        for key, each in enumerate(parent) if isinstance(parent, list) else parent.items():
            if isinstance(each, str):
                new = change(each, (within, key))
            elif isinstance(each, dict):
                fields = cast("dict[str, Any]", each)
                new = {name(old): item for old, item in fields.items()} if name else dict(fields)
                left.append((new, (within, key)))
            elif isinstance(each, list):
                new = list[Any](each)  # pyright: ignore[reportUnknownArgumentType]
                left.append((new, (within, key)))
            else:
                continue
            parent[key] = new  # type: ignore[index]  # pyright: ignore[reportCallIssue, reportArgumentType] - its own key
    return root[0]


def place_text(place: Place) -> str:
    """A place for people, such as `images[0].data`."""
    keys: list[str | int] = []
    within: Place | None = place
    while within is not None:
        within, key = within
        keys.append(key)
    # The last one is that of the whole value.
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys[-2::-1]).removeprefix(".")
