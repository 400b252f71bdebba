"""The way to a host with several addresses: by turns, side by side, and nothing left open."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest

from runpod import _happy_eyeballs

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

ADDRESSES = [(socket.AF_INET6, "a"), (socket.AF_INET6, "b"), (socket.AF_INET, "c"), (socket.AF_INET, "d")]


class Addresses:
    """Addresses of which some answer, some refuse, and the others are silent."""

    def __init__(self, answering: str = "", refusing: str = "") -> None:
        self.answering, self.refusing = answering, refusing
        self.tried = ""
        self.open: list[socket.socket] = []

    async def connect(self, address: Any) -> socket.socket:
        self.tried += address[1]
        if address[1] in self.refusing:
            msg = f"{address[1]} refuses"
            raise ConnectionRefusedError(msg)
        if address[1] not in self.answering:
            await asyncio.Event().wait()
        self.open.append(socket.socket())
        return self.open[-1]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Addresses], Coroutine[Any, Any, socket.socket]]]:
    sockets: list[list[socket.socket]] = []

    def connect(addresses: Addresses) -> Coroutine[Any, Any, socket.socket]:
        monkeypatch.setattr(_happy_eyeballs, "_connect", addresses.connect)
        monkeypatch.setattr(_happy_eyeballs, "_STAGGER", 0.01)
        sockets.append(addresses.open)
        return _happy_eyeballs.connected(list(ADDRESSES))

    yield connect
    for each in sockets:
        assert 1 >= sum(below.fileno() >= 0 for below in each)
        for below in each:
            below.close()


def test_families_take_turns(connect: Any) -> None:
    addresses = Addresses(refusing="abcd")
    with pytest.raises(ConnectionRefusedError, match="a refuses"):
        asyncio.run(connect(addresses))
    assert "acbd" == addresses.tried


def test_the_next_address_is_tried_beside_a_silent_one(connect: Any) -> None:
    addresses = Addresses(answering="b")
    assert asyncio.run(connect(addresses)) in addresses.open
    assert "acb" == addresses.tried


def test_an_address_that_refuses_is_not_waited_for(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = Addresses(refusing="ac", answering="b")
    attempt = connect(addresses)
    monkeypatch.setattr(_happy_eyeballs, "_STAGGER", 3600.0)
    assert asyncio.run(attempt) in addresses.open


def test_nothing_is_open_after_an_attempt_that_was_cancelled(connect: Any) -> None:
    addresses = Addresses()

    async def cancelled() -> None:
        task = asyncio.create_task(connect(addresses))
        while addresses.tried != "acbd":  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert {task} == {task} | asyncio.all_tasks() - {asyncio.current_task()}

    asyncio.run(cancelled())
