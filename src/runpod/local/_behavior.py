"""Where nobody knows for sure what the service does: switches, one for each question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from runpod.local._endpoint import check_integer, check_seconds

__all__ = ["Behavior"]


@dataclass(frozen=True)
class Behavior:
    """How a `LocalServer` behaves where public sources about the service are silent or disagree.

    Turn the switches to see that your code can live with either. The default is the reading that
    asks more of a client, as long as the released clients can live with it at all.

    Args:
        status_sync: Whether `/status-sync` exists. Clients in use need it, but the newest
            documentation does not name it any more.
        post_reads: Whether `/status`, `/status-sync` and `/stream` take POST besides GET.
        not_found_for: Seconds for which a new job is answered with 404, as if word of it had yet
            to get around.
        stream_hold: When a `/stream` request waits for a chunk: `"started"`, once the job has
            left the queue; `"always"`; or `"never"`, so that empty answers come at once.
        stream_reply_limit: Bytes of chunks in one answer of `/stream`, or None for no limit. What
            does not fit stays for the next one, also after a final status.
        output_limit: Bytes of an output, or None for no limit. A job with a larger one is
            COMPLETED without output.
        timed_out: Whether jobs end as TIMED_OUT. Without it, one that is killed for its
            execution timeout or whose worker got lost is FAILED, and one whose time to live
            ends in the queue is gone.
        refuse_short_policies: Whether an `executionTimeout` under 5000 and a `ttl` under 10000
            are refused with 400. Without it, they are taken for the least that is allowed.
        refuse_late_cancel: Whether cancelling a job that has ended is refused with 400. Without it,
            the answer is the status the job has.
        webhook_on_every_end: Whether a webhook is also called for a job that is CANCELLED or
            TIMED_OUT, and not only for one that is COMPLETED or FAILED.
        rate_limits: Whether requests over the documented rates are answered with 429, as well as
            submissions while the queue is very long.

    Example:
        ```python
        from runpod.local import Behavior, LocalServer

        server = LocalServer({"horse": lambda job: 1}, behavior=Behavior(status_sync=False, stream_hold="never"))
        ```
    """

    # "/status-sync/{id}: long-poll status; gone from current docs"; "Whether Runpod intends to
    # keep it: UNKNOWN". There by default, because the released JavaScript client cannot wait
    # for a job without it.
    status_sync: bool = True

    # "GET; POST also listed" in documentation of 2024, and one official client uses POST alone;
    # "whether POST for status still works in 2026" is open.
    post_reads: bool = True

    # "404: freshly submitted job not propagated yet. CONTRADICTORY": one client tries again for
    # a minute, another one takes any 404 for final. None by default, because no released client
    # survives it, and because a test that asks for a job it has just submitted should get it.
    not_found_for: float = 0.0

    # "an empty buffer is held: default 10 s", but "GP12's first call shows an immediate empty
    # IN_QUEUE reply; later gaps (≈11 s, 7 s) fit a ~10 s hold released by a chunk". Both
    # captures are true if a job that has not started is not waited for.
    stream_hold: Literal["always", "never", "started"] = "started"

    # "Can chunks remain after a terminal reply (size-capped drain)? UNKNOWN". The limit itself is
    # that of a body. The released JavaScript client stops at the first final status.
    stream_reply_limit: int | None = 10 * 1024 * 1024

    # "Output: same 10/20 MB order; oversize results are refused". The larger one, because no
    # source says which outputs have the smaller one.
    output_limit: int | None = 20 * 1024 * 1024

    # "TIMED_OUT versus FAILED for an executionTimeout kill: the wild report and GP15 show FAILED";
    # "Meaning per DOCS: expired before pickup, or the worker never reported back". What was
    # captured comes first. It is the more hostile one as well: clients tend to forget that a job
    # can be gone.
    timed_out: bool = False

    # "Below-minimum behaviour (400 or clamp): UNKNOWN". Not refused by default, because the README
    # of the released JavaScript client shows 3000, which then would be an error.
    refuse_short_policies: bool = False

    # "Response when the job is already terminal: UNKNOWN". Not refused by default, because every
    # client cancels jobs that may just have ended, and the released ones take a refusal for trouble.
    refuse_late_cancel: bool = False

    # "Fires on COMPLETED and FAILED; CANCELLED/TIMED_OUT UNKNOWN". By default, nobody is called
    # who may wait for it.
    webhook_on_every_end: bool = False

    # "Per endpoint (per user)", so many requests in ten seconds and so many at once. Off by default:
    # on one machine, a test does in a second what a program does in minutes.
    rate_limits: bool = False

    def __post_init__(self) -> None:
        check_seconds("not_found_for", self.not_found_for)
        for name in ("stream_reply_limit", "output_limit"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), 1, None)
        if self.stream_hold not in ("always", "never", "started"):
            raise ValueError(f'`stream_hold` is {self.stream_hold!r}. Pass "always", "never" or "started".')
