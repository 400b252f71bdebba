"""A server of one picture of 1 MB. It prints its address. Simple, so that it takes little of the measured time."""

from __future__ import annotations

import asyncio

SIZE = 1_000_000
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * (SIZE // 256 + 1)
RESPONSE = f"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {SIZE}\r\n\r\n".encode() + PICTURE[:SIZE]


class Connection(asyncio.Protocol):
    """Sends the picture for each request, all of which are without a body."""

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Respond to the requests in it."""
        *requests, self._buffer = (self._buffer + data).split(b"\r\n\r\n")
        for _ in requests:
            self._transport.write(RESPONSE)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
