"""A local server for the commands that run many jobs, and their rows."""

from __future__ import annotations

import json
import re
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from runpod.local import LocalServer
from tests.cli.programs import TIMEOUT, wait_for

if TYPE_CHECKING:
    from pathlib import Path


class ManyServer(LocalServer):
    """Runs eight jobs at once. A job whose input has a `gate` waits until the test opens that gate.

    One whose input has `seconds` takes that long on the server's clock.
    """

    def __init__(self) -> None:
        super().__init__({"echo": self._echo, "other": self._echo}, workers=8)
        self.gates: defaultdict[str, threading.Event] = defaultdict(threading.Event)
        self.is_broken = True

    def _echo(self, job: dict[str, Any]) -> Any:
        given = job["input"]
        if "gate" in given:
            assert self.gates[given["gate"]].wait(TIMEOUT)
        if "seconds" in given:
            self.advance(given["seconds"])
        if "error" in given and self.is_broken:
            raise ValueError(given["error"])
        # An output with the key `error` is a failure.
        return given["output"] if "output" in given else {k: v for k, v in given.items() if k != "error"}

    def open(self) -> None:
        """Opens all gates."""
        for gate in list(self.gates.values()):
            gate.set()

    def unfinished(self) -> list[str]:
        return [job["id"] for jobs in self.jobs.values() for job in jobs if job["status"].startswith("IN_")]

    def waited_for(self) -> bool:
        """Whether the client waits for all unfinished jobs, so that it knows their IDs."""
        polled = {record.path.rpartition("/")[2].partition("?")[0] for record in self.requests}
        return polled.issuperset(self.unfinished())

    def reset(self) -> None:
        self.faults.clear()
        self.advance(120)  # ends delays
        wait_for(lambda: self.open() or not self.unfinished())  # type: ignore[func-returns-value]
        self.gates.clear()
        self.is_broken = True

    def submissions(self) -> int:
        return sum(record.path.endswith("/run") for record in self.requests)


def write_rows(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def lines_of(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def cost_in(err: str) -> float:
    """The cost in the report."""
    found = re.search(r"^Cost +([0-9.]+)$", err, re.MULTILINE)
    assert found is not None
    return float(found[1])
