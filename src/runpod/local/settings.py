"""Settings of a local server: its endpoints, and its behavior where the service is undocumented."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, cast

__all__ = [
    "DEFAULT_EXECUTION_TIMEOUT",
    "Behavior",
    "Handler",
    "LocalEndpoint",
    "check_duration",
    "check_endpoint_ids",
    "check_integer",
    "check_seconds",
]

Handler = Callable[[dict[str, Any]], Any]
"""Takes `{"id": …, "input": …}` and returns the output of the job; see `LocalEndpoint`."""

# The documented default. Documentation of 2023 said 24 hours.
DEFAULT_EXECUTION_TIMEOUT = timedelta(minutes=10)


@dataclass(frozen=True)
class LocalEndpoint:
    """One endpoint of a `LocalServer`: its handler, application or worker command, and its workers.

    Pass the handler alone to use the server's defaults. Use this if endpoints differ, to run jobs
    in real worker processes, or for a load-balancing endpoint.

    Args:
        handler: Takes `{"id": …, "input": …}` and returns the output; a function, an `async def`, a
            generator or an async generator, as for a Runpod worker.
        workers: Number of workers. A worker runs one job at a time. With 0, jobs stay in the queue
            until a worker that you start by hand takes them.
        cold_start: Time a worker takes to boot before its first job.
        return_aggregate_stream: Whether the output of a generator handler is the list of its yields.
            If False, `output` is an empty list, as on the service.
        execution_timeout: Maximum run time of a job without its own `executionTimeout`.
        command: Worker program and its arguments, used instead of a handler, such as
            `["worker-env/bin/python", "worker.py"]`. It is started once per worker, in the
            current directory, with the environment of a worker, and restarted when it exits.
        app: ASGI application, such as one of FastAPI, Starlette or Django. It makes this
            a load-balancing endpoint, which has no queue: requests to
            `LocalServer.load_balancer_url` go to the application. It runs on the server's event
            loop, and all workers share it.
        http_command: HTTP server program and its arguments, used instead of `app`. It is started
            once per worker, and has to listen on the port in the environment variable `PORT`, which
            also replaces `$PORT` in an argument, such as in `["uvicorn", "api:app", "--port", "$PORT"]`.
            A worker gets requests once its health path answers 200: `/ping`, or the value of the
            environment variable `HEALTH_CHECK_PATH`.
        concurrency: Number of requests that a worker of a load-balancing endpoint serves at the
            same time; None for any number.

    Raises:
        TypeError: The handler is not callable, or an argument has the wrong type.
        ValueError: An argument is out of range, or conflicts with another one.

    Example:
        ```python
        from datetime import timedelta

        from fastapi import FastAPI
        from runpod.local import LocalEndpoint, LocalServer

        def horse(job):
            return {"prompt": job["input"]["prompt"]}

        slow = LocalEndpoint(horse, cold_start=timedelta(seconds=20))
        api = LocalEndpoint(app=FastAPI(), workers=2)
        server = LocalServer({"fast": LocalEndpoint(horse, workers=3), "slow": slow, "api": api})
        ```
    """

    handler: Handler | None = None
    workers: int = 1
    cold_start: timedelta = timedelta(0)
    return_aggregate_stream: bool = False
    execution_timeout: timedelta = DEFAULT_EXECUTION_TIMEOUT
    command: Sequence[str] | None = field(default=None, kw_only=True)
    app: Callable[..., Any] | None = field(default=None, kw_only=True)
    http_command: Sequence[str] | None = field(default=None, kw_only=True)
    concurrency: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        given = [name for name in ("handler", "command", "app", "http_command") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(
                "An endpoint takes a handler or a worker command, not both, and neither with an application: "
                f"got {', '.join(given)}. Pass only one of them."
            )
        if self.is_load_balancer:
            self._check_load_balancer()
        elif self.concurrency is not None:
            raise ValueError(
                "`concurrency` applies to load-balancing endpoints only. Leave it out: a worker runs one job at a time."
            )
        elif self.handler is None:
            self._check_command()
        elif not callable(cast("object", self.handler)):
            raise TypeError(
                f"The handler of an endpoint must be callable, not {type(self.handler).__name__}. "
                "Pass the function itself."
            )
        check_integer("workers", self.workers, 0, None)
        check_duration("cold_start", self.cold_start)
        check_duration("execution_timeout", self.execution_timeout)

    @property
    def is_load_balancer(self) -> bool:
        """Whether this is a load-balancing endpoint, which has no queue."""
        return self.app is not None or self.http_command is not None

    def _check_load_balancer(self) -> None:
        if self.concurrency is not None:
            check_integer("concurrency", self.concurrency, 1, None)
        if self.app is None:
            _check_program("http_command", self.http_command)
            if self.cold_start:
                raise ValueError("`cold_start` does not apply to worker processes, which have their own boot time.")
        elif not callable(cast("object", self.app)):
            raise TypeError(
                f"The application of an endpoint must be an ASGI application, not {type(self.app).__name__}. "
                "Pass the object itself, such as FastAPI()."
            )
        if self.return_aggregate_stream or self.execution_timeout != DEFAULT_EXECUTION_TIMEOUT:
            raise ValueError(
                "`return_aggregate_stream` and `execution_timeout` apply to jobs. "
                "Leave them out: a load-balancing endpoint has none."
            )

    def _check_command(self) -> None:
        if self.command is not None:
            _check_program("command", self.command)
        elif self.workers:
            raise TypeError(
                "An endpoint with workers needs a handler or a worker command, not None. Pass a function, "
                "or `command=[...]`, or `workers=0` to start workers by hand."
            )
        if self.cold_start or self.return_aggregate_stream:
            raise ValueError(
                "`cold_start` and `return_aggregate_stream` apply to handlers only. "
                "Leave them out: a worker process has its own boot time, and decides itself what it aggregates."
            )


def _check_program(name: str, command: object) -> None:
    if isinstance(command, str) or not isinstance(command, Sequence) or not command:
        raise TypeError(f"`{name}` must be a list of the program and its arguments, got {command!r}.")
    if not all(isinstance(part, str) for part in cast("Sequence[object]", command)) or not command[0]:
        raise TypeError(f"`{name}` must contain the program and its arguments as str, got {command!r}.")


def check_endpoint_ids(endpoints: object) -> None:
    """Check that `endpoints` is a mapping with valid endpoint IDs as keys.

    Raises:
        TypeError: It is not a mapping, or an ID is not a str.
        ValueError: An ID cannot be used in a URL.
    """
    if not isinstance(endpoints, Mapping):
        raise TypeError(
            f"Endpoints must be a mapping of endpoint IDs to handlers, not {type(endpoints).__name__}. "
            "Pass {'my-endpoint': handler}."
        )
    for endpoint_id in cast("Mapping[object, object]", endpoints):
        if not isinstance(endpoint_id, str):
            raise TypeError(f"Endpoint IDs must be str, not {type(endpoint_id).__name__}.")
        if endpoint_id in {"", ".", ".."} or "/" in endpoint_id:
            raise ValueError(
                f"The endpoint ID {endpoint_id!r} cannot be used in a URL path. "
                "Use a name that is not empty, not `.` or `..`, and has no slash."
            )


def check_integer(name: str, value: object, lowest: int, highest: int | None) -> None:
    """Check that a value is an integer from `lowest` to `highest`.

    Raises:
        TypeError: It is not an integer.
        ValueError: It is out of range.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"`{name}` must be an integer, got {value!r}.")
    if value < lowest or (highest is not None and value > highest):
        allowed = f"{lowest} or more" if highest is None else f"from {lowest} to {highest}"
        raise ValueError(f"`{name}` must be {allowed}, got {value}.")


def check_duration(name: str, value: object) -> None:
    """Check that a value is a timedelta that is not negative.

    Raises:
        TypeError: It is not a timedelta.
        ValueError: It is negative.
    """
    if not isinstance(value, timedelta):
        example = f"timedelta(seconds={value})" if type(value) in {int, float} else "timedelta(seconds=60)"
        raise TypeError(f"`{name}` must be a timedelta, such as {example}, not {type(value).__name__}.")
    if value < timedelta(0):
        raise ValueError(f"`{name}` must not be negative, got {value}.")


def check_seconds(name: str, value: object) -> None:
    """Check that a value is a finite number of seconds that is not negative.

    Raises:
        TypeError: It is not a number.
        ValueError: It is negative or not finite.
    """
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"`{name}` must be a number of seconds, got {value!r}.")
    if value < 0 or not math.isfinite(value):
        raise ValueError(f"`{name}` must be 0 or more seconds, got {value}.")


@dataclass(frozen=True)
class Behavior:
    """Behavior of a `LocalServer` where the service is undocumented or sources disagree.

    There is a switch for each undocumented point, so that you can test your code with both variants.
    Defaults are the stricter variant for a client, as long as the released clients work with it.

    Args:
        status_sync: Whether `/status-sync` exists. Released clients need it, but the current
            documentation no longer lists it.
        post_reads: Whether `/status`, `/status-sync` and `/stream` accept POST besides GET.
        not_found_for: Time for which requests for a recently submitted job return 404, as if it
            had not propagated yet.
        stream_hold: When a `/stream` request waits for a chunk: `"started"`, once the job has
            left the queue; `"always"`; or `"never"`, which returns empty responses at once.
        stream_reply_limit: Maximum bytes of chunks in one `/stream` response, or None for no limit.
            The other chunks follow in the next response, also after a final status.
        output_limit: Maximum bytes of an output, or None for no limit. A job with a larger output
            is COMPLETED without output.
        timed_out: Whether jobs end as TIMED_OUT. If False, a job that exceeds its execution timeout
            or whose worker is lost is FAILED, and a job whose TTL ends in the queue is deleted.
        refuse_short_policies: Whether an `executionTimeout` under 5000 and a `ttl` under 10000
            return 400. If False, they are raised to that minimum.
        refuse_late_cancel: Whether cancelling a job that has ended returns 400. If False, the
            response contains the job's status.
        webhook_on_every_end: Whether webhooks are also called for jobs that are CANCELLED or
            TIMED_OUT, not only for COMPLETED and FAILED ones.
        openai_errors_as_200: Whether the response to a request to `/openai/v1` whose job failed is an error
            body with HTTP 200. If False, with 500.
        rate_limits: Whether requests over the documented rate limits return 429, as well as
            submissions while the queue is very long.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument is out of range.

    Example:
        ```python
        from runpod.local import Behavior, LocalServer

        behavior = Behavior(status_sync=False, stream_hold="never")
        server = LocalServer({"horse": lambda job: 1}, behavior=behavior)
        ```
    """

    # Current documentation no longer lists `/status-sync`, and does not say whether it will stay. On
    # by default, because the released JavaScript client cannot wait for a job without it.
    status_sync: bool = True

    # Documentation of 2024 lists POST besides GET, and one official client uses POST only. Whether
    # the service still accepts it is unknown. On by default, so that this client works.
    post_reads: bool = True

    # Sources disagree on whether a recently submitted job can return 404: one client retries for a
    # minute, another one treats any 404 as final. Zero by default, because no released client
    # handles it, and because a test should find a job that it has just submitted.
    not_found_for: timedelta = timedelta(0)

    # The service holds a request while there is no chunk, for 10 s by default. Of the responses
    # captured from it, however, the first was immediate, empty and IN_QUEUE; the next took about 11 s
    # and 7 s, as if held until a chunk came, or for 10 s. Both fit if requests for a job that has not
    # started are not held.
    stream_hold: Literal["always", "never", "started"] = "started"

    # Whether a response has a size limit, so that chunks remain after a final status, is
    # undocumented. The default is the limit of a request body. The released JavaScript client stops
    # at the first final status.
    stream_reply_limit: int | None = 10 * 1024 * 1024

    # The service refuses outputs over about the limits of a request body, 10 and 20 MB. The default
    # is the larger one, because no source says when the smaller one applies.
    output_limit: int | None = 20 * 1024 * 1024

    # Documentation says that a job is TIMED_OUT if it expired before a worker took it, or if its
    # worker never reported back. A user's report and a capture from the service both show FAILED
    # for a job that exceeded its execution timeout. The captured behavior is the default. It is also
    # the stricter one: clients tend to ignore that a job can be deleted.
    timed_out: bool = False

    # Whether the service refuses values below the documented minimum, or raises them, is
    # undocumented. Off by default, because the README of the released JavaScript client shows an
    # `executionTimeout` of 3000, which would be an error.
    refuse_short_policies: bool = False

    # The response for a job that has ended is undocumented. Off by default, because every client
    # cancels jobs that may just have ended, and the released ones report a 400 as an error.
    refuse_late_cancel: bool = False

    # The service calls webhooks for COMPLETED and FAILED jobs; for CANCELLED and TIMED_OUT ones, it is
    # undocumented. Off by default, so that code that relies on such a webhook fails.
    webhook_on_every_end: bool = False

    # Reports of users show both. Off by default, because with 200 the released OpenAI clients return an empty
    # completion instead of an error.
    openai_errors_as_200: bool = False

    # Documented: requests per ten seconds and concurrent requests, per endpoint (and user). Off by
    # default, because a test sends in a second what a program sends in minutes.
    rate_limits: bool = False

    def __post_init__(self) -> None:
        check_duration("not_found_for", self.not_found_for)
        for name in ("stream_reply_limit", "output_limit"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), 1, None)
        if self.stream_hold not in ("always", "never", "started"):
            raise ValueError(f'`stream_hold` must be "always", "never" or "started", got {self.stream_hold!r}.')
