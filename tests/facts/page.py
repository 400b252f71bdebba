"""Render the facts as `docs/explanation/facts.md`."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from live_checks.plan import Check
    from tests.facts.facts import Fact, Section
    from tests.facts.markers import Marked

_PAGE = """\
# Facts about the service

The library was built from public sources, and has not been run against the service. This page lists what it relies on,
how that is known, and which test shows what the library, or its local server, makes of it. A test shows the behavior
against the local server or scripted responses, so it cannot show that the service itself behaves in that way: that is
what [a live key](#what-to-try-first-with-a-live-key) is for.

A fact is listed if the library or its local server sends, reads, decides or imitates something because of it. What only
concerns other programs, the console, accounts or prices is left out, as are operations that this library does not have.

How a fact is known:

- **documentation**: Runpod's own, with its description of the management API; **client source**: Runpod's clients and workers, whose code is public.
- **captured**: somebody has published a response of the service; **a user's report**: somebody has described one.
- **sources disagree**, or **assumption**: no source decides it.

Tests are in `tests`, where the marker `fact` names the fact by its number here. Those in `tests/_async` also run for the sync
client. `python -m tests.facts` generates this page.

Of {count} facts, {shown} are shown by {tests} tests, and {assumed} are assumptions or points on which sources disagree.
"""

_ASSUMED = """
## Assumptions

The service may behave otherwise. `Behavior` of the local server has a switch for each point that a program would notice:

| Fact | Setting of `Behavior` |
|---|---|
{switches}
These have no switch, since the client accepts both, or since nothing else is known:

{others}
No test shows these:

{untested}
## What to try first with a live key

The first costs most if it is assumed wrongly. `scripts/live` shows what it will do and what that costs at most, asks, and
writes a report without the key. `scripts/live --endpoint ID` runs all that are quick: use an endpoint with a small handler
that takes some seconds. Add `--price 0.0002`, the price of its worker per second, to see dollars. `--public` uses a public
model instead, for three cents at most. `scripts/live --endpoint ID --only NAME` runs one.

| `--only` | Question | If it is assumed wrongly | Decides | Jobs |
|---|---|---|---|---|
{checks}
"""


def page(sections: Sequence[Section], marked: Mapping[str, Sequence[Marked]], checks: Sequence[Check]) -> str:
    """The page.

    Args:
        sections: The facts.
        marked: The tests of each fact.
        checks: The live checks, the most important ones first.
    """
    facts = [fact for section in sections for fact in section.facts]
    text = _PAGE.format(
        count=len(facts),
        shown=sum(fact.id in marked for fact in facts),
        tests=len({test for tests in marked.values() for test in tests}),
        assumed=sum(fact.is_assumed for fact in facts),
    )
    for _, chapter in groupby(sections, key=lambda section: section.chapter):
        text += _chapter(list(chapter), marked)
    return text + _ASSUMED.format(
        switches="".join(f"| {_name(fact)} | `{fact.switch}` |\n" for fact in facts if fact.switch),
        others=_others(sections),
        untested="".join(f"- {_name(fact)}: {fact.untested}\n" for fact in facts if fact.untested),
        checks="".join(map(_check, checks)).rstrip("\n"),
    )


# The titles of chapters that have several sections.
CHAPTERS = {
    "protocol 1": "Operations of jobs",
    "protocol-2 3": "Load balancing",
    "protocol-2 8": "The management API",
}


def _chapter(sections: list[Section], marked: Mapping[str, Sequence[Marked]]) -> str:
    titles = "; ".join(f"{section.number.split()[1]} {section.title}" for section in sections)
    head = sections[0].chapter
    one = len(sections) == 1
    title = sections[0].title if one else CHAPTERS[head]
    lines = [f"\n## {head}: {title}\n" if one else f"\n## {head}: {title}\n\n{titles}.\n"]
    lines.append("\n| Fact | Known from | Shown by |\n|---|---|---|\n")
    for section in sections:
        for fact in section.facts:
            shown = ", ".join(f"[{test.test}](../../tests/{test.path})" for test in marked.get(fact.id, []))
            lines.append(f"| {_name(fact, head)}: {fact.text} | {fact.known} | {shown or 'no test'} |\n")
    return "".join(lines)


def _name(fact: Fact, within: str = "") -> str:
    number = fact.section.removeprefix(within).lstrip(".")
    if within:
        number = fact.section.split()[1] if number else ""
    return f"**{number} {fact.name}**" if number else f"**{fact.name}**"


def _others(sections: Sequence[Section]) -> str:
    lines = []
    for section in sections:
        names = [fact.name for fact in section.facts if fact.is_assumed and not fact.switch]
        if names:
            lines.append(f"- {section.number}: {', '.join(names)}\n")
    return "".join(lines)


def _check(check: Check) -> str:
    jobs = check.jobs + check.needs_job
    name = f"`{check.name}`" + (" (only if named)" if check.on_request else "")
    return f"| {name} | {check.question} | {check.at_stake} | {'; '.join(check.facts)} | {jobs} |\n"
