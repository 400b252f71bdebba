# Generated from tests/_async/test_load_balancer.py by scripts/generate_sync.py. Do not edit.

"""Tests of load-balancing endpoints: what is sent, what is sent again, and sessions."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import ssl
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import respx

from runpod import (
    Runpod,
    BadRequestError,
    ClientClosedError,
    InputTooLargeError,
    InvalidRequestError,
    RetryPolicy,
    RunpodTimeoutError,
    WorkerGoneError,
)
from runpod._http.byte_streams import ByteStream
from tests.clocks import together
from tests.servers import BASE_URL, KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod import LoadBalancer
    from tests.clocks import VirtualClock
    from tests.servers import Wire

URL = "https://ep.lb.example.test"
NO_WORKER = httpx.Response(400, json={"error": "no workers available"})
TIMED_OUT = httpx.Response(400, text="timed out waiting for worker")
GONE = httpx.Response(404, json={"reason": "affinity_worker_gone"})
RETRY = RetryPolicy(max_retries=2, initial_delay=timedelta(0))


def by(worker_id: str, body: Any = "done", status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=body, headers={"X-Runpod-Worker-Id": worker_id})


def new_client(wire: Wire, **options: Any) -> Runpod:
    url = "https://{endpoint_id}.lb.example.test"
    client = Runpod(KEY, base_url=BASE_URL, load_balancer_url=url, retry=RETRY, **options)
    client._session.clock = wire.clock
    return client


@pytest.fixture
def lb_client(wire: Wire) -> Iterator[Runpod]:
    with new_client(wire) as client:
        yield client


@pytest.fixture
def balancer(lb_client: Runpod) -> LoadBalancer:
    return lb_client.load_balancer("ep")


def pieces() -> Iterator[bytes]:
    yield b"a "
    yield b"horse"


@pytest.mark.fact("protocol-2 3.2: statuses of the application")
def test_requests_reach_the_application(balancer: LoadBalancer, wire: Wire) -> None:
    wire.respond(by("w1", {"n": 1}), httpx.Response(500, text="a bug"))
    response = balancer.http.post(
        "/generate", params={"q": "1"}, json={"prompt": "a horse"}, headers={"X-Mine": "1"}
    )
    assert ({"n": 1}, "w1") == (response.json(), response.headers["X-Runpod-Worker-Id"])
    [request] = wire.requests
    assert f"POST {URL}/generate?q=1" == f"{request.method} {request.url}"
    assert (f"Bearer {KEY}", "1", {"prompt": "a horse"}) == (
        request.headers["Authorization"],
        request.headers["X-Mine"],
        json.loads(request.content),
    )
    assert request.headers["User-Agent"].startswith("runpod-sdk/")
    assert "X-Runpod-Worker-Id" not in request.headers
    # A request waits for a worker for 2 minutes, and takes up to 5.5.
    assert (10, 480) == (request.extensions["timeout"]["connect"], request.extensions["timeout"]["read"])
    # The caller sees neither the key nor errors for the statuses of the application.
    assert "Authorization" not in response.request.headers
    assert KEY not in repr(vars(balancer.http))
    assert (500, "a bug") == ((failed := balancer.http.get("/")).status_code, failed.text)


def test_what_the_caller_sets_for_a_request_stays(balancer: LoadBalancer, wire: Wire) -> None:
    wire.respond({})
    headers = {"Authorization": "Basic mine", "X-Runpod-Worker-Id": "w7"}
    with balancer.session(worker_id="w1") as session:
        session.http.get("/", headers=headers, timeout=None)
    assert headers == {name: wire.requests[0].headers[name] for name in headers}
    # Not None, which the library's own connections take for a default.
    assert 1e6 == wire.requests[0].extensions["timeout"]["read"]


@pytest.mark.fact("protocol-2 3.2: refusals can be repeated")
@pytest.mark.parametrize(
    "failure",
    [NO_WORKER, TIMED_OUT, httpx.Response(429, headers={"Retry-After": "7"}), httpx.ConnectError("refused")],
    ids=["no worker", "timed out", "429", "refused"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_was_not_executed_is_repeated(
    method: str, failure: Any, balancer: LoadBalancer, wire: Wire, clock: VirtualClock
) -> None:
    wire.respond(failure, failure, by("w1"))
    response = balancer.http.request(method, "/", content=b"a horse")
    assert "done" == response.json()
    assert [b"a horse"] * 3 == [request.content for request in wire.requests]
    assert (14 if getattr(failure, "status_code", 0) == 429 else 0) == sum(clock.pauses)


@pytest.mark.fact("protocol-2 3.2: no queue")
@pytest.mark.parametrize(
    "failure",
    [
        *[by("w1", {"error": "no workers available"}, 400), by("w1", "slower", 429)],
        *[httpx.Response(400, text="no prompt"), GONE],
        *[httpx.Response(status, text="x") for status in (404, 408, 500, 502, 503, 504, 524)],
        *[httpx.ReadError("reset"), httpx.ReadTimeout("hangs"), httpx.WriteError("reset")],
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_else_is_repeated(method: str, failure: Any, balancer: LoadBalancer, wire: Wire) -> None:
    wire.respond(failure)
    if isinstance(failure, httpx.Response):
        response = balancer.http.request(method, "/")
        assert (failure.status_code, failure.text) == (response.status_code, response.text)
    else:
        with pytest.raises(type(failure)) as caught:
            balancer.http.request(method, "/")
        assert "Authorization" not in caught.value.request.headers
    assert 1 == len(wire.requests)


def test_a_certificate_that_is_not_trusted_is_not_tried_again(wire: Wire) -> None:
    attempts: list[httpx.Request] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        attempts.append(request)
        raise httpx.ConnectError("certificate verify failed") from ssl.SSLCertVerificationError()

    transport = httpx.MockTransport(refuse)
    with httpx.Client(transport=transport) as theirs, new_client(wire, http_client=theirs) as client:
        with pytest.raises(httpx.ConnectError):
            client.load_balancer("ep").http.get("/")
    assert 1 == len(attempts)


def test_after_the_retries_the_last_response_is_returned(balancer: LoadBalancer, wire: Wire) -> None:
    wire.respond(NO_WORKER, TIMED_OUT, NO_WORKER)
    response = balancer.http.post("/")
    assert (400, {"error": "no workers available"}) == (response.status_code, response.json())
    wire.respond(*[httpx.ConnectError("refused")] * 3)
    with pytest.raises(httpx.ConnectError):
        balancer.http.get("/")


def test_a_pause_is_not_longer_than_the_caller_waits(
    balancer: LoadBalancer, wire: Wire, clock: VirtualClock
) -> None:
    limited = httpx.Response(429, headers={"Retry-After": "60"})
    wire.respond(limited)
    assert 429 == (balancer.http.post("/", timeout=10)).status_code
    assert 0 == sum(clock.pauses)
    wire.respond(limited, by("w1"), limited, by("w1"))
    for patient in (61, None):
        assert 200 == (balancer.http.post("/", timeout=patient)).status_code
    assert 120 == sum(clock.pauses)


class Unreliable(httpx.BaseTransport):
    """Refuses the first connection, before or after it has read the request."""

    def __init__(self, *, reads: bool = False) -> None:
        self.reads = reads
        self.attempts = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.attempts += 1
        if self.attempts == 1:
            if self.reads:
                request.read()
            raise httpx.ConnectError("refused")
        return httpx.Response(200, content=request.read())


def test_a_streamed_body_is_repeated_only_if_nothing_of_it_was_sent(
    balancer: LoadBalancer, wire: Wire
) -> None:
    wire.respond(NO_WORKER, NO_WORKER)
    for body in ({"content": pieces()}, {"files": {"picture": b"..."}}):
        assert 400 == (balancer.http.post("/", **body)).status_code
    assert 2 == len(wire.requests)
    transport = Unreliable()
    with httpx.Client(transport=transport) as theirs, new_client(wire, http_client=theirs) as client:
        response = client.load_balancer("ep").http.post("/", content=pieces())
        assert "a horse" == response.text
        transport.attempts, transport.reads = 0, True
        with pytest.raises(httpx.ConnectError):
            client.load_balancer("ep").http.post("/", content=pieces())
    assert 1 == transport.attempts


class Broken(ByteStream):
    """The body of a response that cannot be read."""

    closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield b"no "
        raise httpx.ReadError("reset")

    def close(self) -> None:
        self.closed = True


def test_a_response_that_cannot_be_read_is_closed(wire: Wire) -> None:
    body = Broken()
    transport = httpx.MockTransport(lambda request: httpx.Response(400, stream=body))
    with httpx.Client(transport=transport) as theirs, new_client(wire, http_client=theirs) as client:
        with pytest.raises(httpx.ReadError):
            client.load_balancer("ep").http.post("/")
    assert body.closed


def test_a_body_over_the_limit_is_not_sent(balancer: LoadBalancer) -> None:
    with pytest.raises(InputTooLargeError, match=r"^The request to endpoint 'ep' has 31,457,281 bytes;"):
        balancer.http.post("/", content=bytes(30 * 1024 * 1024 + 1))


def test_the_key_is_sent_to_the_endpoint_only(balancer: LoadBalancer, wire: Wire) -> None:
    elsewhere = httpx.Response(307, headers={"Location": "https://other.test/"})
    within = httpx.Response(307, headers={"Location": f"{URL}/there"})
    wire.respond(within, elsewhere, NO_WORKER, {}, {})
    with balancer.session(worker_id="w1") as session:
        response = session.http.get("/here", follow_redirects=True)
        assert ("https://other.test/", 400) == (str(response.url), response.status_code)
        session.http.get("https://other.test:444/")
        session.http.get("http://ep.lb.example.test/")
    keys = ["Authorization" in request.headers for request in wire.requests]
    workers = ["X-Runpod-Worker-Id" in request.headers for request in wire.requests]
    assert [True, True, False, False, False] == keys == workers


@pytest.mark.fact("protocol-2 3.2: queue behind the address", "protocol-2 3.2: jobs on a load balancer")
def test_an_endpoint_of_the_other_type_is_named(
    balancer: LoadBalancer, lb_client: Runpod, wire: Wire
) -> None:
    wire.respond(httpx.Response(400, json={"error": "not allowed for QB API"}))
    with pytest.raises(BadRequestError, match=r"^'ep' is a queue endpoint.*: use client\.endpoint\('ep'\)\.run"):
        balancer.http.post("/")
    wire.respond(httpx.Response(400, json={"error": "/run is not allowed for LB API, use load balancer endpoint"}))
    with pytest.raises(BadRequestError, match=r"has no jobs: use client\.load_balancer\(id\)\. See "):
        lb_client.endpoint("ep").run(input={"n": 1})


@pytest.mark.fact("protocol-2 3.1: readiness")
def test_health_and_readiness(balancer: LoadBalancer, wire: Wire, clock: VirtualClock) -> None:
    starting = {"workers": {"initializing": 1, "throttled": 2}}
    wire.respond(starting)
    assert 1 == (balancer.health()).workers.initializing
    wire.respond(starting, {"workers": {"ready": 1}}, {"workers": {"ready": 2}})
    assert 2 == (balancer.wait_ready(2, timeout=60)).workers.ready
    assert {f"{BASE_URL}/ep/health"} == {str(request.url) for request in wire.requests}
    assert clock.pauses
    wire.always(starting)
    with pytest.raises(RunpodTimeoutError, match="'ep' had 0 of 1 ready workers"):
        balancer.wait_ready(timeout=20)
    with pytest.raises(InvalidRequestError, match="workers must be"):
        balancer.wait_ready(0)


def test_closing(wire: Wire) -> None:
    wire.respond({}, {})
    with new_client(wire) as client:
        balancer = client.load_balancer("ep")
        with balancer.session() as session:
            session.http.get("/")
        balancer.http.close()
        with pytest.raises(RuntimeError):
            session.http.get("/")
        client.load_balancer("ep").http.get("/")
        other = client.load_balancer("ep")
    with pytest.raises(ClientClosedError, match="the client is closed"):
        other.http.get("/")


def test_requests_leave_through_the_callers_client(wire: Wire) -> None:
    seen: list[str] = []

    def hook(response: httpx.Response) -> None:
        response.read()
        seen.append(str(response.url))

    headers = {"X-Theirs": "1", "Authorization": "Basic theirs"}
    zipped = httpx.Response(404, content=b"not here", headers={"Content-Type": "text/plain"})
    wire.respond(NO_WORKER, zipped, {})
    with httpx.Client(headers=headers, cookies={"a": "1"}, event_hooks={"response": [hook]}) as theirs:
        with new_client(wire, http_client=theirs) as client:
            response = client.load_balancer("ep").http.get("/")
            assert (404, "not here") == (response.status_code, response.text)
            client.load_balancer("ep").http.get("https://other.test/")
        assert not theirs.is_closed
    assert [f"{URL}/", f"{URL}/", "https://other.test/"] == seen
    assert ("1", f"Bearer {KEY}") == (wire.requests[0].headers["X-Theirs"], wire.requests[0].headers["Authorization"])
    assert "a=1" == wire.requests[0].headers["Cookie"]
    assert not {"X-Theirs", "Cookie", "Authorization"} & {name.title() for name in wire.requests[2].headers}


@pytest.mark.parametrize("mocker", ["httpcore", "httpx"])
def test_mocks_see_every_request(mocker: str) -> None:
    with respx.mock(using=mocker) as router:
        route = router.post(f"{URL}/generate").mock(side_effect=[NO_WORKER, by("w1", {"n": 1})])
        with Runpod(KEY, load_balancer_url=URL, retry=RETRY) as client:
            response = client.load_balancer("ep").http.post("/generate", json={"prompt": "a horse"})
    assert {"n": 1} == response.json()
    assert [{"prompt": "a horse"}] * 2 == [json.loads(call.request.content) for call in route.calls]


def test_copies_have_a_client_of_their_own(
    balancer: LoadBalancer, monkeypatch: pytest.MonkeyPatch, wire: Wire
) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    wire.respond(by("w1"), by("w1"), by("w1"), by("w1"), by("w1"))
    session = balancer.session(strict=True, worker_id="w1")
    for copied in (copy.copy(balancer), copy.deepcopy(balancer), pickle.loads(pickle.dumps(balancer))):
        assert copied.http is not balancer.http
        assert (repr(balancer), balancer.url) == (repr(copied), copied.url)
        copied.http.get("/")
    assert KEY.encode() not in pickle.dumps([balancer, session])
    for copied in (copy.deepcopy(session), pickle.loads(pickle.dumps(session))):
        copied.http.get("/")
        assert "strict w1" == wire.requests[-1].headers["X-Runpod-Worker-Id"]
    assert f"('ep', url='{URL}')" == repr(balancer).partition("LoadBalancer")[2].replace("id=", "", 1)
    assert "(endpoint_id='ep', worker_id='w1')" in repr(session)


def test_logs_have_neither_key_nor_query(
    balancer: LoadBalancer, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wire.respond(NO_WORKER, by("w1"))
    balancer.http.post("/?token=secret", json={"prompt": "horse"})
    ours = [record.getMessage() for record in caplog.records if record.name == "runpod"]
    assert "Retrying POST to load-balancing endpoint ep in 0.00 s (attempt 2): no worker was free" in ours
    assert not [line for line in ours if "secret" in line or "horse" in line]
    assert KEY not in caplog.text
    # httpx logs the caller's own request, and not a second time what it becomes.
    assert 1 == caplog.text.count("secret")


# --- sessions ---------------------------------------------------------------------------------


@pytest.mark.fact("protocol-2 3.3: soft")
@pytest.mark.parametrize(
    ("options", "prefix"), [({}, ""), ({"strict": True}, "strict "), ({"resume": True}, "strict-resume ")]
)
def test_a_session_asks_for_the_same_worker(
    options: dict[str, Any], prefix: str, balancer: LoadBalancer, wire: Wire
) -> None:
    wire.respond(by("w1"), by("w1"), by("w2"), by("w2"))
    with balancer.session(**options) as session:
        assert session.worker_id is None
        session.http.get("/")
        session.http.get("/")
        assert "w1" == session.worker_id
        assert f"{prefix}w1" == session.websocket_headers()["x-runpod-worker-id"]
        session.release()
        session.http.get("/")
        assert "w2" == session.worker_id
        session.http.get("/")
    sent = [request.headers.get("X-Runpod-Worker-Id") for request in wire.requests]
    assert [None, f"{prefix}w1", None, f"{prefix}w2"] == sent
    assert (660 if options else 480) == wire.requests[0].extensions["timeout"]["read"]


@pytest.mark.fact("protocol-2 3.3: worker gone")
def test_a_worker_of_a_strict_session_that_is_gone(balancer: LoadBalancer, wire: Wire) -> None:
    wire.respond(GONE, by("w2"))
    with balancer.session(strict=True, worker_id="w1") as session:
        with pytest.raises(
            WorkerGoneError, match=r"^The worker 'w1' of endpoint 'ep' does not exist any more"
        ) as caught:
            session.http.post("/")
        assert ("w1", "ep", "w1") == (caught.value.worker_id, caught.value.endpoint_id, session.worker_id)
        session.release()
        session.http.post("/")
        assert "w2" == session.worker_id


def test_a_busy_worker_of_a_strict_session_is_not_waited_for_again(
    balancer: LoadBalancer, wire: Wire
) -> None:
    busy = httpx.Response(400, json={"reason": "worker_timeout"})
    wire.respond(busy, TIMED_OUT, NO_WORKER, by("w1"))
    with balancer.session(strict=True, worker_id="w1") as session:
        for expected in (400, 400, 200):
            assert expected == (session.http.post("/")).status_code
    assert ["strict w1"] * 4 == [request.headers["X-Runpod-Worker-Id"] for request in wire.requests]


def test_many_may_share_a_session(balancer: LoadBalancer, wire: Wire) -> None:
    wire.always(by("w1"))
    with balancer.session() as session:
        responses = together(lambda index: session.http.get(f"/{index}"), 20)
        assert {"done"} == {response.json() for response in responses}
        assert ("w1", 20) == (session.worker_id, len({str(request.url) for request in wire.requests}))
