"""The command line: `python -m runpod.local serve`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from runpod.local.cli_arguments import PROG

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None, *, prog: str = PROG) -> int:
    """Run a command, or say what is missing without the extra; return the exit status."""
    try:
        from runpod.local import cli
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in {"starlette", "uvicorn"}:
            raise
        sys.stderr.write(f'The local server needs {missing}, which is not installed: pip install "runpod-sdk[local]"\n')
        return 2
    return cli.main(arguments, prog=prog)


if __name__ == "__main__":
    sys.exit(main())
