"""The program behind `scripts/release`."""

from __future__ import annotations

import argparse
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from releasing.edits import ReleaseError
from releasing.flow import Flow

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
DESCRIPTION = """
Make a release. Nothing is ever pushed or uploaded, and a release that fails or is interrupted changes nothing.

scripts/release 0.2.0        commit, tag and build the version, and try the packages on every Python
scripts/release check        rehearse that: the same steps, but nothing is changed
scripts/release dist         build the tag that is checked out into dist/VERSION, and try the packages
scripts/release notes        print the changelog of the version
"""


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run the program, and return its exit status."""
    parser = argparse.ArgumentParser(
        "scripts/release", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", metavar="VERSION|check|dist|notes")
    parser.add_argument("version", nargs="?", help="for check and notes, if not that in the code")
    parser.add_argument("--branch", default="main", help="releases are made from this branch (default: main)")
    parser.add_argument(
        "--without-python",
        action="append",
        default=[],
        metavar="3.X",
        help="release although this Python of the classifiers is not installed, so that nothing was tried on it",
    )
    # Passed by the script, which knows where Pythons are.
    parser.add_argument("--python", action="append", default=[], metavar="3.X=PATH", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    pythons = {version: Path(path) for version, _, path in (item.partition("=") for item in options.python)}
    flow = Flow(root, pythons, options.without_python, options.branch)
    try:
        if options.what == "check":
            flow.check(options.version)
        elif options.what == "notes":
            print(flow.notes(options.version), end="")
        elif options.version is not None:
            parser.error(f"unexpected argument: {options.version}")
        elif options.what == "dist":
            flow.dist()
        elif re.match(r"v?\d", options.what):
            flow.release(options.what)
        else:
            parser.error(f"{options.what!r} is neither a version nor check, dist or notes")
    # An OSError: the disk is full, or a file is missing.
    except (ReleaseError, OSError) as error:
        is_refused = re.match(r"v?\d", options.what) and not flow.is_published
        print(f"Not released. {error}" if is_refused else error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        changed = "The version is committed and tagged." if flow.is_published else "Nothing was changed."
        print(f"Interrupted. {changed}", file=sys.stderr)
        return 130
    return 0


def terminate(number: int, _frame: object) -> NoReturn:
    """End as by Ctrl-C, so that temporary files are deleted."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGHUP, terminate)
    sys.exit(main())
