"""Running programs that take commands as JSON lines and answer with JSON lines."""

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

PATIENCE = 30.0  # seconds, before a test gives up

# What a program needs of the environment of whoever runs the tests. Nothing of Runpod's, of Python's or of a proxy's.
_INHERITED = ("LANG", "LC_ALL", "PATH", "PATHEXT", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "WINDIR")


class ProgramError(Exception):
    """A call that a program made for a test ended with an error there."""

    def __init__(self, kind: str, message: str, status: int | None = None) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.status = status


class Process:
    """A child process that is ended with its `with` block, and whose output is read line by line.

    Args:
        command: The program and its arguments.
        home: Its home folder, so that no configuration of the developer can reach it.
        environment: What else is in its environment.
        cwd: The folder it starts in.
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
            # A group of its own, so that what it starts can be ended with it.
            start_new_session=True,
        )
        self._said: deque[str] = deque(maxlen=200)
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
    def said(self) -> str:
        """The last lines that it said, for whoever wonders why a test failed."""
        return "".join(self._said)

    def end(self) -> None:
        """End it, the hard way where it does not end by itself; returns once it has."""
        with contextlib.suppress(OSError):  # It may have gone before.
            self._stdin.close()
        self._stop()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._kill()
            self._process.wait()
        self._reader.join(PATIENCE)
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
            self._said.append(line)
            self._heard(line)
        self._over()

    def _heard(self, line: str) -> None:
        pass

    def _over(self) -> None:
        pass


class Worker(Process):
    """A worker process. It has a process of its own for pings, which would outlive it, and when told to end it first
    waits for the job that it is asking for."""

    def _stop(self) -> None:
        self._kill()


class Call:
    """One call that a program makes."""

    def __init__(self) -> None:
        self.items: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.end: Future[Any] = Future()

    def item(self) -> Any:
        """Wait for the next thing that the call yields."""
        return self.items.get(timeout=PATIENCE)

    def result(self) -> Any:
        """Wait for what the call gives: what it returned, or the list of what it yielded and nobody took yet.

        Raises:
            ProgramError: It raised, or the program ended.
        """
        result = self.end.result(PATIENCE)
        if result != {"yielded": True}:
            return result
        items = []
        with contextlib.suppress(queue.Empty):
            while True:
                items.append(self.items.get_nowait())
        return items


class Driver(Process):
    """A program of ours around one of theirs: it makes the calls that a test asks for.

    It reads a JSON object a line, each with a `number`, and writes a JSON object a line: `{"number", "item"}` for
    everything that a call yields, and `{"number", "result"}` or `{"number", "error"}` at its end.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        self.printed: list[str] = []
        """What their program printed."""

        self._calls: dict[int, Call] = {}
        self._lock = threading.Lock()
        self._number = 0
        self._gone = False
        super().__init__(*arguments, **settings)

    def start(self, name: str, **command: Any) -> Call:
        """Let it make a call; does not wait for it."""
        call = Call()
        with self._lock:
            self._number += 1
            line = json.dumps({"number": self._number, "name": name, **command})
            self._calls[self._number] = call
            if self._gone:
                raise ProgramError("the program ended", self.said)
        self._stdin.write(line + "\n")
        self._stdin.flush()
        return call

    def call(self, name: str, **command: Any) -> Any:
        """Let it make a call, and wait for what it gives."""
        return self.start(name, **command).result()

    def _stop(self) -> None:
        """It ends with its input."""

    def _heard(self, line: str) -> None:
        try:
            said = json.loads(line)
        except ValueError:
            return
        if "printed" in said:
            self.printed.append(said["printed"])
            return
        call = self._calls[said["number"]]
        if "item" in said:
            call.items.put(said["item"])
        elif "error" in said:
            call.end.set_exception(ProgramError(**said["error"]))
        else:
            call.end.set_result(said["result"])

    def _over(self) -> None:
        with self._lock:
            self._gone = True
            calls = list(self._calls.values())
        for call in calls:
            if not call.end.done():
                call.end.set_exception(ProgramError("the program ended", self.said))
