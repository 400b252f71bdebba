"""The options that every command which calls the API has, and the client that they describe."""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
import shlex
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runpod import CLIENT_DEFAULT, Runpod
from runpod._logging import logger
from runpod.cli.exit_status import INTERRUPTED, interrupted, report
from runpod.cli.uploads import uploads_of
from runpod.errors import RunpodError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from runpod import ClientDefault, Endpoint


def _span(text: str) -> timedelta:
    try:
        span = timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        span = timedelta(0)
    if span < timedelta(milliseconds=1):
        raise typer.BadParameter(f"{text!r} is not a positive number of seconds.")
    return span


def seconds(**settings: Any) -> Any:
    """An option for a number of seconds, parsed to a timedelta."""
    return typer.Option(parser=_span, metavar="SECONDS", **settings)


Profile = Annotated[
    str | None,
    typer.Option(
        help="Profile of ~/.runpod/config.toml, instead of RUNPOD_API_KEY and RUNPOD_ENDPOINT_BASE_URL.",
        metavar="NAME",
        show_default=False,
    ),
]
BaseUrl = Annotated[str | None, typer.Option(help="Address of the API.", metavar="URL", show_default=False)]
ManagementUrl = Annotated[
    str | None, typer.Option(help="Address of the management API.", metavar="URL", show_default=False)
]
AllowInsecure = Annotated[
    bool, typer.Option("--allow-insecure", help="Allow http:// to another machine, which sends the key unencrypted.")
]
Verbose = Annotated[
    int,
    typer.Option(
        "--verbose", "-v", count=True, metavar="", show_default=False, help="Log to standard error; -vv: each request."
    ),
]
EndpointID = Annotated[str, typer.Argument(metavar="ENDPOINT", help="ID of the endpoint.", show_default=False)]
JobID = Annotated[str, typer.Argument(metavar="JOB", help="ID of the job.", show_default=False)]
CallTimeout = Annotated[
    timedelta | None, seconds(help="Maximum duration of the call; 30 s by default.", show_default=False)
]
WaitTimeout = Annotated[
    timedelta | None, seconds(help="Maximum time to wait; no limit by default. The job goes on.", show_default=False)
]


@dataclass(frozen=True)
class Options:
    """The global options."""

    profile: str | None = None
    base_url: str | None = None
    management_url: str | None = None
    allow_insecure: bool = False
    verbose: int = 0
    prog: str = "runpod-sdk"

    def over(self, other: Options) -> Options:
        """These options, those after the command; the ones before it apply where they are not given."""
        return Options(
            other.profile if self.profile is None else self.profile,
            other.base_url if self.base_url is None else self.base_url,
            other.management_url if self.management_url is None else self.management_url,
            self.allow_insecure or other.allow_insecure,
            max(self.verbose, other.verbose),
            other.prog,
        )

    def command(self, *words: str) -> str:
        """A command for the same account, as a person would type it."""
        line = [*self.prog.split(), *words]
        given = {
            "--profile": self.profile,
            "--base-url": self.base_url,
            "--management-url": self.management_url,
        }
        for option, value in given.items():
            if value is not None:
                line += [option, value]
        if self.allow_insecure:
            line.append("--allow-insecure")
        return shlex.join(line)


@dataclass
class Connection:
    """What a command calls the API with."""

    options: Options
    # Where large files are stored; set before the client is used.
    uploads: str | None = None
    _clients: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, repr=False)

    @functools.cached_property
    def client(self) -> Runpod:
        """The client.

        Raises:
            ConfigurationError: No API key was found, or an option is invalid.
        """
        options = self.options
        client = Runpod(
            profile=options.profile,
            base_url=options.base_url,
            management_url=options.management_url,
            allow_insecure=options.allow_insecure,
            uploads=uploads_of(self.uploads),
        )
        return self._clients.enter_context(client)

    def endpoint(self, endpoint_id: str) -> Endpoint[Any]:
        """An endpoint.

        Raises:
            ConfigurationError: As for `client`.
            InvalidRequestError: The ID is blank.
        """
        return self.client.endpoint(endpoint_id)

    def close(self) -> None:
        """Closes the client, if there is one."""
        self._clients.close()


def call_timeout(value: timedelta | None) -> timedelta | ClientDefault:
    """The `timeout` of a single call."""
    return CLIENT_DEFAULT if value is None else value


def api_command(function: Callable[..., int]) -> Callable[..., None]:
    """Makes a command out of a function of a `Connection`: adds the global options, and reports errors.

    The global options are accepted before and after the command.
    """

    @functools.wraps(function)
    def command(
        context: typer.Context,
        *,
        profile: Profile,
        base_url: BaseUrl,
        management_url: ManagementUrl,
        allow_insecure: AllowInsecure,
        verbose: Verbose,
        **arguments: Any,
    ) -> None:
        before = context.find_root().obj
        options = Options(profile, base_url, management_url, allow_insecure, verbose).over(before)
        connection = Connection(options)
        with contextlib.closing(connection), _logging(options.verbose):
            try:
                status = function(connection, **arguments)
            except RunpodError as error:
                status = report(error)
            except KeyboardInterrupt:
                interrupted()
                status = INTERRUPTED
        raise typer.Exit(status)

    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    parameters = [
        _parameter("context", typer.Context),
        *(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own),
        _parameter("profile", Profile, None),
        _parameter("base_url", BaseUrl, None),
        _parameter("management_url", ManagementUrl, None),
        _parameter("allow_insecure", AllowInsecure, False),
        _parameter("verbose", Verbose, 0),
    ]
    # What typer reads.
    vars(command).update(
        __signature__=inspect.Signature(parameters), __annotations__={each.name: each.annotation for each in parameters}
    )
    return command


def _parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


@contextlib.contextmanager
def _logging(verbose: int) -> Generator[None, None, None]:
    if not verbose:
        yield
        return
    level = logger.level
    logger.setLevel(logging.INFO if verbose == 1 else logging.DEBUG)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    # RUNPOD_LOG has added one already.
    added = not any(type(each) is logging.StreamHandler for each in logger.handlers)
    if added:
        logger.addHandler(handler)
    try:
        yield
    finally:
        logger.setLevel(level)
        if added:
            logger.removeHandler(handler)
