"""Run the campaign, and write `docs/explanation/campaign.md`: `python -m tests.faults`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.faults.campaign import cells, run
from tests.faults.report import page

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "campaign.md"

# Seconds. Longer than in the test, so that a busy machine does not change the page. The test retries differing rows.
DEADLINE = 2.0

if __name__ == "__main__":
    campaign = run(cells(deadline=DEADLINE))
    PAGE.write_text(page(campaign), encoding="utf-8")
    sys.exit("\n".join(campaign.problems()))
