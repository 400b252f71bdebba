"""A browser for tests of the local server's page, without the browser: a client that is signed in, and its feed."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx

from tests.local.api import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from typing_extensions import Self

    from runpod.local import LocalServer


class Events:
    """The events of a feed, in order."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        name = ""
        for line in self._lines:
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))

    def next(self, name: str) -> Any:
        """Return the data of the next event, which has this name."""
        found, data = next(iter(self))
        assert name == found
        return data

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the data of the first event that meets a condition."""
        return next(data for _, data in self if condition(data))

    def job(self, status: str) -> dict[str, Any]:
        """Return the first job that has a status."""
        event = self.until(lambda data: any(status == job["status"] for job in data.get("jobs", ())))
        found: dict[str, Any] = next(job for job in event["jobs"] if status == job["status"])
        return found


class Browser:
    """A client that has opened the page of a server."""

    def __init__(self, server: LocalServer) -> None:
        self.server = server
        self.http = httpx.Client(base_url=server.base_url.removesuffix("/v2"), timeout=TIMEOUT, trust_env=False)
        assert 303 == self.http.get(server.page_url).status_code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, path: str) -> Any:
        response = self.http.get(path)
        assert 200 == response.status_code, response.text
        return response.json()

    def post(self, path: str, body: object = None) -> Any:
        response = self.http.post(path, json={} if body is None else body)
        assert 200 == response.status_code, response.text
        return response.json()

    def submit(self, endpoint: str = "horse", **job_input: Any) -> Any:
        return self.post(f"/page/endpoints/{endpoint}/jobs", {"input": job_input or {"n": 1}})

    def details(self, job_id: str, endpoint: str = "horse") -> Any:
        return self.get(f"/page/endpoints/{endpoint}/jobs/{job_id}")

    @contextmanager
    def events(self) -> Generator[Events, None, None]:
        """Open the feed."""
        with self.http.stream("GET", "/page/events") as response:
            assert 200 == response.status_code
            assert "text/event-stream; charset=utf-8" == response.headers["content-type"]
            yield Events(response.iter_lines())

    def ended(self, **job_input: Any) -> Any:
        """Submit a job, and return its details once it has ended."""
        with self.events() as events:
            job = self.submit(**job_input)
            events.until(
                lambda data: any(
                    job["id"] == each["id"] and each["ended_at"] is not None for each in data.get("jobs", ())
                )
            )
        return self.details(job["id"])
