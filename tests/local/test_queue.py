"""State transitions of the queue, with a fake clock and without a server."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from runpod.local.jobs.job import ENDED, Job, JobNotFoundError, JobNotRetryableError, Lease, Outcome, Payload
from runpod.local.jobs.policy import Policy
from runpod.local.jobs.queue import JobQueue
from runpod.local.json_text import JSONText

PAYLOAD = Payload(JSONText('{"n":1}'), empty=False)

POLICIES = st.builds(
    Policy,
    ttl=st.sampled_from([10.0, 24 * 3600.0]),
    execution_timeout=st.sampled_from([None, 5.0]),
    low_priority=st.booleans(),
)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def shown(queue: JobQueue, job: Job) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(queue.text(job))
    return body


def take(queue: JobQueue, worker_id: str = "w1") -> Lease:
    lease = queue.take(worker_id)
    assert lease is not None
    return lease


def test_durations() -> None:
    clock = Clock()
    queue = JobQueue(clock=clock)
    job = queue.submit(PAYLOAD)
    clock.now += 31.618
    lease = take(queue)
    assert {"id": job.id, "status": "IN_PROGRESS", "delayTime": 31618, "workerId": "w1"} == shown(queue, job)
    clock.now += 1.437
    queue.finish(lease, Outcome(output=JSONText("1")))
    assert {
        "id": job.id,
        "status": "COMPLETED",
        "delayTime": 31618,
        "executionTime": 1437,
        "workerId": "w1",
        "output": 1,
    } == shown(queue, job)


@pytest.mark.fact("protocol 1.7: new delay")
def test_lost_job_is_requeued_at_the_front_with_a_new_delay() -> None:
    clock = Clock()
    queue = JobQueue(clock=clock)
    job, other = queue.submit(PAYLOAD), queue.submit(PAYLOAD)
    clock.now += 5
    queue.lose(take(queue))
    assert {"id": job.id, "status": "IN_QUEUE", "retries": 1} == shown(queue, job)
    clock.now += 2
    lease = take(queue, "w2")
    assert job is lease.job
    expected = {"status": "IN_PROGRESS", "delayTime": 2000, "workerId": "w2", "retries": 1}
    assert {"id": job.id, **expected} == shown(queue, job)
    clock.now += 42.078
    queue.lose(lease)
    ended = {"status": "FAILED", "executionTime": 42078, "error": "job timed out after 1 retries"}
    assert {"id": job.id, **expected, **ended} == shown(queue, job)
    assert other is take(queue).job


def test_reports_with_an_old_lease_are_ignored() -> None:
    queue = JobQueue()
    job = queue.submit(PAYLOAD)
    old = take(queue)
    queue.lose(old)
    new = take(queue, "w2")
    before = shown(queue, job)
    queue.progress(old, JSONText("1"))
    queue.chunk(old, JSONText("2"))
    queue.finish(old, Outcome(output=JSONText("3")))
    queue.lose(old)
    assert before == shown(queue, job)
    assert ("IN_PROGRESS", []) == queue.drain(job)
    queue.finish(new, Outcome(output=JSONText("4")))
    assert 4 == shown(queue, job)["output"]


def test_closed_queue_leases_no_jobs_and_ignores_reports() -> None:
    queue = JobQueue()
    job = queue.submit(PAYLOAD)
    queue.submit(PAYLOAD)
    lease = take(queue)
    revocations: list[bool] = []
    lease.revocation.connect(lambda: revocations.append(True))
    queue.close()
    assert lease.revoked
    assert [True] == revocations
    assert queue.take("w2") is None
    queue.finish(lease, Outcome(output=JSONText("1")))
    assert "IN_PROGRESS" == job.status


def test_reprs() -> None:
    queue = JobQueue()
    job = queue.submit(PAYLOAD)
    assert "<JobQueue waiting=1 jobs=1>" == repr(queue)
    lease = take(queue)
    assert f"<Lease on {job.id} by w1, held>" == repr(lease)
    queue.cancel(job.id)
    assert f"<Lease on {job.id} by w1, revoked>" == repr(lease)


class QueueMachine(RuleBasedStateMachine):
    """After any sequence of events, counts are correct and fields match the status."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.queue = JobQueue(clock=self.clock)
        self.jobs: list[Job] = []
        self.leases: list[Lease] = []
        self.retried = 0  # By clients.

    def pick(self, data: st.DataObject) -> Job:
        return data.draw(st.sampled_from(self.jobs))

    @rule(seconds=st.floats(0, 10) | st.sampled_from([60, 600, 1800, 24 * 3600]))
    def advance(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(sync=st.booleans(), policy=POLICIES)
    def submit(self, sync: bool, policy: Policy) -> None:
        payload = dataclasses.replace(PAYLOAD, policy=policy)
        self.jobs.append(self.queue.submit(payload, sync=sync))

    @rule()
    def take(self) -> None:
        self.queue.expire()
        waiting = [job for job in self.jobs if job.status == "IN_QUEUE" and not job.deleted]
        lease = self.queue.take("w")
        assert (lease is None) == (not waiting)
        if lease is not None:
            assert lease.job in waiting
            self.leases.append(lease)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), what=st.sampled_from(["finish", "fail", "lose", "progress", "chunk"]))
    def report(self, data: st.DataObject, what: str) -> None:
        lease = data.draw(st.sampled_from(self.leases))
        self.queue.expire()
        held = lease.job.lease is lease
        assert not held or lease.job.status == "IN_PROGRESS"
        before = lease.job.status
        if what == "finish":
            self.queue.finish(lease, Outcome(output=JSONText("1")))
        elif what == "fail":
            self.queue.finish(lease, Outcome(error="no"))
        elif what == "lose":
            self.queue.lose(lease)
        elif what == "progress":
            self.queue.progress(lease, JSONText("0.5"))
        else:
            self.queue.chunk(lease, JSONText("2"))
        if not held:
            assert before == lease.job.status

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job = self.pick(data)
        self.queue.expire()
        before = job.status
        if job.deleted:
            with pytest.raises(JobNotFoundError):
                self.queue.cancel(job.id)
        else:
            after = self.queue.cancel(job.id)
            assert after == job.status == (before if before in ENDED else "CANCELLED")

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        job = self.pick(data)
        self.queue.expire()
        if job.status == "FAILED" and not job.deleted:
            self.queue.retry(job.id)
            self.retried += 1
            assert {"id", "status"} <= set(shown(self.queue, job)) <= {"id", "status", "retries"}
        elif job.deleted:
            with pytest.raises(JobNotFoundError):
                self.queue.retry(job.id)
        else:
            with pytest.raises(JobNotRetryableError):
                self.queue.retry(job.id)

    @rule()
    def purge(self) -> None:
        self.queue.expire()
        waiting = self.queue.waiting
        assert waiting == self.queue.purge()

    @invariant()
    def counts_are_correct(self) -> None:
        self.queue.expire()
        # Ended jobs count even after their deletion; jobs deleted before their end do not.
        statuses = [job.status for job in self.jobs if not job.deleted or job.status in ENDED]
        assert {
            "completed": statuses.count("COMPLETED"),
            "failed": statuses.count("FAILED"),
            "inProgress": statuses.count("IN_PROGRESS"),
            "inQueue": statuses.count("IN_QUEUE"),
            "retried": self.retried + sum(job.retries for job in self.jobs),
        } == self.queue.counts()
        queued = [job for job in self.jobs if job.status == "IN_QUEUE" and not job.deleted]
        assert len(queued) == self.queue.waiting
        assert len([job for job in queued if not job.payload.policy.low_priority]) == self.queue.urgent

    @invariant()
    def no_job_outlives_its_deadline(self) -> None:
        earliest = self.queue.expire()
        assert earliest > self.clock.now
        remaining = [job for job in self.jobs if not job.deleted]
        assert (earliest == math.inf) == (not remaining)
        for job in remaining:
            if job.status not in ENDED:
                assert self.clock.now < job.expires_at
            if job.status == "IN_PROGRESS":
                assert job.started_at is not None
                assert self.clock.now < job.started_at + (job.payload.policy.execution_timeout or 600)

    @invariant()
    def leases_of_lost_jobs_are_revoked(self) -> None:
        for lease in self.leases:
            if lease.killed:
                assert lease.revoked
            if lease.job.status == "CANCELLED":
                assert lease.job.lease is None

    @invariant()
    def fields_match_the_status(self) -> None:
        for job in self.jobs:
            body = shown(self.queue, job)
            if body["status"] == "IN_QUEUE":
                assert {"id", "status"} == set(body) - {"retries"}
            elif body["status"] != "CANCELLED":
                assert {"delayTime", "workerId"} <= set(body)
            if body["status"] in {"COMPLETED", "FAILED"}:
                assert "executionTime" in body
            assert ("error" in body) == (body["status"] == "FAILED")


TestQueueMachine = QueueMachine.TestCase
