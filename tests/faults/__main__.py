"""Run the campaign, and write `docs/campaign.md`: `python -m tests.faults`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.faults.campaign import cells, run
from tests.faults.report import page

PAGE = Path(__file__).parents[2] / "docs" / "campaign.md"


def main() -> int:
    campaign = run(cells())
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(campaign), encoding="utf-8")
    problems = [problem for result in campaign.results for problem in result.problems()]
    print(f"{len(campaign.results)} calls in {campaign.seconds:.0f} s, {len(problems)} problems: {PAGE}")  # noqa: T201
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
