"""The command line as a process, also in a terminal."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.processes import started

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Self

TIMEOUT = 60.0  # seconds, before a test gives up
PROGRAM = [sys.executable, "-W", "error", "-m", "runpod"]
NO_EXTRA = "import sys; sys.modules[{!r}] = None; from runpod.cli import main; sys.exit(main(['--help']))"
# Makes the terminal on standard error the controlling one, so that Ctrl-C and hidden prompts work.
IN_TERMINAL = "import os, sys; os.open(os.ttyname(2), os.O_RDWR); os.execv(sys.argv[1], sys.argv[1:])"


@dataclass
class Result:
    """What a command printed. No command ever prints an API key."""

    status: int
    out: str
    err: str

    def __post_init__(self) -> None:
        key = os.environ.get("RUNPOD_API_KEY")
        assert not key or key not in self.out + self.err

    @property
    def json(self) -> Any:
        assert self.out.endswith("\n")
        assert 1 == self.out.count("\n")
        return json.loads(self.out)


def program(*arguments: str, stdin: str = "", command: Sequence[str] = PROGRAM) -> Result:
    """Runs a command as a process, with pipes."""
    done = subprocess.run(
        [*command, *arguments], input=stdin, capture_output=True, encoding="utf-8", check=False, timeout=TIMEOUT
    )
    return Result(done.returncode, done.stdout, done.stderr)


def wait_for(condition: Callable[[], Any]) -> Any:
    """Waits until a condition is true, and returns its value."""
    end = time.monotonic() + TIMEOUT
    pause = threading.Event()
    while not (found := condition()):
        assert time.monotonic() < end, "the condition did not become true"
        pause.wait(0.01)
    return found


class Running:
    """A command that runs.

    Attributes:
        process: Its process.
        shown: What it has shown so far, in the terminal or on standard error.
    """

    def __init__(self, *command: str, **options: Any) -> None:
        self._started = started(command, **options)
        self.process = self._started.__enter__()
        self.shown = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        # Nothing is closed that is being read.
        self._reader.join(TIMEOUT)
        self._started.__exit__(None, None, None)

    def _read(self) -> None:
        """Reads what is shown, until it ends."""
        raise NotImplementedError

    def wait_for(self, text: str) -> None:
        """Waits until a text is shown."""
        wait_for(lambda: text in self.shown)

    def wait_for_changes(self, pattern: str) -> None:
        """Waits until what a pattern finds has changed."""
        wait_for(lambda: len(set(re.findall(pattern, self.shown))) > 1)

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Sends what Ctrl-C sends, or another signal."""
        self.process.send_signal(number)


class Process(Running):
    """A command with pipes."""

    def __init__(self, *arguments: str, **options: Any) -> None:
        super().__init__(*PROGRAM, *arguments, stdin=subprocess.PIPE, encoding="utf-8", **options)

    def _read(self) -> None:
        for line in self.process.stderr:
            self.shown += line

    @property
    def err(self) -> str:
        """What it has printed on standard error so far."""
        return self.shown

    def write(self, text: str) -> None:
        """Writes to standard input."""
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def read_line(self) -> str:
        """Reads a line of standard output."""
        line: str = self.process.stdout.readline()
        return line

    def close_output(self) -> None:
        """Ends the program that reads standard output."""
        self.process.stdout.close()

    def end(self) -> Result:
        """Waits until the command ends."""
        stdout = self.process.stdout
        out = "" if stdout.closed else stdout.read()
        status = self.process.wait(TIMEOUT)
        self._reader.join(TIMEOUT)
        return Result(status, out, self.err)


class Terminal(Running):
    """A command in a terminal.

    Args:
        out: Whether standard output is the terminal, too; otherwise, it is a pipe.
        err: Whether standard error is the terminal; otherwise, it is a pipe.
    """

    def __init__(self, *arguments: str, out: bool = True, err: bool = True) -> None:
        import fcntl
        import pty
        import struct
        import termios

        self._master, terminal = pty.openpty()
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
        wrapper = [sys.executable, "-c", IN_TERMINAL] if err else []
        super().__init__(
            *wrapper,
            *PROGRAM,
            *arguments,
            stdin=terminal,
            stdout=terminal if out else subprocess.PIPE,
            stderr=terminal if err else subprocess.PIPE,
            text=False,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "120", "PYTHONUTF8": "1"},
        )
        os.close(terminal)

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        os.close(self._master)

    def _read(self) -> None:
        pieces: list[bytes] = []
        # Linux reports the end of a terminal as an error.
        with contextlib.suppress(OSError):
            while piece := os.read(self._master, 65536):
                pieces.append(piece)
                self.shown = b"".join(pieces).decode("utf-8", "surrogateescape")

    def type(self, text: str) -> None:
        """Presses keys."""
        os.write(self._master, text.encode())

    def end(self) -> Result:
        """Waits until the command ends. The result has what was shown in the terminal, in `err` if it is that."""
        piped = {
            name: pipe.read().decode() if pipe is not None else None
            for name, pipe in (("out", self.process.stdout), ("err", self.process.stderr))
        }
        status = self.process.wait(TIMEOUT)
        self._reader.join(TIMEOUT)
        shown = self.shown.replace("\r\n", "\n")
        out, err = piped["out"], piped["err"]
        return Result(status, shown if out is None else out, shown if err is None else err)
