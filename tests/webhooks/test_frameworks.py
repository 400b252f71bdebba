"""Tests of the examples for web frameworks: each receives, as a real server, what the local server delivers."""

from __future__ import annotations

import importlib.util
import json
import logging
import queue
import socket
import sys
import threading
import wsgiref.simple_server
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn

from runpod import Runpod
from runpod.local import LocalServer
from runpod.webhooks import WebhookReceiver
from tests.local.api import TIMEOUT, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from runpod.webhooks import Delivery

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TOKEN = "a-token-of-the-tests-0123456789abcdef"


opened = threading.Event()


def echo(job: dict[str, Any]) -> Any:
    if job["input"].get("waits"):
        opened.wait(TIMEOUT)
    return job["input"]


@pytest.fixture(scope="module")
def local() -> Iterator[LocalServer]:
    with LocalServer({"horse": echo}) as server:
        yield server


class Site:
    """An example that runs, and what it was given to work on."""

    def __init__(self, name: str, address: str, client: Runpod, worked: queue.SimpleQueue[Delivery]) -> None:
        self.name = name
        self.client = client
        self.worked = worked
        # Another process would have the same token, too.
        self.url = WebhookReceiver(client=client, token=TOKEN).url(f"{address}/hooks", "horse")

    def post(self, content: bytes | str, url: str | None = None) -> int:
        response = httpx.post(url or self.url, content=content, timeout=TIMEOUT, trust_env=False)
        assert not response.content
        return response.status_code


@pytest.fixture(scope="module", params=["fastapi", "flask", "django"])
def site(request: pytest.FixtureRequest, local: LocalServer) -> Iterator[Site]:
    name = f"webhooks_{request.param}"
    worked: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNPOD_API_KEY", local.api_key)
        patch.setenv("RUNPOD_ENDPOINT_BASE_URL", local.base_url)
        patch.setenv("RUNPOD_WEBHOOK_TOKEN", TOKEN)
        patch.setenv("DJANGO_SECRET_KEY", "s" * 50)
        patch.setenv("DJANGO_ALLOWED_HOSTS", "example.com,127.0.0.1")
        module = load(name, patch)

        def work(delivery: Delivery) -> None:
            if "fails" in delivery.state.output:
                raise ValueError("no hay")
            worked.put(delivery)

        patch.setattr(module, "work", work)
        serve = serve_asgi if request.param == "fastapi" else serve_wsgi
        with serve(module.app) as address, Runpod() as client:
            yield Site(name, address, client, worked)
        if hasattr(module, "client"):
            module.executor.shutdown()
            module.client.close()


def load(name: str, patch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    patch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


@contextmanager
def serve_asgi(app: Any) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        until(lambda: server.started)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(TIMEOUT)


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve_wsgi(app: Any) -> Iterator[str]:
    with wsgiref.simple_server.make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(TIMEOUT)


def finished(site: Site) -> dict[str, Any]:
    """The body of the webhook of a job that has ended."""
    endpoint = site.client.endpoint("horse")
    state = endpoint.run_sync(input={"n": 1}, timeout=TIMEOUT)
    return {**state.model_dump(mode="json", by_alias=True, exclude_unset=True), "input": {"n": 1}, "webhook": site.url}


def test_a_webhook_of_the_service_is_received(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    job = site.client.endpoint("horse").run(input={"prompt": "ein Pferd 🐎"}, webhook=site.url)
    delivery = site.worked.get(timeout=TIMEOUT)
    assert (job.id, "COMPLETED", False) == (delivery.state.id, delivery.state.status, delivery.duplicate)
    assert {"prompt": "ein Pferd 🐎"} == delivery.input == delivery.state.output
    until(lambda: "was delivered" in caplog.text)
    # httpx logs the addresses of its requests, but those of the service are no concern of ours.
    logged = [record.getMessage() for record in caplog.records if record.name.startswith(("runpod", site.name))]
    assert [] == [line for line in logged if site.url.rpartition("/")[2] in line or "Pferd" in line]


def test_forged_doubled_late_and_broken_deliveries_do_no_harm(site: Site, local: LocalServer) -> None:
    body = finished(site)
    good = json.dumps(body)
    assert 403 == site.post(good, site.url[:-1])
    assert 403 == site.post(good, site.url.replace("/horse/", "/other/"))
    assert 400 == site.post(good[:-1])
    assert 400 == site.post(b"")
    assert 404 == site.post(json.dumps(body | {"id": "not-ours"}))
    assert 405 == httpx.get(site.url, trust_env=False).status_code
    # Of 20 MB, and with an output that was made up.
    assert 200 == site.post(json.dumps(body | {"output": "x" * 20_000_000, "status": "FAILED"}))
    assert {"n": 1} == site.worked.get(timeout=TIMEOUT).state.result()
    assert 200 == site.post(good)
    late = finished(site)
    local.advance(3600)
    assert 404 == site.post(json.dumps(late))
    assert site.worked.empty()


def test_work_that_fails_is_logged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.client.endpoint("horse").run(input={"fails": True}, webhook=site.url)
    until(lambda: "ValueError: no hay" in caplog.text)


def test_a_delivery_before_the_end_of_its_job_has_to_be_repeated(site: Site) -> None:
    opened.clear()
    job = site.client.endpoint("horse").run(input={"waits": True})
    body = json.dumps({"id": job.id, "status": "COMPLETED", "output": 3})
    assert 503 == site.post(body)
    opened.set()
    assert {"waits": True} == job.result(timeout=TIMEOUT)
    assert 200 == site.post(body)
    assert {"waits": True} == site.worked.get(timeout=TIMEOUT).state.output
