"""`python -m runpod`: the command line."""

from __future__ import annotations

import sys

from runpod.cli import main

if __name__ == "__main__":
    sys.exit(main(prog="python -m runpod"))
