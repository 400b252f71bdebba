"""Shows the progress of many jobs: a tqdm bar, or a function of the caller."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Protocol

from runpod._protocol.tally import OUTCOMES, outcome_of
from runpod.errors import ConfigurationError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod.models.results import MapResult


class Progress(Protocol):
    """Receives each result, until it is closed."""

    def update(self, result: MapResult[Any]) -> None: ...

    def close(self) -> None: ...


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
        return _bar(total)
    if not callable(progress):
        msg = f"progress must be a bool or a callable, not {type(progress).__name__}."
        raise InvalidRequestError(msg)
    if iscoroutinefunction(progress):
        msg = "progress must not be an async function: it is called, but not awaited. Pass a function."
        raise InvalidRequestError(msg)
    return _Callback(progress)


class _Callback:
    def __init__(self, function: Callable[[MapResult[Any]], object]) -> None:
        self._function = function

    def update(self, result: MapResult[Any]) -> None:
        self._function(result)

    def close(self) -> None:
        """Does nothing."""


class _Bar:
    """A tqdm bar with the number of results, their rate, and how many jobs did not succeed."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
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


def _bar(total: int | None) -> _Bar | None:
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
    return _Bar(tqdm.tqdm(total=total, unit="job", dynamic_ncols=True))


def _in_notebook() -> bool:
    """Whether this is the kernel of a notebook. IPython in a terminal has no kernel."""
    ipython: Any = sys.modules.get("IPython")
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None


def _stderr_is_terminal() -> bool:
    # It is None in programs without a console on Windows.
    with suppress(AttributeError, ValueError):
        return sys.stderr.isatty()
    return False
