"""The judgement of `diagnose()`: what was read about an endpoint, as sentences about what is wrong and what to do."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from runpod._protocol.access_findings import job_gone, no_access, no_response, wrong_type
from runpod._protocol.findings import count, finding, logs, named, span_text
from runpod._protocol.observations import facts_of, known
from runpod._text import readable
from runpod.models.diagnosis import Diagnosis, Finding
from runpod.models.endpoints import WorkerCounts

if TYPE_CHECKING:
    from runpod._protocol.findings import Certainty
    from runpod._protocol.observations import Observations

_CERTAINTIES = ("certain", "likely", "possible")

# Large images and models take minutes to load; a worker that takes longer than this may never become ready.
_LONG_START = timedelta(minutes=10)

# docs.runpod.io, "Endpoint configurations": after so long without a request, Runpod lowers the maximum of workers.
_IDLE_MAX = 2
_LOWERED_TO_0 = "It was paused, or Runpod lowered the maximum after seven days without a request."
_LOWERED_TO_2 = "Runpod lowers the maximum to 2 after three days without a request: if yours was higher, that is why."
_TTL = (
    "Jobs that wait are deleted when their time to live passes: 24 hours after their submission, unless their policy "
    "says otherwise."
)
_COUNTS = ("health.jobs.in_queue", "health.jobs.in_progress")
_WORKERS = tuple(f"health.workers.{name}" for name in WorkerCounts.model_fields)


def judge(seen: Observations) -> Diagnosis:
    """What is wrong with an endpoint, the most certain first."""
    return _Judge(seen).diagnosis()


class _Judge:
    """One diagnosis. Each cause has a method, which returns its finding, or None if the facts do not suggest it."""

    def __init__(self, seen: Observations) -> None:
        self._seen = seen
        self._facts = facts_of(seen)
        self._counts = seen.counts or WorkerCounts()
        self._waiting = seen.waiting
        self._is_queue = seen.used_as == "QUEUE"
        # Whether running workers are among those that are "ready" is not documented.
        self._idle = max(self._counts.idle, self._counts.ready - self._counts.running)
        self._serving = self._idle + self._counts.running

    def diagnosis(self) -> Diagnosis:
        access = no_access(self._seen, self._facts)
        if access is not None:
            found = [access]
        else:
            causes = (
                wrong_type(self._seen, self._facts),
                self._paused(),
                self._throttled(),
                self._unhealthy(),
                self._starting(),
                self._failed_release(),
                self._rollout(),
                self._all_busy(),
                self._no_worker(),
                self._idle_workers(),
                job_gone(self._seen, self._facts),
                no_response(self._seen, self._facts),
            )
            found = [each for each in causes if each is not None]
        found.sort(key=lambda each: _CERTAINTIES.index(each.certainty))
        return Diagnosis(
            endpoint_id=self._seen.endpoint_id,
            summary=self._summary(len(found)),
            findings=tuple(found),
            facts=self._facts,
        )

    def _finding(self, cause: str, certainty: Certainty, problem: str, advice: str, *names: str) -> Finding:
        return finding(self._facts, cause, certainty, problem, advice, names)

    # Whether there can be workers

    def _paused(self) -> Finding | None:
        if self._seen.max_workers != 0:
            return None
        problem = f"The endpoint may have no workers: its maximum is 0. {_LOWERED_TO_0}{self._change_of_max()}"
        return self._finding(
            "paused",
            # While the last workers end, or after the maximum was raised by somebody else.
            "likely" if self._idle else "certain",
            problem + (f" {self._jobs_wait()}." if self._waiting else ""),
            "Raise the maximum with endpoint.resume(max=3)." + self._ttl_note(),
            "settings.workers.max",
            "health.jobs.in_queue",
        )

    def _change_of_max(self) -> str:
        """When the maximum became 0, if the releases say so."""
        releases = known(self._seen.releases)
        # The order of the list is not documented.
        for release in sorted(
            releases.releases if releases is not None else (), key=lambda each: each.version or 0, reverse=True
        ):
            changes = [each for each in release.diff if each.field == "workers.max" and each.new == 0]
            if changes:
                old, when = changes[0].old, release.created_at
                start = f" from {old}" if isinstance(old, int) else ""
                return f" Release {release.version} lowered it{start}" + (f" on {when:%Y-%m-%d}." if when else ".")
        return ""

    def _throttled(self) -> Finding | None:
        counts = self._counts
        if not counts.throttled or self._seen.max_workers == 0 or (self._serving and not self._waiting):
            return None
        is_certain = not self._serving and not counts.initializing
        if not is_certain:
            subject = count(counts.throttled, "worker is", "workers are")
        else:
            subject = "The only worker is" if counts.throttled == 1 else f"All {counts.throttled} workers are"
        problem, advice = self._no_machine()
        return self._finding(
            "throttled",
            "certain" if is_certain else "likely",
            f"{subject} throttled: {problem}.",
            f"{advice} Or wait.{self._ttl_note()}",
            "health.workers.throttled",
            "settings.gpu.pools",
            "settings.gpu.excluded_types",
            "settings.data_center_ids",
            "health.jobs.in_queue",
        )

    def _no_machine(self) -> tuple[str, str]:
        """What throttled workers wait for, and how to get it."""
        settings = known(self._seen.settings)
        places, gpu = (settings.data_center_ids, settings.gpu) if settings is not None else ([], None)
        kind = "cpu" if settings is not None and settings.cpu and gpu is None else "gpu"
        choice = "GPU pools" if kind == "gpu" else "CPU types"
        where = f" in {named('pool', gpu.pools)}" if gpu is not None and gpu.pools else ""
        where += f" in {named('data center', places)}" if places else ""
        advice = (
            f'Allow more {choice} or data centers: client.manage.catalog.{kind}s(include="AVAILABILITY", '
            f'product="SERVERLESS") shows what is free, client.manage.serverless.update(…, {kind}=…) changes the choice.'
        )
        them = "it" if self._counts.throttled == 1 else "them"
        return f"no {kind.upper()} is free for {them}{where}", advice

    def _no_worker(self) -> Finding | None:
        limit = self._seen.max_workers
        if not self._waiting or limit == 0 or any(self._numbers()) or self._seen.counts is None:
            return None
        if limit is None:
            return self._finding(
                "paused",
                "likely",
                f"{self._jobs_wait()}, and there is no worker, not even one that starts. The maximum of workers could "
                f"not be read; it may be 0. {_LOWERED_TO_0}",
                "Look at the endpoint in the Runpod console, or use an API key that may read it. endpoint.resume(max=3) "
                f"raises the maximum.{self._ttl_note()}",
                *_COUNTS,
                *_WORKERS,
                "settings",
            )
        return self._finding(
            "no_worker",
            "possible",
            f"{self._jobs_wait()}, and no worker has been started yet.",
            f"{self._when_added('The first one is started')} If none is, check the balance of the account and its "
            "limit of workers in the Runpod console.",
            *_COUNTS,
            "settings.workers.max",
            "settings.scaling.type",
            "settings.scaling.queue_delay_seconds",
            "settings.scaling.request_count",
        )

    def _numbers(self) -> list[int]:
        # Also the states that this version does not know.
        return [each for each in self._counts.model_dump().values() if isinstance(each, int)]

    # Whether the workers work

    def _unhealthy(self) -> Finding | None:
        number = self._counts.unhealthy
        if not number:
            return None
        ids = [each.id for each in self._seen.workers_in("UNHEALTHY")]
        return self._finding(
            "unhealthy",
            "likely" if self._serving else "certain",
            f"{count(number, 'worker is', 'workers are')} unhealthy: the container does not start, ends, or does not "
            "respond.",
            f"Read {'its log' if number == 1 else 'their logs'}: {logs(ids)}.",
            "health.workers.unhealthy",
            "workers.unhealthy_ids",
        )

    def _starting(self) -> Finding | None:
        number = self._counts.initializing
        if not number or self._serving or not (self._waiting or not self._is_queue):
            return None
        span = self._seen.starting_for()
        since = "" if span is None else f", for {span_text(span)} so far"
        problem = f"{count(number, 'worker is', 'workers are')} starting{since}, and none is ready yet."
        facts = ("health.workers.initializing", "workers.starting_seconds", "health.jobs.in_queue")
        if span is None or span < _LONG_START:
            advice = "Wait, such as with endpoint.wait_ready(): large images and models take minutes to load."
            return self._finding("starting", "certain", problem, advice, *facts)
        ids = [each.id for each in self._seen.workers_in("INITIALIZING")]
        advice = f"That is long: read the log, which shows what it is doing: {logs(ids)}."
        return self._finding("starting_slowly", "certain", problem, advice, *facts)

    def _failed_release(self) -> Finding | None:
        workers = known(self._seen.workers)
        latest = [each for each in workers or () if each.is_stale is False]
        stale = [each for each in workers or () if each.is_stale]
        if not (latest and stale) or not all(each.status == "UNHEALTHY" for each in latest):
            return None
        releases = known(self._seen.releases)
        version = releases and releases.endpoint_version
        changed = [
            change.field
            for release in (releases.releases if releases is not None else ())
            if release.version == version is not None
            for change in release.diff
            if change.field
        ]
        name = "The latest release" if version is None else f"Release {version}"
        fields = f" It changed {readable(', '.join(changed), 200)}." if changed else ""
        return self._finding(
            "failed_release",
            "likely",
            f"{name} does not run: all its workers are unhealthy, while "
            f"{count(len(stale), 'worker runs', 'workers run')} an older one.{fields}",
            f"Read the log: {logs([each.id for each in latest])}. Then correct the settings or the image, or take "
            "the change back.",
            "releases.version",
            "workers.stale",
            "workers.unhealthy_ids",
        )

    def _rollout(self) -> Finding | None:
        releases = known(self._seen.releases)
        if releases is None or not releases.rollout.in_progress or not self._waiting or self._idle:
            return None
        rollout = releases.rollout
        is_counted = None not in {rollout.workers_on_latest, rollout.workers_total}
        share = f": {rollout.workers_on_latest} of {rollout.workers_total} workers run it" if is_counted else ""
        version = "The latest release" if releases.endpoint_version is None else f"Release {releases.endpoint_version}"
        return self._finding(
            "rollout",
            "possible",
            f"{version} is being rolled out{share}. Workers of older releases are replaced, each with a cold start.",
            "Wait until it is complete. If it does not go on, read the logs: endpoint.logs().",
            "releases.version",
            "releases.workers_on_latest",
            "releases.workers_total",
        )

    # Whether the workers suffice

    def _all_busy(self) -> Finding | None:
        counts, limit = self._counts, self._seen.max_workers
        if not self._waiting or self._idle or not counts.running or limit == 0:
            return None
        # How long jobs run is not known here, hence a number and not a time.
        share = -(-self._waiting // counts.running)
        per_worker = f", up to {share} for each worker" if share > 1 and counts.running > 1 else ""
        who = "The only worker runs a job" if counts.running == 1 else f"All {counts.running} workers run jobs"
        problem = f"{who}, and {self._jobs_wait().lower()}{per_worker}."
        facts = (*_COUNTS, "health.workers.running", "health.workers.initializing", "settings.workers.max")
        if counts.initializing:
            problem += f" {count(counts.initializing, 'more worker is', 'more workers are')} starting."
        if limit is None or counts.running + counts.initializing >= limit:
            more = counts.running * 2 if limit is None else max(limit, counts.running) * 2
            advice = f"Wait, or allow more workers with endpoint.scale(max={more})."
            if limit is not None:
                problem += f" The endpoint may have {limit}."
                advice += f" {_LOWERED_TO_2}" if limit == _IDLE_MAX else ""
            return self._finding("all_busy", "certain", problem, advice, *facts)
        advice = (
            f"{self._when_added(f'Workers are added, up to {limit},')} endpoint.scale(min={counts.running + 1}) keeps "
            "more of them running, and costs money also without jobs."
        )
        return self._finding("all_busy", "likely", problem, advice, *facts)

    def _when_added(self, subject: str) -> str:
        settings = known(self._seen.settings)
        scaling = settings.scaling if settings is not None else None
        if scaling is not None and scaling.queue_delay is not None:
            return f"{subject} when a job has waited for {span_text(scaling.queue_delay)}."
        if scaling is not None and scaling.request_count is not None:
            requests = count(scaling.request_count, "queued or running job", "queued or running jobs")
            return f"{subject} for every {requests}."
        return f"{subject} as the settings of the endpoint say."

    def _idle_workers(self) -> Finding | None:
        if not self._waiting or not self._idle:
            return None
        idle = count(self._idle, "worker is idle", "workers are idle")
        return self._finding(
            "idle_workers",
            "possible",
            f"{self._jobs_wait()} although {idle}.",
            "Look again in a few seconds, since the numbers can be late. If it remains so, the workers do not ask for "
            "jobs: read their logs with endpoint.logs().",
            *_COUNTS,
            "health.workers.idle",
            "health.workers.ready",
        )

    # Words

    def _jobs_wait(self) -> str:
        return count(self._waiting, "job waits", "jobs wait")

    def _ttl_note(self) -> str:
        return f" {_TTL}" if self._waiting else ""

    def _summary(self, findings: int) -> str:
        if findings:
            return "one finding." if findings == 1 else f"{findings} findings."
        counts = self._counts
        states: dict[str, Any] = {"idle": self._idle, "running": counts.running, "starting": counts.initializing}
        if not any(states.values()):
            states = dict(counts.model_extra or {})
        parts = [
            f"{count(number, 'worker is', 'workers are')} {readable(state, 40)}"
            for state, number in states.items()
            if isinstance(number, int) and number
        ]
        end = ""
        if not parts:
            parts = ["there is no worker"]
            allowed = "" if self._seen.max_workers else ", unless the maximum of workers is 0"
            end = f" The next request starts one{allowed}."
        if self._is_queue:
            parts.append(self._jobs_wait() if self._waiting else "no job waits")
        return f"nothing is wrong: {', '.join(parts)}.{end}"
