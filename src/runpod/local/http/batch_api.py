"""The operations on batches.

For operations whose response is undocumented, it is that of creating a batch: `{"id", "status"}`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from runpod.local.http import validation
from runpod.local.http.validation import HTTPError
from runpod.local.json_text import JSONText, array_text, object_text

if TYPE_CHECKING:
    from runpod.local.http.call import Call
    from runpod.local.jobs.batches import Batch
    from runpod.local.jobs.job import Payload

__all__ = ["add", "cancel", "change", "create", "finalize", "remove", "show", "show_all", "show_requests"]

_DEFAULT_LIMIT = 50
_MAX_LIMIT = 1000  # The maximum is undocumented; the documentation's example is 50.


async def create(call: Call) -> JSONText:
    """Create a batch."""
    # The body is an array of requests, which can be empty. The operation that adds requests takes
    # an object instead.
    batch = call.endpoint.batches.create(_payloads(call, validation.parse_json(call.body)))
    return _brief(batch)


async def add(call: Call) -> JSONText:
    """Add requests to a batch."""
    body = _object(call)
    call.endpoint.batches.add(_batch(call), _payloads(call, body.get("requests")))
    return _brief(_batch(call))


async def remove(call: Call) -> JSONText:
    """Remove a request from a batch."""
    call.endpoint.batches.remove(_batch(call), call.ids["request_id"])
    return _brief(_batch(call))


async def finalize(call: Call) -> JSONText:
    """Submit a batch."""
    call.endpoint.batches.finalize(_batch(call))
    return _brief(_batch(call))


async def cancel(call: Call) -> JSONText:
    """Cancel the queued jobs of a batch."""
    call.endpoint.batches.cancel(_batch(call))
    return _brief(_batch(call))


async def change(call: Call) -> JSONText:
    """Change the name of a batch."""
    # Attributes such as a display name can be changed, but the names of their fields are
    # undocumented. Here `name` is kept, and other keys are dropped, as the service does with
    # unknown keys.
    name = _object(call).get("name")
    if name is not None and not isinstance(name, str):
        raise validation.invalid_body("name must be a string")
    batch = _batch(call)
    batch.attributes.update({} if name is None else {"name": name})
    return call.endpoint.batches.text(batch)


async def show(call: Call) -> JSONText:
    """Return a batch."""
    return call.endpoint.batches.text(_batch(call))


async def show_all(call: Call) -> JSONText:
    """List all batches, newest first."""
    batches = call.endpoint.batches
    return object_text({"batches": array_text(batches.text(batch) for batch in batches.newest_first())})


async def show_requests(call: Call) -> JSONText:
    """Return a page of the requests of a batch."""
    offset = _number(call, "offset", 0, lowest=0, highest=10**9)
    limit = _number(call, "limit", _DEFAULT_LIMIT, lowest=1, highest=_MAX_LIMIT)
    return call.endpoint.batches.page(_batch(call), offset, limit)


def _batch(call: Call) -> Batch:
    return call.endpoint.batches.get(call.ids["batch_id"])


def _brief(batch: Batch) -> JSONText:
    return object_text({"id": batch.id, "status": batch.status})


def _object(call: Call) -> dict[str, Any]:
    body = validation.parse_json(call.body)
    if not isinstance(body, dict):
        raise validation.invalid_body("must be a JSON object")
    return cast("dict[str, Any]", body)


def _payloads(call: Call, requests: object) -> list[Payload]:
    if not isinstance(requests, list):
        raise validation.invalid_body("requests must be an array")
    return [validation.parse_job(request, call.behavior) for request in cast("list[object]", requests)]


def _number(call: Call, name: str, default: int, *, lowest: int, highest: int) -> int:
    text = call.query.get(name) or str(default)
    number = int(text) if re.fullmatch(r"[0-9]{1,10}", text, re.ASCII) else -1
    if not lowest <= number <= highest:
        raise HTTPError(400, f"{name} is invalid; must be between {lowest} and {highest}")
    return number
