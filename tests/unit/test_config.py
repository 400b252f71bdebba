"""Tests of the sources and validation of settings."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any

import pytest

from runpod import ConfigurationError, Runpod
from runpod import __version__ as version
from runpod._config import Config, is_loopback, load_config

KEY = "rpa_PLANTEDKEY0123456789"
DEFAULT = "https://api.runpod.ai/v2"


def load(api_key: Any = None, base_url: Any = None, *, allow_insecure: bool = False) -> Config:
    return load_config(api_key, base_url, allow_insecure=allow_insecure)


def key(api_key: Any = None) -> str | None:
    found = load(api_key).api_key
    return None if found is None else found.get_secret_value()


def refused(api_key: Any = None, base_url: Any = None) -> str:
    with pytest.raises(ConfigurationError) as info:
        load(api_key, base_url)
    # The cause could quote the API key.
    assert info.value.__cause__ is None
    assert KEY not in str(info.value)
    assert not info.value.maybe_submitted
    return str(info.value)


@pytest.fixture
def config_file() -> Path:
    path = Path.home() / ".runpod" / "config.toml"
    path.parent.mkdir()
    return path


def test_sources_of_the_api_key(monkeypatch: pytest.MonkeyPatch, config_file: Path) -> None:
    assert "No API key found. Pass api_key=…, set RUNPOD_API_KEY, or add it to ~/.runpod/config.toml" in refused()
    config_file.write_text('[default]\napi_key = "from-file"\n[other]\napi_key = "not-this"\n')
    assert "from-file" == key()
    monkeypatch.setenv("RUNPOD_API_KEY", " \t\n")  # the same as unset
    assert "from-file" == key()
    monkeypatch.setenv("RUNPOD_API_KEY", "from-environment")
    assert "from-environment" == key()
    assert "from-argument" == key("from-argument")
    config_file.write_text("not toml, and not needed")
    assert "from-environment" == key()


@pytest.mark.parametrize(
    ("words", "bad"),
    [
        ("api_key is blank", ["", "  \t"]),
        ("api_key contains a line break, a space or", [f"{KEY}\r\nX-Evil: 1", f"{KEY} {KEY}", f"{KEY}é", f"{KEY}\x00"]),
        ("api_key must be a str, not int.", [5]),
        ("api_key must be a str, not bytes.", [KEY.encode()]),
    ],
)
def test_an_invalid_api_key_is_reported_with_its_source(
    words: str, bad: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in bad:
        assert words in refused(key)
        if isinstance(key, str) and key.strip() and "\x00" not in key:
            monkeypatch.setenv("RUNPOD_API_KEY", key)
            assert f"RUNPOD_{words.replace('api_key', 'API_KEY')}" in refused()


@pytest.mark.parametrize(
    ("words", "contents"),
    [
        ("config.toml is not valid TOML", [f'[default]\napi_key = "{KEY}', f"[default]\napi_key = {KEY}", "x = " + "[" * 5000]),
        ("api_key in ~/.runpod/config.toml contains a line break", [f'[default]\napi_key = "{KEY}\\n"']),
        ("api_key in ~/.runpod/config.toml must be a str, not list", [f'[default]\napi_key = ["{KEY}"]']),
        ("api_key in ~/.runpod/config.toml is blank", ['[default]\napi_key = ""']),
        ("~/.runpod/config.toml cannot be read (UnicodeDecodeError)", [b"\xff\xfe\x00"]),
        ("No API key found", ["", "[other]\napi_key = 'x'\n", "default = 5", "[default]\nx = 1"]),
    ],
)  # fmt: skip
def test_an_invalid_config_file_is_reported_without_its_content(
    config_file: Path, words: str, contents: list[Any]
) -> None:
    for content in contents:
        config_file.write_bytes(content if isinstance(content, bytes) else content.encode())
        assert words in refused()
    config_file.unlink()
    config_file.mkdir()
    assert "~/.runpod/config.toml cannot be read (IsADirectoryError)" in refused()


def test_sources_of_the_base_url(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for blank in ("", " "):
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", blank)
        assert DEFAULT == load(KEY).base_url
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", " https://environment.example/v2 ")
    assert "https://environment.example/v2" == load(KEY).base_url
    assert "https://argument.example/v2" == load(KEY, "https://argument.example/v2").base_url


def test_trailing_slashes_and_plain_http_to_localhost() -> None:
    for host in ("127.0.0.2:8000", "LOCALHOST:8000", "a.localhost", "[::1]"):
        assert {f"http://{host}"} == {load(KEY, f"http://{host}{end}").base_url for end in ("", "/", "//")}
    assert "HTTPS://host.example:8443/a/b" == load(KEY, "HTTPS://host.example:8443/a/b").base_url


@pytest.mark.parametrize(
    ("problem", "addresses"),
    [
        ("must start with https://", ["", "api.test", "ftp://api.test"]),
        ("has no host", ["https://:443", "https:///v2"]),
        ("must not have a query or a fragment", ["https://api.test/v2?", "https://api.test/v2#x"]),
        ("contains a space or a control character", ["https://api.test/v2 ", "https://api\x00.test"]),
        ("is not a URL", ["https://api.test:99999/v2", "https://[::1/v2"]),
        ("must not contain a user name or password", [f"https://user:{KEY}@api.test/v2", f"https://{KEY}@api.test/v2"]),
    ],
)
def test_an_invalid_base_url_is_reported_with_its_source(
    problem: str, addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for bad in addresses:
        message = refused(KEY, bad)
        assert message.startswith(f"base_url {problem}")
        assert f"Use a URL such as {DEFAULT!r}." in message
        if bad and "\x00" not in bad and bad == bad.strip():
            monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", bad)
            assert refused(KEY).startswith(f"RUNPOD_ENDPOINT_BASE_URL {problem}")
    assert "base_url must be a str, not int." == refused(KEY, 5)


@pytest.mark.parametrize("host", ["api.test", "0.0.0.0", "127.0.0.1.evil.test", "evillocalhost", "[2001:db8::1]"])
def test_plain_http_needs_allow_insecure(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://{host}:8000"
    assert "Use https://, or pass allow_insecure=True" in refused(KEY, url)
    config = load(KEY, url, allow_insecure=True)
    assert (url, True) == (config.base_url, config.allow_insecure)
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", url)
    assert "allow_insecure=True" in refused(KEY)
    assert not is_loopback(None)


def test_user_agent_and_repr() -> None:
    config = load(KEY)
    python = f"{platform.python_implementation()}/{platform.python_version()}"
    assert f"runpod-sdk/{version} {python} ({sys.platform}; {platform.machine()})" == config.user_agent
    assert KEY not in repr(config) + str(config) + repr(config.api_key) + str(config.api_key)
    with Runpod(KEY) as client:
        assert f"Runpod(base_url={DEFAULT!r})" == repr(client) == str(client)
