# Generated from src/runpod/_async/map.py by scripts/generate_sync.py. Do not edit.

"""The iterator that `map` and `map_unordered` return."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from runpod._sync.closing import Closing
from runpod._sync.runner import Runner
from runpod._progress import progress_for
from runpod._protocol.deadlines import parse_timeout
from runpod._protocol.encoding import encode, submission
from runpod._protocol.operations import RUN
from runpod._protocol.request_body import body_limit
from runpod._protocol.run_arguments import check_in_flight, check_inputs, check_on_exit
from runpod._workers import Inputs
from runpod.models.requests import JobRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    from typing_extensions import Self

    from runpod._sync.session import Session
    from runpod._protocol.decoding import OutputReader
    from runpod._protocol.map_actions import Entry
    from runpod.models.reports import RunReport
    from runpod.models.results import MapResult

ItemT = TypeVar("ItemT")


class MapRunner(Runner):
    """Runs the inputs of `map`."""

    def __init__(self, *args: Any, defaults: JobRequest, **options: Any) -> None:
        super().__init__(*args, **options)
        names = "policy", "webhook", "s3_config"
        self._defaults = {name: value for name in names if (value := getattr(defaults, name)) is not None}

    def _prepare(self, entry: Entry) -> None:
        request = entry.input if isinstance(entry.input, JobRequest) else JobRequest(input=entry.input)
        unset = {name: value for name, value in self._defaults.items() if getattr(request, name) is None}
        body = submission(request.model_copy(update=unset) if unset else request)
        if body.files:
            entry.request = body
        else:
            entry.body = body.content(body_limit(RUN, self.session.limits))


class JobMap(Closing, Generic[ItemT]):
    """The results of many jobs, returned by `map` and `map_unordered`: an iterator, and a context manager.

    The jobs are submitted once the iteration begins.

    Example:
        >>> with endpoint.map_unordered(inputs) as results:
        ...     for result in results:
        ...         print(result.index, result.output)
        >>> print(results.report)
    """

    def __init__(self, runner: Runner, read: Callable[[MapResult[Any]], ItemT]) -> None:
        self._runner = runner
        self._read = read
        self._ended = False

    @property
    def report(self) -> RunReport:
        """A summary of the results so far. `print(results.report)` shows it as a table."""
        return self._runner.report()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ItemT:
        if self._ended:
            raise StopIteration
        try:
            return self._read(self._runner.take())
        except StopIteration:
            raise
        except BaseException:
            # The loop is left by an error, Ctrl-C or cancellation, as that over a generator is.
            self._ended = True
            self._runner.close_soon()
            raise

    def close(self) -> None:
        """Ends the run: cancels the unfinished jobs, or keeps them if `on_exit` says so.

        Returns when that is done. The service allows 100 cancellations in ten seconds, so it can
        take a while. The log has the ID of every job.
        """
        self._runner.close()

    def __del__(self) -> None:
        # The loop over it was left.
        with suppress(Exception):
            self._runner.close_soon()

    def __repr__(self) -> str:
        report = self.report
        return f"{type(self).__name__}(endpoint_id={self._runner.endpoint_id!r}, submitted={report.submitted})"


def unfinished_jobs(results: JobMap[Any]) -> tuple[list[str], int]:
    """For the command line: the IDs of the unfinished jobs, and how many inputs are being submitted."""
    return results._runner._mapper.unfinished()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def count_results(results: JobMap[Any]) -> None:
    """For the command line: passes to `progress` what has arrived since the last result was taken."""
    results._runner._show_progress()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def map_results(*arguments: Any, **options: Any) -> JobMap[MapResult[Any]]:
    """For the command line: the results of many jobs, also in the order of the inputs. Arguments: `map_runner`."""
    return JobMap(map_runner(*arguments, **options), return_result)


def raise_failure(result: MapResult[Any]) -> Any:
    """The output of a job, for `map`.

    Raises:
        RunpodError: The job did not succeed.
    """
    if result.error is not None:
        result.error.message = f"Input {result.index}: {result.error.message}"
        raise result.error
    return result.output


def return_result(result: MapResult[Any]) -> MapResult[Any]:
    """The result itself."""
    return result


def return_failure(result: MapResult[Any]) -> Any:
    """The output of a job, or its error."""
    return result.output if result.error is None else result.error


def map_runner(
    session: Session,
    endpoint_id: str,
    read_output: OutputReader[Any],
    inputs: Any,
    *,
    request: Mapping[str, Any],
    in_flight: int,
    timeout: float | timedelta | None,
    job_timeout: float | timedelta | None,
    on_exit: str,
    progress: bool | Callable[[MapResult[Any]], object],
    price_per_second: float | None,
    ordered: bool = False,
    fail_fast: bool = False,
) -> MapRunner:
    """Creates the runner of `map` and `map_unordered`.

    Raises:
        InvalidRequestError: An argument is invalid.
        ConfigurationError: `progress` needs tqdm.
    """
    check_inputs(inputs, accepts_async=Inputs.ACCEPTS_ASYNC)
    defaults = JobRequest(input={}, **request)
    encode(defaults)
    return MapRunner(
        session,
        endpoint_id,
        read_output,
        inputs,
        defaults=defaults,
        in_flight=check_in_flight(in_flight),
        timeout=parse_timeout(timeout),
        job_timeout=parse_timeout(job_timeout, name="job_timeout"),
        cancel=check_on_exit(on_exit),
        progress=progress_for(progress, len(inputs) if hasattr(inputs, "__len__") else None),
        price_per_second=price_per_second,
        ordered=ordered,
        fail_fast=fail_fast,
    )
