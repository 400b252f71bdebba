"""Helpers for tests of the local server: a plain HTTP client, a gate, and waiting."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from typing_extensions import Self

    from runpod.local import LocalServer

T = TypeVar("T")

TIMEOUT = 10.0  # Timeout of tests, in seconds.


class Api:
    """A plain HTTP client for one endpoint of a local server."""

    def __init__(self, server: LocalServer, endpoint: str = "horse") -> None:
        self.server = server
        self.http = httpx.Client(
            base_url=f"{server.base_url}/{endpoint}",
            headers={"Authorization": f"Bearer {server.api_key}"},
            timeout=TIMEOUT,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def post(self, path: str, body: object = None) -> Any:
        return self.ok(self.http.post(path, json=body) if body is not None else self.http.post(path))

    def get(self, path: str) -> Any:
        return self.ok(self.http.get(path))

    @staticmethod
    def ok(response: httpx.Response) -> Any:
        assert 200 == response.status_code, response.text
        assert "application/json" == response.headers["content-type"]
        return response.json()

    def run(self, **job_input: Any) -> str:
        body = self.post("/run", {"input": job_input or {"n": 1}})
        assert {"id": body["id"], "status": "IN_QUEUE"} == body
        job_id: str = body["id"]
        return job_id

    def run_sync(self, **job_input: Any) -> Any:
        return self.post("/runsync", {"input": job_input or {"n": 1}})

    def status(self, job_id: str) -> Any:
        return self.get(f"/status/{job_id}")

    def end(self, job_id: str) -> Any:
        """Wait until a job ends."""
        return self.get(f"/status-sync/{job_id}")

    def started(self, job_id: str) -> None:
        """Wait until a worker has taken a job; before that, a stream request is not held."""
        until(lambda: self.status(job_id)["status"] != "IN_QUEUE")

    def stream(self, job_id: str) -> Any:
        self.started(job_id)
        return self.get(f"/stream/{job_id}")

    def held(self, method: str, path: str, **arguments: Any) -> Future[httpx.Response]:
        """Send a request that will be held; returns once the server has received it."""
        before = len(self.server.requests)
        response = in_thread(lambda: self.http.request(method, path, **arguments))
        until(lambda: len(self.server.requests) > before)
        return response

    @contextmanager
    def unread(self, path: str) -> Generator[None, None, None]:
        """Send a GET request, and disconnect at the end without having read the response."""
        url = self.http.base_url
        head = f"GET {url.path.rstrip('/')}{path} HTTP/1.1\r\nhost: x\r\nauthorization: {self.server.api_key}\r\n\r\n"
        with socket.create_connection((url.host, url.port), timeout=TIMEOUT) as connection:
            connection.sendall(head.encode())
            yield


class Gate:
    """A handler that signals when it runs, and waits until the test opens the gate."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def __call__(self, job: dict[str, Any]) -> Any:
        self.entered.set()
        assert self.opened.wait(TIMEOUT)
        return job["input"]

    def wait_entered(self) -> None:
        assert self.entered.wait(TIMEOUT)

    def open(self) -> None:
        self.opened.set()


def in_thread(function: Callable[[], T]) -> Future[T]:
    future: Future[T] = Future()

    def call() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001  # Raised by `future.result()`.
            future.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return future


def until(condition: Callable[[], bool], *, timeout: float = TIMEOUT) -> None:
    """Poll until a condition is met."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "condition was not met in time"
        time.sleep(0.001)
