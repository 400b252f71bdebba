"""The navigation of the site, from the folders of its pages.

A new page needs no entry here: it is appended to its folder, by title. What is listed comes first, in this order.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["FOLDERS", "UnknownFolderError", "navigation"]

# The titles of the folders in docs/, and the pages that come first.
FOLDERS: dict[str, tuple[str, list[str]]] = {
    "tutorial": ("Tutorial", ["first-job", "your-endpoint"]),
    "how-to": (
        "How-to guides",
        ["submitting", "waiting", "timeouts", "many-inputs", "media", "public-endpoints", "testing", "local-server"],
    ),
    "reference": ("Reference", []),
    "explanation": ("Explanation", ["submissions", "retries", "how-waiting-works", "what-a-call-costs"]),
    "migration": ("Migration", ["from-official-package", "from-javascript"]),
    "errors": ("Errors", ["runpod-error"]),
}
PROJECT = ["contributing.md", "security.md", "code-of-conduct.md", "license.md"]


class UnknownFolderError(ValueError):
    """A page is in a folder that the navigation does not know."""


def navigation(pages: Iterable[str], title: Callable[[str], str], reference: list[Any]) -> list[Any]:
    """Returns the value of `nav`.

    Args:
        pages: The paths of the pages below docs/.
        title: Returns the title of a page.
        reference: The navigation of the reference, whose pages are generated.

    Raises:
        UnknownFolderError: A page is in a folder without an entry in FOLDERS.
    """
    folders: dict[str, list[str]] = {}
    for page in pages:
        folders.setdefault(page.rpartition("/")[0], []).append(page)
    known = {"", "examples", "benchmarks", "reference/async", *FOLDERS}
    for folder in folders.keys() - known:
        message = f"docs/{folder} is not in the navigation: add it to FOLDERS in {Path(__file__).name}."
        raise UnknownFolderError(message)

    nav: list[Any] = [{"Home": "index.md"}]
    for folder, (name, first) in FOLDERS.items():
        entries: list[Any] = _ordered(folders.get(folder, []), first, title)
        if folder == "how-to":
            examples = sorted(folders.get("examples", []), key=lambda page: (not page.endswith("/index.md"), page))
            entries.append({"Examples": examples})
        if folder == "explanation":
            entries += folders.get("benchmarks", [])
        if folder == "reference":
            entries = reference
        if entries:
            nav.append({name: entries})
    nav.append({"Changelog": "changelog.md"})
    rest = [page for page in folders[""] if page not in {"index.md", "changelog.md"}]
    nav.append({"Project": sorted(rest, key=lambda page: (PROJECT.index(page) if page in PROJECT else -1, page))})
    return nav


def _ordered(pages: list[str], first: list[str], title: Callable[[str], str]) -> list[str]:
    def position(page: str) -> tuple[int, int, str]:
        stem = page.rpartition("/")[2].removesuffix(".md")
        return (stem != "index", first.index(stem) if stem in first else len(first), title(page).strip("`").lower())

    return sorted(pages, key=position)
