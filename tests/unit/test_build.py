"""Tests that every build contains the sync code generated from the current async source."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

import runpod

ROOT = Path(__file__).resolve().parents[2]
COPIED = ["src", "scripts", "tests", "pyproject.toml", "LICENSE", "README.md"]

ADDED = "async def added() -> AsyncAdded: ...\n"
GENERATED = (
    "# Generated from src/runpod/_async/added.py by scripts/generate_sync.py. Do not edit.\n\n"
    "def added() -> Added: ...\n"
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the repository with a new and a changed file in `_async`, and a stale file in `_sync`."""
    root = tmp_path / "tree"
    root.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, root / name)
    package = root / "src" / "runpod"
    (package / "_async" / "added.py").write_text(ADDED, encoding="utf-8")
    with (package / "_async" / "client.py").open("a", encoding="utf-8") as file:
        file.write("\n\n" + ADDED)
    (package / "_sync" / "stale.py").touch()
    return root


def build(root: Path, kind: str) -> Path:
    """Build without isolation, so without network, and return the built file."""
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        f"--{kind}",
        "--outdir",
        str(root / "dist"),
        str(root),
    ]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert 0 == result.returncode, result.stdout + result.stderr
    (built,) = (root / "dist").glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


def contents(wheel: Path) -> dict[str, str]:
    with ZipFile(wheel) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_wheel_contents(tree: Path) -> None:
    wheel = build(tree, "wheel")

    assert wheel.name == f"runpod_sdk-{runpod.__version__}-py3-none-any.whl"
    files = contents(wheel)
    assert GENERATED == files["runpod/_sync/added.py"]
    assert files["runpod/_sync/client.py"].endswith("\ndef added() -> Added: ...\n")
    assert "runpod/_sync/stale.py" not in files
    assert "runpod/py.typed" in files
    assert {"runpod", f"runpod_sdk-{runpod.__version__}.dist-info"} == {name.split("/")[0] for name in files}
    generated = {name.replace("/_sync/", "/_async/") for name in files if "/_sync/" in name}
    assert {name for name in files if "/_async/" in name} == generated


def test_sdist_contents_and_rebuild(tree: Path, tmp_path: Path) -> None:
    sdist = build(tree, "sdist")

    with tarfile.open(sdist) as archive:
        # `filter` is missing in the first releases of Python 3.10 and 3.11.
        safely: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(tmp_path / "unpacked", **safely)
    (root,) = (tmp_path / "unpacked").iterdir()
    package = root / "src" / "runpod"
    assert GENERATED == (package / "_sync" / "added.py").read_text(encoding="utf-8")
    assert not (package / "_sync" / "stale.py").exists()
    assert (root / "scripts" / "generate_sync.py").exists()
    assert (root / "tests" / "unit" / "test_build.py").exists()

    (package / "_async" / "added.py").write_text(ADDED + "x = AsyncX\n", encoding="utf-8")
    assert GENERATED + "x = X\n" == contents(build(root, "wheel"))["runpod/_sync/added.py"]


def test_editable_install_generates_the_sync_code(tree: Path) -> None:
    program = "from hatchling.build import build_editable; build_editable('.')"

    subprocess.run([sys.executable, "-c", program], cwd=tree, check=True, capture_output=True)

    assert GENERATED == (tree / "src" / "runpod" / "_sync" / "added.py").read_text(encoding="utf-8")
    assert not (tree / "src" / "runpod" / "_sync" / "stale.py").exists()


def test_a_source_that_cannot_be_converted_fails_the_build(tree: Path) -> None:
    (tree / "src" / "runpod" / "_async" / "added.py").write_text("x: Awaitable\n", encoding="utf-8")

    with pytest.raises(AssertionError, match=r"src/runpod/_async/added\.py: 'Awaitable' would remain in the sync code"):
        build(tree, "wheel")
