"""What stands behind one endpoint id."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from runpod.local._policy import EXECUTION_TIMEOUT

if TYPE_CHECKING:
    from runpod.local._handler import Handler

__all__ = ["LocalEndpoint", "check_endpoint_ids", "check_integer", "check_seconds"]


@dataclass(frozen=True)
class LocalEndpoint:
    """One endpoint of a `LocalServer`: what runs its jobs, and on how many workers.

    A handler alone will do where the server's defaults fit. Use this where endpoints differ, or
    where real worker processes run the jobs.

    Args:
        handler: Takes `{"id": …, "input": …}` and gives the output; a function, an `async def`, a
            generator or an async generator, as for a Runpod worker.
        workers: How many workers there are. A worker runs one job at a time. With 0, jobs stay
            in the queue until a worker that you start by hand takes them.
        cold_start: Seconds a worker takes to boot before its first job.
        return_aggregate_stream: Whether the list of all yields becomes the output of a job whose
            handler is a generator. Without it, as on the service, `output` is an empty list.
        execution_timeout: Seconds a job may run that sets no `executionTimeout` itself.
        command: Instead of a handler: a program that is a worker, and its arguments, such as
            `["worker-env/bin/python", "worker.py"]`. It is started once for each worker, in the
            current folder, with the environment of a worker, and started anew when it dies.

    Raises:
        TypeError: The handler cannot be called, or an argument has the wrong type.
        ValueError: An argument is out of range, or does not go with another one.

    Example:
        ```python
        from runpod.local import LocalEndpoint, LocalServer

        def horse(job):
            return {"prompt": job["input"]["prompt"]}

        server = LocalServer({"fast": LocalEndpoint(horse, workers=3), "slow": LocalEndpoint(horse, cold_start=20)})
        ```
    """

    handler: Handler | None = None
    workers: int = 1
    cold_start: float = 0.0
    return_aggregate_stream: bool = False
    execution_timeout: float = EXECUTION_TIMEOUT
    command: Sequence[str] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.handler is None:
            self._check_command()
        elif self.command is not None:
            raise ValueError("An endpoint has a handler or a worker command, not both. Leave one of them out.")
        elif not callable(cast("object", self.handler)):
            raise TypeError(
                f"The handler of an endpoint cannot be called: it is of type {type(self.handler).__name__}. "
                "Pass the function itself."
            )
        check_integer("workers", self.workers, 0, None)
        check_seconds("cold_start", self.cold_start)
        check_seconds("execution_timeout", self.execution_timeout)

    def _check_command(self) -> None:
        command = cast("object", self.command)
        if command is None:
            if self.workers:
                raise TypeError(
                    "An endpoint with workers needs a handler or a worker command, but its handler is of "
                    "type NoneType. Pass the function itself, or `command=[...]`, or `workers=0` to start "
                    "workers by hand."
                )
        elif isinstance(command, str) or not isinstance(command, Sequence) or not command:
            raise TypeError(f"`command` is {command!r}. Pass the program and its arguments as a list.")
        elif not all(isinstance(part, str) for part in cast("Sequence[object]", command)) or not command[0]:
            raise TypeError(f"`command` is {command!r}. Pass the program and its arguments as str.")
        if self.cold_start or self.return_aggregate_stream:
            raise ValueError(
                "`cold_start` and `return_aggregate_stream` are for handlers. "
                "A worker process takes the time it takes, and says by itself what it aggregates."
            )


def check_endpoint_ids(endpoints: object) -> None:
    """Refuse what is no mapping of endpoint ids."""
    if not isinstance(endpoints, Mapping):
        raise TypeError(
            f"A local server takes a mapping of endpoint ids to handlers, "
            f"not {type(endpoints).__name__}. Pass {{'my-endpoint': handler}}."
        )
    for endpoint_id in cast("Mapping[object, object]", endpoints):
        if not isinstance(endpoint_id, str):
            raise TypeError(f"The endpoint id {endpoint_id!r} is no text. Use a str as the key.")
        if endpoint_id in {"", ".", ".."} or "/" in endpoint_id:
            raise ValueError(
                f"The endpoint id {endpoint_id!r} cannot be a part of a URL path. "
                "Use a name that is not empty, is not made of dots alone and has no slash."
            )


def check_integer(name: str, value: object, lowest: int, highest: int | None) -> None:
    """Refuse what is no integer from `lowest` to `highest`."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"`{name}` is {value!r}. Pass an integer.")
    if value < lowest or (highest is not None and value > highest):
        allowed = f"{lowest} or more" if highest is None else f"one from {lowest} to {highest}"
        raise ValueError(f"`{name}` is {value}. Pass {allowed}.")


def check_seconds(name: str, value: object) -> None:
    """Refuse what is no number of seconds."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"`{name}` is {value!r}. Pass a number of seconds.")
    if value < 0 or not math.isfinite(value):
        raise ValueError(f"`{name}` is {value}. Pass 0 or more seconds.")
