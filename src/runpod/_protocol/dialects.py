"""How a call meets the kind of server that it goes to: the service, or the API server of one worker.

The official worker package starts the other kind from a worker script (`--rp_serve_api`). It is
for that worker alone, so its routes name no endpoint. It carries a job out when it is asked for
the job's status or stream, and forgets it with the answer. So there nothing that was sent may be
sent again: it could run the job twice.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, cast

from runpod._protocol.looking import Routes
from runpod._protocol.operations import RUN, RUN_SYNC, STATUS, STREAM, Call, Operation, encoded
from runpod._protocol.outcomes import Answer, Trouble
from runpod.errors import InvalidRequestError

_FORGETS = "The API server of a worker forgets a job once it was asked for its status or stream."

# It takes POST alone where clients of the service send GET.
_OF_A_WORKER = {
    RUN: RUN,
    RUN_SYNC: RUN_SYNC,
    STATUS: Operation("status", "POST", "status", repeatable=False),
    STREAM: Operation("stream", "POST", "stream", repeatable=False),
}

# How it says that it does not know a job: with 200.
_UNKNOWN_JOB = "Job ID not found"


class Dialect:
    """The service's."""

    shows_jobs_late = True
    """Whether a job can be unknown for a moment after it was submitted."""

    def routes(self) -> Routes:
        """What is known of the server before the first call."""
        return Routes()

    def adapt(self, call: Call) -> Call:
        """The call as it is to be sent.

        Raises:
            InvalidRequestError: The server has no such operation.
        """
        return call

    def read(self, outcome: Answer | Trouble) -> Answer | Trouble:
        """What the server means by an answer."""
        return outcome


class WorkerDialect(Dialect):
    """That of the API server of one worker."""

    shows_jobs_late = False

    def routes(self) -> Routes:
        return Routes(long_poll=False, retention=_FORGETS)

    def adapt(self, call: Call) -> Call:
        operation = _OF_A_WORKER.get(call.operation)
        if operation is None:
            msg = (
                f"{call.operation.name} is not possible here: the base URL names the API server of one worker, "
                "which has no such operation. `python -m runpod.local serve --worker …` runs the same worker and has all."
            )
            raise InvalidRequestError(msg, endpoint_id=call.endpoint_id, job_id=call.job_id)
        # The job runs within the call, and that takes the time it takes.
        return _WorkerCall(operation, call.endpoint_id, call.job_id, math.inf, call.body)

    def read(self, outcome: Answer | Trouble) -> Answer | Trouble:
        if isinstance(outcome, Answer) and outcome.good and _says_unknown(outcome.body):
            return Answer(404, outcome.headers, outcome.body, outcome.secret)
        return outcome


@dataclass(frozen=True)
class _WorkerCall(Call):
    @property
    def target(self) -> str:
        job = "" if self.job_id is None else f"/{encoded(self.job_id)}"
        return f"/{self.operation.path}{job}"

    @property
    def if_missing(self) -> str:
        return _FORGETS if self.job_id is not None else "Check base_url."

    @property
    def if_in_doubt(self) -> str:
        return "The handler may have run all the same, so it is not sent again."


SERVICE = Dialect()
WORKER = WorkerDialect()


def _says_unknown(body: bytes) -> bool:
    # Outputs are large; this answer is not.
    if len(body) > 4096 or _UNKNOWN_JOB.encode() not in body:
        return False
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        return False
    if not isinstance(value, dict):
        return False
    answer = cast("dict[str, Any]", value)
    return answer.get("status") == "FAILED" and answer.get("error") == _UNKNOWN_JOB
