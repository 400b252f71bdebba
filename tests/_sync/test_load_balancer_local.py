# Generated from tests/_async/test_load_balancer_local.py by scripts/generate_sync.py. Do not edit.

"""Tests of load-balancing endpoints on this machine: the local server, and no proxy."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runpod import Runpod, BadRequestError, RetryPolicy, RunpodTimeoutError, WorkerGoneError
from runpod.local import LocalEndpoint, LocalServer
from tests._sync.local_server import TIMEOUT, echo
from tests.servers import KEY
from tests.unit.api_app import app
from tests.websockets import connect_websocket

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    endpoints: dict[str, Any] = {
        "api": LocalEndpoint(app=app, workers=2),
        "full": LocalEndpoint(app=app, workers=0),
        "horse": echo,
    }
    with LocalServer(endpoints) as server:
        yield server


@contextmanager
def client_of(server: LocalServer) -> Iterator[Runpod]:
    with Runpod(
        server.api_key,
        base_url=server.base_url,
        load_balancer_url=server.load_balancer_url,
        timeout=TIMEOUT,
        retry=RetryPolicy(max_retries=1, initial_delay=timedelta(0)),
    ) as client:
        yield client


def test_requests_and_streams(server: LocalServer) -> None:
    with client_of(server) as client:
        balancer = client.load_balancer("api")
        assert 2 == (balancer.wait_ready(2, timeout=TIMEOUT)).workers.ready
        assert 2 == (balancer.health()).workers.ready
        response = balancer.http.post("/generate", json={"prompt": "horse"})
        assert {"image": "horse.png"} == response.json()
        with balancer.http.stream("GET", "/words") as response:
            assert b"a\nhorse\n" == b"".join([piece for piece in response.iter_bytes()])
        assert 404 == (balancer.http.get("/nothing")).status_code


def test_sessions(server: LocalServer) -> None:
    with client_of(server) as client:
        balancer = client.load_balancer("api")
        balancer.wait_ready(2, timeout=TIMEOUT)
        with balancer.session(strict=True) as session:
            for _ in range(6):
                response = session.http.get("/ping")
                assert (200, session.worker_id) == (response.status_code, response.headers["X-Runpod-Worker-Id"])
            first = session.worker_id
            assert first is not None
            url, headers = session.websocket_url("/ws"), session.websocket_headers()
            with connect_websocket(url, additional_headers=headers, open_timeout=TIMEOUT) as websocket:
                assert websocket.response is not None
                assert first == websocket.response.headers["X-Runpod-Worker-Id"]
                websocket.send("horse")
                assert "horse.png" == websocket.recv()
            server.stop_worker("api", first, remove=True)
            with pytest.raises(WorkerGoneError):
                session.http.get("/ping")
            session.release()
            assert 200 == (session.http.get("/ping")).status_code
            assert session.worker_id not in {first, None}
        with balancer.session(worker_id=first) as session:
            assert 200 == (session.http.get("/ping")).status_code


@pytest.mark.fact("protocol-2 3.3: strict-resume")
def test_a_worker_that_was_scaled_down_is_resumed(server: LocalServer) -> None:
    with client_of(server) as client:
        balancer = client.load_balancer("api")
        balancer.wait_ready(2, timeout=TIMEOUT)
        with balancer.session(resume=True) as session:
            session.http.get("/ping")
            worker_id = session.worker_id
            assert worker_id is not None
            server.stop_worker("api", worker_id)
            assert 200 == (session.http.get("/ping")).status_code
            assert worker_id == session.worker_id


def test_endpoints_of_the_other_type(server: LocalServer) -> None:
    with client_of(server) as client:
        with pytest.raises(BadRequestError, match=r"use client\.endpoint\('horse'\)\.run"):
            client.load_balancer("horse").http.post("/generate", json={})
        with pytest.raises(BadRequestError, match=r"use client\.load_balancer\(id\)"):
            client.endpoint("api").run(input={"n": 1})


def test_no_worker_is_ready(server: LocalServer) -> None:
    with client_of(server) as client:
        with pytest.raises(RunpodTimeoutError, match="'full' had 0 of 1 ready workers"):
            client.load_balancer("full").wait_ready(timeout=0.5)


def test_a_load_balancer_on_this_machine_needs_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with Runpod(KEY, load_balancer_url="http://127.0.0.1:8000") as client:
        engine = client._session.engine
        client.load_balancer("ep")
        assert engine.client_for("https://api.runpod.ai") is engine.client_for("https://ep.api.runpod.ai")
        direct = engine.client_for("http://127.0.0.1:8000")
        assert direct is engine.client_for("http://localhost") is not engine.client_for("https://api.runpod.ai")
    assert direct.is_closed
