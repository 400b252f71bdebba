"""What the async classes say of themselves: which calls are awaited, and what they return.

Annotations are resolved by name, in the module of the class: its `if TYPE_CHECKING:` imports included, which do not
exist at run time.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import importlib.util
import inspect
import sys
import textwrap
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

__all__ = ["Instance", "Member", "Value", "annotated", "async_name", "has", "imported", "member", "value_of"]

SEQUENCES = {
    "list", "tuple", "set", "frozenset", "Sequence", "Iterable", "Iterator", "Generator",
    "AsyncIterable", "AsyncIterator", "AsyncGenerator",
}  # fmt: skip
# The packages with classes in both forms.
PACKAGES = ("runpod", "httpx", "openai")


@dataclass(frozen=True)
class Instance:
    """An object of one of these classes: more than one if the annotation is a union."""

    classes: tuple[type, ...] = ()
    elements: Instance | None = None


@dataclass(frozen=True)
class Value:
    """A name with a value that is known itself: a module, a class or a function."""

    value: Any


@dataclass(frozen=True)
class Member:
    """An attribute of an object.

    Attributes:
        name: Its name in the async form.
        instance: What it is, or for a method what a call returns.
        is_coroutine: Whether a call has to be awaited.
        enters: Whether a call returns an async context manager that is made of a generator.
    """

    name: str
    instance: Instance | None = None
    is_coroutine: bool = False
    enters: bool = False


def has(instance: object, special: str) -> bool:
    """Returns whether a class of the object has this special method."""
    return isinstance(instance, Instance) and any(hasattr(cls, special) for cls in instance.classes)


def imported(name: str) -> ModuleType | None:
    """Returns a module by its name, if its package has async classes to look for."""
    return importlib.import_module(name) if name.partition(".")[0] in PACKAGES else None


def async_name(module: ModuleType, name: str) -> str | None:
    """Returns the name of the async twin of a name in a module, if there is one."""
    twin = f"Async{name.removeprefix('Sync')}"
    return twin if hasattr(module, twin) else None


def value_of(owner: object, name: str) -> Any:
    """Returns an attribute of a module, which can be a module that was not imported yet, or None."""
    if not isinstance(owner, ModuleType):
        return None
    if hasattr(owner, name):
        return getattr(owner, name)
    try:
        return importlib.import_module(f"{owner.__name__}.{name}")
    except ImportError:
        return None


@functools.cache
def _typing_imports(module: str) -> dict[str, tuple[str, str]]:
    """The names that a module imports anywhere, and where from."""
    found: dict[str, tuple[str, str]] = {}
    try:
        source = inspect.getsource(sys.modules[module])
    except (KeyError, OSError, TypeError):
        return found
    package = sys.modules[module].__package__ or ""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            name = f"{'.' * node.level}{node.module or ''}"
            origin = importlib.util.resolve_name(name, package) if node.level else name
            found.update({alias.asname or alias.name: (origin, alias.name) for alias in node.names})
        elif isinstance(node, ast.Import):
            found.update({alias.asname or alias.name: (alias.name, "") for alias in node.names})
    return found


@functools.cache
def _named(name: str, module: str) -> Any:
    known = vars(sys.modules[module]) if module in sys.modules else {}
    if name in known:
        return known[name]
    if name in _typing_imports(module):
        origin, attribute = _typing_imports(module)[name]
        try:
            found = importlib.import_module(origin)
        except ImportError:
            return None
        return getattr(found, attribute, None) if attribute else found
    return getattr(builtins, name, None)


def annotated(annotation: Any, module: str, owner: type | None = None) -> Instance | None:
    """Returns what an annotation means, in a module; None if it is nothing that the converter needs to know."""
    if isinstance(annotation, str):
        try:
            node = ast.parse(annotation, mode="eval").body
        except SyntaxError:
            return None
        return _from_node(node, module, owner)
    if inspect.isclass(annotation):
        return Instance((annotation,))
    return None


def _from_node(node: ast.expr, module: str, owner: type | None) -> Instance | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return annotated(node.value, module, owner)
    if isinstance(node, ast.BinOp):
        sides = [_from_node(node.left, module, owner), _from_node(node.right, module, owner)]
        known = [side for side in sides if side]
        classes = tuple(cls for side in known for cls in side.classes)
        return Instance(classes, next((side.elements for side in known if side.elements), None)) if known else None
    if isinstance(node, ast.Subscript):
        found = _from_node(node.value, module, owner)
        inner = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) else node.slice
        name = ast.unparse(node.value).rpartition(".")[2]
        elements = _from_node(inner, module, owner)
        if name in {"Union", "Optional"}:
            return elements
        if name in SEQUENCES:
            abstract = AsyncIterator if name.startswith("Async") else Iterable
            return Instance(found.classes if found else (abstract,), elements)
        return found
    if isinstance(node, ast.Name):
        if node.id == "Self":
            return Instance((owner,)) if owner else None
        value = _named(node.id, module)
    elif isinstance(node, ast.Attribute):
        value = getattr(_named(ast.unparse(node.value), module), node.attr, None)
    else:
        value = None
    return Instance((value,)) if inspect.isclass(value) else None


def _defining(cls: type, name: str) -> tuple[type, Any] | None:
    for base in cls.__mro__:
        if name in vars(base):
            return base, vars(base)[name]
        if name in vars(base).get("__annotations__", {}):
            return base, vars(base)["__annotations__"][name]
        if name in _set_by_init(base):
            return base, _set_by_init(base)[name]
    return None


@functools.cache
def _set_by_init(cls: type) -> dict[str, str]:
    """The attributes that a class annotates where it sets them, in its `__init__`."""
    if "__init__" not in vars(cls):
        return {}
    try:
        source = inspect.getsource(vars(cls)["__init__"])
    except (OSError, TypeError):
        return {}
    return {
        node.target.attr: ast.unparse(node.annotation)
        for node in ast.walk(ast.parse(textwrap.dedent(source)))
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Attribute)
    }


def member(instance: Instance, name: str) -> Member | None:
    """Returns an attribute of an object by its name in sync code."""
    for cls in instance.classes:
        # `close` is `aclose`, and `iter_lines` of httpx is `aiter_lines`.
        for each in (f"a{name}", name):
            found = _defining(cls, each)
            if found is not None:
                return _member(cls, each, *found)
    return None


def _member(cls: type, name: str, base: type, value: Any) -> Member:
    if isinstance(value, (classmethod, staticmethod)):
        value = value.__func__
    if isinstance(value, property):
        value = value.fget
    elif isinstance(getattr(value, "func", None), type(_member)):
        value = value.func  # a cached property
    if not callable(value) or inspect.isclass(value):
        return Member(name, annotated(value, base.__module__, cls))
    function: Any = inspect.unwrap(value)
    module = getattr(function, "__module__", base.__module__)
    instance = annotated(getattr(function, "__annotations__", {}).get("return"), module, cls)
    generates = inspect.isasyncgenfunction(function)
    return Member(name, instance, inspect.iscoroutinefunction(function), generates and function is not value)
