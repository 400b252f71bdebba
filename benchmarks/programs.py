"""The client programs, whose tasks are documented in `peers/ours.py`, and functions to run them."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.environments import BARE, JAVASCRIPT, OFFICIAL, OURS, OURS_AIOHTTP, ROOT, run
from benchmarks.tables import Row

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.server_process import Serving

PROGRAMS = ROOT / "benchmarks" / "peers"

SMALL = 200  # bytes

# In seconds: for just-in-time compilation, and longer than all cells of a program.
WARM_UP = 1.5
TIMEOUT = 120


@dataclass(frozen=True)
class Program:
    """A program that runs tasks in several forms, in its own environment."""

    name: str
    command: tuple[str | Path, ...]
    folder: Path = ROOT

    @property
    def installed(self) -> bool:
        """Whether it is installed."""
        return self.folder.exists() and shutil.which(self.command[0]) is not None

    def ask(self, task: str, form: str, given: Any, *, base_url: str, timeout: float) -> Any:
        """Run a task in a new process."""
        return run(
            *self.command,
            task,
            form,
            timeout=timeout,
            cwd=self.folder,
            given=given,
            RUNPOD_API_KEY="bench",
            RUNPOD_ENDPOINT_BASE_URL=base_url,
        )


HTTPX = Program("ours", (OURS, "-E", "-s", PROGRAMS / "ours.py"))
AIOHTTP = Program("ours, httpx_aiohttp", (OURS_AIOHTTP, "-E", "-s", PROGRAMS / "ours.py"))
PACKAGE = Program("official", (OFFICIAL, "-E", "-s", PROGRAMS / "official.py"))
SDK = Program("JavaScript", ("node", PROGRAMS / "javascript.mjs"), JAVASCRIPT)
ALONE = Program("alone", (BARE, "-E", "-s", PROGRAMS / "bare.py"))


@dataclass(frozen=True)
class Form:
    """A way to call a client, and its number of requests per job."""

    program: Program
    form: str
    requests: int = 1
    widest: int = 1000

    @property
    def name(self) -> str:
        """The name of its row."""
        if self.program is ALONE:
            return f"{self.form.removeprefix('async ')} alone"
        return f"{self.program.name}: {self.form}"

    def ask(
        self, server: Serving, *cells: dict[str, Any], task: str = "calls", timeout: float = TIMEOUT
    ) -> list[dict[str, Any]]:
        """Return the cost of each cell, except the first, which opens connections and warms up the compiler."""
        costs: list[dict[str, Any]] = self.program.ask(
            task, self.form, {"cells": cells}, base_url=server.base_url, timeout=timeout
        )
        return costs[1:]


def many_cell(
    width: int,
    *,
    seconds: float = 0.0,
    jobs: int = 0,
    sent: int = SMALL,
    endpoint: str = "many",
    takes: tuple[float, float] = (0.1, 0.9),
) -> dict[str, Any]:
    """A measurement: `jobs` jobs, or as many as start within `seconds` and a ramp, with `width` of them in flight.

    The inputs have `sent` bytes, and the durations of the jobs are spread over `takes`, in seconds.
    """
    return {"width": width, "seconds": seconds, "jobs": jobs, "sent": sent, "endpoint": endpoint, "takes": takes}


def cell(
    width: int, seconds: float, *, sent: int = SMALL, endpoint: str = f"records-{SMALL}", takes: float = 0.0
) -> dict[str, Any]:
    """A measurement: `width` concurrent calls for `seconds`, with inputs of `sent` bytes and jobs of `takes` seconds."""
    return {"width": width, "seconds": seconds, "sent": sent, "endpoint": endpoint, "takes": takes}


def measure_forms(
    forms: list[Form], rounds: int, run: Callable[[Form], list[dict[str, float]]]
) -> list[tuple[Row, ...]]:
    """Measure all forms in each round, and return the rows of each, one per table. Odd rounds are in reverse order."""
    measured: dict[str, list[dict[str, list[float]]]] = {}
    for number in range(rounds):
        for form in forms if number % 2 == 0 else reversed(forms):
            print(f"round {number + 1} of {rounds}, {form.name}", file=sys.stderr)
            tables = run(form)
            kept = measured.setdefault(form.name, [{} for _ in tables])
            for values, columns in zip(kept, tables, strict=True):
                for column, value in columns.items():
                    values.setdefault(column, []).append(value)
    return [tuple(Row(form.name, values) for values in measured[form.name]) for form in forms]


def not_installed(*programs: Program) -> list[str]:
    """Notes for the programs that are not installed."""
    return [f"{program.name}: skipped, not installed" for program in programs if not program.installed]
