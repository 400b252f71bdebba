"""Make the sync twin of the library and of its tests from the async source.

    python scripts/generate_sync.py            write the twins
    python scripts/generate_sync.py --check    compare only; exit 1 and say where they differ

`unasync` changes the code. Added here: comments, docstrings and strings that read right in the twin, statements that
exist in the async half only (`# async-only`), errors instead of half-changed output, and a comparison of whole trees.

What is generated depends on the source alone, never on the Python that runs this program.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import tokenize_rt
import unasync

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent

PAIRS: Mapping[str, str] = {
    "src/runpod/_async": "src/runpod/_sync",
    "tests/_async": "tests/_sync",
}

# Every name that changes, beyond the prefix `Async` and the special methods, which need no entry.
# An entry that nothing uses is an error, so that this table never says more than is true.
NAMES: Mapping[str, str] = {
    "_async": "_sync",  # imports between the files of one half
    "aclose": "close",  # our clients and httpx's
    "aiter_bytes": "iter_bytes",  # httpx: the body, piece by piece
    "aiter_raw": "iter_raw",  # httpx: the same, as it came
    "anext": "next",  # the next item of an iterator
    "aread": "read",  # httpx: a whole body
    "async_home": "home",  # runpod._primitives
    "async_shield": "shield",  # runpod._primitives
    "async_together": "together",  # tests.clocks
    "handle_async_request": "handle_request",  # httpcore
}

# `Awaitable[X]` becomes `X`, and its import goes.
UNWRAPPED = frozenset({"Awaitable"})

# What the twin must never hold, with what to write instead.
FORBIDDEN: Mapping[str, str] = {
    "AsyncGenerator": "write AsyncIterator[X]: a Generator takes other parameters",
    "anyio": "take it from runpod._primitives",
    "asyncio": "take it from runpod._primitives",
    "trio": "take it from runpod._primitives",
}

_MARKER = re.compile(r"(?:^|\s)#\s*async-only\b")
_RENAME = "rename it, or add it to NAMES in scripts/generate_sync.py"
_REWORD = "say it in words that are true in both halves"

_LEFT_IN_NAME = re.compile(r"Async(?=[A-Z])|(?:^|_)(?:async|await)(?=_|$)")
_LEFT_IN_PROSE = re.compile(r"Async(?=[A-Z])|\b(?:async|await)\b")
_LEFT_IN_STRING = re.compile(r"Async(?=[A-Z])")

# A whole word. An escape is matched for itself, so that "\nAsyncRunpod" does not read as the word nAsyncRunpod.
_WORD = re.compile(r"\\[abfnrtv]|\w+")
_ARTICLE = re.compile(r"\b([Aa])n(\s+[`~]*)(?=_*Async[B-DF-HJ-NP-TV-Z])")
_ASYNC_STATEMENT = re.compile(r"\basync\s+(?=(?:def|for|with)\b)")
# Code in prose: `await` before a call, and before a plain name where only an expression can stand.
_AWAIT = re.compile(
    r"\bawait\s+(?=\(|[^\W\d][\w.]*[(\[])"
    r"|(?:(?<== )|(?<=return )|(?<=>>> )|(?<=`))await\s+(?=[^\W\d])"
    r"|(?<=[(\[{])await\s+(?=[^\W\d][\w.]*[)\]},])"
)

_LINE_LENGTH = 120  # as in pyproject.toml
_LAYOUT = frozenset({"COMMENT", "NL", tokenize_rt.UNIMPORTANT_WS, tokenize_rt.ESCAPED_NL})
_NEW_STATEMENT = frozenset({"NEWLINE", "INDENT", "DEDENT", "ENCODING"})


class GenerateError(Exception):
    """The twin cannot be made; `problems` names file, line and what to do."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


class SyncRule(unasync.Rule):
    """The rule of `unasync` for one pair of folders, with our names, and with eyes for everything that is not code."""

    def __init__(self, source: str, target: str, names: Mapping[str, str]) -> None:
        super().__init__(source, target, additional_replacements=names)
        self.source = source
        self.used: Counter[str] = Counter()
        self.problems: list[str] = []
        self._file = source

    def convert(self, text: str, file: str) -> str:
        """Give the twin of one file's text; what is wrong with it is added to `problems`."""
        self._file = file
        try:
            tree = ast.parse(text)
            tokens = tokenize_rt.src_to_tokens(text)
        except (SyntaxError, ValueError) as error:
            self._problem(getattr(error, "lineno", None), f"not Python: {error}")
            return ""
        tokens = _without_lines(tokens, self._async_only_lines(tree, tokens, text.split("\n")))
        body = tokenize_rt.tokens_to_src(self._unasync_tokens(tokens))
        try:
            body = _tidy_imports(body)
        except SyntaxError as error:
            line = body.split("\n")[(error.lineno or 1) - 1 :][:1]
            self._problem(None, f"the twin is not Python: {error.msg} at {''.join(line).strip()!r}")
        header = f"# Generated from {file} by scripts/generate_sync.py. Do not edit.\n"
        return header + ("\n" if body else "") + body

    def _problem(self, line: int | None, text: str) -> None:
        self.problems.append(f"{self._file}:{line}: {text}" if line else f"{self._file}: {text}")

    def _async_only_lines(self, tree: ast.Module, tokens: Sequence[tokenize_rt.Token], lines: list[str]) -> set[int]:
        """Give the lines of the statements marked `# async-only`, with the comments and blank lines above them."""
        marks = {t.line for t in tokens if t.name == "COMMENT" and t.line and _MARKER.search(t.src)}
        dropped: set[int] = set()
        for node in ast.walk(tree):
            if not isinstance(node, ast.stmt):
                continue
            first, last = _first_line(node), node.end_lineno or node.lineno
            header_end = last
            for inner in [*getattr(node, "body", []), *getattr(node, "cases", [])][:1]:
                header_end = max(node.lineno, _first_line(inner) - 1)
                while header_end > node.lineno and lines[header_end - 1].lstrip()[:1] in {"", "#"}:
                    header_end -= 1
            if marks.isdisjoint({first, node.lineno, header_end}):
                continue
            while first > 1 and lines[first - 2].lstrip().startswith("#"):
                first -= 1
            while first > 1 and not lines[first - 2].strip():
                first -= 1
            dropped.update(range(first, last + 1))
        for line in marks - dropped:
            self._problem(line, "`# async-only` stands at the end of the first line of the statement it drops")
        return dropped

    def _unasync_tokens(self, tokens: Iterable[tokenize_rt.Token]) -> Iterator[tokenize_rt.Token]:
        prepared = list(self._prepare(_unwrap(_join_fstrings(tokens), self.used)))
        for token in super()._unasync_tokens(prepared):
            if token.name == "NAME":
                self._check_left(token, _LEFT_IN_NAME, _RENAME)
            yield token

    def _prepare(self, tokens: list[tokenize_rt.Token]) -> Iterator[tokenize_rt.Token]:
        """Change what `unasync` leaves alone (text), and keep it from eating what it should not (`await(x)`)."""
        at_start = True
        for i, token in enumerate(tokens):
            name, src = token.name, token.src
            if (name == "COMMENT" and not _MARKER.search(src)) or (name == "STRING" and at_start and not _is_f(src)):
                yield self._text(token, self._prose(src), _LEFT_IN_PROSE, _REWORD)
            elif name == "STRING":
                if _is_f(src):
                    self._check_fstring(token)
                yield self._text(token, self._words(src), _LEFT_IN_STRING, _RENAME)
            else:
                if name == "NAME" and src in FORBIDDEN:
                    self._problem(token.line, f"{src} would stay in the twin: {FORBIDDEN[src]}")
                yield token
            # `unasync` drops whatever stands behind these words, expecting a space.
            if src in {"async", "await"} and tokens[i + 1].name != tokenize_rt.UNIMPORTANT_WS:
                yield token._replace(name=tokenize_rt.UNIMPORTANT_WS, src="")
            if name not in _LAYOUT:
                at_start = name in _NEW_STATEMENT

    def _text(self, token: tokenize_rt.Token, src: str, left: re.Pattern[str], advice: str) -> tokenize_rt.Token:
        changed = token._replace(src=src)
        self._check_left(changed, left, advice)
        return changed

    def _unasync_name(self, name: str) -> str:
        if name in self.token_replacements:
            self.used[name] += 1
            return self.token_replacements[name]
        return re.sub(r"^(_*)Async(?=[A-Z])", r"\1", name)

    def _words(self, text: str) -> str:
        return _WORD.sub(lambda word: self._unasync_name(word[0]), text)

    def _prose(self, text: str) -> str:
        text = _ARTICLE.sub(r"\1\2", text)
        text = _ASYNC_STATEMENT.sub("", text)
        text = _AWAIT.sub("", text)
        return self._words(text)

    def _check_left(self, token: tokenize_rt.Token, pattern: re.Pattern[str], advice: str) -> None:
        for found in pattern.finditer(token.src):
            line = (token.line or 1) + token.src.count("\n", 0, found.start())
            around = re.search(r"\w+$", token.src[: found.end()])
            start = around.start() if around else found.start()
            word = re.match(r"\w+", token.src[start:])
            self._problem(line, f"{word[0] if word else found[0]!r} would stay in the twin: {advice}")

    def _check_fstring(self, token: tokenize_rt.Token) -> None:
        """Refuse `await` inside an f-string: it is code from Python 3.12 on and text before."""
        try:
            nodes = list(ast.walk(ast.parse(token.src, mode="eval")))
        except SyntaxError as error:
            self._problem(token.line, f"an f-string that not every supported Python can read: {error.msg}")
            return
        if any(isinstance(node, ast.Await) or getattr(node, "is_async", 0) for node in nodes):
            self._problem(token.line, "`await` or `async for` inside an f-string: give the value a name first")


def _first_line(node: ast.AST) -> int:
    """Give the line where a statement (its first decorator) or a `case` begins."""
    first = node.pattern if isinstance(node, ast.match_case) else node
    lines: list[int] = [start.lineno for start in (first, *getattr(node, "decorator_list", []))]
    return min(lines)


def _is_f(string: str) -> bool:
    return "f" in tokenize_rt.parse_string_literal(string)[0].lower()


def _without_lines(tokens: Iterable[tokenize_rt.Token], lines: set[int]) -> list[tokenize_rt.Token]:
    return [token for token in tokens if token.line not in lines]


def _join_fstrings(tokens: Iterable[tokenize_rt.Token]) -> Iterator[tokenize_rt.Token]:
    """Give every f-string as one STRING token, as Pythons before 3.12 do."""
    parts: list[tokenize_rt.Token] = []
    depth = 0
    for token in tokens:
        depth += token.name.endswith("STRING_START")
        if not depth:
            yield token
            continue
        parts.append(token)
        depth -= token.name.endswith("STRING_END")
        if not depth:
            yield parts[0]._replace(name="STRING", src=tokenize_rt.tokens_to_src(parts))
            parts = []


def _unwrap(tokens: Iterable[tokenize_rt.Token], used: Counter[str]) -> list[tokenize_rt.Token]:
    """Replace `Awaitable[X]` by `X`."""
    result: list[tokenize_rt.Token] = []
    closing: list[bool] = []  # for every open bracket: does its partner go as well?
    for token in tokens:
        if token.src == "[" and result and result[-1].src in UNWRAPPED:
            used[result.pop().src] += 1
            closing.append(True)
            continue
        if token.name == "OP" and token.src in "([{":
            closing.append(False)
        elif token.name == "OP" and token.src in ")]}" and closing.pop():
            continue
        result.append(token)
    return result


def _tidy_imports(text: str) -> str:
    """Take out of `from … import` what is there twice (`AsyncIterator, Iterator`) and what was unwrapped."""
    lines = [line + "\n" for line in text.split("\n")]
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    for node in sorted(imports, key=lambda node: node.lineno, reverse=True):
        every = [f"{alias.name} as {alias.asname}" if alias.asname else alias.name for alias in node.names]
        kept = [name for name in dict.fromkeys(every) if name not in UNWRAPPED]
        if kept == every:
            continue
        indent = " " * node.col_offset
        new = f"{indent}from {'.' * node.level}{node.module or ''} import {', '.join(kept)}\n"
        if len(new) > _LINE_LENGTH:
            new = new.replace("import ", f"import (\n{indent}    ").replace(", ", f",\n{indent}    ")
            new = new.rstrip("\n") + f",\n{indent})\n"
        lines[node.lineno - 1 : node.end_lineno] = [new] if kept else []
    return "".join(lines).removesuffix("\n")


def generate(
    root: Path = ROOT, *, pairs: Mapping[str, str] = PAIRS, names: Mapping[str, str] = NAMES
) -> dict[Path, str]:
    """Give every file of the twins, path to text, without touching the disk.

    Raises:
        GenerateError: with everything that is wrong, file by file.
    """
    twins: dict[Path, str] = {}
    problems: list[str] = []
    used: Counter[str] = Counter()
    for source, target in pairs.items():
        rule = SyncRule(source, target, names)
        if not (root / source).is_dir():
            problems.append(f"{source}: no such folder in {root}")
        for path in _files(root / source):
            relative = path.relative_to(root / source)
            file = f"{source}/{relative.as_posix()}"
            if path.suffix == ".py":
                twins[root / target / relative] = rule.convert(path.read_text(encoding="utf-8"), file)
            else:
                problems.append(f"{file}: only Python files have a twin; move it out of {source}")
        problems += rule.problems
        used += rule.used
    problems += [
        f"scripts/generate_sync.py: nothing uses the name {name!r}: take it out of NAMES"
        for name in names.keys() - used
    ]
    if problems:
        raise GenerateError(sorted(problems, key=_by_line))
    return twins


def compare(twins: Mapping[Path, str], root: Path = ROOT, *, pairs: Mapping[str, str] = PAIRS) -> dict[Path, str]:
    """Give every path where the disk differs from `twins`, with how: missing, different or stale."""
    found = {path for target in pairs.values() for path in _files(root / target)}
    differences = dict.fromkeys(found - twins.keys(), "stale")
    for path, text in twins.items():
        if path not in found:
            differences[path] = "missing"
        elif path.read_bytes() != text.encode():
            differences[path] = "different"
    return dict(sorted(differences.items()))


def write(root: Path = ROOT, *, pairs: Mapping[str, str] = PAIRS, names: Mapping[str, str] = NAMES) -> dict[Path, str]:
    """Bring the twins up to date; give what had to change. Files that are right already are not touched."""
    twins = generate(root, pairs=pairs, names=names)
    differences = compare(twins, root, pairs=pairs)
    for path, difference in differences.items():
        if difference == "stale":
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(twins[path].encode())
    return differences


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _by_line(problem: str) -> tuple[str, int, str]:
    file, _, rest = problem.partition(":")
    line = rest.partition(":")[0]
    return file, int(line) if line.isdigit() else 0, rest


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a program; the result is the exit code."""
    parser = argparse.ArgumentParser(description="Make the sync twin of the library and of its tests.")
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    parser.add_argument("--root", type=Path, default=ROOT, help="the work tree (default: the one of this program)")
    options = parser.parse_args(arguments)
    root: Path = options.root.resolve()
    try:
        differences = compare(generate(root), root) if options.check else write(root)
    except GenerateError as error:
        print(*error.problems, sep="\n", file=sys.stderr)
        return 1
    for path, difference in differences.items():
        print(f"{path.relative_to(root).as_posix()}: {difference if options.check else f'was {difference}'}")
    if options.check and differences:
        print("The twins do not match their source: run scripts/generate_sync.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
