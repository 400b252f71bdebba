"""Write `docs/explanation/facts.md`: `python -m tests.facts`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.facts.facts import read
from tests.facts.markers import collect
from tests.facts.page import page

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "facts.md"


def text() -> str:
    """The page as it should be."""
    if (scripts := str(ROOT / "scripts")) not in sys.path:
        sys.path.append(scripts)
    from live_checks.checks import CHECKS

    return page(read(), collect(), CHECKS)


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
