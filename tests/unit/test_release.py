"""`scripts/release`: versions, the changelog, SBOMs, and the commands that it runs."""

from __future__ import annotations

import json
import sys
from datetime import date
from typing import TYPE_CHECKING

import pytest

from releasing import edits, sbom
from releasing.commands import clean_environment, run
from releasing.edits import ReleaseError

if TYPE_CHECKING:
    from pathlib import Path

DAY = date(2027, 3, 4)
VERSION_FILE = '"""The version."""\n\n__version__ = "0.1.0"\n'
CHANGELOG = """# Changelog

Prose with a [link](x).

## [Unreleased]

### Added

- Horses.

## [0.1.0] - 2027-01-02

The first version.
"""


def test_a_released_changelog_has_a_new_empty_section() -> None:
    expected = CHANGELOG.replace("## [Unreleased]\n", "## [Unreleased]\n\n## [0.2.0] - 2027-03-04\n")

    released = edits.with_release(CHANGELOG, "0.2.0", DAY)

    assert expected == released
    assert {"Unreleased": "", "0.2.0": "### Added\n\n- Horses.", "0.1.0": "The first version."} == edits.sections(
        released
    )
    assert "### Added\n\n- Horses.\n" == edits.notes(released, "0.2.0")
    assert ["0.2.0", "0.1.0"] == edits.released_in(released)


@pytest.mark.parametrize(
    ("changelog", "message"),
    [
        ("", "no line '## "),
        ("## [0.1.0] - 2027-01-02\n\nText.\n", "no line '## "),
        ("## [Unreleased]\n", "is empty"),
        ("## [Unreleased]\n\n### Added\n\n## [0.1.0] - 2027-01-02\n\nText.\n", "is empty"),
        (CHANGELOG.replace("0.1.0", "0.2.0"), r"already has a section \[0\.2\.0\]"),
        ("## [0.1.0]\n\nOld.\n\n## [Unreleased]\n\nNew.\n", "not the first section"),
        ("## [Unreleased]\n\nNew.\n\n## [Unreleased]\n\nNew.\n", r"two sections \[Unreleased\]"),
    ],
)
def test_a_changelog_that_cannot_be_released(changelog: str, message: str) -> None:
    with pytest.raises(ReleaseError, match=message):
        edits.with_release(changelog, "0.2.0", DAY)


def test_notes_of_an_unknown_version() -> None:
    with pytest.raises(ReleaseError, match=r"no section \[9\.9\.9\]. It has: Unreleased, 0\.1\.0"):
        edits.notes(CHANGELOG, "9.9.9")


def test_the_version_file() -> None:
    assert VERSION_FILE.replace("0.1.0", "0.2.0") == edits.with_version(VERSION_FILE, "0.2.0")
    for text in ("", VERSION_FILE * 2):
        with pytest.raises(ReleaseError, match="there must be one"):
            edits.with_version(text, "0.2.0")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a version"),
        ("next", "not a version"),
        ("1.0.0; rm -rf /", "not a version"),
        ("0.2", "three numbers"),
        ("v0.2.0", r"Write 0\.2\.0"),
        ("0.2.0-rc.1", r"Write 0\.2\.0rc1"),
        ("0.2.0+local", "local part"),
        ("1!0.2.0", "epoch"),
    ],
)
def test_what_is_not_a_version(text: str, message: str) -> None:
    with pytest.raises(ReleaseError, match=message):
        edits.valid_version(text)


@pytest.mark.parametrize("version", ["0.2.0", "0.2.1", "1.0.0a1", "0.2.0rc1"])
def test_versions_that_can_follow(version: str) -> None:
    edits.check_is_greater(version, "0.1.0", ["0.1.0", "0.2.0a1"])


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("0.1.0", r"not greater than 0\.1\.0, which was released"),
        ("0.9.9", r"not greater than 0\.10\.0, which was released"),
        ("0.0.9", r"less than 0\.1\.0, the version in the code"),
        ("0.10.0rc1", r"not greater than 0\.10\.0, which was released"),
    ],
)
def test_versions_that_cannot_follow(version: str, message: str) -> None:
    with pytest.raises(ReleaseError, match=message):
        edits.check_is_greater(version, "0.1.0", ["0.1.0", "0.10.0"])


def test_the_version_of_a_rehearsal() -> None:
    assert "0.1.0" == edits.next_version("0.1.0", [])
    assert "0.10.1" == edits.next_version("0.9.0", ["0.9.0", "0.10.0"])


def test_every_classified_python_must_be_tried() -> None:
    edits.check_pythons(["3.10", "3.11"], ["3.10", "3.11", "3.12"], [])
    edits.check_pythons(["3.10", "3.99"], ["3.10"], ["3.99"])
    with pytest.raises(ReleaseError, match=r"Python 3\.98, 3\.99\. .*--without-python 3\.98 --without-python 3\.99"):
        edits.check_pythons(["3.10", "3.98", "3.99"], ["3.10"], [])


def test_an_sbom_must_be_valid_and_say_nothing_about_this_machine() -> None:
    def document(**changes: object) -> str:
        component = {"type": "library", "name": "httpx", "version": "1", "purl": "pkg:type/httpx@1", **changes}
        return json_text({"components": [component]})

    complete = sbom.with_own_version(document(), "0.2.0")

    assert '"purl": "pkg:type/runpod-sdk@0.2.0"' in complete
    assert '"version": "0.2.0"' in complete
    sbom.check_sbom(complete)
    with pytest.raises(ReleaseError, match="not valid"):
        sbom.check_sbom(document(type="horse"))
    with pytest.raises(ReleaseError, match="does not list httpx"):
        sbom.check_sbom(document(name="other"))
    with pytest.raises(ReleaseError, match="path of a file"):
        sbom.check_sbom(document(description="file:///home/me/wheel"))


def json_text(content: dict[str, object]) -> str:
    head = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}
    return json.dumps({**head, "metadata": {"component": {"type": "library", "name": "runpod-sdk"}}, **content})


def test_a_failed_command_shows_what_it_printed(tmp_path: Path) -> None:
    code = "import sys; print('on stdout', flush=True); print('on stderr', file=sys.stderr); sys.exit(3)"

    with pytest.raises(ReleaseError, match=r"(?s)exit status 3: .*\non stdout\non stderr$"):
        run([sys.executable, "-c", code], tmp_path)


def test_commands_do_not_get_settings_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_DIR", "PYTHONPATH", "RUNPOD_API_KEY", "COVERAGE_PROCESS_START"):
        monkeypatch.setenv(name, "horse")

    assert "horse" not in clean_environment(OWN="mule").values()
    assert "mule" == clean_environment(OWN="mule")["OWN"]
