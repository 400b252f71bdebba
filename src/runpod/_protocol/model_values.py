"""Dumps pydantic models, and dataclasses of pydantic, as JSON types."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, RootModel

from runpod._protocol.value_kinds import is_array, is_mapping, is_record, is_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class ModelDump:
    """How a model is dumped: without unset fields that are None, which would override the worker's defaults.

    Attributes:
        has_secret: Whether there is a secret in it, once it was dumped.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self.has_secret = False

    def run(self, leave: Callable[[Any], str]) -> Any:
        """Dumps the model.

        Args:
            leave: Called with each value that pydantic cannot serialize. Returns what stands for it.

        Raises:
            ValueError: Or another error of pydantic: it cannot be serialized.
        """
        model = self._model
        excluded, self.has_secret = _unset_fields(model)
        if isinstance(model, BaseModel) and type(model).model_dump is not BaseModel.model_dump:
            # `fallback` is an argument of `model_dump` from pydantic 2.11 on.
            return model.model_dump(mode="json", by_alias=True, exclude=excluded)
        serializer = model.__pydantic_serializer__
        return serializer.to_python(model, mode="json", by_alias=True, exclude=excluded, fallback=leave)


def _unset_fields(value: object) -> tuple[Any, bool]:
    """The `exclude` argument of `model_dump` for unset fields that are None, and whether there is a secret."""
    if value is None or isinstance(value, (str, int, float)):
        return None, False
    excluded: dict[Any, Any] = {}
    if isinstance(value, RootModel):
        return _unset_fields(cast("RootModel[object]", value).root)
    if isinstance(value, BaseModel):
        items: Iterable[tuple[Any, Any]] = list(value)
        excluded = {name: True for name, item in items if item is None and name not in value.model_fields_set}
    elif is_mapping(value):
        items = value.items()
    elif is_array(value):
        items = enumerate(value)
    elif is_record(value):
        items = [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    else:
        return None, is_secret(value)
    has_secret = False
    for name, item in items:
        nested, found = _unset_fields(item)
        has_secret = has_secret or found
        if nested:
            excluded[name] = nested
    return excluded or None, has_secret
