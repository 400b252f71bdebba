"""Tests of proxies and certificate authorities from environment variables."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from runpod import ConfigurationError
from runpod._http.environment import certificate_advice, proxies_for, tls_context, warn_of_proxy

if TYPE_CHECKING:
    from pathlib import Path

PROXY = "http://proxy.test:3128"


@pytest.fixture(autouse=True)
def _no_system_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith(("_proxy", "_bundle", "_ca_certs")) or name.startswith("SSL"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("settings", "url", "expected"),
    [
        ({"HTTPS_PROXY": PROXY}, "HTTPS://api.test", [("HTTPS_PROXY", PROXY)]),
        ({"HTTPS_PROXY": "http://other.test", "https_proxy": PROXY}, "https://api.test", [("https_proxy", PROXY)]),
        *[({"HTTPS_PROXY": each}, "https://api.test", [("HTTPS_PROXY", PROXY)]) for each in (f" {PROXY}\n", PROXY[7:])],
        ({"HTTPS_PROXY": "", "ALL_PROXY": "socks5://p"}, "https://api.test", [("ALL_PROXY", "socks5://p")]),
        # The most specific variable comes first, the next one is the fallback.
        ({"all_proxy": "socks5://p", "HTTP_PROXY": PROXY}, "http://api.test", [("HTTP_PROXY", PROXY), ("all_proxy", "socks5://p")]),
        # Never for localhost, nor for another scheme.
        *[({"ALL_PROXY": PROXY}, f"http://{host}:8000", []) for host in ("localhost", "a.localhost", "127.0.0.2", "[::1]")],
        ({"HTTPS_PROXY": PROXY}, "http://api.test", []),
    ],
)  # fmt: skip
def test_the_proxies_of_a_url(
    settings: dict[str, str], url: str, expected: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert expected == list(proxies_for(url))


@pytest.mark.parametrize(
    ("host", "bypassed", "proxied"),
    [
        ("api.test", ["*", "other.test, * ", "api.test", "API.test,", "api.test\n"], ["", "other.test", "10.0.0.0/8", "pi.test"]),
        ("v2.api.test", ["api.test", ".api.test"], ["evil.api.test"]),
        ("api.test:8443", ["api.test", "api.test:8443"], ["api.test:9000"]),
        # Addresses and networks.
        ("10.1.2.3", ["10.1.2.3", "10.0.0.0/8", "other.test, 10.9.9.9/8", "::1/128,10.0.0.0/8"], ["11.0.0.0/8", "10.1.2.4"]),
        ("10.1.2.3:8443", ["10.0.0.0/8\n", "10.1.2.3:8443"], ["10.1.2.3:9000"]),
        ("[fd00::1]:8443", ["fc00::/7", "[fd00::1]"], ["::1/128", "[::1]", "10.0.0.0/8"]),
        ("[fd00::1]", ["fd00::1"], ["2001:db8::/32"]),
    ],
)  # fmt: skip
def test_no_proxy(host: str, bypassed: list[str], proxied: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", PROXY)
    for no_proxy in bypassed + proxied:
        monkeypatch.setenv("NO_PROXY", no_proxy)
        assert (no_proxy in bypassed) == (not list(proxies_for(f"https://{host}/v2"))), no_proxy


def test_a_system_proxy_has_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runpod._http.environment.getproxies", lambda: {"https": PROXY})
    assert [("the system proxy for https", PROXY)] == list(proxies_for("https://api.test"))


def test_an_unusable_proxy_is_reported_without_its_password() -> None:
    expected = r"^HTTPS_PROXY is ignored: gopher://proxy\.test:port cannot be used \(not the URL of an http, "
    for login in ("", "me:hush@", "me:h@sh@"):
        with pytest.warns(RuntimeWarning, match=expected):
            warn_of_proxy("HTTPS_PROXY", f"gopher://{login}proxy.test:port", ValueError("http://me:hush@proxy"))
    with pytest.warns(RuntimeWarning, match=r'\(the socksio package is missing: pip install "httpx\[socks\]"\)\.$'):
        warn_of_proxy("ALL_PROXY", "socks5://proxy.test", ImportError("socksio"))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"CURL_CA_BUNDLE": "/ca"}, "CURL_CA_BUNDLE is set, but this library reads SSL_CERT_FILE: set it to the same file."),
        ({"CURL_CA_BUNDLE": "/ca", "REQUESTS_CA_BUNDLE": "/ca"}, "REQUESTS_CA_BUNDLE is set, but"),
        ({"NODE_EXTRA_CA_CERTS": "/ca", "SSL_CERT_FILE": ""}, "NODE_EXTRA_CA_CERTS is set, but"),
        *[(each, "set SSL_CERT_FILE to its file.") for each in ({}, {"REQUESTS_CA_BUNDLE": "/ca", "SSL_CERT_FILE": "/ca"})],
    ],
)  # fmt: skip
def test_certificate_hints(settings: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert expected in certificate_advice()


@pytest.mark.parametrize("content", ["no certificate", None])
def test_unloadable_certificate_authorities_are_reported(
    content: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert tls_context().check_hostname
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(ConfigurationError, match=rf"SSL_CERT_FILE='{path}'") as info:
        tls_context()
    assert info.value.__cause__ is None
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setattr("certifi.where", lambda: str(path))
    with pytest.raises(ConfigurationError, match="certifi"):
        tls_context()
