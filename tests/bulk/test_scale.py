"""A run of many rows: flat in memory, quick to add and to resume.

A twentieth of a million rows by default: `TEST_SCALE=1 scripts/test -m slow`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]

ROWS = int(1_000_000 * float(os.environ.get("TEST_SCALE", "0.05")))

PROGRAM = """
import json, sys, time
from pathlib import Path
from runpod._bulk.changes import *
from runpod._bulk.run_file import *
from runpod._bulk.sinks import write_results

path, rows = Path(sys.argv[1]), int(sys.argv[2])
found = {}

def generated():
    for number in range(rows):
        yield {"id": f"{number * 7919 % rows:08}-{number:08}", "prompt": "a horse " * 120, "seed": number}

def measured(name, call, *args, **options):
    start = time.perf_counter()
    result = call(*args, **options)
    found[name] = time.perf_counter() - start
    return result

with RunFile(path) as run:
    measured("add", run.add, generated(), key="id")
    found["bytes"] = sum(file.stat().st_size for file in path.parent.iterdir())
    measured("add again", run.add, generated(), key="id")
    for start in range(1, 2001, 200):
        numbers = range(start, start + 200)
        run.apply([Submitting(number) for number in numbers])
        run.apply([Submitted(number, f"job-{number}") for number in numbers])
run = measured("open", RunFile, path)
with run:
    counts = measured("counts", run.counts)
    assert (rows - 2000, 2000) == (counts["PENDING"], counts["IN_QUEUE"])
    assert 1000 == len(measured("next", run.next_rows, "PENDING", rows // 2))
    def end():
        for start in range(1, 2001, 200):
            run.apply([Ended(n, "COMPLETED", '"' + "x" * 1000 + '"') for n in range(start, start + 200)])
    measured("end", end)
    assert rows == measured("statistics", lambda: sum(1 for _ in run.statistics()))
    assert rows == measured("write", write_results, run.results(inputs=False), path.with_name("results.jsonl"))
    assert rows == measured("results", lambda: sum(1 for _ in run.results()))
# Not `ru_maxrss`, which includes the parent before the program started.
status = Path("/proc/self/status").read_text()
found["peak"] = int(status.partition("VmHWM:")[2].split()[0]) * 1024
print(json.dumps(found))
"""


def test_many_rows(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "run.sqlite"), str(ROWS)]
    # Without the measurement of coverage, which takes most of the time.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    found = json.loads(done.stdout)
    print(ROWS, found)  # noqa: T201
    assert found["bytes"] / ROWS < 2000
    assert found["peak"] < 150 * 1024 * 1024
