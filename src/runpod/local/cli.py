"""Serving from a command line, until somebody ends it."""

from __future__ import annotations

import contextlib
import importlib
import logging
import shlex
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runpod.local.cli_arguments import parse_arguments
from runpod.local.server import LocalServer
from runpod.local.settings import LocalEndpoint

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from types import FrameType

    from runpod.local.cli_arguments import Given, GivenEndpoint
    from runpod.local.settings import Handler

__all__ = ["main"]

_FAILED = 1
_CANNOT_BE_DONE = 2


class _SentenceError(Exception):
    """Why it does not work, in a sentence for whoever typed the command."""


class _Console(logging.Handler):
    """Shows what the server logs, and notes what makes it pointless to go on."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        self.problem: str | None = None
        self._stop = stop

    def emit(self, record: logging.LogRecord) -> None:
        if hasattr(record, "broken_endpoint"):
            # The sentence comes last, where it is seen.
            self.problem = self.problem or record.getMessage()
            self._stop.set()
            return
        with contextlib.suppress(OSError, ValueError):  # Whoever read this has gone.
            sys.stderr.write(self.format(record) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C; gives the status of the program.

    0 is the end that was asked for, by Ctrl-C or SIGTERM.
    """
    given = parse_arguments(arguments)
    stop = threading.Event()
    console = _Console(stop)
    with _logging_to(console), _until_told(stop):
        try:
            _serve(given, stop)
        except (_SentenceError, RuntimeError) as error:  # What cannot be started says so in a sentence.
            return _say(str(error), _FAILED)
        except (TypeError, ValueError) as error:  # So do settings that cannot be.
            return _say(str(error), _CANNOT_BE_DONE)
    return 0 if console.problem is None else _say(console.problem, _FAILED)


def _serve(given: Given, stop: threading.Event) -> None:
    server = LocalServer(
        {endpoint.name: _endpoint(endpoint) for endpoint in given.endpoints},
        host=given.host,
        port=given.port,
        api_key=given.api_key,
        external_webhooks=given.external_webhooks,
        behavior=given.behavior,
    )
    with server:
        _introduce(server, given)
        # Not without end: on Windows that could not be interrupted.
        while not stop.wait(0.5):
            pass


def _say(sentence: str, status: int) -> int:
    sys.stderr.write(sentence + "\n")
    return status


@contextlib.contextmanager
def _logging_to(console: _Console) -> Generator[None, None, None]:
    logger = logging.getLogger("runpod.local")
    level, propagate = logger.level, logger.propagate
    logger.addHandler(console)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(console)
        logger.setLevel(level)
        logger.propagate = propagate


@contextlib.contextmanager
def _until_told(stop: threading.Event) -> Generator[None, None, None]:
    """Turn Ctrl-C, and other ways to end a program, into an event."""

    def told(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # Some of them on every system.
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, told) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _endpoint(given: GivenEndpoint) -> LocalEndpoint:
    options = dict(given.options)
    if "handler" in options and "command" in options:
        raise ValueError(f"Endpoint {given.name!r} has a --worker and a --handler. Leave one of them out.")
    if not {"handler", "command"} & options.keys() and options.get("workers") != 0:
        raise ValueError(
            f"Endpoint {given.name!r} has nobody to run its jobs. Give it a --worker or a --handler, "
            "or --workers 0 if you start its workers by hand."
        )
    if "handler" in options:
        options["handler"] = _handler(options["handler"], given.name)
    try:
        return LocalEndpoint(**options)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Endpoint {given.name!r}: {error}") from error


def _handler(text: str, endpoint: str) -> Handler:
    """Import `module:function`, from the current folder before anywhere else."""
    module_name, _, function_name = text.partition(":")
    subject = f"The handler {text!r} of endpoint {endpoint!r}"
    if not module_name or not function_name:
        raise ValueError(f"{subject} is not of the form module:function, such as my_module:horse.")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        handler: Any = importlib.import_module(module_name)
        for name in function_name.split("."):
            handler = getattr(handler, name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # Of a module that is being imported, anything.
        raise _SentenceError(f"{subject} cannot be imported: {_told(error)}") from None
    if not callable(handler):
        raise _SentenceError(f"{subject} cannot be called: it is of type {type(handler).__name__}.")
    called: Handler = handler
    return called


def _told(error: BaseException) -> str:
    """An error in one sentence, with its place where it is in somebody's own code."""
    said = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    if isinstance(error, AttributeError) and "has no attribute 'serverless'" in said:
        return f"{said}. That is a worker script: give it as --worker, with the Python of the official package."
    place = ""
    if isinstance(error, SyntaxError):
        place = f" ({error.filename}, line {error.lineno})"
    elif len(frames) > 1:  # The first one is here.
        place = f" ({frames[-1].filename}, line {frames[-1].lineno})"
    return f"{said}{place}."


def _introduce(server: LocalServer, given: Given) -> None:
    sys.stdout.write(f"export RUNPOD_API_KEY={shlex.quote(server.api_key)}\n")
    sys.stdout.write(f"export RUNPOD_ENDPOINT_BASE_URL={shlex.quote(server.base_url)}\n")
    for endpoint in given.endpoints:
        if endpoint.options.get("workers") == 0:
            sys.stdout.write(f"# For each worker of {endpoint.name}, with a RUNPOD_POD_ID of its own:\n")
            for name, value in server.worker_environment(endpoint.name, "worker-1").items():
                sys.stdout.write(f"# export {name}={shlex.quote(value)}\n")
    sys.stdout.flush()
    names = ", ".join(endpoint.name for endpoint in given.endpoints)
    logging.getLogger("runpod.local").info("Serving %s at %s. Ctrl-C stops it.", names, server.base_url)
