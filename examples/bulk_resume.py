"""A bulk run whose process is killed in the middle, and which resumes: no row is lost, and none is repeated unasked.

    python examples/bulk_resume.py

It runs on a local server, and starts itself a second time as the process that is killed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from runpod import Runpod
from runpod.bulk import BulkRun, Template
from runpod.local import LocalEndpoint, LocalServer

ROWS = 100
KILLED_AFTER = 15  # results
TIMEOUT = 60.0


def caption(job: dict[str, Any]) -> dict[str, str]:
    """The handler: returns a caption, after a twentieth of a second."""
    time.sleep(0.05)
    return {"text": f"{job['input']['prompt']}, oil on canvas"}


def caption_rows(run: BulkRun) -> None:
    """The program: the same before and after the crash."""
    rows = ({"id": number, "animal": f"horse {number}"} for number in range(1, ROWS + 1))
    # Rows that are known are skipped.
    run.add(rows, key="id", input=Template({"prompt": "A picture of {{animal}}"}))
    with Runpod() as client:
        for result in run.run(client.endpoint("captions"), in_flight=20, timeout=TIMEOUT):
            print(result.key, result.status, flush=True)


def run_until_killed(path: Path) -> None:
    """Runs `caption_rows` in another process, and kills it in the middle, as `kill -9` does."""
    command = [sys.executable, __file__, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - this program itself
        assert process.stdout is not None
        results = 0
        for _ in process.stdout:
            results += 1
            if results == KILLED_AFTER:
                process.kill()
                break
    if results < KILLED_AFTER:
        sys.exit("The process ended before it was killed.")


def show(run: BulkRun) -> None:
    counts = Counter(result.status for result in run.results())
    print(", ".join(f"{count} {status}" for status, count in sorted(counts.items())))


def resume(path: Path) -> None:
    with BulkRun(path) as run:
        print(f"Killed after {KILLED_AFTER} of {ROWS} results. In the file:")
        show(run)
        doubtful = [key for key, _ in run.doubtful]

        print("\nResumed:")
        caption_rows(run)
        if doubtful:
            # Their requests were under way when the process was killed. Captioning one twice does no harm, so:
            print(f"\nIn doubt, and submitted again: {', '.join(doubtful)}")
            with Runpod() as client:
                for result in run.run(client.endpoint("captions"), resubmit="doubtful", timeout=TIMEOUT):
                    print(result.key, result.status)

        written = run.write(path.with_name("results.jsonl"))
        print(f"\n{written} results were written:")
        show(run)
        print(f"\n{run.report}")


def main() -> None:
    if len(sys.argv) > 1:  # the process that is killed
        with BulkRun(sys.argv[1]) as run:
            caption_rows(run)
        return
    with LocalServer({"captions": LocalEndpoint(caption, workers=4)}) as server, TemporaryDirectory() as folder:
        os.environ.update(RUNPOD_API_KEY=server.api_key, RUNPOD_ENDPOINT_BASE_URL=server.base_url)
        path = Path(folder) / "captions.sqlite"
        run_until_killed(path)
        resume(path)
        print(f"\nThe server ran {len(server.jobs['captions'])} jobs for {ROWS} rows.")


if __name__ == "__main__":
    main()
