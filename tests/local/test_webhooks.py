from __future__ import annotations

import asyncio
import json
import logging
import queue
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from runpod.local import Behavior
from runpod.local.jobs import webhooks
from tests.local.api import TIMEOUT, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local.api import Api
    from tests.local.conftest import Serve

DAY = 24 * 3600


def echo(job: dict[str, Any]) -> Any:
    return job["input"]


class Delivery(NamedTuple):
    path: str
    headers: dict[str, str]
    body: Any


class Receiver:
    """A server that receives webhooks, and responds with the next of its statuses."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.deliveries: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self.statuses: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.deliveries.put(Delivery(self.path, headers, body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer((host, 0), Handler)
        self.url = f"http://{host}:{self.http.server_address[1]}/hook?secret=1"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def next(self) -> Delivery:
        return self.deliveries.get(timeout=TIMEOUT)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.http.shutdown()
    receiver.http.server_close()


def submit(api: Api, url: str, **job_input: Any) -> str:
    job_id: str = api.post("/run", {"input": job_input or {"n": 1}, "webhook": url})["id"]
    return job_id


def webhook_tasks(api: Api) -> int:
    return len(api.server._webhooks._tasks)


@pytest.mark.fact("protocol 6: request", "protocol 6: body", "protocol 6: COMPLETED and FAILED")
@pytest.mark.parametrize("operation", ["run", "runsync"])
def test_webhook_of_a_completed_job(serve: Serve, receiver: Receiver, operation: str) -> None:
    api = serve(echo)
    body = {"input": {"prompt": "ein Pferd \U0001f40e"}, "webhook": receiver.url}
    job_id = api.post(f"/{operation}", body)["id"]
    delivery = receiver.next()
    assert "/hook?secret=1" == delivery.path
    assert api.end(job_id) | body == delivery.body
    assert {"delayTime", "executionTime", "id", "input", "output", "status", "webhook", "workerId"} == set(
        delivery.body
    )
    assert "application/json" == delivery.headers["content-type"]
    assert "Go-http-client/2.0" == delivery.headers["user-agent"]
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", delivery.headers["traceparent"])
    until(lambda: webhook_tasks(api) == 0)
    assert receiver.deliveries.empty()


@pytest.mark.fact("protocol 6: COMPLETED and FAILED")
def test_webhook_of_a_failed_job(serve: Serve, receiver: Receiver) -> None:
    api = serve(lambda _: {"error": "no hay"})
    job_id = submit(api, receiver.url)
    body = receiver.next().body
    assert (job_id, "FAILED", "no hay") == (body["id"], body["status"], body["error"])
    assert "output" not in body


@pytest.mark.fact("protocol 6: three attempts", "protocol 6: no effect on the job")
def test_failed_webhook_is_attempted_three_times(serve: Serve, receiver: Receiver) -> None:
    receiver.statuses = [500, 302, 404]
    api = serve(echo)
    job_id = submit(api, receiver.url)
    first = receiver.next()
    assert "COMPLETED" == api.end(job_id)["status"]
    for delay in (5, 15):
        # The clock may only be advanced once the sender waits.
        until(lambda: bool(api.server._clock.advanced._listeners) and waits_for_retry(api))
        api.server.advance(delay - 1)
        assert receiver.deliveries.empty()
        api.server.advance(1)
        assert first.body == receiver.next().body
    until(lambda: webhook_tasks(api) == 0)
    assert receiver.deliveries.empty()
    assert "COMPLETED" == api.status(job_id)["status"]


def waits_for_retry(api: Api) -> bool:
    """Whether a timer is set besides the one that expires jobs."""
    return len(api.server._clock.advanced._listeners) > 1


@pytest.mark.fact("protocol 6: any 2xx")
def test_any_2xx_status_is_a_success(serve: Serve, receiver: Receiver) -> None:
    receiver.statuses = [503, 204]
    api = serve(echo)
    submit(api, receiver.url)
    receiver.next()
    until(lambda: waits_for_retry(api))
    api.server.advance(5)
    receiver.next()
    until(lambda: webhook_tasks(api) == 0)
    assert receiver.deliveries.empty()


@pytest.mark.fact("protocol 6: no effect on the job")
def test_hanging_webhook_blocks_nothing(serve: Serve) -> None:
    # Accepts the connection and never responds.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        api = serve(echo)
        job_id = submit(api, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        connection, _ = silent.accept()
        with connection:
            assert "COMPLETED" == api.end(job_id)["status"]
            assert "COMPLETED" == api.run_sync(n=2)["status"]
            api.server.stop()
            assert 0 == webhook_tasks(api)


@pytest.mark.fact("protocol 6: other ends")
@pytest.mark.parametrize("every_end", [False, True])
def test_webhook_on_every_end(serve: Serve, receiver: Receiver, every_end: bool) -> None:
    async def stuck(_: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    api = serve(stuck, behavior=Behavior(webhook_on_every_end=every_end, timed_out=True))
    cancelled = submit(api, receiver.url)
    api.post(f"/cancel/{cancelled}")
    timed_out = submit(api, receiver.url)
    for _ in range(2):
        api.started(timed_out)
        api.server.advance(600)
    until(lambda: api.status(timed_out)["status"] == "TIMED_OUT")
    statuses = [receiver.next().body["status"] for _ in range(2)] if every_end else []
    assert (["CANCELLED", "TIMED_OUT"] if every_end else []) == sorted(statuses)
    until(lambda: webhook_tasks(api) == 0)
    assert receiver.deliveries.empty()


def test_webhook_is_called_again_after_a_retry(serve: Serve, receiver: Receiver) -> None:
    outcomes: list[Any] = [{"error": "not yet"}, "done"]
    api = serve(lambda _: outcomes.pop(0))
    job_id = submit(api, receiver.url)
    assert "FAILED" == receiver.next().body["status"]
    api.post(f"/retry/{job_id}")
    body = receiver.next().body
    assert ("COMPLETED", "done") == (body["status"], body["output"])


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    urls: list[str] = []

    async def attempt(url: str, _: bytes) -> bool:
        urls.append(url)
        return True

    monkeypatch.setattr(webhooks, "_attempt", attempt)
    return urls


EXTERNAL = [
    "https://example.com/hook",
    "http://10.0.0.1/",
    "http://127.0.0.1.example.com/",
    "http://localhost@example.com",
    "http://localhost\\@example.com",
    "http://localhost.example.com/",
    "http://example.com#@localhost/",
    "http://0.0.0.0/",
]
INVALID = ["", "nonsense", "http://", "http://[::1", "/hook"]
LOOPBACK = ["http://localhost:1/", "https://127.0.0.1/", "http://127.8.8.8/", "http://[::1]:8/", "HTTP://LOCALHOST/"]


@pytest.mark.parametrize("url", EXTERNAL + INVALID)
def test_external_webhooks_are_not_called_by_default(serve: Serve, attempts: list[str], url: str) -> None:
    api = serve(echo)
    assert "COMPLETED" == api.end(submit(api, url))["status"]
    api.end(submit(api, LOOPBACK[0]))
    until(lambda: [LOOPBACK[0]] == attempts)


@pytest.mark.parametrize("url", LOOPBACK)
def test_webhooks_on_this_machine_are_called(serve: Serve, attempts: list[str], url: str) -> None:
    api = serve(echo)
    api.end(submit(api, url))
    until(lambda: [url] == attempts)


def test_external_webhooks_are_called_if_enabled(serve: Serve, attempts: list[str]) -> None:
    api = serve(echo, external_webhooks=True)
    for url in EXTERNAL:
        api.end(submit(api, url))
    until(lambda: attempts == EXTERNAL)


@pytest.mark.parametrize("url", ["http://a:secret@127.0.0.1:1/secret?secret", "http://127.0.0.1:99999/secret"])
def test_the_token_in_an_address_is_not_logged(serve: Serve, url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "runpod.local")
    submit(serve(echo), url)
    until(lambda: "could not be called" in caplog.text)
    assert "http://127.0.0.1:" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("url", [*INVALID, "http://127.0.0.1:1/", "http://user:pass@127.0.0.1:99999/"])
def test_invalid_webhook_url_does_not_affect_jobs(serve: Serve, url: str) -> None:
    api = serve(echo, external_webhooks=True)
    assert "COMPLETED" == api.end(submit(api, url))["status"]
    assert "COMPLETED" == api.run_sync()["status"]
