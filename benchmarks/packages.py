"""The installed size of the packages, including dependencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.environments import OFFICIAL, OURS, OURS_AIOHTTP, run
from benchmarks.tables import Row, Table, Target

if TYPE_CHECKING:
    from pathlib import Path

REFERENCE = "ours, base install"

# The files recorded by pip, including those compiled during installation.
PROGRAM = """
import json
from importlib.metadata import distributions

sizes = {}
for each in distributions():
    files = [file.locate() for file in each.files or ()]
    sizes[f"{each.name} {each.version}"] = sum(file.stat().st_size for file in files if file.is_file())
print(json.dumps(sizes))
"""

# Packages of an empty environment.
EMPTY = {"pip", "setuptools", "wheel"}


def installed(python: Path) -> dict[str, int]:
    """The size in bytes of each package of an environment, by name and version."""
    sizes: dict[str, int] = run(python, "-I", "-c", PROGRAM, timeout=60)
    return {name: size for name, size in sizes.items() if name.split()[0] not in EMPTY}


def environments() -> dict[str, Path]:
    """The existing environments, by the installed package."""
    every = {REFERENCE: OURS, "ours, with httpx-aiohttp": OURS_AIOHTTP, "official": OFFICIAL}
    return {name: python for name, python in every.items() if python.exists()}


def measure(python_version: tuple[int, int]) -> Table:
    """Compare this library with the official package."""
    # Before Python 3.11, httpx, anyio and this library need backports of standard modules.
    targets = (Target("packages", 13),) if python_version >= (3, 11) else ()
    table = Table("What an installation brings", REFERENCE)
    for name, python in environments().items():
        sizes = installed(python)
        measured = {"packages": [float(len(sizes))], "MB": [sum(sizes.values()) / 1e6]}
        table.rows.append(Row(name, measured, targets if python == OURS else ()))
    return table
