"""Runs a handler of any kind on a job."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
from functools import partial
from typing import TYPE_CHECKING, Any

from runpod.local.jobs import progress, results
from runpod.local.signals import call_soon

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Coroutine, Generator

    from runpod.local.jobs.job import Lease, Outcome
    from runpod.local.jobs.queue import JobQueue
    from runpod.local.settings import Handler
    from runpod.local.workers.worker_thread import WorkerThread

__all__ = ["run_handler"]


async def run_handler(
    handler: Handler, lease: Lease, queue: JobQueue, thread: WorkerThread, *, aggregate: bool
) -> Outcome | None:
    """Run a handler to its end, passing its chunks and progress updates to the queue.

    Sync handlers and generators run in `thread` and cannot be interrupted; this waits until they
    return. Async ones are cancelled when the lease is revoked.

    Returns:
        What the worker posts, or None if the lease was revoked.
    """
    receive = partial(queue.progress, lease)
    progress.attach(lease.job.id, receive)
    try:
        # The same check as in the official worker: a function that returns a generator is not
        # treated as a generator.
        if inspect.isasyncgenfunction(handler):
            collector = results.Collector(aggregate=aggregate)
            return await _until_revoked(_iterate_async(handler, lease, queue, collector), lease)
        if inspect.isgeneratorfunction(handler):
            collector = results.Collector(aggregate=aggregate)
            return await thread.run(partial(_iterate, handler, lease, queue, collector))
        if _is_async(handler):
            return await _until_revoked(_call_async(handler, lease), lease)
        return await _call_in_thread(handler, lease, thread)
    finally:
        progress.detach(lease.job.id, receive)


def _is_async(handler: Handler) -> bool:
    call: object = getattr(handler, "__call__", None)  # noqa: B004  # An object with an async __call__.
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(call)


def _job_of(lease: Lease) -> dict[str, Any]:
    # Decoded for each attempt, so that handlers may modify it.
    return {"id": lease.job.id, **json.loads(lease.job.payload.text)}


# In the thread. Any exception of a handler, including SystemExit and KeyboardInterrupt, fails only
# its job, hence BaseException below.


def _iterate(handler: Handler, lease: Lease, queue: JobQueue, collector: results.Collector) -> Outcome:
    try:
        generator: Generator[Any, None, None] = handler(_job_of(lease))
    except BaseException as error:  # noqa: BLE001  # A wrong signature, or an input nested too deeply.
        collector.fail(error)
        return collector.outcome
    try:
        for value in generator:
            # A generator can be stopped only between two yields.
            if lease.revoked:
                break
            chunk = collector.add(value)
            if chunk is None:
                break
            queue.chunk(lease, chunk)
    except BaseException as error:  # noqa: BLE001
        collector.fail(error)
    with contextlib.suppress(BaseException):  # The outcome is already known.
        generator.close()
    return collector.outcome


async def _call_in_thread(handler: Handler, lease: Lease, thread: WorkerThread) -> Outcome | None:
    def call() -> tuple[Outcome | None, Awaitable[Any] | None]:
        try:
            value = handler(_job_of(lease))
        except BaseException as error:  # noqa: BLE001
            return results.from_exception(error, lease.worker_id), None
        if inspect.isawaitable(value):
            return None, value
        return results.from_return(value, lease.worker_id), None

    outcome, awaitable = await thread.run(call)
    if awaitable is None:
        return outcome
    # A plain function, such as a lambda, may return a coroutine; the official worker awaits it.
    try:
        return await _until_revoked(_await(awaitable, lease), lease)
    finally:
        # If cancelled before its first step, Python would warn that it was never awaited.
        if inspect.iscoroutine(awaitable) and inspect.getcoroutinestate(awaitable) == "CORO_CREATED":
            awaitable.close()


# On the event loop.


async def _iterate_async(
    handler: Handler, lease: Lease, queue: JobQueue, collector: results.Collector
) -> Outcome | None:
    try:
        generator: AsyncGenerator[Any, None] = handler(_job_of(lease))
    except BaseException as error:  # noqa: BLE001  # As above.
        collector.fail(error)
        return collector.outcome
    try:
        async for value in generator:
            if lease.revoked:
                break
            chunk = collector.add(value)
            if chunk is None:
                break
            queue.chunk(lease, chunk)
    except BaseException as error:  # noqa: BLE001
        collector.fail(error)
    with contextlib.suppress(BaseException):
        await generator.aclose()
    return None if lease.revoked else collector.outcome


async def _call_async(handler: Handler, lease: Lease) -> Outcome | None:
    try:
        return await _await(handler(_job_of(lease)), lease)
    except BaseException as error:  # noqa: BLE001  # As above.
        return results.from_exception(error, lease.worker_id)


async def _await(awaitable: Awaitable[Any], lease: Lease) -> Outcome | None:
    try:
        value = await awaitable
    except BaseException as error:  # noqa: BLE001  # Its own cancellation included.
        return None if lease.revoked else results.from_exception(error, lease.worker_id)
    return results.from_return(value, lease.worker_id)


async def _until_revoked(work: Coroutine[Any, Any, Outcome | None], lease: Lease) -> Outcome | None:
    """Run `work` as a task that is cancelled when the lease is revoked.

    A separate task, because a handler may raise CancelledError itself, which must not cancel the
    worker.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    disconnect = lease.revocation.connect(partial(call_soon, loop, task.cancel))
    try:
        if lease.revoked:  # Revoked before the listener was connected.
            task.cancel()
        await asyncio.wait([task])
    finally:
        disconnect()
    return None if task.cancelled() else task.result()
