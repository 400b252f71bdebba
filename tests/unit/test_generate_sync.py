from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import generate_sync
from generate_sync import GenerateError

ROOT = Path(__file__).resolve().parents[2]
PAIRS = {"src/_async": "src/_sync"}
HEADER = "# Generated from src/_async/module.py by scripts/generate_sync.py. Do not edit.\n\n"


def source(root: Path, text: str, name: str = "module.py") -> Path:
    path = root / "src" / "_async" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def twin(root: Path, text: str, names: dict[str, str] | None = None) -> str:
    """The twin of one file, without its header."""
    source(root, text)
    (result,) = generate_sync.generate(root, pairs=PAIRS, names=names or {}).values()
    assert result.startswith(HEADER)
    return result[len(HEADER) :]


def problems(root: Path, text: str, names: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(GenerateError) as caught:
        twin(root, text, names)
    return caught.value.problems


class TestCode:
    @pytest.mark.parametrize(
        ("expected", "text"),
        [
            ("class Runpod(Base): pass\n", "class AsyncRunpod(AsyncBase): pass\n"),
            ("class _Reader: pass\n", "class _AsyncReader: pass\n"),
            ("x: Iterator[int]\n", "x: AsyncIterator[int]\n"),
            ("with httpx.Client() as c: pass\n", "async with httpx.AsyncClient() as c: pass\n"),
            ("def f():\n    return g(h())\n", "async def f():\n    return await g(await h())\n"),
            ("def f():\n    for x in y: pass\n", "async def f():\n    async for x in y: pass\n"),
            (
                "def f():\n    return [x for x in y]\n",
                "async def f():\n    return [x async for x in y]\n",
            ),
            ("def __enter__(self): pass\n", "async def __aenter__(self): pass\n"),
            ("raise StopIteration\n", "raise StopAsyncIteration\n"),
        ],
    )
    def test_the_twin_of_each_construct(self, tmp_path: Path, expected: str, text: str) -> None:
        assert expected == twin(tmp_path, text)

    @pytest.mark.parametrize("text", ["await(f())", "await (f())", "await\\\n    f()"])
    def test_await_without_a_space_loses_nothing_but_itself(self, tmp_path: Path, text: str) -> None:
        result = twin(tmp_path, f"async def g():\n    return {text}\n")

        calls: list[str] = []
        space: dict[str, object] = {"f": lambda: calls.append("called")}
        exec(result, space)
        space["g"]()  # type: ignore[operator]
        assert ["called"] == calls
        assert "await" not in result

    def test_names_of_the_table(self, tmp_path: Path) -> None:
        names = {"aclose": "close", "_async": "_sync"}

        result = twin(tmp_path, "from x._async.y import z\nz.aclose(not_aclose)\n", names)

        assert "from x._sync.y import z\nz.close(not_aclose)\n" == result

    def test_awaitable_is_unwrapped_and_no_longer_imported(self, tmp_path: Path) -> None:
        result = twin(
            tmp_path,
            """\
            from collections.abc import Awaitable, Callable
            def f(call: Callable[[int], Awaitable[dict[str, int]]]) -> Awaitable[int]: ...
            """,
        )

        assert (
            "from collections.abc import Callable\ndef f(call: Callable[[int], dict[str, int]]) -> int: ...\n" == result
        )

    def test_a_name_imported_in_both_colours_is_imported_once(self, tmp_path: Path) -> None:
        result = twin(
            tmp_path,
            "if x:\n    from a import (\n        AsyncIterator,\n        Iterator,\n        B as C,\n    )\n",
        )

        assert "if x:\n    from a import Iterator, B as C\n" == result

    def test_a_long_import_is_wrapped(self, tmp_path: Path) -> None:
        names = [f"a_rather_long_name_number_{i}" for i in range(6)]

        result = twin(tmp_path, f"from a import AsyncX, X, {', '.join(names)}\n")

        assert "from a import (\n    X,\n" + "".join(f"    {name},\n" for name in names) + ")\n" == result


class TestText:
    @pytest.mark.parametrize(
        ("expected", "text"),
        [
            ('"""Close a Runpod."""\n', '"""Close an AsyncRunpod."""\n'),
            ('"""Close an `Endpoint`."""\n', '"""Close an `AsyncEndpoint`."""\n'),
            ('"""It is asynchronous, it awaits."""\n', '"""It is asynchronous, it awaits."""\n'),
            (
                '"""x\n\n>>> print(job.wait())\n>>> job\n"""\n',
                '"""x\n\n>>> print(await job.wait())\n>>> await job\n"""\n',
            ),
            (
                '"""with a:\n    for b in c: x = y\n"""\n',
                '"""async with a:\n    async for b in c: x = await y\n"""\n',
            ),
            ('"""f(x) and `y` and (z)"""\n', '"""await f(x) and `await y` and (await z)"""\n'),
            (
                "x = 1  # a Runpod: f() in a def\n",
                "x = 1  # an AsyncRunpod: await f() in a async def\n",
            ),
            ("def f():\n    '''Runpod.'''\n", "async def f():\n    '''AsyncRunpod.'''\n"),
            (
                "class A:\n    x: int\n    '''A Runpod.'''\n",
                "class A:\n    x: int\n    '''A AsyncRunpod.'''\n",
            ),
        ],
    )
    def test_comments_and_docstrings_read_right(self, tmp_path: Path, expected: str, text: str) -> None:
        assert expected == twin(tmp_path, text)

    @pytest.mark.parametrize(
        ("expected", "text"),
        [
            ('x = ["Runpod"]\n', 'x = ["AsyncRunpod"]\n'),
            ('x = "Runpod is closed"\n', 'x = "AsyncRunpod is closed"\n'),
            ('x = "a\\nRunpod"\n', 'x = "a\\nAsyncRunpod"\n'),
            ('x = r"\\bRunpod\\b"\n', 'x = r"\\bAsyncRunpod\\b"\n'),
            ('x = """\nRunpod\n"""\n', 'x = """\nAsyncRunpod\n"""\n'),
            # Code inside a string is data: the program that a test hands on stays as it is.
            ('x = "async def f(): await g()"\n', 'x = "async def f(): await g()"\n'),
        ],
    )
    def test_strings_have_their_names_changed_and_nothing_else(self, tmp_path: Path, expected: str, text: str) -> None:
        assert expected == twin(tmp_path, text)

    @pytest.mark.parametrize(
        ("expected", "text"),
        [
            (
                "x = f'Runpod {Runpod!r:>{Width}}'\n",
                "x = f'AsyncRunpod {AsyncRunpod!r:>{AsyncWidth}}'\n",
            ),
            ("x = f'{x.close()}'\n", "x = f'{x.aclose()}'\n"),
            ("x = f'async {{await}}'.close\n", "x = f'async {{await}}'.aclose\n"),
            ("x = f'''{a}\n{f'{Y}'}'''; close\n", "x = f'''{a}\n{f'{AsyncY}'}'''; aclose\n"),
            ("x = rf'\\{{{Y}' 'Z' f'close'\n", "x = rf'\\{{{AsyncY}' 'AsyncZ' f'aclose'\n"),
        ],
    )
    def test_f_strings_do_not_depend_on_the_tokenizer(self, tmp_path: Path, expected: str, text: str) -> None:
        # From Python 3.12 on the inside of an f-string is code to the tokenizer, before it is text.
        assert expected == twin(tmp_path, text + "aclose\n", {"aclose": "close"}).removesuffix("close\n")

    @pytest.mark.parametrize("inside", ["{await x}", "{f'{await x}'}", "{[y async for y in x]}", "{x:{await y}}"])
    def test_await_inside_an_f_string_is_refused(self, tmp_path: Path, inside: str) -> None:
        expected = ["src/_async/module.py:2: `await` or `async for` inside an f-string: give the value a name first"]

        assert expected == problems(tmp_path, f'async def f(x):\n    return f"{inside}"\n')


class TestAsyncOnly:
    def test_a_marked_statement_is_left_out(self, tmp_path: Path) -> None:
        result = twin(
            tmp_path,
            """\
            import a
            import b  # async-only
            from c import (  # async-only: the twin needs no tasks
                d,
            )


            class A:
                x = 1

                # About f.
                @decorated
                async def f(
                    self,
                ) -> None:  # async-only
                    # About nothing.

                    await g()

                async def h(self) -> None:
                    if self.x:  # async-only
                        return
                    else:
                        pass
                    await g()


            async def i():  # noqa: X  # async-only
                pass


            j = 1
            """,
        )

        assert (
            textwrap.dedent(
                """\
                import a


                class A:
                    x = 1

                    def h(self) -> None:
                        g()


                j = 1
                """
            )
            == result
        )

    def test_the_rest_keeps_its_docstrings(self, tmp_path: Path) -> None:
        text = "def f():\n    x = 1\n\n\ndef g():  # async-only\n    pass\n\n\n'''AsyncX: await y()'''\n"

        assert "def f():\n    x = 1\n\n\n'''X: y()'''\n" == twin(tmp_path, text)

    def test_lines_are_counted_as_python_counts_them(self, tmp_path: Path) -> None:
        text = "a = 'x\u2028y\x0c'\nb = 1  # async-only\nfrom c import AsyncD, D\ne = 2\n"

        assert "a = 'x\u2028y\x0c'\nfrom c import D\ne = 2\n" == twin(tmp_path, text)

    @pytest.mark.parametrize("text", ["# async-only\nx = 1\n", "x = [\n    1,  # async-only\n    2,\n]\n"])
    def test_a_marker_that_belongs_to_no_statement_is_an_error(self, tmp_path: Path, text: str) -> None:
        (problem,) = problems(tmp_path, text)

        assert "`# async-only` stands at the end of the first line of the statement it drops" in problem

    def test_a_body_that_is_dropped_whole_is_an_error(self, tmp_path: Path) -> None:
        (problem,) = problems(tmp_path, "async def f():\n    x = 1  # async-only\n")

        assert problem.startswith("src/_async/module.py: the twin is not Python")


class TestErrors:
    @pytest.mark.parametrize(
        ("line", "name", "text"),
        [
            (1, "TestAsyncRunpod", "class TestAsyncRunpod: pass\n"),
            (2, "async_sleep", "x = 1\nasync_sleep\n"),
            (1, "test_async", "def test_async(): pass\n"),
            (3, "TestAsyncRunpod", "x = '''\n\nTestAsyncRunpod'''\n"),
            (1, "await", "# You must await the result\n"),
            (3, "async", "'''x\n\nthe async half'''\n"),
        ],
    )
    def test_what_would_stay_async(self, tmp_path: Path, line: int, name: str, text: str) -> None:
        (problem,) = problems(tmp_path, text)

        assert problem.startswith(f"src/_async/module.py:{line}: '{name}' would stay in the twin: ")

    @pytest.mark.parametrize("name", ["AsyncGenerator", "asyncio", "anyio", "trio"])
    def test_what_has_no_twin(self, tmp_path: Path, name: str) -> None:
        (problem,) = problems(tmp_path, f"from x import {name}\n")

        assert problem.startswith(f"src/_async/module.py:1: {name} would stay in the twin: ")

    def test_a_name_that_nothing_uses(self, tmp_path: Path) -> None:
        expected = ["scripts/generate_sync.py: nothing uses the name 'aclose': take it out of NAMES"]

        assert expected == problems(tmp_path, "x = 1\n", {"aclose": "close"})

    def test_every_problem_is_told_at_once_in_the_order_of_the_lines(self, tmp_path: Path) -> None:
        found = problems(tmp_path, "a_async\n" + "x\n" * 8 + "b_async\n")

        assert ["src/_async/module.py:1", "src/_async/module.py:10"] == [p.rsplit(":", 2)[0] for p in found]

    def test_a_source_that_is_not_python(self, tmp_path: Path) -> None:
        (problem,) = problems(tmp_path, "x = 1\nx = (\n")

        assert problem.startswith("src/_async/module.py:2: not Python: ")

    def test_a_file_without_a_twin(self, tmp_path: Path) -> None:
        source(tmp_path, "", "data.json")

        expected = ["src/_async/data.json: only Python files have a twin; move it out of src/_async"]
        assert expected == problems(tmp_path, "x = 1\n")

    def test_a_missing_source_deletes_nothing(self, tmp_path: Path) -> None:
        kept = tmp_path / "src" / "_sync" / "module.py"
        kept.parent.mkdir(parents=True)
        kept.touch()

        with pytest.raises(GenerateError, match="src/_async: no such folder"):
            generate_sync.write(tmp_path, pairs=PAIRS, names={})
        assert kept.exists()


class TestTrees:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        """A tree whose twin is right, beside compiled files, which do not count."""
        source(tmp_path, "class AsyncA: pass\n", "a.py")
        source(tmp_path, "class AsyncB: pass\n", "deeper/b.py")
        source(tmp_path, "", "__init__.py")
        source(tmp_path, "", "__pycache__/a.pyc")
        generate_sync.write(tmp_path, pairs=PAIRS, names={})
        (tmp_path / "src" / "_sync" / "__pycache__").mkdir()
        (tmp_path / "src" / "_sync" / "__pycache__" / "a.pyc").touch()
        return tmp_path

    def compare(self, root: Path) -> dict[str, str]:
        twins = generate_sync.generate(root, pairs=PAIRS, names={})
        found = generate_sync.compare(twins, root, pairs=PAIRS)
        return {path.relative_to(root / "src" / "_sync").as_posix(): how for path, how in found.items()}

    def spoil(self, root: Path) -> None:
        sync = root / "src" / "_sync"
        (sync / "a.py").write_text((sync / "a.py").read_text(encoding="utf-8") + "\n", encoding="utf-8")
        (sync / "deeper" / "b.py").unlink()
        (sync / "old.py").touch()
        (sync / "notes.txt").touch()

    def test_what_was_written_needs_no_change(self, root: Path) -> None:
        assert {} == self.compare(root)
        assert "# Generated from src/_async/__init__.py by scripts/generate_sync.py. Do not edit.\n" == (
            root / "src" / "_sync" / "__init__.py"
        ).read_text(encoding="utf-8")

    def test_missing_different_and_stale_files_are_found(self, root: Path) -> None:
        self.spoil(root)

        expected = {
            "a.py": "different",
            "deeper/b.py": "missing",
            "notes.txt": "stale",
            "old.py": "stale",
        }
        assert expected == self.compare(root)

    def test_a_last_line_that_is_missing_is_found(self, root: Path) -> None:
        path = root / "src" / "_sync" / "a.py"
        path.write_text(path.read_text(encoding="utf-8").removesuffix("class A: pass\n"), encoding="utf-8")

        assert {"a.py": "different"} == self.compare(root)

    def test_writing_repairs_all_and_touches_nothing_else(self, root: Path) -> None:
        self.spoil(root)
        init = root / "src" / "_sync" / "__init__.py"
        init.chmod(0o444)
        before = init.stat().st_mtime_ns

        generate_sync.write(root, pairs=PAIRS, names={})

        assert {} == self.compare(root)
        assert not (root / "src" / "_sync" / "old.py").exists()
        assert before == init.stat().st_mtime_ns


class TestProgram:
    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / "scripts" / "generate_sync.py"), *arguments],
            check=False,
            capture_output=True,
            text=True,
        )

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        """A small tree that uses every name of the real table."""
        uses = "".join(f"{name}\n" for name in generate_sync.NAMES)
        for folder in generate_sync.PAIRS:
            (tmp_path / folder).mkdir(parents=True)
            (tmp_path / folder / "module.py").write_text(uses, encoding="utf-8")
        return tmp_path

    def test_check_says_what_differs_and_writes_nothing(self, root: Path) -> None:
        result = self.run("--check", "--root", str(root))

        assert 1 == result.returncode
        assert "src/runpod/_sync/module.py: missing\ntests/_sync/module.py: missing\n" == result.stdout
        assert "The twins do not match their source: run scripts/generate_sync.py\n" == result.stderr
        assert not (root / "src" / "runpod" / "_sync").exists()

    def test_check_agrees_with_what_was_written(self, root: Path) -> None:
        assert 0 == self.run("--root", str(root)).returncode

        result = self.run("--check", "--root", str(root))

        assert (0, "", "") == (result.returncode, result.stdout, result.stderr)

    def test_problems_end_the_program(self, root: Path) -> None:
        (root / "tests" / "_async" / "module.py").write_text("f'{await x}'\n", encoding="utf-8")

        result = self.run("--root", str(root))

        assert 1 == result.returncode
        assert result.stderr.startswith("tests/_async/module.py:1: ")
        assert not (root / "tests" / "_sync").exists()

    def test_the_twins_of_this_tree_are_right(self) -> None:
        result = self.run("--check")

        assert (0, "", "") == (result.returncode, result.stdout, result.stderr)
