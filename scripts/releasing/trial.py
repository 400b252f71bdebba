"""Tries the built packages as their users get them: in an empty environment of each Python, outside the checkout."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from releasing.commands import clean_environment, run
from releasing.edits import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Mapping

PROBE = Path(__file__).with_name("probe.py")
EXTRAS = "[cli,local]"


def try_packages(files: list[Path], version: str, pythons: Mapping[str, Path], folder: Path) -> None:
    """Install each file on each Python and use it, first without extras, then with some.

    Args:
        files: The sdist and the wheel.
        version: The version that they must have.
        pythons: The path of each Python by its version, such as `3.10`.
        folder: For the environments, which are deleted.

    Raises:
        ReleaseError: A file does not work. The message names it, and the Python.
    """
    for name, python in pythons.items():
        for file in files:
            kind = "wheel" if file.suffix == ".whl" else "sdist"
            print(f"   Python {name}, {kind}", flush=True)
            try:
                try_package(file, version, python, folder / f"{name}-{kind}")
            except ReleaseError as error:
                raise ReleaseError(f"The {kind} does not work on Python {name} ({python}). {error}") from error


def try_package(file: Path, version: str, base: Path, folder: Path) -> None:
    """Install a file into a new environment, use it, and delete the environment.

    Raises:
        ReleaseError: It does not work.
    """
    run([base, "-m", "venv", folder / "venv"], folder.parent)
    programs = folder / "venv" / "bin"
    python = programs / "python"
    # The own configuration file of whoever makes the release must not change the result.
    home = folder / "home"
    home.mkdir()
    alone = clean_environment(HOME=str(home))

    run([python, "-m", "pip", "install", "--quiet", file], folder)
    run([python, "-I", "-W", "error", PROBE, version], folder, alone)
    run([python, "-m", "pip", "check"], folder)

    run([python, "-m", "pip", "install", "--quiet", f"{file}{EXTRAS}"], folder)
    run([python, "-I", "-W", "error", PROBE, version, "with-extras"], folder, alone)
    printed = run([programs / "runpod-sdk", "--version"], folder, alone).strip()
    if printed != f"runpod-sdk {version}":
        raise ReleaseError(f"`runpod-sdk --version` printed {printed!r}.")
    run([python, "-m", "pip", "check"], folder)
    shutil.rmtree(folder)
