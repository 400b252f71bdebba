# Generated from src/runpod/_async/bulk.py by scripts/generate_sync.py. Do not edit.

"""A bulk run: many rows in one file, which survives the end of the process."""

from __future__ import annotations

import json
import time
from collections import deque
from contextlib import suppress
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, cast

from pydantic_core import PydanticSerializationError, to_json

from runpod._sync.endpoint import Endpoint, internals_of
from runpod._sync.map import JobMap
from runpod._sync.runner import Runner
from runpod._bulk.changes import (
    FINAL_STATES,
    PENDING,
    SUBMITTED,
    Doubtful,
    Ended,
    Expired,
    Pending,
    Submitted,
    Submitting,
)
from runpod._bulk.json_text import encode
from runpod._bulk.report import report_of
from runpod._bulk.results import BulkResult, shown_counts
from runpod._bulk.run_file import RunFile, check_resubmit
from runpod._bulk.sinks import write_results
from runpod._bulk.sources import read_rows
from runpod._primitives import in_thread, lock, shield
from runpod._progress import progress_for
from runpod._protocol.deadlines import CLIENT_DEFAULT, parse_timeout
from runpod._protocol.decoding import is_status_only
from runpod._protocol.encoding import encode as encode_request
from runpod._protocol.encoding import is_array
from runpod._protocol.operations import HEALTH, Call
from runpod._protocol.run_arguments import check_in_flight, check_on_exit
from runpod._protocol.tally import cost_of
from runpod.errors import (
    InvalidRequestError,
    JobExpiredError,
    JobOutputError,
    NotFoundError,
    RunFileError,
    RunpodError,
    RunpodTimeoutError,
)
from runpod.models._base import milliseconds
from runpod.models.jobs import JobState
from runpod.models.requests import JobRequest
from runpod.models.results import MapResult
from runpod.models.status import JobStatus

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import timedelta
    from types import TracebackType
    from typing import IO, Literal

    from pydantic import BaseModel
    from typing_extensions import Self

    from runpod._bulk.adder import Added
    from runpod._bulk.changes import Change
    from runpod._bulk.formats import Format
    from runpod._bulk.run_file import Resubmit, StoredRow
    from runpod._progress import Progress
    from runpod._protocol.mapper import Entry
    from runpod.models.reports import RunReport
    from runpod.models.requests import ExecutionPolicy, ExecutionPolicyDict, S3Config, S3ConfigDict

# For how long after a submission a 404 is not final, in seconds. It is measured on the system clock, which may jump, so
# it is longer than for a submission of this process.
_RECENT = 60.0

_PAGE = 500

# Outputs with more levels are not stored, since Python cannot read them again everywhere.
_MAX_DEPTH = 500
_MAX_RETRIES = 10**9


class _Write:
    """A change that waits to be stored."""

    def __init__(self, change: Change) -> None:
        self.change = change
        self.is_done = False
        self.error: BaseException | None = None


class _Place:
    """Where an entry is stored."""

    def __init__(self, number: int) -> None:
        self.number = number
        # The output as it was received.
        self.output_json: str | None = None


class _Rows:
    """The rows to run: first those whose jobs may have ended already, since results expire.

    Not a generator, which trio warns about if the loop over it is left.
    """

    def __init__(self, file: RunFile, resubmit: Resubmit | list[str] | None, previous: BulkRunner | None) -> None:
        self._file = file
        self._resubmit = resubmit
        self._previous = previous
        self._begun = False
        self._states = [PENDING, SUBMITTED]
        self._after = 0
        self._page: deque[StoredRow] = deque()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StoredRow:
        if not self._begun:
            self._begin()
        while not self._page:
            if not self._states:
                raise StopIteration
            rows = in_thread(self._file.next_rows, self._states[-1], self._after, _PAGE)
            if rows:
                self._page.extend(rows)
                self._after = rows[-1].number
            else:
                self._states.pop()
                self._after = 0
        return self._page.popleft()

    def _begin(self) -> None:
        if self._previous is not None:
            self._previous.settle()
            self._previous = None
        # Nothing is being submitted now.
        in_thread(self._file.doubt_interrupted)
        if self._resubmit is not None:
            in_thread(self._file.resubmit, self._resubmit)
        self._begun = True


class BulkRunner(Runner):
    """Runs the rows of a file, and stores what happens before and after each request."""

    def __init__(
        self,
        endpoint: Endpoint[Any],
        file: RunFile,
        *,
        defaults: JobRequest,
        resubmit: Resubmit | list[str] | None,
        previous: BulkRunner | None,
        **options: Any,
    ) -> None:
        session, read_output = internals_of(endpoint)
        inputs = _Rows(file, resubmit, previous)
        super().__init__(session, endpoint.id, read_output, inputs, stop_on_outage=True, **options)
        self._file = file
        self._price: float | None = options["price_per_second"]
        self._previous = previous
        # What follows the input in a request.
        self._end_of_body = encode_request(defaults).removeprefix(b'{"input":{}')
        # Whether the endpoint is known to exist.
        self._is_reachable = False
        self._writes: deque[_Write] = deque()
        # The IDs of jobs that could not be stored.
        self._unstored: list[Change] = []
        self._lock = lock()
        self._stored_at = self._clock.now()

    @property
    def is_settled(self) -> bool:
        """Whether the run has ended, and nothing is under way."""
        return self._started and self._mapper.closed

    def settle(self) -> None:
        """Ends the run; waits until its last requests have ended, and stores what could not be stored before.

        Unlike `close`, it waits after a second Ctrl-C as well.

        Raises:
            RunFileError: The file cannot be written.
        """
        self.fail(RunFileError("Another run of the same file was begun."))
        self.close_soon()
        if self._is_home():
            wakeup = self._clock.wakeup()
            while not self._mapper.wait_until_closed(wakeup):
                wakeup.wait(float("inf"))
        in_thread(self._store_again)
        self._previous = None

    def close(self) -> None:
        """Ends the run, and waits until its last requests have ended."""
        # The loop over the one before was left, but its last requests may be under way.
        if self._previous is not None:
            self._previous.close()
        super().close()
        if self._unstored:
            with shield(), suppress(RunFileError):  # it was raised or logged before
                in_thread(self._store_again)

    def _start(self) -> None:
        if not self._started:
            self._stored_at = self._clock.now()
        super()._start()

    def _poll_failed(self, entry: Entry, error: RunpodError) -> None:
        if isinstance(error, (JobExpiredError, NotFoundError)) and not self._is_reachable:
            # With a wrong address or API key, every job seems to have expired.
            try:
                self.session.send(Call(HEALTH, self.endpoint_id), self.session.deadline(CLIENT_DEFAULT))
            except RunpodError as problem:
                self._mapper.fail(problem)
                return
            self._is_reachable = True
        super()._poll_failed(entry, error)

    def _store_again(self) -> None:
        while self._unstored:
            self._file.apply(self._unstored[:1])
            self._unstored.pop(0)

    def _prepare(self, entry: Entry) -> None:
        row: StoredRow = entry.input
        entry.row = _Place(row.number)
        if row.job_id is None:
            entry.body = b'{"input":' + row.input_json.encode() + self._end_of_body
            return
        entry.waiter = self.waiter(JobState(id=row.job_id, status=JobStatus.IN_QUEUE))
        if row.submitted_at is not None and time.time() - row.submitted_at < _RECENT:
            entry.waiter.submitted_at = self._clock.now()

    def _submitting(self, entry: Entry) -> None:
        if entry.attempts is None or entry.attempts.doubt is None:
            self._store(Submitting(entry.row.number))

    def _not_submitted(self, entry: Entry) -> None:
        # With `RetryPolicy(resubmit=True)`, an earlier attempt may have been executed.
        if entry.attempts is None or entry.attempts.doubt is None:
            self._store(Pending(entry.row.number))

    def _submitted(self, entry: Entry, job_id: str) -> None:
        self._store(Submitted(entry.row.number, job_id))

    def _result(self, entry: Entry, state: JobState[Any]) -> MapResult[Any]:
        try:
            entry.row.output_json = _output_json(state.output) if state.has_output else None
        except _TooDeepError:
            msg = f"Job {state.id!r} completed, but its output is nested deeper than {_MAX_DEPTH} levels."
            error = _UnstorableOutputError(msg, state=state, endpoint_id=self.endpoint_id)
            return MapResult(entry.index, entry.input, state.id, state, error)
        return super()._result(entry, state)

    def _ended(self, entry: Entry, result: MapResult[Any]) -> None:
        change = _change(entry.row, result, self._price)
        if change is not None:
            self._store(change)
        entry.row.output_json = None

    def _store(self, change: Change) -> None:
        """Stores a change, in one transaction with those of other workers."""
        write = _Write(change)
        self._writes.append(write)
        with self._lock:
            if not write.is_done:
                batch = [self._writes.popleft() for _ in range(len(self._writes))]
                self._store_batch(batch)
        if write.error is not None:
            raise write.error

    def _store_batch(self, batch: list[_Write]) -> None:
        now = self._clock.now()
        elapsed, self._stored_at = now - self._stored_at, now
        error: BaseException | None = None
        try:
            in_thread(self._save, batch, max(0.0, elapsed))
        except BaseException as problem:  # noqa: BLE001 - each writer raises it
            error = problem
        for write in batch:
            write.is_done, write.error = True, error or write.error

    def _save(self, batch: list[_Write], elapsed: float) -> None:
        try:
            self._file.apply([write.change for write in batch], elapsed)
        except Exception as error:  # noqa: BLE001 - the writer raises it
            for write in batch:
                write.error = error
        else:
            return
        # Perhaps the disk has no room for an output, but for the IDs of other rows. Nothing more is submitted.
        for write in batch:
            if isinstance(write.change, Submitting):
                continue
            if len(batch) > 1:
                try:
                    self._file.apply([write.change])
                except Exception as error:  # noqa: BLE001 - the writer raises it
                    write.error = error
                else:
                    write.error = None
            if write.error is not None and isinstance(write.change, Submitted):
                self._unstored.append(write.change)

    def _log_kept(self) -> None:
        # The file has their IDs.
        self._mapper.kept.clear()


class _UnstorableOutputError(JobOutputError):
    """An output cannot be stored, so that the row has failed."""


class _TooDeepError(Exception):
    """An output has more levels than can be stored."""


def _output_json(output: Any) -> str:
    """The output as JSON text.

    Raises:
        _TooDeepError: It has too many levels.
    """
    try:
        return to_json(output, inf_nan_mode="null").decode()
    except (PydanticSerializationError, UnicodeError):  # a lone surrogate, or more than 255 levels
        level = [output]
        for _ in range(_MAX_DEPTH):
            level = [item for each in level for item in _items(each)]
        if level:
            raise _TooDeepError from None
        return encode(output)


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).values()
    return value if is_array(value) else ()


def _outcome(result: MapResult[Any]) -> tuple[str, Any]:
    """The status of a row, and its error as it is stored. IN_QUEUE: the job goes on, so the next run waits for it."""
    state, error = result.state, result.error
    # What a cancellation returned may lack the output. The next run gets it.
    is_partial = state is not None and isinstance(error, RunpodTimeoutError) and is_status_only(state)
    if state is not None and state.completed and not is_partial:
        if isinstance(error, _UnstorableOutputError):
            return "FAILED", error.message
        # An output that does not fit `output_type` is complete; only the loop over the run cannot use it.
        return str(state.status), error.message if isinstance(error, JobOutputError) else state.error
    if error is None:
        return "IN_QUEUE", None
    if isinstance(error, (JobExpiredError, NotFoundError)) and result.job_id is not None:
        return "EXPIRED", error.message
    if error.maybe_submitted:
        return "DOUBTFUL", error.message
    return "FAILED" if result.job_id is None else "IN_QUEUE", error.message


def _cost(state: JobState[Any], price: float | None) -> float | None:
    cost = cost_of(state.output)
    if cost is None and price is not None and state.execution_time is not None:
        cost = price * max(0.0, state.execution_time.total_seconds())
    return cost


def _change(place: _Place, result: MapResult[Any], price: float | None) -> Change | None:
    """What to store of a result, if anything."""
    status, error = _outcome(result)
    is_complete = status == JobStatus.COMPLETED
    error_json = None if error is None or is_complete else encode(error)
    if status == "IN_QUEUE":
        return None
    if status == "EXPIRED":
        return Expired(place.number, error_json)
    if status == "DOUBTFUL":
        return Doubtful(place.number, error_json)
    state = result.state
    if state is None:
        return Ended(place.number, status, None, error_json)
    return Ended(
        place.number,
        status,
        place.output_json,
        error_json,
        None if state.delay_time is None else milliseconds(state.delay_time),
        None if state.execution_time is None else milliseconds(state.execution_time),
        None if state.retries is None else min(state.retries, _MAX_RETRIES),
        _cost(state, price),
        state.id,
    )


def _progress(progress: Any, total: int | None) -> Progress | None:
    """What shows the progress. A callable is called with each `BulkResult`."""
    if not callable(progress) or iscoroutinefunction(progress):  # the latter is refused
        return progress_for(progress, total)
    return progress_for(lambda result: progress(_bulk_result(result)), total)


def _bulk_result(result: MapResult[Any]) -> BulkResult:
    row: StoredRow = result.input
    status, error = _outcome(result)
    # Of a job that ended.
    state = result.state if status in FINAL_STATES else None
    return BulkResult(
        row.key,
        status,
        json.loads(row.input_json),
        result.job_id or row.job_id,
        None if state is None else state.output,
        error,
        None if state is None or state.delay_time is None else milliseconds(state.delay_time),
        None if state is None or state.execution_time is None else milliseconds(state.execution_time),
        state is not None and state.has_output,
    )


def _check_endpoint(endpoint: object) -> None:
    if not isinstance(endpoint, Endpoint):
        msg = f"endpoint must be an Endpoint, from client.endpoint(…), not {type(endpoint).__name__}."
        raise InvalidRequestError(msg)


class BulkRun:
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
        >>> with BulkRun("captions.sqlite") as run:
        ...     run.add([{"id": 1, "caption": "a horse"}], key="id")
        ...     for result in run.run(endpoint, in_flight=200):
        ...         print(result.key, result.output)
        ...     run.write("results.jsonl")
    """

    def __init__(self, path: str | os.PathLike[str], *, create: bool = True, read_only: bool = False) -> None:
        self._file = RunFile(path, create=create, read_only=read_only)
        self._runner: BulkRunner | None = None

    def add(
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
            >>> run.add("captions.csv", key="id", input=Template({"prompt": "{{caption}}"}))
        """
        source: Any = rows
        if isinstance(rows, str) or hasattr(rows, "__fspath__"):
            source = read_rows(source, format=format)
        return in_thread(self._file.add, source, key, input, on_error)

    def run(
        self,
        endpoint: Endpoint[Any],
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
    ) -> JobMap[BulkResult]:
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
            >>> for result in run.run(endpoint, in_flight=200, resubmit="failed"):
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
        total = self._unfinished() if progress is True else None
        options["progress"] = _progress(progress, total)
        self._file.bind(endpoint.id)
        previous = self._runner
        if previous is not None:
            # It may not have begun, and must not begin later.
            previous.fail(RunFileError("Another run of the same file was begun."))
        self._runner = BulkRunner(
            endpoint,
            self._file,
            defaults=defaults,
            resubmit=which,
            previous=previous,
            **options,
        )
        return JobMap(self._runner, _bulk_result)

    def _settle(self) -> None:
        """Marks what was interrupted as in doubt, once nothing is under way."""
        if self._runner is not None and self._runner.is_settled:
            self._file.doubt_interrupted()

    def _unfinished(self) -> int:
        counts = self.counts
        return counts["PENDING"] + counts["IN_QUEUE"]

    def results(self) -> Iterator[BulkResult]:
        """Iterates over all rows, in the order in which they were added, with what is known of each.

        Raises:
            RunFileError: The file cannot be read.
        """
        self._settle()
        return self._file.results()

    def write(self, target: str | os.PathLike[str] | IO[str], *, format: Format | None = None) -> int:
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
            >>> run.write("results.csv")
        """
        return in_thread(self._write_results, target, format)

    def _write_results(self, target: Any, format: Any) -> int:
        self._settle()
        return write_results(self._file.results(inputs=False), target, format, run_file=self._file.path)

    @property
    def counts(self) -> dict[str, int]:
        """The number of rows by status, as results have it. Reads the file."""
        self._settle()
        return shown_counts(self._file.counts())

    @property
    def doubtful(self) -> list[tuple[str, str | None]]:
        """The keys of rows that may have been submitted, with their job IDs where known. Reads the file."""
        self._settle()
        return self._file.doubtful

    @property
    def expired(self) -> list[tuple[str, str | None]]:
        """The keys and job IDs of rows whose results were gone before they were received. Reads the file."""
        return self._file.expired

    @property
    def report(self) -> RunReport:
        """A summary of the whole file, over all of its runs. Reads the file."""
        self._settle()
        return report_of(self._file)

    def close(self) -> None:
        """Ends the run, waits for requests that are under way, and closes the file."""
        try:
            if self._runner is not None:
                self._runner.fail(RunFileError("The run file was closed before the run ended."))
                self._runner.close()
        finally:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._file.path)!r})"
