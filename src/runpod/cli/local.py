"""`local serve`: the same command as `python -m runpod.local serve`."""

from __future__ import annotations

from typing import Annotated

import typer

from runpod.cli.jobs import epilog


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
    from runpod.local.__main__ import main

    prog = f"{context.find_root().info_name} local"
    raise typer.Exit(main(["serve", *(arguments or [])], prog=prog))
