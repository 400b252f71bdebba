"""The command line: `python -m runpod.local serve`."""

from __future__ import annotations

import sys


def _main() -> int:
    try:
        from runpod.local.cli import main
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("runpod"):
            raise
        sys.stderr.write(
            f'The local server needs {error.name}, which is not installed: pip install "runpod-sdk[local]"\n'
        )
        return 2
    return main()


if __name__ == "__main__":
    sys.exit(_main())
