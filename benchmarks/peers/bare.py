"""Plain HTTP libraries with `json`: a lower bound for the cost of any client.

The tasks are documented in `ours.py`. The form `json` sends nothing: it decodes the same responses from memory.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import sys
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.request import ProxyHandler, build_opener

from load import async_load, job_of, load

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

BASE_URL = os.environ["RUNPOD_ENDPOINT_BASE_URL"]
HEADERS = {"Authorization": "Bearer bench", "Content-Type": "application/json"}


def completed(response: Any) -> None:
    assert response["status"] == "COMPLETED", response


def with_http_client(url: str, given: dict[str, Any]) -> Callable[[], None]:
    host, _, path = url.removeprefix("http://").partition("/")
    local = threading.local()

    def call() -> None:
        connection: http.client.HTTPConnection | None = getattr(local, "connection", None)
        if connection is None:
            connection = local.connection = http.client.HTTPConnection(host)
        connection.request("POST", f"/{path}", json.dumps(given).encode(), HEADERS)
        completed(json.loads(connection.getresponse().read()))

    return call


def with_requests(url: str, given: dict[str, Any]) -> Callable[[], None]:
    requests: Any = import_module("requests")
    local = threading.local()

    def call() -> None:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        completed(local.session.post(url, json=given, headers=HEADERS).json())

    return call


def with_httpx(url: str, given: dict[str, Any]) -> Callable[[], None]:
    client = import_module("httpx").Client()

    def call() -> None:
        completed(client.post(url, json=given, headers=HEADERS).json())

    return call


def with_json(url: str, given: dict[str, Any]) -> Callable[[], None]:
    body = json.dumps(given).encode()
    with build_opener(ProxyHandler({})).open(url, data=body, timeout=60) as response:
        content = response.read()

    def call() -> None:
        json.dumps(given).encode()
        completed(json.loads(content))

    return call


FORMS = {"http.client": with_http_client, "requests": with_requests, "httpx": with_httpx, "json": with_json}


class Socket(asyncio.Protocol):
    """A connection that repeats the same request, and parses only the Content-Length of the response."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102 - of Protocol
        self._transport: Any = transport
        self._answered: asyncio.Future[None]
        self._left = 0

    def data_received(self, data: bytes) -> None:  # noqa: D102
        if self._left == 0:
            head, _, body = data.partition(b"\r\n\r\n")
            self._left = int(head.rpartition(b"content-length: ")[2]) - len(body)
        else:
            self._left -= len(data)
        if self._left == 0:
            self._answered.set_result(None)

    async def send(self, request: bytes) -> None:
        """Send the request, and wait for the complete response."""
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        await self._answered


def with_sockets(url: str, given: dict[str, Any]) -> Callable[[], Awaitable[None]]:
    host, _, path = url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    body = json.dumps({"input": given}).encode()
    head = (
        f"POST /{path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer bench\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    idle: list[Socket] = []

    async def call() -> None:
        loop = asyncio.get_running_loop()
        connection = idle.pop() if idle else (await loop.create_connection(Socket, name, int(port)))[1]
        await connection.send(head.encode() + body)
        idle.append(connection)

    return call


async def async_calls(form: str, cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    costs = []
    httpx: Any = import_module("httpx")
    aiohttp: Any = import_module("aiohttp")
    # Default settings, except for the connection limits, which would block calls.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with (
        httpx.AsyncClient(timeout=60, limits=limits) as client,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        for cell in cells:
            url, given = url_of(cell), job_of(cell)

            async def with_httpx(url: str = url, given: dict[str, Any] = given) -> None:
                completed((await client.post(url, json={"input": given}, headers=HEADERS)).json())

            async def with_aiohttp(url: str = url, given: dict[str, Any] = given) -> None:
                async with session.post(url, json={"input": given}, headers=HEADERS) as response:
                    completed(json.loads(await response.read()))

            forms: dict[str, Callable[[], Awaitable[None]]] = {
                "async httpx": with_httpx,
                "async aiohttp": with_aiohttp,
                "async sockets": with_sockets(url, given),
            }
            call = forms[form]
            costs.append((await async_load(call, cell["width"], cell["seconds"])).data())
    return costs


def url_of(cell: dict[str, Any]) -> str:
    return f"{BASE_URL}/{cell['endpoint']}/runsync"


def main() -> None:
    form, cells = sys.argv[2], json.loads(sys.stdin.read())["cells"]
    if form.startswith("async"):
        done = asyncio.run(async_calls(form, cells))
    else:
        calls = [(FORMS[form](url_of(cell), {"input": job_of(cell)}), cell) for cell in cells]
        done = [load(call, cell["width"], cell["seconds"]).data() for call, cell in calls]
    print(json.dumps(done))


if __name__ == "__main__":
    main()
