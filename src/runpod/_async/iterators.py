"""What `watch` and `stream` return."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runpod._async.session import AsyncSession
    from runpod._protocol.looking import Looker
    from runpod._protocol.operations import Call
    from runpod._protocol.outcomes import Answer, Trouble

ItemT = TypeVar("ItemT")


class AsyncLooks(Generic[ItemT]):
    """Gives what one look after another brings.

    An object rather than a generator: between two items nothing is open, so nothing has to be
    closed or waits to be collected when a loop is left early.

    Args:
        items: What there is to give before the first look. What was received and not given yet is
            kept there, for whoever else has it.
    """

    def __init__(
        self,
        session: AsyncSession,
        looker: Looker,
        received: Callable[[Call, Answer | Trouble, float], Iterable[ItemT]],
        items: deque[ItemT],
    ) -> None:
        self._session = session
        self._looker = looker
        self._received = received
        self._items: deque[ItemT] = items
        self._over = False

    def __aiter__(self) -> AsyncLooks[ItemT]:
        return self

    async def __anext__(self) -> ItemT:
        while True:
            with suppress(IndexError):
                return self._items.popleft()
            if self._over:
                raise StopAsyncIteration
            # Over unless the look returns: like a generator, it raises its error once.
            self._over = True
            look = await self._session.look(self._looker)
            if look is not None:
                self._items.extend(self._received(*look, self._session.clock.now()))
                self._over = False

    async def aclose(self) -> None:
        """Ends the iteration. Leaving the loop does as well."""
        self._over = True
        self._items = deque()

    def __repr__(self) -> str:
        kind = type(self._looker).__name__.lower()
        return f"<{kind} of job {self._looker.job_id!r}>"
