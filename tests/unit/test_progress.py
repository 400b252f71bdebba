"""Tests of progress bars: on a terminal, without one, in a notebook, and without tqdm."""

from __future__ import annotations

import io
import os
import re
import struct
import subprocess
import sys
import warnings
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from runpod import APIConnectionError, ConfigurationError, InvalidRequestError, JobFailedError, JobState, MapResult
from runpod._progress import ByteCounter, byte_progress_for, progress_for
from tests.processes import started

DONE: MapResult[Any] = MapResult(0, {}, "job-1", JobState(id="job-1", status="COMPLETED"))
FAILED: MapResult[Any] = MapResult(1, {}, "job-2", error=JobFailedError("x"))
DOUBTFUL: MapResult[Any] = MapResult(2, {}, error=APIConnectionError("x"))

PROGRAM = """
import sys
from runpod import JobFailedError, JobState, MapResult
from runpod._progress import progress_for

print("tqdm" in sys.modules)
bar = progress_for(True, 3)
if bar is not None:
    bar.update(MapResult(0, {}, "job-1", JobState(id="job-1", status="COMPLETED")))
    bar.update(MapResult(1, {}, "job-2", error=JobFailedError("x")))
    bar.close()
"""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Closed(Terminal):
    """A terminal whose window was closed."""

    closed_now = False

    def write(self, text: str) -> int:
        if self.closed_now:
            raise OSError(5, "Input/output error")
        return super().write(text)


def last_line(text: str) -> str:
    """What a terminal shows at the end."""
    return re.split(r"[\r\n]", text.strip())[-1]


def notebook(monkeypatch: pytest.MonkeyPatch, shell: Any) -> None:
    ipython: Any = ModuleType("IPython")
    ipython.get_ipython = lambda: shell
    monkeypatch.setitem(sys.modules, "IPython", ipython)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_a_terminal_shows_a_bar() -> None:
    import fcntl
    import termios

    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    with started(command, stderr=slave, text=False) as process:
        os.close(slave)
        output = process.communicate(timeout=60)[0]
    shown = ""
    try:
        while data := os.read(master, 65536):
            shown += data.decode()
    except OSError:  # Linux: the other end is closed
        pass
    finally:
        os.close(master)
    assert (0, b"False\n") == (process.returncode, output)
    assert re.search(r"67%.*2/3 .*job/s, failed=1\]$", last_line(shown))


def test_nothing_is_shown_without_a_terminal() -> None:
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    done = subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert (b"False\n", b"") == (done.stdout, done.stderr)


@pytest.mark.parametrize("stderr", [None, io.StringIO(), SimpleNamespace(write=print)])
def test_stderr_can_be_missing_or_replaced(stderr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    assert progress_for(True, 3) is None


def test_a_closed_stderr_is_not_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    stderr.close()
    monkeypatch.setattr(sys, "stderr", stderr)
    assert progress_for(True, 3) is None


def test_the_bar_counts_what_did_not_succeed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stderr := Terminal())
    bar = progress_for(True, None)
    assert bar is not None
    for result in (DONE, DOUBTFUL, FAILED, DONE, FAILED):
        bar.update(result)
    bar.close()
    bar.close()
    assert re.match(r"5job \[.*, failed=2, in_doubt=1\]", last_line(stderr.getvalue()))


def test_a_closed_terminal_does_not_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stderr := Closed())
    bar = progress_for(True, None)
    assert bar is not None
    stderr.closed_now = True
    bar._bar.mininterval = 0  # type: ignore[attr-defined]
    for _ in range(3):
        bar.update(FAILED)
    bar.close()


def test_a_notebook_without_widgets_shows_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """The output of a notebook is not a terminal, and tqdm would warn that ipywidgets is missing."""
    notebook(monkeypatch, SimpleNamespace(kernel=object()))
    monkeypatch.setattr("runpod._progress.find_spec", lambda name: None)
    monkeypatch.setattr(sys, "stderr", stderr := io.StringIO())
    monkeypatch.delitem(sys.modules, "tqdm.auto", raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bar = progress_for(True, 1)
    assert bar is not None
    bar.update(DONE)
    bar.close()
    assert re.match(r"100%.*1/1 ", last_line(stderr.getvalue()))


def test_a_notebook_with_widgets_shows_one(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook(monkeypatch, SimpleNamespace(kernel=object()))
    monkeypatch.setattr("runpod._progress.find_spec", lambda name: object())
    auto: Any = ModuleType("tqdm.auto")
    created: list[Any] = []
    auto.tqdm = lambda **options: created.append(options)
    monkeypatch.setitem(sys.modules, "tqdm.auto", auto)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert progress_for(True, 7) is not None
    assert [7] == [options["total"] for options in created]


@pytest.mark.parametrize("shell", [None, SimpleNamespace()])
def test_ipython_in_a_terminal_is_no_notebook(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook(monkeypatch, shell)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert progress_for(True, 1) is None
    monkeypatch.setattr(sys, "stderr", stderr := Terminal())
    bar = progress_for(True, 1)
    assert bar is not None
    bar.close()
    assert "0/1" in stderr.getvalue()


@pytest.mark.parametrize("stderr", [Terminal(), io.StringIO()])
def test_a_bar_needs_tqdm(stderr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    for name in ("tqdm", "tqdm.std", "tqdm.auto"):
        monkeypatch.setitem(sys.modules, name, None)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError) as caught:
        progress_for(True, 3)
    assert 'progress=True needs tqdm: pip install "runpod-sdk[progress]".' == caught.value.message


@pytest.mark.parametrize("nothing", [False, None])
def test_nothing_is_shown_by_default(nothing: Any) -> None:
    assert progress_for(nothing, 3) is None


def test_a_callable_gets_each_result() -> None:
    seen: list[Any] = []
    progress = progress_for(seen.append, 3)
    assert progress is not None
    progress.update(DONE)
    progress.update(FAILED)
    progress.close()
    assert [DONE, FAILED] == seen


@pytest.mark.parametrize("wrong", ["yes", 1, 0, [], {}])
def test_anything_else_is_an_error(wrong: Any) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        progress_for(wrong, 3)
    assert f"progress must be a bool or a callable, not {type(wrong).__name__}." == caught.value.message


def test_an_async_function_is_an_error() -> None:
    async def show(result: Any) -> None: ...

    with pytest.raises(InvalidRequestError, match="must not be an async function"):
        progress_for(show, 3)


def test_the_bar_of_a_download_shows_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stderr := Terminal())
    bar = byte_progress_for(True)
    assert bar is not None
    assert stderr.getvalue() == "", "it begins with the first download"
    bar.update(0, None)
    bar.update(2_000_000, 4_000_000)
    bar.update(1_000_000, 4_000_000)  # it started again
    bar.update(4_000_000, 4_000_000)
    bar.close()
    unused = byte_progress_for(True)
    assert unused is not None
    unused.close()
    assert re.match(r"100%.* 4\.00M/4\.00M .*B/s", last_line(stderr.getvalue()))


def test_a_download_shows_no_bar_where_none_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert byte_progress_for(True) is None
    assert byte_progress_for(False) is None


def test_bytes_of_several_files_are_added_up() -> None:
    seen: list[tuple[int, int | None]] = []
    counter = ByteCounter(byte_progress_for(lambda done, total: seen.append((done, total))), [5, None, 3])
    counter.begin(5)
    counter.add(5)
    counter.begin(None)
    counter.start(10)
    counter.add(6)
    counter.start(10)  # again
    counter.add(10)
    counter.begin(3)
    counter.add(3)
    unknown: list[tuple[int, int | None]] = [(0, None), (5, None), (5, None)]
    assert [*unknown, (5, 18), (11, 18), (5, 18), (15, 18), (15, 18), (18, 18)] == seen
