"""Commands about endpoints: health, purge."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from runpod.cli.connection import CallTimeout, Connection, EndpointID, api_command, call_timeout
from runpod.cli.exit_status import FAILED, SUCCESS
from runpod.cli.jobs import epilog
from runpod.cli.json_output import at_terminal, counts_rows, note, wire_json, write_json, write_table


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    examples = ["runpod-sdk health ENDPOINT_ID", "runpod-sdk health ENDPOINT_ID | jq .jobs.inQueue"]
    app.command("health", epilog=epilog(examples))(api_command(health))
    app.command("purge", epilog=epilog(["runpod-sdk purge ENDPOINT_ID --yes"]))(api_command(purge))


def health(connection: Connection, endpoint: EndpointID, *, timeout: CallTimeout = None) -> int:
    """Prints the numbers of jobs and workers of an endpoint."""
    found = connection.endpoint(endpoint).health(timeout=call_timeout(timeout))
    if at_terminal():
        for title, counts in (("Jobs", found.jobs), ("Workers", found.workers)):
            write_table(title, ("Status", "Number"), counts_rows(counts.model_dump(by_alias=True)))
    else:
        write_json(wire_json(found, exclude_unset=False))
    return SUCCESS


def _confirmed(question: str) -> bool:
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:  # Ctrl-C
        raise KeyboardInterrupt from None


def purge(
    connection: Connection,
    endpoint: EndpointID,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask at a terminal.")] = False,
    timeout: CallTimeout = None,
) -> int:
    """Removes all jobs in the queue of an endpoint.

    Running jobs are not affected. Asks at a terminal.
    """
    target = connection.endpoint(endpoint)
    asks = not yes and sys.stdin is not None and at_terminal(sys.stdin) and at_terminal(sys.stderr)
    if asks and not _confirmed(f"Remove all jobs in the queue of {target.id!r}?"):
        note("Nothing was removed.")
        return FAILED
    write_json(wire_json(target.purge_queue(timeout=call_timeout(timeout))))
    return SUCCESS
