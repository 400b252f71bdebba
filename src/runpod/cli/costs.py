"""`gpus` and `billing`: what things cost, and what was billed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from runpod.cli.connection import CallTimeout, Connection, api_command, call_timeout
from runpod.cli.exit_status import SUCCESS
from runpod.cli.jobs import epilog
from runpod.cli.json_output import at_terminal, wire_json, write_json, write_table
from runpod.cli.resource_output import cell, write_list

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from runpod.models.management import BillingReport, GPUType

Kind = Literal["all", "pods", "serverless", "endpoints", "volumes", "clusters"]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    examples = ["runpod-sdk gpus", "runpod-sdk gpus --product pod --count 8", "runpod-sdk gpus | jq -r .gpus[].pool"]
    app.command("gpus", epilog=epilog(examples))(api_command(gpus))
    examples = ["runpod-sdk billing", "runpod-sdk billing serverless --last 6 --bucket month"]
    app.command("billing", epilog=epilog(examples))(api_command(billing))


def gpus(
    connection: Connection,
    *,
    product: Annotated[
        Literal["serverless", "pod", "cluster"], typer.Option(help="What they are to be available for.")
    ] = "serverless",
    count: Annotated[int | None, typer.Option(help="Number of GPUs at once; 1 by default.", show_default=False)] = None,
    timeout: CallTimeout = None,
) -> int:
    """Lists the types of GPUs with their prices and availability.

    Pods take the ID, serverless endpoints the pool.
    """
    found = connection.client.manage.catalog.gpus(
        include="AVAILABILITY",
        product=_PRODUCTS[product],
        count=count,
        timeout=call_timeout(timeout),
    )
    columns = ("ID", "Pool", "GB", "Serverless", "Secure", "Community", "Available")
    write_list("gpus", found, columns, _gpu_row, title="Prices of one GPU in USD per hour")
    return SUCCESS


_PRODUCTS: dict[str, Literal["SERVERLESS", "POD", "CLUSTER"]] = {
    "serverless": "SERVERLESS",
    "pod": "POD",
    "cluster": "CLUSTER",
}


def _gpu_row(gpu: GPUType) -> tuple[object, ...]:
    prices = (None, None, None) if gpu.price is None else (gpu.price.serverless, gpu.price.secure, gpu.price.community)
    return gpu.id, gpu.pool, gpu.memory, *prices, gpu.availability


def billing(
    connection: Connection,
    kind: Annotated[Kind, typer.Argument(help="What was billed; `endpoints` are Runpod's public ones.")] = "all",
    *,
    last: Annotated[int, typer.Option(help="Number of periods, the current one included.", min=1)] = 30,
    bucket: Annotated[
        Literal["hour", "day", "week", "month", "year"], typer.Option(help="Length of a period.")
    ] = "day",
    timeout: CallTimeout = None,
) -> int:
    """Prints what was billed in USD, with totals."""
    service = connection.client.manage.billing
    methods: dict[Kind, Callable[..., BillingReport[Any, Any]]] = {
        "all": service.list,
        "pods": service.pods,
        "serverless": service.serverless,
        "endpoints": service.endpoints,
        "volumes": service.network_volumes,
        "clusters": service.clusters,
    }
    found = methods[kind](last_n=last, bucket_size=bucket, timeout=call_timeout(timeout))
    if not at_terminal():
        write_json(wire_json(found))
        return SUCCESS
    records = [wire_json(each) for each in found.records]
    totals = _amounts(found.totals)
    # An account has many kinds of amounts, most of which are 0.
    shown = [name for name in totals if totals[name] or name == "totalAmount"]
    ids = [name for name in dict.fromkeys(name for each in records for name in each) if name.endswith("Id")]
    columns = ["From", *map(_title, (*ids, *shown))]
    hour = 16 if bucket == "hour" else 10
    rows = [
        [str(each.get("startTime", ""))[:hour], *(cell(each.get(name)) for name in (*ids, *shown))] for each in records
    ]
    write_table("USD", columns, [*rows, ["Total", *("" for _ in ids), *(cell(totals[name]) for name in shown)]])
    return SUCCESS


def _amounts(totals: BaseModel | None) -> dict[str, float | None]:
    return {} if totals is None else {name: each for name, each in wire_json(totals).items() if name.endswith("Amount")}


def _title(name: str) -> str:
    """The title of a column: "Pod GPU" for `podGpuAmount`, "Pod" for `podId`."""
    words = re.findall(r"[A-Z]?[a-z]+", name.removesuffix("Amount").removesuffix("Id"))
    title = " ".join(each.upper() if each in {"Gpu", "gpu", "Cpu", "cpu"} else each.lower() for each in words)
    return title[:1].upper() + title[1:]
