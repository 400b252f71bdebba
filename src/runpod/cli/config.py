"""Commands about the profiles in `~/.runpod/config.toml`."""

from __future__ import annotations

import functools
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import typer

from runpod._config import (
    API_KEY_VARIABLE,
    BASE_URL_VARIABLE,
    CONFIG_FILE,
    DEFAULT_BASE_URL,
    DEFAULT_MANAGEMENT_URL,
    DEFAULT_PROFILE,
    MANAGEMENT_URL_VARIABLE,
    PROFILE_VARIABLE,
    Sources,
    check_api_key,
    check_base_url,
    check_profile,
    config_path,
    read_profiles,
)
from runpod.cli.config_file import write_settings
from runpod.cli.connection import (  # typer reads them from the signatures
    AllowInsecure,  # noqa: TC001 - as above
    BaseUrl,  # noqa: TC001 - as above
    ManagementUrl,  # noqa: TC001 - as above
    Options,  # noqa: TC001 - as above
)
from runpod.cli.exit_status import report
from runpod.cli.job_input import read_text
from runpod.cli.jobs import epilog
from runpod.cli.json_output import at_terminal, json_text, note, write_json, write_table, write_text
from runpod.errors import ConfigurationError, RunpodError

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")

Profile = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The profile; by default RUNPOD_PROFILE, then default.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    config = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    config.callback(epilog=epilog(["runpod-sdk config set", "runpod-sdk config list"]))(_config)
    examples = [
        "runpod-sdk config set",
        "runpod-sdk config set --profile work --base-url https://example.com/v2",
        "runpod-sdk config set --profile work --api-key - < key.txt",
    ]
    config.command("set", epilog=epilog(examples))(set_profile)
    config.command("show", epilog=epilog(["runpod-sdk config show", "runpod-sdk config show --profile work"]))(show)
    config.command("list", epilog=epilog(["runpod-sdk config list"]))(list_profiles)
    config.command("path", epilog=epilog(['cat "$(runpod-sdk config path)"']))(path)
    app.add_typer(config, name="config")


def _reporting(function: Callable[P, None]) -> Callable[P, None]:
    """Makes a command report its errors."""

    @functools.wraps(function)
    def command(*arguments: P.args, **options: P.kwargs) -> None:
        try:
            function(*arguments, **options)
        except RunpodError as error:
            raise typer.Exit(report(error)) from None

    return command


def _config() -> None:
    """Profiles of ~/.runpod/config.toml: API keys and addresses."""


@_reporting
def set_profile(
    context: typer.Context,
    *,
    profile: Profile = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            metavar="-",
            show_default=False,
            help="- reads the API key from standard input, or asks for it at a terminal without showing it. "
            "This is also what happens without --base-url and --management-url.",
        ),
    ] = None,
    base_url: BaseUrl = None,
    management_url: ManagementUrl = None,
    allow_insecure: AllowInsecure = False,
) -> None:
    """Sets the API key or the addresses of a profile.

    The file is readable by you only, and keeps its comments and other profiles.
    """
    options = _options(context)
    name = _profile(profile, options)
    if api_key not in {None, "-"}:
        raise ConfigurationError(
            "--api-key takes no key, which would remain in the history of the shell. Pass - to read it from "
            "standard input, or omit --api-key to be asked for it."
        )
    settings: dict[str, str] = {}
    insecure = allow_insecure or options.allow_insecure
    addresses = {
        "base_url": options.base_url if base_url is None else base_url,
        "management_url": options.management_url if management_url is None else management_url,
    }
    for setting, address in addresses.items():
        if address is not None:
            option = f"--{setting.replace('_', '-')}"
            settings[setting] = check_base_url(address, option, allow_insecure=insecure)
    if api_key is not None or not settings:
        settings["api_key"] = check_api_key(_read_key(name), "The API key")
    write_settings(name, settings)
    note(f"Set {' and '.join(settings)} of profile {name!r} in {CONFIG_FILE}.")


@_reporting
def show(context: typer.Context, *, profile: Profile = None) -> None:
    """Prints the settings that a command would use, and where they come from. The API key is not shown."""
    options = _options(context)
    chosen = options.profile if profile is None else profile
    sources = Sources(chosen)
    key, key_source = sources.find("api_key", None, API_KEY_VARIABLE)
    found: dict[str, Any] = {
        "profile": sources.profile,
        "api_key": "set" if key is not None else "not set",
        "api_key_source": key_source if key is not None else None,
    }
    for setting, argument, variable, default in (
        ("base_url", options.base_url, BASE_URL_VARIABLE, DEFAULT_BASE_URL),
        ("management_url", options.management_url, MANAGEMENT_URL_VARIABLE, DEFAULT_MANAGEMENT_URL),
    ):
        url, source = sources.find(setting, argument, variable)
        found[setting] = default if url is None else _address(url)
        option = f"--{setting.replace('_', '-')}"
        found[f"{setting}_source"] = "default" if url is None else option if source == setting else source
    if at_terminal():
        rows = [(name, "" if value is None else str(value)) for name, value in found.items()]
        write_table("Settings", ("Name", "Value"), rows)
    else:
        write_json(found)


@_reporting
def list_profiles() -> None:
    """Prints the profiles. API keys are not shown."""
    found = [
        {
            "profile": name,
            "api_key": "set" if table.get("api_key") is not None else "not set",
            "base_url": None if table.get("base_url") is None else _address(table["base_url"]),
        }
        for name, table in read_profiles().items()
    ]
    if at_terminal():
        write_table(
            CONFIG_FILE,
            ("Profile", "API key", "Base URL"),
            [tuple(v or "" for v in each.values()) for each in found],
        )
    else:
        write_json(found)


@_reporting
def path() -> None:
    """Prints the path of the file with the profiles, whether or not it exists."""
    try:
        found = str(config_path())
    except RuntimeError:
        raise ConfigurationError(f"{CONFIG_FILE} has no path: the home folder is unknown. Set HOME.") from None
    write_text(found)


def _options(context: typer.Context) -> Options:
    options: Options = context.find_root().obj
    return options


def _profile(argument: str | None, options: Options) -> str:
    for value in (argument, options.profile):
        if value is not None:
            return check_profile(value, "--profile")
    return os.environ.get(PROFILE_VARIABLE, "").strip() or DEFAULT_PROFILE


def _address(url: object) -> str:
    """An address as it can be shown: one with a password in it is invalid."""
    try:
        return check_base_url(url, "base_url", allow_insecure=True)
    except ConfigurationError:
        return "(invalid)"


def _read_key(profile: str) -> str:
    if sys.stdin is None or not at_terminal(sys.stdin):
        text, _ = read_text("-", "The API key", " Pipe the API key into the command.")
        return text.partition("\n")[0].strip()
    import getpass
    import warnings

    with warnings.catch_warnings():
        # Otherwise it would ask for the key although it cannot hide it.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(f"API key of profile {json_text(profile)}: ").strip()
        except (EOFError, getpass.GetPassWarning):
            raise ConfigurationError("No API key was entered. Pipe it into the command instead.") from None
