"""Work on many results at once, so that a slow download does not delay the others."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

T = TypeVar("T")
ResultT = TypeVar("ResultT")

THREADS = 8


def in_threads(
    function: Callable[[T], ResultT], items: Iterable[T], *, ordered: bool = False
) -> Generator[tuple[T, ResultT], None, None]:
    """Calls a function with each item in threads, and yields the items with what it returns.

    At most 16 items are read ahead. Another thread reads them: to end before they do, close what they come from.

    Args:
        function: What to call.
        items: Its arguments. An error of the iteration is raised after everything before it was yielded.
        ordered: Whether to yield them in their order, rather than as soon as the function returns.
    """
    work = _Work(function, ordered=ordered)
    threading.Thread(target=work.read, args=(items,), daemon=True).start()
    try:
        while (found := work.found.get()) is not None:
            item, future = found
            yield item, future.result()
            work.free.release()
        if work.problem is not None:
            raise work.problem
    finally:
        work.leave()


class _Work(Generic[T, ResultT]):
    def __init__(self, function: Callable[[T], ResultT], *, ordered: bool) -> None:
        self._function, self._ordered = function, ordered
        self._pool = ThreadPoolExecutor(THREADS)
        self._is_left = False
        self.free = threading.Semaphore(2 * THREADS)
        # What can be yielded, each as soon as it can; None at the end.
        self.found: SimpleQueue[tuple[T, Future[ResultT]] | None] = SimpleQueue()
        self.problem: BaseException | None = None

    def read(self, items: Iterable[T]) -> None:
        running: set[Future[None]] = set()
        try:
            for item in items:
                self.free.acquire()
                if self._is_left:
                    return
                future: Future[ResultT] = Future()
                if self._ordered:
                    self.found.put((item, future))
                running = {each for each in running if not each.done()}
                running.add(self._pool.submit(self._call, item, future))
        except BaseException as error:  # noqa: BLE001 - it is raised by the other thread
            self.problem = error
        wait(running)
        self.found.put(None)

    def _call(self, item: T, future: Future[ResultT]) -> None:
        try:
            future.set_result(self._function(item))
        except BaseException as error:  # noqa: BLE001 - as above
            future.set_exception(error)
        if not self._ordered:
            self.found.put((item, future))

    def leave(self) -> None:
        """Lets the threads end."""
        self._is_left = True
        self.free.release()
        self._pool.shutdown(wait=False, cancel_futures=True)
