"""Builds the sdist and the wheel from the files of a commit, and checks them."""

from __future__ import annotations

import hashlib
import os
import sys
import tarfile
from typing import TYPE_CHECKING
from zipfile import ZipFile

from releasing.commands import clean_environment, run
from releasing.edits import ReleaseError

if TYPE_CHECKING:
    from pathlib import Path

    from releasing.repository import Repository


# Two builds differ in what must not matter: besides the folder, the umask, the time zone, and the order of sets.
BUILDS = {
    "first": (0o022, {"TZ": "UTC", "PYTHONHASHSEED": "1"}),
    "second/with/longer/path": (0o077, {"TZ": "Pacific/Chatham", "PYTHONHASHSEED": "2"}),
}
PACKAGE = "src/runpod/"


def build(repository: Repository, commit: str, folder: Path) -> list[Path]:
    """Build a commit twice, and return the sdist and the wheel of the first build.

    Each time the sdist is built, and the wheel from the sdist. The build is isolated: it gets the packages of
    `build-system.requires` and no others, so it also shows that they suffice. (The tests and `scripts/check` build
    without isolation, to save time.)

    Args:
        repository: Has the commit.
        commit: What to build. Its time is the time of the files in the packages.
        folder: For source and results.

    Raises:
        ReleaseError: A build failed, or the builds made different bytes.
    """
    seconds = repository.seconds_of(commit)
    builds = [
        build_once(repository, commit, folder / name, mask, SOURCE_DATE_EPOCH=seconds, **settings)
        for name, (mask, settings) in BUILDS.items()
    ]
    for first, second in zip(*builds, strict=True):
        if first.name != second.name:
            raise ReleaseError(f"Two builds of the same commit made {first.name} and {second.name}.")
        if checksum(first) != checksum(second):
            raise ReleaseError(
                f"Two builds of the same commit made different files {first.name}: {difference(first, second)}"
            )
    return builds[0]


def build_once(repository: Repository, commit: str, folder: Path, mask: int, **environment: str) -> list[Path]:
    """Build a commit in the folder, and return the sdist and the wheel.

    Raises:
        ReleaseError: The build failed, or its result is not one sdist and one wheel.
    """
    before = os.umask(mask)
    try:
        repository.export(commit, folder / "source")
        command = [sys.executable, "-m", "build", "--outdir", str(folder / "dist"), str(folder / "source")]
        run(command, folder, clean_environment(**environment))
    finally:
        os.umask(before)
    files = sorted((folder / "dist").iterdir(), key=lambda file: file.suffix)
    if [file.suffix for file in files] != [".gz", ".whl"]:
        raise ReleaseError(f"The build made {[file.name for file in files]}, not one sdist and one wheel.")
    return files


def difference(first: Path, second: Path) -> str:
    """Return which members of two archives differ."""
    members, others = contents(first), contents(second)
    names = sorted(name for name in {*members, *others} if members.get(name) != others.get(name))
    return ", ".join(names) or "the same contents, but other times, modes or order"


def contents(archive: Path) -> dict[str, bytes]:
    """Return the files in an sdist or a wheel."""
    if archive.suffix == ".whl":
        with ZipFile(archive) as wheel:
            return {name: wheel.read(name) for name in wheel.namelist()}
    with tarfile.open(archive) as sdist:
        files = {member.name: sdist.extractfile(member) for member in sdist if member.isfile()}
        return {name: file.read() for name, file in files.items() if file is not None}


def check_contents(repository: Repository, commit: str, files: list[Path]) -> None:
    """Check that the wheel has exactly the committed files of the package, such as its types and its web page.

    Raises:
        ReleaseError: A file is missing, or is not from the commit. The message lists these files.
    """
    committed = repository.git("ls-tree", "-r", "-z", "--name-only", commit, PACKAGE).split("\0")
    expected = {name.removeprefix("src/") for name in committed if name}
    wheel = {name for name in contents(files[1]) if not name.split("/")[0].endswith(".dist-info")}
    if expected != wheel:
        raise ReleaseError(
            f"The wheel does not have the files of the commit. Missing: {sorted(expected - wheel)}. "
            f"Not committed: {sorted(wheel - expected)}."
        )


def check_metadata(files: list[Path], folder: Path) -> None:
    """Check the metadata, and that the package index can show the README.

    Raises:
        ReleaseError: It cannot, or something is missing.
    """
    run([sys.executable, "-m", "twine", "check", "--strict", *files], folder)


def checksum(file: Path) -> str:
    """Return the SHA-256 checksum of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def checksums(folder: Path) -> str:
    """Return the text of `SHA256SUMS` for the files of a folder, as `sha256sum --check` reads it."""
    return "".join(f"{checksum(file)}  {file.name}\n" for file in sorted(folder.iterdir()))
