"""Rate limits that all processes of a Ray cluster share: an actor grants every permit.

The actor belongs to no process, since it would end with it, and exits by itself when nobody needs it.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import threading
import time
import warnings
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import ray
from ray.exceptions import RayError

from runpod._primitives import AsyncWakeup
from runpod._protocol.limiter import Limiter, Permit
from runpod._protocol.operations import CANCEL, RUN
from runpod._protocol.outcomes import Response
from runpod._protocol.rate_limits import Limiters
from runpod.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod._protocol.operations import Operation
    from runpod._protocol.outcomes import Outcome
    from runpod.models.limits import EndpointLimits

NAMESPACE = "runpod"

# How long a permit is valid, in seconds: longer than any request. It frees the permits of processes that died.
LEASE = 150.0

# After how many seconds without a permit in use the actor exits.
LINGER = 60.0

# How long an actor is asked for again that ends before it grants anything, in seconds: one that was leaving holds its name
# for a moment, but one that cannot start never will.
PATIENCE = 30.0

_OPERATIONS = {RUN.name: RUN, CANCEL.name: CANCEL}

# Of a process and its actor, if it is one, and the number of a permit there.
_Key = tuple[str, str, int]


class PermitServer:
    """The limits of one endpoint, as a Ray actor.

    Args:
        limits: The limits of the service.
        restarted: Whether permits of this second may have been granted before: by an actor that crashed.
    """

    def __init__(self, limits: EndpointLimits, *, restarted: bool = False) -> None:
        self._limits = limits
        self._limiters = Limiters()
        self._permits: dict[_Key, tuple[Limiter, Permit]] = {}
        self._expiries: dict[_Key, asyncio.TimerHandle] = {}
        # By actor: the process in which it lives.
        self._processes: dict[str, str] = {}
        self._opens_at = time.monotonic() + 1.0 if restarted else -math.inf
        self._used_at = time.monotonic()
        self._lingers = False

    async def acquire(self, key: _Key, kind: str) -> float:
        """Waits for a permit. Returns how long a poll may be held, in seconds."""
        self._release_those_before(key)
        self.release(key)  # Ray repeats a call whose response was lost
        limiter = self._limiter(kind)
        wakeup = AsyncWakeup()
        permit = Permit(wakeup)
        self._permits[key] = limiter, permit
        await asyncio.sleep(max(0.0, self._opens_at - time.monotonic()))
        while not permit.released and (pause := limiter.acquire(permit, time.monotonic())) > 0:
            await wakeup.wait(pause)
        if not permit.released:
            self._expiries[key] = asyncio.get_running_loop().call_later(LEASE, self.release, key)
        return permit.hold

    async def give_back(self, key: _Key, headers_of_429: dict[str, str] | None) -> None:
        """Releases a permit."""
        self.release(key, None if headers_of_429 is None else Response(429, headers_of_429))

    def release(self, key: _Key, outcome: Outcome | None = None) -> None:
        self._used_at = time.monotonic()
        expiry = self._expiries.pop(key, None)
        if expiry is not None:
            expiry.cancel()
        found = self._permits.pop(key, None)
        if found is not None:
            limiter, permit = found
            limiter.release(permit, self._used_at, outcome)
            # It may have been queued.
            permit.released = True
            permit.wakeup.set()

    async def linger(self, seconds: float) -> None:
        """Exits when no permit was in use for this time."""
        if self._lingers:
            return
        self._lingers = True
        while (rest := seconds if self._permits else self._used_at + seconds - time.monotonic()) > 0:  # noqa: ASYNC110 - by the clock
            await asyncio.sleep(rest)
        exit_actor: Any = import_module("ray.actor").exit_actor  # `ray` does not export it to type checkers
        exit_actor()

    async def in_use(self) -> int:
        """The number of permits that are granted or waited for."""
        return len(self._permits)

    def _limiter(self, kind: str) -> Limiter:
        operation = _OPERATIONS.get(kind)
        if operation is None:
            return self._limiters.polls("", self._limits)
        limiter = self._limiters.requests(operation, "", self._limits)
        assert limiter is not None
        return limiter

    def _release_those_before(self, key: _Key) -> None:
        """Releases the permits of an actor that died, once Ray has restarted it in another process."""
        actor, process, _ = key
        self._used_at = time.monotonic()
        if actor and self._processes.setdefault(actor, process) != process:
            self._processes[actor] = process
            for each in [each for each in self._permits if each[0] == actor and each[1] != process]:
                self.release(each)


class SharedLimiters(Limiters):
    """The limiters of a client whose permits the cluster's actor grants.

    Args:
        base_url: The address of the service.
        endpoint_id: The endpoint.
    """

    def __init__(self, base_url: str, endpoint_id: str) -> None:
        super().__init__()
        self._address = f"{base_url} {endpoint_id}"
        self._servers: dict[EndpointLimits, _Server] = {}
        self._lock = threading.Lock()

    def polls(self, endpoint_id: str, limits: EndpointLimits) -> Limiter:  # noqa: ARG002 - there is one
        return self._shared("polls", limits)

    def requests(self, operation: Operation, endpoint_id: str, limits: EndpointLimits) -> Limiter | None:  # noqa: ARG002 - as above
        return self._shared(operation.name, limits) if operation.name in _OPERATIONS else None

    def _shared(self, kind: str, limits: EndpointLimits) -> SharedLimiter:
        with self._lock:
            server = self._servers.get(limits)
            if server is None:
                server = self._servers[limits] = _Server(self._address, limits)
            return server.limiters.setdefault(kind, SharedLimiter(server, kind))


class _Server:
    """The actor as a process knows it."""

    def __init__(self, address: str, limits: EndpointLimits) -> None:
        self._limits = limits
        # Those with other limits are counted separately, as those of other clients are.
        text = f"{address} {limits.model_dump_json()}"
        self._name = f"limits-{hashlib.sha256(text.encode()).hexdigest()[:32]}"
        self._process = uuid4().hex
        self._actor_id = ray.get_runtime_context().get_actor_id() or ""
        self._last_number = 0
        self._lock = threading.Lock()
        # When an actor was first lost, since a permit was granted.
        self._failing_since: float | None = None
        self.limiters: dict[str, SharedLimiter] = {}
        self.handle: Any = self._connect()

    def next_key(self) -> _Key:
        with self._lock:
            self._last_number += 1
            return self._actor_id, self._process, self._last_number

    def granted(self) -> None:
        self._failing_since = None

    def reconnect(self, lost: Any, error: BaseException) -> None:
        """Gets another actor.

        Raises:
            ConfigurationError: It ends each time.
        """
        with self._lock:
            if self.handle is not lost:
                return
            now = time.monotonic()
            if self._failing_since is None:
                self._failing_since = now
            elif now - self._failing_since >= PATIENCE:
                msg = (
                    "The actor that shares the limits of the endpoint cannot run. Install the same runpod-sdk[ray] on "
                    f"all machines of the Ray cluster, and see Ray's logs. {error}"
                )
                raise ConfigurationError(msg) from error
            self.handle = self._connect()

    def _connect(self) -> Any:
        options: dict[str, Any] = {
            "name": self._name,
            "namespace": NAMESPACE,
            "get_if_exists": True,
            "lifetime": "detached",
            "num_cpus": 0,
            "max_restarts": -1,
            "max_task_retries": -1,
            # A process has at most 32 threads that wait for permits.
            "max_concurrency": 10_000,
        }
        if not ray.is_initialized():
            msg = "The limits of the endpoint are shared by Ray, which was shut down."
            raise ConfigurationError(msg)
        actor_class: Any = ray.remote(_RestartablePermitServer)
        handle = actor_class.options(**options).remote(self._limits)
        handle.linger.remote(LINGER)
        return handle


class _RestartablePermitServer(PermitServer):
    def __init__(self, limits: EndpointLimits) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Ray warns of what it uses itself.
            context: Any = ray.get_runtime_context()
            super().__init__(limits, restarted=context.was_current_actor_reconstructed)


class SharedLimiter(Limiter):
    """Asks the actor for each permit."""

    def __init__(self, server: _Server, kind: str) -> None:
        super().__init__(1, 1)
        self._server = server
        self._kind = kind
        self._keys: dict[Permit, tuple[Any, _Key]] = {}
        self._granted: set[Permit] = set()
        self._errors: dict[Permit, BaseException] = {}

    def acquire(self, permit: Permit, now: float) -> float:  # noqa: ARG002 - of the other class
        if not permit.queued:
            error = self._errors.pop(permit, None)
            if error is not None:
                self._server.reconnect(self._keys[permit][0], error)
            permit.queued = True
            key = self._server.next_key()
            handle = self._server.handle
            self._keys[permit] = handle, key
            handle.acquire.remote(key, self._kind).future().add_done_callback(self._receiver(permit))
        return 0.0 if permit in self._granted else math.inf

    def release(self, permit: Permit, now: float, outcome: Outcome | None = None) -> None:  # noqa: ARG002 - as above
        if permit.released:
            return
        permit.released = True
        self._granted.discard(permit)
        self._errors.pop(permit, None)
        handle, key = self._keys.pop(permit, (None, None))
        if handle is not None and permit.queued:
            # Without Ray, nobody counts. The outcome of the request must not be lost for that.
            with suppress(RayError):
                handle.give_back.remote(key, _headers_of_429(outcome))

    def count_unpermitted(self, now: float) -> None:
        """Not counted: mappers make no such requests."""

    def _receiver(self, permit: Permit) -> Callable[[Any], None]:
        def receive(future: Any) -> None:
            error = future.exception()
            if error is None:
                self._server.granted()
                permit.hold = future.result()
                self._granted.add(permit)
            else:
                # The actor has ended. The owner asks again, not this thread of Ray, which must not be held up.
                self._errors[permit] = error
                permit.queued = False
            if permit.released:
                # In another thread, perhaps just now.
                self._granted.discard(permit)
                self._errors.pop(permit, None)
            permit.wakeup.set()

        return receive


def _headers_of_429(outcome: Outcome | None) -> dict[str, str] | None:
    """What the limiter needs of a 429: the response as a whole has the API key."""
    if not isinstance(outcome, Response) or outcome.status != 429:
        return None
    return {name: outcome.headers[name] for name in ("retry-after", "date") if name in outcome.headers}
