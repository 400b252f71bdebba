"""Edits of an example at the positions of its nodes, so that its layout and its comments stay."""

from __future__ import annotations

import ast
from typing import Any, NamedTuple

__all__ = ["ConversionError", "Editor"]


class ConversionError(Exception):
    """An example has no async form that the converter could write."""


class Edit(NamedTuple):
    start: int
    end: int
    text: str


class Editor:
    """An example that is being edited.

    Attributes:
        kind: What the function at hand becomes by its edits: "sync" or "coroutine".
        forbidden: Why there must be no edit now, or "".
    """

    def __init__(self, code: str) -> None:
        self.code = code
        self.tree = ast.parse(code)
        self.edits: list[Edit] = []
        self.kind = "sync"
        self.forbidden = ""
        self.parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}
        # Positions are those of bytes.
        lines = code.encode().splitlines(keepends=True)
        self.starts = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]

    def start(self, node: Any) -> int:
        """Returns where a node starts, in bytes."""
        return int(self.starts[node.lineno - 1] + node.col_offset)

    def end(self, node: Any) -> int:
        """Returns where a node ends, in bytes."""
        return int(self.starts[node.end_lineno - 1] + node.end_col_offset)

    def refuse(self, node: Any, what: str) -> None:
        """Raises the error that names the line of a node."""
        raise ConversionError(f"line {node.lineno}: {what}")

    def replace(self, node: ast.AST, start: int, end: int, text: str) -> None:
        """Notes an edit within a node."""
        if self.forbidden:
            self.refuse(node, self.forbidden)
        self.edits.append(Edit(start, end, text))

    def insert(self, node: ast.AST, text: str) -> None:
        """Notes an `async` or `await` before a node, by which the function around it becomes async."""
        self.replace(node, self.start(node), self.start(node), text)
        if self.kind == "sync":
            self.kind = "coroutine"

    def await_(self, node: ast.Call) -> None:
        """Notes that a call is awaited, in parentheses where it is an operand."""
        parent = self.parents[node]
        operand = (
            (isinstance(parent, (ast.Attribute, ast.Subscript)) and parent.value is node)
            or (isinstance(parent, ast.Call) and parent.func is node)
            or (isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Pow))
        )
        self.insert(node, "(await " if operand else "await ")
        if operand:
            self.replace(node, self.end(node), self.end(node), ")")

    def edited(self) -> str:
        """Returns the example with all edits."""
        text = self.code.encode()
        # From the end, so that positions stay true. At the same position, the inner node was noted first, and the text of
        # the outer one comes before it.
        for edit in sorted(self.edits, key=lambda edit: edit.start, reverse=True):
            text = text[: edit.start] + edit.text.encode() + text[edit.end :]
        return text.decode()
