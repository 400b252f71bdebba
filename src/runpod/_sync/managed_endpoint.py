# Generated from src/runpod/_async/managed_endpoint.py by scripts/generate_sync.py. Do not edit.

"""The workers of an endpoint: how many there may be, what they do, their logs, and why they do not start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from runpod._protocol.deadlines import CLIENT_DEFAULT
from runpod._protocol.operations import check_id

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from runpod._sync.logs import Logs
    from runpod._sync.session import Session
    from runpod._protocol.deadlines import ClientDefault
    from runpod.models.diagnosis import Diagnosis
    from runpod.models.endpoints import EndpointHealth
    from runpod.models.management.endpoints import ServerlessEndpoint
    from runpod.models.management.workers import EndpointWorkers


class ManagedEndpoint:
    """The part of an endpoint that concerns its workers, not its jobs.

    Attributes:
        id: The endpoint's ID, or the slug of a public one.
    """

    def __init__(self, session: Session, endpoint_id: str) -> None:
        self.id = endpoint_id
        self._session = session

    def scale(
        self,
        min: int | None = None,
        max: int | None = None,
        *,
        idle_timeout: float | timedelta | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> ServerlessEndpoint:
        """Changes how many workers the endpoint may have. `PATCH /v2/serverless/{id}` of the management API.

        What is not passed stays as it is: it is read first, since the service may reset what a
        request leaves out.

        Args:
            min: Workers that always run, and are paid for.
            max: The maximum number of workers. 0 pauses the endpoint, more ends a pause; see `pause`.
            idle_timeout: How long a worker waits for the next job before it stops, 1 s to 1 hour, as
                seconds or timedelta. A queue that scales by the number of requests refuses it.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Returns:
            The endpoint with its new settings.

        Raises:
            InvalidRequestError: `min` is greater than `max`, or an argument is invalid. Nothing was
                changed.
            NotFoundError: There is no such endpoint.
            RunpodError: A request failed; see `runpod.errors`.

        Example:
            >>> endpoint.scale(min=1, max=5)
        """
        from runpod._sync.scaling import scale
        from runpod._protocol.scaling import scale_request

        return scale(self._session, self.id, scale_request(min, max, idle_timeout), timeout)

    def pause(self, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT) -> ServerlessEndpoint:
        """Stops all workers: sets their minimum and maximum to 0. `resume` ends it.

        Jobs wait in the queue until then, or until their TTL ends: by default 24 hours after they
        were submitted (docs.runpod.io, "Execution policies").

        Args:
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Returns:
            The endpoint with its new settings.

        Raises:
            NotFoundError: There is no such endpoint.
            RunpodError: A request failed; see `runpod.errors`.
        """
        from runpod._sync.scaling import pause

        return pause(self._session, self.id, timeout)

    def resume(
        self,
        max: int | None = None,
        min: int | None = None,
        *,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> ServerlessEndpoint:
        """Allows workers again, as many as before `pause`.

        Args:
            max: The maximum number of workers. Needed if this client did not pause the endpoint.
            min: Workers that always run. By default as before; 0 if that is not known.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Returns:
            The endpoint with its new settings.

        Raises:
            InvalidRequestError: `max` is needed, or an argument is invalid. Nothing was changed.
            NotFoundError: There is no such endpoint.
            RunpodError: A request failed; see `runpod.errors`.

        Example:
            >>> endpoint.pause()
            >>> endpoint.resume()
        """
        from runpod._sync.scaling import resume

        return resume(self._session, self.id, min, max, timeout)

    def wait_ready(self, workers: int = 1, *, timeout: float | timedelta | None = 300.0) -> EndpointHealth:
        """Waits until workers have started. Polls `GET /health`.

        Without jobs, only as many workers start as `min` of `scale` asks for.

        Args:
            workers: How many.
            timeout: Seconds or timedelta; None: no limit.

        Returns:
            The numbers of jobs and workers then.

        Raises:
            RunpodTimeoutError: They were not ready in time; the message says what they do instead.
            RunpodError: The endpoint cannot be polled; see `runpod.errors`.

        Example:
            >>> endpoint.scale(min=2)
            >>> endpoint.wait_ready(2, timeout=600)
        """
        from runpod._sync.scaling import wait_ready

        return wait_ready(self._session, self.id, workers, timeout)

    def workers(self, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT) -> EndpointWorkers:
        """Fetches the workers: IDs, statuses, GPUs, releases. `GET /v2/serverless/{id}/workers` of the management API.

        Args:
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            NotFoundError: There is no such endpoint.
            RunpodError: The request failed; see `runpod.errors`.

        Example:
            >>> for worker in endpoint.workers():
            ...     print(worker.id, worker.status)
        """
        from runpod._sync.manage.requests import ManagementAPI
        from runpod._sync.manage.serverless import Serverless

        return Serverless(ManagementAPI(self._session)).workers(self.id, timeout=timeout)

    def logs(
        self,
        worker: str | None = None,
        *,
        follow: bool = False,
        source: Literal["container", "system"] | None = None,
        tail: int | None = None,
        since: datetime | timedelta | None = None,
        timeout: float | timedelta | None = None,
    ) -> Logs:
        """Reads the logs of the workers. Needs the extra `logs`.

        The service never ends the logs of a running worker. Without `follow`, the iteration ends
        when a worker has sent as many lines as `tail` says, or nothing for two seconds (five before
        its first line); lines of several workers are in the order of their times. With `follow`, it
        goes on with new lines, in the order in which they arrive, also of workers that start later,
        until the timeout. A connection that breaks off is opened again where it ended. In sync code,
        at most 30 workers are followed at once.

        Args:
            worker: The ID of a worker; None: all of them.
            follow: Whether to go on with new lines.
            source: "container" for what the workers print, "system" for what the platform says about
                them; None: both.
            tail: How many of the latest lines of each worker come first, 0 to 5,000; by default 100.
            since: Instead of `tail`: the time of the first line, as datetime, or as timedelta before
                now.
            timeout: Seconds or timedelta, after which the iteration ends; None: no limit.

        Raises:
            InvalidRequestError: An argument is invalid.
            ConfigurationError: httpx-sse is not installed.

        While iterating, it raises:
            NotFoundError: There is no such endpoint, or not the worker that was named. Once lines were
                received, the end of a worker ends its logs.
            RunpodTimeoutError: Nothing was received before the timeout.
            RunpodError: The logs cannot be read; see `runpod.errors`.

        Example:
            >>> with endpoint.logs(follow=True, timeout=60) as lines:
            ...     for line in lines:
            ...         print(line.worker_id, line.line)
        """
        from runpod._sync.logs import Logs
        from runpod._protocol.log_feed import logs_path

        worker = None if worker is None else check_id(worker, "worker")
        path = None if worker is None else logs_path("serverless", self.id, "workers", worker)
        return Logs(
            self._session,
            path,
            source=source,
            tail=tail,
            since=since,
            follow=follow,
            timeout=timeout,
            endpoint_id=self.id,
            worker_id=worker,
        )

    def diagnose(
        self,
        *,
        job_id: str | None = None,
        used_as: Literal["QUEUE", "LOAD_BALANCER"] = "QUEUE",
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> Diagnosis:
        """Says why jobs of the endpoint do not start, and what to do.

        Reads `GET /health`, and the settings, workers and releases from the management API. What the
        API key may not read there, or what does not respond within 10 s, is a fact of the
        diagnosis, not an error. So is an endpoint that does not exist, and a key that is refused.

        Args:
            job_id: The ID of a job that waits; None: about any job.
            used_as: "LOAD_BALANCER" if you send requests through `client.load_balancer`.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: `job_id` is blank or not a str.
            ClientClosedError: The client was closed.

        Example:
            >>> diagnosis = endpoint.diagnose()
            >>> print(diagnosis)
            >>> diagnosis.ok
        """
        from runpod._sync.diagnosis import diagnose

        return diagnose(self._session, self.id, job_id=job_id, used_as=used_as, timeout=timeout)
