"""What `diagnose()` finds out about an endpoint."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - of a public dataclass
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from runpod._text import printable, readable

__all__ = ["Diagnosis", "Finding"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that keeps jobs from starting, or delays them.

    Attributes:
        cause: A short name for programs, such as "paused" or "throttled". There may be more in later versions.
        certainty: "certain": the facts say so. "likely": they fit it best. "possible": it is worth checking.
        problem: What is wrong, as sentences.
        advice: What to do, as sentences.
        facts: The facts behind it: those of `Diagnosis.facts` that it follows from.
    """

    cause: str
    certainty: Literal["certain", "likely", "possible"]
    problem: str
    advice: str
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __str__(self) -> str:
        return f"{self.problem} {self.advice}"


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Why jobs of an endpoint do not start, or that nothing is wrong. `print(diagnosis)` shows it as text.

    Attributes:
        endpoint_id: The ID of the endpoint.
        summary: What the endpoint is doing, as one sentence.
        findings: What is wrong, the most certain first; empty if nothing is.
        facts: What was read, as JSON values by name, such as `health.jobs.in_queue` and
            `settings.workers.max`. Of what could not be read, the reason. Environment variables, inputs and
            outputs are not among them.

    Example:
        >>> diagnosis = endpoint.diagnose()
        >>> print(diagnosis)
        >>> diagnosis.ok, [finding.cause for finding in diagnosis.findings]
        (False, ['paused'])
    """

    endpoint_id: str
    summary: str
    findings: tuple[Finding, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def sentences(self) -> list[str]:
        """The findings in words, each with what to do; if there are none, the summary."""
        return [str(each) for each in self.findings] or [self.summary]

    def to_dict(self) -> dict[str, Any]:
        """Returns the diagnosis as JSON-compatible nested dictionaries."""
        return {
            "endpoint_id": self.endpoint_id,
            "ok": self.ok,
            "summary": self.summary,
            "findings": [{**vars(each), "facts": dict(each.facts)} for each in self.findings],
            "facts": dict(self.facts),
        }

    def __str__(self) -> str:
        lines = [f"Endpoint {self.endpoint_id!r}: {self.summary}"]
        for number, each in enumerate(self.findings, 1):
            lines += ["", f"{number}. {each.problem}", f"   What to do: {each.advice}"]
            known = "; ".join(f"{name} = {_shown(value)}" for name, value in each.facts.items() if "." in name)
            lines.append(f"   Certainty: {each.certainty}" + (f" ({known})" if known else ""))
        # The names of values have a dot.
        unread = [f"{name} {value}" for name, value in self.facts.items() if "." not in name]
        return printable("\n".join([*lines, "", *unread] if unread else lines))


def _shown(value: object) -> str:
    return readable(", ".join(map(str, cast("list[object]", value))) if isinstance(value, list) else str(value), 200)
