"""What a check is, and what a run of checks costs at most."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from live_checks.service import Service

# The cheapest public model, with the price of one picture in USD, rounded up. It is that of the default size, since some
# checks have another input than this one, which the model might accept.
PUBLIC_ENDPOINT = "black-forest-labs-flux-1-schnell"
PUBLIC_INPUT: dict[str, object] = {"prompt": "a horse", "width": 512, "height": 512}
PUBLIC_PRICE = 0.0026

# A job whose execution timeout passes is queued once more.
RUNS_PER_JOB = 2

# Attempts to cancel a job.
CANCELS_PER_JOB = 3
# Requests that wait for the end of the shared job.
POLLS = 40


class Verdict(str, Enum):
    """Whether the service behaves as this library, and its local server by default, assume."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    UNDECIDED = "not decided"


class Finding(NamedTuple):
    """What a check says about a fact.

    Attributes:
        fact: Its name in the lists of tests/facts.
        verdict: Whether the assumption holds.
        note: What was observed, in words of this program: nothing that the service sent.
    """

    fact: str
    verdict: Verdict
    note: str


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: For `--only`.
        question: What it finds out.
        at_stake: What goes wrong if the assumption is wrong.
        facts: The facts that it decides.
        run: Performs it.
        requests: At most so many, besides those of the shared job.
        jobs: At most so many jobs are started, besides the shared one; also if the service should refuse them.
        needs_job: Whether it uses the shared job, which has ended.
        on_request: Whether it runs only if it is named: it takes longer, or costs more.
        waits: Seconds that it waits on purpose.
    """

    name: str
    question: str
    at_stake: str
    facts: tuple[str, ...]
    run: Callable[[Service], Iterator[Finding]]
    requests: int = 1
    jobs: int = 0
    needs_job: bool = False
    on_request: bool = False
    waits: float = 0.0


@dataclass(frozen=True)
class Costs:
    """What some checks cost at most.

    Attributes:
        requests: Requests, with those for cancelling.
        jobs: Jobs.
        job_seconds: Execution timeout of each job.
        price: USD per second of a worker; None if unknown.
        public: Whether the jobs are those of the public model.
    """

    requests: int
    jobs: int
    job_seconds: float
    price: float | None
    public: bool

    @property
    def worker_seconds(self) -> float:
        """Seconds of running jobs at most."""
        return self.jobs * RUNS_PER_JOB * self.job_seconds

    @property
    def dollars(self) -> float | None:
        """USD at most; None if the price is unknown."""
        if self.public:
            return self.jobs * RUNS_PER_JOB * PUBLIC_PRICE
        return None if self.price is None else self.worker_seconds * self.price

    @property
    def checking_requests(self) -> int:
        """Requests without those for cancelling."""
        return self.requests - self.jobs * CANCELS_PER_JOB


def costs_of(
    checks: Sequence[Check],
    *,
    job_seconds: float,
    price: float | None = None,
    public: bool = False,
    max_jobs: float = math.inf,
) -> Costs:
    """What the checks cost at most, with a request that tries the key."""
    shared = any(check.needs_job for check in checks)
    jobs = int(min(shared + sum(check.jobs for check in checks), max_jobs))
    requests = 1 + sum(check.requests for check in checks) + (1 + POLLS) * shared + jobs * CANCELS_PER_JOB
    return Costs(requests, jobs, job_seconds, price, public)


def plan_text(checks: Sequence[Check], costs: Costs, *, endpoint: str, minutes: float) -> str:
    """What will be done, and what it costs at most."""
    width = max((len(check.name) for check in checks), default=0)
    lines = [f"Checks on endpoint {endpoint}:"]
    for check in checks:
        counts = [_counted(check.requests, "request"), _counted(check.jobs, "job"), "shared job" * check.needs_job]
        lines.append(f"  {check.name.ljust(width)}  {check.question} ({', '.join(filter(None, counts))})")
    if any(check.needs_job for check in checks):
        lines.append(f"  {'(shared)'.ljust(width)}  One small job that the checks look at (1 job)")
    jobs = _counted(costs.jobs, "job") or "no job"
    lines += ["", f"At most {_counted(costs.requests, 'request')} and {jobs}, in at most {minutes:g} minutes."]
    if costs.jobs:
        lines.append(_price_text(costs))
        lines.append("Jobs that have not ended are cancelled after that, and deleted by the service after 10 minutes.")
    lines.append("Nothing is purged, and no endpoint is changed.")
    return "\n".join(lines)


def _counted(number: int, noun: str) -> str:
    """A number with its noun; empty for none."""
    return f"{number} {noun}{'' if number == 1 else 's'}" if number else ""


def _dollars(amount: float | None) -> str:
    # Rounded up: it is an upper limit. Less than a millionth of a cent is an error of the multiplication.
    return f"${math.ceil(round((amount or 0) * 10_000, 4)) / 10_000:,.4f}"


def _price_text(costs: Costs) -> str:
    if costs.public:
        return f"At most {_dollars(costs.dollars)}: {PUBLIC_PRICE:.4f} for each picture, and a job may run twice."
    money = "" if costs.dollars is None else f", which is {_dollars(costs.dollars)} at ${costs.price:g} a second"
    return (
        f"At most {costs.worker_seconds:,.10g} seconds of running jobs{money}: each job has an execution timeout of "
        f"{costs.job_seconds:g} s, and may run twice. The service also bills the start of a worker and its idle timeout."
    )
