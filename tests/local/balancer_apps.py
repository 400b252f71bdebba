"""An ASGI application for tests of load-balancing endpoints, in the server and in a worker process."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send
    from starlette.websockets import WebSocket


class Scene:
    """What the tests and the routes of one application share."""

    def __init__(self) -> None:
        self.entered = 0
        self.left: list[str] = []
        self.health = 200
        self.lifespans: list[str] = []
        self.gate = asyncio.Event()


async def echo(_: Scope, receive: Receive, send: Send) -> None:
    """Returns each part of the body as it comes."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        await send({"type": "http.response.body", "body": message.get("body", b""), "more_body": more})


def create_app() -> Starlette:
    scene = Scene()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, object]]:
        scene.lifespans.append("startup")
        yield {"horse": "saddled"}
        scene.lifespans.append("shutdown")

    async def ping(_: Request) -> Response:
        return Response(status_code=scene.health)

    async def show(request: Request) -> Response:
        headers = [[name, value] for name, value in request.headers.items()]
        shown = {"method": request.method, "path": request.scope["path"], "query": request.url.query}
        body = (await request.body()).decode("latin-1")
        return JSONResponse(
            {
                **shown,
                "raw_path": request.scope["raw_path"].decode(),
                "headers": headers,
                "body": body,
                "state": request.state.horse,
            },
            int(request.query_params.get("status", "200")),
            {"x-runpod-worker-id": "forged", "x-horse": "neighs"},
        )

    async def hold(_: Request) -> Response:
        scene.entered += 1
        await scene.gate.wait()
        return Response("held")

    async def open_gate(_: Request) -> Response:
        scene.gate.set()
        return await show_scene(_)

    async def show_scene(_: Request) -> Response:
        return JSONResponse({"entered": scene.entered, "left": scene.left})

    async def stream(_: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            try:
                yield b"one"
                await scene.gate.wait()
                yield b"two"
            finally:
                scene.left.append("stream")

        return StreamingResponse(parts())

    async def log(_: Request) -> Response:
        logging.getLogger("horse").warning("neigh")
        return Response()

    async def measure(request: Request) -> Response:
        return JSONResponse(len(await request.body()))

    async def many(request: Request) -> Response:
        size, declared = int(request.query_params["size"]), "declared" in request.query_params

        async def parts() -> AsyncIterator[bytes]:
            for _ in range(size):
                yield bytes(1024 * 1024)

        return StreamingResponse(parts(), headers={"content-length": str(size * 1024 * 1024)} if declared else None)

    async def fail(request: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"one"
            raise RuntimeError("the horse fell")

        if "started" in request.query_params:
            return StreamingResponse(parts())
        raise RuntimeError("the horse fell")

    async def exit_now(_: Request) -> Response:
        os._exit(3)

    async def environment(_: Request) -> Response:
        return JSONResponse(dict(os.environ))

    async def talk(websocket: WebSocket) -> None:
        if "refuse" in websocket.query_params:
            await websocket.close()
            return
        if "redirect" in websocket.query_params:
            await websocket.send_denial_response(RedirectResponse("/stable", 302))
            return
        await websocket.accept(websocket.headers.get("sec-websocket-protocol"), [(b"x-horse", b"neighs")])
        await websocket.send_json([[name, value] for name, value in websocket.headers.items()])
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                scene.left.append(f"websocket {message['code']}")
                return
            if message.get("text") == "close":
                await websocket.close(4321, "the end")
            elif message.get("text") == "exit":
                os._exit(3)
            elif message.get("text") == "fall":
                raise RuntimeError("the horse fell")
            elif message.get("text") is not None:
                await websocket.send_text(message["text"].upper())
            else:
                await websocket.send_bytes(message["bytes"][::-1])

    methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    app = Starlette(
        lifespan=lifespan,
        routes=[
            Route("/ping", ping),
            Route("/", show),
            Route("/show/{rest:path}", show, methods=methods),
            Route("/hold", hold),
            Route("/open", open_gate),
            Route("/scene", show_scene),
            Route("/stream", stream),
            Mount("/upload", echo),
            Route("/log", log),
            Route("/many", many),
            Route("/measure", measure, methods=["POST"]),
            Route("/fail", fail),
            Route("/exit", exit_now),
            Route("/environment", environment),
            WebSocketRoute("/talk", talk),
        ],
    )
    app.state.scene = scene
    return app


app = create_app()
