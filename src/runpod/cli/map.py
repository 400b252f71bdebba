"""`map`: runs a job for each row of a file, and prints the results as they come."""

from __future__ import annotations

from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from runpod._bulk.rows import Row, SkippedRow
from runpod._protocol.encoding import encode_input
from runpod._protocol.tally import outcome_of
from runpod._sync.endpoint import internals_of
from runpod._sync.map import count_results, map_results, unfinished_jobs
from runpod.cli.connection import Connection, EndpointID, api_command
from runpod.cli.exit_status import FAILED, SUCCESS, interrupted, message_of, report
from runpod.cli.interrupts import Interrupts
from runpod.cli.jobs import (
    AllowPrivate,
    ExecutionTimeout,
    FilesOption,
    LowPriority,
    SaveOption,
    Ttl,
    Uploads,
    Webhook,
    epilog,
    policy_of,
)
from runpod.cli.json_output import OutputClosedError, Shortener, at_terminal, note, write_line
from runpod.cli.many import (
    InFlight,
    InputTemplate,
    JobTimeout,
    LibraryLog,
    OnError,
    PricePerSecond,
    RowsFormat,
    RunTimeout,
    SkippedNotes,
    counted,
    input_maker,
    library_log,
    note_ids,
    note_report,
    rows_of,
)
from runpod.cli.progress_line import ProgressLine
from runpod.cli.saving import Saved, Saver
from runpod.cli.threads import in_threads
from runpod.errors import InvalidRequestError, RunpodError
from runpod.models._base import milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from runpod import Endpoint
    from runpod._bulk.rows import RowSource
    from runpod._sync.map import JobMap
    from runpod.models.results import MapResult

Rows = Annotated[
    str,
    typer.Argument(
        metavar="ROWS", show_default=False, help="A JSONL, CSV, TSV or Parquet file, or - for standard input."
    ),
]

# How many different reasons are named why jobs could not be cancelled.
_MAX_REASONS = 3


def register(app: typer.Typer) -> None:
    """Adds the command."""
    examples = [
        "runpod-sdk map ENDPOINT_ID captions.jsonl > results.jsonl",
        """runpod-sdk map ENDPOINT_ID captions.csv --input '{"prompt": "{{caption}}"}' --in-flight 50""",
        "cat captions.jsonl | runpod-sdk map ENDPOINT_ID - --output-only | jq -r .text",
    ]
    app.command("map", epilog=epilog(examples))(api_command(map_))


def map_(
    connection: Connection,
    endpoint: EndpointID,
    rows: Rows,
    *,
    input: InputTemplate = None,
    in_flight: InFlight = 100,
    ordered: Annotated[bool, typer.Option("--ordered", help="Print the results in the order of the rows.")] = False,
    output_only: Annotated[
        bool, typer.Option("--output-only", help="Print outputs alone; what failed is named on standard error.")
    ] = False,
    save: SaveOption = None,
    allow_private: AllowPrivate = False,
    files: FilesOption = False,
    uploads: Uploads = None,
    format: RowsFormat = None,
    on_error: OnError = "raise",
    on_exit: Annotated[
        Literal["cancel", "keep"],
        typer.Option(help="What becomes of unfinished jobs after Ctrl-C, a timeout or an error."),
    ] = "cancel",
    timeout: RunTimeout = None,
    job_timeout: JobTimeout = None,
    price_per_second: PricePerSecond = None,
    execution_timeout: ExecutionTimeout = None,
    ttl: Ttl = None,
    low_priority: LowPriority = False,
    webhook: Webhook = None,
) -> int:
    """Runs a job for each row, and prints a line of JSON for each result as it comes.

    Nothing is stored: for a run that survives the end of this process, use `bulk`. The first Ctrl-C or SIGTERM
    cancels the unfinished jobs, or keeps them with --on-exit keep; the second leaves at once.
    """
    connection.uploads = uploads
    target = connection.endpoint(endpoint)
    line = ProgressLine("Reading rows", enabled=not connection.options.verbose)
    skipped = SkippedNotes(line) if on_error == "skip" else None
    inputs = _Inputs(rows_of(rows, format), input_maker(input, files=files), skipped)
    policy = policy_of(execution_timeout, ttl, low_priority=low_priority)
    saver = Saver(connection, save, allow_private=allow_private)
    run = _Run(connection, target, line, saver, output_only=output_only, is_kept=on_exit == "keep")
    session, read_output = internals_of(target)
    # Checks the options before a large file is read; the jobs are submitted once the iteration begins.
    run.results = map_results(
        session,
        target.id,
        read_output,
        inputs,
        request={"policy": policy, "webhook": webhook},
        in_flight=in_flight,
        timeout=timeout,
        job_timeout=job_timeout,
        on_exit=on_exit,
        progress=run.count,
        price_per_second=price_per_second,
        ordered=ordered,
    )
    with line:
        # Not a pipe, which can be read once only.
        total = inputs.check() if rows != "-" and Path(rows).is_file() else None
        line.begin("Running", total)
        return run.carry_out(inputs, ordered=ordered)


class _RowError(InvalidRequestError):
    """A row cannot be used."""


class _Input(dict[str, Any]):
    """The input of a row.

    Attributes:
        row: The position of the row, counted from 0. Rows that were skipped count.
    """

    __slots__ = ("row",)

    def __init__(self, columns: dict[str, Any], row: int) -> None:
        super().__init__(columns)
        self.row: int = row


class _Inputs:
    """The inputs of the rows, read anew for each iteration.

    Args:
        source: The rows.
        make: Makes an input of a row.
        skipped: Names the rows that cannot be used; None to raise an error.
    """

    def __init__(
        self, source: RowSource, make: Callable[[Row], dict[str, Any]] | None, skipped: SkippedNotes | None
    ) -> None:
        self._source, self._make, self._skipped = source, make, skipped
        self._is_checked = False

    def check(self) -> int:
        """Reads all rows once, and returns how many can be used.

        Raises:
            InvalidRequestError: A row cannot be used, or the file cannot be read.
        """
        try:
            total = sum(1 for _ in self)
        except _RowError as error:
            hint = "Nothing was submitted. Pass --on-error skip to skip such rows."
            raise InvalidRequestError(f"{error.message} {hint}") from None
        self.end()
        self._is_checked = True
        return total

    def end(self) -> None:
        """Says how many rows were skipped, if they were not all named."""
        if self._skipped is not None and not self._is_checked:
            self._skipped.end()

    def __iter__(self) -> Iterator[_Input]:
        for number, item in enumerate(self._source.items()):
            found = self._input_of(item)
            if isinstance(found, SkippedRow):
                if self._skipped is None:
                    raise _RowError(f"{found.place}: {found.problem}")
                if not self._is_checked:
                    self._skipped.add(found)
            else:
                yield _Input(found, number)

    def _input_of(self, item: Row | SkippedRow) -> dict[str, Any] | SkippedRow:
        if isinstance(item, SkippedRow):
            return item
        try:
            found = item if self._make is None else self._make(item)
            if not self._is_checked or self._skipped is not None:  # otherwise, all can be encoded
                encode_input(found)
        except InvalidRequestError as error:
            return SkippedRow(item.place, error.message)
        return found


class _Run:
    """One run of `map`."""

    def __init__(
        self,
        connection: Connection,
        target: Endpoint[Any],
        line: ProgressLine,
        saver: Saver,
        *,
        output_only: bool,
        is_kept: bool,
    ) -> None:
        self._connection, self._target, self._line, self._saver = connection, target, line, saver
        self._output_only, self._is_kept = output_only, is_kept
        self.results: JobMap[MapResult[Any]]
        self._count = self._failed = 0
        # The jobs that have ended, and whose results are not printed yet.
        self._unprinted: dict[str, None] = {}
        self._shortener = Shortener(can_save=not saver.is_on)

    def count(self, result: MapResult[Any]) -> None:
        """Counts each result as it comes, before it is printed."""
        self._line.update(result)
        self._count += 1
        self._failed += not result.succeeded
        if result.job_id is not None:
            self._unprinted[result.job_id] = None

    def carry_out(self, inputs: _Inputs, *, ordered: bool) -> int:
        """Prints all results, and returns the exit status."""
        status, problem = SUCCESS, None
        with library_log(self._line) as log:
            with Interrupts(self._stop, lambda: self._leave(log)) as interrupts:
                try:
                    with self.results:
                        self._print_all(ordered=ordered)
                except RunpodError as error:
                    self._line.end()
                    status = report(error)
                except (OutputClosedError, OSError) as error:  # the output cannot be written
                    problem = error
            self._line.end()
            status = interrupts.status or status
            self._note_end(log, inputs)
            unsaved = self._saver.end()
        if problem is not None:
            raise problem
        return status or (FAILED if self._failed else unsaved)

    def _print_all(self, *, ordered: bool) -> None:
        try:
            if self._saver.is_on:
                with closing(in_threads(self._save, self.results, ordered=ordered)) as pairs:
                    for result, saved in pairs:
                        self._print(result, saved)
            else:
                for result in self.results:
                    self._print(result, Saved(result.output))
        except RunpodError:  # some are an OSError as well
            raise
        except (OutputClosedError, OSError):
            jobs, submitting = unfinished_jobs(self.results)
            if number := len(jobs) + submitting:
                self._line.end()
                note(f"The output cannot be written any more. {self._fate(number)}")
            raise

    def _save(self, result: MapResult[Any]) -> Saved:
        return self._saver.save(result.output, f"{result.input.row:04}-")

    def _print(self, result: MapResult[Any], saved: Saved) -> None:
        self._write(result, saved)
        if result.job_id is not None:
            self._unprinted.pop(result.job_id, None)

    def _write(self, result: MapResult[Any], saved: Saved) -> None:
        if self._output_only and not result.succeeded:
            with self._line.hidden():
                note(f"Row {result.input.row}: {'' if result.error is None else message_of(result.error)}")
            return
        if self._output_only:
            if result.state is None or not result.state.has_output:
                return
            value = saved.output
        else:
            value = saved.added_to(_line_of(result))
        with self._line.hidden() if at_terminal() or saved.problems else nullcontext():
            write_line(value, self._shortener)
            self._saver.note(saved, f"Row {result.input.row}: ")

    def _stop(self) -> None:
        """Ends the run at the first signal."""
        jobs, submitting = unfinished_jobs(self.results)
        self._line.end()
        fate = self._fate(len(jobs) + submitting)
        interrupted(f"Interrupted. {fate}{self._saver.rest} Press Ctrl-C again to leave at once.")
        self.results.close()

    def _fate(self, number: int) -> str:
        jobs = counted(number, "unfinished job")
        if self._is_kept:
            return f"{jobs} {'goes' if number == 1 else 'go'} on."
        return f"{jobs} {'is' if number == 1 else 'are'} being cancelled."

    def _leave(self, log: LibraryLog) -> None:
        """Says what is left at the second signal."""
        self._line.end()
        jobs, submitting = unfinished_jobs(self.results)
        interrupted("Interrupted again.")
        self._note_left(log, jobs)
        if submitting:
            note(f"{counted(submitting, 'request')} under way may have submitted more.")
        count_results(self.results)
        if unprinted := list(self._unprinted):  # their files are being saved
            hint = self._connection.options.command("wait", self._target.id, "JOB")
            note_ids(f"{counted(len(unprinted), 'result')} not printed (to get one: {hint})", unprinted)

    def _note_left(self, log: LibraryLog, unfinished: Iterable[str] = ()) -> None:
        jobs = dict.fromkeys([*log.jobs["left"], *unfinished])
        if jobs:
            hint = self._connection.options.command("cancel", self._target.id, "JOB")
            one = len(jobs) == 1
            what = ("goes on" if one else "go on") if self._is_kept else f"{'was' if one else 'were'} not cancelled"
            note_ids(f"{counted(len(jobs), 'job')} {what} (to cancel one: {hint})", jobs)
        for reason in list(log.reasons)[:_MAX_REASONS]:
            note(f"The cancellation failed: {reason}")

    def _note_end(self, log: LibraryLog, inputs: _Inputs) -> None:
        inputs.end()
        if cancelled := len(log.jobs["cancelled"]):
            note(f"{counted(cancelled, 'unfinished job')} {'was' if cancelled == 1 else 'were'} cancelled.")
        if ended := log.jobs["ended"]:
            note_ids(f"{counted(len(ended), 'job')} had ended just before the cancellation", ended)
        self._note_left(log)
        self._shortener.note()
        if self._failed:
            note(f"{self._failed:,} of {counted(self._count, 'row')} did not succeed.")
        note_report(self._connection, lambda: self.results.report)


def _line_of(result: MapResult[Any]) -> dict[str, Any]:
    """A result as a line of JSON, like those of a bulk run."""
    state, error = result.state, result.error
    fields: dict[str, Any] = {"index": result.input.row, "status": _status_of(result), "job_id": result.job_id}
    if result.succeeded:
        if state is not None and state.has_output:
            fields["output"] = result.output
    elif state is not None and state.error is not None:
        fields["error"] = state.error
    elif error is not None:
        fields["error"] = message_of(error)
    queued, running = (None, None) if state is None else (state.delay_time, state.execution_time)
    for name, span in (("queued_ms", queued), ("running_ms", running)):
        fields[name] = None if span is None else milliseconds(span)
    return fields


def _status_of(result: MapResult[Any]) -> str:
    outcome = outcome_of(result)
    if outcome in {"in_doubt", "expired"}:
        return "DOUBTFUL" if outcome == "in_doubt" else "EXPIRED"
    if result.state is not None:
        return str(result.state.status)
    return "FAILED" if result.job_id is None else "IN_QUEUE"
