"""What may be given on the command line, and what it means."""

from __future__ import annotations

import argparse
import inspect
import os
import re
import shlex
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args, get_origin, get_type_hints

from runpod.local.settings import Behavior

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Given", "GivenEndpoint", "parse_arguments"]

_EPILOG = """\
Options after an --endpoint belong to it. Give --endpoint again for another one.

  python -m runpod.local serve --endpoint horse --worker "worker-env/bin/python worker.py" --workers 3
  python -m runpod.local serve --endpoint horse --handler my_module:horse --endpoint cow --workers 0

Ctrl-C stops the server and its workers.
"""


@dataclass
class GivenEndpoint:
    """One endpoint, as it was given."""

    name: str
    options: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass
class Given:
    """All that was given."""

    host: str
    port: int
    api_key: str | None
    external_webhooks: bool
    behavior: Behavior
    endpoints: list[GivenEndpoint]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One sentence; the whole usage would hide it."""
        self.exit(2, f"{message[:1].upper()}{message[1:]}. See {self.prog} --help.\n")


class _NewEndpoint(argparse.Action):
    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:  # noqa: ARG002
        if any(endpoint.name == values for endpoint in namespace.endpoints):
            parser.error(f"the endpoint {values!r} is given twice")
        namespace.endpoints.append(GivenEndpoint(values))


class _OfEndpoint(argparse.Action):
    """An option of the endpoint that was given last."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        if not namespace.endpoints:
            parser.error(f"{option_string} belongs to an endpoint: give --endpoint NAME before it")
        options = namespace.endpoints[-1].options
        if self.dest in options:
            parser.error(f"{option_string} is given twice for endpoint {namespace.endpoints[-1].name!r}")
        options[self.dest] = self.const if self.nargs == 0 else values


def parse_arguments(arguments: Sequence[str] | None) -> Given:
    """Read the command line; ends the program, with status 2, where it cannot be read."""
    parser = _Parser(prog="python -m runpod.local", description="Runpod serverless endpoints on your own machine.")
    commands = parser.add_subparsers(required=True, metavar="serve")
    serve = commands.add_parser(
        "serve",
        help="serve endpoints until Ctrl-C",
        description="Serve endpoints on this machine, as Runpod does, until Ctrl-C.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_server(serve)
    _add_endpoints(serve)
    switches = _add_behavior(serve)
    serve.set_defaults(endpoints=[])
    namespace = parser.parse_args(arguments)
    if not namespace.endpoints:
        serve.error("there is nothing to serve: give --endpoint NAME, and --worker or --handler for it")
    try:
        behavior = Behavior(**{name: value for name, value in vars(namespace).items() if name in switches})
    except (TypeError, ValueError) as error:
        serve.error(str(error).rstrip("."))
    return Given(
        namespace.host,
        namespace.port,
        namespace.api_key,
        namespace.external_webhooks,
        behavior,
        namespace.endpoints,
    )


def _add_server(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("server")
    group.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    group.add_argument("--port", type=int, default=8000, help="port; 0 takes a free one (default: %(default)s)")
    group.add_argument("--api-key", metavar="KEY", help="the key clients must send (default: a new one)")
    group.add_argument(
        "--external-webhooks", action="store_true", help="call webhooks on other machines, too, and not only on this"
    )


def _add_endpoints(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("endpoints")
    group.add_argument("--endpoint", action=_NewEndpoint, metavar="NAME", help="the id of an endpoint")

    def add(option: str, **settings: Any) -> None:
        group.add_argument(option, action=_OfEndpoint, default=argparse.SUPPRESS, **settings)

    add(
        "--worker",
        dest="command",
        type=_words,
        metavar="COMMAND",
        help="run its jobs in worker processes: this command",
    )
    add("--handler", metavar="MODULE:FUNCTION", help="run its jobs in the server: this function")
    add("--workers", type=int, metavar="N", help="how many workers (default: 1); 0 for workers that you start by hand")
    add("--cold-start", type=_seconds, metavar="SECONDS", help="how long a worker with a handler boots (default: 0)")
    add("--execution-timeout", type=_seconds, metavar="SECONDS", help="how long a job may run (default: 600)")
    add(
        "--return-aggregate-stream",
        nargs=0,
        const=True,
        help="make the yields of a generator handler the output of its job",
    )


def _add_behavior(parser: argparse.ArgumentParser) -> set[str]:
    """One option for every switch that there is."""
    group = parser.add_argument_group("behavior, where nobody knows for sure what the service does")
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
    """What the docstring says of each switch; nothing where docstrings are stripped."""
    # Python strips their indentation from 3.13 on; this does it before that.
    _, _, text = (inspect.getdoc(Behavior) or "").partition("Args:\n")
    text = text.partition("\n\n")[0]
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", text, re.MULTILINE)
    return {name: " ".join(said.split()).replace("`", "").replace("%", "%%") for name, said in found}


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command, posix=os.name != "nt")
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{command!r} cannot be taken apart: {error}") from None
    if not words:
        raise argparse.ArgumentTypeError("the command is empty")
    return words


def _seconds(text: str) -> timedelta:
    try:
        return timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds") from None


def _number_or_none(text: str) -> int | None:
    return None if text == "none" else int(text)
