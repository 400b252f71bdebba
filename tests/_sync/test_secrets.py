# Generated from tests/_async/test_secrets.py by scripts/generate_sync.py. Do not edit.

"""Whatever goes wrong, neither the API key nor the S3 secret nor the input shows up in what people log."""

from __future__ import annotations

import gc
import json
import logging
import pickle
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import BaseModel

import runpod
from runpod import (
    Runpod,
    ConfigurationError,
    ExecutionPolicy,
    JobRequest,
    RetryPolicy,
    RunpodError,
    S3Config,
)
from tests._sync.calls import JOB, collect
from tests.servers import BASE_URL, RawServer, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Callable

    from runpod import Endpoint
    from tests.servers import Connection, Wire

KEY = "rpa_PLANTEDKEY0123456789"
S3_SECRET = "PLANTED-S3-SECRET"
S3_ID = "PLANTED-S3-ID"
INPUT = "PLANTED-INPUT a photo of a horse"
TOKEN = "PLANTED-TOKEN"
LIBRARY = Path(runpod.__file__).parent
PLANTED = (KEY, S3_SECRET, S3_ID, "PLANTED-INPUT", TOKEN)

S3 = {"accessId": S3_ID, "accessSecret": S3_SECRET, "bucketName": "bucket", "endpointUrl": "https://s3.example.test"}
REQUEST = {
    "input": {"prompt": INPUT},
    "webhook": f"https://example.test/hook?token={TOKEN}",
    "s3Config": S3,
    "policy": {"executionTimeout": 5000},
}


class Log(logging.Handler):
    """Everything that anybody logs, in full."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def text(self, name: str = "") -> str:
        lines = [
            f"{record.name} {record.getMessage()} {record.args!r} {record.exc_text} {vars(record)!r}"
            for record in self.records
            if record.name == name or record.name.startswith(name + ".") or not name
        ]
        return "\n".join(lines)


@pytest.fixture
def log() -> Iterator[Log]:
    """Listens to all loggers, as loud as they go."""
    log = Log()
    root = logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in ("runpod", "httpx", "httpcore"))]
    levels = [logger.level for logger in loggers]
    root.addHandler(log)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield log
    root.removeHandler(log)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def found_in(text: str) -> list[str]:
    return [secret for secret in PLANTED if secret in text]


def shown_by(value: object, depth: int = 4) -> str:
    """Everything that can be read off an object without asking for a secret by its name."""
    if isinstance(value, (str, int, float, type(None))):
        return repr(value)
    parts = [repr(value), str(value)]
    if depth and isinstance(value, dict):
        parts += [shown_by(item, depth - 1) for pair in value.items() for item in pair]
    elif depth and isinstance(value, (list, tuple)):
        parts += [shown_by(item, depth - 1) for item in value]
    elif depth and hasattr(value, "__dict__"):
        parts.append(shown_by(dict(vars(value)), depth - 1))
    return "\n".join(parts)


def chain(error: BaseException) -> list[BaseException]:
    """An error with everything it hangs on to."""
    known: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and one not in known:
            known.append(one)
            waiting += [one.__cause__, one.__context__]
    return known


def holds_nothing(error: BaseException) -> None:
    for one in chain(error):
        assert [] == found_in(shown_by(one)), type(one)
        assert [] == found_in(shown_by(one.args))
        assert [] == found_in("".join(map(str, getattr(one, "__notes__", []))))
    formatted = "".join(traceback.format_exception(error, chain=True))
    # The lines of the source are not the library's to hide; there the secrets have other names.
    assert [] == found_in(formatted)
    for frame in traceback.TracebackException.from_exception(error, capture_locals=True).stack:
        if Path(frame.filename).is_relative_to(LIBRARY):
            assert [] == found_in(str(frame.locals)), frame
    assert [] == found_in(repr(pickle.dumps(error)))
    assert [] == found_in(shown_by(pickle.loads(pickle.dumps(error))))


def provoke(endpoint: Endpoint, **options: Any) -> list[RunpodError]:
    """Every operation, and the errors that came of it."""
    job = endpoint.job(JOB)
    errors: list[RunpodError] = []
    for call in (
        lambda: endpoint.run(REQUEST, **options),
        lambda: endpoint.run_sync(REQUEST, **options),
        lambda: endpoint.run(JobRequest(input={"prompt": INPUT}, s3_config=S3Config(**S3)), **options),
        lambda: endpoint.status(JOB, **options),
        lambda: endpoint.status_sync(JOB, **options),
        lambda: collect(endpoint.stream(JOB, **options)),
        lambda: endpoint.cancel(JOB, **options),
        lambda: endpoint.retry(JOB, **options),
        lambda: endpoint.health(**options),
        lambda: endpoint.purge_queue(**options),
        lambda: job.wait(**options),
        lambda: job.result(**options),
        lambda: collect(job.watch(**options)),
    ):
        try:
            call()
        except RunpodError as error:  # noqa: PERF203 - each call on its own
            errors.append(error)
    assert errors
    return errors


@pytest.fixture
def client(wire: Wire) -> Iterator[Runpod]:
    with Runpod(KEY, base_url=BASE_URL, retry=RetryPolicy(max_retries=1, initial_delay=0)) as client:
        yield client


def echo(status: int, **headers: str) -> Callable[[], httpx.Response]:
    """An answer that quotes the key in its body and headers, as some servers do."""
    body = {"error": f"the key {KEY} is not good: Authorization: Bearer {KEY}"}
    return lambda: httpx.Response(status, json=body, headers={"X-Key": KEY, "Set-Cookie": f"k={KEY}", **headers})


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(echo(400), id="400"),
        pytest.param(echo(401), id="401"),
        pytest.param(echo(403), id="403"),
        pytest.param(echo(409), id="409"),
        pytest.param(echo(413), id="413"),
        pytest.param(echo(429), id="429"),
        pytest.param(echo(500), id="500"),
        pytest.param(echo(307, Location=f"https://elsewhere.test/?key={KEY}"), id="redirect"),
        pytest.param(lambda: httpx.Response(502, html=f"<title>{KEY}</title><p>{KEY}"), id="html"),
        pytest.param(lambda: httpx.Response(401, content=KEY.encode() * 1000), id="long"),
        pytest.param(lambda: httpx.Response(200, html=f"<title>{KEY}</title><p>{KEY}"), id="html-200"),
        pytest.param(lambda: httpx.Response(200, json={"error": KEY}, headers={"X-Key": KEY}), id="object-200"),
        pytest.param(lambda: httpx.Response(200, content=f'{{"key": "{KEY}", "sta'.encode()), id="cut-200"),
        pytest.param(lambda: httpx.Response(200, json={"id": JOB, "status": "", "key": KEY}), id="job-200"),
        pytest.param(httpx.ConnectError("refused"), id="refused"),
        pytest.param(httpx.ReadError("reset"), id="reset"),
        pytest.param(httpx.ReadTimeout("stalled"), id="stalled"),
        pytest.param(RuntimeError(f"a transport that tells {KEY}"), id="transport"),
        pytest.param(httpx.LocalProtocolError(f"Illegal header value b'Bearer {KEY}'"), id="protocol"),
    ],
)
def test_an_answer_or_none(answer: Any, endpoint: Endpoint, wire: Wire, clock: object, log: Log) -> None:
    wire.always(answer)
    for error in provoke(endpoint, timeout=30):
        holds_nothing(error)
    assert [] == found_in(log.text("runpod"))
    assert "runpod" in {record.name for record in log.records}


def test_a_job_of_somebody_who_quotes_the_input(
    endpoint: Endpoint, wire: Wire, clock: object, log: Log
) -> None:
    """What a worker says of its failure is shown, since nobody could find the fault without; no log line has it."""
    failed = {"id": JOB, "status": "FAILED", "error": f"cannot paint {INPUT}", "output": {"given": INPUT}}
    wire.always(failed)
    state = endpoint.run_sync(REQUEST)
    assert [] == found_in(repr(state))
    job = endpoint.run(REQUEST)
    assert [] == found_in(repr(job))
    assert [] == found_in(log.text())


WORKER_ERRORS = [
    "no room for a horse",
    json.dumps({"error_type": "<class 'ValueError'>", "error_message": "no room", "error_traceback": "line 1"}),
    "handler: no room \ntraceback: Traceback (most recent call last):\nValueError: no room\n",
    {"code": 7},
    None,
]


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED", "TIMED_OUT"])
@pytest.mark.parametrize("said", WORKER_ERRORS, ids=range(len(WORKER_ERRORS)))
def test_a_job_that_failed(
    said: Any, status: str, endpoint: Endpoint, wire: Wire, clock: object, log: Log
) -> None:
    wire.always({"id": JOB, "status": status, "error": said, "stream": []})
    job = endpoint.run(REQUEST)
    for call in (job.result, lambda: collect(job.stream())):
        with pytest.raises(RunpodError) as caught:
            call()
        holds_nothing(caught.value)
    state = endpoint.run_sync(REQUEST)
    with pytest.raises(RunpodError) as caught:
        state.raise_for_status()
    holds_nothing(caught.value)
    assert [] == found_in(log.text())


class Horse(BaseModel):
    legs: int


def test_an_output_that_does_not_fit(client: Runpod, wire: Wire, log: Log) -> None:
    wire.always({"id": JOB, "status": "COMPLETED", "output": {"legs": "many"}})
    with pytest.raises(RunpodError) as caught:
        client.endpoint("ep", output_type=Horse).run_sync(REQUEST)
    holds_nothing(caught.value)
    assert [] == found_in(log.text())


def test_a_job_that_goes_well_and_one_that_expires(
    endpoint: Endpoint, wire: Wire, clock: object, log: Log
) -> None:
    wire.say(429, {"id": JOB, "status": "IN_QUEUE"}, 503, {"id": JOB, "status": "COMPLETED", "output": INPUT})
    assert INPUT == (endpoint.run(REQUEST)).result()
    wire.say({"id": JOB, "status": "IN_QUEUE"})
    wire.always(404)
    with pytest.raises(RunpodError) as caught:
        (endpoint.run(REQUEST)).wait()
    holds_nothing(caught.value)
    assert [] == found_in(log.text())


def closing(connection: Connection) -> None:
    connection.read_request()


def resetting(connection: Connection) -> None:
    connection.read_request()
    connection.reset()


def hanging(connection: Connection) -> None:
    connection.read_request()
    connection.hang()


def cutting(connection: Connection) -> None:
    connection.read_request()
    connection.send(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"id": "job-1", "sta')


def quoting(connection: Connection) -> None:
    """A line that is no HTTP: what came, sent back."""
    connection.send(connection.read_request())


@pytest.mark.parametrize("behave", [closing, resetting, hanging, cutting, quoting])
def test_trouble_on_a_real_connection(behave: Callable[[Connection], None], log: Log) -> None:
    with RawServer(behave) as server:
        with Runpod(KEY, base_url=server.base_url, retry=RetryPolicy(max_retries=1)) as client:
            for error in provoke(client.endpoint("ep"), timeout=0.2):
                holds_nothing(error)
    for name in ("runpod", "httpx", "httpcore", "aiohttp", "asyncio"):
        assert [] == found_in(log.text(name)), name
    assert any(record.name == "runpod" for record in log.records)


def test_a_refusal_over_a_real_connection_that_quotes_the_key(log: Log) -> None:
    def quoting_in_a_header(connection: Connection) -> None:
        connection.read_request()
        connection.answer(KEY.encode(), status="401 Unauthorized", headers=f"X-Key: {KEY}\r\n")

    with RawServer(quoting_in_a_header) as server:
        with Runpod(KEY, base_url=server.base_url) as client:
            for error in provoke(client.endpoint("ep"), timeout=5):
                holds_nothing(error)
    assert [] == found_in(log.text("runpod")) == found_in(log.text("httpx"))


def test_nobody_listens(log: Log) -> None:
    with Runpod(KEY, base_url=f"http://127.0.0.1:{free_port()}/v2") as client:
        for error in provoke(client.endpoint("ep"), timeout=0.2):
            holds_nothing(error)
    assert [] == found_in(log.text())


BAD_REQUESTS: list[Any] = [
    {"input": {"prompt": {INPUT}}},
    {"input": {"prompt": INPUT, "seed": float("nan")}},
    {"input": {"prompt": INPUT.encode()}},
    {"input": INPUT},
    {"input": [INPUT]},
    {"prompt": INPUT},
    {"inputs": {"prompt": INPUT}},
    [INPUT],
    INPUT,
    {**REQUEST, "webhook": f"example.test/{TOKEN}"},
    {**REQUEST, "webhook": [TOKEN]},
    {**REQUEST, "policy": {"ttl": INPUT}},
    {**REQUEST, "s3Config": {"accessSecret": S3_SECRET}},
    {**REQUEST, "s3Config": {**S3, "accessSecret": [S3_SECRET]}},
    {**REQUEST, "s3Config": {**S3, "bucketName": 7}},
    {**REQUEST, "s3Config": S3_SECRET},
]


@pytest.mark.parametrize("request_", BAD_REQUESTS, ids=range(len(BAD_REQUESTS)))
def test_a_request_that_cannot_be_sent(request_: Any, endpoint: Endpoint, log: Log) -> None:
    for call in (endpoint.run, endpoint.run_sync):
        with pytest.raises(RunpodError) as caught:
            call(request_)
        holds_nothing(caught.value)
    assert [] == found_in(log.text())


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": f"{KEY}\n"},
        {"api_key": f" {KEY}"},
        {"api_key": KEY.encode()},
        {"api_key": KEY, "base_url": f"https://me:{TOKEN}@example.test"},
        {"api_key": KEY, "base_url": f"https://example.test/?token={TOKEN}"},
        {"api_key": KEY, "base_url": "http://example.test"},
        {"api_key": KEY, "http_client": object()},
        {"api_key": KEY, "timeout": "soon"},
    ],
    ids=range(8),
)
def test_a_client_that_cannot_be_built(settings: dict[str, Any], log: Log) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Runpod(**settings)
    holds_nothing(caught.value)
    assert [] == found_in(log.text())


@pytest.mark.parametrize("text", [f'[default]\napi_key = "{KEY}', f"{KEY}", f'[default]\napi_key = ["{KEY}"]'])
def test_a_config_file_that_cannot_be_read(text: str) -> None:
    folder = Path.home() / ".runpod"  # the home of the test
    folder.mkdir()
    (folder / "config.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        Runpod()
    holds_nothing(caught.value)


def test_what_public_objects_show(client: Runpod, endpoint: Endpoint, wire: Wire) -> None:
    wire.always({"id": JOB, "status": "IN_PROGRESS", "output": INPUT})
    request = JobRequest(
        input={"prompt": INPUT}, webhook=f"https://example.test/{TOKEN}", webhook_v2=TOKEN, s3_config=S3Config(**S3)
    )
    job = endpoint.run(request)
    config = client._session.engine
    shown = [
        client,
        client.with_options(timeout=1),
        endpoint,
        job,
        job.state,
        job.watch(),
        job.stream(),
        request,
        S3Config(**S3),
        ExecutionPolicy(ttl=5),
        config,
    ]
    for value in shown:
        for text in (repr(value), str(value), f"{value}", repr([value])):
            assert [] == found_in(text)
            assert "\n" not in text


def test_what_goes_into_urls_and_names(endpoint: Endpoint, wire: Wire) -> None:
    wire.say({"id": JOB, "status": "IN_QUEUE"})
    endpoint.run(REQUEST)
    (request,) = wire.requests
    assert [] == found_in(str(request.url))
    headers = {name: value for name, value in request.headers.items() if name.lower() != "authorization"}
    assert [] == found_in(repr(headers))


def test_errors_hold_on_to_no_request(endpoint: Endpoint, wire: Wire) -> None:
    """Nothing of the HTTP library hangs on an error: its requests have the key and the input."""
    wire.always(httpx.ReadError("reset"))
    with pytest.raises(RunpodError) as caught:
        endpoint.run(REQUEST)
    assert [caught.value] == chain(caught.value)
    reached = {id(caught.value): caught.value}
    waiting: list[Any] = [vars(caught.value), caught.value.args]
    while waiting:
        one = waiting.pop()
        if id(one) in reached or isinstance(one, type) or callable(one):
            continue
        reached[id(one)] = one
        waiting += gc.get_referents(one)
    assert not [one for one in reached.values() if type(one).__module__.startswith(("httpx", "httpcore"))]
