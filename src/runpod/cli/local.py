"""`local serve`: the same command as `python -m runpod.local serve`."""

from __future__ import annotations

from typing import Annotated

import typer

from runpod.cli.exit_status import USAGE
from runpod.cli.jobs import epilog
from runpod.cli.json_output import note


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    local = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    example = epilog(["runpod-sdk local serve --endpoint horse --handler my_module:horse"])
    local.callback(epilog=example)(_local)
    local.command(
        "serve",
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    )(serve)
    app.add_typer(local, name="local")


def _local() -> None:
    """The local server, for trying things out and for tests."""


def serve(
    context: typer.Context,
    arguments: Annotated[list[str] | None, typer.Argument(metavar="OPTIONS", show_default=False)] = None,
) -> None:
    """Serves endpoints on this machine until Ctrl-C."""
    try:
        from runpod.local.cli import main
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in {"starlette", "uvicorn"}:
            raise
        note(f'The local server needs {missing}, which is not installed: pip install "runpod-sdk[local]"')
        raise typer.Exit(USAGE) from None
    prog = f"{context.find_root().info_name} local"
    raise typer.Exit(main(["serve", *(arguments or [])], prog=prog))
