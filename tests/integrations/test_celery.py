"""The programs of the page on Celery: a worker, and a program that calls it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.integrations.pages import output_of, programs, serving
from tests.processes import started

if TYPE_CHECKING:
    from pathlib import Path


def test_the_programs_of_the_page_run(tmp_path: Path) -> None:
    (tasks,), (call,) = programs("celery", "celery"), programs("celery", "celery-call")
    for name in ("queue", "results"):
        (tmp_path / f"celery-{name}").mkdir()
    (tmp_path / "captions.py").write_text(tasks.replace("/tmp/celery-", f"{tmp_path}/celery-"), encoding="utf-8")
    command = [sys.executable, "-m", "celery", "-A", "captions", "worker", "--pool=prefork", "--concurrency=2"]
    with serving() as (server, environment), (tmp_path / "worker.txt").open("w") as log:
        options = {"stdout": log, "stderr": log, "cwd": tmp_path, "env": environment}
        with started(command, start_new_session=True, **options):
            printed = output_of(call, tmp_path, environment)
        assert [f"{{'image': '{n} horses.png'}}" for n in range(3)] == printed.splitlines()[:-1]
        assert 3 == len(server.jobs["ENDPOINT_ID"])
        assert server.api_key not in "".join(path.read_text() for path in (tmp_path / "celery-results").iterdir())
