"""Measure, print the tables, write them as JSON. Run by `scripts/bench`, which makes what is needed."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import imports, jobs, packages
from benchmarks.environments import BENCH, OFFICIAL, OURS

if TYPE_CHECKING:
    from benchmarks.tables import Table

PARTS = ("imports", "packages", "jobs")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measure this library beside its peers.")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"any of: {', '.join(PARTS)} (by default all)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of jobs, 1 to 10; ten times as many of imports")
    parser.add_argument("--json", type=Path, default=BENCH / "results.json", help="where to write the results")
    options = parser.parse_args()
    parts = options.parts or PARTS
    if not 1 <= options.rounds <= 10 or not set(parts) <= set(PARTS):
        parser.error(f"rounds are 1 to 10, and parts are any of: {', '.join(PARTS)}")

    tables: list[Table] = []
    if "packages" in parts:
        tables.append(packages.measure(sys.version_info[:2]))
    if "imports" in parts:
        tables += imports.measure(10 * options.rounds)
    if "jobs" in parts:
        tables += jobs.measure(options.rounds)

    print(f"\nPython {platform.python_version()}, {os.cpu_count()} cores.", end=" ")
    print("Medians [quartiles]; xN is the ratio to the first row.")
    for table in tables:
        print(f"\n{table.text()}")

    results = {
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "rounds": options.rounds,
        "installed": {"ours": sorted(packages.installed(OURS)), "official": sorted(packages.installed(OFFICIAL))},
        "tables": [table.data() for table in tables],
    }
    options.json.write_text(json.dumps(results, indent=2) + "\n")
    print(f"\nAll values: {options.json}")


if __name__ == "__main__":
    main()
