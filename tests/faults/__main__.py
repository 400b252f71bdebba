"""Run the campaign, and write `docs/campaign.md`: `python -m tests.faults`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.faults.campaign import cells, run
from tests.faults.report import BOUND, page

PAGE = Path(__file__).parents[2] / "docs" / "campaign.md"


def main() -> int:
    campaign = run(cells())
    # A machine that does other things as well is late itself; a call that is late by nature is late every time.
    late = [result.cell for result in campaign.results if result.late > BOUND]
    again = run(late, abreast=2)
    anew = {result.cell: result for result in again.results}
    campaign.results = [anew.get(result.cell, result) for result in campaign.results]
    campaign.measured_again = len(late)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(campaign), encoding="utf-8")
    problems = [problem for result in campaign.results for problem in result.problems()]
    print(f"{len(campaign.results)} calls in {campaign.seconds:.0f} s, {len(problems)} problems: {PAGE}")  # noqa: T201
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
