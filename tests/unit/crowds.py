"""Many waits at once on a make-believe clock: the loop of the session without I/O, for pure tests of turns."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from runpod import WaitLimits
from runpod._protocol.looking import Done, Look, Pause
from runpod._protocol.outcomes import TooLate
from runpod._protocol.retrying import Fail
from runpod._protocol.turns import Turn, Turns
from tests.unit.machines import START

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import TypeAlias

    from runpod._protocol.operations import Call
    from runpod._protocol.outcomes import Answer, Trouble
    from runpod._protocol.waiting import Waiter

    # Given a call and the moment at which it begins: what it is answered, and after how many seconds.
    Server: TypeAlias = Callable[[Call, float], tuple[Answer | Trouble, float]]
    # Gives the seconds to let pass, and whether a ring ends them early.
    Story: TypeAlias = Generator[tuple[float, bool], None, None]

PACE = WaitLimits()


@dataclass(eq=False)
class Person:
    """Somebody with a story; `ring` wakes who waits for the bell."""

    crowd: Crowd
    story: Story | None = None
    # Rises with each wake-up, so that a time that was set before means nothing any more.
    age: int = 0
    listening: bool = False
    rung: bool = False

    def ring(self) -> None:
        self.rung = True
        if self.listening:
            self.listening = False
            self.crowd.wake(self, 0.0)


@dataclass
class Looked:
    """A look that was taken."""

    joined: float
    at: float
    ended: float
    ahead: int
    call: Call | None = None


@dataclass
class Crowd:
    """Carries all stories to their ends, in the order of time."""

    limits: WaitLimits = PACE
    now: float = START
    looks: list[Looked] = field(default_factory=list)
    most: int = 0

    def __post_init__(self) -> None:
        self.turns = Turns(self.limits)
        self._agenda: list[tuple[float, int, Person, int]] = []
        self._order = count()

    def enter(self, story: Callable[[Person], Story], at: float) -> Person:
        person = Person(self)
        person.story = story(person)
        self.wake(person, at - self.now)
        return person

    def wake(self, person: Person, seconds: float) -> None:
        if not math.isinf(seconds):
            heapq.heappush(self._agenda, (self.now + seconds, next(self._order), person, person.age))

    def leave(self, person: Person) -> None:
        """Somebody goes away in the middle of whatever it is."""
        person.age += 1
        if person.story is not None:
            person.story.close()
            person.story = None

    def run(self, *, at_most: int = 2_000_000) -> None:
        for _ in range(at_most):
            if not self._agenda:
                return
            moment, _, person, age = heapq.heappop(self._agenda)
            if age != person.age or person.story is None:
                continue
            self.now = max(self.now, moment)
            person.age += 1
            person.listening = False
            seconds, bell = next(person.story, (math.inf, False))
            if bell and person.rung:
                seconds = 0.0
            elif bell:
                person.listening = True
            self.wake(person, seconds)
            self.most = max(self.most, self.turns.running)
        msg = "it does not come to an end"
        raise AssertionError(msg)

    def look(self, person: Person, seconds: float, *, patience: float = math.inf) -> Story:
        """One look that takes so long, by somebody who waits for the turn no longer than that."""
        turn, joined = Turn(person), self.now
        ahead = self.turns.waiting
        try:
            while (pause := self.turns.ask(turn, self.now)) > 0:
                left = joined + patience - self.now
                if left <= 0:
                    return
                yield min(pause, left), True
                person.rung = False
            self.looks.append(Looked(joined, self.now, math.inf, ahead))
            noted = self.looks[-1]
            yield min(seconds, turn.hold), False
            noted.ended = self.now
        finally:
            self.turns.leave(turn, self.now)

    def wait(self, person: Person, waiter: Waiter, server: Server) -> Story:
        """What `AsyncSession.wait` does."""
        while True:
            turn, joined = Turn(person), self.now
            outcome: Answer | Trouble | None = None
            try:
                while True:
                    action = waiter.next(self.now)
                    if isinstance(action, (Done, Fail)):
                        return
                    if isinstance(action, Pause):
                        yield action.seconds, False
                        continue
                    assert isinstance(action, Look)
                    joined = joined if turn.joined else self.now
                    pause = self.turns.ask(turn, self.now)
                    if pause <= 0:
                        break
                    yield min(pause, waiter.end() - self.now), True
                    person.rung = False
                call = turn.shorten(action.call)
                answer, seconds = server(call, self.now)
                noted = Looked(joined, self.now, math.inf, 0, call)
                self.looks.append(noted)
                yield min(seconds, waiter.deadline.at - self.now), False
                noted.ended = self.now
                outcome = TooLate("", sent=True) if self.now >= waiter.deadline.at else answer
            finally:
                self.turns.leave(turn, self.now, outcome)
            waiter.received(call, outcome, self.now)

    @property
    def starts(self) -> list[float]:
        return [look.at for look in self.looks]

    def check(self) -> None:
        """Never more at once, nor in a second, than is allowed; first come, first served."""
        assert self.most <= self.limits.concurrent
        assert self.turns.running == self.turns.waiting == 0
        starts, rate = self.starts, self.limits.per_second
        assert sorted(starts) == starts
        # Before the next one may begin, a second has passed since the one `rate` places before it.
        assert all(later - earlier >= 1.0 - 1e-9 for earlier, later in zip(starts, starts[rate:], strict=False))
        joined = [look.joined for look in sorted(self.looks, key=lambda look: (look.at, look.joined))]
        assert sorted(joined) == joined
