"""The programs of the how-to pages for other engines, which run in processes of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from runpod.local import LocalServer
from tests.processes import LONGEST, started

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).resolve().parents[2]
DONE = "The program is done."


def programs(page: str, label: str) -> list[str]:
    """The blocks with this label."""
    text = (ROOT / "docs" / "how-to" / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(rf"^<!-- example: {label} -->\n```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def horse(job: dict[str, Any]) -> dict[str, str]:
    if "unicorn" in job["input"]["prompt"]:
        raise ValueError("there are no unicorns")
    return {"image": f"{job['input']['prompt']}.png"}


def environment_of_programs() -> dict[str, str]:
    """Without the variables of pytest and coverage, which would slow down each of the processes that an engine starts."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST"))},
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
    }


@contextmanager
def serving() -> Generator[tuple[LocalServer, dict[str, str]], None, None]:
    """A local server with the endpoint of the pages, and the environment of a program that uses it."""
    with LocalServer({"ENDPOINT_ID": horse}, workers=4) as server:
        settings = {"RUNPOD_API_KEY": server.api_key, "RUNPOD_ENDPOINT_BASE_URL": server.base_url}
        yield server, {**environment_of_programs(), **settings}


def write_captions(folder: Path, rows: int) -> None:
    captions = {"id": list(range(rows)), "caption": [f"{n} {'unicorns' if n == 3 else 'horses'}" for n in range(rows)]}
    pq.write_table(pa.table(captions), folder / "captions.parquet")


def output_of(
    program: str | Path, folder: Path, environment: dict[str, str], *arguments: str, longest: float = LONGEST
) -> str:
    """What a program prints. Its processes are killed in the end."""
    if isinstance(program, str):
        path = folder / "program.py"
        path.write_text(f"{program}\n\nif __name__ == '__main__':\n    print({DONE!r})\n", encoding="utf-8")
        program = path
    command = [sys.executable, str(program), *arguments]
    # Into files: processes that outlive the program would keep pipes open.
    with (folder / "out.txt").open("w+") as out, (folder / "err.txt").open("w+") as err:
        options: dict[str, Any] = {"cwd": folder, "env": environment, "stdin": subprocess.DEVNULL}
        with started(command, stdout=out, stderr=err, start_new_session=True, longest=longest, **options) as process:
            status = process.wait()
        out.seek(0)
        err.seek(0)
        printed, messages = out.read(), err.read()
    assert 0 == status, printed[-3000:] + messages[-6000:]
    assert DONE in printed, printed
    return printed
