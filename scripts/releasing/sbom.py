"""Writes software bills of materials: what the packages of a release bring along when they are installed."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from releasing.commands import clean_environment, run
from releasing.edits import ReleaseError

if TYPE_CHECKING:
    from pathlib import Path

NAME = "runpod-sdk"
# Not for users.
DEVELOPMENT = {"dev"}


def write_sboms(wheel: Path, source: Path, version: str, seconds: str, folder: Path, target: Path) -> list[Path]:
    """Write an SBOM of the installation without extras, and one of that with all extras, and return both.

    They list the versions that are installed today; the wheel itself allows ranges.

    Args:
        wheel: The package.
        source: The folder of its `pyproject.toml`.
        version: The version of the package.
        seconds: The time of the SBOM, in seconds since 1970.
        folder: For the environments.
        target: The folder of the result.

    Raises:
        ReleaseError: The packages could not be installed, or an SBOM is not valid.
    """
    extras = ",".join(name for name in extras_of(wheel) if name not in DEVELOPMENT)
    written = []
    for kind, requirement in {"base": f"{wheel}", "all-extras": f"{wheel}[{extras}]"}.items():
        environment = folder / kind
        # Without pip, which would be listed. The Python is that of the environment that makes the release.
        run([sys.executable, "-m", "venv", "--without-pip", environment], folder)
        python = environment / "bin" / "python"
        run([sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", requirement], folder)
        file = target / f"{NAME}-{version}.{kind}.cdx.json"
        command = [sys.executable, "-m", "cyclonedx_py", "environment", "--mc-type", "library", "--output-reproducible"]
        command += ["--pyproject", str(source / "pyproject.toml"), "--output-file", str(file), str(python)]
        run(command, folder, clean_environment(SOURCE_DATE_EPOCH=seconds))
        text = with_own_version(file.read_text(encoding="utf-8"), version)
        file.write_text(text, encoding="utf-8")
        check_sbom(text)
        written.append(file)
    return written


def extras_of(wheel: Path) -> list[str]:
    """Return the names of the extras of a wheel."""
    from importlib.metadata import PathDistribution
    from zipfile import Path as ZipPath

    (metadata,) = [path for path in ZipPath(wheel).iterdir() if path.name.endswith(".dist-info")]
    return PathDistribution(metadata).metadata.get_all("Provides-Extra") or []


def with_own_version(text: str, version: str) -> str:
    """Return the SBOM with the version of this package, which `pyproject.toml` does not have."""
    sbom: dict[str, Any] = json.loads(text)
    component = sbom["metadata"]["component"]
    component["version"] = version
    component["purl"] = f"pkg:{package_type(sbom)}/{NAME}@{version}"
    return json.dumps(sbom, indent=2, ensure_ascii=False) + "\n"


def package_type(sbom: dict[str, Any]) -> str:
    """Return the type in the package URLs of the dependencies, which are Python packages as well."""
    purl: str = sbom["components"][0]["purl"]
    return purl.removeprefix("pkg:").partition("/")[0]


def check_sbom(text: str) -> None:
    """Check that the SBOM is valid, lists packages, and tells nothing about this machine.

    Raises:
        ReleaseError: It does not.
    """
    sbom: dict[str, Any] = json.loads(text)
    problem = JsonStrictValidator(SchemaVersion.from_version(sbom["specVersion"])).validate_str(text)
    if problem is not None:
        raise ReleaseError(f"The SBOM is not valid: {problem}")
    names = {component["name"] for component in sbom["components"]}
    if "httpx" not in names:
        raise ReleaseError(f"The SBOM does not list httpx, but only {sorted(names)}.")
    if "file:" in text:
        raise ReleaseError("The SBOM contains the path of a file on this machine.")
