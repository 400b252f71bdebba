"""What a local server is told: its endpoints, and how it behaves where the service is undocumented."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, cast

from runpod.local.jobs.policy import EXECUTION_TIMEOUT

__all__ = [
    "Behavior",
    "Handler",
    "LocalEndpoint",
    "check_duration",
    "check_endpoint_ids",
    "check_integer",
    "check_seconds",
]

Handler = Callable[[dict[str, Any]], Any]


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
        cold_start: How long a worker takes to boot before its first job.
        return_aggregate_stream: Whether the list of all yields becomes the output of a job whose
            handler is a generator. Without it, as on the service, `output` is an empty list.
        execution_timeout: How long a job may run that sets no `executionTimeout` itself.
        command: Instead of a handler: a program that is a worker, and its arguments, such as
            `["worker-env/bin/python", "worker.py"]`. It is started once for each worker, in the
            current folder, with the environment of a worker, and started anew when it dies.

    Raises:
        TypeError: The handler cannot be called, or an argument has the wrong type.
        ValueError: An argument is out of range, or does not go with another one.

    Example:
        ```python
        from datetime import timedelta

        from runpod.local import LocalEndpoint, LocalServer

        def horse(job):
            return {"prompt": job["input"]["prompt"]}

        server = LocalServer({"fast": LocalEndpoint(horse, workers=3), "slow": LocalEndpoint(horse, cold_start=timedelta(seconds=20))})
        ```
    """

    handler: Handler | None = None
    workers: int = 1
    cold_start: timedelta = timedelta(0)
    return_aggregate_stream: bool = False
    execution_timeout: timedelta = timedelta(seconds=EXECUTION_TIMEOUT)
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
        check_duration("cold_start", self.cold_start)
        check_duration("execution_timeout", self.execution_timeout)

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


def check_duration(name: str, value: object) -> None:
    """Refuse what is no timedelta, or negative."""
    if not isinstance(value, timedelta):
        example = f"timedelta(seconds={value})" if type(value) in {int, float} else "timedelta(seconds=60)"
        raise TypeError(f"`{name}` must be a timedelta, such as {example}, not {type(value).__name__}.")
    if value < timedelta(0):
        raise ValueError(f"`{name}` must not be negative, got {value!r}.")


def check_seconds(name: str, value: object) -> None:
    """Refuse what is no number of seconds."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"`{name}` is {value!r}. Pass a number of seconds.")
    if value < 0 or not math.isfinite(value):
        raise ValueError(f"`{name}` is {value}. Pass 0 or more seconds.")


@dataclass(frozen=True)
class Behavior:
    """How a `LocalServer` behaves where public sources about the service are silent or disagree.

    Turn the switches to see that your code can live with either. The default is the reading that
    asks more of a client, as long as the released clients can live with it at all.

    Args:
        status_sync: Whether `/status-sync` exists. Clients in use need it, but the newest
            documentation does not name it any more.
        post_reads: Whether `/status`, `/status-sync` and `/stream` take POST besides GET.
        not_found_for: How long a new job is answered with 404, as if word of it had yet
            to get around.
        stream_hold: When a `/stream` request waits for a chunk: `"started"`, once the job has
            left the queue; `"always"`; or `"never"`, so that empty answers come at once.
        stream_reply_limit: Bytes of chunks in one answer of `/stream`, or None for no limit. What
            does not fit stays for the next one, also after a final status.
        output_limit: Bytes of an output, or None for no limit. A job with a larger one is
            COMPLETED without output.
        timed_out: Whether jobs end as TIMED_OUT. Without it, one that is killed for its
            execution timeout or whose worker got lost is FAILED, and one whose time to live
            ends in the queue is gone.
        refuse_short_policies: Whether an `executionTimeout` under 5000 and a `ttl` under 10000
            are refused with 400. Without it, they are taken for the least that is allowed.
        refuse_late_cancel: Whether cancelling a job that has ended is refused with 400. Without it,
            the answer is the status the job has.
        webhook_on_every_end: Whether a webhook is also called for a job that is CANCELLED or
            TIMED_OUT, and not only for one that is COMPLETED or FAILED.
        rate_limits: Whether requests over the documented rates are answered with 429, as well as
            submissions while the queue is very long.

    Example:
        ```python
        from runpod.local import Behavior, LocalServer

        server = LocalServer({"horse": lambda job: 1}, behavior=Behavior(status_sync=False, stream_hold="never"))
        ```
    """

    # "/status-sync/{id}: long-poll status; gone from current docs"; "Whether Runpod intends to
    # keep it: UNKNOWN". There by default, because the released JavaScript client cannot wait
    # for a job without it.
    status_sync: bool = True

    # "GET; POST also listed" in documentation of 2024, and one official client uses POST alone;
    # "whether POST for status still works in 2026" is open.
    post_reads: bool = True

    # "404: freshly submitted job not propagated yet. CONTRADICTORY": one client tries again for
    # a minute, another one takes any 404 for final. None by default, because no released client
    # survives it, and because a test that asks for a job it has just submitted should get it.
    not_found_for: timedelta = timedelta(0)

    # "an empty buffer is held: default 10 s", but "GP12's first call shows an immediate empty
    # IN_QUEUE reply; later gaps (≈11 s, 7 s) fit a ~10 s hold released by a chunk". Both
    # captures are true if a job that has not started is not waited for.
    stream_hold: Literal["always", "never", "started"] = "started"

    # "Can chunks remain after a terminal reply (size-capped drain)? UNKNOWN". The limit itself is
    # that of a body. The released JavaScript client stops at the first final status.
    stream_reply_limit: int | None = 10 * 1024 * 1024

    # "Output: same 10/20 MB order; oversize results are refused". The larger one, because no
    # source says which outputs have the smaller one.
    output_limit: int | None = 20 * 1024 * 1024

    # "TIMED_OUT versus FAILED for an executionTimeout kill: the wild report and GP15 show FAILED";
    # "Meaning per DOCS: expired before pickup, or the worker never reported back". What was
    # captured comes first. It is the more hostile one as well: clients tend to forget that a job
    # can be gone.
    timed_out: bool = False

    # "Below-minimum behaviour (400 or clamp): UNKNOWN". Not refused by default, because the README
    # of the released JavaScript client shows 3000, which then would be an error.
    refuse_short_policies: bool = False

    # "Response when the job is already terminal: UNKNOWN". Not refused by default, because every
    # client cancels jobs that may just have ended, and the released ones take a refusal for trouble.
    refuse_late_cancel: bool = False

    # "Fires on COMPLETED and FAILED; CANCELLED/TIMED_OUT UNKNOWN". By default, nobody is called
    # who may wait for it.
    webhook_on_every_end: bool = False

    # "Per endpoint (per user)", so many requests in ten seconds and so many at once. Off by default:
    # on one machine, a test does in a second what a program does in minutes.
    rate_limits: bool = False

    def __post_init__(self) -> None:
        check_duration("not_found_for", self.not_found_for)
        for name in ("stream_reply_limit", "output_limit"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), 1, None)
        if self.stream_hold not in ("always", "never", "started"):
            raise ValueError(f'`stream_hold` is {self.stream_hold!r}. Pass "always", "never" or "started".')
