"""Docstrings as the site's generator reads them: an extension of griffe."""

from __future__ import annotations

import re
from typing import Any

import griffe

__all__ = ["Docstrings"]

EXAMPLE = re.compile(r"^Example:$", re.MULTILINE)
ARGUMENTS = re.compile(r"^Args:$", re.MULTILINE)
FIELDS = re.compile(r"^(Args|Attributes):$", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Shows the section `Example:` as code, and the fields of models whose docstring does not list them."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:  # noqa: ARG002 - the signature of griffe
        """Changes the docstring of an object that was read. Griffe knows only `Examples:`."""
        if obj.docstring is not None:
            obj.docstring.value = EXAMPLE.sub("Examples:", obj.docstring.value)

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:  # noqa: ARG002 - the signature of griffe
        """Adds the fields of models, once all base classes were read."""
        _visit(pkg)


def _visit(module: griffe.Module) -> None:
    for each in module.members.values():
        if isinstance(each, griffe.Module):
            _visit(each)
        elif isinstance(each, griffe.Class) and each.docstring is not None:
            _add_fields(each)
    for each in module.members.values():
        if isinstance(each, griffe.Class) and "__init__" in each.members and "dataclass" not in each.labels:
            is_described = each.docstring is not None and ARGUMENTS.search(each.docstring.value)
            if not is_described:  # the library creates it
                each.del_member("__init__")


def _add_fields(cls: griffe.Class) -> None:
    if "__init__" in cls.members or cls.docstring is None or FIELDS.search(cls.docstring.value):
        return
    listed = "".join(f"\n    {name}: {text}" for name, text in _fields(cls).items())
    if listed:
        cls.docstring.value = f"{cls.docstring.value.rstrip()}\n\nAttributes:{listed}"


def _fields(cls: griffe.Class) -> dict[str, str]:
    """The fields of a model, a dataclass or a TypedDict, those of its base classes first."""
    found: dict[str, str] = {}
    classes = [*reversed(cls.mro()), cls]
    for base in classes:
        for name, member in base.members.items():
            if isinstance(member, griffe.Attribute) and _is_field(name, member):
                found[name] = _default(member, classes)
    return found


def _is_field(name: str, attribute: griffe.Attribute) -> bool:
    # Class variables have only the label "class-attribute".
    is_field = attribute.annotation is not None and "instance-attribute" in attribute.labels
    return is_field and attribute.docstring is None and not name.startswith("_")


def _default(attribute: griffe.Attribute, classes: list[griffe.Class]) -> str:
    if any(str(base).endswith("TypedDict") for cls in classes for base in cls.bases):
        is_total = "total" not in getattr(attribute.parent, "keywords", {})
        return "Required." if is_total and "NotRequired" not in str(attribute.annotation) else "Optional."
    value = str(attribute.value) if attribute.value is not None else "Field(...)"
    if value.startswith(("Field(", "field(")):
        return "Required." if "default" not in value else "Optional."
    return "Optional." if value == "None" else f"Default: `{value}`."
