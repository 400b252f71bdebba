"""Make the sync twin of the library and of its tests from the async source.

    python scripts/generate_sync.py            write the twins
    python scripts/generate_sync.py --check    compare only; exit 1 and say where they differ

The substitutions below change names, also in docstrings, comments and strings; `unasync` changes the code. A statement
that ends its first line with `# async-only` has no twin.
"""

from __future__ import annotations

import ast
import re
import sys
import tempfile
from pathlib import Path

import unasync

ROOT = Path(__file__).resolve().parent.parent

PAIRS = {"src/runpod/_async": "src/runpod/_sync", "tests/_async": "tests/_sync"}

SUBSTITUTIONS = {
    # Whole words. The first is the package, the others are of httpx, httpcore, runpod._primitives and tests.clocks.
    r"\b_async\b": "_sync",
    r"\baclose\b": "close",
    r"\baiter_bytes\b": "iter_bytes",
    r"\baiter_raw\b": "iter_raw",
    r"\banext\b": "next",
    r"\baread\b": "read",
    r"\basync_home\b": "home",
    r"\basync_shield\b": "shield",
    r"\basync_together\b": "together",
    r"\bhandle_async_request\b": "handle_request",
    # Classes: `AsyncRunpod`, `_AsyncTimer`, `AsyncIterator`, `StopAsyncIteration`; "an AsyncRunpod" is "a Runpod".
    r"\b([Aa])n(\s+[`~]*_*)Async(?=[B-DF-HJ-NP-TV-Z])": r"\1\2",
    r"Async(?=[A-Z])": "",
    # `Awaitable[X]` is `X`.
    r"\bAwaitable\[((?:[^][]|\[[^][]*\])*)\]": r"\1",
    r" Awaitable,": "",
    # Code in docstrings and f-strings, which unasync does not see.
    r"\basync (?=(?:def|for|with)\b)": "",
    r"\bawait (?=[(\w])": "",
}

# What must not be left, with what to write instead.
FORBIDDEN = {
    r"(?m)^ *(?:import|from) (?:anyio|asyncio|trio)\b": "take it from runpod._primitives",
    r"\bGenerator\[": "write AsyncIterator[X]: a Generator takes other parameters",
    r"\bAwaitable\b|\basync_\w+": "add it to SUBSTITUTIONS",
}


class GenerateError(Exception):
    """The twin cannot be made. Its text names file, line and what to do."""


def generate(root: Path = ROOT) -> dict[Path, str]:
    """The text of every file of the twins.

    Raises:
        GenerateError: There is no source, something async would be left, or the twin would not be Python.
    """
    twins: dict[Path, str] = {}
    for source, target in PAIRS.items():
        paths = sorted((root / source).rglob("*.py"))
        if not paths:
            msg = f"{root / source} holds no source"
            raise GenerateError(msg)
        for path in paths:
            relative = path.relative_to(root / source)
            name = f"{source}/{relative.as_posix()}"
            text = _without_async_only(path.read_text(encoding="utf-8"), name)
            for pattern, replacement in SUBSTITUTIONS.items():
                text = re.sub(pattern, replacement, text)
            text = re.sub(r"^( *from \S+ import )([^(].*)$", _without_doubles, _unasynced(text), flags=re.MULTILINE)
            _check(text, name)
            header = f"# Generated from {name} by scripts/generate_sync.py. Do not edit.\n"
            twins[root / target / relative] = header + ("\n" if text else "") + text
    return twins


def _without_async_only(text: str, name: str) -> str:
    lines = text.splitlines(keepends=True)
    marked = {number for number, line in enumerate(lines, 1) if "# async-only" in line}
    for node in ast.walk(ast.parse(text, name)):
        if isinstance(node, ast.stmt) and node.lineno in marked:
            first = min(each.lineno for each in (node, *getattr(node, "decorator_list", [])))
            while first > 1 and re.match(r"\s*(#.*)?$", lines[first - 2]):  # with the comments and blank lines above it
                first -= 1
            lines[first - 1 : node.end_lineno] = [""] * ((node.end_lineno or node.lineno) - first + 1)
            marked.discard(node.lineno)
    if marked:
        msg = f"{name}:{min(marked)}: `# async-only` stands at the end of the first line of the statement it drops"
        raise GenerateError(msg)
    return "".join(lines)


def _unasynced(text: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path, twin = Path(folder, "_async", "it.py"), Path(folder, "_sync", "it.py")
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8", newline="\n")
        unasync.unasync_files([str(path)], [unasync.Rule(str(path.parent), str(twin.parent))])
        return twin.read_text(encoding="utf-8")


def _without_doubles(line: re.Match[str]) -> str:
    """`from collections.abc import Iterator, Iterator`, which was AsyncIterator and Iterator."""
    return line[1] + ", ".join(dict.fromkeys(line[2].split(", ")))


def _check(text: str, name: str) -> None:
    for pattern, advice in FORBIDDEN.items():
        if found := re.search(pattern, text):
            msg = f"{name}: {found[0]!r} would stay in the twin: {advice}"
            raise GenerateError(msg)
    try:
        compile(text, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        msg = f"{name}: the twin is not Python: {error.msg} at {(error.text or '').strip()!r}"
        raise GenerateError(msg) from error


def compare(twins: dict[Path, str], root: Path = ROOT) -> list[Path]:
    """Where the tree differs from the twins."""
    found = {path for target in PAIRS.values() for path in (root / target).rglob("*.py")}
    different = [path for path, text in twins.items() if path not in found or path.read_bytes() != text.encode()]
    return sorted([*different, *(found - twins.keys())])


def write(root: Path = ROOT) -> list[Path]:
    """Bring the tree up to date. Files that are right already are not touched."""
    twins = generate(root)
    differences = compare(twins, root)
    for path in differences:
        if path in twins:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(twins[path].encode())
        else:
            path.unlink()
    return differences


def main() -> int:
    """Run as a program. The result is its exit status."""
    check = "--check" in sys.argv[1:]
    try:
        differences = compare(generate()) if check else write()
    except GenerateError as error:
        print(error, file=sys.stderr)
        return 1
    for path in differences:
        print(path.relative_to(ROOT).as_posix(), "differs" if check else "was brought up to date")
    if check and differences:
        print("The twins do not match their source: run scripts/generate_sync.py", file=sys.stderr)
    return int(check and bool(differences))


if __name__ == "__main__":
    sys.exit(main())
