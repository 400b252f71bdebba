"""The `serve` command: runs a local server until it is interrupted."""

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

from runpod.local.cli_arguments import PROG, parse_arguments
from runpod.local.page.enter_key import EnterKey
from runpod.local.server import LocalServer
from runpod.local.settings import LocalEndpoint

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from types import FrameType

    from runpod.local.cli_arguments import Arguments, EndpointArguments

__all__ = ["main"]

_logger = logging.getLogger("runpod.local")

# What can run the workers of an endpoint.
_KINDS = {"command": "--worker", "handler": "--handler", "app": "--app", "http_command": "--http-worker"}

_FAILED = 1
_USAGE_ERROR = 2


class _CommandError(Exception):
    """The command failed; the message is shown to the user."""


class _Console(logging.Handler):
    """Prints the server's log to stderr, and stops the server on a fatal problem."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        self.problem: str | None = None
        self._stop = stop

    def emit(self, record: logging.LogRecord) -> None:
        if hasattr(record, "broken_endpoint"):
            # Printed last, after the server has stopped.
            self.problem = self.problem or record.getMessage()
            self._stop.set()
            return
        with contextlib.suppress(OSError, ValueError):  # stderr was closed.
            sys.stderr.write(self.format(record) + "\n")


def main(arguments: Sequence[str] | None = None, *, prog: str = PROG) -> int:
    """Serve until interrupted, and return the exit status: 0 after Ctrl-C or SIGTERM."""
    parsed = parse_arguments(arguments, prog)
    stop = threading.Event()
    console = _Console(stop)
    with _logging_to(console), _stop_on_signals(stop):
        try:
            _serve(parsed, stop)
        except (_CommandError, RuntimeError) as error:  # The server could not be started.
            return _print_error(str(error), _FAILED)
        except (TypeError, ValueError) as error:  # Invalid settings.
            return _print_error(str(error), _USAGE_ERROR)
    return 0 if console.problem is None else _print_error(console.problem, _FAILED)


def _serve(parsed: Arguments, stop: threading.Event) -> None:
    server = LocalServer(
        {endpoint.name: _endpoint(endpoint) for endpoint in parsed.endpoints},
        host=parsed.host,
        port=parsed.port,
        api_key=parsed.api_key,
        external_webhooks=parsed.external_webhooks,
        behavior=parsed.behavior,
        page=parsed.page,
    )
    with server:
        page_url = server.page_url if parsed.page else None
        _print_environment(server, parsed, page_url)
        enter = EnterKey(lambda: _logger.info("The page: %s", server.page_url))
        if page_url is not None:
            hint = " Press Enter for a new address." if enter.start() else ""
            _logger.info("The page, for one browser: %s%s", page_url, hint)
        # With a timeout, because Ctrl-C cannot interrupt an unbounded wait on Windows.
        while not stop.wait(0.5):
            pass
        enter.stop()


def _print_error(message: str, status: int) -> int:
    sys.stderr.write(message + "\n")
    return status


@contextlib.contextmanager
def _logging_to(console: _Console) -> Generator[None, None, None]:
    level, propagate = _logger.level, _logger.propagate
    _logger.addHandler(console)
    _logger.setLevel(logging.INFO)
    _logger.propagate = False
    try:
        yield
    finally:
        _logger.removeHandler(console)
        _logger.setLevel(level)
        _logger.propagate = propagate


@contextlib.contextmanager
def _stop_on_signals(stop: threading.Event) -> Generator[None, None, None]:
    """Set `stop` on Ctrl-C and other termination signals."""

    def handle_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # Not every platform has all of them.
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, handle_signal) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _endpoint(given: EndpointArguments) -> LocalEndpoint:
    options = dict(given.options)
    kinds = [option for name, option in _KINDS.items() if name in options]
    if len(kinds) > 1:
        raise ValueError(f"Endpoint {given.name!r} has both {' and '.join(kinds)}. Pass only one of them.")
    if not kinds and options.get("workers") != 0:
        raise ValueError(
            f"Endpoint {given.name!r} has no workers for its jobs. Pass --worker or --handler, "
            "or --workers 0 to start its workers by hand."
        )
    for name in ("handler", "app"):
        if isinstance(options.get(name), str):
            options[name] = _imported(options[name], given.name, name if name == "handler" else "application")
    try:
        return LocalEndpoint(**options)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Endpoint {given.name!r}: {error}") from error


def _imported(text: str, endpoint: str, kind: str) -> Any:
    """Import `module:name`, with the current directory first on the path."""
    module_name, _, name_in_module = text.partition(":")
    subject = f"The {kind} {text!r} of endpoint {endpoint!r}"
    if not module_name or not name_in_module:
        form, example = ("module:function", "horse") if kind == "handler" else ("module:name", "app")
        raise ValueError(f"{subject} is not of the form {form}. Pass one such as my_module:{example}.")
    directory = str(Path.cwd())
    if directory not in sys.path:
        sys.path.insert(0, directory)
    try:
        value: Any = importlib.import_module(module_name)
        for name in name_in_module.split("."):
            value = getattr(value, name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # Importing a module can raise anything.
        raise _CommandError(f"{subject} cannot be imported: {_describe(error)}") from None
    if not callable(value):
        raise _CommandError(f"{subject} cannot be called: it is of type {type(value).__name__}.")
    return value


def _describe(error: BaseException) -> str:
    """Describe an error in one line, with its file and line if it is in the user's code."""
    text = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    if isinstance(error, AttributeError) and "has no attribute 'serverless'" in text:
        return f"{text}. This is a worker script: pass it with --worker, run by a Python that has the official package."
    place = ""
    if isinstance(error, SyntaxError):
        place = f" ({error.filename}, line {error.lineno})"
    elif len(frames) > 1:  # The first frame is this module's.
        place = f" ({frames[-1].filename}, line {frames[-1].lineno})"
    return f"{text}{place}."


def _print_environment(server: LocalServer, parsed: Arguments, page_url: str | None) -> None:
    sys.stdout.write(f"export RUNPOD_API_KEY={shlex.quote(server.api_key)}\n")
    sys.stdout.write(f"export RUNPOD_ENDPOINT_BASE_URL={shlex.quote(server.base_url)}\n")
    sys.stdout.write(f"export RUNPOD_API_BASE_URL={shlex.quote(server.management_url)}\n")
    sys.stdout.write(f"export RUNPOD_LOAD_BALANCER_URL={shlex.quote(server.load_balancer_url)}\n")
    for endpoint in parsed.endpoints:
        if endpoint.options.get("workers") == 0 and not {"app", "http_command"} & endpoint.options.keys():
            sys.stdout.write(f"# For each worker of {endpoint.name}, with its own RUNPOD_POD_ID:\n")
            for name, value in server.worker_environment(endpoint.name, "worker-1").items():
                sys.stdout.write(f"# export {name}={shlex.quote(value)}\n")
    if page_url is not None:
        sys.stdout.write(f"# Open in a browser: {page_url}\n")
    sys.stdout.flush()
    names = ", ".join(endpoint.name for endpoint in parsed.endpoints)
    _logger.info("Serving %s at %s. Press Ctrl-C to stop.", names, server.base_url)
