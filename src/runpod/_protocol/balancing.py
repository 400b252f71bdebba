"""Load-balancing endpoints: their addresses, what the service answers in place of a worker, and what may be sent again.

docs.runpod.io, "Load balancing endpoints". There is no queue: a request is forwarded to a worker, or refused.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from runpod._config import ENDPOINT_PLACEHOLDER
from runpod._protocol.affinity import WORKER_HEADER
from runpod._protocol.failures import error_text, retry_after
from runpod._protocol.operations import encoded
from runpod._protocol.retries import MAX_RETRY_AFTER, backoff
from runpod.errors import BadRequestError, InputTooLargeError, InvalidRequestError, WorkerGoneError

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod._protocol.outcomes import Response
    from runpod.models.retry import RetryPolicy

# The service accepts 30 MB per request, and counts 1,048,576 bytes as one.
MAX_BODY = 30 * 1024 * 1024

# Responses that the service makes itself are no longer than this, in bytes, nor are their messages, in characters.
MAX_REFUSAL = 4096
_MAX_MESSAGE = 120

# A whole URL is not one: it would lead below the endpoint's.
_PATH = re.compile(r"(?![^/?]*://)[^\s#\x00-\x1f\x7f]*")

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE | re.ASCII)


def balancer_url(template: str, endpoint_id: str) -> str:
    """The URL of a load-balancing endpoint, without a slash at its end.

    Args:
        template: The setting `load_balancer_url`, with or without the placeholder.
        endpoint_id: The endpoint's ID.

    Raises:
        InvalidRequestError: The ID becomes part of a host name, and cannot.
    """
    origin, slash, path = template.partition("://")[2].partition("/")
    if ENDPOINT_PLACEHOLDER in origin and not _LABEL.fullmatch(endpoint_id):
        msg = (
            f"The endpoint ID {endpoint_id!r} cannot be part of a host name, as {template!r} needs it. "
            "Check the ID, or pass a load_balancer_url with the ID in its path."
        )
        raise InvalidRequestError(msg, endpoint_id=endpoint_id)
    scheme = template.partition("://")[0]
    origin = origin.replace(ENDPOINT_PLACEHOLDER, endpoint_id)
    return f"{scheme}://{origin}{slash}{path.replace(ENDPOINT_PLACEHOLDER, encoded(endpoint_id))}"


def websocket_url(url: str, path: object) -> str:
    """The address of a WebSocket below the URL of an endpoint.

    Raises:
        InvalidRequestError: It is not a path.
    """
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        msg = "path must be a path such as '/ws', without spaces, control characters and a fragment."
        raise InvalidRequestError(msg)
    scheme, _, rest = url.partition("://")
    return f"{'ws' if scheme.lower() == 'http' else 'wss'}://{rest}/{path.removeprefix('/')}"


class Refusal(Enum):
    """Why the service has not forwarded a request. Nothing was executed. The value is for log records."""

    NO_WORKER = "no worker was free"
    WORKER_GONE = "the worker is gone"
    QUEUE_ENDPOINT = "it is a queue endpoint"


def _names_worker(response: Response) -> bool:
    """Whether a response names a worker: it is that of the application, which may have executed the request."""
    return bool(response.headers.get(WORKER_HEADER, "").strip())


def is_rejection(response: Response) -> bool:
    """Whether the service itself rejected a request because of its rate. An application may do so after some work."""
    return response.status == 429 and not _names_worker(response)


def may_be_refusal(response: Response, *, strict: bool = False) -> bool:
    """Whether a response can be a refusal, so that the beginning of its body is needed. Other bodies are left unread.

    Args:
        response: The response without its body.
        strict: Whether the request insisted on a worker.
    """
    if not 400 <= response.status < 500 or response.status == 429:
        return False
    if _names_worker(response) and not (strict and response.status == 404):
        return False
    length = response.headers.get("content-length", "")
    return not length.isdigit() or int(length) <= MAX_REFUSAL


def refusal(response: Response, *, strict: bool = False) -> Refusal | None:
    """The refusal that a response is, or None.

    Args:
        response: The response with its body.
        strict: Whether the request insisted on a worker.
    """
    text = response.body.decode("utf-8", "replace")
    if strict and response.status == 404 and "affinity_worker_gone" in text:
        return Refusal.WORKER_GONE
    message = error_text(text).lower()
    if _names_worker(response) or len(message) > _MAX_MESSAGE:
        return None
    if "not allowed for qb api" in message:
        return Refusal.QUEUE_ENDPOINT
    if response.status != 400:
        return None
    # The worker of a strict session was busy for up to five minutes: whether to wait again is the caller's decision.
    if "no workers available" in message or ("timed out waiting for worker" in message and not strict):
        return Refusal.NO_WORKER
    return None


def refusal_error(
    found: Refusal | None, response: Response, endpoint_id: str, worker_id: str | None = None
) -> BadRequestError | WorkerGoneError | None:
    """The error for a refusal that repeating the request cannot change, or None.

    Args:
        found: The refusal, if any.
        response: The response.
        endpoint_id: The endpoint's ID.
        worker_id: The worker that the request insisted on, if any.
    """
    if found is Refusal.WORKER_GONE:
        msg = (
            f"The worker {worker_id!r} of endpoint {endpoint_id!r} does not exist any more, so the request was not "
            "executed. Call release() on the session to continue on another worker, without what this one had in memory."
        )
        return WorkerGoneError(msg, endpoint_id=endpoint_id, worker_id=worker_id)
    if found is Refusal.QUEUE_ENDPOINT:
        msg = f"{endpoint_id!r} is a queue endpoint, which takes jobs: use client.endpoint({endpoint_id!r}).run(…)."
        return BadRequestError(
            msg,
            endpoint_id=endpoint_id,
            status_code=response.status,
            body=response.text,
            headers=response.redacted_headers,
        )
    return None


@dataclass
class ForwardAttempts:
    """The attempts of one request to a load-balancing endpoint.

    Attributes:
        policy: How often and how fast it is repeated.
        patience: The longest `Retry-After` that is waited for, in seconds.
        number: The number of the current attempt, from 1.
    """

    policy: RetryPolicy
    patience: float = MAX_RETRY_AFTER
    jitter: Callable[[], float] = random.random
    number: int = 1

    def next_delay(self, response: Response | None = None) -> float | None:
        """Takes the failure of an attempt that provably was not executed.

        Args:
            response: Its response; None if it was never sent.

        Returns:
            The delay before the next attempt, in seconds, or None if there is none.
        """
        asked = (None if response is None else retry_after(response)) or 0.0
        if self.number > self.policy.max_retries or asked > self.patience:
            return None
        delay = max(backoff(self.policy, self.number, self.jitter), asked)
        self.number += 1
        return delay


def check_size(length: str, endpoint_id: str) -> None:
    """Checks the size of a request, as far as it is known.

    Args:
        length: The header `Content-Length`; empty if there is none.
        endpoint_id: The endpoint's ID.

    Raises:
        InputTooLargeError: The service does not accept it.
    """
    if length.isdigit() and int(length) > MAX_BODY:
        msg = (
            f"The request to endpoint {endpoint_id!r} has {int(length):,} bytes; load-balancing endpoints accept "
            f"{MAX_BODY:,}. Upload large data to storage and pass a URL."
        )
        raise InputTooLargeError(msg, endpoint_id=endpoint_id)
