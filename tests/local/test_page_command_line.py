"""The page of `python -m runpod.local serve`: its addresses, and the Enter key."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.local.api import TIMEOUT
from tests.processes import started

if TYPE_CHECKING:
    from collections.abc import Generator

SERVE = [sys.executable, "-m", "runpod.local", "serve", "--port", "0", "--endpoint", "horse", "--workers", "0"]

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals and no jobs of a shell")

# Starts a program as the session leader of a terminal, which it gets as its standard input, or in the background of it.
LAUNCHER = """
import fcntl, os, signal, subprocess, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
background = sys.argv[1] == "background"
child = subprocess.Popen(sys.argv[2:], process_group=0) if sys.version_info >= (3, 11) else subprocess.Popen(
    sys.argv[2:], preexec_fn=lambda: os.setpgid(0, 0))
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
if not background:
    os.tcsetpgrp(0, child.pid)
    os.kill(child.pid, signal.SIGCONT)
signal.signal(signal.SIGUSR1, lambda *_: os.tcsetpgrp(0, child.pid))
signal.signal(signal.SIGUSR2, lambda *_: os.kill(child.pid, signal.SIGINT))
while True:
    pid, status = os.waitpid(child.pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        print("stopped", file=sys.stderr, flush=True)
    else:
        sys.exit(os.waitstatus_to_exitcode(status))
"""


class Lines:
    """The lines of a pipe, as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._lines: queue.Queue[str] = queue.Queue()
        self._pipe = process.stderr
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self._pipe or ():
            self._lines.put(line)

    def next(self, text: str) -> str:
        """Return the next line with a text."""
        while True:
            line = self._lines.get(timeout=6 * TIMEOUT)
            if text in line:
                return line


def address_in(line: str) -> str:
    return next(word for word in line.split() if word.startswith("http")).rstrip(".")


@contextmanager
def in_terminal(where: str) -> Generator[tuple[subprocess.Popen[str], Lines, int], None, None]:
    import pty

    master, slave = pty.openpty()
    try:
        command = [sys.executable, "-c", LAUNCHER, where, *SERVE]
        with started(command, stdin=slave, start_new_session=True) as process:
            yield process, Lines(process), master
    finally:
        os.close(master)
        os.close(slave)


def test_the_printed_address_opens_the_page() -> None:
    with started(SERVE, stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        while "http://" not in lines[-1] or "/?key=" not in lines[-1]:
            lines.append(process.stdout.readline())
        # A comment, so that a shell can evaluate all lines.
        assert lines[-1].startswith("# Open in a browser: http://127.0.0.1:")
        logged = Lines(process).next("The page")
        assert address_in(lines[-1]) == address_in(logged)
        assert "Enter" not in logged  # There is no terminal.
        response = httpx.get(address_in(logged), follow_redirects=True, trust_env=False)
        assert 200 == response.status_code


def test_no_page() -> None:
    with started([*SERVE, "--no-page"], stdin=subprocess.DEVNULL) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        serving = Lines(process).next("Serving horse at ")
        base_url = address_in(serving)
        assert 404 == httpx.get(base_url.removesuffix("v2"), trust_env=False).status_code
        process.kill()
        assert "key=" not in process.stdout.read()


@posix
def test_enter_prints_a_new_address() -> None:
    with in_terminal("foreground") as (process, lines, terminal):
        first = lines.next("Press Enter for a new address.")
        addresses = [address_in(first)]
        for typed in (b"\n", b"hello\n"):
            os.write(terminal, typed)
            addresses.append(address_in(lines.next("The page: ")))
        assert 3 == len(set(addresses))
        for address in addresses:
            assert 303 == httpx.get(address, trust_env=False).status_code
        os.write(terminal, b"\x03")  # Ctrl-C
        assert 0 == process.wait(TIMEOUT)


@posix
def test_the_end_of_the_input_does_not_stop_the_server() -> None:
    with in_terminal("foreground") as (process, lines, terminal):
        address = address_in(lines.next("Press Enter for a new address."))
        os.write(terminal, b"\x04")  # Ctrl-D
        assert 303 == httpx.get(address, trust_env=False).status_code
        os.write(terminal, b"\x03")
        assert 0 == process.wait(TIMEOUT)


@posix
def test_in_the_background_the_server_is_not_stopped_by_its_terminal() -> None:
    with in_terminal("background") as (process, lines, terminal):
        address = address_in(lines.next("Press Enter for a new address."))
        os.write(terminal, b"for the shell\n")
        assert 303 == httpx.get(address, trust_env=False).status_code
        # Brought to the foreground, it reads again.
        process.send_signal(signal.SIGUSR1)
        second = address_in(lines.next("The page: "))
        assert 303 == httpx.get(second, trust_env=False).status_code
        process.send_signal(signal.SIGUSR2)
        assert 0 == process.wait(TIMEOUT)
