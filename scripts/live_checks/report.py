"""The report: JSON, and Markdown that can be pasted into an issue."""

from __future__ import annotations

import json
import platform
import re
from typing import TYPE_CHECKING, Any

from runpod import __version__
from runpod._text import readable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from live_checks.plan import Finding
    from live_checks.service import Service

_INTRO = """\
# Live check of runpod-sdk

Version {version}, Python {python}, {address}. {jobs} jobs were started. "Confirmed" means that the service behaves as the
library and its local server by default assume.{interrupted}{left}

| Fact | Result | Observed |
|---|---|---|
"""


def as_json(service: Service, findings: Sequence[Finding], *, interrupted: str, left: Sequence[str]) -> dict[str, Any]:
    """The report as JSON."""
    return {
        "version": __version__,
        "python": platform.python_version(),
        "address": readable(service.hidden(service.config.base_url)),
        "jobs_started": service.jobs_started,
        "interrupted": interrupted,
        "jobs_left": [readable(service.hidden(job_id), 100) for job_id in left],
        "jobs_without_id": service.unknown_jobs,
        "findings": [{"fact": each.fact, "verdict": each.verdict.value, "note": each.note} for each in findings],
        "exchanges": service.exchanges,
    }


def as_markdown(report: dict[str, Any]) -> str:
    """The report as Markdown. What the service sent is in code blocks only: it cannot mention people, or add markup."""
    left = ""
    if count := len(report["jobs_left"]) + report["jobs_without_id"]:
        left = f" {count} of them may still run: see the console."
    text = _INTRO.format(
        version=report["version"],
        python=report["python"],
        address="the default address" if report["address"] == "https://api.runpod.ai/v2" else "another address",
        jobs=report["jobs_started"],
        interrupted=f" The run ended early: {report['interrupted']}." if report["interrupted"] else "",
        left=left,
    )
    text += "".join(f"| {each['fact']} | {each['verdict']} | {each['note']} |\n" for each in report["findings"])
    lines: list[str] = []
    for each in report["exchanges"]:
        outcome = each["problem"] if each["status"] is None else f"HTTP {each['status']}"
        lines.append(f"# {each['check']}: {each['request']}")
        lines.append(f"{outcome}, {each['seconds']:.2f} s")
        lines += [f"{name}: {value}" for name, value in each["headers"].items()]
        lines += [each["body"], ""]
    code = "\n".join(lines)
    # Longer than any row of backticks within.
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", code)), default=0))
    return f"{text}\n<details><summary>Requests and responses</summary>\n\n{fence}text\n{code}{fence}\n\n</details>\n"


def write(report: dict[str, Any], folder: Path) -> tuple[Path, Path]:
    """Write both forms of the report into a folder, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "report.json", folder / "report.md"
    for path, text in zip(paths, (json.dumps(report, indent=2) + "\n", as_markdown(report)), strict=True):
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    return paths
