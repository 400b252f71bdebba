"""Work on many results at once, so that a slow download does not delay the others."""

from __future__ import annotations

import threading
from concurrent.futures import Future, wait
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

T = TypeVar("T")
ResultT = TypeVar("ResultT")

THREADS = 8

# Seconds.
_WAIT = 1.0


def in_threads(
    function: Callable[[T], ResultT], items: Iterable[T], *, ordered: bool = False
) -> Generator[tuple[T, ResultT], None, None]:
    """Calls a function with each item in threads, and yields the items with what it returns.

    The threads read the items, one at a time, and at most 16 more than were yielded. To end before the items do, close
    what they come from.

    Args:
        function: What to call.
        items: Its arguments. An error of the iteration is raised after everything before it was yielded.
        ordered: Whether to yield them in their order, rather than as soon as the function returns.
    """
    work = _Work(function, items, ordered=ordered)
    for _ in range(THREADS):
        # A daemon: unlike those of a ThreadPoolExecutor, it does not delay the end of an interrupted process.
        threading.Thread(target=work.run, daemon=True).start()
    try:
        while (found := work.next()) is not None:
            item, future = found
            yield item, future.result()
            work.free.release()
        if work.problem is not None:
            raise work.problem
    finally:
        work.leave()


class _Work(Generic[T, ResultT]):
    def __init__(self, function: Callable[[T], ResultT], items: Iterable[T], *, ordered: bool) -> None:
        self._function, self._items, self._ordered = function, iter(items), ordered
        self._reading = threading.Lock()
        self._is_over = False
        self._threads = THREADS
        self.free = threading.Semaphore(2 * THREADS)
        # What can be yielded, each as soon as it can; None at the end.
        self.found: SimpleQueue[tuple[T, Future[ResultT]] | None] = SimpleQueue()
        self.problem: BaseException | None = None

    def next(self) -> tuple[T, Future[ResultT]] | None:
        """Waits for what can be yielded next; None at the end.

        The waits are short: a signal that arrives just before one would not end it, and Ctrl-C would do nothing.
        """
        while True:
            try:
                found = self.found.get(timeout=_WAIT)
            except Empty:
                continue
            while found is not None and not found[1].done():
                wait([found[1]], timeout=_WAIT)
            return found

    def run(self) -> None:
        """What each thread does."""
        while (taken := self._take()) is not None:
            item, future = taken
            try:
                future.set_result(self._function(item))
            except BaseException as error:  # noqa: BLE001 - it is raised by the thread that iterates
                future.set_exception(error)
            if not self._ordered:
                self.found.put(taken)
        with self._reading:
            self._threads -= 1
            if not self._threads:
                self.found.put(None)

    def _take(self) -> tuple[T, Future[ResultT]] | None:
        """The next item, or None at the end."""
        self.free.acquire()
        with self._reading:
            try:
                if not self._is_over:
                    taken = next(self._items), Future[ResultT]()
                    if self._ordered:
                        self.found.put(taken)
                    return taken
            except StopIteration:
                pass
            except BaseException as error:  # noqa: BLE001 - as above
                self.problem = error
        self.leave()
        return None

    def leave(self) -> None:
        """Lets the threads end, one after the other."""
        self._is_over = True
        self.free.release()
