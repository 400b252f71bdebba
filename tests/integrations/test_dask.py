"""The programs of the page on Dask, with processes as workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integrations.pages import output_of, programs, serving

if TYPE_CHECKING:
    from pathlib import Path


def test_the_programs_of_the_page_run(tmp_path: Path) -> None:
    submitted, partitions = programs("dask", "dask")
    with serving() as (server, environment):
        printed = output_of(submitted, tmp_path, environment)
        assert sorted(f"COMPLETED {n} horses" for n in range(8)) == sorted(printed.splitlines()[:-1])
        assert "{'COMPLETED': 20}" in output_of(partitions, tmp_path, environment)
        assert 28 == len(server.jobs["ENDPOINT_ID"])
