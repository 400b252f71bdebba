"""Receive webhooks with FastAPI.

    pip install runpod-sdk fastapi uvicorn
    export RUNPOD_API_KEY=… RUNPOD_WEBHOOK_TOKEN=…
    uvicorn --app-dir examples --no-access-log webhooks_fastapi:app

The access log would show the addresses, which are secret. Jobs are submitted with
`webhook=receiver.url("https://example.com/hooks", endpoint)`, where example.com is this server.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import BackgroundTasks, FastAPI, Request, Response

from runpod import AsyncRunpod, RunpodError
from runpod.webhooks import AsyncWebhookReceiver, Delivery, http_status


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncRunpod() as client:
        app.state.receiver = AsyncWebhookReceiver(client=client)
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/hooks/{path:path}")
async def hook(path: str, request: Request, tasks: BackgroundTasks) -> Response:
    receiver: AsyncWebhookReceiver = request.app.state.receiver
    try:
        receiver.check(path)  # before the body is read
        delivery = await receiver.receive(path, await request.body())
    except RunpodError as error:
        logging.getLogger(__name__).warning("%s", error)
        return Response(status_code=http_status(error))
    if not delivery.duplicate:
        tasks.add_task(work, delivery)  # after the response
    return Response()


def work(delivery: Delivery) -> None:
    """What your program does with a job that has ended."""
    print(delivery.state.id, delivery.state.status, delivery.input, delivery.state.output)
