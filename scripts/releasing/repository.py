"""The git repository of a release.

The commit and the tag are made in a temporary repository that borrows the objects of the real one. So nothing changes
before `publish`, whatever fails, is interrupted or is killed.
"""

from __future__ import annotations

import shutil
import signal
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from releasing.commands import clean_environment, run
from releasing.edits import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Prepared(NamedTuple):
    """The commit and the tag of a release, which exist in a temporary repository only."""

    repository: Path
    parent: str
    commit: str
    tag: str
    tag_object: str


class Repository:
    """The repository whose root folder is `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, *arguments: str, stdin: str | None = None, **environment: str) -> str:
        """Run git in the root folder, and return what it printed.

        Raises:
            ReleaseError: It failed.
        """
        return run(["git", *arguments], self.root, clean_environment(**environment), stdin).strip()

    def commit_of(self, name: str) -> str | None:
        """Return the commit of a branch, tag or `HEAD`, or None if there is no such name."""
        try:
            return self.git("rev-parse", "--quiet", "--verify", f"{name}^{{commit}}")
        except ReleaseError:
            return None

    def released(self) -> list[str]:
        """Return the versions that have a tag."""
        return [name.removeprefix("v") for name in self.git("tag", "--list", "v[0-9]*").split()]

    def check_is_clean(self) -> None:
        """Check that nothing differs from the last commit.

        Raises:
            ReleaseError: Something does, or a new file is not ignored.
        """
        changes = self.git("status", "--porcelain")
        if changes:
            raise ReleaseError(f"There are uncommitted changes. Commit, stash or remove them:\n{changes}")

    def check_branch(self, branch: str) -> None:
        """Check that the branch is checked out.

        Raises:
            ReleaseError: Another one is, or none.
        """
        current = self.git("branch", "--show-current")
        if current != branch:
            where = f"on the branch {current}" if current else "on no branch"
            raise ReleaseError(f"Releases are made from {branch}, but this is {where}. Run: git switch {branch}")

    def prepare(self, folder: Path, files: Mapping[str, str], message: str, tag: str) -> Prepared:
        """Make a commit with other texts of these files, and a tag of it, in a temporary repository in `folder`.

        The tag is signed if git has a signing key or `tag.gpgSign`, the commit if git has `commit.gpgSign`.

        Raises:
            ReleaseError: There is no name to commit with, or signing failed.
        """
        parent = self.git("rev-parse", "HEAD")
        temporary = folder / "repository.git"
        # Without --shared and a bare repository, git would touch the index and the files of the real one.
        self.git("clone", "--quiet", "--bare", "--shared", str(self.root), str(temporary))
        # The name, the signing key and other settings of this repository are not cloned.
        shutil.copy(self.root / self.git("rev-parse", "--git-path", "config"), temporary / "config")
        elsewhere = Repository(temporary)
        elsewhere.git("config", "core.bare", "true")
        index = str(folder / "index")
        elsewhere.git("read-tree", parent, GIT_INDEX_FILE=index)
        for name, text in files.items():
            blob = elsewhere.git("hash-object", "-w", "--stdin", stdin=text)
            elsewhere.git("update-index", "--cacheinfo", f"100644,{blob},{name}", GIT_INDEX_FILE=index)
        tree = elsewhere.git("write-tree", GIT_INDEX_FILE=index)
        # Unlike `git commit`, commit-tree does not obey commit.gpgSign.
        signed = ["-S"] if self.setting("commit.gpgSign") == "true" else []
        commit = elsewhere.git("commit-tree", tree, "-p", parent, *signed, stdin=message)
        sign = "--sign" if self.setting("user.signingKey") or self.setting("tag.gpgSign") == "true" else "--annotate"
        elsewhere.git("tag", sign, "--file=-", tag, commit, stdin=message)
        return Prepared(temporary, parent, commit, tag, elsewhere.git("rev-parse", f"refs/tags/{tag}"))

    def setting(self, name: str) -> str:
        """Return a setting of git, or an empty string."""
        return self.git("config", "--default", "", "--get", name)

    def export(self, commit: str, target: Path) -> None:
        """Write the files of a commit into a new folder, without those that only lie around."""
        target.mkdir(parents=True)
        archive = target.with_suffix(".tar")
        self.git("archive", "--format=tar", f"--output={archive}", commit)
        with tarfile.open(archive) as files:
            # `filter` is missing in the first releases of Python 3.10 and 3.11.
            safely: Any = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}
            files.extractall(target, **safely)  # noqa: S202 - made by git from our own commit
        archive.unlink()

    def seconds_of(self, commit: str) -> str:
        """Return when the commit was made, in seconds since 1970."""
        return self.git("show", "--no-patch", "--format=%ct", commit)

    def publish(self, prepared: Prepared, branch: str) -> None:
        """Bring the commit and the tag into this repository, both or neither.

        Raises:
            ReleaseError: The files or the branch were changed in the meantime. Nothing was changed then.
        """
        self.check_is_clean()
        self.check_branch(branch)
        tag = f"refs/tags/{prepared.tag}"
        self.git("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", str(prepared.repository), tag)
        references = (
            "start\n"
            f"create {tag} {prepared.tag_object}\n"
            f"update refs/heads/{branch} {prepared.commit} {prepared.parent}\n"
            "prepare\ncommit\n"
        )
        with uninterrupted():
            # The files first, since this is refused if they would be overwritten.
            self.git("read-tree", "-m", "-u", prepared.parent, prepared.commit)
            try:
                self.git("update-ref", "--stdin", "-m", f"release: {prepared.tag}", stdin=references)
            except ReleaseError:
                self.git("read-tree", "-m", "-u", prepared.commit, prepared.parent)
                raise


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore Ctrl-C and SIGTERM in the block, and in the programs that it runs: it takes less than a second."""
    signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        # One that arrived would otherwise end the program now, as if nothing had been changed.
        while signals & signal.sigpending():
            signal.sigwait(signals & signal.sigpending())
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
