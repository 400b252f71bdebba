"""The facts have their tests, the markers name facts, and the page is up to date."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from live_checks.checks import CHECKS
from runpod.local import Behavior
from tests.facts.__main__ import PAGE, text
from tests.facts.facts import LISTS, Fact, Section, read
from tests.facts.markers import TESTS, Marked, collect
from tests.facts.page import page

if TYPE_CHECKING:
    from pathlib import Path

FACTS = {fact.id: fact for section in read() for fact in section.facts}


def test_the_page_is_up_to_date() -> None:
    assert text() == PAGE.read_text(encoding="utf-8"), "run `python -m tests.facts`"
    assert len(text().splitlines()) < 500


def test_each_marker_names_a_fact() -> None:
    assert [] == sorted(collect().keys() - FACTS.keys())


def test_each_fact_has_a_test_or_a_reason() -> None:
    marked = collect()
    assert [] == [fact.id for fact in FACTS.values() if (fact.id in marked) is bool(fact.untested)]
    # No test is there twice for the same fact.
    assert [] == [name for name, tests in marked.items() if len(set(tests)) < len(tests)]


def test_generated_tests_have_the_markers_of_their_source() -> None:
    expected = {(fact, *test) for fact, tests in collect().items() for test in tests if test.path.startswith("_async/")}
    found = {(fact, f"_async/{test.path.removeprefix('_sync/')}", test.test) for fact, tests in collect(generated=True).items() for test in tests}  # fmt: skip
    assert found
    assert set() == found - expected
    for _, path, test in expected - found:  # Those of async code only.
        assert f"def {test}(" not in (TESTS / path.replace("_async/", "_sync/")).read_text(encoding="utf-8")


def test_switches_are_those_of_the_local_server() -> None:
    switches = {fact.switch for fact in FACTS.values() if fact.switch}
    assert {field.name for field in fields(Behavior)} - {"rate_limits"} == switches
    assert all(fact.is_assumed for fact in FACTS.values() if fact.switch)


def test_live_checks_decide_facts() -> None:
    names = [check.name for check in CHECKS]
    assert sorted(set(names)) == sorted(names)
    assert {fact for check in CHECKS for fact in check.facts} <= FACTS.keys()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a | captured | b", "protocol.txt:1: a fact needs a heading of protocol above it"),
        ("# protocol-2 1 Title\na | captured | b", "protocol.txt:2: a fact needs a heading of protocol above it"),
        (
            "# protocol 1 Title\n\na | rumour | b",
            "protocol.txt:3: must be `name | known | text`, with known one of doc",
        ),
        ("# protocol 1 Title\na | captured", "protocol.txt:2: must be"),
        ("# protocol 1 Title\na | captured | b | c", "protocol.txt:2: 'c' is neither `switch=…` nor `! …`"),
        ("# protocol 1 Title\na | captured | b\na | assumption | c", "'protocol 1: a' is there twice"),
    ],
)
def test_a_list_that_cannot_be_read(content: str, problem: str, tmp_path: Path) -> None:
    for name in LISTS:
        (tmp_path / f"{name}.txt").write_text(content if name == "protocol" else "")
    with pytest.raises(ValueError, match="protocol") as caught:
        read(tmp_path)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import pytest\npytestmark = pytest.mark.fact('a')", "must be a decorator of a test"),
        ("import pytest\n@pytest.mark.fact('a')\ndef helper(): ...", "must be a decorator of a test"),
        ("import pytest\nA = 'a'\n@pytest.mark.fact(A)\ndef test_a(): ...", "test_x.py:3: the name of a fact must be"),
    ],
)
def test_a_marker_that_would_be_missed(source: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(source)
    with pytest.raises(ValueError, match=problem):
        collect(tmp_path)


def test_markers_of_methods_and_of_generated_tests(tmp_path: Path) -> None:
    source = "import pytest\nclass TestA:\n    @pytest.mark.fact('a', 'b')\n    async def test_a(self): ...\n"
    for name in ("one", "_sync"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "test_x.py").write_text(source)
    assert {fact: [Marked("one/test_x.py", "test_a")] for fact in "ab"} == collect(tmp_path)
    assert {fact: [Marked("_sync/test_x.py", "test_a")] for fact in "ab"} == collect(tmp_path, generated=True)


def test_the_page_of_two_facts() -> None:
    facts = [
        Fact("protocol 1.5", "range", "captured", "It has one."),
        Fact("protocol 1.5", "other", "assumption", "It may.", "status_sync"),
        Fact("protocol 1.5", "lost", "assumption", "It is.", "", "Nobody sees it."),
    ]
    shown = page(
        [Section("protocol 1.5", "Title", facts)],
        {"protocol 1.5: range": [Marked("a/test_b.py", "test_c")]},
        CHECKS[:1],
    )
    assert "Of 3 facts, 1 are shown by 1 tests, and 2 are assumptions" in shown
    assert "\n| **1.5 range**: It has one. | captured | [test_c](../../tests/a/test_b.py) |\n" in shown
    assert "\n| **1.5 other**: It may. | assumption | no test |\n" in shown
    assert "\n| **protocol 1.5 other** | `status_sync` |\n" in shown
    assert "\n- protocol 1.5: lost\n" in shown
    assert "\n- **protocol 1.5 lost**: Nobody sees it.\n" in shown
    assert "\n| `fresh-job` | Is a job found right after its submission? |" in shown
