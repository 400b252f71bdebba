"""Queries of the catalog and of billing: what the service would certainly refuse is refused here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NoReturn, cast

from pydantic.alias_generators import to_snake

from runpod.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

Query = list[tuple[str, str]]

_CUDA_VERSION = re.compile(r"\d+\.\d+", re.ASCII)
_EXAMPLE = 'include="AVAILABILITY", product="POD"'


def availability_query(include: object, filters: Mapping[str, object]) -> Query:
    """The query of the types of GPUs or CPUs.

    Args:
        include: What to add to each type.
        filters: The filters of what is added by their names in the query; None: not passed.

    Raises:
        InvalidRequestError: The service would refuse it.
    """
    query = _texts_query("include", include)
    given = [name for name, value in filters.items() if value is not None]
    if not query and given:
        _refuse(f"{to_snake(given[0])} needs include, since it is about what is available. Example: {_EXAMPLE}.")
    if query and filters.get("product") is None:
        _refuse(f"include needs product, since what is available differs by product. Example: {_EXAMPLE}.")
    if filters.get("cudaVersions") is not None and filters.get("minCudaVersion") is not None:
        _refuse("cuda_versions and min_cuda_version were both passed. Pass one of them.")
    for name, value in filters.items():
        if name in {"count", "vcpuCount"}:
            query += _count_query(name, value)
        else:
            query += _texts_query(name, value)
    for name, text in query:
        if name == "cudaVersions" and not all(_CUDA_VERSION.fullmatch(each) for each in text.split(",")):
            _refuse(f"cuda_versions must be versions such as '12.8', got {text!r:.60}.")
    return query


def filter_query(filters: Mapping[str, object]) -> Query:
    """The query of a list with filters: texts, lists of texts, or bool. None: not passed.

    Raises:
        InvalidRequestError: A filter is no text, list of texts or bool.
    """
    query: Query = []
    for name, value in filters.items():
        query += [(name, "true" if value else "false")] if isinstance(value, bool) else _texts_query(name, value)
    return query


def billing_query(
    *,
    start: object,
    end: object,
    last_n: object,
    bucket_size: object,
    only: tuple[str, object] | None = None,
) -> Query:
    """The query of billing records.

    Args:
        start: The start of the period, a datetime with a time zone.
        end: Its end.
        last_n: The number of buckets instead of them.
        bucket_size: The length of a bucket.
        only: The name of the filter of the resource, and its value.

    Raises:
        InvalidRequestError: The service would refuse it.
    """
    if last_n is not None and (start is not None or end is not None):
        _refuse("last_n was passed together with start or end. Pass either a number of periods, or where they are.")
    query = _time_query("startTime", "start", start) + _time_query("endTime", "end", end)
    if isinstance(start, datetime) and isinstance(end, datetime) and start >= end:
        _refuse(f"start must be before end, got {start.isoformat()} and {end.isoformat()}.")
    query += _count_query("lastN", last_n) + _texts_query("bucketSize", bucket_size)
    return query if only is None else query + _texts_query(*only)


def _refuse(message: str) -> NoReturn:
    raise InvalidRequestError(message)


def _count_query(name: str, value: object) -> Query:
    if value is None:
        return []
    if isinstance(value, bool) or not isinstance(value, int):
        _refuse(f"{to_snake(name)} must be a whole number, not {type(value).__name__}.")
    if value < 1:
        _refuse(f"{to_snake(name)} must be at least 1, got {value}.")
    return [(name, str(value))]


def _texts_query(name: str, value: object) -> Query:
    """A text, or several, which are separated by commas."""
    if value is None:
        return []
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, Sequence):
        _refuse(f"{to_snake(name)} must be a text or a list of texts, not {type(value).__name__}.")
    texts = [each for each in cast("Sequence[object]", items) if isinstance(each, str) and each.strip()]
    if not texts or len(texts) < len(cast("Sequence[object]", items)):
        _refuse(f"{to_snake(name)} must be a text that is not blank, or a list of such texts.")
    return [(name, ",".join(texts))]


def _time_query(name: str, argument: str, value: object) -> Query:
    if value is None:
        return []
    if not isinstance(value, datetime):
        example = "datetime(2026, 11, 1, tzinfo=timezone.utc)"
        _refuse(f"{argument} must be a datetime, such as {example}, not {type(value).__name__}.")
    if value.tzinfo is None:
        _refuse(f"{argument} has no time zone. Pass one, such as {argument}.replace(tzinfo=timezone.utc).")
    return [(name, value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z"))]
