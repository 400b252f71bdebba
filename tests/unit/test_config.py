"""Where settings come from, and what is refused."""

from __future__ import annotations

import pickle
import re
import sys
from pathlib import Path

import pytest

from runpod import ConfigurationError, Runpod
from runpod import __version__ as version
from runpod._config import Config, load_config

KEY = "rpa_PLANTEDKEY0123456789"
DEFAULT = "https://api.runpod.ai/v2"


def load(api_key: object = None, base_url: object = None, *, allow_insecure: bool = False) -> Config:
    return load_config(api_key, base_url, allow_insecure=allow_insecure)  # type: ignore[arg-type]


def key(api_key: object = None) -> str:
    return load(api_key).api_key.get_secret_value()


def refused(api_key: object = None, base_url: object = None, **options: bool) -> str:
    with pytest.raises(ConfigurationError) as info:
        load(api_key, base_url, **options)
    # What it came from could quote the key.
    assert info.value.__cause__ is None
    assert info.value.__context__ is None
    assert not info.value.maybe_submitted
    return str(info.value)


@pytest.fixture
def config_file() -> Path:
    path = Path.home() / ".runpod" / "config.toml"
    path.parent.mkdir()
    return path


def test_the_key_comes_from_the_argument_then_the_environment_then_the_file(
    monkeypatch: pytest.MonkeyPatch, config_file: Path
) -> None:
    config_file.write_text('[default]\napi_key = "from-file"\n[other]\napi_key = "not-this"\n')
    assert "from-file" == key()
    monkeypatch.setenv("RUNPOD_API_KEY", "from-environment")
    assert "from-environment" == key()
    assert "from-argument" == key("from-argument")


def test_without_a_key_all_three_places_are_named() -> None:
    message = refused()
    for place in ("api_key=", "RUNPOD_API_KEY", "~/.runpod/config.toml", "[default]"):
        assert place in message


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_a_blank_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch, blank: str, config_file: Path) -> None:
    config_file.write_text('[default]\napi_key = "from-file"\n')
    monkeypatch.setenv("RUNPOD_API_KEY", blank)
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", blank)
    assert ("from-file", DEFAULT) == (key(), load().base_url)


BAD_KEYS = {
    "empty": "",
    "blank": "  \t",
    "line break": f"{KEY}\n",
    "header": f"{KEY}\r\nX-Evil: 1",
    "inner space": f"{KEY} {KEY}",
    "leading space": f" {KEY}",
    "not ascii": f"{KEY}é",
    "control character": f"{KEY}\x00",
}


@pytest.mark.parametrize("bad", BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_bad_key_is_refused_without_repeating_it(bad: str) -> None:
    message = refused(bad)
    assert "api_key" in message
    assert KEY not in message


@pytest.mark.parametrize("bad", [5, b"key", KEY.encode(), ["key"], True])
def test_a_key_that_is_no_text_is_refused_with_its_kind(bad: object) -> None:
    message = refused(bad)
    assert type(bad).__name__ in message
    assert KEY not in message


@pytest.mark.parametrize("bad", [f"{KEY}\n", f"{KEY} x"])
def test_a_bad_key_in_the_environment_names_its_variable(monkeypatch: pytest.MonkeyPatch, bad: str) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", bad)
    message = refused()
    assert "RUNPOD_API_KEY" in message
    assert KEY not in message


@pytest.mark.parametrize(
    "content",
    [
        f'[default]\napi_key = "{KEY}\n',
        f"[default]\napi_key = {KEY}\n",
        f'[default\napi_key = "{KEY}"\n',
        f'[default]\napi_key = "{KEY}\\n"\n',
        f'[default]\napi_key = ["{KEY}"]\n',
        '[default]\napi_key = ""\n',
        "[default]\napi_key = 5\n",
    ],
)
def test_a_bad_config_file_is_named_without_repeating_its_lines(config_file: Path, content: str) -> None:
    config_file.write_text(content)
    message = refused()
    assert "~/.runpod/config.toml" in message
    assert KEY not in message


@pytest.mark.parametrize("content", ["", "[other]\napi_key = 'x'\n", "default = 5\n", "[default]\nother = 1\n"])
def test_a_config_file_without_a_default_key_is_as_good_as_none(config_file: Path, content: str) -> None:
    config_file.write_text(content)
    assert "There is no API key" in refused()


def test_a_config_file_that_cannot_be_read_is_named(config_file: Path) -> None:
    config_file.write_bytes(b"\xff\xfe\x00")
    assert "~/.runpod/config.toml" in refused()
    config_file.unlink()
    config_file.mkdir()
    assert "~/.runpod/config.toml" in refused()


def test_a_broken_config_file_is_no_trouble_where_it_is_not_needed(
    monkeypatch: pytest.MonkeyPatch, config_file: Path
) -> None:
    config_file.write_text("not toml")
    assert KEY == key(KEY)
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    assert KEY == key()


def test_the_address_comes_from_the_argument_then_the_environment_then_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert DEFAULT == load(KEY).base_url
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", "https://environment.example/v2")
    assert "https://environment.example/v2" == load(KEY).base_url
    assert "https://argument.example/v2" == load(KEY, "https://argument.example/v2").base_url


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://api.runpod.ai/v2/", DEFAULT),
        ("https://api.runpod.ai/v2//", DEFAULT),
        ("https://host.example", "https://host.example"),
        ("https://host.example/", "https://host.example"),
        ("https://host.example:8443/a/b", "https://host.example:8443/a/b"),
        ("HTTPS://host.example/v2", "HTTPS://host.example/v2"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://127.0.0.2:8000", "http://127.0.0.2:8000"),
        ("http://localhost:8000/v2/", "http://localhost:8000/v2"),
        ("http://LOCALHOST:8000", "http://LOCALHOST:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_an_address_may_end_in_a_slash_and_may_be_plain_http_on_this_machine(given: str, expected: str) -> None:
    assert expected == load(KEY, given).base_url


BAD_URLS = {
    "no scheme": "api.runpod.ai/v2",
    "another scheme": "ftp://api.runpod.ai/v2",
    "only a path": "/v2",
    "no host": "https:///v2",
    "a port and no host": "https://:443",
    "empty": "",
    "a query": "https://api.runpod.ai/v2?key=1",
    "an empty query": "https://api.runpod.ai/v2?",
    "a fragment": "https://api.runpod.ai/v2#x",
    "a space": "https://api.runpod.ai/v2 ",
    "a line break": "https://api.runpod.ai/v2\n",
    "a control character": "https://api.run\x00pod.ai/v2",
    "a bad port": "https://api.runpod.ai:99999/v2",
    "a bad host": "https://[::1/v2",
    "a password": f"https://user:{KEY}@api.runpod.ai/v2",
    "a user": f"https://{KEY}@api.runpod.ai/v2",
}


@pytest.mark.parametrize("bad", BAD_URLS.values(), ids=BAD_URLS)
def test_a_bad_address_is_refused_with_an_example_of_a_good_one(bad: str, monkeypatch: pytest.MonkeyPatch) -> None:
    message = refused(KEY, bad)
    assert "base_url" in message
    assert DEFAULT in message
    assert KEY not in message
    if bad and "\x00" not in bad and not bad.isspace() and bad == bad.strip():
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", bad)
        assert "RUNPOD_ENDPOINT_BASE_URL" in refused(KEY)


@pytest.mark.parametrize("bad", [5, b"https://api.runpod.ai", ["x"]])
def test_an_address_that_is_no_text_is_refused_with_its_kind(bad: object) -> None:
    assert type(bad).__name__ in refused(KEY, bad)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.runpod.ai/v2",
        "http://192.168.1.5:8000",
        "http://0.0.0.0:8000",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://evillocalhost",
        "http://[2001:db8::1]:8000",
    ],
)
def test_plain_http_to_another_machine_needs_a_word(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    message = refused(KEY, url)
    assert "allow_insecure=True" in message
    assert "https://" in message
    assert url == load(KEY, url, allow_insecure=True).base_url
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", url)
    assert "allow_insecure=True" in refused(KEY)


def test_the_user_agent_names_package_version_python_and_platform() -> None:
    agent = load(KEY).user_agent
    assert re.match(rf"runpod-sdk/{re.escape(version)} ", agent)
    assert "{}.{}.{}".format(*sys.version_info[:3]) in agent
    assert sys.platform in agent
    assert agent.isascii()


def test_settings_show_no_key() -> None:
    config = load(KEY)
    assert KEY not in repr(config) + str(config) + repr(config.api_key) + str(config.api_key)


def test_a_client_shows_its_address_and_no_key() -> None:
    with Runpod(KEY) as client:
        assert f"Runpod(base_url={DEFAULT!r})" == repr(client) == str(client)


def test_a_refusal_can_be_pickled() -> None:
    with pytest.raises(ConfigurationError) as info:
        load(f"{KEY}\n")
    assert KEY.encode() not in pickle.dumps(info.value)
