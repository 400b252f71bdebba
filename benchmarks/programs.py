"""The programs of the peers, and how they are asked; `peers/ours.py` says what for."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.environments import BARE, JAVASCRIPT, OFFICIAL, OURS, OURS_AIOHTTP, ROOT, run

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = ROOT / "benchmarks" / "peers"


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
AIOHTTP = Program("ours, aiohttp", (OURS_AIOHTTP, "-E", "-s", PROGRAMS / "ours.py"))
PACKAGE = Program("official", (OFFICIAL, "-E", "-s", PROGRAMS / "official.py"))
SDK = Program("JavaScript", ("node", PROGRAMS / "javascript.mjs"), JAVASCRIPT)
ALONE = Program("alone", (BARE, "-E", "-s", PROGRAMS / "bare.py"))

EVERY = (HTTPX, AIOHTTP, PACKAGE, SDK, ALONE)


def left_out(*programs: Program) -> list[str]:
    """What to say of those that are not installed."""
    return [f"{program.name}: left out, since it is not installed" for program in programs if not program.there]
