"""Runs the rows of a Ray Dataset as jobs of an endpoint. Needs the extra `ray`.

Example:
    >>> import ray
    >>> from runpod.integrations.ray import EndpointMapper
    >>> captions = ray.data.read_parquet("captions.parquet").map_batches(
    ...     EndpointMapper,
    ...     fn_constructor_kwargs={"endpoint_id": "ENDPOINT_ID", "columns": ["prompt"]},
    ...     batch_size=200,
    ...     compute=ray.data.ActorPoolStrategy(size=4),
    ...     num_cpus=0.5,
    ... )
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from runpod import Runpod
from runpod._bulk.outcomes import MAX_DEPTH, TooDeepError, output_json_of
from runpod._protocol.deadlines import parse_timeout
from runpod._protocol.operations import check_id
from runpod._protocol.run_arguments import check_in_flight
from runpod.errors import (
    AuthenticationError,
    ConfigurationError,
    JobExpiredError,
    NotFoundError,
    PermissionDeniedError,
    RunpodError,
)
from runpod.models.limits import EndpointLimits
from runpod.models.requests import JobRequest

try:
    import ray
    from ray.data.block import BlockAccessor

    # They have types that differ between versions, or none.
    np: Any = import_module("numpy")
    pa: Any = import_module("pyarrow")
except ModuleNotFoundError as _error:
    if (_error.name or "").partition(".")[0] not in {"ray", "numpy", "pyarrow", "pandas"}:
        raise
    _message = f'runpod.integrations.ray needs the package {_error.name}: pip install "runpod-sdk[ray]".'
    raise ConfigurationError(_message) from None

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import timedelta

    from runpod import Endpoint, ExecutionPolicy, ExecutionPolicyDict, MapResult

__all__ = ["EndpointMapper"]

# Beside that of the output.
_COLUMNS = ("status", "error", "job_id")

# What concerns all rows, and is not better with the next one.
_REFUSED = (ConfigurationError, AuthenticationError, PermissionDeniedError, NotFoundError)


class EndpointMapper:
    """Runs a job for each row of a batch, and adds columns with what became of it.

    Pass the class to `ray.data.Dataset.map_batches`, with its arguments as `fn_constructor_kwargs`; Ray creates one in
    each of its actors. An instance can be passed as well, which Ray then runs in tasks. The API key is not among the
    arguments: it is read where the mapper runs, from `RUNPOD_API_KEY` or `~/.runpod/config.toml`.

    A job that does not succeed is a row with an `error`. Only what concerns all rows is raised: a wrong argument,
    refused credentials, or an endpoint that does not exist.

    The added columns, all of them text:

    - `output`: the output as JSON, since outputs have no type in common; null if the job did not succeed.
    - `status`: COMPLETED, FAILED, CANCELLED or TIMED_OUT; IN_QUEUE or IN_PROGRESS if the job was not seen to end; EXPIRED
      if its result was gone; DOUBTFUL if there may be a job. FAILED without a `job_id`: it was not submitted.
    - `error`: what went wrong; null if the job succeeded.
    - `job_id`: the ID of the job, or null.

    Args:
        endpoint_id: The endpoint's ID.
        columns: The columns that become the input of the job, or a mapping of names in the input to columns. By
            default all of them. Missing values (NaN, NaT) become null.
        output_column: The name of the column of the outputs.
        limits: The limits of the endpoint, which all mappers of the Ray cluster share; by default those of the client.
            Mappers with different limits are counted separately.
        in_flight: How many jobs of a batch may be unfinished at once.
        policy: Time limits and priority on the platform.
        job_timeout: Seconds or timedelta for each job, from its submission. Then it is cancelled.
        client: A client whose settings are used instead of those of the environment. It travels without its API key.

    Raises:
        ConfigurationError: An argument is invalid, or no API key was found.

    Example:
        >>> mapper = EndpointMapper("ENDPOINT_ID", columns={"prompt": "caption"})
        >>> mapper({"caption": np.array(["a horse", "a foal"])})["output"].to_pylist()
    """

    def __init__(
        self,
        endpoint_id: str,
        *,
        columns: Sequence[str] | Mapping[str, str] | None = None,
        output_column: str = "output",
        limits: EndpointLimits | None = None,
        in_flight: int = 100,
        policy: ExecutionPolicy | ExecutionPolicyDict | None = None,
        job_timeout: float | timedelta | None = None,
        client: Runpod | None = None,
    ) -> None:
        self.endpoint_id: str = check_id(endpoint_id, "endpoint_id")
        self._columns = _checked_columns(columns)
        self._added = (_checked_name(output_column), *_COLUMNS)
        if len(set(self._added)) < len(self._added):
            msg = f"output_column cannot be {output_column!r}: the mapper adds a column of this name itself."
            raise ConfigurationError(msg)
        if limits is not None and not isinstance(cast("object", limits), EndpointLimits):
            msg = f"limits must be an EndpointLimits, not {type(limits).__name__}."
            raise ConfigurationError(msg)
        if client is not None and not isinstance(cast("object", client), Runpod):
            msg = f"client must be a Runpod, which is the sync client, not {type(client).__name__}."
            raise ConfigurationError(msg)
        parse_timeout(job_timeout, ConfigurationError, name="job_timeout")
        self._options: dict[str, Any] = {
            "in_flight": check_in_flight(in_flight),
            "policy": JobRequest(input={}, policy=cast("Any", policy)).policy,
            "job_timeout": job_timeout,
        }
        self._limits = limits
        self._client = client
        # In the process that uses it, from its first call on.
        self._endpoint: Endpoint[Any] | None = None

    def __call__(self, batch: Any) -> Any:
        """Runs the jobs of a batch, and returns it with the added columns, as a `pyarrow.Table`.

        Args:
            batch: In any of Ray's formats: columns as NumPy arrays, a pandas DataFrame, or a pyarrow Table.

        Raises:
            ConfigurationError: A column is missing, or one that is added is there already.
            RunpodError: The credentials were refused, or the endpoint does not exist.
        """
        accessor: Any = BlockAccessor
        table: Any = batch if isinstance(batch, pa.Table) else accessor.batch_to_arrow_block(batch)
        inputs = self._inputs(batch, table)
        rows = self._run(inputs)
        for index, name in enumerate(self._added):
            # With its type, which could not be seen in a block without values.
            table = table.append_column(name, pa.array([row[index] for row in rows], pa.large_string()))
        return table

    def close(self) -> None:
        """Closes the connections, for use outside of Ray, whose processes need not do this."""
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None and self._client is None:
            self._own.close()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_own"} | {"_endpoint": None}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.endpoint_id!r}, columns={self._columns!r})"

    def _inputs(self, batch: Any, table: Any) -> list[dict[str, Any]]:
        # Those of the batch: Ray drops the second of two pandas columns with one name.
        present: list[str] = batch.column_names if isinstance(batch, pa.Table) else list(batch)
        repeated = sorted({repr(name) for name in present if present.count(name) > 1})
        if repeated:
            msg = f"The dataset has several columns with the name {repeated[0]}: rename or drop them before."
            raise ConfigurationError(msg)
        for name in self._added:
            if name in present:
                how = "set output_column" if name == self._added[0] else "rename or drop it before"
                msg = f"The dataset has a column {name!r}, which the mapper adds: {how}."
                raise ConfigurationError(msg)
        columns = {name: name for name in present} if self._columns is None else self._columns
        for name in columns.values():
            if name not in present:
                msg = f"The dataset has no column {name!r}. Its columns are {', '.join(map(repr, present))}."
                raise ConfigurationError(msg)
        # Those of the batch, not of the table: there, the fields of an object are the same in all rows.
        values = {name: _values(batch[column]) for name, column in columns.items()}
        return [{name: each[index] for name, each in values.items()} for index in range(table.num_rows)]

    def _run(self, inputs: list[dict[str, Any]]) -> list[_Row]:
        rows: dict[int, _Row] = {}
        started = 0

        def counted() -> Generator[dict[str, Any], None, None]:
            nonlocal started
            for each in inputs:
                started += 1
                yield each

        try:
            with self._connected().map_unordered(counted(), **self._options) as results:
                for result in results:
                    rows[result.index] = _row(result)
        except RunpodError as error:
            if isinstance(error, _REFUSED) and not rows:
                raise
            # Otherwise what is known would be lost. An input that was not read was not submitted.
            doubtful = None, "DOUBTFUL", _text(f"The run ended; there may be a job, see the log. {error}"), None
            unsent = None, "FAILED", _text(f"Not submitted: the run ended. {error}"), None
            for index in range(len(inputs)):
                rows.setdefault(index, doubtful if index < started else unsent)
        return [rows[index] for index in range(len(inputs))]

    def _connected(self) -> Endpoint[Any]:
        if self._endpoint is None:
            client = self._client
            if client is None:
                client = self._own = Runpod()
            client = client.with_options(limits=self._limits)
            if ray.is_initialized():
                from runpod.integrations._ray_limits import SharedLimiters

                session = client._session  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - of this client only
                limiters = SharedLimiters(session.engine.config.base_url, self.endpoint_id)
                session._limiters = limiters  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            self._endpoint = client.endpoint(self.endpoint_id)
        return self._endpoint


# Output, status, error and job ID.
_Row = tuple["str | None", str, "str | None", "str | None"]


def _row(result: MapResult[Any]) -> _Row:
    error, state = result.error, result.state
    text = None if error is None else _text(str(error))
    job_id = None if result.job_id is None else _text(result.job_id)
    if error is None:
        try:
            return output_json_of(result.output), "COMPLETED", None, job_id
        except TooDeepError:
            return None, "FAILED", f"The output has more than {MAX_DEPTH} levels.", job_id
    if state is not None and state.completed:
        return None, _text(str(state.status)), text, job_id
    if isinstance(error, (JobExpiredError, NotFoundError)) and job_id is not None:
        return None, "EXPIRED", text, job_id
    if error.maybe_submitted:
        return None, "DOUBTFUL", text, job_id
    if job_id is None:
        return None, "FAILED", text, None
    return None, "IN_QUEUE" if state is None else _text(str(state.status)), text, job_id


def _text(value: str) -> str:
    """Without lone surrogates, which Arrow rejects."""
    return value.encode("utf-8", "backslashreplace").decode()


def _values(column: Any) -> list[Any]:
    is_arrow = isinstance(column, (pa.ChunkedArray, pa.Array))
    return [_value(value) for value in (column.to_pylist() if is_arrow else column)]


def _value(value: Any) -> Any:
    """A value of a column, with null for what NumPy and pandas use in place of a missing one."""
    # Nanoseconds would become a number.
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]")
    elif isinstance(value, np.timedelta64):
        value = value.astype("timedelta64[us]")
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return None
    # Without importing pandas. Neither equals anything.
    return None if type(value).__name__ in {"NAType", "NaTType"} else value


def _checked_columns(columns: object) -> dict[str, str] | None:
    if columns is None:
        return None
    if isinstance(columns, Mapping):
        pairs = dict(cast("Mapping[str, str]", columns))
    elif isinstance(columns, Sequence) and not isinstance(columns, (str, bytes)):
        pairs = {name: name for name in cast("Sequence[str]", columns)}
    else:
        msg = f'columns must be a list of names, such as ["prompt"], or a mapping, not {type(columns).__name__}.'
        raise ConfigurationError(msg)
    if not pairs:
        msg = "columns is empty: name at least one column, or leave it out to send all of them."
        raise ConfigurationError(msg)
    for name in (*pairs, *pairs.values()):
        _checked_name(name, "columns")
    return pairs


def _checked_name(name: object, what: str = "output_column") -> str:
    if isinstance(name, str) and name:
        return name
    msg = (
        f"{what} must be names of columns, got {name!r}."
        if what == "columns"
        else f"{what} must be a name, got {name!r}."
    )
    raise ConfigurationError(msg)
