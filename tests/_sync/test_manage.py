# Generated from tests/_async/test_manage.py by scripts/generate_sync.py. Do not edit.

"""The management API: what is repeated, lists in pages, errors, and secrets."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import SecretStr

from runpod import (
    APIConnectionError,
    APIResponseError,
    Runpod,
    BadRequestError,
    File,
    InvalidRequestError,
    NotFoundError,
    RateLimitError,
    RetryPolicy,
    RunpodError,
    RunpodTimeoutError,
    ServerError,
)
from runpod.models.management import GPUSettings, ScalingSettings
from tests._sync.misbehaving import SHORT, new_client
from tests.servers import KEY, Delayed, RawServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod import Manage
    from tests.clocks import VirtualClock
    from tests.servers import Connection, Wire

ENDPOINT = {"id": "abc", "name": "horses", "env": {"TOKEN": "PLANTED"}}
DELAY = ScalingSettings(queue_delay=timedelta(seconds=4))
GPU = GPUSettings(pools=["ADA_24"])


def problem(status: int, detail: str = "It cannot be done", **more: Any) -> httpx.Response:
    body = {"title": "A problem", "status": status, "detail": detail, **more}
    return httpx.Response(status, json=body, headers={"Content-Type": "application/problem+json"})


def limited(seconds: int) -> httpx.Response:
    headers = {"Retry-After": str(seconds), "RateLimit": f'"minute";r=0;t={seconds}'}
    return httpx.Response(429, json={"title": "Too Many Requests"}, headers=headers)


def create(manage: Manage, **options: Any) -> Any:
    return manage.serverless.create(name="horses", type="QUEUE", scaling=DELAY, gpu=GPU, image="horses:1", **options)


REPEATED: list[tuple[str, Callable[[Manage], Any], Any]] = [
    ("GET /v2/serverless/abc", lambda m: m.serverless.get("abc"), ENDPOINT),
    ("PATCH /v2/serverless/abc", lambda m: m.serverless.update("abc", name="mules"), ENDPOINT),
    ("DELETE /v2/serverless/abc", lambda m: m.serverless.delete("abc"), httpx.Response(204)),
    ("GET /v2/templates", lambda m: m.templates.list(), {"templates": [{"id": "tpl"}]}),
    ("PUT /v2/account/ssh-keys", lambda m: m.request("PUT", "/v2/account/ssh-keys", json={"keys": []}), {}),
]
CREATED: list[tuple[str, Callable[[Manage], Any], Any]] = [
    ("POST /v2/serverless", create, ENDPOINT),
    ("POST /v2/templates", lambda m: m.templates.create(name="a", image="a:1"), {"id": "tpl"}),
    (
        "POST /v2/registries",
        lambda m: m.registries.create(name="a", username="u", password=SecretStr("p")),
        {"id": "reg"},
    ),
    ("POST /v2/sandboxes", lambda m: m.request("post", "/v2/sandboxes", json={}), {"id": "box"}),  # type: ignore[arg-type]
]


def error_of(call: Callable[[Manage], Any], client: Runpod) -> RunpodError:
    with pytest.raises(RunpodError) as caught:
        call(client.manage)
    return caught.value


@pytest.mark.fact("protocol-2 8.1: address and key", "protocol-2 8.1: deletion")
@pytest.mark.parametrize(("line", "call", "good"), REPEATED, ids=lambda value: value if isinstance(value, str) else "")
def test_what_has_the_same_result_is_repeated(
    line: str, call: Callable[[Manage], Any], good: Any, client: Runpod, wire: Wire
) -> None:
    wire.respond(problem(503), httpx.ReadError("reset"), limited(2), good)
    call(client.manage)
    assert [line] * 4 == wire.sent
    assert f"Bearer {KEY}" == wire.requests[0].headers["Authorization"]
    assert "api.runpod.io" == wire.requests[0].url.host


@pytest.mark.fact("protocol-2 8.1: creation in doubt")
@pytest.mark.parametrize(("line", "call", "good"), CREATED, ids=lambda value: value if isinstance(value, str) else "")
def test_what_creates_something_is_not_repeated_in_doubt(
    line: str, call: Callable[[Manage], Any], good: Any, client: Runpod, wire: Wire
) -> None:
    # It was not executed: refused, or not sent.
    wire.respond(limited(2), httpx.ConnectError("refused"), httpx.Response(201, json=good))
    call(client.manage)
    assert [line] * 3 == wire.sent
    # It may have been executed.
    for doubtful in (problem(503), httpx.ReadError("reset"), httpx.ReadTimeout("silence"), problem(408)):
        wire.respond(doubtful)
        error = error_of(call, client)
        assert (True, None) == (error.maybe_submitted, error.job_id)
        assert "List what there is first" in error.message
    assert 7 == len(wire.sent)
    # It was executed. The ID is not that of a job.
    wire.respond(httpx.Response(201, text='{"id": "abc", "status": "CREA'))
    error = error_of(call, client)
    assert (APIResponseError, True, None) == (type(error), error.maybe_submitted, error.job_id)
    assert " job " not in error.message
    assert "names 'abc': look for it first" in error.message
    wire.respond(problem(400))
    error = error_of(call, client)
    assert (BadRequestError, False) == (type(error), error.maybe_submitted)


def test_resubmit_is_about_jobs(client: Runpod, wire: Wire) -> None:
    """A second pod costs money, and nothing detects it."""
    wire.respond(httpx.ReadError("reset"))
    error = error_of(create, client.with_options(retry=RetryPolicy(resubmit=True)))
    assert (True, 1) == (error.maybe_submitted, len(wire.sent))


def test_what_is_missing_after_a_lost_response_was_deleted(client: Runpod, wire: Wire) -> None:
    for doubtful in (problem(502), httpx.ReadError("reset")):
        wire.respond(doubtful, problem(404))
        client.manage.serverless.delete("abc")
    # Nothing has deleted it.
    for certain in ((), (limited(1),), (httpx.ConnectError("refused"),)):
        wire.respond(*certain, problem(404))
        with pytest.raises(NotFoundError, match=r"HTTP 404.*It cannot be done\. Check the ID"):
            client.manage.templates.delete("abc")
    wire.respond(problem(502), problem(404))
    with pytest.raises(NotFoundError):
        client.manage.serverless.get("abc")


@pytest.mark.parametrize(
    "call",
    [lambda m: m.serverless.delete("abc"), lambda m: m.pods.delete("abc"), lambda m: m.pods.terminate("abc")],
)
def test_a_deletion_that_only_a_proxy_has_seen(
    call: Callable[[Manage], Any], client: Runpod, wire: Wire
) -> None:
    for text, expected in (("<html>Sign in</html>", "it is HTML"), ('{"error": "no such route"}', "no such route")):
        wire.respond(httpx.Response(200, text=text))
        with pytest.raises(APIResponseError, match=expected):
            call(client.manage)
    for text in ("", "{}", '{"message": "deleted"}'):
        wire.respond(httpx.Response(200, text=text))
        call(client.manage)


@pytest.mark.fact("protocol-2 8.1: rate limits")
def test_retry_after_is_waited_for(client: Runpod, wire: Wire, clock: VirtualClock) -> None:
    start = clock.now()
    wire.respond(limited(12), ENDPOINT)
    assert "abc" == (client.manage.serverless.get("abc")).id
    assert 12 <= clock.now() - start < 13
    # An hour is longer than the timeout, also if there is none.
    for timeout in (30, None):
        wire.respond(limited(3600))
        with pytest.raises(RateLimitError, match="60 requests per minute") as caught:
            client.manage.serverless.get("abc", timeout=timeout)
        assert 3600 == caught.value.retry_after
    assert clock.now() - start < 13


def test_one_timeout_for_all_pages(client: Runpod, wire: Wire) -> None:
    def page(number: int) -> Delayed:
        return Delayed(8, {"endpoints": [], "pagination": {"nextCursor": str(number), "hasNextPage": True}})

    wire.respond(*[page(number) for number in range(3)])
    with pytest.raises(RunpodTimeoutError, match="within the timeout of 20 s"):
        client.manage.serverless.list(timeout=20)


@pytest.mark.fact("protocol-2 8.1: pages")
def test_pages_are_followed(client: Runpod, wire: Wire) -> None:
    def page(ids: str, cursor: Any = None, **more: Any) -> Any:
        return {"endpoints": [{"id": each} for each in ids], "pagination": {"nextCursor": cursor, **more}}

    for last in (page("c"), page("c", "z", hasNextPage=False), page("c", ""), {"endpoints": [{"id": "c"}]}):
        wire.respond(page("ab", "a b/&", hasNextPage=True), page("", "y"), last)
        assert ["a", "b", "c"] == [each.id for each in client.manage.serverless.list()]
    assert ["GET /v2/serverless", "GET /v2/serverless?cursor=a+b%2F%26", "GET /v2/serverless?cursor=y"] == wire.sent[:3]


@pytest.mark.fact("protocol-2 8.1: pages")
def test_pages_of_releases_are_followed(client: Runpod, wire: Wire) -> None:
    first = {"releases": [{"id": "b"}], "rollout": {"workersTotal": 2}, "endpointVersion": 2}
    wire.respond({**first, "pagination": {"nextCursor": "2"}}, {"releases": [{"id": "a"}], "rollout": {}})
    found = client.manage.serverless.releases("abc")
    assert (["b", "a"], 2, 2) == (
        [each.id for each in found.releases],
        found.rollout.workers_total,
        found.endpoint_version,
    )
    assert ["GET /v2/serverless/abc/releases", "GET /v2/serverless/abc/releases?cursor=2"] == wire.sent


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ([{"endpoints": [], "pagination": {"hasNextPage": True}}], "not where"),
        ([{"endpoints": [], "pagination": {"nextCursor": "1"}}] * 2, "no end"),
        ([{"pods": []}], "no list 'endpoints'"),
        ([{"endpoints": {"id": "abc"}}], "no list 'endpoints'"),
        ([[]], "Invalid Page"),
        (
            [{"endpoints": [{"id": "abc"}, {"name": "mules"}]}],
            "Invalid ServerlessEndpoint in 'endpoints': id is missing",
        ),
        ([{"endpoints": ["abc"]}], "Invalid ServerlessEndpoint"),
        ([{"endpoints": [], "pagination": "next"}], "Invalid Page: pagination"),
        ([{"error": "no such account"}], "no such account|no list"),
        ([httpx.Response(200, text="<html><title>Sign in</title></html>")], "it is HTML"),
        ([httpx.Response(200, text='{"endpoints": [')], "truncated"),
        ([httpx.Response(204)], "it is empty"),
    ],
)
def test_a_list_that_lies(pages: list[Any], expected: str, client: Runpod, wire: Wire) -> None:
    wire.respond(*pages)
    with pytest.raises(APIResponseError, match=expected) as caught:
        client.manage.serverless.list()
    assert "Check that management_url is the address of the Runpod management API." in caught.value.message


@pytest.mark.fact("protocol-2 8.1: problems", "protocol-2 8.1: unknown fields", "protocol-2 8.1: restricted keys")
@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (problem(401, "No key"), r"No key\. Check the API key\."),
        (problem(403, "Read only"), r"Read only\. This API key is not permitted .* permission to read and write\."),
        (problem(409, "In use"), r"In use\. .*current state"),
        (problem(413, "Too big"), r"Too big\. .* up to 100 KB"),
        (
            problem(422, "Request validation failed", errors=["unexpected field 'foo'", "name is required"]),
            r"Request validation failed \(unexpected field 'foo'; name is required\)\. Correct the fields",
        ),
        (problem(422, "Not valid", errors=[{"pointer": "#/name"}]), r"Not valid \({\"pointer\": \"#/name\"}\)\."),
        (httpx.Response(403, text="<html><title>Attention</title></html>"), "an HTML page, 'Attention'"),
        (
            httpx.Response(307, headers={"Location": "https://elsewhere.example/"}),
            "redirect to .* check management_url",
        ),
    ],
)
def test_what_an_error_says(response: httpx.Response, expected: str, client: Runpod, wire: Wire) -> None:
    wire.respond(response)
    error = error_of(lambda m: m.serverless.update("abc", name="mules"), client)
    assert error.message.startswith("manage.serverless.update (PATCH /v2/serverless/abc) failed with HTTP ")
    assert "abc" == error.endpoint_id
    with pytest.raises(RunpodError, match=expected):
        raise error


JOBS_URL, MANAGEMENT_URL = "https://api.runpod.ai/v2", "https://api.runpod.io"


@pytest.mark.fact("protocol 1.0: wrong host", "protocol-2 1: REST v1")
@pytest.mark.parametrize(
    ("base_url", "management_url", "hints"),
    [
        (JOBS_URL, MANAGEMENT_URL, ["", ""]),
        (
            MANAGEMENT_URL,
            JOBS_URL,
            [
                f"This base_url is the management API; jobs are sent to {JOBS_URL}.",
                f"This management_url is the API of jobs; the management API is {MANAGEMENT_URL}.",
            ],
        ),
        (
            "https://api.runpod.ai/v2/ep",
            "https://api.runpod.io/v2/",
            [
                f"This base_url has another path than that of the service; jobs are sent to {JOBS_URL}.",
                "This management_url ends with /v2, with which each path begins, too: leave it out.",
            ],
        ),
        (
            "https://rest.runpod.io/v1",
            "https://rest.runpod.io/v1",
            [
                f"This base_url is the management API; jobs are sent to {JOBS_URL}.",
                f"This management_url is version 1 of the management API, which was retired; version 2 is {MANAGEMENT_URL}.",
            ],
        ),
    ],
)
@pytest.mark.parametrize("status", [404, 401])
def test_addresses_that_are_mixed_up(
    status: int, base_url: str, management_url: str, hints: list[str], wire: Wire
) -> None:
    wire.always(status)
    options: Any = {"base_url": base_url, "management_url": management_url}
    calls: list[Callable[[Runpod], Any]] = [
        lambda client: client.endpoint("ep").run(input={"n": 1}),
        lambda client: client.manage.serverless.list(),
        lambda client: client.endpoint("ep").logs("w1").__next__(),
    ]
    with Runpod(KEY, **options) as client:
        for call, hint in zip(calls, [hints[0], hints[1], hints[1]], strict=True):
            with pytest.raises(RunpodError) as caught:
                call(client)
            message = caught.value.message
            assert message.endswith(hint)
            assert bool(hint) == ("This base_url" in message or "This management_url" in message)


def test_a_gateway_in_trouble(client: Runpod, wire: Wire) -> None:
    wire.always(httpx.Response(502, text="<html><title>Bad gateway</title></html>"))
    with pytest.raises(ServerError, match=r"HTTP 502 \(4 attempts\): an HTML page, 'Bad gateway'"):
        client.manage.serverless.list()
    wire.always(httpx.ConnectError("refused"))
    with pytest.raises(APIConnectionError, match=r"manage.serverless.list \(GET /v2/serverless\) could not be sent"):
        client.manage.serverless.list()


@pytest.mark.fact("protocol-2 8.4: names of v1")
def test_names_of_older_apis_are_corrected_in_errors(client: Runpod, wire: Wire) -> None:
    body = {"name": "a", "workersMin": 1, "gpu": {"pools": ["NVIDIA GeForce RTX 4090"]}}
    wire.respond(problem(422, "Request validation failed"))
    with pytest.raises(RunpodError, match=r"workersMin is now workers\.min\. gpu\.pools takes IDs of pools"):
        client.manage.request("PATCH", "/v2/serverless/abc", json=body)


def test_secrets_are_hidden(client: Runpod, wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    """Also if the server quotes them."""
    caplog.set_level(logging.DEBUG, "runpod")
    secret = 'PLANTED "secret"\nß'
    calls: list[Callable[[Manage], Any]] = [
        lambda m: create(m, env={"TOKEN": secret, "LONGER": f"{secret} 2", "SHORT": "is", "OTHER": "PLANTED-2"}),
        lambda m: m.registries.create({"name": "a", "username": "u", "password": secret, "env": {"A": "PLANTED-2"}}),
        lambda m: m.request("POST", "/v2/account/secrets", json={"value": secret, "env": {"A": "PLANTED-2"}}),
    ]
    for call in calls:
        wire.respond(problem(422, f"bad: {secret}", errors=[f"{secret} is weak"]))
        error = error_of(call, client)
        assert "bad: [hidden] ([hidden] is weak)" in error.message
        wire.respond(httpx.Response(500, text=f"cannot store {secret}"))
        errors = error, error_of(call, client)
        wire.respond(httpx.Response(200, text=f'{{"id": "{secret}'))
        errors = *errors, error_of(call, client)
        wire.respond(httpx.Response(200, text='{"id": "PLANTED-2", "name": '))
        errors = *errors, error_of(call, client)
        assert "PLANTED" not in f"{errors} {[str(each) for each in errors]} {error.args}"
    wire.respond({"id": "abc", "env": {"TOKEN": secret}, "args": f"serve {secret}", "newSecret": secret})
    endpoint = client.manage.serverless.get("abc")
    assert "PLANTED" not in f"{endpoint} {endpoint!r} {[endpoint]}"
    assert "TOKEN" in repr(endpoint)
    assert {"TOKEN": secret} == endpoint.model_dump()["env"] == endpoint.env
    assert "PLANTED" not in caplog.text


def test_any_path(client: Runpod, wire: Wire) -> None:
    manage = client.manage
    wire.respond({"clusters": []}, httpx.Response(204), httpx.Response(202), [1], {"id": 5})
    assert {"clusters": []} == manage.request(
        "GET", "/v2/clusters", query={"a": True, "b": 1, "c": None, "d": "é&"}
    )
    assert manage.request("DELETE", "/v2/clusters/ab%2Fc") is None
    assert manage.request("POST", "/v2/x/é", json={"a": None}) is None
    assert [1] == manage.request("GET", "/v2/x")
    assert {"id": 5} == manage.request("PUT", "/v2/x", json=[])
    assert [
        "GET /v2/clusters?a=true&b=1&d=%C3%A9%26",
        "DELETE /v2/clusters/ab%2Fc",
        "POST /v2/x/%C3%A9",
        "GET /v2/x",
        "PUT /v2/x",
    ] == wire.sent
    assert [b"", b"", b'{"a":null}', b"", b"[]"] == [request.content for request in wire.requests]
    wire.respond(httpx.Response(200, text="<html>"))
    with pytest.raises(APIResponseError, match="it is HTML"):
        manage.request("GET", "/v2/x")


@pytest.mark.parametrize(
    ("method", "path", "options", "expected"),
    [
        ("TRACE", "/v2/x", {}, "method must be one of GET, POST"),
        (None, "/v2/x", {}, "method must be"),
        *[
            ("GET", path, {}, "path must start")
            for path in ("v2/x", "https://x.example/v2/x", "//x.example/v2/x", "", 5)
        ],
        *[
            ("GET", f"/v2/{path}", {}, "as a step")
            for path in ("../x", "a/..", "%2e%2E/x", ".", "a b", "a\n", "a//b", "a\\b")
        ],
        *[("GET", f"/v2/{path}", {}, "query=") for path in ("x?a=1", "x#a")],
        ("GET", "/v2/x\ud800", {}, "surrogate"),
        ("GET", "/v2/x", {"query": {"a": [1]}}, r"query\['a'\] must be"),
        ("GET", "/v2/x", {"query": [("a", 1)]}, "query must be a mapping"),
        ("GET", "/v2/x", {"query": {"a": "\ud800"}}, "'a' in the query contains a lone surrogate"),
        ("POST", "/v2/x", {"json": {"a": object()}}, "a has type object, which is not JSON-serializable"),
        ("POST", "/v2/x", {"json": "\ud800"}, "The body contains a lone surrogate"),
        # A null would clear the field, and ********** would be the secret.
        ("PATCH", "/v2/x", {"json": {"a": [float("nan")]}}, r"a\[0\] is nan"),
        ("POST", "/v2/x", {"json": {"value": SecretStr("PLANTED")}}, "value .*pass its get_secret_value"),
        ("POST", "/v2/x", {"json": {"a": File(b"a horse")}}, "takes no files"),
        ("GET", "/v2/x", {"timeout": -1}, "timeout must be positive"),
    ],
)
def test_a_path_that_is_none(
    method: Any, path: Any, options: dict[str, Any], expected: str, client: Runpod, wire: Wire
) -> None:
    with pytest.raises(InvalidRequestError, match=expected):
        client.manage.request(method, path, **options)
    assert [] == wire.sent


@pytest.mark.fact("protocol-2 8.1: creation in doubt")
def test_dropped_connections(http_backend: str) -> None:
    """Over real connections: a request that creates something arrives once, others are repeated."""

    def behave(connection: Connection) -> None:
        request = connection.read_request()
        if request.startswith(b"GET") and len(server.requests) > 2:
            connection.respond(b'{"id": "abc"}')
        else:
            connection.reset()

    with RawServer(behave) as server:
        with new_client(server.base_url, management_url=server.base_url.removesuffix("/v2")) as client:
            with pytest.raises(APIConnectionError, match="may create or start something twice") as caught:
                create(client.manage)
            assert caught.value.maybe_submitted
            assert "abc" == (client.manage.serverless.get("abc")).id
        assert (1, 2) == (server.times("POST /v2/serverless"), server.times("GET /v2/serverless/abc"))
        body = json.loads(server.requests[0].partition(b"\r\n\r\n")[2])
        assert "horses" == body["name"]


def test_the_id_in_a_response_that_breaks_off() -> None:
    """What it names costs money."""

    def behave(connection: Connection) -> None:
        connection.read_request()
        connection.send(b'HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{"id": "abc", "name": "ho')
        connection.reset()

    with RawServer(behave) as server:
        with new_client(server.base_url, management_url=server.base_url.removesuffix("/v2")) as client:
            with pytest.raises(APIConnectionError, match="names 'abc': look for it first") as caught:
                create(client.manage)
        assert (True, None, 1) == (caught.value.maybe_submitted, caught.value.job_id, len(server.requests))


def test_a_server_that_is_silent() -> None:
    with RawServer(lambda connection: (connection.read_request(), connection.hang())) as server:  # type: ignore[func-returns-value]
        with new_client(server.base_url, management_url=server.base_url.removesuffix("/v2")) as client:
            with pytest.raises(RunpodTimeoutError, match=r"manage\.serverless\.list .* within the timeout of 0\.5 s"):
                client.manage.serverless.list(timeout=SHORT)


def test_ids_are_steps_of_the_path(client: Runpod, wire: Wire) -> None:
    wire.respond(ENDPOINT, {"id": "a"})
    client.manage.serverless.get("https://console.runpod.io/serverless/user/endpoint/abc")
    client.manage.templates.get("../a?b")
    assert ["GET /v2/serverless/abc", "GET /v2/templates/..%2Fa%3Fb"] == wire.sent
    for bad in ("", " ", 5, None):
        for call in (client.manage.serverless.get, client.manage.templates.get, client.manage.registries.delete):
            with pytest.raises(InvalidRequestError):
                call(bad)  # type: ignore[operator]


def test_durations_and_times(client: Runpod, wire: Wire) -> None:
    times = {"createdAt": "2026-06-01T12:05:00Z", "timeout": 600000, "workers": {"idleTimeout": 5}}
    wire.respond({"id": "abc", **times})
    endpoint = client.manage.serverless.update("abc", execution_timeout=timedelta(minutes=10))
    assert {"timeout": 600000} == json.loads(wire.requests[0].content)
    assert datetime(2026, 6, 1, 12, 5, tzinfo=timezone.utc) == endpoint.created_at
    assert (timedelta(minutes=10), timedelta(seconds=5)) == (endpoint.execution_timeout, endpoint.workers.idle_timeout)
    assert {"id": "abc", **times} == endpoint.model_dump(mode="json", by_alias=True, exclude_unset=True)


def test_reprs(client: Runpod) -> None:
    kind = type(client.manage).__name__
    assert f"{kind}(management_url='https://api.runpod.io')" == repr(client.manage)
    assert "Pods()" == repr(client.manage.pods).removeprefix("Async")
