"""How the findings of a diagnosis are made, and their words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from runpod._text import readable
from runpod.models.diagnosis import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta
    from typing import TypeAlias

    Certainty: TypeAlias = Literal["certain", "likely", "possible"]


def finding(
    facts: Mapping[str, Any], cause: str, certainty: Certainty, problem: str, advice: str, names: Sequence[str]
) -> Finding:
    """A finding with the facts of these names that are known."""
    known = {name: facts[name] for name in names if name in facts}
    return Finding(cause=cause, certainty=certainty, problem=problem, advice=advice, facts=known)


def count(number: int, one: str, many: str) -> str:
    """A number with its noun, such as `1 job` or `2 jobs`."""
    return f"{number:,} {one if number == 1 else many}"


def named(noun: str, names: Sequence[str]) -> str:
    """A noun with names, such as `pool ADA_24` or `pools ADA_24, AMPERE_80`."""
    shown = readable(", ".join(names), 200)
    return f"{noun} {shown}" if len(names) == 1 else f"{noun}s {shown}"


def logs(worker_ids: Sequence[str]) -> str:
    """The call that reads the log of the first of these workers, or of all workers if none is known."""
    return f"endpoint.logs(worker={readable(worker_ids[0], 60)!r})" if worker_ids else "endpoint.logs()"


def span_text(span: timedelta) -> str:
    """A duration for people, such as `4 s`, `12 minutes` or `5 hours`."""
    seconds = span.total_seconds()
    if seconds < 120:
        return f"{seconds:g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 2 * 3600 else f"{seconds / 3600:.0f} hours"
