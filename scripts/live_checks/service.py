"""The service: sends single requests within a budget, records them, and cancels the jobs that were started."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from pydantic import SecretStr

from live_checks.interrupts import interrupted_later
from live_checks.plan import CANCELS_PER_JOB, POLLS
from runpod._config import DEFAULT_BASE_URL, DEFAULT_LOAD_BALANCER_URL, DEFAULT_MANAGEMENT_URL
from runpod._primitives import Clock
from runpod._protocol.deadlines import Deadline
from runpod._protocol.failures import submitted_job
from runpod._protocol.operations import JOBS, MANAGEMENT, RUN, Call, Operation, encoded
from runpod._protocol.outcomes import DeadlineExceeded, RequestNotSent, Response, redacted
from runpod._sync.engine import Engine
from runpod._text import readable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runpod._config import Config
    from runpod._protocol.operations import Service as Api

FINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"})

# Shown in the report. Of the others, only the names are.
_SHOWN_HEADERS = frozenset(
    {"allow", "content-length", "content-type", "date", "ratelimit", "ratelimit-policy", "retry-after", "server"}
)
_BODY_LENGTH = 600  # characters in the report
_KEPT_BODY = 65_536  # bytes, in which secrets are replaced before they are cut
_REQUEST_TIMEOUT = 20.0  # seconds
_CANCEL_TIMEOUT = 5.0
_CANCEL_PAUSE = 1.0
# Jobs that could not be cancelled are deleted by the service after this time, in milliseconds.
_TTL = 600_000

# A key that no account has.
_WRONG_KEY = "rpa_this_key_is_wrong_on_purpose"


class BudgetError(Exception):
    """The limit of requests, jobs or time is reached."""


@dataclass(frozen=True)
class Reply:
    """A response, or None as its status if there was none.

    Attributes:
        status: The HTTP status.
        headers: Its headers, with names in lower case.
        value: The body if it is JSON, else None.
        seconds: How long it took.
        problem: Why there is no response.
        sent: Whether the request may have arrived.
        job_id: The ID of a job that an incomplete response names.
        skipped: Why this program did not send it.
    """

    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    value: Any = field(default=None, repr=False)
    seconds: float = 0.0
    problem: str = ""
    sent: bool = True
    job_id: str | None = None
    skipped: str = ""

    def get(self, name: str) -> Any:
        """A field of the body, or None."""
        return cast("dict[str, Any]", self.value).get(name) if isinstance(self.value, dict) else None

    @property
    def job_status(self) -> str:
        """The status of a job in the body; empty if there is none."""
        status = self.get("status")
        return status if isinstance(status, str) else ""

    def __str__(self) -> str:
        if self.skipped:
            return f"not asked, {self.skipped}"
        return "no response" if self.status is None else f"HTTP {self.status}"


@dataclass
class Budget:
    """Hard limits of a run.

    Attributes:
        requests: Requests left, without those for cancelling.
        jobs: Jobs left.
        seconds: Time of the whole run.
    """

    requests: int
    jobs: int
    seconds: float


@dataclass(frozen=True)
class _RawCall(Call):
    path: str = ""

    @property
    def target(self) -> str:
        return self.path


class Service:
    """Sends requests for the checks.

    Args:
        config: Addresses and key.
        endpoint_id: The endpoint.
        job_input: The input of each job.
        budget: What may be spent.
        job_seconds: Execution timeout of the jobs, in seconds.
        job_timeout: How long the shared job is waited for, in seconds.
        clock: Measures and waits; replaced by the tests.
    """

    def __init__(
        self,
        config: Config,
        endpoint_id: str,
        job_input: dict[str, Any],
        budget: Budget,
        *,
        job_seconds: float = 30.0,
        job_timeout: float = 120.0,
        clock: Clock | None = None,
    ) -> None:
        self.config = config
        self.endpoint_id = endpoint_id
        self.job_input = job_input
        self.budget = budget
        self.check = ""
        self.exchanges: list[dict[str, Any]] = []
        # The jobs that were started and are not known to have ended, and how many may exist besides them.
        self.open_jobs: list[str] = []
        self.unknown_jobs = 0
        self.jobs_started = 0
        self._job_seconds = job_seconds
        self._job_timeout = job_timeout
        self._clock = clock or Clock()
        self._deadline = Deadline.after(budget.seconds, self._clock.now())
        self._engines: list[Engine] = []
        self._own = self._engine(config)
        self._wrong = self._engine(replace(config, api_key=SecretStr(_WRONG_KEY)))
        self._shared: tuple[str, Reply, Reply] | None = None

    def _engine(self, config: Config) -> Engine:
        engine = Engine(config, None)
        self._engines.append(engine)
        return engine

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._clock.sleep(seconds)

    def close(self) -> None:
        """Close all connections."""
        for engine in self._engines:
            engine.close()

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        endpoint: str | None = None,
        wrong_key: bool = False,
        timeout: float = _REQUEST_TIMEOUT,
    ) -> Reply:
        """Send a request for an operation of the endpoint, once.

        Args:
            method: The HTTP method.
            path: Below the endpoint: "health".
            body: JSON.
            endpoint: Another endpoint.
            wrong_key: Whether to send another key than that of the user.
            timeout: Seconds.

        Raises:
            BudgetError: The limit of requests or of time is reached.
        """
        target = f"/{encoded(self.endpoint_id if endpoint is None else endpoint)}/{path}"
        return self._send(self._wrong if wrong_key else self._own, method, target, body, timeout)

    def management(self, path: str) -> Reply:
        """Send a GET to the management API."""
        if self._is_elsewhere(self.config.management_url, DEFAULT_MANAGEMENT_URL):
            return Reply(None, sent=False, skipped="since its address is not known")
        return self._send(self._own, "GET", path, None, _REQUEST_TIMEOUT, service=MANAGEMENT)

    def at_load_balancer(self, path: str) -> Reply:
        """Send a GET to the address that the endpoint would have as a load balancer."""
        if self._is_elsewhere(self.config.load_balancer_url, DEFAULT_LOAD_BALANCER_URL):
            return Reply(None, sent=False, skipped="since it is not known")
        url = self.config.load_balancer_url.replace("{endpoint_id}", encoded(self.endpoint_id))
        return self._send(self._engine(replace(self.config, base_url=url)), "GET", path, None, _REQUEST_TIMEOUT)

    def _is_elsewhere(self, url: str, default: str) -> bool:
        """Whether the key is that of another service than this address."""
        return self.config.base_url != DEFAULT_BASE_URL and url == default

    def submit(
        self,
        operation: str = "run",
        *,
        job_input: object = None,
        policy: Mapping[str, object] | None = None,
        timeout: float = _REQUEST_TIMEOUT,
    ) -> Reply:
        """Send a submission, which counts as a job whatever comes back.

        Raises:
            BudgetError: A limit is reached.
        """
        if self.budget.jobs <= 0:
            raise BudgetError("the limit of jobs is reached")
        policies = {"executionTimeout": round(self._job_seconds * 1000), "ttl": _TTL, **(policy or {})}
        content = {"input": self.job_input if job_input is None else job_input, "policy": policies}
        self._check_budget()
        if self._deadline.remaining(self._clock.now()) < timeout:
            # It would be cut off, and the ID of its job not be known.
            raise BudgetError("the time that is left is too short for another job")
        self.budget.jobs -= 1
        self.jobs_started += 1
        self.unknown_jobs += 1  # Until the response names it, also if this is interrupted.
        with interrupted_later():
            reply = self.request("POST", operation, content, timeout=timeout)
            if job_id := id_in(reply):
                self.unknown_jobs -= 1
                self.note(job_id, reply)
            elif _refuses(reply) or not reply.sent:
                self.unknown_jobs -= 1
                self.jobs_started -= 1
        return reply

    def note(self, job_id: str, reply: Reply) -> None:
        """Remember whether a job has ended, so that it is cancelled if not."""
        if reply.job_status.upper() in FINAL:
            if job_id in self.open_jobs:
                self.open_jobs.remove(job_id)
        elif job_id not in self.open_jobs:
            self.open_jobs.append(job_id)

    def job(self, operation: str, job_id: str, query: str = "", method: str = "GET") -> Reply:
        """Send a request about a job."""
        reply = self.request(method, f"{operation}/{encoded(job_id)}{query}")
        if operation in {"status", "status-sync", "cancel"} and reply.status == 200:
            self.note(job_id, reply)
        return reply

    def retry(self, job_id: str) -> Reply:
        """Send a retry, which counts as a job.

        Raises:
            BudgetError: A limit is reached.
        """
        if self.budget.jobs <= 0:
            raise BudgetError("the limit of jobs is reached")
        self._check_budget()
        self.budget.jobs -= 1
        self.open_jobs.append(job_id)  # Until it is refused, also if this is interrupted.
        reply = self.request("POST", f"retry/{encoded(job_id)}")
        if _refuses(reply):
            self.open_jobs.remove(job_id)
        else:
            self.jobs_started += 1
            self._shared = job_id, reply, reply  # It has not ended any more.
        return reply

    def shared_job(self) -> tuple[str, Reply, Reply] | None:
        """The shared job, submitted on first use: its ID, the first `/status` and the last; None without one."""
        if self._shared is None:
            submitted = self.submit()
            job_id = id_in(submitted)
            if job_id is None or submitted.status != 200:
                return None
            first = last = self.job("status", job_id)
            end = Deadline.after(self._job_timeout, self._clock.now())
            for poll in range(POLLS - 1):
                if last.job_status.upper() in FINAL or end.passed(self._clock.now()):
                    break
                self.sleep(min(0.25 * 1.3**poll, 5.0))
                last = self.job("status", job_id)
            self._shared = job_id, first, last
        return self._shared

    def ended_job(self) -> tuple[str, str] | None:
        """The ID and status of the shared job; None if it has not ended."""
        shared = self.shared_job()
        if shared is None or shared[2].job_status.upper() not in FINAL:
            return None
        return shared[0], shared[2].job_status.upper()

    def cancel_all(self) -> list[str]:
        """Cancel the jobs that have not ended, without regard to the budget; return those that may still run."""
        self.check = "(cancelling)"
        for attempt in range(CANCELS_PER_JOB):
            if attempt and self.open_jobs:
                self.sleep(_CANCEL_PAUSE)
            for job_id in list(self.open_jobs):
                target = f"/{encoded(self.endpoint_id)}/cancel/{encoded(job_id)}"
                reply = self._exchange(self._own, "POST", target, None, _CANCEL_TIMEOUT, JOBS)
                # A 400 says that it has ended. So does a 404, but perhaps not right after the submission.
                gone = reply.status == 400 or (reply.status == 404 and attempt == CANCELS_PER_JOB - 1)
                if gone or (reply.status == 200 and reply.job_status.upper() in FINAL):
                    self.open_jobs.remove(job_id)
        return list(self.open_jobs)

    def _send(
        self, engine: Engine, method: str, target: str, body: object, timeout: float, *, service: Api = JOBS
    ) -> Reply:
        self._check_budget()
        self.budget.requests -= 1
        remaining = self._deadline.remaining(self._clock.now())
        return self._exchange(engine, method, target, body, min(timeout, remaining), service)

    def _check_budget(self) -> None:
        if self.budget.requests <= 0:
            raise BudgetError("the limit of requests is reached")
        if self._deadline.passed(self._clock.now()):
            raise BudgetError("the time is up")

    def _exchange(self, engine: Engine, method: str, target: str, body: object, timeout: float, service: Api) -> Reply:
        content = None if body is None else json.dumps(body).encode()
        operation = Operation("live check", method, target, repeatable=False, service=service)
        call = _RawCall(operation, self.endpoint_id, body=content, path=target)
        start = self._clock.now()
        outcome = engine.send(call, Deadline.after(timeout, start), self._clock)
        seconds = self._clock.now() - start
        if isinstance(outcome, Response):
            reply = Reply(outcome.status, outcome.headers, _json(outcome.body), seconds)
            text = outcome.body[:_KEPT_BODY].decode("utf-8", "replace")
        else:
            sent = outcome.sent if isinstance(outcome, DeadlineExceeded) else not isinstance(outcome, RequestNotSent)
            job_id = submitted_job(Call(RUN, self.endpoint_id), outcome.partial) if method == "POST" else None
            reply = Reply(None, seconds=seconds, problem=outcome.reason, sent=sent, job_id=job_id)
            text = outcome.partial[:_KEPT_BODY].decode("utf-8", "replace")
        self.exchanges.append(
            {
                "check": self.check,
                "request": f"{method} {self.hidden(target)}",
                "status": reply.status,
                "seconds": round(seconds, 2),
                "headers": self._shown_headers(reply.headers),
                "body": readable(self.hidden(text), _BODY_LENGTH),
                "problem": readable(self.hidden(reply.problem)),
            }
        )
        return reply

    def hidden(self, text: str) -> str:
        """A text without the key and the ID of the endpoint."""
        for secret in (self.config.api_key, SecretStr(json.dumps(self.config.api_key.get_secret_value())[1:-1])):
            text = redacted(text, secret)
        return re.sub(rf"(?<![\w-]){re.escape(self.endpoint_id)}(?![\w-])", "{endpoint}", text)

    def _shown_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        shown = {name: readable(self.hidden(value), 200) for name, value in headers.items() if name in _SHOWN_HEADERS}
        if others := sorted(readable(self.hidden(name), 40) for name in headers.keys() - _SHOWN_HEADERS):
            shown["(others)"] = ", ".join(others[:30])
        return shown


def _refuses(reply: Reply) -> bool:
    """Whether it is certain that no job was started."""
    return reply.status is not None and 400 <= reply.status < 500 and reply.status != 408


def id_in(reply: Reply) -> str | None:
    """The ID of the job in a response."""
    found = reply.get("id")
    return found if isinstance(found, str) and found.strip() else reply.job_id


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
