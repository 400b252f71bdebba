"""Import times, each in a new interpreter."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.environments import OFFICIAL, OURS, run
from benchmarks.tables import Row, Table, Target

LIMIT = 1.3


@dataclass
class Import:
    """The code to time and its interpreter. `limit` is the target for its ratio to the reference."""

    name: str
    statement: str
    python: str = str(OURS)
    limit: float | None = None


# The import alone. pydantic and this library both load their modules on demand.
BARE = (
    Import("import httpx, pydantic", "import httpx, pydantic"),
    Import("ours: import runpod", "import runpod", limit=LIMIT),
    Import("official: import runpod", "import runpod", str(OFFICIAL)),
)

# The imports for creating a client, compared with those of a program that uses httpx and a pydantic model.
USED = (
    Import("httpx, and one pydantic model", "import httpx, pydantic\nclass Model(pydantic.BaseModel): n: int"),
    Import("ours: from runpod import Runpod", "from runpod import Runpod", limit=LIMIT),
    Import("ours: from runpod import AsyncRunpod", "from runpod import AsyncRunpod", limit=LIMIT),
    Import("ours: from runpod import *", "from runpod import *"),
    Import("official: from runpod import Endpoint", "from runpod import Endpoint", str(OFFICIAL)),
)


def measure(rounds: int) -> list[Table]:
    """Measure all imports in each round. Every second round is in reverse order."""
    imports = (*BARE, *USED)
    values: dict[str, list[float]] = {each.name: [] for each in imports}
    for round_number in range(-1, rounds):
        for each in imports if round_number % 2 else reversed(imports):
            milliseconds = _time(each)
            if round_number >= 0:  # the first round only warms the caches
                values[each.name].append(milliseconds)
    tables = []
    for title, group in (("Import time", BARE), ("Import time, client included", USED)):
        table = Table(f"{title}, {rounds} rounds", group[0].name, paired=True)
        for each in group:
            targets = () if each.limit is None else (Target("ms", each.limit, of_ratio=True),)
            table.rows.append(Row(each.name, {"ms": values[each.name]}, targets))
        tables.append(table)
    return tables


def _time(each: Import) -> float:
    program = f"from time import perf_counter as t; s = t()\n{each.statement}\nprint((t() - s) * 1000)"
    milliseconds: float = run(each.python, "-I", "-c", program, timeout=60)
    return milliseconds
