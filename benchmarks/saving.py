"""A hundred pictures of 1 MB, saved by URL, compared with a loop over httpx."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from functools import partial
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.environments import BENCH, OURS, ROOT
from benchmarks.programs import PROGRAMS, Form, Program, measure_forms
from benchmarks.tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Program("ours", (OURS, "-E", "-s", PROGRAMS / "saving.py"))
LOOP = Program("httpx", PROGRAM.command)

# The first is the reference.
SYNC = (Form(LOOP, "loop"), Form(PROGRAM, "save"))
ASYNC = (Form(LOOP, "async loop"), Form(PROGRAM, "async save"))

PICTURES = 100


def measure(rounds: int, *, quick: bool) -> list[Table]:
    """Save the pictures with each form in each round."""
    pictures = PICTURES // 5 if quick else PICTURES
    title = f"Saving {pictures} pictures of 1 MB by URL"
    tables = [Table(f"{title}, {name}", forms[0].name, paired=True) for name, forms in _FORMS.items()]
    with _serve() as url:
        rows = measure_forms(
            [form for forms in _FORMS.values() for form in forms], rounds, partial(_run, url, pictures)
        )
    for table, forms in zip(tables, _FORMS.values(), strict=True):
        table.rows += [row for (row,) in rows if row.name in {form.name for form in forms}]
    return tables


_FORMS = {"sync": SYNC, "async": ASYNC}


def _run(url: str, pictures: int, form: Form) -> list[dict[str, float]]:
    BENCH.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=BENCH) as folder, TemporaryDirectory(dir=BENCH) as warm_up:
        given = {"url": url, "folder": folder, "warm_up": warm_up, "pictures": pictures}
        cost: dict[str, Any] = form.program.ask("save", form.form, given, base_url=url, timeout=120)
    return [{"ms a picture": 1000 * cost["seconds"] / pictures, "ms of CPU": 1000 * cost["cpu"] / pictures}]


@contextlib.contextmanager
def _serve() -> Iterator[str]:
    command = [sys.executable, "-E", "-m", "benchmarks.picture_server"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
