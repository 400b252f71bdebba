"""Versions, and the edits of a release: from texts to texts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import tomli
from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

CLASSIFIER = re.compile(r"Programming Language :: Python :: (3\.\d+)")
HEADING = re.compile(r"^## \[(?P<name>[^]\n]+)\](?P<rest>.*)$", re.MULTILINE)
VERSION_LINE = re.compile(r'^__version__ = "([^"\n]*)"$', re.MULTILINE)


class ReleaseError(Exception):
    """The release was refused, or a step of it failed. The message says what to do."""


def valid_version(text: str) -> Version:
    """Return the version.

    Raises:
        ReleaseError: It is not a version as PEP 440 writes it, with three numbers and no local part.
    """
    try:
        version = Version(text)
    except InvalidVersion:
        raise ReleaseError(f"{text!r} is not a version. Write it like 0.2.0, or like 0.2.0rc1.") from None
    if version.local is not None or version.epoch != 0:
        raise ReleaseError(f"{text!r} has an epoch or a local part, which a release cannot have. Leave it out.")
    if len(version.release) != 3:
        raise ReleaseError(f"{text!r} does not have three numbers. Write it like 0.2.0.")
    if str(version) != text:
        raise ReleaseError(f"{text!r} is not how the version is written. Write {version}.")
    return version


def next_version(current: str, released: Iterable[str]) -> str:
    """Return the current version if it is not released yet, and otherwise the one after it."""
    version = Version(current)
    earlier = [Version(name) for name in released]
    if all(version > other for other in earlier):
        return current
    major, minor, micro = max([version, *earlier]).release
    return f"{major}.{minor}.{micro + 1}"


def check_is_greater(version: str, current: str, released: Iterable[str]) -> None:
    """Check that the version can follow the current one, and all released ones.

    Raises:
        ReleaseError: It cannot.
    """
    wanted = valid_version(version)
    if wanted < Version(current):
        raise ReleaseError(f"{version} is less than {current}, the version in the code. Choose a greater one.")
    for other in released:
        if wanted <= Version(other):
            raise ReleaseError(f"{version} is not greater than {other}, which was released. Choose a greater one.")


def version_in(code: str) -> str:
    """Return the version that the text of `_version.py` sets.

    Raises:
        ReleaseError: Not exactly one line sets it.
    """
    found = VERSION_LINE.findall(code)
    if len(found) != 1:
        raise ReleaseError(f'{len(found)} lines of _version.py are like __version__ = "0.1.0"; there must be one.')
    return str(found[0])


def with_version(code: str, version: str) -> str:
    """Return the text of `_version.py` with another version.

    Raises:
        ReleaseError: Not exactly one line sets it.
    """
    version_in(code)
    return VERSION_LINE.sub(f'__version__ = "{version}"', code)


def sections(changelog: str) -> dict[str, str]:
    """Return the text of each section of the changelog by its name: `Unreleased`, and versions.

    Raises:
        ReleaseError: Two sections have the same name.
    """
    headings = list(HEADING.finditer(changelog))
    bounds = [*(heading.start() for heading in headings), len(changelog)]
    found: dict[str, str] = {}
    for heading, end in zip(headings, bounds[1:], strict=True):
        name = heading["name"]
        if name in found:
            raise ReleaseError(f"CHANGELOG.md has two sections [{name}]. Merge them.")
        found[name] = changelog[heading.end() : end].strip()
    return found


def released_in(changelog: str) -> list[str]:
    """Return the versions that have a section in the changelog."""
    return [str(valid_version(name)) for name in sections(changelog) if name != "Unreleased"]


def with_release(changelog: str, version: str, day: date) -> str:
    """Return the changelog with the section `Unreleased` as the one of the version, and a new empty one above it.

    Raises:
        ReleaseError: There is no such section, it says nothing, or the version has a section already.
    """
    found = sections(changelog)
    if version in found:
        raise ReleaseError(f"CHANGELOG.md already has a section [{version}].")
    if "Unreleased" not in found:
        raise ReleaseError("CHANGELOG.md has no line '## [Unreleased]'. Add it above the newest section.")
    # A subheading alone says nothing.
    if not any(line.strip() and not line.startswith("#") for line in found["Unreleased"].splitlines()):
        raise ReleaseError("The section [Unreleased] of CHANGELOG.md is empty. Write what the release changes.")
    if next(iter(found)) != "Unreleased":
        raise ReleaseError("In CHANGELOG.md, [Unreleased] is not the first section. Move it to the top.")
    heading = next(match for match in HEADING.finditer(changelog) if match["name"] == "Unreleased")
    new = f"## [Unreleased]\n\n## [{version}] - {day.isoformat()}"
    return changelog[: heading.start()] + new + changelog[heading.end() :]


def notes(changelog: str, version: str) -> str:
    """Return what the changelog says about a version.

    Raises:
        ReleaseError: It has no section for it.
    """
    found = sections(changelog)
    if version not in found:
        raise ReleaseError(f"CHANGELOG.md has no section [{version}]. It has: {', '.join(found) or 'none'}.")
    return found[version] + "\n"


def pythons_of(pyproject: str) -> list[str]:
    """Return the Pythons that the classifiers name, such as `3.10`."""
    classifiers = tomli.loads(pyproject)["project"]["classifiers"]
    return [match[1] for match in map(CLASSIFIER.fullmatch, classifiers) if match]


def check_pythons(classified: Iterable[str], tried: Iterable[str], without: Iterable[str]) -> None:
    """Check that every Python of the classifiers is among those that the packages are tried on.

    Raises:
        ReleaseError: One is not, and was not excepted.
    """
    missing = [name for name in classified if name not in {*tried, *without}]
    if missing:
        raise ReleaseError(
            f"Named by the classifiers, but not found here, so that nothing was tried on it: Python {', '.join(missing)}. "
            "Install it, remove its classifier, or pass " + " ".join(f"--without-python {name}" for name in missing)
        )
