"""Run the benchmarks, print the tables, and write them as JSON. `scripts/bench` creates the environments."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import bulk, calls, crowd, find, imports, jobs, many, packages, saving, throughput
from benchmarks.environments import BENCH

if TYPE_CHECKING:
    from benchmarks.tables import Table

PARTS = ("throughput", "jobs", "crowd", "many", "bulk", "imports", "packages", "calls", "find", "saving")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Compare this library with other clients.")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"any of: {', '.join(PARTS)} (by default all)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, 1 to 10; five times as many of imports")
    parser.add_argument("--quick", action="store_true", help="one short round with fewer jobs")
    parser.add_argument("--json", type=Path, default=BENCH / "results.json", help="where to write the results")
    options = parser.parse_args()
    parts = options.parts or PARTS
    if not 1 <= options.rounds <= 10 or not set(parts) <= set(PARTS):
        parser.error(f"rounds are 1 to 10, and parts are any of: {', '.join(PARTS)}")

    rounds = 1 if options.quick else options.rounds
    start = time.monotonic()

    before = os.getloadavg()[0]

    tables: list[Table] = []
    if "throughput" in parts:
        tables += throughput.measure(rounds, quick=options.quick)
    if "jobs" in parts:
        tables += jobs.measure(rounds)
    if "crowd" in parts:
        tables.append(crowd.measure(1000, 5) if options.quick else crowd.measure(10_000, 10))
    if "many" in parts:
        tables += many.measure(rounds, quick=options.quick)
    if "bulk" in parts:
        tables += bulk.measure(rounds, quick=options.quick)
    if "imports" in parts:
        tables += imports.measure(5 * rounds)
    if "packages" in parts:
        tables.append(packages.measure(sys.version_info[:2]))
    if "calls" in parts:
        tables += calls.measure(rounds, quick=options.quick)
    if "find" in parts:
        tables += find.measure(rounds)
    if "saving" in parts:
        tables += saving.measure(rounds, quick=options.quick)

    print(f"\nPython {platform.python_version()}, {os.cpu_count()} cores.", end=" ")
    print(f"{time.monotonic() - start:.0f} s. Medians [quartiles]; xN is the ratio to the row with x1.00 above.")
    print(f"Load average before the first measurement: {before:.1f} (on a quiet machine below 0.3).")
    for table in tables:
        print(f"\n{table.text()}")

    results = {
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "load": before,
        "rounds": rounds,
        "quick": options.quick,
        "installed": {name: sorted(packages.installed(python)) for name, python in packages.environments().items()},
        "tables": [table.data() for table in tables],
    }
    options.json.write_text(json.dumps(results, indent=2) + "\n")
    print(f"\nAll values: {options.json}")


if __name__ == "__main__":
    main()
