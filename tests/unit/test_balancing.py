"""Decisions about load-balancing endpoints: addresses, refusals, what is sent again, and worker affinity."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from runpod import BadRequestError, ConfigurationError, InputTooLargeError, InvalidRequestError, Runpod, WorkerGoneError
from runpod._protocol.affinity import Affinity
from runpod._protocol.balancing import (
    MAX_BODY,
    ForwardAttempts,
    Refusal,
    balancer_url,
    check_size,
    may_be_refusal,
    refusal,
    refusal_error,
    websocket_url,
)
from runpod._protocol.outcomes import Response
from runpod.models.retry import RetryPolicy

DEFAULT = "https://{endpoint_id}.api.runpod.ai"


@pytest.mark.fact("protocol-2 3.1: address")
@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (DEFAULT, "https://ep1.api.runpod.ai"),
        ("https://{endpoint_id}.example.com:8443/v1", "https://ep1.example.com:8443/v1"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000/load-balancer/{endpoint_id}", "http://127.0.0.1:8000/load-balancer/ep1"),
        ("http://localhost/{endpoint_id}/of/{endpoint_id}", "http://localhost/ep1/of/ep1"),
    ],
)
def test_the_address_comes_from_the_setting(template: str, expected: str) -> None:
    with Runpod("key", load_balancer_url=template) as client:
        assert expected == client.load_balancer("ep1").url


@pytest.mark.parametrize("endpoint_id", ["a.b", "a/b", "a@b", "-a", "a-", "ä", "a" * 64, "evil.test/#"])
def test_an_id_that_is_no_host_label_is_refused_only_in_a_host(endpoint_id: str) -> None:
    with Runpod("key") as client, pytest.raises(InvalidRequestError, match="cannot be part of a host name"):
        client.load_balancer(endpoint_id)
    assert "/" not in balancer_url("http://localhost/{endpoint_id}", endpoint_id).removeprefix("http://localhost/")


def test_a_blank_id_and_an_address_that_httpx_rejects_are_refused() -> None:
    with Runpod("key", load_balancer_url="https://xn--/{endpoint_id}") as client:
        with pytest.raises(InvalidRequestError, match="endpoint_id is blank"):
            client.load_balancer(" ")
        with pytest.raises(ConfigurationError, match="load_balancer_url cannot be used: "):
            client.load_balancer("ep")


@pytest.mark.fact("protocol-2 3.1: address")
@pytest.mark.parametrize(
    ("url", "path", "expected"),
    [
        ("https://ep.api.runpod.ai", "/ws", "wss://ep.api.runpod.ai/ws"),
        ("https://ep.api.runpod.ai", "ws?room=1", "wss://ep.api.runpod.ai/ws?room=1"),
        ("HTTP://localhost:8000/lb/ep", "/ws?to=http://x", "ws://localhost:8000/lb/ep/ws?to=http://x"),
    ],
)
def test_the_address_of_a_websocket(url: str, path: str, expected: str) -> None:
    assert expected == websocket_url(url, path)


@pytest.mark.parametrize("path", [None, "/a b", "/a\n", "/ws#part", "wss://evil.test/ws"])
def test_a_websocket_needs_a_path(path: Any) -> None:
    with pytest.raises(InvalidRequestError, match="path must be a path such as '/ws'"):
        websocket_url("https://ep.api.runpod.ai", path)


def response(status: int, body: object, **headers: str) -> Response:
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


NO_WORKER = {"error": "no workers available"}
GONE = {"error": "conflict", "reason": "affinity_worker_gone"}


@pytest.mark.fact(
    "protocol-2 3.2: its status",
    "protocol-2 3.2: statuses of the application",
    "protocol-2 3.3: strict timeout",
    "protocol-2 3.3: where the reason is",
)
@pytest.mark.parametrize(
    ("seen", "strict", "expected"),
    [
        (response(400, NO_WORKER), False, Refusal.NO_WORKER),
        (response(400, NO_WORKER), True, Refusal.NO_WORKER),
        (response(400, "timed out waiting for worker"), False, Refusal.NO_WORKER),
        (response(400, {"detail": "Timed out waiting for worker."}), False, Refusal.NO_WORKER),
        # It took five minutes.
        (response(400, "timed out waiting for worker"), True, None),
        (response(400, {"reason": "worker_timeout"}), True, None),
        (response(404, GONE), True, Refusal.WORKER_GONE),
        (response(404, GONE, x_runpod_worker_id="w1"), True, Refusal.WORKER_GONE),
        (response(404, GONE), False, None),
        (response(400, {"error": "not allowed for QB API"}), False, Refusal.QUEUE_ENDPOINT),
        (response(404, {"error": "not allowed for QB API"}), False, Refusal.QUEUE_ENDPOINT),
        # These are responses of an application.
        (response(400, NO_WORKER, x_runpod_worker_id="w1"), False, None),
        (response(404, NO_WORKER), False, None),
        (response(400, {"error": "the prompt 'no workers available' " + 100 * "!"}), False, None),
        (response(400, {"error": "no prompt"}), False, None),
        (response(400, ""), False, None),
    ],
)
def test_what_is_a_refusal_of_the_service(seen: Response, strict: bool, expected: Refusal | None) -> None:
    assert expected == refusal(seen, strict=strict)


@pytest.mark.parametrize(
    ("status", "headers", "strict", "expected"),
    [
        (400, {}, False, True),
        (404, {"content-length": "20"}, False, True),
        (404, {"x-runpod-worker-id": "w1"}, True, True),
        (404, {"x-runpod-worker-id": "w1"}, False, False),
        (400, {"x-runpod-worker-id": "w1"}, True, False),
        (400, {"content-length": "5000"}, False, False),
        (200, {}, False, False),
        (429, {}, False, False),
        (502, {}, False, False),
    ],
)
def test_other_bodies_are_left_unread(status: int, headers: dict[str, str], strict: bool, expected: bool) -> None:
    assert expected == may_be_refusal(Response(status, headers), strict=strict)


def test_errors_say_what_to_do() -> None:
    gone = refusal_error(Refusal.WORKER_GONE, Response(404), "ep", "w1")
    assert isinstance(gone, WorkerGoneError)
    assert ("w1", "ep", False) == (gone.worker_id, gone.endpoint_id, gone.maybe_submitted)
    assert "Call release() on the session" in str(gone)
    queue = refusal_error(Refusal.QUEUE_ENDPOINT, response(400, "no"), "ep")
    assert isinstance(queue, BadRequestError)
    assert "'ep' is a queue endpoint, which takes jobs: use client.endpoint('ep').run(…)." == queue.message
    assert (400, "no") == (queue.status_code, queue.body)
    assert refusal_error(Refusal.NO_WORKER, Response(400), "ep") is None


def test_delays_follow_the_policy_and_retry_after() -> None:
    policy = RetryPolicy(max_retries=3, initial_delay=timedelta(seconds=2), max_delay=timedelta(seconds=3))
    attempts = ForwardAttempts(policy, jitter=lambda: 1.0)
    assert [2, 3, 7] == [attempts.next_delay(seen) for seen in (None, None, response(429, "", retry_after="7"))]
    assert attempts.next_delay() is None
    assert ForwardAttempts(policy).next_delay(response(429, "", retry_after="3600")) is None


@pytest.mark.fact("protocol-2 3.2: size")
def test_a_request_over_the_limit_is_refused() -> None:
    check_size(str(MAX_BODY), "ep")
    check_size("", "ep")
    with pytest.raises(InputTooLargeError, match="has 31,457,281 bytes; load-balancing endpoints accept 31,457,280"):
        check_size(str(MAX_BODY + 1), "ep")


@pytest.mark.fact("protocol-2 3.3: release")
@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, "w1"), ({"strict": True}, "strict w1"), ({"resume": True}, "strict-resume w1")],
)
def test_the_header_of_a_session(options: dict[str, Any], expected: str) -> None:
    affinity = Affinity(**options)
    assert "" == affinity.pin().value
    affinity.served(affinity.pin(), {"x-runpod-worker-id": "w1"})
    assert expected == affinity.pin().value
    assert expected == Affinity(**affinity.settings).pin().value
    affinity.release()
    assert ("", None) == (affinity.pin().value, affinity.worker_id)


def test_a_late_response_does_not_bring_a_released_worker_back() -> None:
    affinity = Affinity(worker_id="w1")
    before = affinity.pin()
    affinity.release()
    affinity.served(before, {"x-runpod-worker-id": "w1"})
    assert affinity.worker_id is None


@pytest.mark.parametrize(("strict", "expected"), [(True, "w1"), (False, "w2")])
def test_the_first_requests_of_a_session_may_run_on_several_workers(strict: bool, expected: str) -> None:
    affinity = Affinity(strict=strict)
    first, second = affinity.pin(), affinity.pin()
    affinity.served(first, {"x-runpod-worker-id": "w1"})
    affinity.served(second, {"x-runpod-worker-id": "w2"})
    affinity.served(second, {})
    affinity.served(second, {"x-runpod-worker-id": "two words"})
    assert expected == affinity.worker_id


@pytest.mark.parametrize("worker_id", ["", "two words", "line\nbreak", "ä", 5])
def test_a_worker_id_must_fit_into_a_header(worker_id: Any) -> None:
    with pytest.raises(InvalidRequestError, match="worker_id is not the ID of a worker"):
        Affinity(worker_id=worker_id)
