"""Environment variables can set certificate authorities and proxies, but never disable TLS verification."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runpod import APIConnectionError, AsyncRunpod, ConfigurationError, RetryPolicy, Runpod
from tests.faults import clean
from tests.faults.certificates import Certificates
from tests.faults.faults import responding
from tests.faults.proxy import Listener, fault_proxy
from tests.faults.secrets import API_KEY, leaked, representations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Variables that disable certificate verification in other programs.
DISABLING = {
    **dict.fromkeys(("PYTHONHTTPSVERIFY", "SSL_VERIFY", "NODE_TLS_REJECT_UNAUTHORIZED", "HTTPX_VERIFY"), "0"),
    **dict.fromkeys(("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), ""),
    **dict.fromkeys(("SSL_NO_VERIFY", "GIT_SSL_NO_VERIFY"), "1"),
}

# NO_PROXY entries that are invalid or meant for other programs. httpx itself rejects some of them.
UNUSUAL = (
    "::1,[::1],fe80::/10,10.0.0.0/8,1.2.3.4/99,[,],*.horse,.horse,horse:80,horse:port,http://horse,https://,é, ,,%,a b"
)


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    clean(monkeypatch)


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return Certificates()


@pytest.fixture(scope="module")
def listeners(certificates: Certificates) -> Iterator[dict[str, Listener]]:
    """A server for each certificate, and one without TLS."""
    well = responding(200, b'{"jobs":{"inQueue":7}}')
    with fault_proxy() as new_listener:
        found = {
            name: new_listener(well, tls=certificates.context(name), scheme="https")
            for name in ("good", "expired", "wrong host", "unknown authority")
        }
        yield {**found, "http": new_listener(well)}


async def health(base_url: str, **options: Any) -> list[int]:
    """Call `health` with both clients."""
    async with AsyncRunpod(API_KEY, base_url=base_url, **options) as client:
        first = (await client.endpoint("ep").health()).jobs.in_queue
    with pytest.warns(RuntimeWarning, match="event loop"), Runpod(API_KEY, base_url=base_url, **options) as sync_client:
        return [first, sync_client.endpoint("ep").health().jobs.in_queue]


async def verification_error(listener: Listener) -> str:
    """The error for an unverifiable certificate, raised without a request or retry."""
    before = listener.attempts
    with pytest.raises(APIConnectionError, match="CERTIFICATE_VERIFY_FAILED") as caught:
        await health(listener.base_url, retry=RetryPolicy(max_retries=3, initial_delay=timedelta(0)))
    assert (False, False) == (caught.value.maybe_submitted, caught.value.retryable)
    assert (1, []) == (listener.attempts - before, listener.requests)
    return str(caught.value)


async def test_tls_verification_cannot_be_disabled(
    certificates: Certificates, listeners: dict[str, Listener], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = str(tmp_path / "ca.pem")
    certificates.authority.write_to_path(authority)
    for name, value in DISABLING.items():
        monkeypatch.setenv(name, value)
    # Without SSL_CERT_FILE, the private authority is unknown.
    assert "set SSL_CERT_FILE to its file" in await verification_error(listeners["good"])
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority)
    assert "REQUESTS_CA_BUNDLE is set, but this library reads SSL_CERT_FILE" in await verification_error(
        listeners["good"]
    )
    monkeypatch.setenv("SSL_CERT_FILE", authority)
    for name in ("expired", "wrong host", "unknown authority"):
        await verification_error(listeners[name])
    assert [7, 7] == await health(listeners["good"].base_url)


def test_an_invalid_ssl_cert_file_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    for client_class in (Runpod, AsyncRunpod):
        with pytest.raises(ConfigurationError, match=r"SSL_CERT_FILE=.*ca\.pem") as caught:
            client_class(API_KEY)
        assert [] == leaked(representations(caught.value))


def test_unusual_no_proxy_entries_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", UNUSUAL)
    for host in ("api.example.test", "10.0.0.1", "[fe80::1]", "[2001:db8::1]:8443"):
        for client_class in (Runpod, AsyncRunpod):
            client_class(API_KEY, base_url=f"https://{host}/v2")


@pytest.mark.parametrize(
    ("name", "proxy", "problem"),
    [
        ("ALL_PROXY", "socks5://me:{}@127.0.0.1:1", "the socksio package is missing"),
        ("HTTP_PROXY", "gopher://me:{}@127.0.0.1", "not the URL"),
        ("HTTP_PROXY", "http://me:{}@127.0.0.1:port", "not the URL"),
    ],
)
async def test_an_unusable_proxy_is_ignored_with_a_warning(
    name: str, proxy: str, problem: str, listeners: dict[str, Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        return real("127.0.0.1" if "horse" in str(host) else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv(name, proxy.format(API_KEY))
    with pytest.warns(RuntimeWarning, match=f"{name} is ignored.*{problem}") as warned:
        assert [7, 7] == await health(
            listeners["http"].base_url.replace("127.0.0.1", "horse.test"), allow_insecure=True
        )
    assert 2 == sum(str(warning.message).startswith(name) for warning in warned)
    assert [] == leaked(str(warning.message) for warning in warned)
    # There is no warning if the proxy is not needed.
    assert [7, 7] == await health(listeners["http"].base_url)


async def test_a_netrc_is_not_read(
    listeners: dict[str, Listener], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login somebody password else\nmachine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    assert [7, 7] == await health(listeners["http"].base_url)
    for request in listeners["http"].requests[-2:]:
        assert 1 == request.head.lower().count(b"authorization:")
        assert f"Authorization: Bearer {API_KEY}\r\n".encode() in request.head


def test_a_failing_import_is_reported(tmp_path: Path) -> None:
    """For example, importing trio fails under eventlet."""
    (tmp_path / "trio.py").write_text("raise AttributeError('module select has no attribute epoll')\n")
    program = (
        "import runpod\n"
        "for client_class in (runpod.Runpod, runpod.AsyncRunpod):\n"
        "    try: client_class('rpa_X')\n"
        "    except runpod.ConfigurationError as error: print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "HTTPS_PROXY": "http://127.0.0.1:1"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
    first, second = done.stdout.splitlines()
    assert "importing httpcore failed with AttributeError: module select has no attribute epoll" in first, done.stderr
    assert first == second
    assert "proxy" not in first.lower()
