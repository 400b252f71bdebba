from __future__ import annotations

import gc
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from runpod.local import LocalServer
from tests.local.api import Api, Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Serve(Protocol):
    def __call__(self, handler: Callable[[dict[str, Any]], Any], **settings: Any) -> Api: ...


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve a handler as the endpoint `horse`, until the end of the test."""
    with ExitStack() as stack:

        def serve(handler: Callable[[dict[str, Any]], Any], **settings: Any) -> Api:
            server = stack.enter_context(LocalServer({"horse": handler}, **settings))
            return stack.enter_context(Api(server))

        yield serve
    gc.collect()  # Triggers ResourceWarnings in the test that caused them.


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A handler that waits until the gate is opened, at the latest at the end of the test."""
    gate = Gate()
    yield gate
    gate.open()
