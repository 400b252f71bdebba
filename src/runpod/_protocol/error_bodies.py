"""Errors in the body of a successful response: what language models report instead of a text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from runpod._text import readable
from runpod.models.status import JobStatus
from runpod.models.worker_failure import parse_worker_error

# Of jobs whose response is not their result.
_NO_RESULT = (JobStatus.IN_QUEUE, JobStatus.IN_PROGRESS, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.TIMED_OUT)


def error_in(body: object) -> str | None:
    """What a body says if it is an error, otherwise None.

    Workers report `{"error": …}`, with a text or an object that has a `message`, and
    `{"object": "error", "message": …}`. A job in place of its result is an error, too. A resource, such
    as a failed response of the Responses API, may have an `error` as well; it has an `id` and its type
    in `object`, and is not an error itself.
    """
    if not isinstance(body, Mapping):
        return None
    fields = cast("Mapping[str, Any]", body)
    error: object = fields.get("error")
    if fields.get("object") == "error":
        return message_of(error or fields)
    if error and not ("id" in fields and "object" in fields):
        return message_of(error)
    if "id" in fields and "object" not in fields and fields.get("status") in _NO_RESULT:
        return f"job {readable(str(fields['id']), 100)} is {fields['status']}"
    return None


def message_of(error: object) -> str:
    """The text of an error, which is a text or an object: one line, cut."""
    text = error if isinstance(error, str) else ""
    if isinstance(error, Mapping):
        fields = cast("Mapping[str, Any]", error)
        texts = [fields.get(name) for name in ("message", "detail", "error", "type")]
        text = next((each for each in texts if isinstance(each, str) and each), "")
    report = parse_worker_error(text)
    if report is not None:  # Without the traceback.
        text = f"{report.type}: {report.message}" if report.type else report.message
    return readable(text) if text.strip() else "no reason was given"
