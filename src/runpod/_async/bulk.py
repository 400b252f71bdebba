"""A bulk run: many rows in one file, which survives the end of the process."""

from __future__ import annotations

from contextlib import suppress
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from runpod._async.bulk_runner import AsyncBulkRunner
from runpod._async.closing import AsyncClosing
from runpod._async.endpoint import AsyncEndpoint
from runpod._async.map import AsyncJobMap
from runpod._bulk.outcomes import bulk_result
from runpod._bulk.report import report_of
from runpod._bulk.resubmit import check_resubmit, unfinished
from runpod._bulk.run_file import RunFile
from runpod._bulk.sinks import write_results
from runpod._bulk.sources import read_rows
from runpod._primitives import async_in_thread, async_shield
from runpod._progress import progress_for
from runpod._protocol.deadlines import parse_timeout
from runpod._protocol.encoding import encode as encode_request
from runpod._protocol.run_arguments import check_in_flight, check_on_exit
from runpod.errors import (
    InvalidRequestError,
    RunFileError,
)
from runpod.models.requests import JobRequest

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import timedelta
    from typing import IO, Literal

    from pydantic import BaseModel

    from runpod._bulk.adder import Added
    from runpod._bulk.formats import Format
    from runpod._bulk.resubmit import Resubmit
    from runpod._bulk.results import BulkResult
    from runpod._progress import Progress
    from runpod.models.reports import RunReport
    from runpod.models.requests import ExecutionPolicy, ExecutionPolicyDict, S3Config, S3ConfigDict


def _progress(progress: Any, total: int | None) -> Progress | None:
    """What shows the progress. A callable is called with each `BulkResult`."""
    if not callable(progress) or iscoroutinefunction(progress):  # the latter is refused
        return progress_for(progress, total)
    return progress_for(lambda result: progress(bulk_result(result)), total)


def _check_endpoint(endpoint: object) -> None:
    if not isinstance(endpoint, AsyncEndpoint):
        msg = f"endpoint must be an AsyncEndpoint, from client.endpoint(…), not {type(endpoint).__name__}."
        raise InvalidRequestError(msg)


class AsyncBulkRun(AsyncClosing):
    """Many rows to run on an endpoint, in one SQLite file that survives the end of the process.

    Each row is stored before its request is sent, with the ID of its job before that is waited for,
    and with its output when the job ended. Running the file again after a crash, at any moment,
    goes on where it stopped: it loses nothing, and submits nothing twice. A row whose request was
    under way when the process ended is in doubt; it is listed in `doubtful`, and only submitted
    again if you say so.

    Only one process at a time can run a file; others can read it, with `read_only`.

    Args:
        path: The file. Created if it is missing. SQLite keeps temporary files beside it, so that it
            must be on a local disk.
        create: Whether to create a missing file.
        read_only: Whether only to read it, also while another process runs it.

    Raises:
        RunFileError: The file is missing, in use, not a run file, of a newer version, or not
            accessible.

    Example:
        >>> async with AsyncBulkRun("captions.sqlite") as run:
        ...     await run.add([{"id": 1, "caption": "a horse"}], key="id")
        ...     async for result in run.run(endpoint, in_flight=200):
        ...         print(result.key, result.output)
        ...     await run.write("results.jsonl")
    """

    def __init__(self, path: str | os.PathLike[str], *, create: bool = True, read_only: bool = False) -> None:
        self._file = RunFile(path, create=create, read_only=read_only)
        self._file.is_submitting = lambda: False
        self._runner: AsyncBulkRunner | None = None

    async def add(
        self,
        rows: Iterable[Mapping[str, Any] | BaseModel] | str | os.PathLike[str],
        *,
        key: str | Callable[[Any], Any] | None = None,
        input: Callable[[Any], Any] | None = None,
        on_error: Literal["raise", "skip"] = "raise",
        format: Format | None = None,
    ) -> Added:
        """Adds rows. Rows whose key is known are skipped, so that it can be called again after a crash.

        Args:
            rows: Mappings or pydantic models, read lazily; or the path of a JSONL, CSV or Parquet
                file (the latter needs the extra `parquet`).
            key: The column with the key of a row, or a function that returns it: str or int. By
                default the number of the row in this call, from 1.
            input: Turns a row into the input of its job, such as a `runpod.bulk.Template`. By
                default the input is the row.
            on_error: Whether a row that cannot be used raises an error, so that none is added, or
                is skipped and listed in the result.
            format: The format of a file, by default that of its suffix.

        Returns:
            How many rows were added, known and skipped.

        Raises:
            InvalidRequestError: A row cannot be used, or a key is passed twice; the message names
                it. Nothing was added.
            RunFileError: The file cannot be written.

        Example:
            >>> await run.add("captions.csv", key="id", input=Template({"prompt": "{{caption}}"}))
        """
        source: Any = rows
        if isinstance(rows, str) or hasattr(rows, "__fspath__"):
            source = read_rows(source, format=format)
        return await async_in_thread(self._file.add, source, key, input, on_error)

    def run(
        self,
        endpoint: AsyncEndpoint[Any],
        *,
        in_flight: int = 100,
        resubmit: Resubmit | Iterable[str] | None = None,
        policy: ExecutionPolicy | ExecutionPolicyDict | None = None,
        webhook: str | None = None,
        s3_config: S3Config | S3ConfigDict | None = None,
        timeout: float | timedelta | None = None,
        job_timeout: float | timedelta | None = None,
        on_exit: Literal["keep", "cancel"] = "keep",
        progress: bool | Callable[[BulkResult], object] = False,
        price_per_second: float | None = None,
    ) -> AsyncJobMap[BulkResult]:
        """Waits for the jobs that were submitted before, submits what is new, and yields the results as they come.

        Each result is stored before it is yielded. An outage of the service or refused credentials
        end the run with an error; running it again goes on from there.

        Args:
            endpoint: The endpoint. A file belongs to the endpoint on which it is run first.
            in_flight: How many jobs may be unfinished at once.
            resubmit: What to submit once more: "doubtful" rows (which may run twice), "expired"
                ones, "failed" ones, or the rows with these keys. Keys are checked when the
                iteration begins.
            policy: Time limits and priority on the platform.
            webhook: A URL that the platform calls when a job ends.
            s3_config: An S3 bucket for the worker.
            timeout: Seconds or timedelta for the whole iteration; None: no limit.
            job_timeout: Seconds or timedelta for each job, from its submission or the start of the
                run. Then it is cancelled.
            on_exit: What becomes of unfinished jobs when the loop is left: "keep", so that the next
                run waits for them, or "cancel".
            progress: True: a progress bar on stderr, or in a notebook (needs the extra `progress`).
                A callable is called with each result.
            price_per_second: The price of a running second, for the cost of jobs in `report` whose
                output has none.

        Raises:
            RunFileError: The file belongs to another endpoint, or cannot be written.
            InvalidRequestError: An argument is invalid, or this file is being run already.

        While iterating, it raises:
            RunFileError: The file cannot be written, for example since the disk is full. The log
                has the IDs of jobs that could not be stored.
            RunpodTimeoutError: The timeout passed.
            RunpodError: The credentials were refused, the endpoint does not exist, or the service
                did not respond for minutes.

        Example:
            >>> async for result in run.run(endpoint, in_flight=200, resubmit="failed"):
            ...     print(result.key, result.status)
        """
        _check_endpoint(endpoint)
        if self._runner is not None and not self._runner.is_over:
            msg = "This file is being run already: finish or close the loop over its results first."
            raise InvalidRequestError(msg)
        options: dict[str, Any] = {
            "in_flight": check_in_flight(in_flight),
            "timeout": parse_timeout(timeout),
            "job_timeout": parse_timeout(job_timeout, name="job_timeout"),
            "cancel": check_on_exit(on_exit),
            "price_per_second": price_per_second,
        }
        which = check_resubmit(resubmit)
        defaults = JobRequest(input={}, policy=policy, webhook=webhook, s3_config=s3_config)
        encode_request(defaults)
        total = unfinished(self.counts, which) if progress is True else None
        options["progress"] = _progress(progress, total)
        self._file.bind(endpoint.id)
        previous = self._runner
        if previous is not None:
            # It may not have begun, and must not begin later.
            previous.fail(RunFileError("Another run of the same file was begun."))
            # Runs that fail before they begin, such as on a full disk, do not pile up.
            previous = previous.last_begun()
        runner = self._runner = AsyncBulkRunner(
            endpoint,
            self._file,
            defaults=defaults,
            resubmit=which,
            previous=previous,
            **options,
        )
        self._file.is_submitting = lambda: not runner.is_settled
        return AsyncJobMap(runner, bulk_result)

    def results(self) -> Iterator[BulkResult]:
        """Iterates over all rows, in the order in which they were added, with what is known of each.

        Raises:
            RunFileError: The file cannot be read.
        """
        return self._file.results()

    async def write(self, target: str | os.PathLike[str] | IO[str], *, format: Format | None = None) -> int:
        """Writes the results of all rows, each row once, to a file, which appears only when it is complete.

        A line of a JSONL file has `key`, `status`, `job_id`, `output` or `error`, `queued_ms` and
        `running_ms`.

        Args:
            target: The path of a JSONL, CSV or Parquet file (the latter needs the extra `parquet`),
                or a text file that is open for writing.
            format: The format, by default that of the suffix.

        Returns:
            The number of rows.

        Raises:
            RunFileError: The run file cannot be read, or the target cannot be written.
            InvalidRequestError: The format or the folder of the target is unknown.

        Example:
            >>> await run.write("results.csv")
        """
        return await async_in_thread(self._write_results, target, format)

    def _write_results(self, target: Any, format: Any) -> int:
        return write_results(self._file.results(inputs=False), target, format, run_file=self._file.path)

    @property
    def counts(self) -> dict[str, int]:
        """The number of rows by status, as results have it. Reads the file."""
        return self._file.counts()

    @property
    def doubtful(self) -> list[tuple[str, str | None]]:
        """The keys of rows that may have been submitted, as `(key, None)`: their jobs are unknown. Reads the file."""
        return self._file.doubtful

    @property
    def expired(self) -> list[tuple[str, str | None]]:
        """The keys and job IDs of rows whose results were gone before they were received. Reads the file."""
        return self._file.expired

    @property
    def report(self) -> RunReport:
        """A summary of the whole file, over all of its runs. Reads the file."""
        return report_of(self._file)

    async def aclose(self) -> None:
        """Ends the run, waits for requests that are under way, and closes the file."""
        try:
            if self._runner is not None:
                self._runner.fail(RunFileError("The run file was closed before the run ended."))
                await self._runner.aclose()
                if self._runner.is_settled:
                    # If it fails, the next opening does it.
                    with async_shield(), suppress(RunFileError):
                        await async_in_thread(self._file.doubt_interrupted)
        finally:
            self._file.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._file.path)!r})"
