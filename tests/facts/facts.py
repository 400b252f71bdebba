"""The lists of facts: `protocol.txt` is about jobs, `protocol-2.txt` about what surrounds them.

A line is: name, how it is known, one sentence; then, if there are any, the switch of `Behavior` that covers it
(`switch=…`), and why no test shows it (`! …`). A heading is `# protocol 1.5 Title`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent
LISTS = ("protocol", "protocol-2")

KNOWN = (
    "documentation",
    "client source",
    "captured",
    "a user's report",
    "assumption",
    "sources disagree",
)

_HEADING = re.compile(r"# (?P<section>protocol(?:-2)? [\d.]+) (?P<title>\S.*)")


class Fact(NamedTuple):
    """A fact about the service.

    Attributes:
        section: Such as "protocol 1.5".
        name: Unique in its section.
        known: How it is known, one of `KNOWN`.
        text: The fact, in one sentence or two.
        switch: The setting of `runpod.local.Behavior` that covers it, or nothing.
        untested: Why no test shows it, or nothing.
    """

    section: str
    name: str
    known: str
    text: str
    switch: str = ""
    untested: str = ""

    @property
    def id(self) -> str:
        """What a marker names: "protocol 1.5: wait out of range"."""
        return f"{self.section}: {self.name}"

    @property
    def is_assumed(self) -> bool:
        """Whether the service may behave in another way."""
        return self.known in {"assumption", "sources disagree"}


class Section(NamedTuple):
    """A section of a list."""

    number: str
    title: str
    facts: list[Fact]

    @property
    def chapter(self) -> str:
        """The number of its chapter: "protocol 1"."""
        return self.number.partition(".")[0]


def read(folder: Path = FOLDER) -> list[Section]:
    """Read the lists.

    Raises:
        ValueError: A line is not one of a list, or a fact is there twice. The message names the line.
    """
    sections: list[Section] = []
    seen: set[str] = set()
    for name in LISTS:
        path = folder / f"{name}.txt"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not line:
                continue
            where = f"{path.name}:{number}"
            if heading := _HEADING.fullmatch(line):
                sections.append(Section(heading["section"], heading["title"], []))
                continue
            if not sections or not sections[-1].number.startswith(f"{name} "):
                raise ValueError(f"{where}: a fact needs a heading of {name} above it")
            fact = _fact(sections[-1].number, line, where)
            if fact.id in seen:
                raise ValueError(f"{where}: {fact.id!r} is there twice")
            seen.add(fact.id)
            sections[-1].facts.append(fact)
    return sections


def _fact(section: str, line: str, where: str) -> Fact:
    name, *columns = line.split(" | ")
    if len(columns) < 2 or columns[0] not in KNOWN:
        raise ValueError(f"{where}: must be `name | known | text`, with known one of {', '.join(KNOWN)}")
    switch = untested = ""
    for column in columns[2:]:
        if column.startswith("switch="):
            switch = column.removeprefix("switch=")
        elif column.startswith("! "):
            untested = column.removeprefix("! ")
        else:
            raise ValueError(f"{where}: {column!r} is neither `switch=…` nor `! …`")
    return Fact(section, name, columns[0], columns[1], switch, untested)
