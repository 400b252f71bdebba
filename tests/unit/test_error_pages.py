"""The pages about errors: there is one for each class, and what they claim is what the classes and the code do."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import runpod
from runpod import errors
from runpod._protocol.deadlines import Deadline
from runpod._protocol.decoding import parse_job
from runpod._protocol.failures import failure
from runpod._protocol.operations import RUN, STATUS, Call
from runpod._protocol.outcomes import DeadlineExceeded, Outcome, RequestNotSent, Response, ResponseLost
from tests.unit.test_errors import kebab_case

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "errors"
TOO_LARGE = b'{"error":"bad request: body: exceeded max body size of 10MiB"}'
OUTCOMES: list[Outcome] = [
    *(Response(status) for status in range(300, 600)),
    Response(400, body=TOO_LARGE),
    RequestNotSent("connection refused"),
    RequestNotSent("certificate verify failed", final=True),
    ResponseLost("connection reset"),
    DeadlineExceeded("timeout", sent=True),
    DeadlineExceeded("timeout", sent=False),
]

every = pytest.mark.parametrize("name", errors.__all__)


def page(name: str) -> str:
    return (FOLDER / f"{kebab_case(name)}.md").read_text(encoding="utf-8")


def facts(name: str) -> dict[str, str]:
    """The table at the top of a page."""
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", page(name).partition("\n## ")[0], re.MULTILINE)
    return {key.strip("`"): value for key, value in rows if key != "---"}


@cache
def raised() -> dict[str, list[tuple[int | None, bool, bool]]]:
    """Status, `maybe_submitted` and `retryable` of the errors after each outcome of a call, by class."""
    found: dict[str, list[tuple[int | None, bool, bool]]] = {}
    for call in (Call(RUN, "ep"), Call(STATUS, "ep", "job-1")):
        results = [failure(call, outcome, Deadline(0.0, 1.0)) for outcome in OUTCOMES]
        with pytest.raises(errors.APIResponseError) as caught:
            parse_job(Response(200, body=b"<html>"), call)
        for error in (*results, caught.value):
            status = getattr(error, "status_code", None)
            found.setdefault(type(error).__name__, []).append((status, error.maybe_submitted, error.retryable))
    return found


@cache
def created_as_retryable() -> set[str]:
    """The classes of errors that the library creates with `retryable=`, from its source."""
    names: set[str] = set()
    for path in (ROOT / "src" / "runpod").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                given = [word.value for word in node.keywords if word.arg == "retryable"]
                if any(not isinstance(value, ast.Constant) or value.value for value in given):
                    names.add(node.func.id)
    return names & set(errors.__all__)


def shown(values: set[bool]) -> str:
    return " or ".join(str(value) for value in sorted(values, reverse=True))


def test_there_is_a_page_for_each_class_and_no_other() -> None:
    expected = {f"{kebab_case(name)}.md" for name in errors.__all__} | {"index.md"}
    assert expected == {path.name for path in FOLDER.iterdir()}


@every
def test_a_page_names_its_class(name: str) -> None:
    assert page(name).startswith(f"# `{name}`\n\n")
    bases = [base.__name__ for base in getattr(errors, name).__mro__[1:] if not base.__name__.startswith("_")]
    bases = bases[: bases.index("RunpodError") + 1] if "RunpodError" in bases else bases[:1]
    builtin = [base.__name__ for base in getattr(errors, name).__bases__ if base.__module__ == "builtins"]
    expected = [*bases, *(each for each in builtin if each not in bases)]
    assert ", ".join(f"`{each}`" for each in expected) == facts(name)["Base classes"]
    for title in ("Typical causes", "What to do", "Does the job exist?", "Can the call be repeated?", "Related"):
        assert f"\n## {title}\n\n" in page(name)


@every
def test_questions_are_answered_in_words(name: str) -> None:
    answers = re.findall(r"^## [^\n]+\?\n\n(.+?)\n\n", page(name), re.MULTILINE | re.DOTALL)
    assert 2 == len(answers)
    assert [] == [answer for answer in answers if re.search(r"(?:^|\. )(?:True|False)\b", answer)]


@every
def test_maybe_submitted_is_that_of_the_class(name: str) -> None:
    may_be = getattr(errors, name)("x").maybe_submitted
    assert shown({may_be, False}) == facts(name)["maybe_submitted"]
    for _, maybe_submitted, _ in raised().get(name, ()):
        assert may_be or not maybe_submitted


@every
def test_retryable_is_that_of_the_code(name: str) -> None:
    values = {retryable for _, _, retryable in raised().get(name, ())}
    if name in created_as_retryable() or name == "RunpodError":
        values |= {True, False}
    assert shown(values or {False}) == facts(name)["retryable"]


@every
def test_status_codes_are_those_of_the_class(name: str) -> None:
    listed = facts(name).get("HTTP status", "")
    statuses = {status for status, _, _ in raised().get(name, ()) if status is not None}
    assert bool(statuses) == bool(listed)
    assert {int(code) for code in re.findall(r"\b\d{3}\b", listed)} <= statuses
    if len(statuses) <= 2:
        assert statuses == {int(code) for code in re.findall(r"\b\d{3}\b", listed)}


@every
def test_attributes_are_those_of_the_class(name: str) -> None:
    own = set(vars(getattr(errors, name)("x"))) - set(vars(errors.RunpodError("x")))
    listed = facts(name).get("Attributes", "none")
    assert own == set(re.findall(r"`(\w+)`", listed))


@every
def test_related_pages_are_linked(name: str) -> None:
    related: list[str] = re.findall(r"\[`(\w+)`\]\(([\w-]+)\.md\)", page(name).partition("\n## Related\n")[2])
    assert related
    for other, target in related:
        assert kebab_case(other) == target
        assert other in errors.__all__
        assert other != name


def test_the_overview_links_each_page() -> None:
    overview = (FOLDER / "index.md").read_text(encoding="utf-8")
    for name in errors.__all__:
        assert f"[`{name}`]({kebab_case(name)}.md)" in overview


def test_every_class_is_exported() -> None:
    exported: Any = runpod
    for name in errors.__all__:
        assert getattr(errors, name) is getattr(exported, name)


def test_a_refused_attempt_keeps_the_doubt_about_an_earlier_one() -> None:
    lost = ResponseLost("connection reset")
    error = failure(Call(RUN, "ep"), Response(429), Deadline(0.0, 1.0), attempts=2, doubt=lost)
    assert isinstance(error, errors.RateLimitError)
    assert (True, False) == (error.maybe_submitted, error.retryable)
    for path in (FOLDER / "rate-limit-error.md", FOLDER / "runpod-error.md"):
        assert "RetryPolicy(resubmit=True)" in path.read_text(encoding="utf-8")
