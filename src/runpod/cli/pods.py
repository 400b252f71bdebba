"""`pods`: machines that are rented by the hour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from runpod.cli.confirmation import Yes, delete
from runpod.cli.connection import CallTimeout, Connection, api_command, call_timeout
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
from runpod.cli.json_output import wire_json, write_json
from runpod.cli.resource_output import print_created, write_list
from runpod.errors import InvalidRequestError

if TYPE_CHECKING:
    from runpod.models.management import Pod

_LOST = " with its disks"
# What a new pod needs: the options, and the fields of the API.
_NEEDED = {"--name": ("name",), "--gpu or --cpu": ("gpu", "cpu"), "--image or --template": ("image", "templateId")}
_CREATE = 'runpod-sdk pods create --name trainer --image runpod/pytorch:1.0.2 --gpu "NVIDIA GeForce RTX 4090"'

PodID = Annotated[str, typer.Argument(metavar="POD", help="ID of the pod.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    pods = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    pods.callback(epilog=epilog(["runpod-sdk pods list", "runpod-sdk pods stop POD_ID"]))(_pods)
    pods.command("list", epilog=epilog(["runpod-sdk pods list", "runpod-sdk pods list | jq -r .pods[].id"]))(
        api_command(list_)
    )
    pods.command("get", epilog=epilog(["runpod-sdk pods get POD_ID | jq .cost"]))(api_command(get))
    examples = [f"{_CREATE} --disk 50 --volume VOLUME_ID:/workspace", "runpod-sdk pods create --json @pod.json"]
    pods.command("create", epilog=epilog(examples))(api_command(create))
    examples = [
        "runpod-sdk pods update POD_ID --image trainer:2 --env LEVEL=debug",
        "runpod-sdk pods update POD_ID --lock",
    ]
    pods.command("update", epilog=epilog(examples))(api_command(update))
    for name, command in (("start", start), ("stop", stop), ("restart", restart)):
        pods.command(name, epilog=epilog([f"runpod-sdk pods {name} POD_ID"]))(api_command(command))
    for name, command in (("terminate", terminate), ("delete", delete_)):
        pods.command(name, epilog=epilog([f"runpod-sdk pods {name} POD_ID --yes"]))(api_command(command))
    app.add_typer(pods, name="pods")


def _pods() -> None:
    """Pods: containers on machines that are rented by the hour."""


def list_(
    connection: Connection,
    *,
    clusters: Annotated[bool, typer.Option("--clusters", help="List those of clusters, too.")] = False,
    timeout: CallTimeout = None,
) -> int:
    """Lists the pods of the account."""
    found = connection.client.manage.pods.list(include_cluster_pods=clusters, timeout=call_timeout(timeout))
    columns = ("ID", "Name", "Status", "Hardware", "Data center", "USD/h")
    write_list("pods", found, columns, _row)
    return SUCCESS


def _row(pod: Pod) -> tuple[object, ...]:
    hardware = ""
    if pod.gpu is not None:
        hardware = f"{pod.gpu.count or 1} x {pod.gpu.id}"
    elif pod.cpu is not None:
        hardware = f"{pod.cpu.id}, {pod.cpu.vcpu_count} vCPUs"
    return pod.id, pod.name, pod.status, hardware, pod.data_center_id, pod.cost


def get(connection: Connection, pod: PodID, *, timeout: CallTimeout = None) -> int:
    """Prints a pod, with the values of its environment variables."""
    write_json(wire_json(connection.client.manage.pods.get(pod, timeout=call_timeout(timeout))))
    return SUCCESS


def create(
    connection: Connection,
    *,
    json: Json = None,
    name: Name = None,
    image: Image = None,
    template: Annotated[
        str | None, typer.Option(help="ID of a template, for what is not given.", metavar="ID", show_default=False)
    ] = None,
    gpu: Annotated[
        str | None, typer.Option(help="ID of a GPU type: see `gpus`.", metavar="ID", show_default=False)
    ] = None,
    gpu_count: Annotated[int | None, typer.Option(help="Number of GPUs; 1 by default.", show_default=False)] = None,
    cpu: Annotated[
        str | None, typer.Option(help="ID of a CPU type, instead of a GPU.", metavar="ID", show_default=False)
    ] = None,
    vcpus: Annotated[int, typer.Option(help="Number of virtual CPUs, with --cpu.")] = 2,
    volume: Annotated[
        str | None,
        typer.Option(help="Network volume, and where it is mounted.", metavar="ID:PATH", show_default=False),
    ] = None,
    env: Env = None,
    args: Args = None,
    disk: Disk = None,
    port: Port = None,
    registry: Registry = None,
    data_center: Annotated[
        list[str] | None,
        typer.Option(help="Where it may run; can be repeated.", metavar="ID", show_default=False),
    ] = None,
    cloud: Annotated[
        Literal["secure", "community"] | None, typer.Option(help="Cloud; secure by default.", show_default=False)
    ] = None,
    ssh: Annotated[bool, typer.Option("--ssh", help="Start an SSH server, if the image supports that.")] = False,
    timeout: CallTimeout = None,
) -> int:
    """Creates a pod, which starts and costs money, and prints it."""
    if gpu_count is not None and gpu is None:
        raise InvalidRequestError("--gpu-count needs --gpu.")
    request: Any = settings(
        json,
        name=name,
        image=image,
        templateId=template,
        gpu=gpu and {"id": gpu, "count": 1 if gpu_count is None else gpu_count},
        cpu=cpu and {"id": cpu, "vcpuCount": vcpus},
        mounts=volume and {"network": [_mount(volume)]},
        env=variables(env),
        args=args,
        disk=disk,
        ports=port,
        registry=registry,
        dataCenterIds=data_center,
        cloud=cloud and cloud.upper(),
        startSsh=ssh or None,
    )
    for option, names in _NEEDED.items():
        if not any(request.get(each) for each in names):
            raise InvalidRequestError(f"{option} is missing. Pass it, or {' or '.join(names)} in --json.")
    pods = connection.client.manage.pods
    return print_created("pod", "pods", lambda: pods.create(request, timeout=call_timeout(timeout)))


def _mount(text: str) -> dict[str, str]:
    volume_id, _, path = text.partition(":")
    if not volume_id or not path.startswith("/"):
        raise InvalidRequestError("--volume must be ID:PATH, such as VOLUME_ID:/workspace.")
    return {"volumeId": volume_id, "path": path}


def update(
    connection: Connection,
    pod: PodID,
    *,
    json: Json = None,
    name: Name = None,
    image: Image = None,
    env: Env = None,
    unset_env: UnsetEnv = None,
    args: Args = None,
    disk: Disk = None,
    port: Port = None,
    registry: Registry = None,
    lock: Annotated[
        bool | None,
        typer.Option("--lock/--unlock", help="A locked pod cannot be stopped.", show_default=False),
    ] = None,
    timeout: CallTimeout = None,
) -> int:
    """Changes a pod, and prints it. A change of its container restarts it, which wipes the container disk.

    What is not passed stays as it is. --port replaces the whole list. --env and --unset-env keep all other variables.
    """
    pods = connection.client.manage.pods
    variables_ = None
    if env or unset_env:
        variables_ = changed_variables(pods.get(pod, timeout=call_timeout(timeout)).env, env, unset_env)
    request: Any = settings(
        json, name=name, image=image, env=variables_, args=args, disk=disk, ports=port, registry=registry, locked=lock
    )
    if not request:
        raise InvalidRequestError("Nothing to change. Pass an option, such as --image; --help lists them.")
    write_json(wire_json(pods.update(pod, request, timeout=call_timeout(timeout))))
    return SUCCESS


def start(connection: Connection, pod: PodID, *, timeout: CallTimeout = None) -> int:
    """Starts a pod that is stopped, and prints it."""
    write_json(wire_json(connection.client.manage.pods.start(pod, timeout=call_timeout(timeout))))
    return SUCCESS


def stop(connection: Connection, pod: PodID, *, timeout: CallTimeout = None) -> int:
    """Stops a pod, and prints it. Its mounted storage is kept and paid, its container disk is lost."""
    write_json(wire_json(connection.client.manage.pods.stop(pod, timeout=call_timeout(timeout))))
    return SUCCESS


def restart(connection: Connection, pod: PodID, *, timeout: CallTimeout = None) -> int:
    """Restarts the container of a running pod, and prints the pod."""
    write_json(wire_json(connection.client.manage.pods.restart(pod, timeout=call_timeout(timeout))))
    return SUCCESS


def terminate(connection: Connection, pod: PodID, *, yes: Yes = False, timeout: CallTimeout = None) -> int:
    """Deletes a pod by its action "terminate". Prefer `delete`, which is repeated if no response arrives."""
    pods = connection.client.manage.pods
    return delete(f"pod {pod!r}", lambda: pods.terminate(pod, timeout=call_timeout(timeout)), yes=yes, lost=_LOST)


def delete_(connection: Connection, pod: PodID, *, yes: Yes = False, timeout: CallTimeout = None) -> int:
    """Deletes a pod with its disks, but not its network volume."""
    pods = connection.client.manage.pods
    return delete(f"pod {pod!r}", lambda: pods.delete(pod, timeout=call_timeout(timeout)), yes=yes, lost=_LOST)
