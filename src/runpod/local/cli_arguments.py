"""Parsing of the command line."""

from __future__ import annotations

import argparse
import inspect
import os
import re
import shlex
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args, get_origin, get_type_hints

from runpod.local.samples import ALL
from runpod.local.settings import Behavior, LocalEndpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PROG", "Arguments", "EndpointArguments", "parse_arguments"]

PROG = "python -m runpod.local"

_EPILOG = """\
Options that follow --endpoint apply to that endpoint. Repeat --endpoint for more endpoints.

  {prog} --endpoint horse --worker "worker-env/bin/python worker.py" --workers 3
  {prog} --endpoint horse --handler my_module:horse --endpoint cow --workers 0
  {prog} --endpoint api --app my_module:app --workers 2
  {prog} --samples

Press Ctrl-C to stop the server and its workers. Press Enter to print a new address of its page.
"""


@dataclass
class EndpointArguments:
    """The arguments of one endpoint."""

    name: str
    options: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass
class Arguments:
    """The parsed command line."""

    host: str
    port: int
    api_key: str | None
    external_webhooks: bool
    page: bool
    behavior: Behavior
    endpoints: list[EndpointArguments]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Print one line instead of the whole usage."""
        self.exit(2, f"{message[:1].upper()}{message[1:]}. See {self.prog} --help.\n")


class _EndpointAction(argparse.Action):
    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:  # noqa: ARG002
        if any(endpoint.name == values for endpoint in namespace.endpoints):
            parser.error(f"endpoint {values!r} is passed twice")
        namespace.endpoints.append(EndpointArguments(values))


class _EndpointOptionAction(argparse.Action):
    """An option of the last --endpoint."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        if not namespace.endpoints:
            parser.error(f"{option_string} applies to an endpoint: pass --endpoint NAME before it")
        options = namespace.endpoints[-1].options
        if self.dest in options:
            parser.error(f"{option_string} is passed twice for endpoint {namespace.endpoints[-1].name!r}")
        options[self.dest] = self.const if self.nargs == 0 else values


def parse_arguments(arguments: Sequence[str] | None, prog: str = PROG) -> Arguments:
    """Parse the command line; exits with status 2 if it is invalid."""
    parser = _Parser(prog=prog, description="Run Runpod serverless endpoints on this machine.")
    commands = parser.add_subparsers(required=True, metavar="serve")
    serve = commands.add_parser(
        "serve",
        help="serve endpoints until Ctrl-C",
        description="Serve endpoints on this machine like Runpod does, until Ctrl-C.",
        epilog=_EPILOG.format(prog=f"{prog} serve"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_server(serve)
    _add_endpoints(serve)
    switches = _add_behavior(serve)
    serve.set_defaults(endpoints=[])
    namespace = parser.parse_args(arguments)
    if namespace.samples:
        _add_samples(serve, namespace.endpoints)
    if not namespace.endpoints:
        serve.error(
            "no endpoint to serve: pass --endpoint NAME with --worker, --handler, --app or --http-worker, or --samples"
        )
    try:
        behavior = Behavior(**{name: value for name, value in vars(namespace).items() if name in switches})
    except (TypeError, ValueError) as error:
        serve.error(str(error).rstrip("."))
    return Arguments(
        namespace.host,
        namespace.port,
        namespace.api_key,
        namespace.external_webhooks,
        namespace.page,
        behavior,
        namespace.endpoints,
    )


def _add_server(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("server")
    group.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    group.add_argument(
        "--port", type=int, default=8000, help="port to listen on; 0 picks a free one (default: %(default)s)"
    )
    group.add_argument("--api-key", metavar="KEY", help="API key that clients must send (default: a random one)")
    group.add_argument(
        "--external-webhooks", action="store_true", help="also call webhooks on other machines, not only on this one"
    )
    group.add_argument(
        "--page",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="serve a page that shows endpoints, workers and jobs in a browser, at an address that works once; "
        "Enter prints a new one (default: serve it)",
    )


def _add_endpoints(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("endpoints")
    group.add_argument("--endpoint", action=_EndpointAction, metavar="NAME", help="ID of an endpoint")

    def add(option: str, **settings: Any) -> None:
        group.add_argument(option, action=_EndpointOptionAction, default=argparse.SUPPRESS, **settings)

    add(
        "--worker",
        dest="command",
        type=_split_command,
        metavar="COMMAND",
        help="run jobs in worker processes started with this command",
    )
    add("--handler", metavar="MODULE:FUNCTION", help="run jobs in the server with this function")
    add("--app", metavar="MODULE:NAME", help="load-balance requests to this ASGI application, which runs in the server")
    add(
        "--http-worker",
        dest="http_command",
        type=_split_command,
        metavar="COMMAND",
        help="load-balance requests to HTTP servers started with this command; $PORT is the port to listen on",
    )
    add("--workers", type=int, metavar="N", help="number of workers (default: 1); 0 to start workers by hand")
    add(
        "--concurrency",
        type=int,
        metavar="N",
        help="requests that a load-balanced worker serves at once (default: any)",
    )
    add("--cold-start", type=_seconds, metavar="SECONDS", help="boot time of a worker in the server (default: 0)")
    add("--execution-timeout", type=_seconds, metavar="SECONDS", help="maximum run time of a job (default: 600)")
    add(
        "--return-aggregate-stream",
        nargs=0,
        const=True,
        help="return the list of a generator handler's yields as the job's output",
    )

    group.add_argument(
        "--samples",
        action="store_true",
        help="also serve look-alikes of popular workers, without a GPU: " + ", ".join(ALL),
    )


def _add_samples(parser: argparse.ArgumentParser, endpoints: list[EndpointArguments]) -> None:
    """Add the samples after all other endpoints: the options of an endpoint do not apply to them."""
    for name, sample in ALL.items():
        if any(endpoint.name == name for endpoint in endpoints):
            parser.error(f"endpoint {name!r} is one of --samples: give yours another name")
        given = vars(sample) if isinstance(sample, LocalEndpoint) else {"handler": sample}
        endpoints.append(EndpointArguments(name, {key: value for key, value in given.items() if value is not None}))


def _add_behavior(parser: argparse.ArgumentParser) -> set[str]:
    """Add one option for each field of `Behavior`."""
    group = parser.add_argument_group("behavior where the service is undocumented")
    types, helps = get_type_hints(Behavior), _helps()
    for switch in fields(Behavior):
        option = "--" + switch.name.replace("_", "-")
        kind: Any = types[switch.name]
        settings: dict[str, Any] = {"help": helps.get(switch.name), "default": argparse.SUPPRESS}
        if kind is bool:
            settings["action"] = argparse.BooleanOptionalAction
        elif get_origin(kind) is Literal:
            settings["choices"] = get_args(kind)
        elif kind is timedelta:
            settings |= {"type": _seconds, "metavar": "SECONDS"}
        elif type(None) in get_args(kind):
            settings |= {"type": _number_or_none, "metavar": "NUMBER|none"}
        else:
            settings |= {"type": kind, "metavar": "NUMBER"}
        group.add_argument(option, dest=switch.name, **settings)
    return {switch.name for switch in fields(Behavior)}


def _helps() -> dict[str, str]:
    """Return a help text for each field of `Behavior`, from its docstring; empty under `python -OO`."""
    # Before Python 3.13, `__doc__` is still indented; getdoc() strips that.
    _, _, text = (inspect.getdoc(Behavior) or "").partition("Args:\n")
    text = text.partition("\n\n")[0]
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", text, re.MULTILINE)
    return {name: _help(description) for name, description in found}


def _help(description: str) -> str:
    # On the command line, the value None is passed as `none`.
    return " ".join(description.split()).replace("`", "").replace("None", "none").replace("%", "%%")


def _split_command(command: str) -> list[str]:
    try:
        words = shlex.split(command, posix=os.name != "nt")
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"cannot parse {command!r}: {error}") from None
    if not words:
        raise argparse.ArgumentTypeError("the command is empty")
    return words


def _seconds(text: str) -> timedelta:
    try:
        return timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None


def _number_or_none(text: str) -> int | None:
    return None if text == "none" else int(text)
