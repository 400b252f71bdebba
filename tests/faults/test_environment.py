"""What the environment can do to a client: name authorities and proxies, and nothing that lets anybody in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runpod import APIConnectionError, AsyncRunpod, ConfigurationError, RetryPolicy, Runpod
from tests.faults.certificates import Certificates
from tests.faults.proxy import FaultProxy, Link
from tests.faults.secrets import API_KEY, leaked, shown
from tests.servers import RawServer, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers import Connection

HEALTH = json.dumps({"jobs": {"inQueue": 7}}).encode()

# What turns the checks of one program or another off.
TRICKS = {
    "PYTHONHTTPSVERIFY": "0",
    "SSL_NO_VERIFY": "1",
    "SSL_VERIFY": "0",
    "REQUESTS_CA_BUNDLE": "",
    "CURL_CA_BUNDLE": "",
    "NODE_TLS_REJECT_UNAUTHORIZED": "0",
    "GIT_SSL_NO_VERIFY": "1",
    "HTTPX_VERIFY": "0",
}


@pytest.fixture(autouse=True)
def _no_proxies_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def answering(link: Link) -> None:
    while request := await link.request():
        await link.answer(request, 200, HEALTH)


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return Certificates()


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    with FaultProxy("http://127.0.0.1:1") as proxy:
        yield proxy


async def ask(base_url: str) -> list[int]:
    """What both halves are told by `health`."""
    options: dict[str, Any] = {"base_url": base_url, "retry": RetryPolicy(max_retries=0)}
    async with AsyncRunpod(API_KEY, **options) as client:
        first = (await client.endpoint("ep").health()).jobs.in_queue
    with pytest.warns(RuntimeWarning, match="event loop"), Runpod(API_KEY, **options) as sync_client:
        return [first, sync_client.endpoint("ep").health().jobs.in_queue]


@pytest.mark.parametrize("broken", ["expired", "wrong host", "self-signed"])
async def test_nothing_turns_the_checks_of_tls_off(
    broken: str, certificates: Certificates, proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates.write_authority(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    for name, value in TRICKS.items():
        monkeypatch.setenv(name, value)
    good = proxy.line(answering, tls=certificates.contexts["good"], scheme="https")
    assert [7, 7] == await ask(good.base_url)
    bad = proxy.line(answering, tls=certificates.contexts[broken], scheme="https")
    with pytest.raises(APIConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        async with AsyncRunpod(API_KEY, base_url=bad.base_url, retry=RetryPolicy(max_retries=0)) as client:
            await client.endpoint("ep").health()
    assert [] == bad.requests


async def test_without_the_word_of_the_environment_a_private_authority_is_a_stranger(
    certificates: Certificates, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    line = proxy.line(answering, tls=certificates.contexts["good"], scheme="https")
    with pytest.raises(APIConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        await ask(line.base_url)
    assert [] == line.requests


def answering_raw(connection: Connection) -> None:
    while connection.read_request():
        connection.answer(HEALTH)


async def test_a_netrc_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login somebody password else\nmachine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    with RawServer(answering_raw) as server:
        assert [7, 7] == await ask(server.base_url)
        for request in server.requests:
            assert 1 == request.lower().count(b"authorization:")
            assert f"Authorization: Bearer {API_KEY}\r\n".encode() in request


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SSL_CERT_FILE", "/no/such/file.pem"),
        ("HTTPS_PROXY", f"gopher://me:{API_KEY}@127.0.0.1"),
        ("HTTPS_PROXY", f"http://me:{API_KEY}@127.0.0.1:port"),
        ("ALL_PROXY", "socks5://127.0.0.1:1"),
    ],
)
@pytest.mark.parametrize("client_class", [Runpod, AsyncRunpod])
def test_an_environment_that_cannot_be_used_is_an_error_of_ours(
    client_class: type[Any], name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name) as caught:
        client_class(API_KEY)
    assert [] == leaked(shown(caught.value))


async def test_a_proxy_that_does_not_answer_got_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    async with AsyncRunpod(API_KEY, base_url="https://api.example.test/v2", retry=RetryPolicy(max_retries=0)) as client:
        with pytest.raises(APIConnectionError) as caught:
            await client.endpoint("ep").run(input={"n": 1})
    assert caught.value.maybe_submitted is False
