"""The command diagnose."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from runpod.cli.connection import CallTimeout, Connection, EndpointID, api_command, call_timeout
from runpod.cli.exit_status import FAILED, SUCCESS
from runpod.cli.jobs import epilog
from runpod.cli.json_output import at_terminal, write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod import Diagnosis
    from runpod.cli.connection import Options

# What a caller of the library does, and the words of the command that does the same. $ stands for the endpoint.
_COMMANDS: dict[str, Callable[[re.Match[str]], tuple[str, ...]]] = {
    r"endpoint\.resume\(max=(\d+)\)": lambda found: ("serverless", "resume", "$", "--max", found[1]),
    r"endpoint\.scale\((min|max)=(\d+)\)": lambda found: ("serverless", "scale", "$", f"--{found[1]}", found[2]),
    r"endpoint\.logs\(worker='([^']*)'\)": lambda found: ("logs", "$", "--worker", found[1]),
    r"endpoint\.logs\(\)": lambda _: ("logs", "$"),
    r"endpoint\.(status|retry)\('([^']*)'\)": lambda found: (found[1], "$", found[2]),
    r"client\.manage\.catalog\.gpus\([^)]*\)": lambda _: ("gpus",),
    r"client\.manage\.serverless\.update\(…, gpu=…\)": lambda _: ("serverless", "update", "$", "--pool", "ID"),
    r"client\.manage\.serverless\.update\(…, cpu=…\)": lambda _: ("serverless", "update", "$", "--json", "@cpu.json"),
    r"client\.endpoint\('[^']*'\)": lambda _: ("run", "$", "INPUT"),
}
# What has no command.
_TEXTS = {
    r"Wait, such as with endpoint\.wait_ready\(\): large": "Wait: large",
    r"client\.manage\.catalog\.cpus\([^)]*\) shows": "the Runpod console shows",
    r"requests to its workers with client\.load_balancer\('[^']*'\)\.http\.": (
        "HTTP requests to its workers, and pass --load-balancer to diagnose it as such."
    ),
    r"\(api_key, ": "(",
    r"\bbase_url\b": "--base-url",
}


def register(app: typer.Typer) -> None:
    """Adds the command."""
    examples = [
        "runpod-sdk diagnose ENDPOINT_ID",
        "runpod-sdk diagnose ENDPOINT_ID --job JOB_ID",
        "runpod-sdk diagnose ENDPOINT_ID | jq -r .findings[].cause",
    ]
    app.command("diagnose", epilog=epilog(examples))(api_command(diagnose))


def diagnose(
    connection: Connection,
    endpoint: EndpointID,
    *,
    job: Annotated[str | None, typer.Option(metavar="ID", help="ID of a job that waits.", show_default=False)] = None,
    load_balancer: Annotated[bool, typer.Option("--load-balancer", help="It is to be a load balancer.")] = False,
    timeout: CallTimeout = None,
) -> int:
    """Says why jobs of an endpoint do not start, and what to do.

    Exit status: 0 if nothing was found, 1 if something was.
    """
    target = connection.endpoint(endpoint)
    diagnosis = target.diagnose(
        job_id=job, used_as="LOAD_BALANCER" if load_balancer else "QUEUE", timeout=call_timeout(timeout)
    )
    found = with_commands(diagnosis, connection.options)
    if at_terminal():
        write_text(str(found))
    else:
        write_json(found.to_dict())
    return SUCCESS if found.ok else FAILED


def with_commands(diagnosis: Diagnosis, options: Options) -> Diagnosis:
    """The diagnosis with commands instead of calls of the library."""
    findings = [replace(each, advice=_advice(each.advice, diagnosis, options)) for each in diagnosis.findings]
    return replace(diagnosis, findings=tuple(findings))


def _advice(advice: str, diagnosis: Diagnosis, options: Options) -> str:
    for pattern, words in _COMMANDS.items():

        def command(found: re.Match[str], words: Callable[[re.Match[str]], tuple[str, ...]] = words) -> str:
            named = (diagnosis.endpoint_id if word == "$" else word for word in words(found))
            return f"`{options.command(*named)}`"

        advice = re.sub(pattern, command, advice)
    for pattern, text in _TEXTS.items():
        advice = re.sub(pattern, text, advice)
    return advice
