"""The markers of the tests, read from their source: no test module is imported."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parents[1]

# Generated from tests/_async, with the same markers.
GENERATED = "_sync"

_TEXT = "mark.fact("


class Marked(NamedTuple):
    """A test that shows a fact."""

    path: str
    """Below `tests`."""

    test: str


def collect(root: Path = TESTS, *, generated: bool = False) -> dict[str, list[Marked]]:
    """The marked tests of each fact.

    Args:
        root: The folder of the tests.
        generated: Whether to read the generated tests instead of all others.

    Raises:
        ValueError: A marker is not the decorator of a test, or has an argument that is not a text.
    """
    found: defaultdict[str, list[Marked]] = defaultdict(list)
    for path in sorted(root.rglob("test_*.py")):
        relative = path.relative_to(root)
        if (relative.parts[0] == GENERATED) is not generated or relative.parts[0] == "facts":
            continue
        text = path.read_text(encoding="utf-8")
        if _TEXT not in text:
            continue
        markers = list(_markers(ast.parse(text, str(path)), relative.as_posix()))
        if len(markers) != text.count(_TEXT):
            raise ValueError(f"{relative}: `@pytest.mark.fact` must be a decorator of a test, in a line of its own")
        for marked, facts in markers:
            for fact in facts:
                found[fact].append(marked)
    return dict(found)


def _markers(tree: ast.Module, path: str) -> Iterator[tuple[Marked, list[str]]]:
    for node in ast.walk(tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or not node.name.startswith("test_"):
            continue
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.fact":
                yield Marked(path, node.name), [_text(each, path) for each in decorator.args]


def _text(argument: ast.expr, path: str) -> str:
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        return argument.value
    raise ValueError(f"{path}:{argument.lineno}: the name of a fact must be a text")
