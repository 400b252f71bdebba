# Generated from tests/_async/test_openai.py by scripts/generate_sync.py. Do not edit.

"""`client.openai`, with the installed version of the `openai` package. tests/conformance runs it with another one."""

from __future__ import annotations
import json
import sys
from typing import TYPE_CHECKING, Any

import openai
import pytest

import runpod
from runpod import Runpod, ConfigurationError, InvalidRequestError
from runpod.local import Behavior, LocalServer
from tests.local.api import until
from tests.local.openai_workers import CHAT, HANDLERS, MODEL, Steps
from tests.servers import KEY, RawServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Callable

    from tests.servers import Connection

steps = Steps()


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer({**HANDLERS, "steps": steps.handler}) as server:
        yield server


@pytest.fixture(scope="module")
def server_200() -> Iterator[LocalServer]:
    """A server that responds to failed jobs with HTTP 200."""
    with LocalServer(HANDLERS, behavior=Behavior(openai_errors_as_200=True)) as server:
        yield server


def runpod_client(server: LocalServer, **settings: Any) -> Runpod:
    return Runpod(settings.pop("api_key", server.api_key), base_url=server.base_url, **settings)


def sent(server: LocalServer, path: str) -> int:
    return len([record for record in server.requests if record.path.endswith(path)])


@pytest.fixture
def client(server: LocalServer) -> Iterator[Runpod]:
    with runpod_client(server) as client:
        yield client


@pytest.mark.fact("protocol-2 4: address")
def test_chat(client: Runpod) -> None:
    with client.openai("llm") as llm:
        completion = llm.chat.completions.create(**CHAT)
        assert "You said: a horse" == completion.choices[0].message.content == runpod.text(completion)
        assert (4, 6) == (completion.usage.completion_tokens, completion.usage.total_tokens)
        cut = llm.completions.create(model=MODEL, prompt="a horse", max_tokens=3)
        assert ("You said: a", "length") == (cut.choices[0].text, cut.choices[0].finish_reason)


@pytest.mark.fact("protocol-2 4: names of models")
def test_models(client: Runpod) -> None:
    with client.openai("llm") as llm:
        assert [MODEL] == [model.id for model in llm.models.list()]


@pytest.mark.fact("protocol-2 4: streaming")
@pytest.mark.parametrize(("endpoint", "expected"), [("llm", "You said: a horse"), ("older", "a horse")])
def test_stream(client: Runpod, endpoint: str, expected: str) -> None:
    with client.openai(endpoint) as llm:
        stream = llm.chat.completions.create(**CHAT, stream=True, stream_options={"include_usage": True})
        chunks = [chunk for chunk in stream]
    assert expected == runpod.text(chunks) == "".join(runpod.text(chunk) for chunk in chunks)
    if endpoint == "llm":
        assert 6 == chunks[-1].usage.total_tokens


def test_a_chunk_is_seen_when_it_is_yielded(client: Runpod) -> None:
    with client.openai("steps") as llm:
        stream = _opened(llm)
        pieces: list[str] = ["a "]
        for chunk in stream:
            pieces.append(runpod.text(chunk))
            steps.allowed.release()
    assert ["a ", "a ", "ho", "rse"] == pieces


def _opened(llm: Any) -> Any:
    # The response begins with the first chunk.
    steps.ended.clear()
    steps.allowed.release()
    return llm.chat.completions.create(**CHAT, stream=True)


@pytest.mark.fact("protocol-2 4: closing a call")
def test_a_stream_that_is_closed_early(client: Runpod, server: LocalServer) -> None:
    with client.openai("steps") as llm:
        stream = _opened(llm)
        assert "a " == runpod.text(next(stream.__iter__()))
        stream.close()
        # The connection is usable, and the job goes on.
        steps.allowed.release(2)
        until(steps.ended.is_set)
        until(lambda: server.jobs["steps"][-1]["status"] == "COMPLETED")


@pytest.mark.fact("protocol-2 4: error of a worker", "protocol-2 4: retries of openai")
def test_a_failed_job_is_not_sent_again(client: Runpod, server: LocalServer) -> None:
    before = sent(server, "/fails/openai/v1/chat/completions")
    with client.openai("fails") as llm:
        with pytest.raises(openai.InternalServerError, match="out of memory") as caught:
            llm.chat.completions.create(**CHAT)
        assert before + 1 == sent(server, "/fails/openai/v1/chat/completions")
        assert "worker_error" == caught.value.type
        with pytest.raises(openai.InternalServerError, match="out of memory"):
            llm.chat.completions.create(**CHAT, stream=True)
    assert before + 2 == sent(server, "/fails/openai/v1/chat/completions")


@pytest.mark.fact("protocol-2 4: retries of openai")
def test_retries_can_be_allowed(client: Runpod, server: LocalServer) -> None:
    before = sent(server, "/llm/openai/v1/chat/completions")
    server.faults.fail("openai", status=503, retry_after=0.001)
    with client.openai("llm", max_retries=1) as llm:
        llm.chat.completions.create(**CHAT)
    assert before + 2 == sent(server, "/llm/openai/v1/chat/completions")


@pytest.mark.parametrize(
    ("endpoint", "api_key", "expected"),
    [("llm", "wrong", openai.AuthenticationError), ("unknown", None, openai.NotFoundError)],
)
def test_errors_of_the_service(server: LocalServer, endpoint: str, api_key: str | None, expected: Any) -> None:
    with runpod_client(server, api_key=api_key or server.api_key) as client, client.openai(endpoint) as llm:
        with pytest.raises(expected):
            llm.models.list()


CALLS: dict[str, Callable[[Any], Any]] = {
    "chat": lambda llm: llm.chat.completions.create(**CHAT),
    "stream": lambda llm: llm.chat.completions.create(**CHAT, stream=True),
    "embeddings": lambda llm: llm.embeddings.create(model=MODEL, input="a horse"),
}


@pytest.mark.fact("protocol-2 4: error with 200")
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(("endpoint", "text"), [("fails", "out of memory"), ("infinity", "no such model")])
def test_errors_with_http_200(
    server_200: LocalServer, endpoint: str, text: str, call: Callable[[Any], Any]
) -> None:
    with runpod_client(server_200) as client, client.openai(endpoint) as llm:
        with pytest.raises(openai.APIError) as caught:
            call(llm)
        assert str(caught.value).startswith("The endpoint responded with HTTP 200, but reported an error: ")
        assert str(caught.value).endswith(text)  # without a traceback
        assert text in caught.value.body["message"]
        assert not isinstance(caught.value, openai.APIStatusError)
        # The connection of a stream that was not one is used again.
        with pytest.raises(openai.APIError, match=text):
            call(llm.with_options(timeout=5))


@pytest.mark.fact("protocol-2 4: error object")
def test_errors_of_lists_with_http_200(client: Runpod) -> None:
    with client.openai("infinity") as llm:
        with pytest.raises(openai.APIError, match="no such model") as caught:
            llm.models.list()
        assert ("404", "invalid_request_error") == (str(caught.value.code), caught.value.type)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_error_with_http_200_that_quotes_the_key(call: Callable[[Any], Any]) -> None:
    def quoting(connection: Connection) -> None:
        while connection.read_request():
            body = json.dumps({"error": f"Authorization: Bearer {KEY}"})
            connection.respond(body.encode(), headers="Content-Type: application/json\r\n")

    with RawServer(quoting) as raw:
        with Runpod(KEY, base_url=raw.base_url) as client, client.openai("ep") as llm:
            with pytest.raises(openai.APIError, match=r"reported an error: Authorization: Bearer \[key\]$"):
                call(llm)


@pytest.mark.parametrize("endpoint", ["fails-late", "object-error-late"])
def test_errors_within_a_stream(client: Runpod, endpoint: str) -> None:
    texts: list[str] = []
    with client.openai(endpoint) as llm:
        with pytest.raises(openai.APIError, match="out of memory"):
            for chunk in llm.chat.completions.create(**CHAT, stream=True):
                texts += [runpod.text(chunk)]
    assert ["a "] == texts


def test_json_instead_of_a_stream(client: Runpod) -> None:
    with client.openai("inputs") as llm:
        with pytest.raises(openai.APIError, match="HTTP 200, but sent JSON instead of a stream"):
            llm.chat.completions.create(**CHAT, stream=True)


@pytest.mark.parametrize(
    ("endpoint", "call", "found"),
    [
        ("text", "chat", "sent no JSON object (text/plain; charset=utf-8)"),
        ("text", "embeddings", "sent no JSON object (text/plain; charset=utf-8)"),
        ("text", "stream", "sent an empty stream (text/event-stream; charset=utf-8)"),
        ("null", "chat", "sent no JSON object (application/json)"),
    ],
)
def test_what_is_no_result(client: Runpod, endpoint: str, call: str, found: str) -> None:
    with client.openai(endpoint) as llm:
        with pytest.raises(openai.APIError) as caught:
            result = CALLS[call](llm)
            _ = [chunk for chunk in result]
    assert f"The endpoint responded with HTTP 200, but {found}" == str(caught.value)


def test_raw_responses_are_unchanged(server_200: LocalServer) -> None:
    with runpod_client(server_200) as client, client.openai("infinity") as llm:
        raw = llm.chat.completions.with_raw_response.create(**CHAT)
        assert (200, "no such model") == (raw.status_code, raw.http_response.json()["message"])
        with pytest.raises(openai.APIError, match="no such model"):
            raw.parse()
        stream = llm.chat.completions.with_raw_response.create(**CHAT, stream=True)
        assert "no such model" in (stream.http_response.read()).decode()
        with llm.chat.completions.with_streaming_response.create(**CHAT) as response:
            assert b"no such model" in response.read()


def test_a_failed_resource_is_not_an_error(client: Runpod) -> None:
    with client.openai("failed-response") as llm:
        response = llm.responses.create(model=MODEL, input="a horse")
        assert ("failed", "lost") == (response.status, response.error.message)


ENVIRONMENT = {
    "OPENAI_API_KEY": "sk-of-openai",
    "OPENAI_ADMIN_KEY": "sk-admin",
    "OPENAI_BASE_URL": "https://api.example.test/v1",
    "OPENAI_ORG_ID": "org-1",
    "OPENAI_PROJECT_ID": "proj-1",
    "OPENAI_CUSTOM_HEADERS": "Authorization: Bearer sk-custom\nX-Custom: 1",
}


@pytest.mark.fact("protocol-2 4: variables of openai")
def test_settings_of_openai_are_not_sent(
    client: Runpod, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with client.openai("llm", default_headers={"X-Mine": "1"}) as llm:
        assert llm.admin_api_key is None
        for each in (llm, llm.with_options(timeout=5), llm.copy(default_headers={"X-Other": "2"})):
            assert isinstance(each, (openai.OpenAI, type(llm)))
            assert (0, llm.base_url) == (each.max_retries, each.base_url)
            each.models.list()  # The server accepts no other key.
            headers = dict(server.requests[-1].headers)
            assert "1" == headers["x-mine"]
            assert not {"openai-organization", "openai-project", "x-custom"} & headers.keys()
            assert "sk-" not in repr(headers)
        assert "2" == headers["x-other"]
    with client.openai("llm", organization="org-2", project="proj-2") as llm:
        llm.with_options(timeout=5).models.list()
        sent_headers = server.requests[-1].headers
        assert ("org-2", "proj-2") == (sent_headers["openai-organization"], sent_headers["openai-project"])


@pytest.mark.fact("protocol-2 4: openai 3")
def test_options_of_the_package(client: Runpod) -> None:
    with client.openai("llm") as llm, client.openai("llm", timeout=5, max_retries=3) as other:
        assert isinstance(llm, openai.OpenAI)
        assert (600, 0) == (llm.timeout.read, llm.max_retries)
        assert (5, 3) == (other.timeout, other.max_retries)
    for name in ("api_key", "base_url"):
        with pytest.raises(ConfigurationError, match=rf"takes no {name}.*Runpod\({name}=\.\.\.\)"):
            client.openai("llm", **{name: "x"})
    with pytest.raises(InvalidRequestError, match="endpoint_id is blank"):
        client.openai(" ")


@pytest.mark.fact("protocol-2 4: address")
def test_the_base_url(client: Runpod, server: LocalServer) -> None:
    console = "https://console.runpod.io/serverless/user/endpoint/llm?tab=overview"
    for endpoint_id, path in (("llm", "llm"), (console, "llm"), ("a/b", "a%2Fb")):
        url = f"{server.base_url}/{path}/openai/v1"
        assert url == client.endpoint(endpoint_id).openai_base_url
        with client.openai(endpoint_id) as llm:
            assert url + "/" == str(llm.base_url)


def test_without_the_package(client: Runpod, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "runpod._sync.openai"
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ConfigurationError) as caught:
        client.openai("llm")
    assert 'client.openai needs the package openai: pip install "runpod-sdk[openai]".' == caught.value.message
    # A damaged installation is another problem.
    monkeypatch.delitem(sys.modules, "openai")
    monkeypatch.setattr("builtins.__import__", broken(__import__))
    with pytest.raises(ModuleNotFoundError, match="No module named 'jiter'"):
        client.openai("llm")


def broken(function: Any) -> Any:
    def import_(name: str, *arguments: Any) -> Any:
        if name == "openai":
            raise ModuleNotFoundError("No module named 'jiter'", name="jiter")
        return function(name, *arguments)

    return import_
