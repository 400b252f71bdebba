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


def load(api_key: Any = None, base_url: Any = None, profile: Any = None, *, allow_insecure: bool = False) -> Config:
    return load_config(api_key, base_url, profile, allow_insecure=allow_insecure)


def key(api_key: Any = None, profile: Any = None) -> str:
    return load(api_key, profile=profile).api_key.get_secret_value()


def refused(api_key: Any = None, base_url: Any = None, profile: Any = None) -> str:
    with pytest.raises(ConfigurationError) as info:
        load(api_key, base_url, profile)
    # The cause could quote the API key.
    assert info.value.__cause__ is None
    assert KEY not in str(info.value)
    assert not info.value.maybe_submitted
    return info.value.message


@pytest.fixture
def config_file() -> Path:
    path = Path.home() / ".runpod" / "config.toml"
    path.parent.mkdir()
    return path


@pytest.mark.fact("protocol 10: RUNPOD_API_KEY", "protocol 10: configuration file")
def test_sources_of_the_api_key(monkeypatch: pytest.MonkeyPatch, config_file: Path) -> None:
    assert "No API key found. Pass api_key=…, set RUNPOD_API_KEY, or add it to ~/.runpod/config.toml" in refused()
    config_file.write_text('[default]\napi_key = "from-file"\n[other]\napi_key = "not-this"\n')
    assert "from-file" == key()
    monkeypatch.setenv("RUNPOD_API_KEY", " \t\n")  # the same as unset
    assert "from-file" == key()
    monkeypatch.setenv("RUNPOD_API_KEY", "from-environment")
    assert "from-environment" == key()
    assert "from-argument" == key("from-argument")
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", DEFAULT)
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
        ("api_key under [default] in ~/.runpod/config.toml contains a line break", [f'[default]\napi_key = "{KEY}\\n"']),
        ("api_key under [default] in ~/.runpod/config.toml must be a str, not list", [f'[default]\napi_key = ["{KEY}"]']),
        ("api_key under [default] in ~/.runpod/config.toml is blank", ['[default]\napi_key = ""']),
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


@pytest.mark.fact("protocol 1.0: base URL", "protocol 10: RUNPOD_ENDPOINT_BASE_URL")
def test_sources_of_the_base_url(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for blank in ("", " "):
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", blank)
        assert DEFAULT == load(KEY).base_url
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", " https://environment.example/v2 ")
    assert "https://environment.example/v2" == load(KEY).base_url
    assert "https://argument.example/v2" == load(KEY, "https://argument.example/v2").base_url


PROFILES = f"""
note = "not a profile"
[default]
api_key = "default-key"
base_url = "https://default.example/v2/"
[work]
api_key = "work-key"
base_url = "https://work.example/v2"
[url-only]
base_url = "https://url-only.example/v2"
[key-only]
api_key = "key-only-key"
[broken]
api_key = "{KEY}\\n"
base_url = "ftp://broken.example"
[number]
api_key = "number-key"
base_url = 5
"""


def settings(api_key: Any = None, base_url: Any = None, profile: Any = None) -> tuple[str, str]:
    config = load(api_key, base_url, profile)
    assert profile == config.profile
    return config.api_key.get_secret_value(), config.base_url


@pytest.mark.fact("protocol 10: configuration file")
def test_a_profile_that_is_passed_replaces_the_environment(monkeypatch: pytest.MonkeyPatch, config_file: Path) -> None:
    config_file.write_text(PROFILES)
    assert ("default-key", "https://default.example/v2") == settings()
    monkeypatch.setenv("RUNPOD_PROFILE", "work")
    assert ("work-key", "https://work.example/v2") == settings()
    monkeypatch.setenv("RUNPOD_API_KEY", "environment-key")
    # Each setting on its own.
    assert ("environment-key", "https://work.example/v2") == settings()
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", "https://environment.example/v2")
    assert ("environment-key", "https://environment.example/v2") == settings()
    assert ("work-key", "https://work.example/v2") == settings(profile="work")
    assert ("default-key", "https://default.example/v2") == settings(profile="default")
    assert ("key-only-key", DEFAULT) == settings(profile="key-only")
    assert ("argument-key", "https://url-only.example/v2") == settings("argument-key", profile="url-only")
    assert ("key-only-key", "https://a.example") == settings(base_url="https://a.example", profile="key-only")
    with Runpod(profile="work") as client:
        assert "Runpod(base_url='https://work.example/v2')" == repr(client)


def test_the_key_of_the_environment_is_not_used_for_a_profile_that_is_passed(
    monkeypatch: pytest.MonkeyPatch, config_file: Path
) -> None:
    config_file.write_text(PROFILES)
    monkeypatch.setenv("RUNPOD_API_KEY", "environment-key")
    expected = "The profile 'url-only' has no API key. Pass api_key=…, or add it to ~/.runpod/config.toml as "
    assert expected + 'api_key = "…" under [url-only].' == refused(profile="url-only")
    monkeypatch.setenv("RUNPOD_PROFILE", "url-only")
    assert ("environment-key", "https://url-only.example/v2") == settings()
    monkeypatch.delenv("RUNPOD_API_KEY")
    assert 'as api_key = "…" under [url-only]. Create keys' in refused()


def test_a_profile_that_does_not_exist(monkeypatch: pytest.MonkeyPatch, config_file: Path) -> None:
    config_file.write_text(PROFILES)
    known = "in ~/.runpod/config.toml. It has: default, work, url-only, key-only, broken, number."
    assert f"profile: there is no profile 'note' {known}" == refused("key", DEFAULT, "note")
    monkeypatch.setenv("RUNPOD_PROFILE", " wrok ")
    assert f"RUNPOD_PROFILE: there is no profile 'wrok' {known}" == refused() == refused("key")
    assert "work-key" == key(profile="work")
    # Nothing is needed from it.
    assert "key" == load("key", DEFAULT).api_key.get_secret_value()
    monkeypatch.setenv("RUNPOD_PROFILE", " ")  # the same as unset
    assert "default-key" == key()
    config_file.write_text(f'["a\\u001b[31m"]\napi_key = "{KEY}"\n')
    assert r"It has: a\x1b[31m." in refused(profile="x")
    config_file.unlink()
    message = "profile: there is no profile 'x\\x1b' in ~/.runpod/config.toml. It has no profiles."
    assert message == refused(profile="x\x1b").replace("\\\\", "\\")


def test_an_invalid_profile(config_file: Path) -> None:
    config_file.write_text(PROFILES)
    for blank in ("", " \t"):
        assert "profile is blank. Pass the name of a table of ~/.runpod/config.toml" in refused(KEY, DEFAULT, blank)
    assert "profile must be a str, not int." == refused(KEY, DEFAULT, 5)
    assert "api_key under [broken] in ~/.runpod/config.toml contains a line break" in refused(profile="broken")
    assert "base_url under [broken] in ~/.runpod/config.toml must start with" in refused("key", profile="broken")
    assert "base_url under [number] in ~/.runpod/config.toml must be a str, not int." == refused(profile="number")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits")
def test_a_config_file_of_another_user(monkeypatch: pytest.MonkeyPatch, config_file: Path) -> None:
    config_file.write_text(PROFILES)

    def forbidden(*_: Any, **__: Any) -> str:
        raise PermissionError

    # Not by its mode, which does not stop root.
    monkeypatch.setattr(Path, "read_text", forbidden)
    monkeypatch.setenv("RUNPOD_API_KEY", "environment-key")
    assert ("environment-key", DEFAULT) == settings()
    assert "cannot be read (PermissionError). Fix or rename it." in refused(profile="work")
    monkeypatch.setenv("RUNPOD_PROFILE", "work")
    assert "cannot be read (PermissionError). Fix or rename it." in refused()
    monkeypatch.delenv("RUNPOD_PROFILE")
    monkeypatch.delenv("RUNPOD_API_KEY")
    assert "cannot be read (PermissionError). Fix or rename it." in refused()


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


@pytest.mark.parametrize(
    ("name", "variable", "default"),
    [
        ("management_url", "RUNPOD_API_BASE_URL", "https://api.runpod.io"),
        ("load_balancer_url", "RUNPOD_LOAD_BALANCER_URL", "https://{endpoint_id}.api.runpod.ai"),
    ],
)
def test_the_other_addresses(
    name: str, variable: str, default: str, monkeypatch: pytest.MonkeyPatch, config_file: Path
) -> None:
    def found(argument: Any = None) -> str:
        config = load_config(KEY, DEFAULT, allow_insecure=False, **{name: argument})
        return str(getattr(config, name))

    assert default == found()
    config_file.write_text("not toml, and not needed")
    assert default == found()
    config_file.write_text(f'[default]\n{name} = "https://from-file.example/"\n')
    assert "https://from-file.example" == found()
    monkeypatch.setenv(variable, " http://localhost:1234/a/ ")
    assert "http://localhost:1234/a" == found()
    assert "http://127.0.0.1:5/{endpoint_id}" == found("http://127.0.0.1:5/{endpoint_id}")
    for bad in ("", "ftp://example.com", "http://example.com", "https://user:password@example.com", 5):
        with pytest.raises(ConfigurationError, match=name):
            found(bad)
    monkeypatch.setenv(variable, "https://")
    with pytest.raises(ConfigurationError, match=variable):
        found()
