"""Client settings: from arguments, the environment, the config file, or defaults, in this order."""

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
    """The address of the API, and the credentials."""

    # Masked in repr and str.
    api_key: SecretStr
    base_url: str
    user_agent: str = field(repr=False)
    # Whether base_url may be http:// to a non-loopback host.
    allow_insecure: bool = False


def load_config(api_key: str | None, base_url: str | None, *, allow_insecure: bool) -> Config:
    """Loads the settings of a client.

    Raises:
        ConfigurationError: No API key was found, or a setting is invalid.
    """
    return Config(
        base_url=_find_base_url(base_url, allow_insecure=allow_insecure),
        api_key=SecretStr(_find_api_key(api_key)),
        user_agent=user_agent(),
        allow_insecure=allow_insecure,
    )


def user_agent() -> str:
    """The User-Agent: package, version, Python and platform, in the format of the official clients."""
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
        f"No API key found. Pass api_key=…, set {API_KEY_VARIABLE}, or add it to "
        f'{CONFIG_FILE} as api_key = "…" under [default]. '
        "Create keys in the Runpod console, under Settings."
    )
    raise ConfigurationError(msg)


def _check_api_key(key: object, source: str) -> str:
    if not isinstance(key, str):
        msg = f"{source} must be a str, not {type(key).__name__}."
        raise ConfigurationError(msg)
    if not key.strip():
        msg = f"{source} is blank. Pass the key, or omit it to use {API_KEY_VARIABLE}."
        raise ConfigurationError(msg)
    # The key becomes a header value: a line break would start another header.
    if not key.isascii() or not key.isprintable() or " " in key:
        msg = (
            f"{source} contains a line break, a space or another character that is not valid in an API key. "
            "Check that only the key was copied."
        )
        raise ConfigurationError(msg)
    return key


def _read_config_file() -> object:
    """`api_key` of the profile `[default]`, or None if it is not set."""
    try:
        text = Path(CONFIG_FILE).expanduser().read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, RuntimeError):  # RuntimeError: no home directory
        return None
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{CONFIG_FILE} cannot be read ({type(error).__name__}). Fix it, or set {API_KEY_VARIABLE}."
        raise ConfigurationError(msg) from None
    return _default_key(text)


def _default_key(text: str) -> object:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        profiles: dict[str, Any] = tomllib.loads(text)
    except (ValueError, RecursionError):  # also for numbers of 5,000 digits and for deep nesting
        # The error message is not shown: it can quote the key.
        msg = f"{CONFIG_FILE} is not valid TOML. Fix it, or set {API_KEY_VARIABLE}."
        raise ConfigurationError(msg) from None
    profile: Any = profiles.get("default")
    return cast("dict[str, Any]", profile).get("api_key") if isinstance(profile, dict) else None


def _find_base_url(argument: object, *, allow_insecure: bool) -> str:
    if argument is not None:
        return check_base_url(argument, "base_url", allow_insecure=allow_insecure)
    variable = os.environ.get(BASE_URL_VARIABLE, "").strip()
    if variable:
        return check_base_url(variable, BASE_URL_VARIABLE, allow_insecure=allow_insecure)
    return DEFAULT_BASE_URL


def check_base_url(url: object, source: str, *, allow_insecure: bool = False) -> str:
    """Validates a base URL and removes trailing slashes, so that `/{endpoint_id}/run` can be appended.

    Raises:
        ConfigurationError: It is not an absolute http(s) URL, contains credentials, a query or a
            fragment, or would send the API key unencrypted to a non-loopback host.
    """
    if not isinstance(url, str):
        msg = f"{source} must be a str, not {type(url).__name__}."
        raise ConfigurationError(msg)
    problem = _url_problem(url)
    if problem:
        msg = f"{source} {problem}. Use a URL such as {DEFAULT_BASE_URL!r}."
        raise ConfigurationError(msg)
    parts = urlsplit(url)
    if parts.scheme.lower() == "http" and not allow_insecure and not is_loopback(parts.hostname):
        msg = (
            f"{source} uses http:// for {parts.hostname!r}, which would send the API key unencrypted. "
            "Use https://, or pass allow_insecure=True if you trust that network."
        )
        raise ConfigurationError(msg)
    return url.rstrip("/")


def _url_problem(url: str) -> str | None:
    if not url.isprintable() or any(c.isspace() for c in url):
        return "contains a space or a control character"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme.lower() not in {"http", "https"}:
        return "must start with https:// (or http://)"
    if not parts.hostname:
        return "has no host"
    if parts.username is not None or parts.password is not None:
        return "must not contain a user name or password; pass the API key as api_key"
    if "?" in url or "#" in url:
        return "must not have a query or a fragment"
    return None


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine, judged by its name or address, without DNS."""
    if host is None:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
