"""Calls whose arguments stay out of tracebacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from runpod.errors import RunpodError

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class Unseen(Generic[T]):
    """A call that is prepared with secrets, and made without them in sight.

    Tools that show the locals of a traceback must find neither keys nor input in those of the
    library. A function prepares the call, deletes what it was given, and makes it.
    """

    __slots__ = ("_call",)

    def __init__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> None:
        def call() -> T:
            return function(*args, **kwargs)

        self._call: Callable[[], T] = call

    def __call__(self) -> T:
        """Makes the call.

        Raises:
            RunpodError: What it raises, without the frames it came through: those hold all.
        """
        problem: Any
        try:
            return self._call()
        except RunpodError as error:
            problem = error.with_traceback(None)
        try:
            raise problem
        finally:
            # Its traceback and this frame would keep each other alive.
            del problem
