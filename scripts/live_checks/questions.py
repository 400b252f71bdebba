"""What the checks ask the service, and what its responses mean."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from live_checks.plan import Finding, Verdict
from live_checks.service import FINAL, id_in
from runpod._protocol.operations import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from live_checks.service import Reply, Service

CONFIRMED, REFUTED, UNDECIDED = Verdict.CONFIRMED, Verdict.REFUTED, Verdict.UNDECIDED

# Seconds. Results of /runsync are said to be kept for a minute.
RETENTION = 75.0
_TTL_QUERY = 10_000  # milliseconds
_LARGE = 10 * 1024 * 1024


def _judged(fact: str, *, right: bool, wrong: bool, note: str) -> Finding:
    return Finding(fact, CONFIRMED if right else REFUTED if wrong else UNDECIDED, note)


def _decides(reply: Reply) -> bool:
    """Whether the service answered the question, rather than being busy or refusing the key."""
    return reply.status is not None and reply.status not in {401, 403, 408, 429} and reply.status < 500


def _no_job(*facts: str) -> Iterator[Finding]:
    for fact in facts:
        yield Finding(fact, UNDECIDED, "the shared job has not ended, or could not be submitted")


def fresh_job(service: Service) -> Iterator[Finding]:
    fact = "protocol 4: 404 after the submission"
    shared = service.shared_job()
    if shared is None:
        yield Finding(fact, UNDECIDED, "the job could not be submitted")
        return
    first = shared[1]
    note = f"/status right after the submission: {first}"
    if first.status == 404:
        note += "; set Behavior(not_found_for=…)"
    yield _judged(fact, right=first.status == 200, wrong=first.status == 404, note=note)


def late_runsync(service: Service) -> Iterator[Finding]:
    reply = service.submit("runsync?wait=1000")
    unfinished, no_408 = "protocol 1.5: unfinished", "protocol 1.5: no 408"
    note = f"/runsync?wait=1000: {reply} after {reply.seconds:.1f} s"
    if job_id := id_in(reply):
        yield _judged("protocol 1.0: job IDs", right=job_id.startswith("sync-"), wrong=True, note="the ID of /runsync")
    if reply.status == 200 and reply.job_status.upper() in FINAL:
        yield Finding(unfinished, UNDECIDED, f"{note}; the job ended within the second: use a slower one")
        yield Finding(no_408, UNDECIDED, "the job was not late")
        return
    fields = set(reply.value) if isinstance(reply.value, dict) else set[str]()
    right = reply.status == 200 and fields == {"id", "status"}
    yield _judged(
        unfinished, right=right, wrong=_decides(reply) or reply.status == 408, note=f"{note}; {len(fields)} fields"
    )
    yield _judged(no_408, right=reply.status == 200, wrong=reply.status == 408, note=note)


def status_sync(service: Service) -> Iterator[Finding]:
    exists, waits = "protocol 1.1: status-sync exists", "protocol 1.6: wait of status-sync"
    ended = service.ended_job()
    if ended is None:
        yield from _no_job(exists, waits)
        return
    reply = service.job("status-sync", ended[0], "?wait=1000")
    missing = reply.status in {404, 405}
    note = f"/status-sync of a job that has ended: {reply}" + ("; set Behavior(status_sync=False)" if missing else "")
    yield _judged(exists, right=reply.status == 200, wrong=missing, note=note)
    if missing:
        yield Finding(waits, UNDECIDED, "there is no /status-sync")
        return
    reply = service.job("status-sync", ended[0], "?wait=29")
    yield _judged(waits, right=reply.status == 400, wrong=reply.status == 200, note=f"/status-sync?wait=29: {reply}")


def queued_stream(service: Service) -> Iterator[Finding]:
    hold, cancel = "protocol 3: hold in the queue", "protocol 1.9: cancel"
    submitted = service.submit(policy={"lowPriority": True})
    job_id = id_in(submitted)
    if submitted.status != 200 or job_id is None:
        yield Finding(hold, UNDECIDED, f"the job could not be submitted: {submitted}")
        yield Finding(cancel, UNDECIDED, "the job could not be submitted")
        return
    reply = service.job("stream", job_id, "?wait=3000")
    if reply.status != 200:
        yield Finding(hold, UNDECIDED, f"/stream of a job in the queue: {reply}")
    elif reply.job_status != "IN_QUEUE" or reply.get("stream"):
        yield Finding(hold, UNDECIDED, "the job was no longer in the queue: use an endpoint whose workers are busy")
    else:
        held = reply.seconds >= 2.5
        note = f"/stream?wait=3000 of a job in the queue took {reply.seconds:.1f} s"
        note += '; set Behavior(stream_hold="always")' if held else ""
        yield _judged(hold, right=reply.seconds < 1.5, wrong=held, note=note)
    reply = service.job("cancel", job_id, method="POST")
    if reply.status == 200 and reply.job_status in FINAL - {"CANCELLED"}:
        yield Finding(cancel, UNDECIDED, "the job had ended")
    else:
        right = reply.status == 200 and reply.job_status == "CANCELLED"
        wrong = _decides(reply) and reply.status != 404  # 404: not found yet.
        yield _judged(cancel, right=right, wrong=wrong, note=f"/cancel of a job: {reply}")


def cancel_late(service: Service) -> Iterator[Finding]:
    fact = "protocol 1.9: cancel after the end"
    ended = service.ended_job()
    if ended is None:
        yield from _no_job(fact)
        return
    reply = service.job("cancel", ended[0], method="POST")
    unchanged = reply.status == 200 and reply.job_status.upper() == ended[1]
    note = f"/cancel of a job that is {ended[1]}: {reply}"
    note += "; set Behavior(refuse_late_cancel=True)" if reply.status == 400 else ""
    yield _judged(fact, right=unchanged, wrong=_decides(reply), note=note)


def retry_completed(service: Service) -> Iterator[Finding]:
    fact = "protocol 1.9: refused retry"
    ended = service.ended_job()
    if ended is None or ended[1] != "COMPLETED":
        yield Finding(fact, UNDECIDED, "the shared job is not COMPLETED")
        return
    reply = service.retry(ended[0])
    wrong = _decides(reply)
    yield _judged(fact, right=reply.status == 400, wrong=wrong, note=f"/retry of a COMPLETED job: {reply}")


def short_policy(service: Service) -> Iterator[Finding]:
    reply = service.submit(policy={"executionTimeout": 1000})
    note = f"/run with an executionTimeout of 1000: {reply}"
    note += "; set Behavior(refuse_short_policies=True)" if reply.status == 400 else ""
    yield _judged("protocol 1.2: short policies", right=reply.status == 200, wrong=reply.status == 400, note=note)
    if job_id := id_in(reply):
        service.job("cancel", job_id, method="POST")


def reads_by_post(service: Service) -> Iterator[Finding]:
    fact = "protocol 1.1: reads by POST"
    ended = service.ended_job()
    if ended is None:
        yield from _no_job(fact)
        return
    reply = service.job("status", ended[0], method="POST")
    wrong = reply.status in {404, 405}
    note = f"POST /status: {reply}" + ("; set Behavior(post_reads=False)" if wrong else "")
    yield _judged(fact, right=reply.status == 200, wrong=wrong, note=note)


def stream_shape(service: Service) -> Iterator[Finding]:
    fact = "protocol 3: bare list"
    ended = service.ended_job()
    if ended is None:
        yield from _no_job(fact)
        return
    reply = service.job("stream", ended[0], "?wait=1000")
    right = reply.status == 200 and isinstance(reply.get("stream"), list) and bool(reply.job_status)
    shape = "a list" if isinstance(reply.value, list) else "an object with a status" if right else "neither"
    note = f"/stream: {reply}, {shape}"
    yield _judged(fact, right=right, wrong=reply.status == 200, note=note)


def wrong_key(service: Service) -> Iterator[Finding]:
    reply = service.request("GET", "health", wrong_key=True)
    note = f"/health with a wrong key: {reply}"
    wrong = reply.status in {200, 400, 403, 404}
    yield _judged("protocol 4: wrong key", right=reply.status == 401, wrong=wrong, note=note)
    error = isinstance(reply.get("error"), str)
    said = "has" if error else "does not have"
    refused = reply.status == 401
    note = f"the body {said} an error text"
    yield _judged("protocol 4: body of a 401", right=refused and error, wrong=refused, note=note)


def unknown(service: Service) -> Iterator[Finding]:
    name = f"none{uuid4().hex[:10]}"
    for fact, reply in (
        ("protocol 4: unknown endpoint", service.request("GET", "health", endpoint=name)),
        ("protocol 4: unknown job", service.job("status", f"{uuid4()}-u1")),
    ):
        wrong = reply.status in {200, 400, 401, 403}
        yield _judged(fact, right=reply.status == 404, wrong=wrong, note=f"GET: {reply}")


def health(service: Service) -> Iterator[Finding]:
    reply = service.request("GET", "health")
    counts = reply.get("workers")
    missing = {"idle", "initializing", "ready", "running", "throttled", "unhealthy"}
    missing -= set(counts) if isinstance(counts, dict) else set[str]()
    note = f"{reply}; missing: {', '.join(sorted(missing)) or 'none'}"
    is_known = reply.status == 200 and isinstance(counts, dict)
    yield _judged("protocol 1.10: missing counts", right=is_known and not missing, wrong=is_known, note=note)


def input_that_is_a_list(service: Service) -> Iterator[Finding]:
    reply = service.submit(job_input=[1])
    note = f"/run with a list as its input: {reply}"
    yield _judged("protocol 1.2: input is an object", right=reply.status == 400, wrong=_decides(reply), note=note)


def queue_host(service: Service) -> Iterator[Finding]:
    reply = service.at_load_balancer("/ping")
    note = f"the load-balancer address of the queue endpoint: {reply}"
    wrong = _decides(reply)
    yield _judged("protocol-2 3.2: its status", right=reply.status == 400, wrong=wrong, note=note)


def management(service: Service) -> Iterator[Finding]:
    reply = service.management("/v2/serverless")
    fact = "protocol-2 8.1: pages"
    if reply.status != 200:
        restricted = "; the key may be restricted" if reply.status in {401, 403} else ""
        yield Finding(fact, UNDECIDED, f"GET /v2/serverless: {reply}" + restricted)
        return
    paged = reply.get("pagination") is not None
    yield _judged(
        fact, right=not paged, wrong=paged, note=f"the list has {'a' if paged else 'no'} pagination, which is followed"
    )


def ttl_query(service: Service) -> Iterator[Finding]:
    fact = "protocol 1.6: ttl query"
    ended = service.ended_job()
    if ended is None:
        yield from _no_job(fact)
        return
    first = service.job("status", ended[0], f"?ttl={_TTL_QUERY}")
    service.sleep(_TTL_QUERY / 1000 + 3)
    then = service.job("status", ended[0])
    note = f"/status?ttl={_TTL_QUERY}: {first}; /status 13 s later: {then}"
    yield _judged(fact, right=first.status == 200 and then.status == 404, wrong=then.status == 200, note=note)


def retention(service: Service) -> Iterator[Finding]:
    fact = "protocol 5: result of /runsync"
    reply = service.submit("runsync?wait=30000", timeout=45)
    job_id = id_in(reply)
    if job_id is None or reply.job_status.upper() not in FINAL:
        yield Finding(fact, UNDECIDED, f"/runsync: {reply}; the job did not end within 30 s")
        return
    service.sleep(RETENTION)
    then = service.job("status", job_id)
    note = f"/status {RETENTION:g} s after the end: {then}"
    yield _judged(fact, right=then.status == 404, wrong=then.status == 200, note=note)


def empty_input(service: Service) -> Iterator[Finding]:
    fact = "protocol 1.2: empty input"
    reply = service.submit(job_input={})
    job_id = id_in(reply)
    for poll in range(20):
        if job_id is None or reply.job_status.upper() in FINAL:
            break
        service.sleep(min(1.0 + poll, 5.0))
        reply = service.job("status", job_id)
    status = reply.job_status.upper()
    note = f"{reply}; the job is {status if status in FINAL else 'unfinished'}"
    yield _judged(fact, right=status == "FAILED", wrong=status == "COMPLETED", note=note)


def large_body(service: Service) -> Iterator[Finding]:
    # Its input is no object, so that it is refused if not for its size. If it is not, its policy limits what it costs.
    reply = service.submit(job_input="x" * _LARGE, timeout=60)
    says_size = "size" in str(reply.get("error")).lower()
    note = f"a body of more than 10 MiB: {reply}, {'with' if says_size else 'without'} a word about its size"
    wrong = _decides(reply)
    yield _judged("protocol 1.3: body of /run", right=reply.status == 400 and says_size, wrong=wrong, note=note)
    yield _judged("protocol 1.3: 413", right=reply.status == 400, wrong=reply.status == 413, note=note)


def batch(service: Service) -> Iterator[Finding]:
    created = service.request("POST", "batch", [])
    batch_id = created.get("id")
    note = f"POST /batch with []: {created}"
    right = created.status in {200, 201} and isinstance(batch_id, str)
    for fact in ("protocol 8: create", "protocol-2 2: host"):
        yield _judged(fact, right=right, wrong=_decides(created), note=note)
    listed = service.request("GET", "batch")
    is_list = isinstance(listed.get("batches"), list)
    wrong = listed.status == 200
    yield _judged("protocol-2 2: list of batches", right=is_list, wrong=wrong, note=f"GET /batch: {listed}")
    if isinstance(batch_id, str):
        cancelled = service.request("POST", f"batch/{encoded(batch_id)}/cancel")
        yield _judged(
            "protocol 8: undocumented responses",
            right=cancelled.job_status == "CANCELLED",
            wrong=_decides(cancelled),
            note=f"cancelling the draft: {cancelled}",
        )
