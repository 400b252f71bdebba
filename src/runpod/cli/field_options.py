"""Options for the fields of an input, such as `--prompt "a horse" --width 512`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from typer.core import TyperCommand

from runpod._text import readable
from runpod.errors import InvalidRequestError

_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "URL or @FILE"}


class FieldsCommand(TyperCommand):
    """A command with options of its own, and others for fields, whose values can begin with a dash."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Joins such values to their options: otherwise the letters in `--prompt -very` are options like -v."""
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        words: list[str] = []
        for word in args:
            is_value = word[:1] == "-" != word[1:2] and word not in own and set(word) != {*"-v"}
            if is_value and words and words[-1].startswith("--") and "=" not in words[-1] and words[-1] not in own:
                words[-1] += f"={word}"
            else:
                words.append(word)
        return super().parse_args(ctx, words)


def parse_fields(words: Sequence[str], model: type[BaseModel] | None) -> dict[str, Any]:
    """The fields that options describe.

    Args:
        words: `--name value`, `--name=value`, or `--name` alone for true. An option that is repeated is a list.
        model: The model of the input. Without one, a value is JSON where it can be, and text otherwise.

    Raises:
        InvalidRequestError: A word is not an option or its value, or an option has no value.
    """
    fields: dict[str, Any] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        option, is_joined, text = word.partition("=")
        name = option[2:].replace("-", "_")
        if not option.startswith("--") or not name.isidentifier():
            raise InvalidRequestError(
                f"{readable(word, 60)!r} is not the name of a field. Pass fields as options, such as --prompt TEXT; "
                "put text of several words in quotes."
            )
        annotation = _annotation(model, name)
        if not is_joined and (not left or left[0].startswith("--")):
            if model is not None and annotation is not bool:
                raise InvalidRequestError(f"{option} needs a value. A text that begins with -- is {option}=TEXT.")
            value: Any = True
        else:
            value = _value(text if is_joined else left.pop(0), annotation)
        if _is_list(annotation):
            fields[name] = [*fields.get(name, []), *(value if isinstance(value, list) else [value])]
        elif name not in fields:
            fields[name] = value
        elif model is not None:
            raise InvalidRequestError(f"{option} is given twice, but is not a list.")
        else:
            fields[name] = [*(fields[name] if isinstance(fields[name], list) else [fields[name]]), value]
    return fields


def field_types(model: type[BaseModel] | None) -> dict[str, str]:
    """What each field of a model takes, in words."""
    return {} if model is None else {name: _words(_annotation(model, name)) for name in model.model_fields}


def _annotation(model: type[BaseModel] | None, name: str) -> Any:
    """The type of a field, without None and metadata; None if it is unknown."""
    field = None if model is None else model.model_fields.get(name)
    return None if field is None else _bare(field.annotation)


def _bare(annotation: Any) -> Any:
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in {Union, UnionType}:
            annotation = next(each for each in get_args(annotation) if each is not NoneType)
        else:
            return annotation


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) in {list, Sequence}


def _item(annotation: Any) -> Any:
    return _bare(get_args(annotation)[0])


def _value(text: str, annotation: Any) -> Any:
    if annotation in {str, Any} or (
        _is_list(annotation) and not text.startswith("[") and _item(annotation) in {str, Any}
    ):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text  # the model says what is wrong with it
    return value


def _words(annotation: Any) -> str:
    if _is_list(annotation):
        item = _item(annotation)
        return f"{_words(item)}; can be repeated"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"JSON object with {', '.join(annotation.model_fields)}"
    if get_origin(annotation) in {dict, Mapping}:
        return "JSON object"
    return _WORDS.get(annotation, "JSON")  # pyright: ignore[reportUnknownArgumentType]
