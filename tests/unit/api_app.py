"""The application of the page about load balancing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.websockets import WebSocket


async def ping(_: Request) -> Response:
    return Response()


async def post(request: Request) -> Response:
    asked: dict[str, Any] = await request.json()
    return JSONResponse({"image": f"{next(iter(asked.values()))}.png"})


async def words(_: Request) -> Response:
    async def parts() -> AsyncIterator[str]:
        yield "a\n"
        yield "horse\n"

    return StreamingResponse(parts())


async def websocket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(f"{await websocket.receive_text()}.png")
    await websocket.close()


app = Starlette(
    routes=[
        Route("/ping", ping),
        Route("/generate", post, methods=["POST"]),
        Route("/chat", post, methods=["POST"]),
        Route("/words", words),
        WebSocketRoute("/ws", websocket),
    ]
)
