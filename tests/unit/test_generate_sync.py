"""How the sync twin is made from the async source."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import generate_sync
from generate_sync import GenerateError

ROOT = Path(__file__).resolve().parents[2]
PAIRS = {"src/_async": "src/_sync"}
HEADER = "# Generated from src/_async/module.py by scripts/generate_sync.py. Do not edit.\n\n"


def source(root: Path, text: str, name: str = "module.py") -> None:
    path = root / "src" / "_async" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def twin(root: Path, text: str, names: dict[str, str] | None = None) -> str:
    """The twin of one file, without its header."""
    source(root, text)
    (result,) = generate_sync.generate(root, pairs=PAIRS, names=names or {}).values()
    assert result.startswith(HEADER)
    return result.removeprefix(HEADER)


def problems(root: Path, text: str, names: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(GenerateError) as caught:
        twin(root, text, names)
    return caught.value.problems


LONG = [f"a_rather_long_name_number_{i}" for i in range(6)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Code.
        ("class _AsyncReader(AsyncBase): pass", "class _Reader(Base): pass"),
        ("async with httpx.AsyncClient() as c: pass", "with httpx.Client() as c: pass"),
        ("async def f():\n    return await g(await h())", "def f():\n    return g(h())"),
        ("async def f():\n    return [x async for x in y]", "def f():\n    return [x for x in y]"),
        ("async def __aenter__(self): pass", "def __enter__(self): pass"),
        ("raise StopAsyncIteration", "raise StopIteration"),
        ("from x._async.y import z\nz.aclose(not_aclose)", "from x._sync.y import z\nz.close(not_aclose)"),
        # Imports: of what is unwrapped, and of what is there twice.
        (
            "from c import Awaitable, Callable\ndef f(c: Callable[[int], Awaitable[dict[str, int]]]) -> Awaitable[int]: ...",
            "from c import Callable\ndef f(c: Callable[[int], dict[str, int]]) -> int: ...",
        ),
        ("from c import Awaitable\nx = 1", "x = 1"),
        (
            "if x:\n    from a import (\n        AsyncIterator,\n        Iterator,\n        B as C,\n    )",
            "if x:\n    from a import Iterator, B as C",
        ),
        (
            f"from a import AsyncX, X, {', '.join(LONG)}",
            "from a import (\n    X,\n" + "".join(f"    {name},\n" for name in LONG) + ")",
        ),
        # Comments and docstrings.
        ('"""Close an AsyncRunpod, an `AsyncEndpoint`."""', '"""Close a Runpod, an `Endpoint`."""'),
        ('"""It is asynchronous, it awaits."""', '"""It is asynchronous, it awaits."""'),
        ('"""x\n\n>>> print(await job.wait())\n>>> await job\n"""', '"""x\n\n>>> print(job.wait())\n>>> job\n"""'),
        ('"""async with a:\n    async for b in c: x = await y\n"""', '"""with a:\n    for b in c: x = y\n"""'),
        ('"""await f(x) and `await y` and (await z)"""', '"""f(x) and `y` and (z)"""'),
        ("x = 1  # an AsyncRunpod: await f() in a async def", "x = 1  # a Runpod: f() in a def"),
        ("async def f():\n    '''AsyncRunpod.'''", "def f():\n    '''Runpod.'''"),
        ("class A:\n    x: int\n    '''A AsyncRunpod.'''", "class A:\n    x: int\n    '''A Runpod.'''"),
        # Strings: names change and nothing else. Code inside a string is data.
        ('x = ["AsyncRunpod", "AsyncRunpod is closed", "a\\nAsyncRunpod"]', 'x = ["Runpod", "Runpod is closed", "a\\nRunpod"]'),
        ('x = r"\\bAsyncRunpod\\b", """\nAsyncRunpod\n"""', 'x = r"\\bRunpod\\b", """\nRunpod\n"""'),
        ('x = "async def f(): await g()"', 'x = "async def f(): await g()"'),
        # From Python 3.12 on the inside of an f-string is code to the tokenizer, before it is text.
        ("x = f'AsyncRunpod {AsyncRunpod!r:>{AsyncWidth}}'", "x = f'Runpod {Runpod!r:>{Width}}'"),
        ("x = f'{x.aclose()}', f'async {{await}}'.aclose", "x = f'{x.close()}', f'async {{await}}'.close"),
        ("x = f'''{a}\n{f'{AsyncY}'}'''", "x = f'''{a}\n{f'{Y}'}'''"),
        ("x = rf'\\{{{AsyncY}' 'AsyncZ' f'aclose'", "x = rf'\\{{{Y}' 'Z' f'close'"),
        # Statements of the async half only.
        ("import a\nimport b  # async-only\nfrom c import (  # async-only: why\n    d,\n)", "import a"),
        ("@decorated\nasync def f(\n    self,\n) -> None:  # async-only\n    # Nothing.\n\n    await g()\nx = 1", "x = 1"),
        ("x = 1\n\n\n# About i.\nasync def i():  # noqa: X  # async-only\n    pass\n\n\nj = 1", "x = 1\n\n\nj = 1"),
        ("def f():\n    if x:  # async-only\n        return\n    else:\n        pass\n    y = 1", "def f():\n    y = 1"),
        ("def g():  # async-only\n    pass\n\n\n'''AsyncX: await y()'''", "\n\n'''X: y()'''"),
        # Lines are counted as Python counts them.
        ("a = 'x\u2028y\x0c'\nb = 1  # async-only\nfrom c import AsyncD, D", "a = 'x\u2028y\x0c'\nfrom c import D"),
    ],
)  # fmt: skip
def test_the_twin_of_each_construct(tmp_path: Path, text: str, expected: str) -> None:
    names = {"aclose": "close", "_async": "_sync"}
    assert expected + "\nclose, _sync\n" == twin(tmp_path, text + "\naclose, _async\n", names)


@pytest.mark.parametrize("text", ["await(f())", "await (f())", "await\\\n    f()"])
def test_await_without_a_space_loses_nothing_but_itself(tmp_path: Path, text: str) -> None:
    result = twin(tmp_path, f"async def g():\n    return {text}\n")
    calls: list[str] = []
    space: dict[str, object] = {"f": lambda: calls.append("called")}
    exec(result, space)
    space["g"]()  # type: ignore[operator]
    assert (["called"], False) == (calls, "await" in result)


STAYS = " would stay in the twin: "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("class TestAsyncRunpod: pass", f"1: 'TestAsyncRunpod'{STAYS}rename it"),
        ("x = 1\nasync_sleep", f"2: 'async_sleep'{STAYS}"),
        ("def test_async(): pass", f"1: 'test_async'{STAYS}"),
        ("x = '''\n\nTestAsyncRunpod'''", f"3: 'TestAsyncRunpod'{STAYS}"),
        ("# You must await the result", f"1: 'await'{STAYS}say it in words"),
        ("'''x\n\nthe async half'''", f"3: 'async'{STAYS}"),
        *[(f"from x import {name}", f"1: {name}{STAYS}") for name in ("AsyncGenerator", "asyncio", "anyio", "trio")],
        *[
            (f'x = f"{inside}"', "1: `await` or `async for` inside an f-string: give the value a name first")
            for inside in ("{await x}", "{f'{await x}'}", "{[y async for y in x]}", "{x:{await y}}")
        ],
        ("# async-only\nx = 1", "1: `# async-only` stands at the end of the first line of the statement it drops"),
        ("x = [\n    1,  # async-only\n    2,\n]", "2: `# async-only` stands"),
        ("async def f():\n    x = 1  # async-only", " the twin is not Python"),
        ("x = 1\nx = (", "2: not Python: "),
    ],
)
def test_what_cannot_have_a_twin_is_an_error(tmp_path: Path, text: str, expected: str) -> None:
    (problem,) = problems(tmp_path, text + "\n")
    assert problem.startswith(f"src/_async/module.py:{expected}")


def test_every_problem_is_told_at_once_in_the_order_of_the_lines(tmp_path: Path) -> None:
    source(tmp_path, "", "data.json")
    found = problems(tmp_path, "a_async\n" + "x\n" * 8 + "b_async\n", {"aclose": "close"})
    assert "scripts/generate_sync.py: nothing uses the name 'aclose': take it out of NAMES" == found[0]
    assert "src/_async/data.json: only Python files have a twin; move it out of src/_async" == found[1]
    assert ["src/_async/module.py:1", "src/_async/module.py:10"] == [text.rsplit(":", 2)[0] for text in found[2:]]


def test_a_missing_source_deletes_nothing(tmp_path: Path) -> None:
    kept = tmp_path / "src" / "_sync" / "module.py"
    kept.parent.mkdir(parents=True)
    kept.touch()
    with pytest.raises(GenerateError, match="src/_async: no such folder"):
        generate_sync.write(tmp_path, pairs=PAIRS, names={})
    assert kept.exists()


def test_writing_repairs_every_difference_and_touches_nothing_else(tmp_path: Path) -> None:
    for name in ("a.py", "b.py", "deeper/c.py", "__init__.py", "__pycache__/a.pyc"):
        source(
            tmp_path, f"class AsyncX: {'...' if name.endswith('py') else 'compiled'}\n" * (name != "__init__.py"), name
        )

    def differences() -> dict[str, str]:
        found = generate_sync.compare(generate_sync.generate(tmp_path, pairs=PAIRS, names={}), tmp_path, pairs=PAIRS)
        return {path.relative_to(sync).as_posix(): how for path, how in found.items()}

    sync = tmp_path / "src" / "_sync"
    assert dict.fromkeys(("__init__.py", "a.py", "b.py", "deeper/c.py"), "missing") == differences()
    generate_sync.write(tmp_path, pairs=PAIRS, names={})
    assert {} == differences()
    assert HEADER.replace("module", "__init__").rstrip() == (sync / "__init__.py").read_text(encoding="utf-8").rstrip()

    right = (sync / "a.py").read_text(encoding="utf-8")
    (sync / "a.py").write_text(right + "\n", encoding="utf-8")
    (sync / "b.py").write_text(right.removesuffix("class X: ...\n"), encoding="utf-8")
    (sync / "deeper" / "c.py").unlink()
    (sync / "__pycache__").mkdir()
    for name in ("old.py", "notes.txt", "__pycache__/a.pyc"):
        (sync / name).touch()
    expected = {
        "a.py": "different",
        "b.py": "different",
        "deeper/c.py": "missing",
        "notes.txt": "stale",
        "old.py": "stale",
    }
    assert expected == differences()
    before = (sync / "__init__.py").stat().st_mtime_ns
    (sync / "__init__.py").chmod(0o444)
    assert sorted(expected) == sorted(
        path.relative_to(sync).as_posix() for path in generate_sync.write(tmp_path, pairs=PAIRS, names={})
    )
    assert ({}, before, right) == (
        differences(),
        (sync / "__init__.py").stat().st_mtime_ns,
        (sync / "a.py").read_text(),
    )


def run(*arguments: str) -> tuple[int, str, str]:
    command = [sys.executable, str(ROOT / "scripts" / "generate_sync.py"), *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_the_program_compares_writes_and_tells_of_problems(tmp_path: Path) -> None:
    uses = "".join(f"{name}\n" for name in generate_sync.NAMES)
    for folder in generate_sync.PAIRS:
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "module.py").write_text(uses, encoding="utf-8")
    root = ["--root", str(tmp_path)]
    told = "src/runpod/_sync/module.py: missing\ntests/_sync/module.py: missing\n"
    wrong = "The twins do not match their source: run scripts/generate_sync.py\n"
    assert (1, told, wrong) == run("--check", *root)
    assert not (tmp_path / "src" / "runpod" / "_sync").exists()
    assert (0, told.replace(": ", ": was "), "") == run(*root)
    assert (0, "", "") == run("--check", *root)
    (tmp_path / "tests" / "_async" / "module.py").write_text("f'{await x}'\n", encoding="utf-8")
    status, _, problem = run(*root)
    assert (1, True) == (status, problem.startswith("tests/_async/module.py:1: "))


def test_the_twins_of_this_tree_are_right() -> None:
    assert (0, "", "") == run("--check")
