"""The programs of the peers, and how they are asked; `peers/ours.py` says what for."""

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

    from benchmarks.serving import Serving

PROGRAMS = ROOT / "benchmarks" / "peers"

SMALL = 200  # bytes

# In seconds: what a just-in-time compiler needs, and longer than all cells of a program take.
WARM_UP = 1.5
TIMEOUT = 120


@dataclass(frozen=True)
class Program:
    """A program that does tasks in several forms, in an environment of its own."""

    name: str
    command: tuple[str | Path, ...]
    folder: Path = ROOT

    @property
    def there(self) -> bool:
        """Whether it is installed."""
        return self.folder.exists() and shutil.which(self.command[0]) is not None

    def ask(self, task: str, form: str, given: Any, *, base_url: str, timeout: float) -> Any:
        """Has it do a task, in a process of its own."""
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
    """One way to call, and how many requests a job takes in it."""

    program: Program
    form: str
    requests: int = 1
    widest: int = 1000

    @property
    def name(self) -> str:
        """What its row is called."""
        if self.program is ALONE:
            return f"{self.form.removeprefix('async ')} alone"
        return f"{self.program.name}: {self.form}"

    def ask(self, server: Serving, *cells: dict[str, Any]) -> list[dict[str, Any]]:
        """What each cell cost, the first one left out, in which connections are opened and code is compiled."""
        costs: list[dict[str, Any]] = self.program.ask(
            "calls", self.form, {"cells": cells}, base_url=server.base_url, timeout=TIMEOUT
        )
        return costs[1:]


def cell(
    width: int, seconds: float, *, sent: int = SMALL, endpoint: str = f"records-{SMALL}", takes: float = 0.0
) -> dict[str, Any]:
    """So many calls in flight for so long, with inputs of so many bytes, for jobs that take so many seconds."""
    return {"width": width, "seconds": seconds, "sent": sent, "endpoint": endpoint, "takes": takes}


def in_turn(forms: list[Form], rounds: int, run: Callable[[Form], list[dict[str, float]]]) -> list[tuple[Row, ...]]:
    """The rows of each form, one for each table: what all rounds gave. Every second round goes backwards."""
    measured: dict[str, list[dict[str, list[float]]]] = {}
    for turn in range(rounds):
        for form in forms if turn % 2 == 0 else reversed(forms):
            print(f"round {turn + 1} of {rounds}, {form.name}", file=sys.stderr)
            tables = run(form)
            kept = measured.setdefault(form.name, [{} for _ in tables])
            for values, columns in zip(kept, tables, strict=True):
                for column, value in columns.items():
                    values.setdefault(column, []).append(value)
    return [tuple(Row(form.name, values) for values in measured[form.name]) for form in forms]


def left_out(*programs: Program) -> list[str]:
    """What to say of those that are not installed."""
    return [f"{program.name}: left out, since it is not installed" for program in programs if not program.there]
