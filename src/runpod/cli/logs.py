"""The command logs."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from runpod._text import printable
from runpod.cli.connection import Connection, EndpointID, api_command, seconds
from runpod.cli.exit_status import SUCCESS
from runpod.cli.jobs import epilog
from runpod.cli.json_output import at_terminal, wire_json, write_json, write_text

if TYPE_CHECKING:
    from runpod.models.management import LogLine

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SPAN = re.compile(r"(\d{1,9})([smhd])", re.ASCII)

# Colors of programs, which would be shown as escaped characters.
_COLORS = re.compile(r"\x1b\[[0-9;]*m")


def _since(text: str) -> datetime | timedelta:
    span = _SPAN.fullmatch(text)
    if span is not None and int(span[1]):
        return timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        # Python 3.10 does not read Z.
        return datetime.fromisoformat(re.sub("[Zz]$", "+00:00", text.strip()))
    except ValueError:
        msg = f"{text!r} is neither like 30m, with s, m, h or d, nor a time like 2026-06-01T12:00:00Z."
        raise typer.BadParameter(msg) from None


def register(app: typer.Typer) -> None:
    """Adds the command."""
    examples = [
        "runpod-sdk logs ENDPOINT_ID --follow",
        "runpod-sdk logs ENDPOINT_ID --since 30m | jq -r .line",
        "runpod-sdk logs ENDPOINT_ID --worker WORKER_ID --tail 1000 --source container",
    ]
    app.command("logs", epilog=epilog(examples))(api_command(logs))


def logs(
    connection: Connection,
    endpoint: EndpointID,
    *,
    worker: Annotated[
        str | None, typer.Option(metavar="ID", help="ID of a worker; by default all.", show_default=False)
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines, also of new workers.")] = False,
    tail: Annotated[
        int | None,
        typer.Option(
            min=0, max=5000, help="How many lines of each worker come first; 100 by default.", show_default=False
        ),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=_since,
            metavar="TIME",
            help="Instead of --tail: 30m for the last 30 minutes, or a time like 2026-06-01T12:00:00Z.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        Literal["container", "system"] | None,
        typer.Option(help="What the workers print, or what the platform says about them.", show_default=False),
    ] = None,
    timeout: Annotated[
        timedelta | None, seconds(help="Maximum duration; no limit by default.", show_default=False)
    ] = None,
) -> int:
    """Prints the logs of the workers of an endpoint.

    Without --follow, it ends when nothing came for two seconds.
    """
    if tail is not None and since is not None:
        raise typer.BadParameter("Pass --tail or --since, not both.")
    lines = connection.endpoint(endpoint).logs(
        worker, follow=follow, tail=tail, since=since, source=source, timeout=timeout
    )
    # People know the worker that they asked for.
    show = _text if at_terminal() else None
    with lines:
        for line in lines:
            if show is None:
                write_json(wire_json(line))
            else:
                write_text(show(line, with_worker=worker is None))
    return SUCCESS


def _text(line: LogLine, *, with_worker: bool) -> str:
    parts = [line.timestamp.astimezone().strftime("%Y-%m-%d %H:%M:%S")] if line.timestamp is not None else []
    parts += [line.worker_id] if with_worker and line.worker_id else []
    parts += [line.source] if line.source not in {None, "container"} else []
    return printable(" ".join([*filter(None, parts), _COLORS.sub("", line.line)])).replace("\n", " ")
