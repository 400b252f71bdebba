"""Which jobs were submitted lately."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runpod._protocol.operations import HEALTH, STATUS, Call
from runpod._protocol.retrying import GRACE
from runpod._protocol.submissions import Submissions

NOW = 1000.0


def test_a_job_is_known_for_as_long_as_it_is_young() -> None:
    submissions = Submissions()
    submissions.note("e", "j", NOW)
    assert NOW == submissions.moment_of("e", "j", NOW)
    assert NOW == submissions.moment_of("e", "j", NOW + GRACE - 0.01)
    assert submissions.moment_of("e", "j", NOW + GRACE) is None


def test_a_job_is_known_on_its_own_endpoint_only() -> None:
    submissions = Submissions()
    submissions.note("e", "j", NOW)
    assert submissions.moment_of("other", "j", NOW) is None
    assert submissions.moment_of("e", "other", NOW) is None


def test_a_call_is_young_if_its_job_is() -> None:
    submissions = Submissions()
    submissions.note("e", "j", NOW)
    assert NOW == submissions.moment(Call(STATUS, "e", "j"), NOW)
    assert submissions.moment(Call(HEALTH, "e"), NOW) is None


def test_a_job_that_was_submitted_again_is_young_again() -> None:
    submissions = Submissions()
    submissions.note("e", "j", NOW)
    submissions.note("e", "j", NOW + 5.0)
    assert NOW + 5.0 == submissions.moment_of("e", "j", NOW + GRACE + 1.0)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.floats(0, GRACE)),
        max_size=60,
    )
)
def test_what_is_old_is_forgotten_and_nothing_else(noted: list[tuple[str, str, float]]) -> None:
    submissions = Submissions()
    now = NOW
    last: dict[tuple[str, str], float] = {}
    for endpoint, job, gap in noted:
        now += gap
        submissions.note(endpoint, job, now)
        last[endpoint, job] = now
        young = {name: moment for name, moment in last.items() if now - moment < GRACE}
        assert young == submissions._moments
    assert all(submissions.moment_of(*name, now + 2 * GRACE) is None for name in last)
    assert {} == submissions._moments
    assert not submissions._in_order
