"""Where a setting comes from: argument, environment, config file, default."""

from __future__ import annotations

import ipaddress
import os
import platform
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from pydantic import SecretStr

from runpod._version import __version__
from runpod.errors import ConfigurationError

DEFAULT_BASE_URL = "https://api.runpod.ai/v2"
API_KEY_VARIABLE = "RUNPOD_API_KEY"
BASE_URL_VARIABLE = "RUNPOD_ENDPOINT_BASE_URL"
CONFIG_FILE = "~/.runpod/config.toml"


@dataclass(frozen=True)
class Config:
    """Where to send requests, and as whom."""

    # Its repr and str are stars.
    api_key: SecretStr
    base_url: str
    user_agent: str = field(repr=False)
    # Whether the address may be http:// to another machine.
    allow_insecure: bool = False


def load_config(api_key: str | None, base_url: str | None, *, allow_insecure: bool) -> Config:
    """The settings of a client.

    Raises:
        ConfigurationError: There is no API key, or a setting cannot be used.
    """
    return Config(
        base_url=_find_base_url(base_url, allow_insecure=allow_insecure),
        api_key=SecretStr(_find_api_key(api_key)),
        user_agent=user_agent(),
        allow_insecure=allow_insecure,
    )


def user_agent() -> str:
    """Package, version, Python and platform, as the official clients tell theirs."""
    python = platform.python_version()
    implementation = platform.python_implementation()
    return f"runpod-sdk/{__version__} {implementation}/{python} ({sys.platform}; {platform.machine()})"


def _find_api_key(argument: object) -> str:
    if argument is not None:
        return _check_api_key(argument, "api_key")
    variable = os.environ.get(API_KEY_VARIABLE, "")
    if variable.strip():
        return _check_api_key(variable, API_KEY_VARIABLE)
    stored = _read_config_file()
    if stored is not None:
        return _check_api_key(stored, f"api_key in {CONFIG_FILE}")
    msg = (
        f"There is no API key. Pass api_key=…, set {API_KEY_VARIABLE}, or put it into "
        f'{CONFIG_FILE} as api_key = "…" under [default]. '
        "Keys are made in the Runpod console, under Settings."
    )
    raise ConfigurationError(msg)


def _check_api_key(key: object, source: str) -> str:
    if not isinstance(key, str):
        msg = f"{source} must be a str, not {type(key).__name__}."
        raise ConfigurationError(msg)
    if not key.strip():
        msg = f"{source} is blank; give the key, or leave it out to use {API_KEY_VARIABLE}."
        raise ConfigurationError(msg)
    # It becomes a header: a line break in it would start another one.
    if not key.isascii() or not key.isprintable() or " " in key:
        msg = (
            f"{source} holds a line break, a space or another character that no API key has. "
            "Was it copied with something around it?"
        )
        raise ConfigurationError(msg)
    return key


def _read_config_file() -> object:
    """`api_key` of the profile `[default]`, or None where there is none."""
    try:
        text = Path(CONFIG_FILE).expanduser().read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, RuntimeError):  # the last: there is no home
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = type(error).__name__
    else:
        return _default_key(text)
    msg = f"{CONFIG_FILE} cannot be read ({reason}). Mend it, or set {API_KEY_VARIABLE}."
    raise ConfigurationError(msg)


def _default_key(text: str) -> object:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        profiles: dict[str, Any] = tomllib.loads(text)
    except (ValueError, RecursionError):  # broken TOML, a number of 5,000 digits, a thousand brackets
        # Its message can quote the line, and with it the key.
        msg = f"{CONFIG_FILE} is not valid TOML. Mend it, or set {API_KEY_VARIABLE}."
    else:
        profile: Any = profiles.get("default")
        return cast("dict[str, Any]", profile).get("api_key") if isinstance(profile, dict) else None
    raise ConfigurationError(msg)


def _find_base_url(argument: object, *, allow_insecure: bool) -> str:
    if argument is not None:
        return check_base_url(argument, "base_url", allow_insecure=allow_insecure)
    variable = os.environ.get(BASE_URL_VARIABLE, "").strip()
    if variable:
        return check_base_url(variable, BASE_URL_VARIABLE, allow_insecure=allow_insecure)
    return DEFAULT_BASE_URL


def check_base_url(url: object, source: str, *, allow_insecure: bool = False) -> str:
    """An address to put `/{endpoint_id}/run` behind.

    Raises:
        ConfigurationError: It is not a whole http(s) URL, holds more than an address, or would
            send the API key in the clear to another machine.
    """
    if not isinstance(url, str):
        msg = f"{source} must be a str, not {type(url).__name__}."
        raise ConfigurationError(msg)
    problem = _url_problem(url)
    if problem:
        msg = f"{source} {problem}. Write it like {DEFAULT_BASE_URL!r}."
        raise ConfigurationError(msg)
    parts = urlsplit(url)
    if parts.scheme.lower() == "http" and not allow_insecure and not is_loopback(parts.hostname):
        msg = (
            f"{source} is http:// to {parts.hostname!r}, which would send the API key in the "
            "clear. Use https://, or pass allow_insecure=True if that network is yours."
        )
        raise ConfigurationError(msg)
    return url.rstrip("/")


def _url_problem(url: str) -> str | None:
    if not url.isprintable() or any(c.isspace() for c in url):
        return "holds a space or a control character"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme.lower() not in {"http", "https"}:
        return "must start with https:// (or http://)"
    if not parts.hostname:
        return "names no host"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user name or password; the API key goes into api_key"
    if "?" in url or "#" in url:
        return "must not have a query or a fragment"
    return None


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine, by its name or address alone."""
    if host is None:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
