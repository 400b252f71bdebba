"""Conversion of error responses and transport errors to the errors that callers see."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, cast

from pydantic_core import from_json

from runpod._protocol.operations import CANCEL, JOBS, MANAGEMENT, RUN, RUN_SYNC, STATUS, STATUS_SYNC, STREAM
from runpod._protocol.outcomes import DeadlineExceeded, RequestNotSent, Response, TransportError
from runpod._text import readable
from runpod.errors import (
    APIConnectionError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ClientClosedError,
    ConflictError,
    NotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    RunpodError,
    RunpodTimeoutError,
    ServerError,
    UnprocessableEntityError,
)
from runpod.models._base import received_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runpod._protocol.deadlines import Deadline
    from runpod._protocol.operations import Call
    from runpod._protocol.outcomes import Outcome
    from runpod.models.jobs import JobState

_CLASSES: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: PayloadTooLargeError,
    422: UnprocessableEntityError,
}

# Calls whose response is the state of a job. Not a retry: what it answers with an error status, it has refused.
_STATE_CALLS = frozenset({RUN, RUN_SYNC, STATUS, STATUS_SYNC, STREAM, CANCEL})

# Matches "bad request: body: exceeded max body size of 10MiB" (captured from the service, with a 400) and similar.
_BODY = r"(?:body|content|entity|file|image|input|message|payload|request|upload)"
_TOO_LARGE = re.compile(rf"\b{_BODY}(?: is)? too large\b|\bmax(?:imum)?(?: {_BODY})? size\b", re.IGNORECASE)

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s"{}\[\],:]+')

# Nothing else that a response may have in this place is shown.
_RESOURCE_ID = re.compile(r"[\w-]{1,80}", re.ASCII)

# For a job ID that was extracted from an incomplete response.
_INCOMPLETE = "The response was incomplete but names job {!r}; check that job before resubmitting."


def failure(
    call: Call,
    outcome: Outcome,
    deadline: Deadline,
    *,
    attempts: int = 1,
    doubt: Outcome | None = None,
    state: JobState[Any] | None = None,
) -> RunpodError:
    """The error for an outcome that is not a successful response.

    Args:
        call: The call.
        outcome: Its last outcome.
        deadline: Its deadline.
        attempts: The number of attempts made.
        doubt: An earlier outcome of the same call after which it may have been executed.
        state: The last known state of the job.
    """
    context = context_of(call, outcome)
    context["retryable"] = is_transient(outcome) or (
        isinstance(outcome, DeadlineExceeded) and not in_doubt(call, outcome)
    )
    if doubt is not None:
        context = {**context_of(call, doubt), **{k: v for k, v in context.items() if v}}
    tried = f" ({attempts} attempts)" if attempts > 1 else ""
    end = ""
    if context["maybe_submitted"]:
        context["retryable"] = False
        named = context["job_id"] if call.operation in {RUN, RUN_SYNC} else None
        end = f"{created(call, outcome)} {call.doubt_advice}" if named is None else f" {_INCOMPLETE.format(named)}"
    if isinstance(outcome, DeadlineExceeded):
        msg = f"{call} got no response within the timeout of {deadline.span or math.inf:g} s{tried}."
        if not outcome.sent:
            end = f" The request was not sent: {readable(outcome.reason)}."
        return RunpodTimeoutError(msg + end, state=state, **context)
    if isinstance(outcome, TransportError):
        verb = "could not be sent" if isinstance(outcome, RequestNotSent) else "got no response"
        msg = f"{call} {verb}{tried}: {readable(outcome.reason).rstrip('.')}."
        return APIConnectionError(msg + end, **context)
    return _status_error(call, outcome, tried, end, context)


def closed_error(call: Call) -> ClientClosedError:
    """The error for a call on a closed client."""
    msg = "Cannot send a request: the client is closed."
    return ClientClosedError(msg, endpoint_id=call.endpoint_id, job_id=call.job_id, maybe_submitted=False)


def context_of(call: Call, outcome: Outcome) -> dict[str, Any]:
    """The attributes of an error: endpoint, job, and whether the request may have been executed."""
    maybe = in_doubt(call, outcome)
    can_name_job = maybe and call.job_id is None and call.operation.service is JOBS
    return {
        "endpoint_id": call.endpoint_id or None,
        "job_id": _job_id_in(outcome) if can_name_job else call.job_id,
        "maybe_submitted": maybe,
    }


def created(call: Call, outcome: Outcome) -> str:
    """A sentence with the ID of what a call of the management API has created; empty if the response names none."""
    if call.operation.service is not MANAGEMENT or not in_doubt(call, outcome):
        return ""
    # Error responses have IDs of their own.
    body = outcome.partial if isinstance(outcome, TransportError) else outcome.body if outcome.is_success else b""
    name = _top_level_strings(body).get("id", "")
    is_known = _RESOURCE_ID.fullmatch(name) and name not in call.secrets
    return f" The response was unusable, but names {name!r}: look for it first." if is_known else ""


def _job_id_in(outcome: Outcome) -> str | None:
    """The ID of the job in an incomplete or invalid body, or None."""
    if isinstance(outcome, TransportError):
        return _top_level_strings(outcome.partial).get("id")
    strings = _top_level_strings(outcome.body)
    # Error responses of gateways have IDs, too; only one with a status beside it is a job's.
    return strings.get("id") if outcome.is_success or "status" in strings else None


def without_secrets(call: Call, outcome: Outcome) -> Outcome:
    """An error response in which the secrets of the request are hidden."""
    if not isinstance(outcome, Response) or outcome.status < 400:
        return outcome
    return replace(outcome, body=hidden(call, outcome.body))


def hidden(call: Call, body: bytes) -> bytes:
    """A body in which its secrets and those of the request are hidden, however they are quoted."""
    for secret in sorted(call.secrets | call.secrets_of(body), key=len, reverse=True):
        for text in sorted(_quoted(secret), key=len, reverse=True):
            body = body.replace(text.encode("utf-8", "replace"), b"[hidden]")
    return body


def _quoted(secret: str) -> set[str]:
    """A text as it is, as JSON shows it, and as JSON or Python shows that: a message can quote the request."""
    texts = {secret}
    for _ in range(2):
        texts |= {json.dumps(each, ensure_ascii=is_ascii)[1:-1] for each in texts for is_ascii in (True, False)}
    return texts | {repr(each)[1:-1] for each in texts}


def with_failed_job(call: Call, outcome: Outcome) -> Outcome:
    """A response with HTTP 400 and a job that has failed as a successful one: public endpoints send such responses."""
    if not isinstance(outcome, Response) or outcome.status != 400 or call.operation not in _STATE_CALLS:
        return outcome
    fields = _fields(outcome.body)
    job_id = fields.get("id")
    is_failed = isinstance(job_id, str) and job_id and fields.get("status") == "FAILED"
    return replace(outcome, status=200) if is_failed and call.job_id in {None, job_id} else outcome


def _fields(body: bytes) -> Mapping[str, Any]:
    """The fields of a JSON object; of an incomplete one, the strings at its beginning."""
    try:
        value: Any = from_json(body)
    except ValueError:
        return _top_level_strings(body)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def submitted_job(call: Call, partial: bytes) -> str | None:
    """The ID of a submitted job, extracted from a partial response, or None."""
    submits = call.operation.service is JOBS and not call.operation.repeatable and call.job_id is None
    return _top_level_strings(partial).get("id") if submits else None


def _top_level_strings(body: bytes) -> dict[str, str]:
    """The string fields of a possibly truncated JSON object.

    For a list, those of its first object: it is not a valid response, but can contain the ID of a job. Nested
    objects are skipped, since the output of a job may have an `id`.
    """
    text = body[:65536].decode("utf-8", "replace").lstrip("\ufeff \t\r\n[")
    found: dict[str, str] = {}
    if not text.startswith("{"):
        return found
    depth = 0
    last: list[str] = []
    for part in _TOKEN.findall(text):
        if part in "{[":
            depth += 1
        elif part in "}]":
            depth -= 1
        elif depth == 1 and part == ",":
            last = []
        elif depth == 1:
            last.append(part)
            if len(last) == 3 and last[0][0] == last[2][0] == '"' and last[1] == ":":
                found.setdefault(_unquoted(last[0]), _unquoted(last[2]))
    found.pop("", None)
    return {name: value for name, value in found.items() if value}


def _unquoted(part: str) -> str:
    try:
        return str(json.loads(part))
    except ValueError:
        return ""


def retry_after(response: Response) -> float | None:
    """The `Retry-After` header in seconds (it may be a number or a date), or None."""
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return None
    seconds = received_number(text)
    if seconds is None:
        moment = _date(text)
        if moment is None:
            return None
        # Relative to the server's clock, if known: the local clock may be wrong.
        now = _date(response.headers.get("date", "")) or datetime.now(timezone.utc)
        seconds = (moment - now).total_seconds()
    return max(0.0, float(seconds))


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def error_text(text: str) -> str:
    """The error message of a response body: a field of its JSON, or the body as text."""
    try:
        value: Any = json.loads(text)
        return error_in(value) or (value if isinstance(value, str) else text)
    except (ValueError, RecursionError):  # of the parts that are written again, too
        return " ".join(_without_markup(text).split())


def error_in(value: object) -> str | None:
    """The error message in a JSON object, or None."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        for name in ("error", "message", "detail", "title"):
            found = fields.get(name)
            if found:
                return (found if isinstance(found, str) else json.dumps(found)) + _details(fields)
    return None


def _details(fields: Mapping[str, Any]) -> str:
    """What a problem (RFC 9457) lists besides its summary: the fields that were rejected, in Runpod's case."""
    errors: object = fields.get("errors")
    items = cast("list[object]", errors) if isinstance(errors, list) else []
    # RFC 9457 shows them as objects; Runpod's are texts.
    details = [each if isinstance(each, str) else json.dumps(each) for each in items]
    return f" ({'; '.join(details)})" if details else ""


def _without_markup(text: str) -> str:
    if "<" not in text[:200]:
        return text
    title = re.search(r"<title[^>]*>(.{1,200}?)</title>", text[:65536], re.DOTALL | re.IGNORECASE)
    return f"an HTML page, {title[1]!r}" if title else "an HTML page"


def is_transient(outcome: Outcome) -> bool:
    """Whether a retry may succeed: after transport errors, 408, 429 and 5xx."""
    if isinstance(outcome, RequestNotSent):
        return not outcome.final
    if isinstance(outcome, TransportError):
        return not isinstance(outcome, DeadlineExceeded)
    return outcome.status in {408, 429} or outcome.status >= 500


def in_doubt(call: Call, outcome: Outcome) -> bool:
    """Whether a request that must not be executed twice may have been executed."""
    return not call.operation.repeatable and outcome_unknown(outcome)


def outcome_unknown(outcome: Outcome) -> bool:
    """Whether a request may have been executed."""
    if isinstance(outcome, DeadlineExceeded):
        return outcome.sent
    if isinstance(outcome, TransportError):
        return not isinstance(outcome, RequestNotSent)
    # A 2xx with an invalid body: the request was executed.
    return outcome.is_success or outcome.status >= 500 or outcome.status == 408


def _status_error(call: Call, response: Response, tried: str, end: str, context: dict[str, Any]) -> APIStatusError:
    reason = error_text(response.text)
    cls = _CLASSES.get(response.status, ServerError if response.status >= 500 else APIStatusError)
    if cls is BadRequestError and _TOO_LARGE.search(reason):
        cls = PayloadTooLargeError
    msg = f"{call} failed with HTTP {response.status}{tried}"
    if response.is_redirect:
        # Without the query, which may have credentials.
        location = response.redacted_headers.get("location", "another address").partition("?")[0]
        where = readable(location, 200)
        msg += f": redirect to {where}. Redirects are not followed; check {call.operation.service.setting}."
    else:
        msg += f": {readable(reason)}" if reason else ", without a reason"
        msg += "" if msg.endswith((".", "!", "?")) else "."
        advice = call.advice(413 if cls is PayloadTooLargeError else response.status)
        if response.status == 400 and "not allowed for lb api" in reason.lower():
            advice = "This is a load-balancing endpoint, which has no jobs: use client.load_balancer(id)."
        advice = response.hint or advice
        msg += f" {advice}" if advice else ""
    context.update(
        status_code=response.status,
        body=response.text,
        headers=response.redacted_headers,
    )
    if response.status == 429:
        return RateLimitError(msg + end, retry_after=retry_after(response), **context)
    return cls(msg + end, **context)
