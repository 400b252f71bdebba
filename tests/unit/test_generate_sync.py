"""Tests of generating the sync code from the async source."""

from __future__ import annotations

from pathlib import Path

import pytest

import generate_sync
from generate_sync import GenerateError

ROOT = Path(__file__).resolve().parents[2]


def source(root: Path, text: str, name: str = "module.py") -> None:
    for folder in generate_sync.PAIRS:
        path = root / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def generated(root: Path, text: str) -> str:
    """The generated file, without its header."""
    source(root, text)
    result = generate_sync.generate(root)[root / "src" / "runpod" / "_sync" / "module.py"]
    header = "# Generated from src/runpod/_async/module.py by scripts/generate_sync.py. Do not edit.\n\n"
    assert result.startswith(header)
    return result.removeprefix(header)


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
        ("x = f'{await y.aread()} {AsyncRunpod!r:>{AsyncWidth}}'", "x = f'{y.read()} {Runpod!r:>{Width}}'"),
        ("def f(c: Callable[[int], Awaitable[dict[str, int]]]): ...", "def f(c: Callable[[int], dict[str, int]]): ..."),
        ("from x.async_y import async_z\nasync_z(my_async_a)", "from x.y import z\nz(my_async_a)"),
        # Imports of names that are dropped, or that would be imported twice.
        ("from c import AsyncIterator, Awaitable, Iterator", "from c import Iterator"),
        # Docstrings and comments.
        ('"""Close the AsyncRunpod, its `AsyncEndpoint`."""', '"""Close the Runpod, its `Endpoint`."""'),
        ('"""It is asynchronous, it awaits."""', '"""It is asynchronous, it awaits."""'),
        ('"""x\n\n>>> print(await job.wait())\n>>> await job\n"""', '"""x\n\n>>> print(job.wait())\n>>> job\n"""'),
        ('"""async with a:\n    async for b in c: x = await y\n"""', '"""with a:\n    for b in c: x = y\n"""'),
        ("x = 1  # AsyncRunpod: await f() in a async def", "x = 1  # Runpod: f() in a def"),
        ('x = ["AsyncRunpod is closed", "a\\nAsyncRunpod"]', 'x = ["Runpod is closed", "a\\nRunpod"]'),
        # Statements marked async-only.
        ("import a\nimport b  # async-only\nfrom c import (  # async-only: why\n    d,\n)", "import a"),
        ("@decorated\nasync def f(self) -> None:  # async-only\n    # Nothing.\n\n    await g()\nx = 1", "x = 1"),
        ("x = 1\n\n\n# About i.\nasync def i():  # noqa: X  # async-only\n    pass\n\n\nj = 1", "x = 1\n\n\nj = 1"),
        ("def f():\n    if x:  # async-only\n        return\n    y = 1", "def f():\n    y = 1"),
    ],
)  # fmt: skip
def test_constructs(tmp_path: Path, text: str, expected: str) -> None:
    assert expected + "\n" == generated(tmp_path, text + "\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import anyio", "'import anyio' would remain in the sync code: import it from runpod._primitives"),
        ("def f() -> AsyncGenerator[int, None]: ...", "'Generator[' would remain in the sync code: use AsyncIterator"),
        ("x: Awaitable", "'Awaitable' would remain in the sync code: add it to SUBSTITUTIONS"),
        ("x = [\n    1,  # async-only\n    2,\n]", "`# async-only` must be at the end of the first line"),
        ("async def f():\n    x = 1  # async-only", "the sync code is not valid Python"),
    ],
)
def test_errors(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(GenerateError, match="module") as caught:
        generated(tmp_path, text + "\n")
    assert expected in str(caught.value)


def test_a_missing_source_deletes_nothing(tmp_path: Path) -> None:
    kept = tmp_path / "src" / "runpod" / "_sync" / "module.py"
    kept.parent.mkdir(parents=True)
    kept.touch()
    with pytest.raises(GenerateError, match="contains no Python files"):
        generate_sync.write(tmp_path)
    assert kept.exists()


def test_the_program_rewrites_only_files_that_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*options: str) -> tuple[int, list[str]]:
        monkeypatch.setattr("sys.argv", ["generate_sync.py", *options])
        status = generate_sync.main()
        return status, [line for line in capsys.readouterr().out.splitlines() if line.startswith("src/")]

    monkeypatch.setattr(generate_sync, "ROOT", tmp_path)
    monkeypatch.setattr(generate_sync.generate, "__defaults__", (tmp_path,))
    monkeypatch.setattr(generate_sync.compare, "__defaults__", (tmp_path,))
    monkeypatch.setattr(generate_sync.write, "__defaults__", (tmp_path,))
    for name in ("a.py", "b.py", "deeper/c.py", "__init__.py"):
        source(tmp_path, "class AsyncX: ...\n" * (name != "__init__.py"), name)
    sync = tmp_path / "src" / "runpod" / "_sync"
    assert (1, 4) == (run("--check")[0], len(run("--check")[1]))
    assert not sync.exists()
    assert 0 == run()[0]
    assert (0, []) == run("--check")

    right = (sync / "a.py").read_text(encoding="utf-8")
    (sync / "b.py").write_text(right + "\n", encoding="utf-8")
    (sync / "deeper" / "c.py").unlink()
    (sync / "old.py").touch()
    (sync / "a.py").chmod(0o444)
    wrong = [f"src/runpod/_sync/{name}" for name in ("b.py", "deeper/c.py", "old.py")]
    assert (1, [f"{name} differs" for name in wrong]) == run("--check")
    assert (0, [f"{name} updated" for name in wrong]) == run()
    assert (0, []) == run("--check")
    source(tmp_path, "import anyio\n")
    assert (1, []) == run()


def test_the_repository_is_up_to_date() -> None:
    assert [] == generate_sync.compare(generate_sync.generate(ROOT), ROOT)
