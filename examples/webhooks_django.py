"""Receive webhooks with Django: settings, URLs and view in one file.

    pip install runpod-sdk django gunicorn
    export RUNPOD_API_KEY=… RUNPOD_WEBHOOK_TOKEN=… DJANGO_SECRET_KEY=… DJANGO_ALLOWED_HOSTS=example.com
    gunicorn --chdir examples --threads 8 webhooks_django:app

Jobs are submitted with `webhook=receiver.url("https://example.com/hooks", endpoint)`, where example.com is this server.
Its path is a secret, which Django's logger `django.request` shows if the response is an error.
Several worker processes need a `WebhookReceiver(seen=…)` that they share, for example over Django's cache.
"""

from __future__ import annotations

import logging
import os
from concurrent.futures import Future, ThreadPoolExecutor

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from runpod import Runpod, RunpodError
from runpod.webhooks import Delivery, WebhookReceiver, http_status

settings.configure(
    ALLOWED_HOSTS=os.environ["DJANGO_ALLOWED_HOSTS"].split(","),
    DATA_UPLOAD_MAX_MEMORY_SIZE=50_000_000,  # by default, a body of more than 2.5 MB is refused
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ["DJANGO_SECRET_KEY"],
)

client = Runpod()
receiver = WebhookReceiver(client=client)
executor = ThreadPoolExecutor(max_workers=4)


def hook(request: HttpRequest, path: str) -> HttpResponse:
    try:
        receiver.check(path)  # before the body is read
        delivery = receiver.receive(path, request.body)
    except RunpodError as error:
        logging.getLogger(__name__).warning("%s", error)
        return HttpResponse(status=http_status(error))
    if not delivery.duplicate:
        executor.submit(work, delivery).add_done_callback(log_failure)  # the response does not wait for it
    return HttpResponse()


def log_failure(future: Future[None]) -> None:
    """Logs why `work` raised, which the executor keeps to itself."""
    if error := future.exception():
        logging.getLogger(__name__).error("A delivery was received, but not handled.", exc_info=error)


def work(delivery: Delivery) -> None:
    """What your program does with a job that has ended."""
    print(delivery.state.id, delivery.state.status, delivery.input, delivery.state.output)


# Without the protection from CSRF: the token in the path takes its place.
urlpatterns = [path("hooks/<path:path>", csrf_exempt(require_POST(hook)))]
app = get_wsgi_application()
