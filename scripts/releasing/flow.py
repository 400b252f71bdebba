"""What a release does, in order."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from releasing import distributions, edits, trial
from releasing.edits import ReleaseError
from releasing.repository import Prepared, Repository, uninterrupted
from releasing.sbom import write_sboms

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CHANGELOG = "CHANGELOG.md"
VERSION_FILE = "src/runpod/_version.py"


class Flow:
    """Makes and rehearses releases of one repository.

    Args:
        root: The root folder of the repository.
        pythons: The path of each Python to try the packages on by its version, such as `3.10`.
        without: Pythons of the classifiers that need not be tried.
        branch: The branch that releases are made from.
    """

    def __init__(self, root: Path, pythons: Mapping[str, Path], without: Sequence[str], branch: str) -> None:
        self.root = root
        self.pythons = pythons
        self.without = without
        self.branch = branch
        self.repository = Repository(root)
        self.is_published = False
        """Whether the commit and the tag of a release are in the repository."""

    def release(self, version: str) -> None:
        """Commit, tag and build the version. A second call with the same version only builds it again.

        Raises:
            ReleaseError: It was refused, or failed. Nothing was changed then.
        """
        edits.valid_version(version)
        tagged = self.repository.commit_of(f"refs/tags/v{version}")
        if tagged is not None:
            if tagged != self.repository.commit_of("HEAD"):
                raise ReleaseError(f"The tag v{version} exists already. Choose a greater version.")
            print(f"{version} is committed and tagged already: only the packages are built.")
            self.dist()
        else:
            with temporary_folder() as folder:
                prepared = self.prepare(version, folder)
                self.make(Repository(prepared.repository), prepared.commit, version, folder)
                with self.staged(folder / "result", version) as staged, uninterrupted():
                    self.repository.publish(prepared, self.branch)
                    self.is_published = True
                    self.keep(staged, version)
                print(f"Committed and tagged v{version}.")
        print(
            f"\nNothing was sent anywhere. Look at it: git show v{version}; ls dist/{version}\n"
            f"Publish it, which the workflow release.yml does when the tag arrives:\n"
            f"    git push --atomic origin {self.branch} v{version}\n"
            f"Or undo it:\n"
            f"    git tag --delete v{version} && git reset --keep HEAD~1"
        )

    def check(self, version: str | None) -> None:
        """Do all that a release does, and change nothing.

        Raises:
            ReleaseError: A release would be refused, or would fail.
        """
        if version is None:
            version = edits.next_version(edits.version_in(self.read(VERSION_FILE)), self.released())
        with temporary_folder() as folder:
            prepared = self.prepare(version, folder)
            self.make(Repository(prepared.repository), prepared.commit, version, folder)
        print(f"Nothing was changed. To release it: scripts/release {version}")

    def dist(self) -> None:
        """Build the tagged version that is checked out, and change nothing but the folder `dist`.

        Raises:
            ReleaseError: No tag of this version is checked out, there are changes, or a step failed.
        """
        version = edits.version_in(self.read(VERSION_FILE))
        commit = self.repository.commit_of("HEAD")
        if commit is None or self.repository.commit_of(f"refs/tags/v{version}") != commit:
            raise ReleaseError(f"The tag v{version} is not checked out. Run: git switch --detach v{version}")
        self.repository.check_is_clean()
        edits.notes(self.read(CHANGELOG), version)
        self.check_pythons()
        with temporary_folder() as folder:
            self.make(self.repository, commit, version, folder)
            with self.staged(folder / "result", version) as staged, uninterrupted():
                self.keep(staged, version)

    def notes(self, version: str | None) -> str:
        """Return what the changelog says about a version, by default about the one in the code.

        Raises:
            ReleaseError: It has no section for it.
        """
        return edits.notes(self.read(CHANGELOG), version or edits.version_in(self.read(VERSION_FILE)))

    def read(self, name: str) -> str:
        """Return the text of a file of the repository."""
        return (self.root / name).read_text(encoding="utf-8")

    def released(self) -> list[str]:
        """Return the versions that have a tag or a section in the changelog."""
        return [*self.repository.released(), *edits.released_in(self.read(CHANGELOG))]

    def check_pythons(self) -> None:
        """Check that the packages will be tried on the Pythons of the classifiers, and say which others could be added.

        Raises:
            ReleaseError: One of them is not installed.
        """
        classified = edits.pythons_of(self.read("pyproject.toml"))
        edits.check_pythons(classified, self.pythons, self.without)
        others = [name for name in self.pythons if name not in classified]
        if others:
            print(f"Also tried on Python {', '.join(others)}. Before it gets a classifier, run scripts/test-all on it.")

    def prepare(self, version: str, folder: Path) -> Prepared:
        """Check everything that can be checked before the build, and make commit and tag in a temporary repository.

        Raises:
            ReleaseError: The release was refused.
        """
        self.repository.check_is_clean()
        self.repository.check_branch(self.branch)
        code, changelog = self.read(VERSION_FILE), self.read(CHANGELOG)
        edits.check_is_greater(version, edits.version_in(code), self.released())
        self.check_pythons()
        files = {
            VERSION_FILE: edits.with_version(code, version),
            CHANGELOG: edits.with_release(changelog, version, datetime.now(timezone.utc).date()),
        }
        return self.repository.prepare(folder, files, f"Release {version}", f"v{version}")

    def make(self, repository: Repository, commit: str, version: str, folder: Path) -> None:
        """Build and try the packages of a commit. They are in the folder `result` then, with SBOMs and checksums.

        Raises:
            ReleaseError: A step failed.
        """
        result = folder / "result"
        result.mkdir()
        with step("sdist and wheel, built twice"):
            built = distributions.build(repository, commit, folder / "build")
            files = [Path(shutil.copy(file, result)) for file in built]
        with step("contents and metadata of the packages"):
            distributions.check_contents(repository, commit, files)
            distributions.check_metadata(files, folder)
        with step("sdist and wheel in empty environments"):
            (folder / "trial").mkdir()
            trial.try_packages(files, version, self.pythons, folder / "trial")
        with step("software bills of materials"):
            (folder / "sbom").mkdir()
            source = folder / "build" / "first" / "source"
            write_sboms(files[1], source, version, repository.seconds_of(commit), folder / "sbom", result)
        sums = distributions.checksums(result)
        (result / "SHA256SUMS").write_text(sums, encoding="utf-8")
        print(sums, end="")

    @contextmanager
    def staged(self, result: Path, version: str) -> Iterator[Path]:
        """A copy of the results in the file system of `dist`, so that moving it there cannot stop halfway."""
        staged = self.root / "dist" / f".{version}.partial"
        shutil.rmtree(staged, ignore_errors=True)
        try:
            yield shutil.copytree(result, staged)
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    def keep(self, staged: Path, version: str) -> None:
        """Move the results to `dist/VERSION`, in place of earlier ones."""
        target = self.root / "dist" / version
        if target.exists():
            shutil.rmtree(target)
        staged.replace(target)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="release-", ignore_cleanup_errors=True) as folder:
        yield Path(folder).resolve()


@contextmanager
def step(title: str) -> Iterator[None]:
    """Print the title, and how long the step took."""
    print(f"-- {title}", flush=True)
    start = time.monotonic()
    yield
    print(f"   done in {time.monotonic() - start:.0f} s", flush=True)
