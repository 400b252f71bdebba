"""The command line: `python -m runpod.local serve`."""

from __future__ import annotations

import sys

from runpod.local.cli import main

if __name__ == "__main__":
    sys.exit(main())
