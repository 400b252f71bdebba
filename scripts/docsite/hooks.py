"""The hooks of MkDocs: they make the site of the repository's files.

- Files outside of docs/ become pages: the README is the first one.
- The navigation is made from the folders, and the reference from the public names.
- Links lead to pages of the site, and examples that differ between sync and async code are shown in tabs.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

# MkDocs loads this file by its path, and the library need not be installed.
for _folder in ("scripts", "src"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / _folder))

from docsite.async_form import ConversionError  # noqa: E402 - found by the path above
from docsite.navigation import UnknownFolderError, navigation  # noqa: E402
from docsite.pages import repository_files, rewritten, site_path, source_page, with_tabs  # noqa: E402
from docsite.reference import reference_pages  # noqa: E402
from runpod._links import DOCUMENTATION  # noqa: E402
from runpod._version import __version__  # noqa: E402

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

# Where a generated page comes from, by its path on the site.
_origins: dict[str, str] = {}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Sets what the library defines: the address of the site, and the version."""
    config.site_url = DOCUMENTATION
    config.site_name = f"{config.site_name} {__version__}"
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are not in docs/, and sets the navigation."""
    _origins.clear()
    for file in repository_files():
        _origins[site_path(file)] = file
        files.append(File.generated(config, site_path(file), content=source_page(file)))
    examples = [file for file in _origins.values() if file.startswith("examples/")]
    listed = "".join(f"- [{file.rpartition('/')[2]}]({file.rpartition('/')[2]})\n" for file in examples)
    _origins["examples/index.md"] = "examples/README.md"
    text = f"# Examples\n\nPrograms in one file each, in the folder `examples` of the repository.\n\n{listed}"
    files.append(File.generated(config, "examples/index.md", content=text))

    pages = reference_pages()
    for page in pages:
        files.append(File.generated(config, page.path, content=page.markdown))
    sync = [page.path for page in pages if not page.path.startswith("reference/async/")]
    twins = [{page.title: page.path} for page in pages if page.path.startswith("reference/async/")]

    paths = [file.src_uri for file in files.documentation_pages()]
    titles = {file.src_uri: _title(file.content_string) for file in files.documentation_pages()}
    try:
        config.nav = navigation(paths, titles.__getitem__, [*sync, {"Async classes": twins}])
    except UnknownFolderError as error:
        raise PluginError(str(error)) from error
    return files


def _title(markdown: str) -> str:
    found = re.search(r"^# (.+)$", markdown, re.MULTILINE)
    return found[1] if found else ""


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Rewrites the links, and shows examples in tabs."""
    path = page.file.src_uri
    if path.startswith("reference/"):
        return markdown
    file = _origins.get(path, f"docs/{path}")
    if file.startswith("docs/") or file == "README.md":
        try:
            markdown = with_tabs(markdown)
        except ConversionError as error:
            raise PluginError(f"{file}: {error}") from error
    return rewritten(markdown, file)
