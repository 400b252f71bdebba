"""The released programs that the tests run, installed below `.conformance/` in the root of the repository.

Installing takes a while, so an environment is kept, and made again once something it follows from has changed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The one place that says which releases: a name and a version on the npm registry and on PyPI.
JAVASCRIPT_SDK = ("runpod-sdk", "1.1.2")
OFFICIAL_PACKAGE = ("runpod", "1.12.0")

FOLDER = Path(__file__).parents[2] / ".conformance"

# Made of what it was, inside of an environment that is whole.
_MARK = "made-of.txt"

_INSTALL_TIMEOUT = 900.0  # seconds; the official package brings more than a hundred others
_ASK_TIMEOUT = 30.0


class NotAtHandError(Exception):
    """What an environment needs is not on this machine, or cannot be fetched."""


@dataclass(frozen=True)
class NodeEnvironment:
    """Node.js, and a folder in which the JavaScript SDK is installed."""

    node: str
    folder: Path


def javascript() -> NodeEnvironment:
    """Find Node.js, and install the JavaScript SDK unless it is.

    Raises:
        NotAtHandError: There is no Node.js, no npm, or npm cannot install it.
    """
    node, version = _program("node")
    npm, _ = _program("npm")
    requirement = "@".join(JAVASCRIPT_SDK)

    def make(folder: Path) -> None:
        # A file of its own, or npm would install into a folder further up that has one.
        (folder / "package.json").write_text('{"private": true}\n', encoding="utf-8")
        flags = ["--no-audit", "--no-fund", "--no-package-lock", "--no-save", "--ignore-scripts"]
        # By itself it waits for more than a minute before it says that it has no connection.
        flags += ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"]
        _run([npm, "install", *flags, requirement], f"npm cannot install {requirement}", cwd=folder)

    name = f"javascript-{JAVASCRIPT_SDK[1]}"
    return NodeEnvironment(node, _kept(name, f"{requirement}, Node.js {version}", make))


def official_python() -> Path:
    """Give the Python of an environment with the official package, made with the Python that runs this.

    Raises:
        NotAtHandError: pip cannot install it.
    """
    requirement = "==".join(OFFICIAL_PACKAGE)
    python = ".".join(map(str, sys.version_info[:3]))

    def make(folder: Path) -> None:
        _run([sys.executable, "-m", "venv", str(folder)], f"Python {python} cannot make an environment")
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement]
        _run([str(_python_of(folder)), *install], f"pip cannot install {requirement} on Python {python}")

    name = f"official-{OFFICIAL_PACKAGE[1]}-python{sys.version_info[0]}.{sys.version_info[1]}"
    return _python_of(_kept(name, f"{requirement}, Python {python} from {sys.base_prefix}", make))


def _kept(name: str, made_of: str, make: Callable[[Path], None]) -> Path:
    folder = FOLDER / name
    if _is_whole(folder, made_of):
        return folder
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / ".gitignore").write_text("*\n", encoding="utf-8")
    with _alone(name):
        if _is_whole(folder, made_of):  # Another process of this run was faster.
            return folder
        # Under another name until it is whole: a run that is ended here leaves nothing that looks whole.
        building = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=FOLDER))
        try:
            make(building)
            (building / _MARK).write_text(made_of, encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            building.rename(folder)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return folder


@contextlib.contextmanager
def _alone(name: str) -> Iterator[None]:
    """Let one process at a time make an environment: the tests run in several, and it takes a while."""
    with (FOLDER / f"{name}.lock").open("w") as file:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_whole(folder: Path, made_of: str) -> bool:
    mark = folder / _MARK
    return mark.is_file() and mark.read_text(encoding="utf-8") == made_of


def _python_of(folder: Path) -> Path:
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"


def _program(name: str) -> tuple[str, str]:
    path = shutil.which(name)
    if path is None:
        raise NotAtHandError(f"{name} is not on PATH")
    # A name on PATH may be a stand-in that does not run.
    return path, _run([path, "--version"], f"{name} on PATH does not run", timeout=_ASK_TIMEOUT).strip()


def _run(command: list[str], problem: str, *, cwd: Path | None = None, timeout: float = _INSTALL_TIMEOUT) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COVERAGE"))}
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotAtHandError(f"{problem}: {error}") from None
    except subprocess.CalledProcessError as error:
        reasons = re.findall(r"^(?:npm )?err(?:or|!):? +(.+)", error.stderr, re.IGNORECASE | re.MULTILINE)
        raise NotAtHandError(f"{problem}: {' / '.join(reasons[:2]) or f'status {error.returncode}'}") from None
    return done.stdout
