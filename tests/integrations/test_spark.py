"""The program of the page on Spark, with pyspark and Java."""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from tests.integrations.pages import output_of, programs, serving, write_captions

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.skipif(
    find_spec("pyspark") is None or shutil.which("java") is None,
    reason="There is no Spark (pip install pyspark, and Java): the program of docs/how-to/spark.md was not run.",
)
def test_the_program_of_the_page_runs(tmp_path: Path) -> None:
    (program,) = programs("spark", "spark")
    write_captions(tmp_path, 40)
    with serving() as (server, environment):
        printed = output_of(program, tmp_path, {**environment, "PYSPARK_PYTHON": sys.executable})
        assert "39 completed" in printed
        assert 40 == len(server.jobs["ENDPOINT_ID"])
