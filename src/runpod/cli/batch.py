"""`batch`: the service runs the rows of a file when it has room. Experimental."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runpod._bulk.rows import SkippedRow
from runpod._protocol.encoding import encode_input
from runpod.cli.confirmation import Yes, confirmed
from runpod.cli.connection import CallTimeout, Connection, EndpointID, WaitTimeout, api_command, call_timeout
from runpod.cli.exit_status import FAILED, INTERRUPTED, SUCCESS, interrupted, report
from runpod.cli.jobs import AllowPrivate, FilesOption, SaveOption, Uploads, epilog
from runpod.cli.json_output import Shortener, at_terminal, note, wire_json, write_json, write_line, write_table
from runpod.cli.many import InputTemplate, OnError, RowsFormat, SkippedNotes, counted, input_maker, rows_of
from runpod.cli.progress_line import ProgressLine
from runpod.cli.saving import Saver
from runpod.cli.status_line import StatusLine
from runpod.errors import InvalidRequestError, RunpodTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from runpod import Batch, BatchResult, BatchState
    from runpod._bulk.rows import Row, RowSource

BatchID = Annotated[str, typer.Argument(metavar="BATCH", help="ID of the batch.", show_default=False)]
Key = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        show_default=False,
        help="Field of each input that has a key of yours. Results have it, if the handler returns it in its output.",
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    batch = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    create_example = "runpod-sdk batch create ENDPOINT_ID captions.jsonl --key id --wait"
    results_example = "runpod-sdk batch results ENDPOINT_ID BATCH_ID --key id > results.jsonl"
    batch.callback(epilog=epilog([create_example, results_example]))(_batch)
    for name, function, examples in (
        (
            "create",
            create,
            [
                create_example,
                "cat captions.jsonl | runpod-sdk batch create ENDPOINT_ID - --no-finalize | jq -r .id",
                """runpod-sdk batch create ENDPOINT_ID captions.csv --input '{"prompt": "{{caption}}"}' --name captions""",
            ],
        ),
        ("finalize", finalize, ["runpod-sdk batch finalize ENDPOINT_ID BATCH_ID"]),
        ("status", status, ["runpod-sdk batch status ENDPOINT_ID BATCH_ID | jq .requestCompleted"]),
        ("wait", wait, ["runpod-sdk batch wait ENDPOINT_ID BATCH_ID --timeout 7200"]),
        ("list", list_, ["runpod-sdk batch list ENDPOINT_ID | jq -r '.batches[0].id'"]),
        ("results", results, [results_example]),
        ("cancel", cancel, ["runpod-sdk batch cancel ENDPOINT_ID BATCH_ID --yes"]),
    ):
        batch.command(name, epilog=epilog(examples))(api_command(function))
    app.add_typer(batch, name="batch")


def _batch() -> None:
    """Batches, whose requests the service runs when it has room. Experimental."""


def create(
    connection: Connection,
    endpoint: EndpointID,
    rows: Annotated[
        str,
        typer.Argument(
            metavar="ROWS", show_default=False, help="A JSONL, CSV, TSV or Parquet file, or - for standard input."
        ),
    ],
    *,
    input: InputTemplate = None,
    name: Annotated[str | None, typer.Option(help="Display name of the batch.", show_default=False)] = None,
    key: Key = None,
    finalize: Annotated[
        bool, typer.Option("--finalize/--no-finalize", help="Start the batch, or leave it as a draft.")
    ] = True,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all its requests have ended.")] = False,
    files: FilesOption = False,
    uploads: Uploads = None,
    format: RowsFormat = None,
    on_error: OnError = "raise",
    max_requests: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many rows are accepted, if your account allows more.")
    ] = 5000,
    timeout: WaitTimeout = None,
) -> int:
    """Creates a batch of the rows of a file, starts it, and prints its state.

    All rows are checked before anything is sent. If something goes wrong afterwards, the message has the ID.
    """
    if wait and not finalize:
        raise typer.BadParameter("a draft does not run; pass only one of --no-finalize and --wait.")
    if timeout is not None and not wait:
        raise typer.BadParameter("--timeout is for --wait, which is missing.")
    connection.uploads = uploads
    target = connection.endpoint(endpoint)
    line = ProgressLine("Creating the batch", enabled=not connection.options.verbose)
    skipped = SkippedNotes(line) if on_error == "skip" else None
    inputs = _inputs(rows_of(rows, format), input_maker(input, files=files), skipped)
    if finalize:
        inputs = _not_empty(inputs)
    try:
        with line:
            batch = target.batches.create(inputs, name=name, key=key, max_requests=max_requests)
    except KeyboardInterrupt:
        hint = connection.options.command("batch", "list", target.id)
        interrupted(f"Interrupted. Nothing runs; a draft may have been created: {hint}")
        return INTERRUPTED
    if skipped is not None:
        skipped.end()
    if finalize:
        with _naming(connection, batch, "finalize", ", and may have been started"):
            batch.finalize()
    if wait:
        return _wait(connection, batch, timeout)
    _write_state(batch.state)
    return SUCCESS


def _inputs(
    source: RowSource, make: Callable[[Row], dict[str, Any]] | None, skipped: SkippedNotes | None
) -> Iterator[dict[str, Any]]:
    for item in source.items():
        problem = item
        if not isinstance(item, SkippedRow):
            try:
                found = item if make is None else make(item)
                encode_input(found)
            except InvalidRequestError as error:
                problem = SkippedRow(item.place, error.message)
            else:
                yield found
                continue
        assert isinstance(problem, SkippedRow)
        if skipped is None:
            hint = "Nothing was submitted. Pass --on-error skip to skip such rows."
            raise InvalidRequestError(f"{problem.place}: {problem.problem} {hint}")
        skipped.add(problem)


def _not_empty(inputs: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The inputs. Without any, there is nothing to start, and the draft would be one of the few that an endpoint can have."""
    first = next(inputs, None)
    if first is None:
        raise InvalidRequestError("There are no rows. Nothing was submitted.")
    yield first
    yield from inputs


def finalize(connection: Connection, endpoint: EndpointID, batch: BatchID, *, timeout: CallTimeout = None) -> int:
    """Starts a draft, and prints its state. A batch that runs already is not changed."""
    handle = _handle(connection, endpoint, batch)
    with _naming(connection, handle, "finalize", ", and may have been started"):
        state = handle.finalize(timeout=call_timeout(timeout))
    _write_state(state)
    return SUCCESS


def status(connection: Connection, endpoint: EndpointID, batch: BatchID, *, timeout: CallTimeout = None) -> int:
    """Prints the state of a batch.

    The exit status is 0 whatever the state is.
    """
    _write_state(_handle(connection, endpoint, batch).refresh(timeout=call_timeout(timeout)))
    return SUCCESS


def wait(connection: Connection, endpoint: EndpointID, batch: BatchID, *, timeout: WaitTimeout = None) -> int:
    """Waits until all requests of a batch have ended, and prints its state.

    The exit status is 0 if all of them have completed.
    """
    return _wait(connection, _handle(connection, endpoint, batch), timeout)


def list_(connection: Connection, endpoint: EndpointID, *, timeout: CallTimeout = None) -> int:
    """Prints the batches of an endpoint, newest first."""
    states = [each.state for each in connection.endpoint(endpoint).batches.list(timeout=call_timeout(timeout))]
    if at_terminal():
        columns = ("ID", "Name", "Status", "Requests", "Completed", "Failed", "Created")
        write_table(f"Batches of {endpoint}", columns, [_row(state) for state in states])
    else:
        write_json({"batches": [wire_json(state) for state in states]})
    return SUCCESS


def results(
    connection: Connection,
    endpoint: EndpointID,
    batch: BatchID,
    *,
    key: Key = None,
    page_size: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many to request at once; fewer if outputs are large.")
    ] = 100,
    save: SaveOption = None,
    allow_private: AllowPrivate = False,
    timeout: CallTimeout = None,
) -> int:
    """Prints a line of JSON for each request of a batch, in no particular order.

    The exit status is 0 if all of them have completed.
    """
    saver = Saver(connection, save, allow_private=allow_private)
    shortener = Shortener(can_save=not saver.is_on)
    handle = connection.endpoint(endpoint).batches.get(batch, key=key)
    count = failed = 0
    for result in handle.results(page_size=page_size, timeout=call_timeout(timeout)):
        saved = saver.save(result.output, f"{count:04}-")
        write_line(saved.added_to(_line_of(result)), shortener)
        saver.note(saved, f"Request {result.id}: ")
        if saved.is_interrupted:
            raise KeyboardInterrupt
        count += 1
        failed += not result.succeeded
    shortener.note()
    unsaved = saver.end()
    if failed:
        note(f"{failed:,} of {counted(count, 'request')} have not completed.")
    return FAILED if failed else unsaved


def cancel(
    connection: Connection, endpoint: EndpointID, batch: BatchID, *, yes: Yes = False, timeout: CallTimeout = None
) -> int:
    """Cancels a batch: drops its queued requests, and prints its state.

    Requests that run are completed, and billed. Asks at a terminal; without one, --yes is needed.
    """
    handle = _handle(connection, endpoint, batch)
    if not confirmed(f"drop the queued requests of batch {handle.id!r}", "Nothing was cancelled.", yes=yes):
        return FAILED
    _write_state(handle.cancel(timeout=call_timeout(timeout)))
    return SUCCESS


def _handle(connection: Connection, endpoint: str, batch: str) -> Batch[Any]:
    return connection.endpoint(endpoint).batches.get(batch)


def _wait(connection: Connection, batch: Batch[Any], timeout: Any) -> int:
    with _naming(connection, batch, "wait"), StatusLine(enabled=not connection.options.verbose) as line:
        line.show(f"Waiting for batch {batch.id}")
        try:
            state = batch.wait(timeout=timeout)
        except RunpodTimeoutError as error:
            found = report(error)
            note(f"To go on: {connection.options.command('batch', 'wait', batch.endpoint_id, batch.id)}")
            return found
    _write_state(state)
    is_good = state.status not in {"FAILED", "CANCELLED"} and not state.request_failed
    return SUCCESS if is_good else FAILED


@contextmanager
def _naming(connection: Connection, batch: Batch[Any], command: str, doubt: str = "") -> Generator[None, None, None]:
    """Says after Ctrl-C what is not known of the batch, and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        again = connection.options.command("batch", command, batch.endpoint_id, batch.id)
        interrupted(f"Interrupted. The batch is {batch.id}{doubt}. To go on: {again}")
        raise typer.Exit(INTERRUPTED) from None


def _write_state(state: BatchState) -> None:
    if at_terminal():
        fields = wire_json(state, exclude_unset=False) | {"createdAt": _created(state)}
        write_table(
            "Batch", ("Field", "Value"), [(key, "" if value is None else str(value)) for key, value in fields.items()]
        )
    else:
        write_json(wire_json(state))


def _created(state: BatchState) -> str | None:
    return None if state.created_at is None else state.created_at.strftime("%Y-%m-%d %H:%M:%S")


def _row(state: BatchState) -> tuple[str, ...]:
    counts = state.request_total, state.request_completed, state.request_failed
    cells = (state.id, state.name, state.status, *counts, _created(state))
    return tuple("" if cell is None else str(cell) for cell in cells)


def _line_of(result: BatchResult[Any]) -> dict[str, Any]:
    """A result as a line of JSON."""
    fields: dict[str, Any] = {"id": result.id, "status": str(result.status)}
    if result.key is not None:
        fields = {"key": result.key, **fields}
    if result.state.has_output and result.succeeded:
        fields["output"] = result.output
    elif result.state.error is not None:
        fields["error"] = result.state.error
    moments = ("started_at", result.started_at), ("completed_at", result.completed_at)
    return fields | {name: None if moment is None else moment.isoformat() for name, moment in moments}
