"""The released programs used by the tests, installed into `.conformance/` in the root of the repository.

Environments are kept between runs, and rebuilt when their requirements change.
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

# Name and version of the releases, on the npm registry and on PyPI.
JAVASCRIPT_SDK = ("runpod-sdk", "1.1.2")
PRISM = ("@stoplight/prism-cli", "5.14.2")
OFFICIAL_PACKAGE = ("runpod", "1.12.0")
# The other major version that is supported; the environment of the tests has the newest one.
OPENAI_PACKAGE = ("openai", "2.54.0")

FOLDER = Path(__file__).parents[2] / ".conformance"

# A file in each complete environment that holds its requirements.
_MARKER = "requirements.txt"

_INSTALL_TIMEOUT = 900.0  # seconds; the official package has more than a hundred dependencies
_VERSION_TIMEOUT = 30.0


class MissingProgramError(Exception):
    """A requirement of an environment is not installed and cannot be downloaded."""


@dataclass(frozen=True)
class NodeEnvironment:
    """Node.js, and a folder in which a package is installed."""

    node: str
    folder: Path


def javascript() -> NodeEnvironment:
    """Find Node.js, and install the JavaScript SDK if needed.

    Raises:
        MissingProgramError: There is no Node.js, no npm, or npm cannot install it.
    """
    return _npm("javascript", JAVASCRIPT_SDK)


def prism() -> NodeEnvironment:
    """Find Node.js, and install Prism if needed, a server that mocks an API by its description.

    Raises:
        MissingProgramError: There is no Node.js, no npm, or npm cannot install it.
    """
    return _npm("prism", PRISM)


def official_python() -> Path:
    """Return the Python executable of an environment with the official package, based on the running Python.

    Raises:
        MissingProgramError: pip cannot install it.
    """
    requirement = "==".join(OFFICIAL_PACKAGE)
    python = ".".join(map(str, sys.version_info[:3]))

    def make(folder: Path) -> None:
        _run([sys.executable, "-m", "venv", str(folder)], f"Python {python} cannot create an environment")
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement]
        _run([str(_python_of(folder)), *install], f"pip cannot install {requirement} on Python {python}")

    name = f"official-{OFFICIAL_PACKAGE[1]}-python{sys.version_info[0]}.{sys.version_info[1]}"
    return _python_of(_kept(name, f"{requirement}, Python {python} from {sys.base_prefix}", make))


def openai_package() -> Path:
    """Return a folder with the `openai` package, to be put on the path before the installed version.

    Raises:
        MissingProgramError: pip cannot install it.
    """
    requirement = "==".join(OPENAI_PACKAGE)

    def make(folder: Path) -> None:
        # The tests have what both versions need, and httpx; distro is needed by version 2 only.
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"]
        _run([sys.executable, *install, str(folder), requirement, "distro"], f"pip cannot install {requirement}")

    return _kept(f"openai-{OPENAI_PACKAGE[1]}", requirement, make)


def _npm(name: str, package: tuple[str, str]) -> NodeEnvironment:
    node, version = _program("node")
    npm, _ = _program("npm")
    requirement = "@".join(package)

    def make(folder: Path) -> None:
        # Without a package.json, npm would install into a parent folder that has one.
        (folder / "package.json").write_text('{"private": true}\n', encoding="utf-8")
        flags = ["--no-audit", "--no-fund", "--no-package-lock", "--no-save", "--ignore-scripts"]
        # By default npm retries for more than a minute without a connection.
        flags += ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"]
        _run([npm, "install", *flags, requirement], f"npm cannot install {requirement}", cwd=folder)

    return NodeEnvironment(node, _kept(f"{name}-{package[1]}", f"{requirement}, Node.js {version}", make))


def _kept(name: str, requirements: str, make: Callable[[Path], None]) -> Path:
    folder = FOLDER / name
    if _is_complete(folder, requirements):
        return folder
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / ".gitignore").write_text("*\n", encoding="utf-8")
    with _locked(name):
        if _is_complete(folder, requirements):  # Another process has built it in the meantime.
            return folder
        # Built under a temporary name, so that an interrupted build is never used.
        building = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=FOLDER))
        try:
            make(building)
            (building / _MARKER).write_text(requirements, encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            building.rename(folder)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return folder


@contextlib.contextmanager
def _locked(name: str) -> Iterator[None]:
    """Lock an environment, so that only one test process builds it."""
    with (FOLDER / f"{name}.lock").open("w") as file:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_complete(folder: Path, requirements: str) -> bool:
    marker = folder / _MARKER
    return marker.is_file() and marker.read_text(encoding="utf-8") == requirements


def _python_of(folder: Path) -> Path:
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"


def _program(name: str) -> tuple[str, str]:
    path = shutil.which(name)
    if path is None:
        raise MissingProgramError(f"{name} is not on PATH")
    # A command on PATH may be a shim that does not run.
    return path, _run([path, "--version"], f"{name} on PATH does not run", timeout=_VERSION_TIMEOUT).strip()


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
        raise MissingProgramError(f"{problem}: {error}") from None
    except subprocess.CalledProcessError as error:
        reasons = re.findall(r"^(?:npm )?err(?:or|!):? +(.+)", error.stderr, re.IGNORECASE | re.MULTILINE)
        raise MissingProgramError(f"{problem}: {' / '.join(reasons[:2]) or f'status {error.returncode}'}") from None
    return done.stdout
