"""Run programs that read commands as JSON lines and write results as JSON lines."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from concurrent.futures import Future
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from typing_extensions import Self

TEST_TIMEOUT = 30.0  # seconds, before a test gives up

# Environment variables that programs inherit. None for Runpod, Python or proxies.
_INHERITED = ("LANG", "LC_ALL", "PATH", "PATHEXT", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "WINDIR")


class ProgramError(Exception):
    """A call made by a program raised an error."""

    def __init__(self, kind: str, message: str, status: int | None = None) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.status = status


class Process:
    """A child process that is stopped at the end of its `with` block, and whose output is read line by line.

    Args:
        command: The program and its arguments.
        home: Its home folder, to isolate it from the developer's configuration.
        environment: Additional environment variables.
        cwd: Its working directory.
    """

    def __init__(
        self, command: Sequence[str | Path], *, home: Path, environment: Mapping[str, str], cwd: Path | None = None
    ) -> None:
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        self._process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd or home,
            env={**inherited, "HOME": str(home), "USERPROFILE": str(home), "PYTHONUNBUFFERED": "1", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            # A separate process group, so that its child processes can be killed with it.
            start_new_session=True,
        )
        self._lines: deque[str] = deque(maxlen=200)
        self._reader = threading.Thread(target=self._read, name=f"output of {command[-1]}", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def recent_output(self) -> str:
        """The last lines of output, for messages of failed tests."""
        return "".join(self._lines)

    def end(self) -> None:
        """Stop the process, kill it if needed, and wait for it."""
        with contextlib.suppress(OSError):  # It may have ended before.
            self._stdin.close()
        self._stop()
        try:
            self._process.wait(TEST_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._kill()
            self._process.wait()
        self._reader.join(TEST_TIMEOUT)
        self._stdout.close()

    @property
    def _stdin(self) -> IO[str]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def _stdout(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout

    def _stop(self) -> None:
        self._process.terminate()

    def _kill(self) -> None:
        if sys.platform == "win32":
            self._process.kill()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _read(self) -> None:
        for line in self._stdout:
            self._lines.append(line)
            self._handle_line(line)
        self._handle_exit()

    def _handle_line(self, line: str) -> None:
        pass

    def _handle_exit(self) -> None:
        pass


class Worker(Process):
    """A worker process, which is killed with its ping process. On a signal to stop, it would wait for its next job."""

    def _stop(self) -> None:
        self._kill()


class Call:
    """One call made by a program."""

    def __init__(self) -> None:
        self.items: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.end: Future[Any] = Future()

    def item(self) -> Any:
        """Wait for the next item of the call."""
        return self.items.get(timeout=TEST_TIMEOUT)

    def result(self) -> Any:
        """Wait for the return value of the call, or the list of the items that were not read yet.

        Raises:
            ProgramError: The call raised an error, or the program ended.
        """
        result = self.end.result(TEST_TIMEOUT)
        if result != {"yielded": True}:
            return result
        items = []
        with contextlib.suppress(queue.Empty):
            while True:
                items.append(self.items.get_nowait())
        return items


class Driver(Process):
    """A program that makes calls with a released package on behalf of a test.

    It reads one JSON object per line, each with a `number`, and writes one JSON object per line: `{"number", "item"}`
    for each item that a call yields, and `{"number", "result"}` or `{"number", "error"}` at its end.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        self.printed: list[str] = []
        """The output of the package itself."""

        self._calls: dict[int, Call] = {}
        self._lock = threading.Lock()
        self._number = 0
        self._ended = False
        super().__init__(*arguments, **settings)

    def start(self, name: str, **command: Any) -> Call:
        """Start a call without waiting for its result."""
        call = Call()
        with self._lock:
            self._number += 1
            line = json.dumps({"number": self._number, "name": name, **command})
            self._calls[self._number] = call
            if self._ended:
                raise ProgramError("the program ended", self.recent_output)
        self._stdin.write(line + "\n")
        self._stdin.flush()
        return call

    def call(self, name: str, **command: Any) -> Any:
        """Make a call, and wait for its result."""
        return self.start(name, **command).result()

    def _stop(self) -> None:
        """Does nothing: the program ends when its input is closed."""

    def _handle_line(self, line: str) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return
        if "printed" in message:
            self.printed.append(message["printed"])
            return
        call = self._calls[message["number"]]
        if "item" in message:
            call.items.put(message["item"])
        elif "error" in message:
            call.end.set_exception(ProgramError(**message["error"]))
        else:
            call.end.set_result(message["result"])

    def _handle_exit(self) -> None:
        with self._lock:
            self._ended = True
            calls = list(self._calls.values())
        for call in calls:
            if not call.end.done():
                call.end.set_exception(ProgramError("the program ended", self.recent_output))
