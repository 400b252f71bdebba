"""Tables of medians and ratios. Ratios matter most, since noise on the machine affects both sides."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isnan, nan
from statistics import median, quantiles
from typing import Any

# Prefixes of the row names of other clients. Those of this library begin with `ours`.
PEERS = ("official", "JavaScript")


@dataclass
class Target:
    """A limit for the median of a column, or for its ratio to the reference.

    `of` names another row and column as the reference.
    """

    column: str
    limit: float
    of_ratio: bool = False
    at_least: bool = False
    of: tuple[str, str] | None = None

    def __str__(self) -> str:
        of = f" of {' at '.join(self.of)}" if self.of else ""
        bound = "at least" if self.at_least else "at most"
        return f"{self.column}: {bound} {'x' if self.of_ratio else ''}{self.limit:g}{of}"


@dataclass
class Row:
    """The measured values of a row, by column."""

    name: str
    measured: dict[str, list[float]]
    targets: tuple[Target, ...] = ()
    reference: str = ""  # overrides that of the table
    whole: bool = True  # all jobs succeeded; otherwise it is never ahead


@dataclass
class Table:
    """Rows compared with one of them, the reference.

    In a paired table the values of each round belong together, and the quartiles of their ratios are shown. `more` names
    the columns in which higher values are better.
    """

    title: str
    reference: str
    digits: int = 1
    paired: bool = False
    more: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    @property
    def columns(self) -> list[str]:
        """The columns of all rows."""
        return list(dict.fromkeys(column for row in self.rows for column in row.measured))

    def _median(self, name: str, column: str) -> float:
        """The median of a cell, or NaN if it was not measured."""
        values = [value for row in self.rows if row.name == name for value in row.measured.get(column, [])]
        return median(values) if values else nan

    def ratio(self, row: Row, column: str) -> float:
        """The ratio to the reference, by medians."""
        return _quotient(self._median(row.name, column), self._median(row.reference or self.reference, column))

    def paired_ratios(self, row: Row, column: str) -> list[float]:
        """The ratio of each round, for a paired table."""
        base = next(each.measured[column] for each in self.rows if each.name == self.reference)
        pairs = zip(row.measured[column], base, strict=True) if self.paired else ()
        return [_quotient(mine, theirs) for mine, theirs in pairs]

    def met(self, row: Row, target: Target) -> bool:
        """Whether a target is met. True if the column was not measured."""
        value = self._median(row.name, target.column)
        if target.of_ratio:
            value = _quotient(value, self._median(*(target.of or (self.reference, target.column))))
        return not (value < target.limit if target.at_least else value > target.limit)

    def ahead(self, row: Row) -> dict[str, dict[str, float]]:
        """The columns in which another client is better than this row: client, column and ratio."""
        alike = [other.name for other in self.rows if other.whole and other.reference == row.reference]
        peers = [name for name in alike if name.startswith(PEERS)]
        found: dict[str, dict[str, float]] = {}
        for column in row.measured if row.name.startswith("ours") else ():
            ratios = {name: _quotient(self._median(name, column), self._median(row.name, column)) for name in peers}
            order = -1 if column in self.more else 1
            name = min((name for name in peers if ratios[name] > 0), key=lambda name: order * ratios[name], default="")
            # A ratio that rounds to x1.00 is not ahead.
            if name and order * round(ratios[name], 2) < order:
                found.setdefault(name, {})[column] = ratios[name]
        return found

    def _verdict(self, row: Row) -> str:
        """Whether all targets of a row are met, and the deciding limits."""
        missed = [target for target in row.targets if not self.met(row, target)]
        limits = "; ".join(str(target) for target in missed or row.targets)
        return f"{'MISSED' if missed else 'met'}: {limits}" if limits else ""

    def _cells(self, row: Row) -> list[str]:
        cells = [row.name]
        for column in self.columns:
            values = row.measured.get(column)
            cells.append(f"{median(values):,.{self.digits}f}{_spread(values, self.digits)}" if values else "-")
            ratio = self.ratio(row, column)
            known = values and not isnan(ratio)
            cells.append(f"x{ratio:.2f}{_spread(self.paired_ratios(row, column), 2)}" if known else "-")
        return [*cells, self._verdict(row)]

    def text(self) -> str:
        """Format the table as text: median [quartiles], and xN, the ratio to the reference."""
        heads = [part for column in self.columns for part in (column, "ratio")]
        lines = [["", *heads, "target"], *(self._cells(row) for row in self.rows)]
        widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
        text = [self.title]
        for name, *numbers, verdict in lines:
            cells = [number.rjust(width) for number, width in zip(numbers, widths[1:-1], strict=True)]
            text.append("  ".join([name.ljust(widths[0]), *cells, verdict]).rstrip())
        ahead = [
            f"ahead of {row.name}: {peer}, {', '.join(f'{column}: x{ratio:.2f}' for column, ratio in found.items())}"
            for row in self.rows
            for peer, found in self.ahead(row).items()
        ]
        return "\n".join([*text, *(f"({note})" for note in (*ahead, *self.notes))])

    def data(self) -> dict[str, Any]:
        """The table as data for JSON."""
        return {
            "title": self.title,
            "reference": self.reference,
            "notes": self.notes,
            "rows": [
                {
                    "name": row.name,
                    "ahead": self.ahead(row),
                    "columns": {
                        column: {
                            "median": median(values),
                            "quartiles": _quartiles(values),
                            "ratio": None if isnan(ratio := self.ratio(row, column)) else ratio,
                            "ratio_quartiles": _quartiles(self.paired_ratios(row, column)),
                            "values": values,
                        }
                        for column, values in row.measured.items()
                        if values
                    },
                    "targets": [
                        {
                            "column": target.column,
                            "limit": target.limit,
                            "of_ratio": target.of_ratio,
                            "at_least": target.at_least,
                            "of": target.of or [self.reference, target.column],
                            "met": self.met(row, target),
                        }
                        for target in row.targets
                    ],
                }
                for row in self.rows
            ],
        }


def _quotient(one: float, other: float) -> float:
    return one / other if other else nan


def _quartiles(values: list[float]) -> list[float]:
    if len(values) < 2:
        return values * 2
    low, _, high = quantiles(values, n=4, method="inclusive")
    return [low, high]


def _spread(values: list[float], digits: int) -> str:
    low, high = _quartiles(values) or (0.0, 0.0)
    return f" [{low:,.{digits}f}-{high:,.{digits}f}]" if low != high else ""
