"""Templates, which make inputs from the columns of rows."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from runpod._bulk.json_text import InvalidJSONError, parse
from runpod._bulk.rows import columns_of, missing_column
from runpod._protocol.value_kinds import is_array
from runpod._text import readable
from runpod.errors import InvalidRequestError

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["Template"]

_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")
_EXAMPLE = '{"prompt": "{{caption}}"}'


class Template:
    """Makes an input from the columns of a row.

    A string that is exactly `"{{column}}"` becomes the value of that column, with its type. Within
    a longer string the value is inserted as text, or as JSON if it is not a string.

    Args:
        template: A JSON object as text, or a mapping, with at least one placeholder.

    Attributes:
        columns: The names of the columns it uses.

    Raises:
        InvalidRequestError: It is not a JSON object, has no placeholder, or a placeholder is malformed.

    Example:
        >>> template = Template('{"prompt": "A {{animal}}, oil on canvas", "seed": "{{seed}}"}')
        >>> template({"animal": "horse", "seed": 7})
        {'prompt': 'A horse, oil on canvas', 'seed': 7}
    """

    def __init__(self, template: str | Mapping[str, Any]) -> None:
        value: Any = template
        if isinstance(template, str):
            try:
                value = parse(template)
            except InvalidJSONError as error:
                hint = ""
                if re.search(r'[:\[,]\s*\{\{[^{}"]*\}\}', template):
                    hint = f" Write placeholders in quotes, such as {_EXAMPLE}."
                msg = f"The template is not valid JSON: {error}.{hint}"
                raise InvalidRequestError(msg) from None
        if not isinstance(value, Mapping):
            msg = f"The template must be a JSON object such as {_EXAMPLE}, not {type(value).__name__}."
            raise InvalidRequestError(msg)
        self.columns: frozenset[str] = frozenset(_columns(cast("object", value), ""))
        if not self.columns:
            msg = f"The template has no placeholder, so that all inputs would be equal. Add one, such as {_EXAMPLE}."
            raise InvalidRequestError(msg)
        self._template: Any = value

    def __call__(self, row: Mapping[str, Any] | BaseModel) -> dict[str, Any]:
        """Returns the input for a row.

        Raises:
            InvalidRequestError: The row has no such column, or a value cannot be inserted into text.
        """
        return cast("dict[str, Any]", _filled(self._template, columns_of(row)))

    def __repr__(self) -> str:
        return f"Template(columns={sorted(self.columns)})"


def _columns(value: object, place: str) -> list[str]:
    """The columns that a part of a template uses.

    Raises:
        InvalidRequestError: A placeholder is malformed.
    """
    if isinstance(value, str):
        found = [name.strip() for name in _PLACEHOLDER.findall(value)]
        rest = _PLACEHOLDER.sub("", value)
        if "{{" in rest or "}}" in rest:
            msg = (
                f"The template has unbalanced braces in {place or 'it'}: {readable(value, 60)!r}. Write {{{{column}}}}."
            )
            raise InvalidRequestError(msg)
        if not all(found):
            msg = f"The template has a placeholder without a column in {place}. Write {{{{column}}}}."
            raise InvalidRequestError(msg)
        return found
    if isinstance(value, Mapping):
        names: list[str] = []
        for key, item in cast("Mapping[object, object]", value).items():
            if isinstance(key, str) and ("{{" in key or "}}" in key):
                msg = (
                    f"The template has a placeholder in the key {readable(key, 60)!r}. Use placeholders in values only."
                )
                raise InvalidRequestError(msg)
            names += _columns(item, f"{place}.{key}" if place else str(key))
        return names
    if is_array(value):
        return [name for index, item in enumerate(value) for name in _columns(item, f"{place}[{index}]")]
    return []


def _filled(value: Any, columns: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        whole = _PLACEHOLDER.fullmatch(value)
        if whole is not None:
            return _value(whole[1].strip(), columns)
        return _PLACEHOLDER.sub(lambda match: _text(match[1].strip(), columns), value)
    if isinstance(value, Mapping):
        return {key: _filled(item, columns) for key, item in cast("Mapping[object, object]", value).items()}
    if is_array(value):
        return [_filled(item, columns) for item in value]
    return value


def _value(name: str, columns: Mapping[str, Any]) -> Any:
    try:
        return columns[name]
    except KeyError:
        msg = f"The template needs a column that the row lacks: {missing_column(name, columns)}"
        raise InvalidRequestError(msg) from None


def _text(name: str, columns: Mapping[str, Any]) -> str:
    value = _value(name, columns)
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        msg = (
            f"The column {name!r} cannot be inserted into text: its value of type {type(value).__name__} is not "
            "JSON-serializable. Convert it to a str."
        )
        raise InvalidRequestError(msg) from None
