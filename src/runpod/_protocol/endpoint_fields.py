"""The body of a request that creates or changes a serverless endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

from pydantic.alias_generators import to_snake

from runpod._logging import warn
from runpod._protocol.settings_fields import fields_of, require
from runpod.errors import InvalidRequestError
from runpod.models._base import milliseconds
from runpod.models.management.settings import check_pools

_CREATE = (
    'create(name="horses", type="QUEUE", image="horses:1", gpu=GPUSettings(pools=["ADA_24"]), '
    "scaling=ScalingSettings(queue_delay=timedelta(seconds=4)))"
)
_UPDATE = 'update("ENDPOINT_ID", workers=WorkerSettings(min=0, max=3))'


def created_endpoint(request: object, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a new endpoint, in the wire format.

    Raises:
        InvalidRequestError: A field is missing, contradicts another one, or is surely wrong.
    """
    fields = _endpoint_fields(request, keywords, _CREATE)
    require(fields, "name", "type", "scaling", example=_CREATE)
    if fields.get("gpu") is None and fields.get("cpu") is None:
        raise InvalidRequestError("gpu or cpu is missing. Pass one of them, such as gpu=GPUSettings(pools=['ADA_24']).")
    if fields.get("image") is None and fields.get("templateId") is None:
        raise InvalidRequestError("image is missing. Pass the container image, or a template that has one.")
    if fields["type"] == "LOAD_BALANCER" and _part(fields, "scaling").get("type") == "QUEUE_DELAY":
        msg = (
            "A load balancer has no queue, so its scaling must be REQUEST_COUNT, such as "
            "ScalingSettings(request_count=4)."
        )
        raise InvalidRequestError(msg)
    return fields


def changed_endpoint(request: object, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an endpoint to change, in the wire format.

    Raises:
        InvalidRequestError: A field contradicts another one, or is surely wrong.
    """
    fields = _endpoint_fields(request, keywords, _UPDATE)
    workers = _part(fields, "workers")
    missing = [name for name in ("min", "max") if workers and name not in workers]
    if missing:
        keyword = to_snake(next(iter(workers)))
        msg = (
            f"workers has no {' and no '.join(missing)}: the service may reset what is left out of `workers`. Pass min "
            f"and max, or call client.endpoint(ID).scale({keyword}=…), which reads the others first."
        )
        raise InvalidRequestError(msg)
    return fields


def _endpoint_fields(request: object, keywords: Mapping[str, Any], example: str) -> dict[str, Any]:
    span = keywords.get("execution_timeout")
    if span is not None:
        _check_span(span)
    given = {("timeout" if name == "execution_timeout" else name): value for name, value in keywords.items()}
    fields = fields_of(request, given, example)
    _convert_timeout(fields)
    if fields.get("gpu") is not None and fields.get("cpu") is not None:
        raise InvalidRequestError("gpu and cpu exclude each other. Pass one of them.")
    pools: object = _part(fields, "gpu").get("pools")
    if isinstance(pools, list):
        try:
            check_pools([str(pool) for pool in cast("list[object]", pools)])
        except ValueError as error:
            msg = f"gpu.pools {error}."
            raise InvalidRequestError(msg) from None
    workers = _part(fields, "workers")
    low, high = workers.get("min"), workers.get("max")
    if isinstance(low, int) and isinstance(high, int) and low > high:
        msg = f"workers.min is {low}, which is greater than workers.max, {high}."
        raise InvalidRequestError(msg)
    return fields


def _check_span(span: object) -> None:
    if not isinstance(span, timedelta):
        shown = f"timedelta(seconds={span})" if type(span) in {int, float} else "timedelta(minutes=10)"
        msg = f"execution_timeout must be a timedelta, such as {shown}, not {type(span).__name__}."
        raise InvalidRequestError(msg)
    if milliseconds(span) <= 0:
        msg = f"execution_timeout must be at least 1 ms, got {span}."
        raise InvalidRequestError(msg)


def _convert_timeout(fields: dict[str, Any]) -> None:
    """Converts a timedelta to milliseconds. Warns of a number of milliseconds that must be meant as seconds."""
    span: object = fields.get("timeout")
    if isinstance(span, timedelta):
        fields["timeout"] = milliseconds(span)
    elif isinstance(span, (int, float)) and not isinstance(span, bool) and 0 < span < 1000:
        warn(
            f"timeout is {span:g} ms, which ends nearly every job: in the wire format it is in milliseconds. "
            f"{span:g} seconds are {span * 1000:g}."
        )


def _part(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found: object = fields.get(name)
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}
