"""The tests of `client.openai`, run with the other major version of the `openai` package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.environments import OPENAI_PACKAGE

ROOT = Path(__file__).parents[2]

PROGRAM = f"""
import pytest, sys
from importlib.metadata import version
assert version("openai") == {OPENAI_PACKAGE[1]!r}, version("openai")
sys.exit(pytest.main(sys.argv[1:]))
"""


@pytest.mark.fact("protocol-2 4: openai 3")
def test_the_other_major_version(openai_package: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    path = os.pathsep.join(filter(None, [str(openai_package), environment.get("PYTHONPATH")]))
    options = ["-q", "-p", "no:cacheprovider", "-p", "anyio"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *options, "tests/_async/test_openai.py", "tests/_sync/test_openai.py"],
        cwd=ROOT,
        # Loading the plugins would take longer than the tests.
        env=environment | {"PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
