"""One visit of the page: what a user does, and a record of what the browser did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Locator

    from runpod.local import LocalServer

TIMEOUT = 30_000  # milliseconds, before a test gives up

expect.set_options(timeout=TIMEOUT)

# Violations of the content security policy, those in the page itself.
REPORT = """
addEventListener("securitypolicyviolation", (event) => {
    console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`);
});
"""


class Visit:
    """A page, and everything that happened in it."""

    def __init__(self, context: BrowserContext, server: LocalServer) -> None:
        self.context = context
        self.server = server
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.allowed: list[str] = []
        """Parts of messages in the console that a test expects."""
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("console", self._on_console)
        context.on("dialog", self._on_dialog)
        context.on("weberror", lambda error: self.problems.append(f"exception: {error.error}"))
        context.add_init_script(REPORT)
        self.page = context.new_page()

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.problems.append(f"console: {message.text}")

    def _on_dialog(self, dialog: Dialog) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def check(self) -> None:
        """Fail if a script failed, a dialog opened, the policy was violated, or a request left for another host."""
        origin = self.server.base_url.removesuffix("/v2")
        own = {"http", "https", "ws", "wss"}
        elsewhere = [url for url in self.requests if urlsplit(url).scheme in own and not url.startswith(f"{origin}/")]
        problems = [each for each in self.problems if not any(part in each for part in self.allowed)]
        assert not elsewhere, elsewhere
        assert not problems, problems

    @property
    def rows(self) -> Locator:
        return self.page.locator("#jobs .row")

    @property
    def detail(self) -> Locator:
        return self.page.locator("#detail")

    @property
    def dialog(self) -> Locator:
        return self.page.locator("dialog[open]")

    def section(self, name: str) -> Locator:
        """A section of the open job, such as "output"."""
        return self.page.locator(f'[data-section="{name}"]')

    def row(self, text: str) -> Locator:
        return self.rows.filter(has_text=text)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def expect_state(self, text: str) -> None:
        """Wait for the state of the connection."""
        expect(self.page.locator("#pill")).to_have_text(text)

    def open_job(self, text: str) -> Locator:
        """Open the job whose row has a text, and wait for its detail."""
        self.row(text).first.click()
        expect(self.section("input")).to_be_visible()
        return self.detail

    def evaluate(self, script: str, *arguments: Any) -> Any:
        return self.page.evaluate(script, *arguments)
