"""Workers that are processes with an HTTP server of their own."""

from __future__ import annotations

import asyncio
import logging
import shlex
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING

from runpod.local.balancer.host import WorkerConnectionError
from runpod.local.balancer.http_proxy import HTTPProxy
from runpod.local.balancer.websocket_proxy import forward_websocket
from runpod.local.signals import call_soon
from runpod.local.workers.process_guard import Guard
from runpod.local.workers.worker_process import WorkerProcess, inherited_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.types import Receive, Scope, Send

    from runpod.local.balancer.worker import Worker
    from runpod.local.jobs.worker_logs import WorkerLogs

__all__ = ["ProcessHost"]

_logger = logging.getLogger("runpod.local")

_PROBE_INTERVAL = 0.05  # Seconds between two requests to the health path of a worker that is not ready.
_GRACE = 0.4  # Seconds between SIGTERM and SIGKILL.


class _Process:
    def __init__(self, port: int) -> None:
        self.port = port
        self.process: WorkerProcess | None = None
        self.last_line = ""


class ProcessHost:
    """Runs one worker process per worker, and passes requests on to it.

    Args:
        name: ID of the endpoint.
        command: The program and its arguments. `$PORT` in an argument is replaced by the port.
        environment: Returns the environment variables for a worker ID.
        health_path: Path at which a worker says whether it is healthy.
        logs: The logs of the workers, which get their output.
        secrets: Values to remove from the log.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Callable[[str], Mapping[str, str]],
        health_path: str,
        logs: WorkerLogs,
        secrets: Sequence[str],
    ) -> None:
        self._name = name
        self._command = list(command)
        self._environment = environment
        self._health_path = health_path
        self._logs = logs
        self._secrets = secrets
        self._processes: dict[str, _Process] = {}
        self._ending: set[WorkerProcess] = set()
        self._proxy = HTTPProxy()
        self._guard: Guard | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lost: Callable[[str, str], None] | None = None
        self._has_been_ready = False
        self._all_ended = asyncio.Event()
        self._stopping = False

    def __repr__(self) -> str:
        return f"<ProcessHost {self._name}>"

    @property
    def subject(self) -> str:
        """What it runs, for messages."""
        return f"The worker command {shlex.join(self._command)!r} of endpoint {self._name!r}"

    def start(self, lost: Callable[[str, str], None]) -> None:
        """Start."""
        self._loop = asyncio.get_running_loop()
        self._lost = lost

    def launch(self, worker: Worker) -> None:
        """Start a worker process, without waiting. Raises `OSError`."""
        if self._guard is None and sys.platform != "win32" and sys.executable:
            self._guard = Guard()
        port = _free_port()
        entry = _Process(port)
        environment = {
            **inherited_environment(),
            **self._environment(worker.id),
            "PORT": str(port),
            "PORT_HEALTH": str(port),
        }
        process = entry.process = WorkerProcess(
            [argument.replace("$PORT", str(port)) for argument in self._command],
            environment,
            guard=self._guard,
            on_output=partial(self._on_output, entry, worker.id),
            on_exit=partial(self._on_exit, entry, worker.id),
        )
        self._processes[worker.id] = entry
        _logger.info("%s: worker %s started, process %d, port %d", self._name, worker.id, process.pid, port)

    async def wait_ready(self, worker: Worker) -> None:
        """Wait until the health path answers 200."""
        port = self._processes[worker.id].port
        while True:
            status = await self._proxy.probe(port, self._health_path)
            if status == 200:
                self._has_been_ready = True
                return
            worker.state = "initializing" if status in {None, 204} else "unhealthy"
            await asyncio.sleep(_PROBE_INTERVAL)

    def end(self, worker: Worker) -> None:
        """Terminate a worker process, without waiting."""
        entry = self._processes.pop(worker.id, None)
        if entry is not None and entry.process is not None and self._loop is not None:
            self._ending.add(entry.process)
            entry.process.terminate()
            self._loop.call_later(_GRACE, entry.process.kill)

    def stop(self) -> None:
        """Terminate all processes, without waiting."""
        self._stopping = True
        for process in self._running():
            process.terminate()
        self._check_ended()

    async def wait_stopped(self) -> None:
        """Wait until every process has exited; kill those that do not exit in time."""
        try:
            await asyncio.wait_for(self._all_ended.wait(), _GRACE)
        except asyncio.TimeoutError:
            for process in self._running():
                process.kill()
            await self._all_ended.wait()
        if self._guard is not None:
            self._guard.close()
        await self._proxy.aclose()

    async def serve(self, worker: Worker, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on to the worker."""
        entry = self._processes.get(worker.id)
        if entry is None:
            raise WorkerConnectionError("it has just exited")
        # On the service, an endpoint has a host of its own, so that paths have no prefix.
        path = b"/" + scope["raw_path"].split(b"/", scope["root_path"].count("/") + 1)[-1]
        target = path + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        if scope["type"] == "websocket":
            await forward_websocket(entry.port, target, scope, receive, send)
        else:
            await self._proxy.forward(entry.port, target, scope, receive, send)

    def _running(self) -> list[WorkerProcess]:
        return [*(entry.process for entry in self._processes.values() if entry.process is not None), *self._ending]

    def _on_output(self, entry: _Process, worker_id: str, line: str) -> None:
        # Called in a background thread.
        for secret in self._secrets:
            line = line.replace(secret, "[key]")
        if line:
            entry.last_line = line
            self._logs.add(worker_id, "container", line)
            _logger.info("%s: worker %s: %s", self._name, worker_id, line)

    def _on_exit(self, entry: _Process, worker_id: str, status: int) -> None:
        # Called in a background thread.
        assert self._loop is not None
        call_soon(self._loop, partial(self._handle_exit, entry, worker_id, status))

    def _handle_exit(self, entry: _Process, worker_id: str, status: int) -> None:
        process, entry.process = entry.process, None
        if process in self._ending:
            self._ending.discard(process)
        elif not self._stopping:
            del self._processes[worker_id]
            # On POSIX, a negative status is the number of a signal.
            how = f"was terminated by signal {-status}" if status < 0 else f"exited with status {status}"
            self._report(entry, worker_id, how)
            assert self._lost is not None
            self._lost(worker_id, how)
        if self._stopping:
            self._check_ended()

    def _report(self, entry: _Process, worker_id: str, how: str) -> None:
        if self._has_been_ready:
            _logger.warning("%s: worker %s %s", self._name, worker_id, how)
            return
        output = f" Last output: {entry.last_line}" if entry.last_line else ""
        # The command line reports this and exits.
        _logger.error(
            "%s %s before %s answered 200.%s",
            self.subject,
            how,
            self._health_path,
            output,
            extra={"broken_endpoint": self._name},
        )

    def _check_ended(self) -> None:
        if not self._running():
            self._all_ended.set()


def _free_port() -> int:
    # Another program may take the port before the worker does; its start then fails and is repeated.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
