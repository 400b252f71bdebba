# Generated from tests/_async/test_secrets.py by scripts/generate_sync.py. Do not edit.

"""No API key, S3 secret or input appears in a log line, repr or error."""

from __future__ import annotations

import gc
import pickle
import traceback
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod import Runpod, ExecutionPolicy, JobRequest, RetryPolicy, S3Config, errors
from tests._sync.calls import JOB, OPERATIONS
from tests.servers import BASE_URL, RawServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod import Endpoint
    from tests.servers import Connection, Wire

KEY = "rpa_PLANTEDKEY0123456789"
SECRET, ID, TOKEN, INPUT = "PLANTED-S3-SECRET", "PLANTED-S3-ID", "PLANTED-TOKEN", "PLANTED-INPUT"
PLANTED = (KEY, SECRET, ID, TOKEN, INPUT)
S3 = {"accessId": ID, "accessSecret": SECRET, "bucketName": "bucket", "endpointUrl": "https://s3.example.test"}
REQUEST = {"input": {"prompt": INPUT}, "webhook": f"https://example.test/hook?token={TOKEN}", "s3Config": S3}


@pytest.fixture
def client(wire: Wire) -> Iterator[Runpod]:
    with Runpod(
        KEY, base_url=BASE_URL, retry=RetryPolicy(max_retries=1, initial_delay=timedelta(0))
    ) as client:
        client._session.clock = wire.clock
        yield client


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Capture all loggers at the lowest level."""
    for name in ("", "runpod", "httpx", "httpcore"):
        caplog.set_level(1, logger=name)
    return caplog


def found_in(*texts: str) -> list[str]:
    return [secret for secret in PLANTED for text in texts if secret in text]


def logged(log: pytest.LogCaptureFixture, *names: str) -> str:
    """Return everything logged by these loggers, as text."""
    records = [record for record in log.records if record.name.partition(".")[0] in names]
    assert "runpod" not in names or records
    return "\n".join(f"{record.getMessage()} {record.args!r} {record.exc_text}" for record in records)


def assert_no_secrets(error: BaseException) -> None:
    pickled = pickle.dumps(error)
    values = [error, error.args, vars(error), pickled, vars(pickle.loads(pickled))]
    assert [] == found_in(str(error), *map(repr, values), *traceback.format_exception(error))
    # Tracebacks include these as well.
    for one in (error.__cause__, error.__context__):
        assert one is None or assert_no_secrets(one) is None
    # No httpx object may be reachable: its requests contain the key and the input.
    reached = {id(error): error}
    waiting: list[Any] = [vars(error), error.args, error.__cause__, error.__context__]
    while waiting:
        one = waiting.pop()
        if id(one) not in reached and not isinstance(one, type) and not callable(one):
            reached[id(one)] = one
            waiting += gc.get_referents(one)
    assert not [one for one in reached.values() if type(one).__module__.startswith(("httpx", "httpcore"))]


QUOTED = {"json": {"error": f"Authorization: Bearer {KEY}"}, "headers": {"X-Key": KEY, "Set-Cookie": f"k={KEY}"}}


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(httpx.Response(401, **QUOTED), id="401"),
        pytest.param(httpx.Response(429, **QUOTED), id="429"),
        pytest.param(httpx.Response(500, **QUOTED), id="500"),
        pytest.param(httpx.Response(307, headers={"Location": f"https://elsewhere.test/?key={KEY}"}), id="redirect"),
        pytest.param(httpx.Response(200, html=f"<title>{KEY}</title>"), id="html"),
        pytest.param(httpx.Response(200, content=f'{{"key": "{KEY}", "sta'.encode()), id="cut"),
        pytest.param(httpx.ConnectError("refused"), id="refused"),
        pytest.param(httpx.ReadError(f"a transport error with {KEY}"), id="reset"),
        pytest.param(httpx.LocalProtocolError(f"Illegal header value b'Bearer {KEY}'"), id="protocol"),
    ],
)
def test_errors_and_their_log_lines(
    response: Any, endpoint: Endpoint, wire: Wire, log: pytest.LogCaptureFixture
) -> None:
    wire.always(response)
    calls = [lambda: endpoint.run(REQUEST), lambda: endpoint.run_sync(JobRequest(input=S3, s3_config=S3Config(**S3)))]
    calls += [lambda operation=operation: operation(endpoint, timeout=30) for operation in OPERATIONS[2:]]
    for call in calls:
        with pytest.raises(errors.RunpodError) as caught:
            call()
        assert_no_secrets(caught.value)
    assert [] == found_in(logged(log, "runpod", "httpx", "httpcore"))


@pytest.mark.parametrize("status", ["", "401 Unauthorized", "200 OK"])
def test_a_server_that_quotes_the_request(status: str, log: pytest.LogCaptureFixture) -> None:
    def quoting(connection: Connection) -> None:
        request = connection.read_request()
        if status:
            connection.respond(KEY.encode(), status=status, headers=f"X-Key: {KEY}\r\n")
        else:
            connection.send(request)  # not an HTTP response

    with RawServer(quoting) as server:
        with Runpod(KEY, base_url=server.base_url) as client:
            with pytest.raises(errors.RunpodError) as caught:
                client.endpoint("ep").run(REQUEST)
    assert_no_secrets(caught.value)
    if isinstance(caught.value, (errors.APIStatusError, errors.APIResponseError)):
        assert "[key]" == caught.value.body == caught.value.headers["x-key"]
    # httpcore is left out: it logs the response headers.
    assert [] == found_in(logged(log, "runpod", "httpx"))


def test_jobs_and_their_log_lines(endpoint: Endpoint, wire: Wire, log: pytest.LogCaptureFixture) -> None:
    wire.respond(429, {"id": JOB, "status": "IN_QUEUE"}, 503, {"id": JOB, "status": "COMPLETED", "output": INPUT})
    assert INPUT == (endpoint.run(REQUEST)).result()
    wire.respond({"id": JOB, "status": "FAILED", "error": "no room for a horse"})
    with pytest.raises(errors.RunpodError) as caught:
        (endpoint.run(REQUEST)).result()
    assert_no_secrets(caught.value)
    # The report of a worker may contain the input, so it is in the state but not in the log.
    wire.respond({"id": JOB, "status": "FAILED", "error": f"cannot paint {INPUT}", "output": {"given": INPUT}})
    endpoint.run_sync(REQUEST)
    assert [] == found_in(logged(log, "runpod", "httpx", "httpcore"))


def test_reprs_urls_and_headers(client: Runpod, endpoint: Endpoint, wire: Wire) -> None:
    wire.respond({"id": JOB, "status": "IN_PROGRESS", "progress": INPUT})
    request = JobRequest(input={"prompt": INPUT}, webhook=f"https://example.test/{TOKEN}", s3_config=S3Config(**S3))
    job = endpoint.run(request)
    shown = [client, client.with_options(timeout=1), client._session.engine.config, endpoint, job, job.state]
    for value in [
        *shown,
        job.watch(),
        job.stream(),
        request,
        S3Config(**S3),
        ExecutionPolicy(ttl=timedelta(seconds=5)),
    ]:
        for text in (repr(value), str(value), f"{value}", repr([value])):
            assert [] == found_in(text)
            assert "\n" not in text
    (sent,) = wire.requests
    headers = {name: value for name, value in sent.headers.items() if name.lower() != "authorization"}
    assert [] == found_in(str(sent.url), repr(headers))
