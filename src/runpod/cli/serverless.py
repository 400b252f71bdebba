"""`serverless`: endpoints of the account, their workers and releases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from runpod.cli.confirmation import Yes, delete
from runpod.cli.connection import CallTimeout, Connection, EndpointID, api_command, call_timeout, seconds
from runpod.cli.container_options import (
    Args,
    Disk,
    Env,
    Image,
    Json,
    Name,
    Port,
    Registry,
    UnsetEnv,
    changed_variables,
    settings,
    variables,
)
from runpod.cli.exit_status import SUCCESS
from runpod.cli.jobs import epilog
from runpod.cli.json_output import at_terminal, wire_json, write_json, write_table
from runpod.cli.resource_output import cell, print_created, write_list
from runpod.errors import InvalidRequestError
from runpod.models._base import milliseconds

if TYPE_CHECKING:
    from datetime import timedelta

    from runpod.models.management import ServerlessEndpoint, Worker

_CREATE = "runpod-sdk serverless create --name horses --image horses:1 --pool ADA_24 --queue-delay 4"

Pool = Annotated[
    list[str] | None,
    typer.Option(help="GPU pool, such as ADA_24: see `gpus`. Can be repeated.", metavar="ID", show_default=False),
]
Min = Annotated[int | None, typer.Option("--min", help="Workers that always run.", metavar="N", show_default=False)]
Max = Annotated[int | None, typer.Option("--max", help="Maximum number of workers.", metavar="N", show_default=False)]
IdleTimeout = Annotated[
    Any, seconds(help="How long a worker waits for a job before it stops; whole seconds.", show_default=False)
]
QueueDelay = Annotated[Any, seconds(help="Add a worker when a job has waited for this long.", show_default=False)]
RequestCount = Annotated[
    int | None,
    typer.Option(help="Or: queued and running requests for each worker.", metavar="N", show_default=False),
]
ExecutionTimeout = Annotated[Any, seconds(help="Maximum run time of a job.", show_default=False)]
Flashboot = Annotated[
    Literal["off", "flashboot", "priority_flashboot"] | None,
    typer.Option(help="Faster starts; off by default.", show_default=False),
]
Template = Annotated[
    str | None, typer.Option(help="Template whose container is copied.", metavar="ID", show_default=False)
]
DataCenter = Annotated[
    list[str] | None,
    typer.Option(help="Where workers may run; by default anywhere. Can be repeated.", metavar="ID", show_default=False),
]
Volume = Annotated[
    list[str] | None, typer.Option(help="Network volume. Can be repeated.", metavar="ID", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    group.callback(epilog=epilog(["runpod-sdk serverless list", _CREATE]))(_serverless)
    for name, command, *examples in (
        ("list", list_, "runpod-sdk serverless list", "runpod-sdk serverless list | jq -r .endpoints[].id"),
        ("get", get, "runpod-sdk serverless get ENDPOINT_ID | jq .workers"),
        (
            "create",
            create,
            f"{_CREATE} --max 5 --execution-timeout 600",
            "runpod-sdk serverless create --json @horses.json",
        ),
        (
            "update",
            update,
            "runpod-sdk serverless update ENDPOINT_ID --image horses:2 --env LEVEL=debug --unset-env TRACE",
            """runpod-sdk serverless update ENDPOINT_ID --json '{"registry": null}'""",
        ),
        ("scale", scale, "runpod-sdk serverless scale ENDPOINT_ID --max 5"),
        ("pause", pause, "runpod-sdk serverless pause ENDPOINT_ID"),
        ("resume", resume, "runpod-sdk serverless resume ENDPOINT_ID --max 3"),
        ("delete", delete_, "runpod-sdk serverless delete ENDPOINT_ID --yes"),
        ("workers", workers, "runpod-sdk serverless workers ENDPOINT_ID | jq .summary"),
        ("releases", releases, "runpod-sdk serverless releases ENDPOINT_ID | jq .rollout"),
    ):
        group.command(name, epilog=epilog(examples))(api_command(command))
    app.add_typer(group, name="serverless")


def _serverless() -> None:
    """Serverless endpoints: their settings, workers and releases."""


def list_(connection: Connection, *, timeout: CallTimeout = None) -> int:
    """Lists the endpoints of the account."""
    found = connection.client.manage.serverless.list(timeout=call_timeout(timeout))
    write_list("endpoints", found, ("ID", "Name", "Type", "Hardware", "Workers", "Image"), _row)
    return SUCCESS


def _row(endpoint: ServerlessEndpoint) -> tuple[object, ...]:
    return endpoint.id, endpoint.name, endpoint.type, _hardware(endpoint), _limits(endpoint), endpoint.image


def _hardware(endpoint: ServerlessEndpoint) -> str:
    if endpoint.gpu is not None:
        return f"{endpoint.gpu.count or 1} x {', '.join(endpoint.gpu.pools)}"
    return ", ".join(f"{cpu.id}, {cpu.vcpu_count} vCPUs" for cpu in endpoint.cpu or ())


def _limits(endpoint: ServerlessEndpoint) -> str:
    limits = endpoint.workers
    return "paused" if limits.max == 0 else f"{cell(limits.min) or '?'} to {cell(limits.max) or '?'}"


def get(connection: Connection, endpoint: EndpointID, *, timeout: CallTimeout = None) -> int:
    """Prints an endpoint, with the values of its environment variables."""
    write_json(wire_json(connection.client.manage.serverless.get(endpoint, timeout=call_timeout(timeout))))
    return SUCCESS


def create(
    connection: Connection,
    *,
    json: Json = None,
    name: Name = None,
    type: Annotated[
        Literal["queue", "load_balancer"] | None, typer.Option(help="Type; queue by default.", show_default=False)
    ] = None,
    image: Image = None,
    template: Template = None,
    pool: Pool = None,
    gpu_count: Annotated[int | None, typer.Option(help="GPUs of a worker; 1 by default.", show_default=False)] = None,
    cpu: Annotated[
        list[str] | None,
        typer.Option(
            help="CPU type and number of virtual CPUs, instead of GPUs. Can be repeated.",
            metavar="ID:VCPUS",
            show_default=False,
        ),
    ] = None,
    queue_delay: QueueDelay = None,
    request_count: RequestCount = None,
    min: Min = None,
    max: Max = None,
    idle_timeout: IdleTimeout = None,
    execution_timeout: ExecutionTimeout = None,
    flashboot: Flashboot = None,
    env: Env = None,
    args: Args = None,
    disk: Disk = None,
    port: Port = None,
    registry: Registry = None,
    data_center: DataCenter = None,
    volume: Volume = None,
    timeout: CallTimeout = None,
) -> int:
    """Creates an endpoint, and prints it."""
    limits = {"min": min, "max": max, "idleTimeout": None if idle_timeout is None else _whole(idle_timeout)}
    gpu = {"pools": pool or None, "count": gpu_count}
    fields = settings(
        json,
        name=name,
        type=type and type.upper(),
        image=image,
        templateId=template,
        gpu={key: value for key, value in gpu.items() if value is not None} or None,
        cpu=[_cpu(text) for text in cpu or ()],
        scaling=_scaling(queue_delay, request_count),
        workers={key: value for key, value in limits.items() if value is not None} or None,
        timeout=None if execution_timeout is None else milliseconds(execution_timeout),
        flashboot=flashboot and flashboot.upper(),
        env=variables(env),
        args=args,
        disk=disk,
        ports=port,
        registry=registry,
        dataCenterIds=data_center,
        networkVolumes=volume,
    )
    request: Any = {"type": "QUEUE", **fields}
    serverless = connection.client.manage.serverless
    return print_created("endpoint", "serverless", lambda: serverless.create(request, timeout=call_timeout(timeout)))


def _scaling(queue_delay: timedelta | None, request_count: int | None) -> dict[str, Any] | None:
    if queue_delay is not None and request_count is not None:
        raise InvalidRequestError("--queue-delay and --request-count exclude each other.")
    if request_count is not None:
        return {"type": "REQUEST_COUNT", "requestCount": request_count}
    return None if queue_delay is None else {"type": "QUEUE_DELAY", "queueDelay": queue_delay.total_seconds()}


def _whole(span: timedelta) -> int:
    if span.microseconds:
        raise InvalidRequestError("--idle-timeout must be a whole number of seconds.")
    return int(span.total_seconds())


def _cpu(text: str) -> dict[str, Any]:
    name, _, count = text.rpartition(":")
    if not name or not count.isdecimal():
        raise InvalidRequestError(f"--cpu must be ID:VCPUS, such as cpu5c:4, not {text!r:.60}.")
    return {"id": name, "vcpuCount": int(count)}


def update(
    connection: Connection,
    endpoint: EndpointID,
    *,
    json: Json = None,
    name: Name = None,
    image: Image = None,
    template: Template = None,
    pool: Pool = None,
    queue_delay: QueueDelay = None,
    request_count: RequestCount = None,
    execution_timeout: ExecutionTimeout = None,
    flashboot: Flashboot = None,
    env: Env = None,
    unset_env: UnsetEnv = None,
    args: Args = None,
    disk: Disk = None,
    port: Port = None,
    registry: Registry = None,
    data_center: DataCenter = None,
    volume: Volume = None,
    timeout: CallTimeout = None,
) -> int:
    """Changes an endpoint, and prints it. The number of workers is changed by `serverless scale`.

    What is not passed stays as it is. --port, --data-center and --volume replace the whole list. --env and --unset-env
    keep all other variables. --pool clears excluded types; to keep them, pass both in --json.
    """
    serverless = connection.client.manage.serverless
    variables_ = None
    if env or unset_env:
        current = serverless.get(endpoint, timeout=call_timeout(timeout))
        variables_ = changed_variables(current.env, env, unset_env)
    request: Any = settings(
        json,
        name=name,
        image=image,
        templateId=template,
        gpu=pool and {"pools": pool},
        scaling=_scaling(queue_delay, request_count),
        timeout=None if execution_timeout is None else milliseconds(execution_timeout),
        flashboot=flashboot and flashboot.upper(),
        env=variables_,
        args=args,
        disk=disk,
        ports=port,
        registry=registry,
        dataCenterIds=data_center,
        networkVolumes=volume,
    )
    if not request:
        raise InvalidRequestError("Nothing to change. Pass an option, such as --image; --help lists them.")
    write_json(wire_json(serverless.update(endpoint, request, timeout=call_timeout(timeout))))
    return SUCCESS


def scale(
    connection: Connection,
    endpoint: EndpointID,
    *,
    min: Min = None,
    max: Max = None,
    idle_timeout: IdleTimeout = None,
    timeout: CallTimeout = None,
) -> int:
    """Changes how many workers an endpoint may have. What is not passed stays as it is."""
    if min is None and max is None and idle_timeout is None:
        raise InvalidRequestError("Nothing to change. Pass --min, --max or --idle-timeout.")
    target = connection.endpoint(endpoint)
    found = target.scale(min, max, idle_timeout=idle_timeout, timeout=call_timeout(timeout))
    write_json(wire_json(found))
    return SUCCESS


def pause(connection: Connection, endpoint: EndpointID, *, timeout: CallTimeout = None) -> int:
    """Stops all workers of an endpoint. Jobs wait in the queue until `serverless resume`."""
    write_json(wire_json(connection.endpoint(endpoint).pause(timeout=call_timeout(timeout))))
    return SUCCESS


def resume(
    connection: Connection,
    endpoint: EndpointID,
    *,
    max: Annotated[int, typer.Option("--max", help="Maximum number of workers.", metavar="N", show_default=False)],
    min: Min = None,
    timeout: CallTimeout = None,
) -> int:
    """Allows workers of an endpoint again."""
    write_json(wire_json(connection.endpoint(endpoint).resume(max, min, timeout=call_timeout(timeout))))
    return SUCCESS


def delete_(connection: Connection, endpoint: EndpointID, *, yes: Yes = False, timeout: CallTimeout = None) -> int:
    """Deletes an endpoint with its queue."""
    serverless = connection.client.manage.serverless
    what = f"endpoint {endpoint!r}"
    return delete(
        what, lambda: serverless.delete(endpoint, timeout=call_timeout(timeout)), yes=yes, lost=" with its queue"
    )


def workers(connection: Connection, endpoint: EndpointID, *, timeout: CallTimeout = None) -> int:
    """Lists the workers of an endpoint."""
    found = connection.client.manage.serverless.workers(endpoint, timeout=call_timeout(timeout))
    if at_terminal():
        columns = ("ID", "Status", "GPU", "Data center", "Uptime", "Release")
        write_table("", columns, [[cell(value) for value in _worker_row(worker)] for worker in found])
    else:
        write_json(wire_json(found))
    return SUCCESS


def _worker_row(worker: Worker) -> tuple[object, ...]:
    release = f"{cell(worker.version)}{' (outdated)' if worker.is_stale else ''}"
    return worker.id, worker.status, worker.gpu_type_id, worker.data_center_id, worker.uptime, release


def releases(connection: Connection, endpoint: EndpointID, *, timeout: CallTimeout = None) -> int:
    """Lists the releases of an endpoint, and what each of them changed."""
    found = connection.client.manage.serverless.releases(endpoint, timeout=call_timeout(timeout))
    if at_terminal():
        rows = [
            (each.version, each.created_at, each.worker_count, ", ".join(str(change.field) for change in each.diff))
            for each in found.releases
        ]
        write_table("", ("Release", "Created", "Workers", "Changed"), [[cell(value) for value in row] for row in rows])
    else:
        write_json(wire_json(found))
    return SUCCESS
