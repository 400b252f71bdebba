"""The results of the campaign match `docs/explanation/campaign.md`, and nothing leaks."""

from __future__ import annotations

import random
import sys
from dataclasses import replace

from tests.faults.__main__ import PAGE
from tests.faults.campaign import CONCURRENCY, cells, run
from tests.faults.faults import Fault, pattern
from tests.faults.report import parse, verdicts
from tests.faults.secrets import API_KEY, leaked

# Seconds. On a busy machine the deadline of a call can pass too early. Those calls are repeated with these deadlines.
LONGER_DEADLINES = (4.0, 40.0)

NO_LEAKS = (0, 0, 0, 0)


def test_campaign() -> None:
    """A single test, so that the campaign runs once."""
    campaign = run(cells())
    assert [] == campaign.problems()
    assert NO_LEAKS == campaign.left

    # No secret is leaked, and no control character is logged.
    assert leaked([f"Authorization: Bearer {API_KEY}"])
    assert [] == leaked(campaign.captured)
    for prefix in ("log runpod DEBUG", "log httpcore", "POST /v2/"):
        assert any(text.startswith(prefix) for text in campaign.captured), prefix
    assert [] == [text for text in campaign.captured if text.startswith("log runpod ") and not text.isprintable()]

    # Nothing is left for the garbage collector.
    warned = [text for text in campaign.captured if text.startswith("warning ")]
    if sys.version_info < (3, 11):
        # Of the proxy: in Python 3.10, asyncio servers leak connections whose handshake failed.
        warned = [text for text in warned if "unclosed transport <asyncio.sslproto" not in text]
    assert [] == warned

    # If the new results are correct, regenerate the page with `python -m tests.faults`.
    documented = parse(PAGE.read_text(encoding="utf-8"))
    found = verdicts(campaign.results)
    assert {key[:2] for key in documented} == {key[:2] for key in found}
    differing = {result.cell for result in campaign.results if documented[result.cell.key] != found[result.cell.key]}
    while differing:
        some = list(differing)[:CONCURRENCY]
        for deadline in LONGER_DEADLINES:
            again = verdicts(run([replace(cell, deadline=deadline) for cell in some]).results)
            some = [cell for cell in some if documented[cell.key] != again[cell.key]]
            if not some:
                break
        assert {cell.key: documented[cell.key] for cell in some} == {cell.key: again[cell.key] for cell in some}
        differing -= set(list(differing)[:CONCURRENCY])


def test_random_sequences_of_faults_break_no_rule() -> None:
    chance = random.Random(787)
    steps = [200, 204, 307, 400, 404, 408, 429, 500, 502, 503, 504, 520, 524, "done 500", "done 524", "ok", "reset"]
    orders = [tuple(chance.choices(steps, k=chance.randint(2, 6))) for _ in range(6)]
    campaign = run(cells([Fault(str(order), pattern(*order), forged=True) for order in orders]))
    assert [] == campaign.problems()
    assert NO_LEAKS == campaign.left
