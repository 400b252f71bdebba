"""Creates the host of an endpoint's workers from its settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runpod.local.balancer.app_host import AppHost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runpod.local.balancer.host import Host
    from runpod.local.clock import Clock
    from runpod.local.jobs.worker_logs import WorkerLogs
    from runpod.local.settings import LocalEndpoint

__all__ = ["create_host"]


def create_host(
    name: str,
    settings: LocalEndpoint,
    *,
    logs: WorkerLogs,
    clock: Clock,
    environment: Callable[[str], Mapping[str, str]],
    secrets: Sequence[str],
) -> Host:
    """Create the host of a load-balancing endpoint's workers.

    Args:
        name: ID of the endpoint.
        settings: Its settings.
        logs: The logs of its workers.
        clock: Clock for cold starts.
        environment: Returns the environment variables for a worker ID.
        secrets: Values to remove from the log.
    """
    # Worker processes inherit the variable.
    health_path = "/" + (os.environ.get("HEALTH_CHECK_PATH") or "ping").removeprefix("/")
    if settings.app is not None:
        cold_start = settings.cold_start.total_seconds()
        return AppHost(name, settings.app, cold_start=cold_start, health_path=health_path, logs=logs, clock=clock)

    # Here, because it imports httpx, which takes longer than a server takes to start.
    from runpod.local.balancer.process_host import ProcessHost

    def without_queue(worker_id: str) -> dict[str, str]:
        # The endpoint has no jobs to take.
        variables = environment(worker_id)
        return {name: value for name, value in variables.items() if not name.startswith("RUNPOD_WEBHOOK_")}

    command = settings.http_command or ()
    return ProcessHost(name, command, environment=without_queue, health_path=health_path, logs=logs, secrets=secrets)
