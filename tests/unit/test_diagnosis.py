"""The judgement of `diagnose()`: facts in, findings out."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod import EndpointHealth, JobState, WorkerCounts, errors
from runpod._protocol.diagnosis import judge
from runpod._protocol.observations import Observations
from runpod.models.management import EndpointReleases, EndpointWorkers, ServerlessEndpoint

NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
URL = "https://api.runpod.ai/v2"
SETTINGS: dict[str, Any] = {
    "id": "ep",
    "type": "QUEUE",
    "workers": {"min": 0, "max": 3, "idleTimeout": 10},
    "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
    "gpu": {"pools": ["ADA_24", "AMPERE_24"]},
}


def health(queued: int = 0, **workers: int) -> EndpointHealth:
    running = workers.get("running", 0)
    return EndpointHealth.model_validate({"jobs": {"inQueue": queued, "inProgress": running}, "workers": workers})


def settings(**changes: Any) -> ServerlessEndpoint:
    return ServerlessEndpoint.model_validate(SETTINGS | changes)


def limited(maximum: int | None) -> ServerlessEndpoint:
    return settings(workers={"min": 0, "max": maximum})


def workers(*fields: dict[str, Any]) -> EndpointWorkers:
    return EndpointWorkers.model_validate(
        {"workers": [{"id": f"w{number}", **each} for number, each in enumerate(fields, 1)]}
    )


def releases(*items: dict[str, Any], **rollout: Any) -> EndpointReleases:
    latest = max((each["version"] for each in items), default=None)
    fields = {"releases": [{"id": "r", **each} for each in items], "rollout": rollout, "endpointVersion": latest}
    return EndpointReleases.model_validate(fields)


def observed(found: EndpointHealth | errors.RunpodError, **known: Any) -> Observations:
    return Observations("ep", known.pop("base_url", URL), found, now=NOW, **{"settings": settings(), **known})


def forbidden(name: str = "serverless.get") -> errors.PermissionDeniedError:
    return errors.PermissionDeniedError(f"manage.{name} failed with HTTP 403: scope. Check its permissions.")


@pytest.mark.parametrize(
    ("seen", "summary"),
    [
        (observed(health(idle=2, ready=2, running=1)), "2 workers are idle, 1 worker is running, no job waits."),
        (observed(health(ready=2)), "2 workers are idle, no job waits."),
        (observed(health(ready=3, running=2)), "1 worker is idle, 2 workers are running, no job waits."),
        (observed(health(initializing=1)), "1 worker is starting, no job waits."),
        (observed(health()), "there is no worker, no job waits. The next request starts one."),
        (observed(health(running=1, throttled=1)), "1 worker is running, no job waits."),
        (
            observed(health(), settings=forbidden()),
            "there is no worker, no job waits. The next request starts one, unless the maximum of workers is 0.",
        ),
        # The numbers of jobs of a load balancer have no meaning.
        (
            observed(health(5, idle=1), settings=settings(type="LOAD_BALANCER"), used_as="LOAD_BALANCER"),
            "1 worker is idle.",
        ),
        # A type, status or state that this version does not know is no finding.
        (observed(health(running=1), settings=settings(type="BATCH")), "1 worker is running, no job waits."),
        (observed(health(1, warming=1)), "1 worker is warming, 1 job waits."),
        (
            observed(health(idle=1), job=JobState(id="j", status="COMPLETED"), job_id="j"),  # type: ignore[arg-type]
            "1 worker is idle, no job waits.",
        ),
    ],
)
def test_nothing_is_wrong(seen: Observations, summary: str) -> None:
    diagnosis = judge(seen)
    assert ([], True, f"nothing is wrong: {summary}") == ([*diagnosis.findings], diagnosis.ok, diagnosis.summary)
    assert [diagnosis.summary] == diagnosis.sentences


PAUSED = {"version": 7, "createdAt": "2026-11-20T08:00:00Z", "diff": [{"field": "workers.max", "old": 3, "new": 0}]}
OLDER = {"version": 4, "createdAt": "2026-10-01T08:00:00Z", "diff": [{"field": "workers.max", "old": 9, "new": 3}]}
STARTED = {"status": "INITIALIZING", "startedAt": "2026-11-26T11:45:00Z"}
STALE = {"status": "RUNNING", "isStale": True}
BROKEN = {"status": "UNHEALTHY", "isStale": False}
IN_QUEUE = JobState(id="job-1", status="IN_QUEUE")  # type: ignore[arg-type]
FAILED = JobState(id="job-1", status="FAILED", worker_id="w1", error="a secret")  # type: ignore[arg-type]
CANCELLED = JobState(id="job-1", status="CANCELLED")  # type: ignore[arg-type]

CASES = {
    # What was seen: the findings, each as its cause, its certainty and what its sentence says, in order.
    "paused": (observed(health(), settings=limited(0)), [("paused", "certain", "maximum is 0.*seven days")]),
    "paused, with jobs": (
        observed(health(3), settings=limited(0)),
        [("paused", "certain", r"3 jobs wait\. .*endpoint\.resume\(max=3\).*deleted .*24 hours after")],
    ),
    "paused, while workers end": (
        observed(health(1, idle=1), settings=limited(0)),
        [("paused", "likely", "maximum is 0"), ("idle_workers", "possible", "1 job waits")],
    ),
    "paused by a release": (
        observed(health(), settings=limited(0), releases=releases(OLDER, PAUSED)),
        [("paused", "certain", "Release 7 lowered it from 3 on 2026-11-20")],
    ),
    "paused by the service after a release": (
        observed(health(), settings=limited(0), releases=releases(OLDER)),
        [("paused", "certain", r"seven days without a request\. Raise")],
    ),
    "paused, as far as one can see": (
        observed(health(1), settings=forbidden()),
        [("paused", "likely", "1 job waits, and there is no worker.*could not be read; it may be 0")],
    ),
    "all throttled": (
        observed(health(2, throttled=3), settings=settings(dataCenterIds=["EU-RO-1"])),
        [
            (
                "throttled",
                "certain",
                r"All 3 .* throttled: no GPU is free for them in pools ADA_24, AMPERE_24 in data center EU-RO-1\..*deleted",
            )
        ],
    ),
    "a CPU is missing": (
        observed(health(throttled=1), settings=settings(gpu=None, cpu=[{"id": "cpu5c"}])),
        [("throttled", "certain", r"The only worker is throttled: no CPU is free for it\..*catalog\.cpus\(")],
    ),
    "some throttled": (
        observed(health(2, throttled=1, running=2)),
        [
            ("throttled", "likely", "1 worker is throttled"),
            ("all_busy", "likely", r"All 2 workers run jobs, and 2 jobs wait\."),
        ],
    ),
    "unhealthy": (
        observed(health(unhealthy=2), workers=workers({"status": "UNHEALTHY"}, {"status": "UNHEALTHY"})),
        [("unhealthy", "certain", r"2 workers are unhealthy.*logs: endpoint\.logs\(worker='w1'\)")],
    ),
    "one unhealthy": (
        observed(health(unhealthy=1, idle=1)),
        [("unhealthy", "likely", r"1 worker is unhealthy.*endpoint\.logs\(\)")],
    ),
    "starting": (
        observed(health(1, initializing=1), workers=workers({"status": "INITIALIZING", "uptimeSeconds": 95})),
        [("starting", "certain", r"1 worker is starting, for 95 s so far.*wait_ready")],
    ),
    "starting, for an unknown time": (
        observed(health(1, initializing=2)),
        [("starting", "certain", "2 workers are starting, and none is ready yet")],
    ),
    "starting for long": (
        observed(health(1, initializing=2), workers=workers({"status": "INITIALIZING"}, STARTED)),
        [("starting_slowly", "certain", r"2 workers are starting, for 15 minutes so far.*long.*logs\(worker='w1'\)")],
    ),
    "a load balancer that starts": (
        observed(health(initializing=1), settings=settings(type="LOAD_BALANCER"), used_as="LOAD_BALANCER"),
        [("starting", "certain", "1 worker is starting")],
    ),
    "a release that fails": (
        observed(
            health(idle=1, unhealthy=1),
            workers=workers(STALE, BROKEN),
            releases=releases(OLDER, {"version": 8, "diff": [{"field": "image", "old": "a"}]}, inProgress=True),
        ),
        [
            ("unhealthy", "likely", r"logs\(worker='w2'\)"),
            (
                "failed_release",
                "likely",
                r"Release 8 does not run: all its workers are unhealthy, while 1 worker runs .*\. It changed image\.",
            ),
        ],
    ),
    "a release of unknown version that fails": (
        observed(health(idle=1), workers=workers(STALE, BROKEN), releases=forbidden("serverless.releases")),
        [("failed_release", "likely", "The latest release does not run")],
    ),
    "a rollout": (
        observed(
            health(1, running=1),
            releases=releases({"version": 8}, inProgress=True, workersOnLatest=0, workersTotal=1),
        ),
        [
            ("all_busy", "likely", "The only worker runs a job, and 1 job waits"),
            ("rollout", "possible", "Release 8 is being rolled out: 0 of 1 workers run it"),
        ],
    ),
    "all busy, at the limit": (
        observed(health(40, running=3)),
        [
            (
                "all_busy",
                "certain",
                r"All 3 workers run jobs, and 40 jobs wait, up to 14 for each.* may have 3\. Wait, or .*scale\(max=6\)\.$",
            )
        ],
    ),
    "all busy, at the limit that Runpod lowered": (
        observed(health(1, running=2), settings=limited(2)),
        [("all_busy", "certain", r"scale\(max=4\)\. Runpod lowers the maximum to 2 after three days")],
    ),
    "all busy, below the limit": (
        observed(health(9, running=1, initializing=1)),
        [
            (
                "all_busy",
                "likely",
                r"and 9 jobs wait\. 1 more worker is starting\. Workers .* 3, when a job .* 4 s\. endpoint\.scale\(min=2\)",
            )
        ],
    ),
    "all busy, at an unknown limit": (
        observed(health(1, running=2), settings=forbidden()),
        [("all_busy", "certain", r"All 2 workers run jobs, and 1 job waits\. Wait, or .*scale\(max=4\)\.$")],
    ),
    "no worker yet": (
        observed(health(1), settings=settings(scaling={"type": "REQUEST_COUNT", "requestCount": 2})),
        [("no_worker", "possible", "1 job waits, and no worker .*for every 2 queued or running jobs.*balance")],
    ),
    "idle workers": (
        observed(health(2, idle=1), releases=releases({"version": 8}, inProgress=True)),
        [("idle_workers", "possible", r"2 jobs wait although 1 worker is idle.*endpoint\.logs\(\)")],
    ),
    "a load balancer used as a queue": (
        observed(health(7, running=1), settings=settings(type="LOAD_BALANCER")),
        [("wrong_type", "certain", r"'ep' is a load-balancing endpoint.*client\.load_balancer\('ep'\)")],
    ),
    "a queue used as a load balancer": (
        observed(health(idle=1), used_as="LOAD_BALANCER"),
        [("wrong_type", "certain", r"'ep' is a queue endpoint.*client\.endpoint\('ep'\)")],
    ),
    "a job that waits": (
        observed(health(), settings=limited(0), job=IN_QUEUE, job_id="job-1"),
        [("paused", "certain", "1 job waits")],
    ),
    "a job that has failed": (
        observed(health(idle=1), job=FAILED, job_id="job-1"),
        [("job_ended", "certain", r"Job 'job-1' does not wait: it ended FAILED\. endpoint\.status\('job-1'\)")],
    ),
    "a job that was cancelled": (
        observed(health(idle=1), job=CANCELLED, job_id="job-1"),
        [("job_ended", "certain", "it ended CANCELLED. Submit it again")],
    ),
    "a job that does not exist": (
        observed(health(idle=1), job=errors.NotFoundError("no job"), job_id="job-1"),
        [("job_not_found", "certain", "There is no job 'job-1' on this endpoint.*24 hours")],
    ),
    "a wrong key": (
        observed(errors.AuthenticationError("no"), settings=None),
        [("key_refused", "certain", "The API key was refused.*RUNPOD_API_KEY")],
    ),
    "a key without access": (
        observed(forbidden("health"), settings=forbidden()),
        [("key_not_permitted", "certain", "no access to endpoint 'ep'")],
    ),
    "a wrong ID": (
        observed(errors.NotFoundError("no"), settings=errors.NotFoundError("no")),
        [("not_found", "certain", f"There is no endpoint 'ep' for this API key at {URL}. Check the ID")],
    ),
    "a wrong base_url": (
        observed(errors.NotFoundError("no"), base_url="https://other.test"),
        [("not_found", "certain", "at https://other.test. The management API knows it. Check base_url")],
    ),
    "the management API as base_url": (
        observed(errors.NotFoundError("no"), settings=forbidden(), base_url="https://api.runpod.io/v2"),
        [("not_found", "certain", "This base_url is the management API; jobs are sent to https://api.runpod.ai/v2")],
    ),
    "no response": (
        observed(errors.APIConnectionError("health got no response."), settings=forbidden()),
        [("no_response", "certain", r"could not be read: health got no response\. Check the network")],
    ),
    "no response, but a job that waits": (
        observed(errors.ServerError("health failed."), settings=forbidden(), job=IN_QUEUE, job_id="job-1"),
        [("no_response", "certain", "could not be read")],
    ),
    # The list of workers takes the place of the health.
    "no response, but workers": (
        observed(
            errors.ServerError("health failed with HTTP 500."),
            workers=EndpointWorkers.model_validate({"workers": [], "summary": {"throttled": 2}}),
        ),
        [("throttled", "certain", "All 2 workers are throttled"), ("no_response", "certain", "HTTP 500")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_causes(name: str) -> None:
    seen, expected = CASES[name]
    diagnosis = judge(seen)
    assert not diagnosis.ok
    assert [each[:2] for each in expected] == [(each.cause, each.certainty) for each in diagnosis.findings]
    for found, sentence, (_, _, pattern) in zip(diagnosis.findings, diagnosis.sentences, expected, strict=True):
        with pytest.raises(AssertionError, match=pattern):
            raise AssertionError(sentence)
        assert sentence == f"{found.problem} {found.advice}" == str(found)
        assert found.problem in str(diagnosis)
        assert found.advice in str(diagnosis)
        assert found.facts.items() <= diagnosis.facts.items()
    # The text says once why something could not be read.
    unread = [f"{name} {value}" for name, value in diagnosis.facts.items() if "." not in name]
    assert unread == [line for line in str(diagnosis).splitlines() if line in unread]
    assert " = could not be read" not in str(diagnosis)
    # Each is JSON, and says nothing of what a job or a container was given.
    assert json.loads(json.dumps(diagnosis.to_dict())) == diagnosis.to_dict()
    assert "a secret" not in f"{diagnosis} {diagnosis!r} {diagnosis.to_dict()}"


def test_the_facts_are_what_was_read() -> None:
    seen = observed(
        EndpointHealth.model_validate({"jobs": {"inQueue": 1, "lost": 2}, "workers": {"idle": 1, "warming": 3}}),
        settings=settings(env={"TOKEN": "a secret"}, args="--token a-secret"),
        workers=workers({"status": "INITIALIZING", "uptimeSeconds": 3}, {"status": "UNHEALTHY", "isStale": True}),
        releases=forbidden("serverless.releases"),
        job=errors.ServerError("status of job 'j' failed with HTTP 500."),
        job_id="j",
    )
    diagnosis = judge(seen)
    numbers = {f"health.jobs.{name}": 0 for name in ("completed", "failed", "in_progress", "retried")}
    numbers |= {f"health.workers.{name}": 0 for name in ("initializing", "ready", "running", "throttled", "unhealthy")}
    assert {
        **numbers,
        "health.jobs.in_queue": 1,
        "health.jobs.lost": 2,
        "health.workers.idle": 1,
        "health.workers.warming": 3,
        "settings.type": "QUEUE",
        "settings.workers.min": 0,
        "settings.workers.max": 3,
        "settings.scaling.type": "QUEUE_DELAY",
        "settings.scaling.queue_delay_seconds": 4,
        "settings.gpu.pools": ["ADA_24", "AMPERE_24"],
        "workers.total": 2,
        "workers.stale": 1,
        "workers.unhealthy_ids": ["w2"],
        "workers.starting_seconds": 3,
        "releases": "could not be read: manage.serverless.releases failed with HTTP 403: scope. Check its permissions.",
        "job": "could not be read: status of job 'j' failed with HTTP 500.",
    } == diagnosis.facts
    assert "secret" not in f"{diagnosis!r}{diagnosis}"


def test_the_text_for_people() -> None:
    seen = observed(health(2, throttled=1), settings=forbidden())
    assert (
        str(judge(seen))
        == """Endpoint 'ep': one finding.

1. The only worker is throttled: no GPU is free for it.
   What to do: Allow more GPU pools or data centers: client.manage.catalog.gpus(include="AVAILABILITY", \
product="SERVERLESS") shows what is free, client.manage.serverless.update(…, gpu=…) changes the choice. Or wait. Jobs \
that wait are deleted when their time to live passes: 24 hours after their submission, unless their policy says \
otherwise.
   Certainty: certain (health.workers.throttled = 1; health.jobs.in_queue = 2)

settings could not be read: manage.serverless.get failed with HTTP 403: scope. Check its permissions."""
    )


def test_the_names_of_others_do_not_break_the_text() -> None:
    unusual = settings(gpu={"pools": ["a\n\x1b[31m2. Nothing is wrong.", "x" * 5000]})
    text = str(judge(observed(health(2, throttled=1), settings=unusual)))
    assert "pools = a \\x1b[31m2. Nothing is wrong., xxx" in text
    assert 5 == len(text.splitlines())
    assert len(text) < 2000


numbers = st.integers(0, 3)
refused = st.just(forbidden())


@given(
    st.fixed_dictionaries(dict.fromkeys(WorkerCounts.model_fields, numbers)),
    st.integers(1, 3),
    st.builds(limited, st.none() | numbers) | refused,
    st.builds(workers, st.sampled_from([STALE, BROKEN, STARTED])) | refused | st.none(),
    st.builds(releases, st.sampled_from([PAUSED, OLDER]), inProgress=st.booleans()) | refused | st.none(),
)
def test_jobs_that_wait_are_always_explained(
    counts: dict[str, int], queued: int, limits: Any, listed: Any, released: Any
) -> None:
    diagnosis = judge(observed(health(queued, **counts), settings=limits, workers=listed, releases=released))
    assert not diagnosis.ok
    order = [("certain", "likely", "possible").index(each.certainty) for each in diagnosis.findings]
    assert sorted(order) == order
    assert len({each.cause for each in diagnosis.findings}) == len(diagnosis.findings)


def test_clocks_that_differ() -> None:
    late = {"status": "INITIALIZING", "startedAt": (NOW + timedelta(minutes=1)).isoformat()}
    [found] = judge(observed(health(1, initializing=1), workers=workers(late))).findings
    assert "for 0 s so far" in found.problem
