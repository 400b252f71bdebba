"""Options of commands that create or change the container of an endpoint, a template or a pod."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runpod.cli.resource_output import read_object
from runpod.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

Json: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="JSON",
        show_default=False,
        help="Settings in the format of the API; @FILE, or - for standard input. Options take precedence.",
    ),
]
Name: TypeAlias = Annotated[str | None, typer.Option(help="Name.", show_default=False)]
Image: TypeAlias = Annotated[str | None, typer.Option(help="Container image.", show_default=False)]
Args: TypeAlias = Annotated[str | None, typer.Option(help="Start command, as one text.", show_default=False)]
Disk: TypeAlias = Annotated[int | None, typer.Option(help="Container disk in GB.", show_default=False)]
Env: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME[=VALUE]",
        show_default=False,
        help="Environment variable; without a value, the one of this program. Can be repeated.",
    ),
]
UnsetEnv: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Environment variable to remove. Can be repeated.", show_default=False),
]
Port: TypeAlias = Annotated[
    list[str] | None, typer.Option(help="Port to expose, such as 8000/http. Can be repeated.", show_default=False)
]
Registry: TypeAlias = Annotated[
    str | None, typer.Option(help="Credential for a private registry.", metavar="ID", show_default=False)
]


def settings(json: str | None, **options: Any) -> dict[str, Any]:
    """Settings in the wire format: those of --json, and over them those of options that were passed.

    Raises:
        InvalidRequestError: The JSON cannot be read, or is not an object.
    """
    fields = {} if json is None else read_object(json, "--json")
    return fields | {name: value for name, value in options.items() if value is not None and value != []}


def variables(env: Sequence[str] | None) -> dict[str, str] | None:
    """The environment variables of options; None if there are none.

    Raises:
        InvalidRequestError: One without a value is not set for this program, or has no name.
    """
    if not env:
        return None
    found: dict[str, str] = {}
    for text in env:
        name, has_value, value = text.partition("=")
        if not name:
            raise InvalidRequestError("--env needs a name, as in --env LEVEL=debug.")
        if not has_value and name not in os.environ:
            # Not shown: it may be a value whose name was forgotten.
            raise InvalidRequestError(
                "An --env has no value, and is no variable of this shell. Write --env NAME=VALUE."
            )
        found[name] = value if has_value else os.environ[name]
    return found


def changed_variables(
    current: dict[str, str] | None, env: Sequence[str] | None, unset: Sequence[str] | None
) -> dict[str, str]:
    """All environment variables after a change: the API replaces them as a whole.

    Raises:
        InvalidRequestError: See `variables`.
    """
    kept = {name: value for name, value in (current or {}).items() if name not in set(unset or ())}
    return kept | (variables(env) or {})
