"""The command line, `runpod-sdk` or `python -m runpod`.

Needs the extra `cli`: `pip install "runpod-sdk[cli]"`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None, *, prog: str = "runpod-sdk") -> int:
    """Runs a command, and returns its exit status.

    Args:
        arguments: By default those of the process.
        prog: The name of the program, for messages.
    """
    try:
        # Not before: the extra may not be installed, and help for that must not depend on it.
        from runpod.cli.app import run
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in {"typer", "rich", "tomlkit"}:
            raise
        sys.stderr.write(f'The command line needs {missing}, which is not installed: pip install "runpod-sdk[cli]"\n')
        return 2
    except KeyboardInterrupt:
        return 130
    return run(sys.argv[1:] if arguments is None else arguments, prog)
