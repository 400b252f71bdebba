"""`scripts/release` on a repository: what it refuses, what it changes, and that it changes all or nothing."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import NoReturn
from zipfile import ZipFile

import pytest

from releasing import __main__ as program
from releasing import distributions, edits, trial
from releasing import flow as release_flow
from releasing.edits import ReleaseError
from releasing.repository import Repository
from tests.unit.test_release import CHANGELOG, VERSION_FILE


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with what a release edits, in which building writes one file."""
    # Neither the settings of this machine nor of the user.
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    root = tmp_path / "repository"
    (root / "src" / "runpod").mkdir(parents=True)
    (root / "src" / "runpod" / "_version.py").write_text(VERSION_FILE, encoding="utf-8")
    (root / "CHANGELOG.md").write_text(CHANGELOG, encoding="utf-8")
    (root / ".gitignore").write_text("/dist/\n", encoding="utf-8")
    classifiers = '["Programming Language :: Python :: 3 :: Only", "Programming Language :: Python :: 3.11"]'
    (root / "pyproject.toml").write_text(f"[project]\nclassifiers = {classifiers}\n", encoding="utf-8")
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "config", "user.name", "Somebody")
    git(root, "config", "user.email", "somebody@example.com")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=Start")
    git(root, "tag", "v0.1.0")

    def make(_self: object, repository: Repository, commit: str, version: str, folder: Path) -> None:
        (folder / "result").mkdir()
        text = repository.git("show", f"{commit}:src/runpod/_version.py")
        (folder / "result" / f"{version}.txt").write_text(text, encoding="utf-8")

    monkeypatch.setattr(release_flow.Flow, "make", make)
    return root


def state(root: Path) -> dict[str, str]:
    """Everything that a failed release must not change."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and ".git" not in path.parts]
    return {
        "files": str({str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}),
        "references": git(root, "for-each-ref"),
        "head": git(root, "rev-parse", "--abbrev-ref", "HEAD") + git(root, "rev-parse", "HEAD"),
        "index": git(root, "ls-files", "--stage"),
        "status": git(root, "status", "--porcelain"),
        "objects": str(sorted((root / ".git" / "objects").rglob("*"))),
    }


def release(root: Path, *arguments: str) -> int:
    return program.main([*arguments, "--python", "3.11=/nowhere/python"], root)


def test_a_release(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = git(root, "rev-parse", "HEAD")

    assert 0 == release(root, "0.2.0")

    assert "git push --atomic origin main v0.2.0\n" in capfd.readouterr().out
    assert "" == git(root, "status", "--porcelain")
    assert ["main", "Release 0.2.0", before] == [
        git(root, "branch", "--show-current"),
        git(root, "log", "-1", "--format=%B"),
        git(root, "rev-parse", "HEAD~1"),
    ]
    assert {"CHANGELOG.md", "src/runpod/_version.py"} == set(git(root, "diff", "--name-only", "HEAD~1").split())
    assert "tag" == git(root, "cat-file", "-t", "v0.2.0")
    assert git(root, "rev-parse", "HEAD") == git(root, "rev-parse", "v0.2.0^{commit}")
    assert "Somebody" == git(root, "log", "-1", "--format=%an")
    assert VERSION_FILE.replace("0.1.0", "0.2.0") == (root / "src/runpod/_version.py").read_text(encoding="utf-8")
    assert ["0.2.0", "0.1.0"] == edits.released_in((root / "CHANGELOG.md").read_text(encoding="utf-8"))
    assert ["0.2.0.txt"] == [path.name for path in (root / "dist" / "0.2.0").iterdir()]
    assert ["0.2.0"] == [path.name for path in (root / "dist").iterdir()]
    assert '__version__ = "0.2.0"' in (root / "dist" / "0.2.0" / "0.2.0.txt").read_text(encoding="utf-8")
    git(root, "fsck", "--strict")


def test_the_same_release_again_only_builds(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == release(root, "0.2.0")
    before = state(root)
    (root / "dist" / "0.2.0" / "0.2.0.txt").unlink()

    assert 0 == release(root, "0.2.0")

    assert before == state(root)
    assert "tagged already: only the packages are built" in capsys.readouterr().out


def test_a_rehearsal_changes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = state(root)

    assert 0 == release(root, "check")

    assert before == state(root)
    assert "To release it: scripts/release 0.1.1\n" in capsys.readouterr().out


@pytest.mark.parametrize("what", ["0.2.0", "check"])
@pytest.mark.parametrize(
    ("cause", "status"), [(ReleaseError("The wheel is broken."), 1), (KeyboardInterrupt(), 130), (SystemExit(143), 143)]
)
def test_a_release_that_ends_early_changes_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, what: str, cause: BaseException, status: int
) -> None:
    def make(*_arguments: object) -> NoReturn:
        raise cause

    monkeypatch.setattr(release_flow.Flow, "make", make)
    before = state(root)

    if isinstance(cause, SystemExit):
        with pytest.raises(SystemExit):
            release(root, what)
    else:
        assert status == release(root, what)

    assert before == state(root)


def test_a_commit_during_the_release_stops_it(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make = release_flow.Flow.make

    def commit_meanwhile(self: release_flow.Flow, *arguments: object) -> None:
        make(self, *arguments)  # type: ignore[arg-type]
        git(root, "commit", "--quiet", "--allow-empty", "--message=Meanwhile")

    monkeypatch.setattr(release_flow.Flow, "make", commit_meanwhile)

    assert 1 == release(root, "0.2.0")

    assert "refs/heads/main" in capsys.readouterr().err
    assert "Meanwhile" == git(root, "log", "-1", "--format=%s")
    assert "v0.1.0" == git(root, "tag")
    assert "" == git(root, "status", "--porcelain")
    assert [] == list((root / "dist").iterdir())


def test_a_release_that_fails_keeps_earlier_packages(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_arguments: object) -> NoReturn:
        raise ReleaseError("The branch was changed.")

    monkeypatch.setattr(Repository, "publish", refuse)
    earlier = root / "dist" / "0.2.0" / "earlier.txt"
    earlier.parent.mkdir(parents=True)
    earlier.touch()
    before = state(root)

    assert 1 == release(root, "0.2.0")

    assert before == state(root)
    assert "Not released. The branch was changed." in capsys.readouterr().err


def test_a_full_disk_is_an_error_and_no_traceback(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_arguments: object) -> NoReturn:
        raise OSError("No space left on device")

    monkeypatch.setattr(release_flow.Flow, "make", full)
    before = state(root)

    assert 1 == release(root, "0.2.0")

    assert before == state(root)
    assert "Not released. No space left on device" in capsys.readouterr().err


def test_an_interrupt_after_the_release_says_that_it_was_made(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keep = release_flow.Flow.keep

    def interrupt(self: release_flow.Flow, staged: Path, version: str) -> None:
        keep(self, staged, version)
        raise KeyboardInterrupt

    monkeypatch.setattr(release_flow.Flow, "keep", interrupt)

    assert 130 == release(root, "0.2.0")

    assert "Interrupted. The version is committed and tagged." in capsys.readouterr().err
    assert git(root, "rev-parse", "HEAD") == git(root, "rev-parse", "v0.2.0^{commit}")
    assert ["0.2.0"] == [path.name for path in (root / "dist").iterdir()]


def test_ctrl_c_while_the_commit_arrives_is_too_late(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_git = Repository.git

    def interrupt(self: Repository, *arguments: str, **options: str | None) -> str:
        if arguments[0] == "update-ref":
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
        return run_git(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Repository, "git", interrupt)

    assert 0 == release(root, "0.2.0")

    assert "Committed and tagged v0.2.0." in capsys.readouterr().out
    assert git(root, "rev-parse", "HEAD") == git(root, "rev-parse", "v0.2.0^{commit}")
    assert (root / "dist" / "0.2.0").is_dir()


def test_an_edit_during_the_release_stops_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = release_flow.Flow.make

    def edit_meanwhile(self: release_flow.Flow, *arguments: object) -> None:
        make(self, *arguments)  # type: ignore[arg-type]
        (root / "CHANGELOG.md").write_text("mine", encoding="utf-8")

    monkeypatch.setattr(release_flow.Flow, "make", edit_meanwhile)

    assert 1 == release(root, "0.2.0")

    assert "mine" == (root / "CHANGELOG.md").read_text(encoding="utf-8")
    assert ["v0.1.0", "Start"] == [git(root, "tag"), git(root, "log", "-1", "--format=%s")]


@pytest.mark.parametrize(
    ("setup", "arguments", "message"),
    [
        (["switch", "--quiet", "--create", "topic"], ["0.2.0"], "made from main, but this is on the branch topic"),
        (["switch", "--quiet", "--detach"], ["0.2.0"], "made from main, but this is on no branch"),
        (["tag", "v0.2.0", "v0.1.0"], ["0.1.5"], r"not greater than 0\.2\.0"),
        (["rm", "--quiet", ".gitignore"], ["0.2.0"], "uncommitted changes"),
        (["config", "user.signingKey", "0" * 40], ["0.2.0"], "A command failed .* tag --sign"),
        (["status"], ["0.2"], "three numbers"),
        (["status"], ["v0.2.0"], r"Write 0\.2\.0"),
        (["status"], ["check", "0.0.1"], r"less than 0\.1\.0"),
        (["commit", "--quiet", "--allow-empty", "--message=x"], ["0.1.0"], "The tag v0.1.0 exists already"),
        (["commit", "--quiet", "--allow-empty", "--message=x"], ["dist"], r"The tag v0\.1\.0 is not checked out"),
    ],
)
def test_what_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str], setup: list[str], arguments: list[str], message: str
) -> None:
    git(root, *setup)
    before = state(root)

    assert 1 == release(root, *arguments)

    assert before == state(root)
    assert re.search(message, capsys.readouterr().err)


def test_an_untracked_file_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "horse.py").touch()

    assert 1 == release(root, "0.2.0")

    assert "?? horse.py" in capsys.readouterr().err


def test_a_classified_python_that_is_not_installed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == program.main(["0.2.0", "--python", "3.12=/nowhere/python"], root)
    assert "nothing was tried on it: Python 3.11." in capsys.readouterr().err

    assert 0 == program.main(["check", "--python", "3.12=/nowhere/python", "--without-python", "3.11"], root)
    assert "Also tried on Python 3.12. Before it gets a classifier" in capsys.readouterr().out


def test_the_packages_of_a_tag(root: Path) -> None:
    git(root, "switch", "--quiet", "--detach", "v0.1.0")
    before = {name: value for name, value in state(root).items() if name != "files"}

    assert 0 == release(root, "dist")

    assert ["0.1.0.txt"] == [path.name for path in (root / "dist" / "0.1.0").iterdir()]
    assert before == {name: value for name, value in state(root).items() if name != "files"}


def test_notes_are_printed(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert 0 == release(root, "notes")
    assert "The first version.\n" == capfd.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["horse"], ["dist", "0.1.0"], ["0.2.0", "0.3.0"]])
def test_arguments_that_make_no_sense(root: Path, arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        program.main(arguments, root)


def test_a_file_that_the_wheel_lacks_or_adds(root: Path, tmp_path: Path) -> None:
    repository = Repository(root)
    commit = git(root, "rev-parse", "HEAD")
    wheel = tmp_path / "runpod_sdk-0.1.0-py3-none-any.whl"

    def check(*names: str) -> None:
        with ZipFile(wheel, "w") as archive:
            for name in ("runpod_sdk-0.1.0.dist-info/METADATA", *names):
                archive.writestr(name, "")
        distributions.check_contents(repository, commit, [tmp_path / "sdist", wheel])

    check("runpod/_version.py")
    with pytest.raises(ReleaseError, match=r"Missing: \['runpod/_version\.py'\]"):
        check()
    with pytest.raises(ReleaseError, match=r"Not committed: \['runpod/horse\.py'\]"):
        check("runpod/_version.py", "runpod/horse.py")
    assert "runpod/_version.py" == distributions.difference(wheel, written(tmp_path / "other.whl", {}))


def written(wheel: Path, files: dict[str, str]) -> Path:
    with ZipFile(wheel, "w") as archive:
        for name, text in {"runpod_sdk-0.1.0.dist-info/METADATA": "", "runpod/horse.py": "", **files}.items():
            archive.writestr(name, text)
    return wheel


def test_a_package_that_does_not_work_is_named(tmp_path: Path) -> None:
    wheel = written(tmp_path / "runpod_sdk-0.1.0-py3-none-any.whl", {})

    with pytest.raises(ReleaseError, match=r"The wheel does not work on Python 3\.11 \(/nowhere/python\)"):
        trial.try_packages([wheel], "0.1.0", {"3.11": Path("/nowhere/python")}, tmp_path)


def test_checksums_are_those_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "horse").write_bytes(b"a horse")

    assert f"{hashlib.sha256(b'a horse').hexdigest()}  horse\n" == distributions.checksums(tmp_path)
