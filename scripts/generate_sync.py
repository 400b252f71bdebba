"""Generate the sync code of the library and of its tests from the async source.

    python scripts/generate_sync.py            write the generated files
    python scripts/generate_sync.py --check    only compare; list differing files and exit with status 1

`unasync` converts the code. The substitutions below also change names in docstrings, comments and strings. A statement
with `# async-only` at the end of its first line is left out.
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
    # Names: of the package, of httpx and httpcore, and those with the prefix `async_`.
    r"\b_async\b": "_sync",
    r"\baclose\b": "close",
    r"\baiter_bytes\b": "iter_bytes",
    r"\baiter_raw\b": "iter_raw",
    r"\banext\b": "next",
    r"\baread\b": "read",
    r"\bhandle_async_request\b": "handle_request",
    r"\basync_(?=[a-z])": "",
    # Classes: `AsyncRunpod`, `_AsyncWakeup`, `AsyncIterator`, `StopAsyncIteration`.
    r"Async(?=[A-Z])": "",
    # `Awaitable[X]` becomes `X`.
    r"\bAwaitable\[((?:[^][]|\[[^][]*\])*)\]": r"\1",
    r" Awaitable,": "",
    # Code in docstrings and f-strings, which unasync does not convert.
    r"\basync (?=(?:def|for|with)\b)": "",
    r"\bawait (?=[(\w])": "",
}

# Patterns that must not remain in generated code, and how to fix them in the source.
FORBIDDEN = {
    r"(?m)^ *(?:import|from) (?:anyio|asyncio|trio)\b": "import it from runpod._primitives",
    r"\bGenerator\[": "use AsyncIterator[X], since Generator has other type parameters",
    r"\bAwaitable\b": "add it to SUBSTITUTIONS",
}


class GenerateError(Exception):
    """The sync code cannot be generated. The message names the file, the line and the fix."""


def generate(root: Path = ROOT) -> dict[Path, str]:
    """Return the text of every generated file.

    Raises:
        GenerateError: There is no source, async code would remain, or the result is not valid Python.
    """
    files: dict[Path, str] = {}
    for source, target in PAIRS.items():
        paths = sorted((root / source).rglob("*.py"))
        if not paths:
            msg = f"{root / source} contains no Python files"
            raise GenerateError(msg)
        for path in paths:
            relative = path.relative_to(root / source)
            name = f"{source}/{relative.as_posix()}"
            text = _without_async_only(path.read_text(encoding="utf-8"), name)
            for pattern, replacement in SUBSTITUTIONS.items():
                text = re.sub(pattern, replacement, text)
            text = re.sub(r"^( *from \S+ import )([^(].*)$", _without_duplicates, _unasynced(text), flags=re.MULTILINE)
            _check(text, name)
            header = f"# Generated from {name} by scripts/generate_sync.py. Do not edit.\n"
            files[root / target / relative] = header + ("\n" if text else "") + text
    return files


def _without_async_only(text: str, name: str) -> str:
    lines = text.splitlines(keepends=True)
    marked = {number for number, line in enumerate(lines, 1) if "# async-only" in line}
    for node in ast.walk(ast.parse(text, name)):
        if isinstance(node, ast.stmt) and node.lineno in marked:
            first = min(each.lineno for each in (node, *getattr(node, "decorator_list", [])))
            # Including the comments and blank lines above it.
            while first > 1 and re.match(r"\s*(#.*)?$", lines[first - 2]):
                first -= 1
            lines[first - 1 : node.end_lineno] = [""] * ((node.end_lineno or node.lineno) - first + 1)
            marked.discard(node.lineno)
    if marked:
        msg = f"{name}:{min(marked)}: `# async-only` must be at the end of the first line of a statement"
        raise GenerateError(msg)
    return "".join(lines)


def _unasynced(text: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "_async", "module.py"), Path(folder, "_sync", "module.py")
        source.parent.mkdir()
        source.write_text(text, encoding="utf-8", newline="\n")
        unasync.unasync_files([str(source)], [unasync.Rule(str(source.parent), str(target.parent))])
        return target.read_text(encoding="utf-8")


def _without_duplicates(line: re.Match[str]) -> str:
    """Remove duplicates from `import Iterator, Iterator`, which was `AsyncIterator, Iterator`."""
    return line[1] + ", ".join(dict.fromkeys(line[2].split(", ")))


def _check(text: str, name: str) -> None:
    for pattern, advice in FORBIDDEN.items():
        if found := re.search(pattern, text):
            msg = f"{name}: {found[0]!r} would remain in the sync code: {advice}"
            raise GenerateError(msg)
    try:
        compile(text, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        msg = f"{name}: the sync code is not valid Python: {error.msg} at {(error.text or '').strip()!r}"
        raise GenerateError(msg) from error


def compare(files: dict[Path, str], root: Path = ROOT) -> list[Path]:
    """Return the paths of files that differ from the generated ones."""
    found = {path for target in PAIRS.values() for path in (root / target).rglob("*.py")}
    different = [path for path, text in files.items() if path not in found or path.read_bytes() != text.encode()]
    return sorted([*different, *(found - files.keys())])


def write(root: Path = ROOT) -> list[Path]:
    """Write the generated files that differ, and return their paths."""
    files = generate(root)
    differences = compare(files, root)
    for path in differences:
        if path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files[path].encode())
        else:
            path.unlink()
    return differences


def main() -> int:
    """Run as a program, and return the exit status."""
    check = "--check" in sys.argv[1:]
    try:
        differences = compare(generate()) if check else write()
    except GenerateError as error:
        print(error, file=sys.stderr)
        return 1
    for path in differences:
        print(path.relative_to(ROOT).as_posix(), "differs" if check else "updated")
    if check and differences:
        print("The sync code is out of date: run scripts/generate_sync.py", file=sys.stderr)
    return int(check and bool(differences))


if __name__ == "__main__":
    sys.exit(main())
