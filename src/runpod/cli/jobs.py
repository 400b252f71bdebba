"""Commands about jobs: run, status, wait, stream, cancel, retry."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runpod import ExecutionPolicy
from runpod.cli.connection import (
    CallTimeout,
    Connection,
    EndpointID,
    JobID,
    WaitTimeout,
    api_command,
    call_timeout,
    seconds,
)
from runpod.cli.exit_status import FAILED, INTERRUPTED, SUCCESS, exit_status, interrupted, report
from runpod.cli.job_input import read_input
from runpod.cli.json_output import Shortener, note, state_json, write_json, write_line
from runpod.cli.saving import Saver
from runpod.cli.status_line import StatusLine
from runpod.errors import JobError, RunpodError, RunpodTimeoutError
from runpod.models.jobs import job_failure

if TYPE_CHECKING:
    from collections.abc import Generator

    from runpod import Endpoint, Job, JobState

OutputOnly = Annotated[
    bool, typer.Option("--output-only", help="Print the output of the job alone. Without one, print nothing.")
]
SaveOption = Annotated[
    Path | None,
    typer.Option(
        "--save",
        metavar="DIR",
        show_default=False,
        help="Save pictures, sound, video and other files of outputs in this folder, and print their paths instead.",
    ),
]
Uploads = Annotated[
    str | None,
    typer.Option(
        metavar="BUCKET",
        envvar="RUNPOD_UPLOADS",
        show_default=False,
        help="Store files from 5 MB on in this bucket, and send their URLs: BUCKET/PREFIX, or VOLUME@DATACENTER for a "
        "network volume. Needs the extra s3, and what boto3 finds, such as AWS_ACCESS_KEY_ID.",
    ),
]
AllowPrivate = Annotated[
    bool,
    typer.Option("--allow-private", help="With --save: download also from private addresses, such as 10.0.0.1."),
]
FilesOption = Annotated[
    bool,
    typer.Option(
        "--files",
        help='Send the files that values such as "@horse.png" name, also in rows. Use it for rows that you trust.',
    ),
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Print the ID and the status, and do not wait.")]
ExecutionTimeout = Annotated[
    timedelta | None, seconds(help="Maximum run time of a job on a worker.", show_default=False)
]
Ttl = Annotated[
    timedelta | None, seconds(help="Maximum lifetime of a job, with its time in the queue.", show_default=False)
]
LowPriority = Annotated[bool, typer.Option("--low-priority", help="Do not start more workers for it.")]
Webhook = Annotated[str | None, typer.Option(metavar="URL", help="URL to call when a job ends.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for name, function, examples in (
        ("run", run, _RUN_EXAMPLES),
        ("status", status, ["runpod-sdk status ENDPOINT_ID JOB_ID"]),
        ("wait", wait, ["runpod-sdk wait ENDPOINT_ID JOB_ID --timeout 600 --output-only"]),
        (
            "stream",
            stream,
            ["runpod-sdk stream ENDPOINT_ID JOB_ID", "runpod-sdk stream ENDPOINT_ID JOB_ID | jq -r .text"],
        ),
        ("cancel", cancel, ["runpod-sdk cancel ENDPOINT_ID JOB_ID"]),
        ("retry", retry, ["runpod-sdk retry ENDPOINT_ID JOB_ID"]),
    ):
        app.command(name, epilog=epilog(examples))(api_command(function))


def epilog(examples: list[str]) -> str:
    """The end of the help of a command."""
    # \b: keep the line breaks.
    return "\b\nExamples:\n" + "\n".join(f"  {each}" for each in examples)


def policy_of(
    execution_timeout: timedelta | None, ttl: timedelta | None, *, low_priority: bool
) -> ExecutionPolicy | None:
    """The policy that options describe, or None for the defaults of the endpoint."""
    if not (execution_timeout or ttl or low_priority):
        return None
    return ExecutionPolicy(execution_timeout=execution_timeout, ttl=ttl, low_priority=low_priority or None)


_RUN_EXAMPLES = [
    """runpod-sdk run ENDPOINT_ID '{"prompt": "a horse"}'""",
    "runpod-sdk run ENDPOINT_ID @input.json --timeout 600 --output-only > output.json",
    """echo '{"prompt": "a horse"}' | runpod-sdk run ENDPOINT_ID - --no-wait""",
]


def run(
    connection: Connection,
    endpoint: EndpointID,
    input: Annotated[
        str | None,
        typer.Argument(
            metavar="INPUT",
            show_default=False,
            help="The handler's input, a JSON object; @FILE, or - for standard input.",
        ),
    ] = None,
    *,
    no_wait: NoWait = False,
    output_only: OutputOnly = False,
    save: SaveOption = None,
    allow_private: AllowPrivate = False,
    files: FilesOption = False,
    uploads: Uploads = None,
    timeout: WaitTimeout = None,
    execution_timeout: ExecutionTimeout = None,
    ttl: Ttl = None,
    low_priority: LowPriority = False,
    webhook: Webhook = None,
) -> int:
    """Submits a job, waits until it ends, and prints its final state.

    In INPUT, a value "@horse.png" is that file, and "@@horse" the text @horse; from standard input with --files only.

    If waiting is interrupted or times out, the job goes on; the message has the command to go on waiting.
    """
    connection.uploads = uploads
    target = connection.endpoint(endpoint)
    job_input = read_input(input, files=files)
    policy = policy_of(execution_timeout, ttl, low_priority=low_priority)
    return submit_and_wait(
        connection,
        target,
        {"input": job_input, "policy": policy, "webhook": webhook},
        timeout=timeout,
        no_wait=no_wait,
        output_only=output_only,
        save=save,
        allow_private=allow_private,
    )


def submit_and_wait(
    connection: Connection,
    target: Endpoint[Any],
    request: dict[str, Any],
    *,
    timeout: timedelta | None,
    no_wait: bool,
    output_only: bool,
    save: Path | None,
    allow_private: bool,
) -> int:
    """Submits a job and waits for it, unless told not to. Returns the exit status.

    Args:
        connection: The client.
        target: The endpoint.
        request: The arguments of its `run`.
        timeout: For both.
        no_wait: Whether to print the ID and the status only.
        output_only: Whether to print the output only.
        save: Where to save the media of the output.
        allow_private: Whether they can be downloaded from private addresses.
    """
    for option in ["--output-only"] * output_only + ["--save"] * (save is not None):
        if no_wait:
            raise typer.BadParameter(f"there is no output without waiting; pass only one of --no-wait and {option}.")
    saver = Saver(connection, save, allow_private=allow_private)
    start = time.monotonic()
    line = StatusLine(enabled=not connection.options.verbose)
    try:
        with line:
            job = target.run(**request, timeout=call_timeout(timeout))
    except KeyboardInterrupt:
        interrupted("Interrupted while the job was submitted: it may run, without its ID being known.")
        return INTERRUPTED
    except RunpodError as error:
        if error.job_id is None:
            raise
        # The ID could be read from a broken response.
        status = report(error)
        note(f"Job {error.job_id} may go on: {connection.options.command('wait', target.id, error.job_id)}")
        return status
    if no_wait:
        write_json({"id": job.id, "status": str(job.status)})
        return SUCCESS
    left = None if timeout is None else max(timeout.total_seconds() - (time.monotonic() - start), 0.001)
    return _wait(connection, job, left, line, output_only=output_only, saver=saver)


def status(connection: Connection, endpoint: EndpointID, job: JobID, *, timeout: CallTimeout = None) -> int:
    """Prints the state of a job.

    The exit status is 0 whatever the state is.
    """
    write_json(state_json(connection.endpoint(endpoint).status(job, timeout=call_timeout(timeout))))
    return SUCCESS


def wait(
    connection: Connection,
    endpoint: EndpointID,
    job: JobID,
    *,
    timeout: WaitTimeout = None,
    output_only: OutputOnly = False,
    save: SaveOption = None,
    allow_private: AllowPrivate = False,
) -> int:
    """Waits until a job ends, and prints its final state."""
    handle = connection.endpoint(endpoint).job(job)
    line = StatusLine(enabled=not connection.options.verbose)
    saver = Saver(connection, save, allow_private=allow_private)
    return _wait(connection, handle, timeout, line, output_only=output_only, saver=saver)


def stream(
    connection: Connection,
    endpoint: EndpointID,
    job: JobID,
    *,
    timeout: WaitTimeout = None,
    save: SaveOption = None,
    allow_private: AllowPrivate = False,
) -> int:
    """Prints the values that a handler yields, as they come.

    Each value is one line of JSON. The service sends each value only once.
    """
    handle = connection.endpoint(endpoint).job(job)
    saver = Saver(connection, save, allow_private=allow_private)
    shortener = Shortener(can_save=not saver.is_on)
    with (
        _explaining(connection, handle) as outcome,
        StatusLine(enabled=not connection.options.verbose) as line,
        handle.stream(timeout=timeout) as chunks,
    ):
        for chunk in chunks:
            saved = saver.save(chunk.output)
            with line.hidden():
                write_line(saved.output, shortener)
                saver.note(saved)
            if saved.is_interrupted:
                raise KeyboardInterrupt
    shortener.note()
    return saver.end() if outcome.status == SUCCESS else outcome.status


def cancel(connection: Connection, endpoint: EndpointID, job: JobID, *, timeout: CallTimeout = None) -> int:
    """Cancels a job, and prints its state.

    A job that has ended is not changed.
    """
    write_json(state_json(connection.endpoint(endpoint).cancel(job, timeout=call_timeout(timeout))))
    return SUCCESS


def retry(connection: Connection, endpoint: EndpointID, job: JobID, *, timeout: CallTimeout = None) -> int:
    """Requeues a job that failed or timed out.

    It keeps its ID and loses its result. Prints its state.
    """
    write_json(state_json(connection.endpoint(endpoint).retry(job, timeout=call_timeout(timeout))))
    return SUCCESS


def _wait(
    connection: Connection,
    job: Job[Any],
    timeout: float | timedelta | None,
    line: StatusLine,
    *,
    output_only: bool,
    saver: Saver,
) -> int:
    with _explaining(connection, job) as outcome:
        with line:
            state = _final_state(job, timeout, line)
            if saver.is_on:
                line.show("Saving")
            saved = saver.save(state.output)
        if not output_only:
            write_json(saved.added_to(state_json(state)), can_save=not saver.is_on)
        elif state.succeeded and state.has_output:
            write_json(saved.output, can_save=not saver.is_on)
        saver.note(saved)
        if saved.is_interrupted:
            again = connection.options.command("wait", job.endpoint_id, job.id, "--save", str(saver.folder))
            interrupted(f"Interrupted. The job has ended. To save what is missing: {again}")
            return INTERRUPTED
        failure = job_failure(state, job.endpoint_id)
        if failure is not None:
            raise failure
        return saver.end()
    return outcome.status


def _final_state(job: Job[Any], timeout: float | timedelta | None, line: StatusLine) -> JobState[Any]:
    if not line.shown:
        return job.wait(timeout=timeout)
    with job.watch(timeout=timeout) as states:
        for state in states:
            line.update(state)
    return job.state


class _Outcome:
    status: int = SUCCESS


@contextmanager
def _explaining(connection: Connection, job: Job[Any]) -> Generator[_Outcome, None, None]:
    """Reports what ends a wait, and what becomes of the job."""
    outcome = _Outcome()
    words = job.endpoint_id, job.id
    wait, cancel = (connection.options.command(name, *words) for name in ("wait", "cancel"))
    try:
        yield outcome
    except KeyboardInterrupt:
        interrupted()
        note(f"Job {job.id} goes on: {wait}; or cancel it: {cancel}")
        outcome.status = INTERRUPTED
    except RunpodTimeoutError as error:
        outcome.status = report(error)
        note(f"Job {job.id} goes on: {wait}; or cancel it: {cancel}")
    except RunpodError as error:
        outcome.status = report(error)
        if not isinstance(error, JobError) and exit_status(error) > FAILED:
            note(f"Job {job.id} may go on: {wait}")
