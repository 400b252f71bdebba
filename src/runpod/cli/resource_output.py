"""Resources of the account: a JSON object for programs, a table for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from runpod.cli.exit_status import INTERRUPTED, SUCCESS, interrupted
from runpod.cli.job_input import read_text
from runpod.cli.json_output import at_terminal, wire_json, write_json, write_table
from runpod.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import BaseModel


def write_list(
    plural: str,
    items: Sequence[BaseModel],
    columns: Sequence[str],
    row: Callable[[Any], Sequence[object]],
    *,
    title: str = "",
) -> None:
    """Prints a list: a table at a terminal, otherwise as the API returns it.

    Args:
        plural: The name of the list in the API.
        items: Its items.
        columns: The titles of the columns.
        row: The cells of an item; None for an empty one.
        title: The title of the table.
    """
    if at_terminal():
        write_table(title, columns, [[cell(each) for each in row(item)] for item in items])
    else:
        write_json({plural: [wire_json(item) for item in items]})


def print_created(what: str, group: str, action: Callable[[], BaseModel]) -> int:
    """Creates something, prints it, and returns the exit status.

    Args:
        what: What it is, such as "pod".
        group: The command that lists it, such as "pods".
        action: Creates it.

    Raises:
        RunpodError: It was not created, or may have been.
    """
    try:
        created = action()
    except KeyboardInterrupt:
        interrupted(f"Interrupted. The {what} may have been created: `runpod-sdk {group} list` shows it then.")
        return INTERRUPTED
    write_json(wire_json(created))
    return SUCCESS


def cell(value: object) -> str:
    """A value in a table. Fractions are amounts in USD."""
    if isinstance(value, float):
        whole, _, cents = f"{value:,.4f}".rstrip("0").partition(".")
        return f"{whole}.{cents:0<2}"
    return "" if value is None else str(value)


def read_object(argument: str, name: str) -> dict[str, Any]:
    """A JSON object: the argument, @FILE, or - for standard input.

    Raises:
        InvalidRequestError: It cannot be read, or is not a JSON object.
    """
    text, source = read_text(argument, name)
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno}: {error.msg})" if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidRequestError(f"{source} is not valid JSON{where}.") from None
    if not isinstance(value, dict):
        raise InvalidRequestError(f'{source} must be a JSON object, such as {{"name": "…"}}.')
    return cast("dict[str, Any]", value)
