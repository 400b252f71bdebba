"""What cannot be undone: it needs --yes, or a person at a terminal who agrees."""

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
    if not confirmed(f"delete {what}{lost}", "Nothing was deleted.", yes=yes):
        return FAILED
    action()
    note(f"Deleted {what}.")
    return SUCCESS


def confirmed(action: str, otherwise: str, *, yes: bool) -> bool:
    """Whether something is to be done: with --yes, or if a person at a terminal agrees.

    Args:
        action: What is to be done, such as "delete pod 'abc'".
        otherwise: What to say if it is not done.
        yes: Whether --yes was passed.

    Raises:
        InvalidRequestError: There is neither --yes nor a terminal.
    """
    if yes:
        return True
    if sys.stdin is None or not at_terminal(sys.stdin) or not at_terminal(sys.stderr):
        raise InvalidRequestError(f"{otherwise} Add --yes to {action}.")
    try:
        agreed = typer.confirm(f"{action[:1].upper()}{action[1:]}?", err=True)
    except typer.Abort:  # Ctrl-C
        raise KeyboardInterrupt from None
    if not agreed:
        note(otherwise)
    return agreed
