"""The pages beside the README: their code runs, their links lead somewhere, and they name every error."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import runpod
from runpod.local import LocalServer
from tests.unit.test_readme import Block, blocks, horse, run

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
TROUBLE = ROOT / "docs" / "when-things-go-wrong.md"
PAGES = [TROUBLE, ROOT / "SECURITY.md", ROOT / "docs" / "campaign.md"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    with LocalServer({"ENDPOINT_ID": horse}) as server:
        monkeypatch.setenv("RUNPOD_API_KEY", server.api_key)
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", server.base_url)
        yield server


@pytest.mark.parametrize("block", blocks(TROUBLE), ids=lambda block: f"line {block.line}")
def test_a_block_runs(block: Block, server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("runpod"), "level", logging.NOTSET)
    monkeypatch.setattr(logging.getLogger(), "handlers", list(logging.getLogger().handlers))
    run(block)


def test_a_failure_is_explained(server: LocalServer, capsys: pytest.CaptureFixture[str]) -> None:
    [block] = [block for block in blocks(TROUBLE) if "state.worker_error" in block.code]
    run(block)
    assert "FAILED ValueError: there are no unicorns" in capsys.readouterr().out


def test_every_error_is_in_the_table() -> None:
    rows = [line for line in TROUBLE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    named = set(re.findall(r"`(\w+Error)`", "\n".join(row.split("|")[1] for row in rows)))
    assert set(runpod.errors.__all__) - {"RunpodError", "JobError"} == named


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    titles: Any = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    headings = {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings, target
        else:
            assert (page.parent / target).exists(), target
