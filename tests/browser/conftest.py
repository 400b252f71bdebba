from __future__ import annotations

import gc
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from runpod.local import LocalServer
from tests.browser.visits import TIMEOUT, Visit
from tests.browsers import FLAGS, chromium
from tests.local.api import Gate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


class PatientGate(Gate):
    """A gate that waits as long as a test needs: browsers are slow on a busy machine. Every test opens it in the end."""

    def __call__(self, job: dict[str, Any]) -> Any:
        self.entered.set()
        self.opened.wait()
        return job["input"]


class Open(Protocol):
    def __call__(self, server: LocalServer, **options: Any) -> Visit: ...


class Serve(Protocol):
    def __call__(self, endpoints: Any, **settings: Any) -> LocalServer: ...


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser for the tests of this folder. While it runs, no event loop can run in this thread."""
    path = chromium("the page of the local server was not opened in a browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=[*FLAGS])
        yield running
        running.close()
    gc.collect()  # Triggers ResourceWarnings here rather than in an unrelated test.


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve handlers and a page, until the end of the test."""
    with ExitStack() as stack:
        yield lambda endpoints, **settings: stack.enter_context(LocalServer(endpoints, page=True, **settings))


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Open the page of a server in a new profile. In the end, nothing unexpected must have happened in it."""
    visits: list[Visit] = []

    def open_page(server: LocalServer, **options: Any) -> Visit:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, **options)
        context.set_default_timeout(TIMEOUT)
        visit = Visit(context, server)
        visits.append(visit)
        visit.page.goto(server.page_url)
        visit.expect_state("Live")
        return visit

    yield open_page
    for visit in visits:
        visit.context.close()
    for visit in visits:
        visit.check()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A handler that waits until the gate is opened, at the latest at the end of the test."""
    gate = PatientGate()
    yield gate
    gate.open()
