"""`bulk`: runs the rows of a file in a run file, which survives the end of the process."""

from __future__ import annotations

from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from runpod._bulk.formats import Format
from runpod._bulk.report import report_of
from runpod._bulk.resubmit import RESUBMITTED, unfinished
from runpod._bulk.run_file import RunFile
from runpod._sync.bulk import BulkRun
from runpod._sync.map import unfinished_jobs
from runpod.cli.connection import Connection, EndpointID, api_command
from runpod.cli.exit_status import FAILED, INTERRUPTED, SUCCESS, interrupted, report
from runpod.cli.interrupts import Interrupts
from runpod.cli.jobs import (
    AllowPrivate,
    ExecutionTimeout,
    FilesOption,
    LowPriority,
    SaveOption,
    Ttl,
    Webhook,
    epilog,
    policy_of,
)
from runpod.cli.json_output import at_terminal, counts_rows, note, write_json, write_table, write_text
from runpod.cli.many import (
    MAX_LISTED,
    InFlight,
    InputTemplate,
    JobTimeout,
    OnError,
    PricePerSecond,
    RowsFormat,
    RunTimeout,
    SkippedNotes,
    counted,
    input_maker,
    library_log,
    note_report,
    option_words,
    rows_of,
)
from runpod.cli.progress_line import ProgressLine
from runpod.cli.results_output import check_output, save_results, write_output
from runpod.cli.saved_files import SavedFiles
from runpod.cli.saving import Saver
from runpod.errors import RunpodError

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod._bulk.adder import Added
    from runpod._bulk.results import BulkResult
    from runpod._sync.map import JobMap


class Status(str, Enum):
    """The status of a row, as in the results."""

    PENDING = "PENDING"
    IN_QUEUE = "IN_QUEUE"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"
    DOUBTFUL = "DOUBTFUL"
    EXPIRED = "EXPIRED"


# How is said what --resubmit submits again.
_PROBLEMS = {
    "doubtful": "in doubt: each may have been submitted, and could run twice",
    "expired": "expired: the results were gone before they were received",
    "failed": "failed",
}
_DEFAULT_IN_FLIGHT = 100

Database = Annotated[str, typer.Option("--db", metavar="FILE", help="The run file.", show_default=False)]
ResultsFormat = Annotated[
    Format | None,
    typer.Option("--format", help="Format; by default that of the suffix, or jsonl for -.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    bulk = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    run_example = "runpod-sdk bulk run ENDPOINT_ID captions.jsonl --db captions.sqlite --key id"
    bulk.callback(epilog=epilog([run_example, "runpod-sdk bulk status --db captions.sqlite"]))(_bulk)
    examples = [
        f"{run_example} --in-flight 200",
        "runpod-sdk bulk run ENDPOINT_ID --db captions.sqlite     # goes on after a crash",
        "runpod-sdk bulk run ENDPOINT_ID --db captions.sqlite --resubmit failed --out results.jsonl",
        """runpod-sdk bulk run ENDPOINT_ID captions.csv --db captions.sqlite --key id --input '{"prompt": "{{caption}}"}'""",
    ]
    bulk.command("run", epilog=epilog(examples))(api_command(run))
    examples = [
        "runpod-sdk bulk status --db captions.sqlite",
        "runpod-sdk bulk status --db captions.sqlite | jq .counts",
    ]
    bulk.command("status", epilog=epilog(examples))(status)
    examples = [
        "runpod-sdk bulk export --db captions.sqlite --out results.csv",
        "runpod-sdk bulk export --db captions.sqlite --out - --status FAILED --status TIMED_OUT | jq -r .key",
        "runpod-sdk bulk export --db pictures.sqlite --out results.jsonl --save pictures",
    ]
    bulk.command("export", epilog=epilog(examples))(api_command(export))
    app.add_typer(bulk, name="bulk")


def _bulk() -> None:
    """Runs of many rows in one file, which survive the end of the process."""


def run(
    connection: Connection,
    endpoint: EndpointID,
    rows: Annotated[
        str | None,
        typer.Argument(
            metavar="ROWS",
            show_default=False,
            help="A JSONL, CSV, TSV or Parquet file, or - for standard input. Not needed to go on with a run file.",
        ),
    ] = None,
    *,
    db: Annotated[
        str, typer.Option("--db", metavar="FILE", help="The run file; created if it is missing.", show_default=False)
    ],
    key: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            show_default=False,
            help="Column that identifies a row, text or whole numbers. By default the number of the row.",
        ),
    ] = None,
    input: InputTemplate = None,
    in_flight: InFlight = _DEFAULT_IN_FLIGHT,
    format: RowsFormat = None,
    on_error: OnError = "raise",
    resubmit: Annotated[
        Literal["doubtful", "expired", "failed"] | None,
        typer.Option(help="Submit rows again: those in doubt, which may run twice, or that expired or failed."),
    ] = None,
    resubmit_key: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="Submit the row with this key again. Can be repeated.", show_default=False),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="Where to write the results when all jobs have ended: .jsonl, .csv, .tsv or .parquet; or - .",
        ),
    ] = None,
    save: SaveOption = None,
    allow_private: AllowPrivate = False,
    files: FilesOption = False,
    timeout: RunTimeout = None,
    job_timeout: JobTimeout = None,
    price_per_second: PricePerSecond = None,
    execution_timeout: ExecutionTimeout = None,
    ttl: Ttl = None,
    low_priority: LowPriority = False,
    webhook: Webhook = None,
) -> int:
    """Adds rows to a run file and runs them, or goes on with a run file after the end of its process.

    Every row, job and result is stored, so that the same command goes on after a crash, at any moment, and submits
    nothing twice. Rows whose key is known are not added again. After Ctrl-C or SIGTERM, the jobs go on, and the next run
    waits for them.
    """
    if resubmit is not None and resubmit_key:
        raise typer.BadParameter("pass only one of --resubmit and --resubmit-key.")
    if rows is None and (unused := option_words(key=key, input=input, format=format)):
        raise typer.BadParameter(f"{unused[0]} is for ROWS, which are missing.")
    target = connection.endpoint(endpoint)
    source = None if rows is None else rows_of(rows, format)
    make_input = input_maker(input, files=files)
    saved = SavedFiles(Saver(connection, save, allow_private=allow_private))
    if out is not None:
        check_output(out, None, db)
    policy = policy_of(execution_timeout, ttl, low_priority=low_priority)
    options = option_words(
        in_flight=None if in_flight == _DEFAULT_IN_FLIGHT else in_flight,
        out=out,
        save=save,
        allow_private=allow_private,
        timeout=timeout,
        job_timeout=job_timeout,
        price_per_second=price_per_second,
        execution_timeout=execution_timeout,
        ttl=ttl,
        low_priority=low_priority,
        webhook=webhook,
    )
    # The command that goes on with the run file.
    command = partial(connection.options.command, "bulk", "run", target.id, "--db", db, *options)
    line = ProgressLine("Adding rows", enabled=not connection.options.verbose)
    begun = False
    try:
        with library_log(line), BulkRun(db, create=rows is not None) as file:
            # Checks the options and the endpoint before rows are added; nothing is submitted before the iteration
            # begins.
            results = file.run(
                target,
                in_flight=in_flight,
                resubmit=resubmit_key or resubmit,
                policy=policy,
                webhook=webhook,
                timeout=timeout,
                job_timeout=job_timeout,
                price_per_second=price_per_second,
            )
            with line:
                if source is not None:
                    _note_added(file.add(source, key=key, input=make_input, on_error=on_error), line)
                line.begin("Running", unfinished(file.counts, resubmit_key or resubmit))
                begun = True
                found = _run(results, line, command, saved)
            line.end()
            _note_end(connection, file, command, is_over=found == SUCCESS)
            if found != SUCCESS:
                return found
            if out is not None:
                write_output(db, out, saved=saved)
            elif saved.saver.is_on:
                save_results(db, saved)  # those whose process ended before they were saved
            unsaved = saved.end()
            counts = file.counts
            return unsaved if counts["COMPLETED"] == sum(counts.values()) else FAILED
    except KeyboardInterrupt:
        if begun:
            raise
        line.end()
        interrupted("Interrupted. Nothing was submitted.")
        return INTERRUPTED


def _note_added(added: Added, line: ProgressLine) -> None:
    skipped = SkippedNotes(line)
    for row in added.skipped:
        skipped.add(row)
    skipped.end(added.skipped_count)
    with line.hidden():
        note(f"{counted(added.added, 'row')} added, {added.known:,} known, {added.skipped_count:,} skipped.")


def _run(results: JobMap[BulkResult], line: ProgressLine, command: Callable[..., str], saved: SavedFiles) -> int:
    """Runs all rows, and returns the exit status of what ended the run, if it did not come to its end."""

    def stop() -> None:
        line.end()
        _, submitting = unfinished_jobs(results)
        requests = f" Waiting for {counted(submitting, 'request')} under way, to store" if submitting else ""
        wait = f"{requests} {'its job ID' if submitting == 1 else 'their job IDs'}." if submitting else ""
        interrupted(
            f"Interrupted. No more rows are submitted.{wait}{saved.saver.rest} Press Ctrl-C again to leave at once."
        )
        results.close()

    def leave() -> None:
        line.end()
        _, submitting = unfinished_jobs(results)
        doubt = f" {counted(submitting, 'row')} whose request was under way will be in doubt." if submitting else ""
        interrupted(f"Interrupted again.{doubt} Submitted jobs go on. To go on: {command()}")

    found = SUCCESS
    with Interrupts(stop, leave) as interrupts:
        try:
            with results:
                for result, media in saved.save_all(results):
                    line.update(result)
                    if media.problems:
                        with line.hidden():
                            saved.note(result, media)
        except RunpodError as error:
            line.end()
            found = report(error)
    return interrupts.status or found


def _note_end(connection: Connection, file: BulkRun, command: Callable[..., str], *, is_over: bool) -> None:
    note_report(connection, lambda: file.report)
    counts = file.counts
    if not sum(counts.values()):
        note("There are no rows.")
    jobs, rows = counts["IN_QUEUE"], counts["PENDING"]
    if jobs or rows:
        verbs = "goes" if jobs == 1 else "go", "is" if rows == 1 else "are"
        left = (
            f"{counted(jobs, 'submitted job')} {verbs[0]} on, and {counted(rows, 'row')} {verbs[1]} not submitted yet."
        )
        note(f"{left} To go on: {command()}")
    for name, problem in _PROBLEMS.items():
        number = sum(counts[each] for each in RESUBMITTED[name])
        if number and (is_over or name != "failed"):
            what = problem if name == "failed" else f"{'is' if number == 1 else 'are'} {problem}"
            note(f"{counted(number, 'row')} {what}. To submit again: {command('--resubmit', name)}")


def status(
    *,
    db: Database,
    all: Annotated[bool, typer.Option("--all", help="List all rows that are in doubt or expired.")] = False,
) -> None:
    """Prints how many rows have which status, the report, and the rows that are in doubt or expired.

    It can be used while another process runs the file.
    """
    with RunFile(db, read_only=True) as file:
        is_running = file.is_run
        counts, summary = file.counts(), report_of(file)
        listed = {"doubtful": file.doubtful, "expired": file.expired}
        endpoint = file.endpoint_id
    if not at_terminal():
        rows = {name: [{"key": key, "job_id": job} for key, job in found] for name, found in listed.items()}
        write_json({"endpoint": endpoint, "running": is_running, "counts": counts, "report": summary.to_dict()} | rows)
        return
    title = f"Rows of {db}, endpoint {endpoint or '(not run yet)'}{', running' if is_running else ''}"
    write_table(title, ("Status", "Number"), counts_rows(counts))
    write_text(f"\n{summary}")
    for name, found in listed.items():
        if found:
            shown = found if all else found[:MAX_LISTED]
            write_text("")
            if name == "doubtful":  # their jobs are unknown
                write_table(name.capitalize(), ("Key",), [(key,) for key, _ in shown])
            else:
                write_table(name.capitalize(), ("Key", "Job"), [(key, job or "") for key, job in shown])
            if len(shown) < len(found):
                note(f"{counted(len(found) - len(shown), 'more row')}: pass --all.")


def export(
    connection: Connection,
    *,
    db: Database,
    out: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="Where to write the results: a file, or - for standard output.",
        ),
    ],
    format: ResultsFormat = None,
    status: Annotated[
        list[Status] | None,
        typer.Option(
            case_sensitive=False, help="Write only rows with this status. Can be repeated.", show_default=False
        ),
    ] = None,
    save: SaveOption = None,
    allow_private: AllowPrivate = False,
) -> int:
    """Writes the results of all rows, in the order of the rows.

    It can be used while another process runs the file. A file is replaced when all is written.
    """
    check_output(out, format, db)
    saved = SavedFiles(Saver(connection, save, allow_private=allow_private))
    written = write_output(db, out, format, statuses=[each.value for each in status or ()], saved=saved)
    if out != "-":
        note(f"Wrote {counted(written, 'row')} to {out}.")
    return saved.end()
