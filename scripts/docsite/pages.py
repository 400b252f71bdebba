"""Which files become pages of the site, and how their links are rewritten.

The Markdown files are written to be read in the repository, and their links lead to its files. On the site, the README
is the first page, other files outside of docs/ have pages as well, and links between pages are those of MkDocs.
"""

from __future__ import annotations

import posixpath
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from docsite.examples import FENCE, async_forms

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ROOT", "repository_files", "rewritten", "site_path", "source_page", "with_tabs"]

ROOT = Path(__file__).resolve().parents[2]

LINK = re.compile(
    r"(?P<before>\]\()(?P<path>[^)\s#]+)(?P<after>[^)]*\))|(?P<html>\b(?:src|srcset|href)=\")(?P<url>[^\"#]+)"
)
WHOLE_LINK = re.compile(r"(?<!!)\[(?P<text>(?:[^\[\]`]|`[^`\n]+`)*)\]\((?P<path>[^)\s#:]+)(?:#[^)]*)?\)")
FENCED = re.compile(r"^(?P<fence>```+).*?^(?P=fence)$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^(?P<fence>```+).*?^(?P=fence)$|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def repository_files() -> list[str]:
    """Returns the files outside of docs/ that have a page, as paths in the repository."""
    files = [*ROOT.glob("*.md"), ROOT / "LICENSE", ROOT / "benchmarks" / "README.md", *ROOT.glob("examples/*.py")]
    return sorted(file.relative_to(ROOT).as_posix() for file in files if file.exists())


def site_path(file: str) -> str:
    """Returns the path of a page on the site, below docs/, from that of its file in the repository."""
    if file.startswith("docs/"):
        return file.removeprefix("docs/")
    folder, name = posixpath.split(file.rstrip("/"))
    if file == "examples" or name == "README.md":
        return posixpath.join(folder if file != "examples" else file, "index.md")
    stem = name.rpartition(".")[0] or name
    return posixpath.join(folder, f"{stem if name.endswith('.py') else stem.lower().replace('_', '-')}.md")


def source_page(file: str) -> str:
    """Returns the Markdown of a page for a file of the repository that is not Markdown itself."""
    text = (ROOT / file).read_text(encoding="utf-8")
    if file.endswith(".md"):
        return text
    title = posixpath.basename(file).capitalize() if "." not in file else posixpath.basename(file)
    # A result of a search would be the whole file.
    return f"---\nsearch:\n  exclude: true\n---\n\n# {title}\n\n```{'python' if file.endswith('.py') else 'text'}\n{text.rstrip()}\n```\n"


def rewritten(markdown: str, file: str) -> str:
    """Returns Markdown whose links lead to pages of the site. Files without a page, such as tests, are only named.

    Args:
        markdown: The text.
        file: The path of its file in the repository.
    """
    here = posixpath.dirname(site_path(file))
    pages = {*repository_files(), "examples"}

    def target(path: str) -> str:
        if "://" in path or path.startswith(("/", "mailto:")):
            return path
        linked = posixpath.normpath(posixpath.join(posixpath.dirname(file), path))
        if linked not in pages and not linked.startswith("docs/"):
            return path  # MkDocs reports it
        return posixpath.relpath(site_path(linked), here or ".")

    def link(match: re.Match[str]) -> str:
        if match["path"]:
            return f"{match['before']}{target(match['path'])}{match['after']}"
        return f"{match['html']}{target(match['url'])}"

    def without_page(match: re.Match[str]) -> str:
        linked = posixpath.normpath(posixpath.join(posixpath.dirname(file), match["path"]))
        has_page = linked in pages or linked.startswith("docs/")
        return match["text"] if not has_page and (ROOT / linked).exists() else match.group()

    # Code is left alone. A link can have code in its text, but not in its target.
    markdown = _outside(FENCED, markdown, lambda text: WHOLE_LINK.sub(without_page, text))
    return _outside(CODE, markdown, lambda text: LINK.sub(link, text))


def _outside(code: re.Pattern[str], markdown: str, change: Callable[[str], str]) -> str:
    parts: list[str] = []
    position = 0
    for match in code.finditer(markdown):
        parts += [change(markdown[position : match.start()]), match.group()]
        position = match.end()
    return "".join([*parts, change(markdown[position:])])


def with_tabs(markdown: str) -> str:
    """Returns Markdown in which an example that has an async form is shown in two tabs."""
    parts: list[str] = []
    position = 0
    forms = async_forms(markdown)
    for block in FENCE.finditer(markdown):
        if block.start() in forms:
            parts += [
                markdown[position : block.start()],
                _tab("Sync", block["code"]),
                _tab("Async", forms[block.start()]),
            ]
            position = block.end()
    return "".join([*parts, markdown[position:]])


def _tab(title: str, code: str) -> str:
    return f'=== "{title}"\n\n' + textwrap.indent(f"```python\n{code}```\n\n", "    ")
