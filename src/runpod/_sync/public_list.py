# Generated from src/runpod/_async/public_list.py by scripts/generate_sync.py. Do not edit.

"""The request for the list of public models. It goes to another host than all others, and never has the API key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
from pydantic_core import to_json

from runpod._sync.engine import discard
from runpod._base_errors import ClientClosedError
from runpod._http.body_reader import ACCEPT_ENCODING, BodyReader
from runpod._http.exchange import CONNECT_TIMEOUT, READ_TIMEOUT, SendState, current_send
from runpod._http.transport_errors import error_reason, is_transport_error
from runpod._primitives import TimeLimit
from runpod._text import readable
from runpod.public.catalogue import QUERY, NoListError

if TYPE_CHECKING:
    from runpod._sync.engine import Engine

# In bytes. The list has less than a tenth of that.
_MAX_LIST = 4 * 1024 * 1024


def request_list(engine: Engine, url: str, seconds: float) -> bytes:
    """Requests the list, within so many seconds.

    Raises:
        NoListError: There was no complete response with status 200.
        ClientClosedError: The client is closed.
    """
    client = engine._client  # noqa: SLF001 - the engine's own requests have the key  # pyright: ignore[reportPrivateUsage]
    if client.is_closed:
        msg = "Cannot send a request: the client is closed."
        raise ClientClosedError(msg, maybe_submitted=False)
    engine.check_loop()
    body: bytes | None = None
    problem = ""
    limit = TimeLimit(seconds)
    token = current_send.set(SendState(seconds))
    try:
        with limit:
            body = _read(client, _request(engine, url, seconds), limit)
    except Exception as error:
        if not is_transport_error(error):
            raise
        is_late = limit.passed() or isinstance(error, httpx.TimeoutException)
        problem = "" if is_late else f" ({readable(error_reason(error), 200)})"
    finally:
        current_send.reset(token)
    if body is None:
        msg = f"the service did not answer{problem or ' in time'}"
        raise NoListError(msg)
    return body


def _read(client: httpx.Client, request: httpx.Request, limit: TimeLimit) -> bytes | None:
    """The body of the response; None if there is no time left."""
    response = client.send(request, auth=None, stream=True, follow_redirects=False)
    try:
        if response.status_code != 200:
            msg = f"the service answered with HTTP {response.status_code}"
            raise NoListError(msg)
        reader = BodyReader(response.headers.get("Content-Encoding", ""), _MAX_LIST)
        # A response that is already read was decoded by the caller's transport.
        encoded = not response.is_stream_consumed
        pieces = response.iter_raw() if encoded else response.iter_bytes()
        for piece in pieces:
            if not reader.feed(piece, encoded=encoded):
                discard(response, pieces)
                msg = f"the service's response cannot be used: {reader.problem}"
                raise NoListError(msg)
            if limit.passed():
                # The caller's own client does not end single reads at the deadline.
                return None
        return reader.body
    finally:
        response.close()


def _request(engine: Engine, url: str, seconds: float) -> httpx.Request:
    step = min(seconds, READ_TIMEOUT)
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": ACCEPT_ENCODING,
        "Content-Type": "application/json",
        # The connections that are kept are those of the endpoints.
        "Connection": "close",
        "User-Agent": engine.config.user_agent,
    }
    timeouts = {"connect": min(seconds, CONNECT_TIMEOUT), "read": step, "write": step, "pool": step}
    # Not built by the client, which may have default headers with a key.
    return httpx.Request(
        "POST", url, headers=headers, content=to_json({"query": QUERY}), extensions={"timeout": timeouts}
    )
