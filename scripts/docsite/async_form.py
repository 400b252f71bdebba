"""The async form of an example that is written in sync code.

The examples of the pages are sync. What has to be awaited is not a matter of names: it is read from the async classes,
by the types of the objects that an example uses. An example that cannot be converted is an error, unless its label says
that it is shown in sync code only.
"""

from __future__ import annotations

import ast
import builtins
import copy
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from docsite.async_types import Instance, Member, Value, annotated, async_name, has, imported, member, value_of
from docsite.edits import ConversionError, Editor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ConversionError", "Names", "initial_names", "is_async", "to_async"]

Names = dict[str, "Instance | Value | Function"]

# They iterate over an argument, which no builtin does asynchronously.
ITERATING = {"all", "any", "dict", "enumerate", "filter", "map", "max", "min", "set", "sorted", "sum", "tuple", "zip"}


class Function(NamedTuple):
    """A function that an example defines."""

    kind: str  # "sync", "coroutine" or "generator"
    returns: Instance | None = None


def initial_names() -> Names:
    """Returns what the examples of every page use without defining it."""
    from runpod import AsyncEndpoint, AsyncJob, AsyncRunpod

    endpoint = Instance((AsyncEndpoint,))
    return {
        "client": Instance((AsyncRunpod,)),
        "endpoint": endpoint,
        "pictures": endpoint,
        "job": Instance((AsyncJob,)),
    }


def is_async(code: str) -> bool:
    """Returns whether an example is async already."""
    nodes = (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.AsyncFunctionDef)
    return any(isinstance(node, nodes) for node in ast.walk(ast.parse(code)))


def to_async(code: str, names: Names) -> str | None:
    """Returns an example in async form, or None if it is the same for both clients.

    Args:
        code: The example, in sync code.
        names: What is known before it. The names that it defines are added.

    Raises:
        ConversionError: It cannot be converted; the message has the line.
    """
    functions: dict[str, Function] = {}
    # Whether a function is async is known at its end, and it can be used before.
    for _ in range(10):
        converter = Converter(code, copy.copy(names), functions)
        converter.convert()
        if converter.functions == functions:
            break
        functions = converter.functions
    names.update(converter.names)
    if not converter.edits:
        return None
    text = converter.edited()
    compile(text, "<async form>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return text


class Converter(Editor):
    """One pass over an example: it follows the types, and notes what has to be edited."""

    def __init__(self, code: str, names: Names, functions: Mapping[str, Function]) -> None:
        super().__init__(code)
        self.names = names
        self.known = functions
        self.functions: dict[str, Function] = {}
        self.returned: Instance | None = None

    def convert(self) -> None:
        for statement in self.tree.body:
            self.visit(statement)

    # Expressions: each method returns what is known of the value.

    def visit(self, node: ast.AST | None) -> Any:
        if node is None:
            return None
        method: Callable[[Any], Any] | None = getattr(self, f"on_{type(node).__name__}", None)
        if method is not None:
            return method(node)
        for child in ast.iter_child_nodes(node):
            self.visit(child)
        return None

    def on_Name(self, node: ast.Name) -> Any:
        found = self.names.get(node.id)
        if isinstance(found, Value) and getattr(found.value, "__name__", node.id) == f"Async{node.id}":
            self.replace(node, self.start(node), self.end(node), f"Async{node.id}")
        return found or self.known.get(node.id)

    def on_Attribute(self, node: ast.Attribute) -> Any:
        owner = self.visit(node.value)
        if isinstance(owner, Value) and isinstance(owner.value, ModuleType):
            twin = async_name(owner.value, node.attr)
            if twin:
                self.replace(node, self.end(node) - len(node.attr), self.end(node), twin)
            value = value_of(owner.value, twin or node.attr)
            return None if value is None else Value(value)
        if not isinstance(owner, Instance):
            return None
        found = member(owner, node.attr)
        if found is None:
            return None
        if found.name != node.attr:
            self.replace(node, self.end(node) - len(node.attr), self.end(node), found.name)
        parent = self.parents[node]
        if found.is_coroutine and not (isinstance(parent, ast.Call) and parent.func is node):
            self.refuse(node, f"`{ast.unparse(node)}` is a coroutine function, and is not called here")
        return found if isinstance(parent, ast.Call) and parent.func is node else found.instance

    def on_Call(self, node: ast.Call) -> Any:
        function = self.visit(node.func)
        arguments = [self.visit(argument) for argument in (*node.args, *(keyword.value for keyword in node.keywords))]
        if isinstance(node.func, ast.Name) and function is None and hasattr(builtins, node.func.id):
            return self.builtin(node, node.func.id, arguments)
        if isinstance(function, Value):
            return self.constructed(function.value)
        if isinstance(function, Function):
            if function.kind == "coroutine":
                self.await_(node)
            return function.returns
        if not isinstance(function, Member):
            return None
        if function.is_coroutine or (has(function.instance, "__await__") and not self.is_iterated(node)):
            self.await_(node)
        if function.enters:
            return Instance((_Entered,), function.instance.elements if function.instance else None)
        return function.instance

    def constructed(self, value: Any) -> Instance | None:
        if isinstance(value, type):
            return Instance((value,))
        return annotated(getattr(value, "__annotations__", {}).get("return"), getattr(value, "__module__", ""))

    def builtin(self, node: ast.Call, name: str, arguments: list[Any]) -> Any:
        first = arguments[0] if arguments else None
        if not is_async_iterable(first):
            return first if name in {"list", "sorted", "reversed", "iter"} else None
        if name == "next":
            self.replace(node, self.start(node.func), self.end(node.func), "anext")
            self.await_(node)
            return first.elements
        if name == "list":
            self.replace(node, self.start(node.func), self.start(node.args[0]), "[item async for item in ")
            self.replace(node, self.end(node) - 1, self.end(node), "]")
            self.kind = "coroutine" if self.kind == "sync" else self.kind
            return Instance((list,), first.elements)
        if name in ITERATING:
            self.refuse(node, f"`{name}` cannot iterate asynchronously")
        return None

    def is_iterated(self, node: ast.expr) -> bool:
        parent = self.parents[node]
        return isinstance(parent, (ast.For, ast.comprehension)) and parent.iter is node

    def on_Subscript(self, node: ast.Subscript) -> Any:
        value = self.visit(node.value)
        self.visit(node.slice)
        if not isinstance(value, Instance):
            return None
        return value if isinstance(node.slice, ast.Slice) else value.elements

    def on_IfExp(self, node: ast.IfExp) -> Any:
        self.visit(node.test)
        return self.visit(node.body) or self.visit(node.orelse)

    def on_NamedExpr(self, node: ast.NamedExpr) -> Any:
        value = self.visit(node.value)
        self.assign(node.target, value)
        return value

    def on_JoinedStr(self, node: ast.JoinedStr) -> None:
        # Before Python 3.12, the positions within an f-string are not those in the file.
        self.without("an f-string cannot be converted: assign the value to a name first", node)

    def on_Lambda(self, node: ast.Lambda) -> None:
        self.without("a lambda cannot await", node.body)

    def without(self, message: str, node: ast.AST) -> None:
        before, self.forbidden = self.forbidden, message
        if isinstance(node, ast.JoinedStr):
            for value in node.values:
                self.visit(value)
        else:
            self.visit(node)
        self.forbidden = before

    def comprehension(self, node: Any, *results: ast.expr) -> Any:
        outer = dict(self.names)
        for generator in node.generators:
            iterated = self.visit(generator.iter)
            if is_async_iterable(iterated):
                position = self.start(generator.target) - len("for ")
                self.replace(generator.target, position, position, "async ")
                self.kind = "coroutine" if self.kind == "sync" else self.kind
            self.assign(generator.target, iterated.elements if isinstance(iterated, Instance) else None)
            for condition in generator.ifs:
                self.visit(condition)
        elements = [self.visit(result) for result in results][-1]
        self.names = outer
        return Instance((list,), elements if isinstance(elements, Instance) else None)

    def on_ListComp(self, node: ast.ListComp) -> Any:
        return self.comprehension(node, node.elt)

    def on_SetComp(self, node: ast.SetComp) -> Any:
        return self.comprehension(node, node.elt)

    def on_GeneratorExp(self, node: ast.GeneratorExp) -> Any:
        before = len(self.edits)
        found = self.comprehension(node, node.elt)
        # An edit of the first iterable is outside of the generator.
        if any(self.start(node.elt) <= edit.start < self.end(node.elt) for edit in self.edits[before:]) or any(
            edit.text == "async " for edit in self.edits[before:]
        ):
            self.refuse(node, "a generator expression would become async: use a list comprehension")
        return found

    def on_DictComp(self, node: ast.DictComp) -> None:
        self.comprehension(node, node.key, node.value)

    # Statements

    def assign(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            self.names.pop(target.id, None)
            if value is not None:
                self.names[target.id] = value
        elif isinstance(target, (ast.Tuple, ast.List)):
            for each in target.elts:
                self.assign(each, None)
        else:
            self.visit(target)

    def on_Assign(self, node: ast.Assign) -> None:
        value = self.visit(node.value)
        for target in node.targets:
            self.assign(target, value)

    def on_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.annotation)
        self.assign(node.target, self.visit(node.value))

    def on_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            name = alias.name if alias.asname else alias.name.partition(".")[0]
            module = imported(name)
            self.assign(ast.Name(alias.asname or name), None if module is None else Value(module))

    def on_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = imported(node.module or "")
        if module is None:
            for alias in node.names:
                self.names.pop(alias.asname or alias.name, None)
            return
        twins = {alias.name: async_name(module, alias.name) for alias in node.names}
        names = [alias.name for alias in node.names]
        new = [twins[name] or name for name in names]
        if names == sorted(names, key=import_order) and not any(alias.asname for alias in node.names):
            new.sort(key=import_order)
        for alias, name in zip(node.names, new, strict=True):
            twin = twins[alias.name]
            if name != alias.name:
                start = self.start(alias)
                self.replace(node, start, start + len(alias.name), name)
            value = value_of(module, twin or alias.name)
            self.assign(ast.Name(alias.asname or alias.name), None if value is None else Value(value))

    def on_For(self, node: ast.For) -> None:
        iterated = self.visit(node.iter)
        if is_async_iterable(iterated):
            self.insert(node, "async ")
        self.assign(node.target, iterated.elements if isinstance(iterated, Instance) else None)
        for statement in (*node.body, *node.orelse):
            self.visit(statement)

    def on_With(self, node: ast.With) -> None:
        entered: list[Any] = []
        for item in node.items:
            found = self.visit(item.context_expr)
            entered.append(found)
            if item.optional_vars is not None:
                is_entered = isinstance(found, Instance) and found.classes == (_Entered,)
                self.assign(item.optional_vars, found.elements if is_entered else found)
        if any(has(found, "__aenter__") and not has(found, "__enter__") for found in entered):
            if not all(has(found, "__aenter__") for found in entered):
                self.refuse(node, "sync and async context managers in one `with`: use two")
            self.insert(node, "async ")
        for statement in node.body:
            self.visit(statement)

    def on_Return(self, node: ast.Return) -> None:
        value = self.visit(node.value)
        self.returned = value if isinstance(value, Instance) else self.returned

    def on_ClassDef(self, node: ast.ClassDef) -> None:
        before = self.kind
        self.kind = "sync"
        outer = dict(self.names)
        for child in (*node.decorator_list, *node.bases):
            self.visit(child)
        for statement in node.body:
            self.visit(statement)
            if isinstance(statement, ast.FunctionDef) and self.functions.pop(statement.name).kind != "sync":
                self.refuse(statement, "a method would become async")
        self.names, self.kind = outer, before

    def on_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer = dict(self.names)
        kind, returned = self.kind, self.returned
        self.kind, self.returned = "sync", None
        for parameter in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
            self.parameter(parameter)
        for child in (*node.decorator_list, *node.args.defaults, node.returns):
            self.visit(child)
        for statement in node.body:
            self.visit(statement)
        if self.kind != "sync":
            self.insert(node, "async ")
            if any(isinstance(child, (ast.Yield, ast.YieldFrom)) for child in ast.walk(node)):
                self.kind = "generator"
        generates = Instance((_Generated,), self.returned)
        self.functions[node.name] = Function(self.kind, generates if self.kind == "generator" else self.returned)
        self.names, self.kind, self.returned = outer, kind, returned
        self.names.pop(node.name, None)

    def parameter(self, parameter: ast.arg) -> None:
        annotation = self.visit(parameter.annotation)
        if isinstance(annotation, Value) and isinstance(annotation.value, type):
            self.names[parameter.arg] = Instance((annotation.value,))
        elif parameter.annotation is not None or parameter.arg == "job":
            self.names.pop(parameter.arg, None)  # a handler's job is a dict


def import_order(name: str) -> tuple[int, str]:
    """The order of imported names: constants, classes, then functions."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2, name)


class _Entered:
    """What `@asynccontextmanager` returns."""

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *args: object) -> None: ...


class _Generated:
    """What an async generator of an example returns."""

    def __aiter__(self) -> None: ...


def is_async_iterable(value: object) -> TypeGuard[Instance]:
    """Returns whether only `async for` can iterate over it."""
    if not isinstance(value, Instance):
        return False
    return any(hasattr(cls, "__aiter__") and not hasattr(cls, "__iter__") for cls in value.classes)
