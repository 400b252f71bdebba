"""Public endpoints: jobs by typed input or slug, and the list of models."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from runpod import (
    AsyncPublic,
    AsyncRunpod,
    BadRequestError,
    ClientClosedError,
    ConfigurationError,
    ExecutionPolicy,
    InvalidRequestError,
    JobFailedError,
    NotFoundError,
)
from runpod.local import LocalServer
from runpod.public import FluxSchnell, PublicInput, PublicOutput, QwenImageEdit2511, ZImageTurbo
from tests._async.misbehaving import HEAD, SHORT, new_client
from tests.servers import BASE_URL, KEY, RawServer, free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import Connection, Wire

FLUX = FluxSchnell.slug
URL = "https://image.runpod.ai/abc123/output.png"
QUEUED = {"id": "job", "status": "IN_QUEUE"}
DONE = {"id": "job", "status": "COMPLETED", "output": {"image_url": URL, "cost": 0.0006}}

LIST = {"data": {"allAiApiPublicConfigs": [{"aiApiId": FLUX, "displayName": "FLUX"}, {"aiApiId": "new"}]}}


def bodies(wire: Wire) -> list[Any]:
    return [json.loads(request.content) for request in wire.requests if request.content]


@pytest.mark.fact("protocol-2 5: call")
async def test_a_typed_input_goes_to_its_endpoint(client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(DONE)
    state = await client.public.run_sync(FluxSchnell(prompt="a horse", width=512, height=512))
    output = state.result()
    assert isinstance(output, PublicOutput)
    assert ([URL], 0.0006) == ([media.url for media in output.media], output.cost)
    assert [f"POST /v2/{FLUX}/runsync?wait=1000"] == wire.sent
    assert [{"input": {"prompt": "a horse", "width": 512, "height": 512}}] == bodies(wire)


async def test_a_handle_has_a_public_output(client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(QUEUED, DONE)
    job = await client.public.run(ZImageTurbo(prompt="a horse", seed=0))
    output = await job.result(timeout=60)
    assert isinstance(output, PublicOutput)
    assert [{"input": {"prompt": "a horse", "seed": 0}}] == bodies(wire)
    assert "POST /v2/z-image-turbo/run" == wire.sent[0]
    assert wire.sent[1].startswith("GET /v2/z-image-turbo/status-sync/job?")


@pytest.mark.fact("protocol 1.0: public slugs", "protocol-2 5: slugs change")
@pytest.mark.parametrize("sync", [False, True])
async def test_any_slug_takes_a_mapping(sync: bool, client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(DONE)
    call = client.public.run_sync if sync else client.public.run
    await call("hailuo-02", input={"prompt": "a horse", "images": 5})
    assert wire.sent[0].startswith("POST /v2/hailuo-02/run")
    assert [{"input": {"prompt": "a horse", "images": 5}}] == bodies(wire)


@pytest.mark.parametrize("sync", [False, True])
async def test_options_are_those_of_an_endpoint(sync: bool, client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(DONE)
    call = client.public.run_sync if sync else client.public.run
    await call(
        FluxSchnell(prompt="a horse"),
        policy=ExecutionPolicy(ttl=timedelta(minutes=5)),
        webhook="https://example.com/hook",
        s3_config={"accessId": "i", "accessSecret": "s", "bucketName": "b", "endpointUrl": "https://s3.example.com"},
        timeout=timedelta(seconds=20),
    )
    [body] = bodies(wire)
    assert ({"ttl": 300_000}, "https://example.com/hook", "b") == (
        body["policy"],
        body["webhook"],
        body["s3Config"]["bucketName"],
    )


@pytest.mark.fact("protocol-2 5: slugs change")
@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize(
    ("slug", "hint"),
    [
        ("flux-schnell", " (did you mean 'black-forest-labs-flux-1-schnell'?)"),
        ("z-image-turb", " (did you mean 'z-image-turbo'?)"),
        ("z-image-turbo", ""),
        ("nothing", ""),
    ],
)
async def test_an_unknown_slug_is_explained(sync: bool, slug: str, hint: str, client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(httpx.Response(404, json={"error": "endpoint not found"}))
    call = client.public.run_sync if sync else client.public.run
    with pytest.raises(NotFoundError) as caught:
        await call(slug, input={"prompt": "a horse"})
    assert caught.value.message.endswith(
        f" Or there is no public model {slug!r}{hint}: client.public.models() lists them."
    )


async def test_a_failed_job_raises_what_the_service_said(client: AsyncRunpod, wire: Wire) -> None:
    wire.respond({"id": "job", "status": "FAILED", "error": "Invalid image URL"})
    state = await client.public.run_sync(QwenImageEdit2511(prompt="x", images=[URL]))
    with pytest.raises(JobFailedError, match="Invalid image URL"):
        state.result()


@pytest.mark.fact("protocol-2 5: failed with 400")
async def test_a_job_that_failed_can_come_with_http_400(client: AsyncRunpod, wire: Wire) -> None:
    failed = httpx.Response(400, json={"id": "job", "status": "FAILED", "error": "Invalid image URL"})
    edit = QwenImageEdit2511(prompt="x", images=[URL])
    wire.respond(failed, QUEUED, failed)
    state = await client.public.run_sync(edit)
    assert ("job", "FAILED", "Invalid image URL") == (state.id, state.status, state.error)
    job = await client.public.run(edit)
    with pytest.raises(JobFailedError, match="Invalid image URL"):
        await job.result(timeout=60)


async def test_such_a_job_can_have_a_long_error(client: AsyncRunpod, wire: Wire) -> None:
    # In the order in which the service sends the fields.
    wire.respond(httpx.Response(400, json={"error": "x" * 100_000, "id": "job", "status": "FAILED"}))
    state = await client.public.run_sync(FluxSchnell(prompt="a horse"))
    assert ("job", "FAILED", 100_000) == (state.id, state.status, len(state.error or ""))


async def test_a_retry_that_is_refused_is_an_error(client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(httpx.Response(400, json={"id": "job", "status": "FAILED", "error": "too old to be retried"}))
    with pytest.raises(BadRequestError, match="too old to be retried"):
        await client.endpoint("e").job("job").retry()


async def test_a_job_that_failed_with_http_400_has_to_be_the_one(client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(httpx.Response(400, json={"id": "another", "status": "FAILED", "error": "no"}))
    with pytest.raises(BadRequestError, match="HTTP 400: no"):
        await client.endpoint("e").job("job").refresh()


@pytest.mark.fact("protocol-2 5: failed with 400")
@pytest.mark.parametrize(
    "body",
    [
        {"error": "bad request"},
        {"id": "job", "error": "bad request"},
        {"id": "job", "status": "IN_QUEUE", "error": "bad request"},
        {"status": "FAILED", "error": "bad request"},
    ],
)
async def test_another_http_400_is_an_error(body: Any, client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(httpx.Response(400, json=body))
    with pytest.raises(BadRequestError, match="bad request"):
        await client.public.run_sync(FluxSchnell(prompt="a horse"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda p: p.run(FluxSchnell),
            'Pass a typed input, such as FluxSchnell(prompt="a horse"), or a slug and input=, not FluxSchnell',
        ),
        (lambda p: p.run({"input": {}}), "a slug and input=, not dict"),
        (lambda p: p.run_sync(None), "a slug and input=, not NoneType"),
        (lambda p: p.run(FLUX), f"input is missing. Pass it by keyword: run('{FLUX}', input="),
        (lambda p: p.run(" ", input={"a": 1}), "endpoint_id is blank"),
        (lambda p: p.run(FLUX, input=5), "input must be a mapping"),
        (lambda p: p.run(FluxSchnell(prompt=""), input={}), "input must not be passed besides a FluxSchnell"),
        (
            lambda p: p.run_sync("z-image-turbo", input=FluxSchnell(prompt="")),
            f"FluxSchnell is an input of '{FLUX}', not of 'z-image-turbo'. Pass it without a slug",
        ),
        (
            lambda p: p.run_sync("qwen-image-edit-2511", input={"prompt": "", "image": URL}),
            (
                "Invalid input of 'qwen-image-edit-2511': it takes 'images', a list, not 'image'. If the model has "
                "changed, client.public.endpoint('qwen-image-edit-2511') takes any input."
            ),
        ),
        (lambda p: p.run("qwen-image-edit-2511", input={"prompt": "", 5: URL}), "JSON keys must be str"),
        (lambda p: p.run("moonshot-kimi", input={"prompt": ""}), "it takes 'messages', a list, not 'prompt'"),
        (lambda p: p.run(PublicInput()), "PublicInput has no slug. Add one"),
    ],
)
async def test_invalid_arguments(call: Callable[[Any], Any], message: str, client: AsyncRunpod, wire: Wire) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        await call(client.public)
    assert message in str(caught.value)
    assert [] == wire.requests


@pytest.mark.parametrize(
    "given",
    [
        {"prompt": "", "images": [URL], "image": URL},  # nothing is missing
        {"prompt": ""},  # nothing is named otherwise
        {"prompt": "", "images_v2": [URL]},
        {},
    ],
)
@pytest.mark.filterwarnings("ignore:input is empty")
async def test_a_mapping_that_may_be_right_is_sent(given: dict[str, Any], client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(DONE)
    await client.public.run("qwen-image-edit-2511", input=given)
    assert [{"input": given}] == bodies(wire)


async def test_an_endpoint_takes_any_input(client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(DONE)
    await client.public.endpoint("qwen-image-edit-2511").run(input={"prompt": "", "image": URL})
    assert [{"input": {"prompt": "", "image": URL}}] == bodies(wire)


async def test_a_typed_input_beside_its_slug(client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(DONE)
    await client.public.run(FLUX, input=FluxSchnell(prompt="a horse"))
    assert [{"input": {"prompt": "a horse"}}] == bodies(wire)


async def test_an_endpoint_maps_typed_inputs() -> None:
    def flux(job: dict[str, Any]) -> dict[str, Any]:
        return {"image_url": f"https://image.runpod.ai/{job['input']['prompt']}.jpg", "cost": 0.25}

    with LocalServer({FLUX: flux}) as server:
        async with AsyncRunpod(server.api_key, base_url=server.base_url) as client:
            run = client.public.endpoint(FLUX).map([FluxSchnell(prompt="a"), FluxSchnell(prompt="b")])
            outputs = [output async for output in run]
    assert ["https://image.runpod.ai/a.jpg", "https://image.runpod.ai/b.jpg"] == [each.media[0].url for each in outputs]
    assert 0.5 == run.report.cost


async def test_options_of_the_client_apply(client: AsyncRunpod) -> None:
    assert isinstance(client.public, AsyncPublic)
    assert client.with_options(timeout=5).public.endpoint("x")._session.timeout == 5


# The list of models.


@pytest.mark.fact("protocol-2 5: list of models")
async def test_the_list_of_the_service(client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(LIST)
    models = await client.public.models()
    assert ("service", "", [FLUX, "new"]) == (models.source, models.reason, [model.slug for model in models])
    assert ("FLUX", FluxSchnell) == (models[0].name, models[0].input_type)
    [request] = wire.requests
    assert ("POST", "https://api.runpod.io/graphql") == (request.method, str(request.url))
    query = json.loads(request.content)["query"]
    assert query.startswith("{allAiApiPublicConfigs{")
    assert " aiApiId " in query


@pytest.mark.fact("protocol-2 5: list of models")
async def test_the_key_is_not_sent(wire: Wire) -> None:
    wire.respond(LIST, LIST)
    async with AsyncRunpod(KEY, base_url=BASE_URL) as client:
        await client.public.models()
    auth = ("me", KEY)
    async with httpx.AsyncClient(headers={"X-Key": KEY}, cookies={"key": KEY}, auth=auth, params={"key": KEY}) as mine:
        await AsyncRunpod(KEY, base_url=BASE_URL, http_client=mine).public.models()
    for request in wire.requests:
        assert "authorization" not in request.headers
        assert KEY not in f"{request.url} {request.headers} {request.content!r}"


@pytest.mark.fact("protocol 10: RUNPOD_API_BASE_URL")
async def test_the_url_is_an_argument_or_a_variable(
    client: AsyncRunpod, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.always(LIST)
    await client.public.models(catalogue_url="https://example.com/list")
    monkeypatch.setenv("RUNPOD_API_BASE_URL", "http://localhost:1234/")
    async with AsyncRunpod(KEY, base_url=BASE_URL) as other:
        await other.public.models()
    await client.public.models(catalogue_url="http://example.com/list")
    urls = ["https://example.com/list", "http://localhost:1234/graphql", "http://example.com/list"]
    assert urls == [str(request.url) for request in wire.requests]


@pytest.mark.parametrize("bad", ["", "ftp://example.com", "https://user:password@example.com", "https://", 5])
async def test_an_invalid_url(bad: Any, client: AsyncRunpod, wire: Wire) -> None:
    with pytest.raises(ConfigurationError, match="catalogue_url"):
        await client.public.models(catalogue_url=bad)
    with pytest.raises(InvalidRequestError, match="timeout must be positive"):
        await client.public.models(timeout=0)


@pytest.mark.fact("protocol-2 5: end of GraphQL")
@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (404, "the service answered with HTTP 404"),
        (401, "the service answered with HTTP 401"),
        (httpx.Response(302, headers={"Location": "https://example.com"}), "the service answered with HTTP 302"),
        (httpx.Response(204), "the service answered with HTTP 204"),
        (httpx.Response(200, text="<html>"), "the service's response is not JSON"),
        ({"errors": [{"message": "no"}]}, "the service answered with an error, 'no'"),
        (httpx.ConnectError("refused"), "the service did not answer (ConnectError: refused)"),
        (httpx.RemoteProtocolError("reset"), "the service did not answer (RemoteProtocolError: reset)"),
        (httpx.ReadTimeout("slow"), "the service did not answer (ReadTimeout: slow)"),
        (
            httpx.Response(200, content=b"[" + b"1," * 2**22),
            "the service's response cannot be used: it is larger than 4 MiB",
        ),
        (
            lambda: httpx.Response(
                200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(gzip.compress(b" " * 2**23))
            ),
            "the service's response cannot be used: it is larger than 4 MiB",
        ),
        (
            lambda: httpx.Response(200, headers={"Content-Encoding": "br"}, stream=httpx.ByteStream(b"x")),
            "the service's response cannot be used: its Content-Encoding is not supported",
        ),
    ],
)
async def test_the_shipped_list(reply: Any, reason: str, client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(reply)
    models = await client.public.models()
    assert ("shipped", reason, 39) == (models.source, models.reason, len(models))
    # Only once: the list is at hand, and another request would take time.
    assert 1 == len(wire.requests)


async def test_the_callers_client_keeps_its_own_cookies_only(wire: Wire) -> None:
    wire.respond(httpx.Response(200, json=LIST, headers={"Set-Cookie": "tracking=1"}))
    async with httpx.AsyncClient(cookies={"mine": "1"}) as mine:
        await AsyncRunpod(KEY, base_url=BASE_URL, http_client=mine).public.models()
        assert ["mine"] == list(mine.cookies)


async def test_other_errors_propagate(client: AsyncRunpod, wire: Wire) -> None:
    wire.respond(ZeroDivisionError("of a mock"))
    with pytest.raises(ZeroDivisionError):
        await client.public.models()


async def test_a_closed_client_says_so(wire: Wire) -> None:
    client = AsyncRunpod(KEY, base_url=BASE_URL)
    await client.aclose()
    with pytest.raises(ClientClosedError, match="the client is closed"):
        await client.public.models()


# Over real sockets.


def silent(connection: Connection) -> None:
    connection.read_request()
    connection.hang()


def drip_body(connection: Connection) -> None:
    connection.read_request()
    connection.send(HEAD + b"\r\n")
    connection.drip(b"[")


def drip_header(connection: Connection) -> None:
    connection.read_request()
    connection.drip(b"HTTP/1.1 200 OK\r\nX-A: ")


def endless(connection: Connection) -> None:
    connection.read_request()
    connection.send(HEAD + b"\r\n")
    while True:
        connection.send(b" " * 65536)


def cut(connection: Connection) -> None:
    connection.read_request()
    connection.send(HEAD + b"Content-Length: 100\r\n\r\n[")


def good(connection: Connection) -> None:
    connection.read_request()
    connection.respond(gzip.compress(json.dumps(LIST).encode()), headers="Content-Encoding: gzip\r\n")


@pytest.mark.parametrize(
    ("behave", "timeout", "reason"),
    [
        (silent, SHORT, "the service did not answer in time"),
        (drip_body, SHORT, "the service did not answer in time"),
        (endless, None, "the service's response cannot be used: it is larger than 4 MiB"),
        (cut, 60, "the service did not answer (RemoteProtocolError: "),
    ],
)
async def test_a_misbehaving_server(
    http_backend: str, behave: Callable[[Connection], None], timeout: float | None, reason: str
) -> None:
    with RawServer(behave) as server:
        async with new_client(server.base_url) as client:
            models = await client.public.models(catalogue_url=server.base_url, timeout=timeout)
    assert "shipped" == models.source
    assert models.reason.startswith(reason)


async def test_a_dripped_header_ends_at_the_deadline() -> None:
    with RawServer(drip_header) as server:
        async with new_client(server.base_url) as client:
            models = await client.public.models(catalogue_url=server.base_url, timeout=SHORT)
    assert "the service did not answer in time" == models.reason


async def test_a_server_that_is_not_there(http_backend: str) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    async with new_client(url) as client:
        assert "ConnectError" in (await client.public.models(catalogue_url=url)).reason


async def test_the_proxy_is_that_of_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(cut) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.base_url)
        # The endpoints are on this machine, so they use none.
        async with new_client("http://127.0.0.1:9/v2") as client:
            await client.public.models(timeout=60)
    assert proxy.requests[0].startswith(b"CONNECT api.runpod.io:443 ")


async def test_the_list_over_a_socket(http_backend: str) -> None:
    with RawServer(good) as server:
        async with new_client(server.base_url) as client:
            models = await client.public.models(catalogue_url=server.base_url)
    assert "service" == models.source
    [request] = server.requests
    assert KEY.encode() not in request
    assert b"\r\nconnection: close\r\n" in request.lower()
