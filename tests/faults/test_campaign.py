"""The campaign holds what `docs/campaign.md` says of it, and leaves nothing behind."""

from __future__ import annotations

import random
import sys
from dataclasses import replace

from tests.faults.__main__ import PAGE
from tests.faults.campaign import ABREAST, cells, run
from tests.faults.faults import Fault, pattern
from tests.faults.report import parse, verdicts
from tests.faults.secrets import API_KEY, leaked

# Seconds. On a machine that is busy, the deadline of a call can pass too soon: longer ones are tried then.
LONGER = (4.0, 40.0)

NOTHING = (0, 0, 0, 0)


def test_the_campaign() -> None:
    """One test, so that the campaign is run once."""
    campaign = run(cells())
    assert [] == campaign.problems()
    assert NOTHING == campaign.left

    # No secret gets out, and nothing that steers a terminal gets into the log.
    assert leaked([f"Authorization: Bearer {API_KEY}"])
    assert [] == leaked(campaign.heard)
    for what in ("log runpod DEBUG", "log httpcore", "POST /v2/"):
        assert any(text.startswith(what) for text in campaign.heard), what
    assert [] == [text for text in campaign.heard if text.startswith("log runpod ") and not text.isprintable()]

    # Nothing is left to the garbage collector.
    warned = [text for text in campaign.heard if text.startswith("warning ")]
    if sys.version_info < (3, 11):
        # The proxy's own: there, asyncio's server forgets a connection whose handshake failed.
        warned = [text for text in warned if "unclosed transport <asyncio.sslproto" not in text]
    assert [] == warned

    # Where this is right and the page is not, `python -m tests.faults` writes it anew.
    said = parse(PAGE.read_text(encoding="utf-8"))
    found = verdicts(campaign.results)
    assert {key[:2] for key in said} == {key[:2] for key in found}
    odd = {result.cell for result in campaign.results if said[result.cell.key] != found[result.cell.key]}
    while odd:
        some = list(odd)[:ABREAST]
        for deadline in LONGER:
            again = verdicts(run([replace(cell, deadline=deadline) for cell in some]).results)
            some = [cell for cell in some if said[cell.key] != again[cell.key]]
            if not some:
                break
        assert {cell.key: said[cell.key] for cell in some} == {cell.key: again[cell.key] for cell in some}
        odd -= set(list(odd)[:ABREAST])


def test_no_rule_is_broken_by_faults_in_any_order() -> None:
    chance = random.Random(787)
    steps = [200, 204, 307, 400, 404, 408, 429, 500, 502, 503, 504, 520, 524, "done 500", "done 524", "ok", "reset"]
    orders = [tuple(chance.choices(steps, k=chance.randint(2, 6))) for _ in range(6)]
    campaign = run(cells([Fault(str(order), pattern(*order), forged=True) for order in orders]))
    assert [] == campaign.problems()
    assert NOTHING == campaign.left
