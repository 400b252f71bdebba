"""The ASGI application of the page: checks who asks, finds the route, and sends the response."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import unquote

from starlette.datastructures import Headers, QueryParams
from starlette.responses import Response

from runpod.local.http.long_poll import ClientDisconnectedError
from runpod.local.http.request_body import read_body
from runpod.local.http.validation import RUN_BODY_LIMIT, HTTPError
from runpod.local.jobs.history import JobHistory
from runpod.local.jobs.job import JobNotFoundError, JobNotRetryableError
from runpod.local.json_text import JSONText, object_text, to_bytes
from runpod.local.page.access import Access, is_same_origin
from runpod.local.page.assets import HEADERS, asset, forward, message, sign_in
from runpod.local.page.feed import Feed
from runpod.local.page.media_list import MediaLists
from runpod.local.page.routes import PageCall, check_method, find_route
from runpod.local.signals import Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from runpod.local.clock import Clock
    from runpod.local.http.call import Endpoint
    from runpod.local.settings import Behavior

__all__ = ["Page"]

_logger = logging.getLogger("runpod.local")

_MAX_FEEDS = 50


class Page:
    """The page of one server.

    Args:
        endpoints: The endpoints by ID.
        host: The host that the server was told to listen on.
        clock: The server's clock.
        behavior: Behavior where the service is undocumented.
        origin: Returns the origin of the server, such as `http://127.0.0.1:8000`, once it has one.
    """

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        *,
        host: str,
        clock: Clock,
        behavior: Behavior,
        origin: Callable[[], str],
    ) -> None:
        self.access: Access = Access(host, clock)
        self._endpoints = endpoints
        self._clock = clock
        self._behavior = behavior
        self._origin = origin
        self._media = MediaLists()
        self._changed = Signal()
        clock.advanced.connect(self._changed.fire)
        self._closing = Signal()
        self._closed = False
        self._feeds = 0

    def __repr__(self) -> str:
        return f"<Page of {sorted(self._endpoints)}>"

    def new_history(self) -> JobHistory:
        """Create what records the changes of a queue's jobs for the page."""
        return JobHistory(self._changed)

    def open(self, port: int) -> None:
        """Begin to serve the port."""
        self.access.cookie = f"runpod_page_{port}"

    def close(self) -> None:
        """End the feeds. Must be called on the event loop."""
        self._closed = True
        self._closing.fire()

    def address(self) -> str:
        """Return a new address of the page, which can be opened once."""
        return f"{self._origin()}/?key={self.access.new_key()}"

    @staticmethod
    def has(raw_path: bytes) -> bool:
        """Return whether a path belongs to the page."""
        # Browsers ask for the icon on their own.
        return raw_path in {b"/", b"/page", b"/favicon.ico"} or raw_path.startswith(b"/page/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        try:
            response = await self._respond(scope, receive)
            await response(scope, receive, send)
        except ClientDisconnectedError:
            return

    async def _respond(self, scope: Scope, receive: Receive) -> Response:
        """Return the response to a request, also on errors."""
        try:
            return await self._find(scope, receive)
        except ClientDisconnectedError:
            raise
        except HTTPError as error:
            text = error.text.removeprefix("bad request: body: ")
            return _json_error(error.status, text, error.headers)
        except JobNotFoundError:
            return _json_error(404, "The job does not exist, or not any more.")
        except JobNotRetryableError as error:
            return _json_error(409, f"The {error}.")
        except Exception:
            _logger.exception("The local server failed to process a request of its page.")
            return _json_error(500, "The server failed. See its log.")

    async def _find(self, scope: Scope, receive: Receive) -> Response:
        headers = Headers(scope=scope)
        method: str = scope["method"]
        # IDs can contain an encoded slash, so the path is split first.
        steps = [unquote(step) for step in scope["raw_path"].decode("ascii", "replace").split("/")[1:]]
        if not self.access.is_own_host(headers):
            return message(
                403, "Unknown host", "This server does not know the name in this address. Use its IP address instead."
            )
        if steps in ([""], ["favicon.ico"]) or steps[:2] == ["page", "assets"]:
            check_method(method, "GET")
            if steps == [""]:
                return self._open(method, headers, QueryParams(scope["query_string"]))
            return asset("icon.svg" if steps[0] == "favicon.ico" else "/".join(steps[2:]))
        if not is_same_origin(headers):
            raise HTTPError(403, "Only the page itself may send this request.")
        if not self.access.is_signed_in(headers):
            raise HTTPError(401, "This browser is not signed in. Open a new address of the page.")
        if steps == ["page", "events"]:
            check_method(method, "GET")
            return self._feed(method)
        return await self._run(method, steps[1:], headers, scope, receive)

    def _open(self, method: str, headers: Headers, query: QueryParams) -> Response:
        """Return the page, or trade a key for a session."""
        signed_in = self.access.is_signed_in(headers)
        from_elsewhere = headers.get("sec-fetch-site") == "cross-site"
        keys = query.getlist("key")
        if not keys:
            return asset("index.html") if signed_in else sign_in(from_elsewhere=from_elsewhere)
        # A HEAD request, such as that of a preview of a link, uses no key up.
        is_valid = len(keys) == 1 and method == "GET" and self.access.use(keys[0])
        if not is_valid and not signed_in:
            return sign_in(from_elsewhere=from_elsewhere)
        added: dict[str, str] = {}
        if not signed_in:
            session = self.access.new_session()
            added["set-cookie"] = f"{self.access.cookie}={session}; HttpOnly; SameSite=Strict; Path=/"
        if from_elsewhere:
            return forward(added)
        return Response(status_code=303, headers={**HEADERS, **added, "location": "/"})

    def _feed(self, method: str) -> Response:
        if method == "HEAD":
            return Response(headers=HEADERS, media_type=Feed.media_type)
        if self._feeds >= _MAX_FEEDS:
            raise HTTPError(429, f"The page is open {_MAX_FEEDS} times. Close it elsewhere.")
        self._feeds += 1
        return Feed(
            self._endpoints,
            clock=self._clock,
            changed=self._changed,
            closing=self._closing,
            is_closing=lambda: self._closed,
            on_end=self._end_feed,
            base_url=f"{self._origin()}/v2",
            headers=HEADERS,
        )

    def _end_feed(self) -> None:
        self._feeds -= 1

    async def _run(self, method: str, steps: list[str], headers: Headers, scope: Scope, receive: Receive) -> Response:
        """Run the operation of a path below `/page/endpoints/`."""
        if len(steps) < 3 or steps[0] != "endpoints":
            raise HTTPError(404, "There is no such address.")
        operation, rest = find_route(method, tuple(steps[2:]))
        endpoint = self._endpoints.get(steps[1])
        if endpoint is None:
            raise HTTPError(404, "The endpoint does not exist.")
        body, complete = await read_body(receive, RUN_BODY_LIMIT) if method == "POST" else (b"", True)
        # Pages of other origins cannot send this type without asking first, which is refused.
        if method == "POST" and headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise HTTPError(415, "The Content-Type must be application/json.")
        if not complete:
            raise HTTPError(413, f"The request has more than {RUN_BODY_LIMIT // 1024**2} MiB.")
        call = PageCall(
            endpoint_id=steps[1],
            endpoint=endpoint,
            rest=rest,
            version=QueryParams(scope["query_string"]).get("v", ""),
            range=headers.get("range", ""),
            body=body,
            clock=self._clock,
            behavior=self._behavior,
            media=self._media,
            origin=self._origin(),
        )
        found = await operation(call)
        return found if isinstance(found, Response) else _json(200, found)


def _json(status: int, text: JSONText, headers: Mapping[str, str] | None = None) -> Response:
    return Response(to_bytes(text), status, {**HEADERS, **(headers or {})}, "application/json")


def _json_error(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    return _json(status, object_text({"error": text}), headers)
