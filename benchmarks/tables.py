"""Tables of medians and ratios. No number stands alone: a machine is never quiet, but both sides meet the same noise."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any


@dataclass
class Target:
    """A limit for the median of a column, or for its ratio to the reference."""

    column: str
    limit: float
    of_ratio: bool = False


@dataclass
class Row:
    """What was measured of one thing, by column."""

    name: str
    measured: dict[str, list[float]]
    targets: tuple[Target, ...] = ()


@dataclass
class Table:
    """Rows that are compared with one of them, the reference.

    In a paired table the values of all rows belong together, round by round, and the spread of their ratios is told.
    """

    title: str
    reference: str
    digits: int = 1
    paired: bool = False
    notes: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def _base(self, column: str) -> list[float]:
        return next(row.measured[column] for row in self.rows if row.name == self.reference)

    def ratio(self, row: Row, column: str) -> float:
        """How many times the reference, by medians."""
        return median(row.measured[column]) / median(self._base(column))

    def ratios(self, row: Row, column: str) -> list[float]:
        """The ratio of each round, for a paired table."""
        pairs = zip(row.measured[column], self._base(column), strict=True)
        return [mine / theirs for mine, theirs in pairs] if self.paired else []

    def met(self, row: Row, target: Target) -> bool:
        """Whether a target is met."""
        column = target.column
        return (self.ratio(row, column) if target.of_ratio else median(row.measured[column])) <= target.limit

    def _verdict(self, row: Row) -> str:
        """One word for all targets of a row, and the limits that decide it."""
        decisive = [target for target in row.targets if not self.met(row, target)] or row.targets
        limits = {f"{'x' if target.of_ratio else ''}{target.limit:g} at most" for target in decisive}
        verdict = "met" if all(self.met(row, target) for target in row.targets) else "MISSED"
        return f"{verdict}: {', '.join(sorted(limits))}" if limits else ""

    def _cells(self, row: Row) -> list[str]:
        cells = [row.name]
        for column, values in row.measured.items():
            cells.append(f"{median(values):,.{self.digits}f}{_spread(values, self.digits)}")
            cells.append(f"x{self.ratio(row, column):.2f}{_spread(self.ratios(row, column), 2)}")
        return [*cells, self._verdict(row)]

    def text(self) -> str:
        """The table for people: median [quartiles], and xN, the ratio to the reference."""
        heads = [part for column in self.rows[0].measured for part in (column, "ratio")]
        lines = [["", *heads, "target"], *(self._cells(row) for row in self.rows)]
        widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
        text = [self.title]
        for name, *numbers, verdict in lines:
            cells = [number.rjust(width) for number, width in zip(numbers, widths[1:-1], strict=True)]
            text.append("  ".join([name.ljust(widths[0]), *cells, verdict]).rstrip())
        return "\n".join([*text, *(f"({note})" for note in self.notes)])

    def data(self) -> dict[str, Any]:
        """The table for programs."""
        return {
            "title": self.title,
            "reference": self.reference,
            "notes": self.notes,
            "rows": [
                {
                    "name": row.name,
                    "columns": {
                        column: {
                            "median": median(values),
                            "quartiles": _quartiles(values),
                            "ratio": self.ratio(row, column),
                            "ratio_quartiles": _quartiles(self.ratios(row, column)),
                            "values": values,
                        }
                        for column, values in row.measured.items()
                    },
                    "targets": [
                        {
                            "column": target.column,
                            "limit": target.limit,
                            "of_ratio": target.of_ratio,
                            "met": self.met(row, target),
                        }
                        for target in row.targets
                    ],
                }
                for row in self.rows
            ],
        }


def _quartiles(values: list[float]) -> list[float]:
    if len(values) < 2:
        return values * 2
    low, _, high = quantiles(values, n=4, method="inclusive")
    return [low, high]


def _spread(values: list[float], digits: int) -> str:
    low, high = _quartiles(values) or (0.0, 0.0)
    return f" [{low:,.{digits}f}-{high:,.{digits}f}]" if low != high else ""
