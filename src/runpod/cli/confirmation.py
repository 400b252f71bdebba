"""Deletions, which need --yes or a person at a terminal who agrees."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from runpod.cli.exit_status import FAILED, SUCCESS
from runpod.cli.json_output import at_terminal, note
from runpod.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable

Yes: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. Required without a terminal.")]


def delete(what: str, action: Callable[[], object], *, yes: bool, lost: str = "") -> int:
    """Deletes something if that is confirmed, and returns the exit status.

    Args:
        what: What it is, such as "pod 'abc'".
        action: Deletes it.
        yes: Whether --yes was passed.
        lost: What is lost with it, in brackets.

    Raises:
        InvalidRequestError: There is neither --yes nor a terminal.
        RunpodError: It was not deleted.
    """
    if not yes:
        if sys.stdin is None or not at_terminal(sys.stdin) or not at_terminal(sys.stderr):
            raise InvalidRequestError(f"Nothing was deleted. Add --yes to delete {what}{lost}.")
        if not _agreed(f"Delete {what}{lost}?"):
            note("Nothing was deleted.")
            return FAILED
    action()
    note(f"Deleted {what}.")
    return SUCCESS


def _agreed(question: str) -> bool:
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:  # Ctrl-C
        raise KeyboardInterrupt from None
