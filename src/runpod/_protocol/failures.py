"""From a response that refuses, or none at all, to the error that the caller sees."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, cast

from runpod._protocol.outcomes import DeadlineExceeded, RequestNotSent, Response, TransportError
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
)
from runpod.models._base import received_number
from runpod.models._text import readable

if TYPE_CHECKING:
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
}

_ADVICE = {
    401: "Check the API key.",
    403: "This API key may not use the endpoint; see its permissions in the Runpod console.",
    413: "Put large data into storage and pass a URL.",
}

# "bad request: body: exceeded max body size of 10MiB", captured from the service with a 400, and its like.
_BODY = r"(?:body|content|entity|file|image|input|message|payload|request|upload)"
_TOO_LARGE = re.compile(rf"\b{_BODY}(?: is)? too large\b|\bmax(?:imum)?(?: {_BODY})? size\b", re.IGNORECASE)

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s"{}\[\],:]+')

# Where the id of the job could be read although the response as a whole could not.
_NAMED = "The response was incomplete but names job {!r}; check that job before resubmitting."

_IN_DOUBT = (
    "It may have been carried out. Sending it again may do it twice: check the endpoint's queue first, or allow it "
    "with RetryPolicy(resubmit=True)."
)


def failure(
    call: Call,
    outcome: Outcome,
    deadline: Deadline,
    *,
    attempts: int = 1,
    doubt: Outcome | None = None,
    state: JobState[Any] | None = None,
) -> RunpodError:
    """The error for an outcome that is not a good response.

    `doubt` is an earlier outcome of the same call after which it may have been carried out.
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
        named = context["job_id"] if call.job_id is None else None
        end = f" {_IN_DOUBT}" if named is None else f" {_NAMED.format(named)}"
    if isinstance(outcome, DeadlineExceeded):
        msg = f"{call} got no response within the timeout of {_span(deadline)}{tried}."
        if not outcome.sent and not call.operation.repeatable:
            end = " It was not sent."
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
    """Which endpoint and job it was, and whether a submission may be out there."""
    maybe = in_doubt(call, outcome)
    return {
        "endpoint_id": call.endpoint_id,
        "job_id": _job_named_by(outcome) if maybe and call.job_id is None else call.job_id,
        "maybe_submitted": maybe,
    }


def _job_named_by(outcome: Outcome) -> str | None:
    """The id of the job in a body that cannot be read as a whole, or None."""
    if isinstance(outcome, TransportError):
        return _top_level_texts(outcome.partial).get("id")
    texts = _top_level_texts(outcome.body)
    # Gateways give their refusals ids as well; one with a status beside it is a job's.
    return texts.get("id") if outcome.good or "status" in texts else None


def submitted_job(call: Call, partial: bytes) -> str | None:
    """The id of the job that a submission made, out of as much of the response as came."""
    return None if call.operation.repeatable or call.job_id is not None else _top_level_texts(partial).get("id")


def _top_level_texts(body: bytes) -> dict[str, str]:
    """The fields of a JSON object whose values are text, as far as the object goes.

    The same of the first object of a list, which is no valid response but can name a job. The output of a
    job may have an `id` of its own, so depth matters.
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
    """The seconds of a `Retry-After` header, given as seconds or as a date; None without one."""
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return None
    seconds = received_number(text)
    if seconds is None:
        moment = _date(text)
        if moment is None:
            return None
        # Against the server's own clock where it tells it: ours may be wrong.
        now = _date(response.headers.get("date", "")) or datetime.now(timezone.utc)
        seconds = (moment - now).total_seconds()
    return max(0.0, float(seconds))


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def said_by(text: str) -> str:
    """What the server says went wrong: the text in its JSON, or the body as text."""
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return " ".join(_without_markup(text).split())
    return error_in(value) or (value if isinstance(value, str) else text)


def error_in(value: object) -> str | None:
    """The error that a JSON object tells of, as text; None where it tells of none."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        for name in ("error", "message", "detail", "title"):
            found = fields.get(name)
            if found:
                return found if isinstance(found, str) else json.dumps(found)
    return None


def _without_markup(text: str) -> str:
    if "<" not in text[:200]:
        return text
    title = re.search(r"<title[^>]*>(.{1,200}?)</title>", text[:65536], re.DOTALL | re.IGNORECASE)
    return f"an HTML page, {title[1]!r}" if title else "an HTML page"


def is_transient(outcome: Outcome) -> bool:
    """Whether another try could end otherwise: no response, or one of the passing kind."""
    if isinstance(outcome, RequestNotSent):
        return not outcome.final
    if isinstance(outcome, TransportError):
        return not isinstance(outcome, DeadlineExceeded)
    return outcome.status in {408, 429} or outcome.status >= 500


def in_doubt(call: Call, outcome: Outcome) -> bool:
    """Whether something that must not be done twice may have been done."""
    return not call.operation.repeatable and _fate_unknown(outcome)


def _fate_unknown(outcome: Outcome) -> bool:
    if isinstance(outcome, DeadlineExceeded):
        return outcome.sent
    if isinstance(outcome, TransportError):
        return not isinstance(outcome, RequestNotSent)
    # A 2xx gets here when its body is unreadable: then something was done.
    return outcome.good or outcome.status >= 500 or outcome.status == 408


def _status_error(call: Call, response: Response, tried: str, end: str, context: dict[str, Any]) -> APIStatusError:
    said = said_by(response.text)
    cls = _CLASSES.get(response.status, ServerError if response.status >= 500 else APIStatusError)
    if cls is BadRequestError and _TOO_LARGE.search(said):
        cls = PayloadTooLargeError
    msg = f"{call} failed with HTTP {response.status}{tried}"
    if response.redirect:
        where = readable(response.redacted_headers.get("location", "another address"), 200)
        msg += f", a redirect to {where}. Redirects are not followed; check base_url."
    else:
        msg += f": {readable(said)}" if said else ", without a reason"
        msg += "" if msg.endswith((".", "!", "?")) else "."
        advice = _ADVICE.get(413 if cls is PayloadTooLargeError else response.status)
        if response.status == 404:
            advice = _not_found_advice(call)
        msg += f" {advice}" if advice else ""
    context.update(
        status_code=response.status,
        body=response.text,
        headers=response.redacted_headers,
    )
    if response.status == 429:
        return RateLimitError(msg + end, retry_after=retry_after(response), **context)
    return cls(msg + end, **context)


def _not_found_advice(call: Call) -> str:
    advice = f"Check the endpoint id {call.endpoint_id!r}, and that this API key may access it."
    if call.job_id is not None:
        advice += " Is the job id right? Results are kept for 30 minutes, those of run_sync for one."
    return advice


def _span(deadline: Deadline) -> str:
    return "no limit" if deadline.span is None else f"{deadline.span:g} s"
