"""Client settings: from arguments, the environment, a profile of the config file, or defaults, in this order.

A profile that was passed as an argument replaces the environment variables: like in boto3, an explicit choice of an
account must not be overridden by variables that happen to be set. The one named by `RUNPOD_PROFILE` comes after them.
"""

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

from runpod._text import readable
from runpod._version import __version__
from runpod.errors import ConfigurationError

DEFAULT_BASE_URL = "https://api.runpod.ai/v2"
DEFAULT_MANAGEMENT_URL = "https://api.runpod.io"
DEFAULT_LOAD_BALANCER_URL = "https://{endpoint_id}.api.runpod.ai"
API_KEY_VARIABLE = "RUNPOD_API_KEY"
BASE_URL_VARIABLE = "RUNPOD_ENDPOINT_BASE_URL"
MANAGEMENT_URL_VARIABLE = "RUNPOD_API_BASE_URL"
LOAD_BALANCER_URL_VARIABLE = "RUNPOD_LOAD_BALANCER_URL"
PROFILE_VARIABLE = "RUNPOD_PROFILE"
CONFIG_FILE = "~/.runpod/config.toml"
DEFAULT_PROFILE = "default"

# In the address of load-balancing endpoints, where the endpoint's ID stands.
ENDPOINT_PLACEHOLDER = "{endpoint_id}"


@dataclass(frozen=True)
class Config:
    """The addresses of the service, and the credentials."""

    # Masked in repr and str.
    api_key: SecretStr
    base_url: str
    user_agent: str = field(repr=False)
    management_url: str = DEFAULT_MANAGEMENT_URL
    # May contain ENDPOINT_PLACEHOLDER.
    load_balancer_url: str = DEFAULT_LOAD_BALANCER_URL
    # Whether the addresses may be http:// to a non-loopback host.
    allow_insecure: bool = False
    # As passed to the client; not the one named by the environment, which is read again wherever the client is used.
    profile: str | None = None


def load_config(
    api_key: str | None,
    base_url: str | None,
    profile: str | None = None,
    *,
    management_url: str | None = None,
    load_balancer_url: str | None = None,
    allow_insecure: bool,
) -> Config:
    """Loads the settings of a client.

    Raises:
        ConfigurationError: No API key was found, the profile does not exist, or a setting is invalid.
    """
    sources = Sources(profile)
    return Config(
        api_key=SecretStr(_find_api_key(sources, api_key)),
        base_url=_find_base_url(sources, base_url, allow_insecure=allow_insecure),
        management_url=_find_management_url(sources, management_url, allow_insecure=allow_insecure),
        load_balancer_url=_find_load_balancer_url(sources, load_balancer_url, allow_insecure=allow_insecure),
        user_agent=user_agent(),
        allow_insecure=allow_insecure,
        profile=profile,
    )


def user_agent() -> str:
    """The User-Agent: package, version, Python and platform, in the format of the official clients."""
    python = platform.python_version()
    implementation = platform.python_implementation()
    return f"runpod-sdk/{__version__} {implementation}/{python} ({sys.platform}; {platform.machine()})"


class Sources:
    """Where the settings of one client come from."""

    def __init__(self, profile: object) -> None:
        self._chosen = None if profile is None else check_profile(profile, "profile")
        self._table: dict[str, Any] | None = None
        if self._chosen is not None:
            self._table = self._read(self._chosen, "profile")

    def find_optional(self, name: str, argument: object, variable: str) -> tuple[object, str]:
        """As `find`, for a setting that most programs do not need: a file that cannot be used does not have it."""
        try:
            return self.find(name, argument, variable)
        except ConfigurationError:
            return None, name

    def find(self, name: str, argument: object, variable: str) -> tuple[object, str]:
        """A setting and its source for messages; None if it is not set."""
        if argument is not None:
            return argument, name
        if self._chosen is None and (value := os.environ.get(variable, "")).strip():
            return value if variable == API_KEY_VARIABLE else value.strip(), variable
        if self._table is None:
            self._table = self._read_default(needed=variable == API_KEY_VARIABLE)
        return self._table.get(name), f"{name} under [{readable(self.profile)}] in {CONFIG_FILE}"

    @property
    def profile(self) -> str:
        return self._chosen or os.environ.get(PROFILE_VARIABLE, "").strip() or DEFAULT_PROFILE

    @property
    def explicit(self) -> bool:
        return self._chosen is not None

    def _read_default(self, *, needed: bool) -> dict[str, Any]:
        if os.environ.get(PROFILE_VARIABLE, "").strip():
            return self._read(self.profile, PROFILE_VARIABLE)
        # The home folder in a container can be another user's.
        return read_profiles(if_permitted=not needed).get(DEFAULT_PROFILE, {})

    @staticmethod
    def _read(name: str, source: str) -> dict[str, Any]:
        profiles = read_profiles()
        if name not in profiles:
            known = ", ".join(readable(each, 50) for each in profiles)
            there = f"It has: {known}." if known else "It has no profiles."
            msg = f"{source}: there is no profile {readable(name, 50)!r} in {CONFIG_FILE}. {there}"
            raise ConfigurationError(msg)
        return profiles[name]


def check_profile(profile: object, source: str) -> str:
    """Validates the name of a profile.

    Raises:
        ConfigurationError: It is blank or not a str.
    """
    if not isinstance(profile, str):
        msg = f"{source} must be a str, not {type(profile).__name__}."
        raise ConfigurationError(msg)
    if not profile.strip():
        msg = f"{source} is blank. Pass the name of a table of {CONFIG_FILE}, or omit it."
        raise ConfigurationError(msg)
    return profile


def _find_api_key(sources: Sources, argument: object) -> str:
    key, source = sources.find("api_key", argument, API_KEY_VARIABLE)
    if key is not None:
        return check_api_key(key, source)
    name = readable(sources.profile, 50)
    if sources.explicit:
        msg = (
            f"The profile {name!r} has no API key. Pass api_key=…, or add it to {CONFIG_FILE} as "
            f'api_key = "…" under [{name}].'
        )
        raise ConfigurationError(msg)
    msg = (
        f"No API key found. Pass api_key=…, set {API_KEY_VARIABLE}, or add it to "
        f'{CONFIG_FILE} as api_key = "…" under [{name}]. '
        "Create keys in the Runpod console, under Settings."
    )
    raise ConfigurationError(msg)


def check_api_key(key: object, source: str) -> str:
    """Validates an API key.

    Raises:
        ConfigurationError: It is blank, not a str, or cannot be sent in a header.
    """
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


def config_path() -> Path:
    """The path of the config file.

    Raises:
        RuntimeError: There is no home folder.
    """
    return Path(CONFIG_FILE).expanduser()


def read_config_text(*, if_permitted: bool = False) -> str:
    """The text of the config file; empty if it does not exist.

    Args:
        if_permitted: Whether a file that the user is not permitted to read counts as missing.

    Raises:
        ConfigurationError: It cannot be read.
    """
    try:
        return config_path().read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, RuntimeError):  # RuntimeError: no home folder
        return ""
    except (OSError, UnicodeDecodeError) as error:
        if if_permitted and isinstance(error, PermissionError):
            return ""
        msg = f"{CONFIG_FILE} cannot be read ({type(error).__name__}). Fix or rename it."
        raise ConfigurationError(msg) from None


def read_profiles(*, if_permitted: bool = False) -> dict[str, dict[str, Any]]:
    """The profiles of the config file by name: its tables.

    Args:
        if_permitted: See `read_config_text`.

    Raises:
        ConfigurationError: The file cannot be read, or is not valid TOML.
    """
    text = read_config_text(if_permitted=if_permitted)
    return parse_profiles(text) if text else {}


def parse_profiles(text: str) -> dict[str, dict[str, Any]]:
    """The profiles in the text of a config file.

    Raises:
        ConfigurationError: It is not valid TOML.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        tables: dict[str, Any] = tomllib.loads(text)
    except (ValueError, RecursionError):  # also for numbers of 5,000 digits and for deep nesting
        # The error message is not shown: it can quote the key.
        msg = f"{CONFIG_FILE} is not valid TOML. Fix or rename it."
        raise ConfigurationError(msg) from None
    return {name: cast("dict[str, Any]", table) for name, table in tables.items() if isinstance(table, dict)}


def _find_base_url(sources: Sources, argument: object, *, allow_insecure: bool) -> str:
    url, source = sources.find("base_url", argument, BASE_URL_VARIABLE)
    if url is None:
        return DEFAULT_BASE_URL
    return check_base_url(url, source, allow_insecure=allow_insecure)


def _find_management_url(sources: Sources, argument: object, *, allow_insecure: bool) -> str:
    url, source = sources.find_optional("management_url", argument, MANAGEMENT_URL_VARIABLE)
    if url is None:
        return DEFAULT_MANAGEMENT_URL
    return check_base_url(url, source, allow_insecure=allow_insecure, example=DEFAULT_MANAGEMENT_URL)


def _find_load_balancer_url(sources: Sources, argument: object, *, allow_insecure: bool) -> str:
    url, source = sources.find_optional("load_balancer_url", argument, LOAD_BALANCER_URL_VARIABLE)
    if url is None:
        return DEFAULT_LOAD_BALANCER_URL
    # Checked with an ID in it: a brace is not valid in a host.
    filled = url.replace(ENDPOINT_PLACEHOLDER, "endpoint") if isinstance(url, str) else url
    check_base_url(filled, source, allow_insecure=allow_insecure, example=DEFAULT_LOAD_BALANCER_URL)
    return str(url).rstrip("/")


def check_base_url(url: object, source: str, *, allow_insecure: bool = False, example: str = DEFAULT_BASE_URL) -> str:
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
        msg = f"{source} {problem}. Use a URL such as {example!r}."
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
