"""Commands about endpoints: health, purge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpod.cli.confirmation import Yes, confirmed
from runpod.cli.connection import CallTimeout, Connection, EndpointID, api_command, call_timeout
from runpod.cli.exit_status import FAILED, SUCCESS
from runpod.cli.jobs import epilog
from runpod.cli.json_output import at_terminal, counts_rows, wire_json, write_json, write_table

if TYPE_CHECKING:
    import typer


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


def purge(connection: Connection, endpoint: EndpointID, *, yes: Yes = False, timeout: CallTimeout = None) -> int:
    """Removes all jobs in the queue of an endpoint.

    Running jobs are not affected. Asks at a terminal; without one, --yes is needed.
    """
    target = connection.endpoint(endpoint)
    if not confirmed(f"remove all jobs in the queue of {target.id!r}", "Nothing was removed.", yes=yes):
        return FAILED
    write_json(wire_json(target.purge_queue(timeout=call_timeout(timeout))))
    return SUCCESS
