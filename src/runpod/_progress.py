"""Shows the progress of many jobs, or of downloads: a tqdm bar, or a function of the caller."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import suppress
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from runpod._protocol.tally import OUTCOMES, outcome_of
from runpod.errors import ConfigurationError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod.models.results import MapResult

BarT = TypeVar("BarT")
CallableT = TypeVar("CallableT", bound="Callable[..., object]")


class Progress(Protocol):
    """Receives each result, until it is closed."""

    def update(self, result: MapResult[Any]) -> None: ...

    def close(self) -> None: ...


class ByteProgress(Protocol):
    """Receives the number of bytes so far, until it is closed."""

    def update(self, done: int, total: int | None) -> None: ...

    def close(self) -> None: ...


class ProgressError(Exception):
    """The function of the caller raised `error`, which must not be taken for one of the transport."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error: Exception = error


class ByteCounter:
    """Adds up the bytes of several files.

    Args:
        progress: What shows the sum, if anything.
        sizes: The size of each file, None if unknown.
    """

    def __init__(self, progress: ByteProgress | None, sizes: list[int | None]) -> None:
        self._progress = progress
        # Of the files after the current one.
        self._unknown = sizes.count(None)
        self._later = sum(size or 0 for size in sizes)
        # Of the files before it.
        self._earlier = 0
        self._size: int | None = 0
        self._current = 0

    def begin(self, size: int | None) -> None:
        """Begins the next file, with its size as given to the constructor."""
        self._unknown -= size is None
        self._later -= size or 0
        self._earlier += self._current
        self.start(size)

    def start(self, size: int | None) -> None:
        """Begins the content of the current file; also again, if a download is repeated."""
        self._size, self._current = size, 0
        self.add(0)

    def add(self, size: int) -> None:
        """Counts bytes of the current file."""
        self._current += size
        if self._progress is not None:
            is_known = self._size is not None and not self._unknown
            total = self._earlier + (self._size or 0) + self._later if is_known else None
            self._progress.update(self._earlier + self._current, total)


def progress_for(progress: bool | Callable[[MapResult[Any]], object] | None, total: int | None) -> Progress | None:
    """What the argument `progress` of a call asks for; None if nothing is shown.

    Args:
        progress: True: a tqdm bar on stderr or in the notebook; none if stderr is not a terminal.
            A callable is called with each result.
        total: The number of inputs, if it is known.

    Raises:
        ConfigurationError: The bar needs tqdm, which is not installed.
        InvalidRequestError: `progress` is neither a bool nor a callable, or is an async function.
    """
    if progress is None or progress is False:
        return None
    if progress is True:
        return _bar(_Bar, total=total, unit="job")
    return _Callback(_checked(progress))


def byte_progress_for(progress: bool | Callable[[int, int | None], object]) -> ByteProgress | None:
    """What the argument `progress` of a download asks for; None if nothing is shown.

    Args:
        progress: True: a tqdm bar, as above. A callable is called with the bytes so far and the total, None if unknown.

    Raises:
        ConfigurationError: The bar needs tqdm, which is not installed.
        InvalidRequestError: `progress` is neither a bool nor a callable, or is an async function.
    """
    if progress is False:
        return None
    if progress is True:
        return _bar(_ByteBar, unit="B", unit_scale=True)
    return _ByteCallback(_checked(progress))


def _checked(progress: CallableT) -> CallableT:
    if not callable(progress):
        msg = f"progress must be a bool or a callable, not {type(progress).__name__}."
        raise InvalidRequestError(msg)
    if iscoroutinefunction(progress):
        msg = "progress must not be an async function: it is called, but not awaited. Pass a function."
        raise InvalidRequestError(msg)
    return progress


class _Callback:
    def __init__(self, function: Callable[[MapResult[Any]], object]) -> None:
        self._function = function

    def update(self, result: MapResult[Any]) -> None:
        self._function(result)

    def close(self) -> None:
        """Does nothing."""


class _Bar:
    """A tqdm bar with the number of results, their rate, and how many jobs did not succeed."""

    def __init__(self, new_bar: Callable[[], Any]) -> None:
        self._bar = new_bar()
        self._counts: Counter[str] = Counter()

    def update(self, result: MapResult[Any]) -> None:
        outcome = outcome_of(result)
        # A terminal that was closed must not end the run.
        with suppress(OSError, ValueError):
            if outcome != "completed":
                self._counts[outcome] += 1
                counts = [f"{name}={self._counts[name]}" for name in OUTCOMES if self._counts[name]]
                self._bar.set_postfix_str(", ".join(counts), refresh=False)
            self._bar.update()

    def close(self) -> None:
        with suppress(OSError, ValueError):
            self._bar.close()


class _ByteCallback:
    def __init__(self, function: Callable[[int, int | None], object]) -> None:
        self._function = function

    def update(self, done: int, total: int | None) -> None:
        try:
            self._function(done, total)
        except Exception as error:
            raise ProgressError(error) from error

    def close(self) -> None:
        """Does nothing."""


class _ByteBar:
    """A tqdm bar with the bytes so far. It is shown from the first of them on, not while a job is waited for."""

    def __init__(self, new_bar: Callable[[], Any]) -> None:
        self._new_bar = new_bar
        self._bar: Any = None

    def update(self, done: int, total: int | None) -> None:
        with suppress(OSError, ValueError):
            if self._bar is None:
                self._bar = self._new_bar()
            self._bar.total = total
            # It can go back, when a download starts again.
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        with suppress(OSError, ValueError):
            if self._bar is not None:
                self._bar.close()


def _bar(kind: Callable[[Callable[[], Any]], BarT], **options: Any) -> BarT | None:
    """A bar of a kind, with the options of tqdm; None if it would not be seen."""
    # Outputs of a notebook are not a terminal. Its bar is a widget, or text without ipywidgets, for which tqdm warns.
    notebook = _in_notebook()
    widgets = notebook and find_spec("ipywidgets") is not None
    try:
        tqdm: Any = import_module("tqdm.auto" if widgets else "tqdm.std")
    except ModuleNotFoundError:
        msg = 'progress=True needs tqdm: pip install "runpod-sdk[progress]".'
        raise ConfigurationError(msg) from None
    if not notebook and not _stderr_is_terminal():
        return None
    return kind(partial(tqdm.tqdm, dynamic_ncols=True, **options))


def _in_notebook() -> bool:
    """Whether this is the kernel of a notebook. IPython in a terminal has no kernel."""
    ipython: Any = sys.modules.get("IPython")
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None


def _stderr_is_terminal() -> bool:
    # It is None in programs without a console on Windows.
    with suppress(AttributeError, ValueError):
        return sys.stderr.isatty()
    return False
