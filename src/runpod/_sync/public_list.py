# Generated from src/runpod/_async/public_list.py by scripts/generate_sync.py. Do not edit.

"""The request for the list of public models. It goes to another host than all others, and never has the API key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
from pydantic import SecretStr
from pydantic_core import to_json

from runpod._sync.open_response import discard
from runpod._http.body_reader import ACCEPT_ENCODING
from runpod._http.exchange import CONNECT_TIMEOUT, Exchange
from runpod._http.private_addresses import Reach
from runpod._protocol.links import LinkCall
from runpod._protocol.outcomes import DeadlineExceeded, Response
from runpod._text import readable
from runpod.public.catalogue import QUERY, NoListError

if TYPE_CHECKING:
    from runpod._sync.session import Session
    from runpod._primitives import TimeLimit
    from runpod._protocol.deadlines import Deadline

# In bytes. The list has less than a tenth of that.
_MAX_LIST = 4 * 1024 * 1024


def request_list(session: Session, url: str, deadline: Deadline) -> bytes:
    """Requests the list, once: without it, the list of the library is at hand.

    Raises:
        NoListError: There was no complete response with status 200.
        ClientClosedError: The client is closed.
    """
    call, engine = LinkCall(url=url), session.engine
    session.check_open(call)
    engine.check_loop()

    def transfer(exchange: Exchange, remaining: float, limit: TimeLimit) -> None:
        request = _new_request(url, engine.config.user_agent, remaining, exchange.read_timeout)
        # The URL is not from an output, so it may be in a private network.
        response = engine.downloads.send(request, Reach(private=True))
        exchange.start_response(response.status_code, response.headers.raw)
        # A response that is already read was decoded by the caller's transport.
        encoded = not response.is_stream_consumed
        pieces = response.iter_raw() if encoded else response.iter_bytes()
        try:
            for piece in pieces:
                if not exchange.feed(piece, encoded=encoded) or len(exchange.partial) > _MAX_LIST:
                    discard(response, pieces)
                    break
                if limit.passed():
                    # The caller's own client does not end single reads at the deadline.
                    return
            exchange.complete = True
        finally:
            response.close()

    exchange = Exchange(call, deadline.remaining(session.clock.now()))
    outcome = engine.attempt(call, exchange, deadline, session.clock, transfer, SecretStr(""))
    if isinstance(outcome, DeadlineExceeded):
        problem = "the service did not answer in time"
    elif not isinstance(outcome, Response):
        problem = f"the service did not answer ({readable(outcome.reason, 200)})"
    elif outcome.status != 200:
        problem = f"the service answered with HTTP {outcome.status}"
    elif outcome.problem or len(outcome.body) > _MAX_LIST:
        problem = f"the service's response cannot be used: {outcome.problem or 'it is larger than 4 MiB'}"
    else:
        return outcome.body
    raise NoListError(problem)


def _new_request(url: str, user_agent: str, remaining: float, read_timeout: float) -> httpx.Request:
    step = min(remaining, read_timeout)
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": ACCEPT_ENCODING,
        "Content-Type": "application/json",
        # There is only one request.
        "Connection": "close",
        "User-Agent": user_agent,
    }
    timeouts = {"connect": min(remaining, CONNECT_TIMEOUT), "read": step, "write": step, "pool": step}
    # Not built by the client, which may have default headers with a key.
    return httpx.Request(
        "POST", url, headers=headers, content=to_json({"query": QUERY}), extensions={"timeout": timeouts}
    )
