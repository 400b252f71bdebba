"""`volumes`: network volumes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from runpod.cli.confirmation import Yes, delete
from runpod.cli.connection import CallTimeout, Connection, api_command, call_timeout
from runpod.cli.exit_status import SUCCESS
from runpod.cli.jobs import epilog
from runpod.cli.json_output import wire_json, write_json
from runpod.cli.resource_output import print_created, write_list
from runpod.errors import InvalidRequestError

_CREATE = "runpod-sdk volumes create --name models --size 100 --data-center US-KS-2"

VolumeID = Annotated[str, typer.Argument(metavar="VOLUME", help="ID of the volume.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    volumes = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    volumes.callback(epilog=epilog(["runpod-sdk volumes list", _CREATE]))(_volumes)
    for name, command, example in (
        ("list", list_, "runpod-sdk volumes list"),
        ("get", get, "runpod-sdk volumes get VOLUME_ID"),
        ("create", create, _CREATE),
        ("update", update, "runpod-sdk volumes update VOLUME_ID --size 200"),
        ("delete", delete_, "runpod-sdk volumes delete VOLUME_ID --yes"),
    ):
        volumes.command(name, epilog=epilog([example]))(api_command(command))
    app.add_typer(volumes, name="volumes")


def _volumes() -> None:
    """Network volumes: storage in a data center that pods and workers share."""


def list_(connection: Connection, *, timeout: CallTimeout = None) -> int:
    """Lists the network volumes of the account."""
    found = connection.client.manage.volumes.list(timeout=call_timeout(timeout))
    columns = ("ID", "Name", "GB", "Data center", "Type")
    write_list(
        "networkVolumes", found, columns, lambda each: (each.id, each.name, each.size, each.data_center, each.type)
    )
    return SUCCESS


def get(connection: Connection, volume: VolumeID, *, timeout: CallTimeout = None) -> int:
    """Prints a network volume."""
    write_json(wire_json(connection.client.manage.volumes.get(volume, timeout=call_timeout(timeout))))
    return SUCCESS


def create(
    connection: Connection,
    *,
    name: Annotated[str, typer.Option(help="Name.", show_default=False)],
    size: Annotated[int, typer.Option(help="Size in GB, from 10 to 4096.", show_default=False)],
    data_center: Annotated[str, typer.Option(help="Where it is.", metavar="ID", show_default=False)],
    type: Annotated[
        Literal["standard", "high_performance"] | None,
        typer.Option(help="Type; by default what the data center prefers.", show_default=False),
    ] = None,
    timeout: CallTimeout = None,
) -> int:
    """Creates a network volume, which costs money, and prints it."""
    request: Any = {"name": name, "size": size, "dataCenter": data_center}
    if type is not None:
        request["type"] = type.upper()
    volumes = connection.client.manage.volumes
    return print_created("network volume", "volumes", lambda: volumes.create(request, timeout=call_timeout(timeout)))


def update(
    connection: Connection,
    volume: VolumeID,
    *,
    name: Annotated[str | None, typer.Option(help="Name.", show_default=False)] = None,
    size: Annotated[int | None, typer.Option(help="Size in GB; larger than now.", show_default=False)] = None,
    timeout: CallTimeout = None,
) -> int:
    """Renames a network volume, or makes it larger, and prints it."""
    if name is None and size is None:
        raise InvalidRequestError("Nothing to change. Pass --name or --size.")
    volumes = connection.client.manage.volumes
    write_json(wire_json(volumes.update(volume, name=name, size=size, timeout=call_timeout(timeout))))
    return SUCCESS


def delete_(connection: Connection, volume: VolumeID, *, yes: Yes = False, timeout: CallTimeout = None) -> int:
    """Deletes a network volume with all that is on it."""
    volumes = connection.client.manage.volumes
    what = f"network volume {volume!r}"
    return delete(what, lambda: volumes.delete(volume, timeout=call_timeout(timeout)), yes=yes, lost=" with its files")
