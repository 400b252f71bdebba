"""The documentation site: it is complete, loads nothing from other hosts, and works in a browser."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
import threading
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from docsite.examples import async_forms
from docsite.navigation import FOLDERS, UnknownFolderError, navigation
from docsite.pages import repository_files, rewritten, site_path
from docsite.reference import public_names
from runpod import _links
from runpod._version import __version__
from runpod.local.cli_arguments import parse_arguments
from tests.browsers import FLAGS, chromium

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "runpod"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
LOADED = {"script": ["src"], "img": ["src", "srcset"], "source": ["src", "srcset"], "iframe": ["src"], "link": ["href"]}


class Document(HTMLParser):
    """What a page links to, what it loads, and the IDs in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids |= {values["id"]} if "id" in values else set()
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        # The canonical link and those to the neighbors are not loaded.
        if values.get("rel") not in {"canonical", "prev", "next"}:
            self.loaded += [values[name] for name in LOADED.get(tag, []) if name in values]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly: broken links and anchors, missing pages and all warnings are errors."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


@pytest.fixture(scope="module")
def documents(site: Path) -> dict[str, Document]:
    return {
        file.relative_to(site).as_posix(): Document(file.read_text(encoding="utf-8")) for file in site.rglob("*.html")
    }


def address(path: str) -> str:
    """The address of a page, by the path of its Markdown below docs/."""
    folder, _, name = path.removesuffix(".md").rpartition("/")
    return "/".join(part for part in (folder, "" if name == "index" else name, "index.html") if part)


def test_every_page_is_built(site: Path, documents: dict[str, Document]) -> None:
    for path in [page.relative_to(ROOT).as_posix() for page in PAGES] + repository_files():
        assert address(site_path(path)) in documents, path
    assert f"runpod-sdk {__version__}" in (site / "index.html").read_text(encoding="utf-8")


def test_nothing_is_loaded_from_other_hosts(site: Path, documents: dict[str, Document]) -> None:
    loaded = {path for document in documents.values() for path in document.loaded}
    assert [] == [path for path in loaded if urlsplit(path).netloc]
    for file in site.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", file.read_text(encoding="utf-8")), file


def test_links_lead_to_files_and_anchors(site: Path, documents: dict[str, Document]) -> None:
    broken: list[str] = []
    for path, document in documents.items():
        for link in (*document.links, *document.loaded):
            parts = urlsplit(urljoin(f"http://site/{path}", link.partition(" ")[0]))
            if parts.scheme not in {"http", "https"} or parts.netloc != "site" or path == "404.html":
                continue
            target = unquote(parts.path).lstrip("/")
            target = f"{target}index.html" if target.endswith("/") or not target else target
            if not (site / target).is_file() or (
                parts.fragment and target in documents and unquote(parts.fragment) not in documents[target].ids
            ):
                broken.append(f"{path}: {link}")
    assert [] == broken


def public_modules() -> list[str]:
    found = [
        path.stem for path in PACKAGE.iterdir() if re.fullmatch(r"[a-z]\w*", path.stem) and path.suffix in {"", ".py"}
    ]
    modules = [f"runpod.{name}" for name in found if name not in {"cli", "integrations"}]
    folder = PACKAGE / "integrations"
    modules += [f"runpod.integrations.{path.stem}" for path in folder.glob("[!_]*")]
    return sorted(["runpod", "runpod.models.management", "runpod.local.samples", *modules])


@pytest.mark.parametrize("module", public_modules())
def test_every_public_name_is_in_the_reference(module: str, documents: dict[str, Document]) -> None:
    ids = {each for path, document in documents.items() if path.startswith("reference/") for each in document.ids}
    names = public_names(module)
    assert names
    assert [] == [name for name in names if not {f"{module}.{name}", f"runpod.{name}"} & ids]


def test_examples_are_shown_as_code_and_arguments_as_lists(site: Path) -> None:
    text = (site / "reference" / "client" / "index.html").read_text(encoding="utf-8")
    assert "Example:" not in text
    assert '<span class="doc-section-title">Parameters:</span>' in text
    assert '<span class="doc-section-title">Examples:</span>' in text
    # The constructors of what the library creates are not shown, and the fields of models are.
    assert "read_output" not in (site / "reference" / "jobs" / "index.html").read_text(encoding="utf-8")
    public = (site / "reference" / "public" / "index.html").read_text(encoding="utf-8")
    fields = public.partition('id="runpod.public.FluxSchnell"')[2].partition('id="runpod.public.GptOss120B"')[0]
    assert "num_inference_steps" in fields
    assert "Required." in fields


def test_the_search_finds_no_name_twice(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    places = {entry["location"] for entry in index["docs"]}
    assert "reference/endpoint/#runpod.Endpoint.run" in places
    assert [] == [place for place in places if re.match(r"reference/async/|examples/.", place)]


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.stem)
def test_every_converted_example_has_tabs(page: Path, site: Path) -> None:
    text = (site / address(site_path(page.relative_to(ROOT).as_posix()))).read_text(encoding="utf-8")
    forms = async_forms(page.read_text(encoding="utf-8"))
    assert len(forms) == len(re.findall(r'class="tabbed-set', text))


def test_the_addresses_of_the_project_are_the_same() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert _links.DOCUMENTATION == project["urls"]["Documentation"]
    assert _links.DOCUMENTATION.endswith("/")


@pytest.mark.parametrize(
    ("file", "link", "expected"),
    [
        ("README.md", "[a](docs/how-to/waiting.md#streaming)", "[a](how-to/waiting.md#streaming)"),
        ("README.md", "![a](docs/images/page.png)", "![a](images/page.png)"),
        ("README.md", '<img src="docs/images/page.png">', '<img src="images/page.png">'),
        ("README.md", "[a](benchmarks/README.md) [b](LICENSE)", "[a](benchmarks/index.md) [b](license.md)"),
        ("docs/how-to/webhooks.md", "[a](../../examples/horse.py)", "[a](../examples/horse.md)"),
        ("docs/how-to/webhooks.md", "[a](waiting.md) [b](#c)", "[a](waiting.md) [b](#c)"),
        ("docs/how-to/webhooks.md", "[a](../../README.md)", "[a](../index.md)"),
        ("CHANGELOG.md", "[a](https://example.com/README.md)", "[a](https://example.com/README.md)"),
        ("CHANGELOG.md", "`x[0](README.md)` [a](README.md)", "`x[0](README.md)` [a](index.md)"),
        ("CHANGELOG.md", "```\n[a](README.md)\n```\n", "```\n[a](README.md)\n```\n"),
        ("docs/how-to/webhooks.md", "[`a` b](../../pyproject.toml)", "`a` b"),  # which has no page
        ("docs/how-to/webhooks.md", "[a](../../tests/horse.py)", "[a](../../tests/horse.py)"),  # the build fails
    ],
)
def test_links_of_the_repository_lead_to_pages(file: str, link: str, expected: str) -> None:
    assert expected == rewritten(link, file)


def test_the_pages_that_come_first_exist() -> None:
    first = [ROOT / "docs" / folder / f"{page}.md" for folder, (_, pages) in FOLDERS.items() for page in pages]
    assert first
    assert [] == [page for page in first if page not in PAGES]


def test_the_local_server_can_run_while_the_site_is_served() -> None:
    [address] = re.findall(r"^dev_addr: (\S+)", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert f"http://{address};" in (ROOT / "scripts" / "docs").read_text(encoding="utf-8")
    server = parse_arguments(["serve", "--samples"])
    assert address != f"{server.host}:{server.port}"


def test_new_pages_are_appended_by_title() -> None:
    titles = {
        "how-to/zebra.md": "A horse",
        "how-to/waiting.md": "Waiting",
        "how-to/aardvark.md": "Zebra",
        "index.md": "",
    }
    nav = navigation(titles, titles.__getitem__, [])
    assert {"How-to guides": ["how-to/waiting.md", "how-to/zebra.md", "how-to/aardvark.md", {"Examples": []}]} in nav
    with pytest.raises(UnknownFolderError, match="docs/recipes is not in the navigation: add it to FOLDERS"):
        navigation(["index.md", "recipes/horse.md"], str, [])


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def served(site: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def browser_page() -> Iterator[Page]:
    program = chromium("the site is not tested in a browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*FLAGS])
        yield browser.new_page()
        browser.close()


def test_the_site_in_a_browser(served: str, browser_page: Page) -> None:
    page = browser_page
    requested: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))

    page.goto(served)
    page.click(".md-search__input")
    page.keyboard.type("batches")
    page.wait_for_selector(".md-search-result__link[href*='how-to/batches/']")

    # One tab switches all, and the other pages as well.
    page.goto(f"{served}how-to/submitting/")
    blocks = page.locator(".tabbed-set")
    asynchronous = page.locator(".tabbed-block:visible", has_text="AsyncRunpod")
    assert 0 == asynchronous.count()
    blocks.first.locator("label").nth(1).click()
    asynchronous.first.wait_for()
    checked = "sets => sets.every(set => set.querySelectorAll('input')[1].checked)"
    page.wait_for_function(f"({checked})([...document.querySelectorAll('.tabbed-set')])")
    page.goto(f"{served}how-to/waiting/")
    page.wait_for_function(f"({checked})([...document.querySelectorAll('.tabbed-set')])")

    page.goto(f"{served}errors/job-failed-error/")
    assert [False] == page.locator("thead").evaluate_all("each => each.map(thead => thead.checkVisibility())")
    page.goto(f"{served}errors/")
    visible = page.locator("thead").evaluate_all("each => each.map(thead => thead.checkVisibility())")
    assert [False, True, False] == visible

    before = page.evaluate("document.body.dataset.mdColorScheme")
    for _ in range(2):  # the system's, light, dark
        page.locator("form[data-md-component=palette] label:visible").click()
    assert before != page.evaluate("document.body.dataset.mdColorScheme")

    assert [] == errors
    assert [] == [url for url in requested if not url.startswith(served)]
