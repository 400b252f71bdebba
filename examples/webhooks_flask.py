"""Receive webhooks with Flask.

    pip install runpod-sdk flask gunicorn
    export RUNPOD_API_KEY=… RUNPOD_WEBHOOK_TOKEN=…
    gunicorn --chdir examples --threads 8 webhooks_flask:app

Jobs are submitted with `webhook=receiver.url("https://example.com/hooks", endpoint)`, where example.com is this server.
Several worker processes need a `WebhookReceiver(seen=…)` that they share.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from flask import Flask, Response, request

from runpod import Runpod, RunpodError
from runpod.webhooks import Delivery, WebhookReceiver, http_status

app = Flask(__name__)
client = Runpod()
receiver = WebhookReceiver(client=client)
executor = ThreadPoolExecutor(max_workers=4)


@app.post("/hooks/<path:path>")
def hook(path: str) -> Response:
    try:
        receiver.check(path)  # before the body is read
        delivery = receiver.receive(path, request.get_data())
    except RunpodError as error:
        app.logger.warning("%s", error)
        return Response(status=http_status(error))
    if not delivery.duplicate:
        executor.submit(work, delivery).add_done_callback(log_failure)  # the response does not wait for it
    return Response()


def log_failure(future: Future[None]) -> None:
    """Logs why `work` raised, which the executor keeps to itself."""
    if error := future.exception():
        app.logger.error("A delivery was received, but not handled.", exc_info=error)


def work(delivery: Delivery) -> None:
    """What your program does with a job that has ended."""
    print(delivery.state.id, delivery.state.status, delivery.input, delivery.state.output)
