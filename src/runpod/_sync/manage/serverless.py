# Generated from src/runpod/_async/manage/serverless.py by scripts/generate_sync.py. Do not edit.

"""Serverless endpoints: `client.manage.serverless`."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from runpod._sync.manage.requests import Collection
from runpod._protocol.deadlines import CLIENT_DEFAULT
from runpod._protocol.endpoint_fields import changed_endpoint, created_endpoint
from runpod._protocol.operations import check_id
from runpod.models.management.endpoints import ServerlessEndpoint
from runpod.models.management.workers import EndpointReleases, EndpointWorkers, Release, Worker

if TYPE_CHECKING:
    import builtins
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from runpod._protocol.deadlines import ClientDefault
    from runpod.models.management.settings import (
        CPUs,
        CreateEndpointDict,
        EndpointType,
        FlashBoot,
        GPUSettings,
        GPUSettingsDict,
        Scaling,
        UpdateEndpointDict,
        WorkerSettings,
        WorkerSettingsDict,
    )

_NAME = "manage.serverless"


class Serverless(Collection):
    """Serverless endpoints of your account: `client.manage.serverless`.

    Example:
        >>> endpoint = client.manage.serverless.get("ENDPOINT_ID")
        >>> print(endpoint.name, endpoint.workers.min, endpoint.workers.max)
    """

    def list(
        self, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> builtins.list[ServerlessEndpoint]:
        """Returns all endpoints.

        Args:
            timeout: Seconds or timedelta for the whole call; None: no limit.

        Raises:
            RunpodError: No attempt succeeded.

        Example:
            >>> for endpoint in client.manage.serverless.list():
            ...     print(endpoint.id, endpoint.name)
        """
        return self._api.fetch_list(
            ServerlessEndpoint, "endpoints", f"{_NAME}.list", "serverless", timeout=timeout
        )

    def get(
        self, endpoint_id: str, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> ServerlessEndpoint:
        """Returns an endpoint.

        Args:
            endpoint_id: The ID.
            timeout: Seconds or timedelta for the whole call; None: no limit.

        Raises:
            NotFoundError: There is no such endpoint.
            RunpodError: No attempt succeeded.
        """
        return self._api.fetch(ServerlessEndpoint, f"{_NAME}.get", "GET", *_steps(endpoint_id), timeout=timeout)

    @overload
    def create(
        self,
        request: CreateEndpointDict,
        /,
        *,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> ServerlessEndpoint: ...

    @overload
    def create(
        self,
        /,
        *,
        name: str,
        type: EndpointType,
        scaling: Scaling,
        image: str | None = None,
        template_id: str | None = None,
        gpu: GPUSettings | GPUSettingsDict | None = None,
        cpu: CPUs | None = None,
        workers: WorkerSettings | WorkerSettingsDict | None = None,
        execution_timeout: timedelta | None = None,
        flashboot: FlashBoot | None = None,
        args: str | None = None,
        disk: int | None = None,
        env: Mapping[str, str] | None = None,
        ports: Sequence[str] | None = None,
        registry: str | None = None,
        data_center_ids: Sequence[str] | None = None,
        network_volumes: Sequence[str] | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> ServerlessEndpoint: ...

    def create(
        self,
        request: Mapping[str, object] | None = None,
        /,
        *,
        name: str | None = None,
        type: EndpointType | None = None,
        scaling: Scaling | None = None,
        image: str | None = None,
        template_id: str | None = None,
        gpu: GPUSettings | GPUSettingsDict | None = None,
        cpu: CPUs | None = None,
        workers: WorkerSettings | WorkerSettingsDict | None = None,
        execution_timeout: timedelta | None = None,
        flashboot: FlashBoot | None = None,
        args: str | None = None,
        disk: int | None = None,
        env: Mapping[str, str] | None = None,
        ports: Sequence[str] | None = None,
        registry: str | None = None,
        data_center_ids: Sequence[str] | None = None,
        network_volumes: Sequence[str] | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> ServerlessEndpoint:
        """Creates an endpoint. Never repeated after it may have been created.

        Pass either the wire format, a mapping, or keywords. Pass `gpu` or `cpu`, and `image` or `template_id`.

        Args:
            request: The endpoint in the wire format. Its `timeout` is in milliseconds.
            name: The name.
            type: "QUEUE" or "LOAD_BALANCER". It cannot be changed.
            scaling: When workers are started. A load balancer needs `request_count`.
            image: The container image.
            template_id: A template, whose container is copied once: later changes of the template do
                not reach the endpoint.
            gpu: The GPUs of the workers, as IDs of pools such as "ADA_24", not names of GPUs. It
                cannot be changed to `cpu`.
            cpu: The CPUs of the workers.
            workers: How many workers there may be. Server default: 0 to 3.
            execution_timeout: How long a job may run; `timeout` in the API, in milliseconds there. Set
                it: the documented default is 5 minutes, but the service has returned 0.
            flashboot: "OFF" (server default; the console's is on), "FLASHBOOT" or
                "PRIORITY_FLASHBOOT".
            args: The start command, as one text.
            disk: The size of the container disk in GB.
            env: Environment variables.
            ports: Exposed ports, such as "8888/http".
            registry: The ID of a credential for a private registry.
            data_center_ids: The only data centers of workers; by default any.
            network_volumes: IDs of network volumes to attach.
            timeout: Seconds or timedelta for the whole call; None: no limit. Not that of jobs.

        Raises:
            InvalidRequestError: A field is missing, contradicts another one, or is surely wrong.
            UnprocessableEntityError: The service rejects a field; the message names it.
            RunpodError: No attempt succeeded; with `maybe_submitted`, the endpoint may exist.

        Example:
            >>> from runpod.models.management import GPUSettings, ScalingSettings
            >>> endpoint = client.manage.serverless.create(
            ...     name="horses",
            ...     type="QUEUE",
            ...     image="registry.example/horses:1",
            ...     gpu=GPUSettings(pools=["ADA_24"]),
            ...     scaling=ScalingSettings(queue_delay=timedelta(seconds=4)),
            ...     execution_timeout=timedelta(minutes=10),
            ... )
        """
        fields = created_endpoint(
            request,
            {
                "name": name,
                "type": type,
                "scaling": scaling,
                "image": image,
                "template_id": template_id,
                "gpu": gpu,
                "cpu": cpu,
                "workers": workers,
                "execution_timeout": execution_timeout,
                "flashboot": flashboot,
                "args": args,
                "disk": disk,
                "env": env,
                "ports": ports,
                "registry": registry,
                "data_center_ids": data_center_ids,
                "network_volumes": network_volumes,
            },
        )
        return self._api.fetch(
            ServerlessEndpoint, f"{_NAME}.create", "POST", "serverless", fields=fields, timeout=timeout
        )

    @overload
    def update(
        self,
        endpoint_id: str,
        request: UpdateEndpointDict,
        /,
        *,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> ServerlessEndpoint: ...

    @overload
    def update(
        self,
        endpoint_id: str,
        /,
        *,
        name: str | None = None,
        scaling: Scaling | None = None,
        image: str | None = None,
        template_id: str | None = None,
        gpu: GPUSettings | GPUSettingsDict | None = None,
        cpu: CPUs | None = None,
        workers: WorkerSettings | WorkerSettingsDict | None = None,
        execution_timeout: timedelta | None = None,
        flashboot: FlashBoot | None = None,
        args: str | None = None,
        disk: int | None = None,
        env: Mapping[str, str] | None = None,
        ports: Sequence[str] | None = None,
        registry: str | None = None,
        data_center_ids: Sequence[str] | None = None,
        network_volumes: Sequence[str] | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> ServerlessEndpoint: ...

    def update(
        self,
        endpoint_id: str,
        request: Mapping[str, object] | None = None,
        /,
        *,
        name: str | None = None,
        scaling: Scaling | None = None,
        image: str | None = None,
        template_id: str | None = None,
        gpu: GPUSettings | GPUSettingsDict | None = None,
        cpu: CPUs | None = None,
        workers: WorkerSettings | WorkerSettingsDict | None = None,
        execution_timeout: timedelta | None = None,
        flashboot: FlashBoot | None = None,
        args: str | None = None,
        disk: int | None = None,
        env: Mapping[str, str] | None = None,
        ports: Sequence[str] | None = None,
        registry: str | None = None,
        data_center_ids: Sequence[str] | None = None,
        network_volumes: Sequence[str] | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> ServerlessEndpoint:
        """Changes an endpoint. Fields that are not passed stay as they are; those that are passed are replaced whole.

        So `env` needs all variables, and `gpu` with `pools` needs `excluded_types`, too:

            endpoint = client.manage.serverless.get("ENDPOINT_ID")
            env = {**(endpoint.env or {}), "LEVEL": "debug"}
            client.manage.serverless.update("ENDPOINT_ID", env=env)

        For the number of workers, `client.endpoint(id).scale(max=5)` is simpler.

        Args:
            endpoint_id: The ID.
            request: The changes in the wire format. Its `timeout` is in milliseconds. A null clears a
                field that can be, such as `{"registry": None}`.
            name: The name.
            scaling: When workers are started.
            image: The container image.
            template_id: A template, whose container is copied once. Its `env`, merged with the one
                that is passed, replaces that of the endpoint.
            gpu: The GPUs of the workers. `pools` without `excluded_types` clears the exclusions.
            cpu: The CPUs of the workers.
            workers: How many workers there may be. `min` and `max` are always needed: the service may
                reset what is left out.
            execution_timeout: How long a job may run; `timeout` in the API, in milliseconds there.
            flashboot: "OFF", "FLASHBOOT" or "PRIORITY_FLASHBOOT".
            args: The start command, as one text.
            disk: The size of the container disk in GB.
            env: All environment variables: others are removed.
            ports: All exposed ports.
            registry: The ID of a credential for a private registry.
            data_center_ids: The only data centers of workers.
            network_volumes: IDs of all network volumes to attach.
            timeout: Seconds or timedelta for the whole call; None: no limit. Not that of jobs.

        Raises:
            InvalidRequestError: A field contradicts another one, or is surely wrong.
            UnprocessableEntityError: The service rejects a field; the message names it.
            RunpodError: No attempt succeeded.

        Example:
            >>> client.manage.serverless.update("ENDPOINT_ID", execution_timeout=timedelta(minutes=20))
        """
        fields = changed_endpoint(
            request,
            {
                "name": name,
                "scaling": scaling,
                "image": image,
                "template_id": template_id,
                "gpu": gpu,
                "cpu": cpu,
                "workers": workers,
                "execution_timeout": execution_timeout,
                "flashboot": flashboot,
                "args": args,
                "disk": disk,
                "env": env,
                "ports": ports,
                "registry": registry,
                "data_center_ids": data_center_ids,
                "network_volumes": network_volumes,
            },
        )
        return self._api.fetch(
            ServerlessEndpoint,
            f"{_NAME}.update",
            "PATCH",
            *_steps(endpoint_id),
            fields=fields,
            timeout=timeout,
        )

    def delete(
        self, endpoint_id: str, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> None:
        """Deletes an endpoint, and the template that is bound to it. Jobs that wait or run are cancelled.

        Args:
            endpoint_id: The ID.
            timeout: Seconds or timedelta for the whole call; None: no limit.

        Raises:
            NotFoundError: There is no such endpoint.
            RunpodError: No attempt succeeded.
        """
        self._api.delete(f"{_NAME}.delete", *_steps(endpoint_id), timeout=timeout)

    def workers(
        self, endpoint_id: str, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> EndpointWorkers:
        """Returns the workers of an endpoint, and their numbers by status.

        Args:
            endpoint_id: The ID.
            timeout: Seconds or timedelta for the whole call; None: no limit.

        Raises:
            NotFoundError: There is no such endpoint.
            RunpodError: No attempt succeeded.

        Example:
            >>> workers = client.manage.serverless.workers("ENDPOINT_ID")
            >>> print(workers.summary.running, [worker.id for worker in workers])
        """
        steps = _steps(endpoint_id, "workers")
        return self._api.fetch_pages(EndpointWorkers, Worker, f"{_NAME}.workers", *steps, timeout=timeout)

    def releases(
        self, endpoint_id: str, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> EndpointReleases:
        """Returns the releases of an endpoint, and how far the latest one has reached its workers.

        Args:
            endpoint_id: The ID.
            timeout: Seconds or timedelta for the whole call; None: no limit.

        Raises:
            NotFoundError: There is no such endpoint.
            RunpodError: No attempt succeeded.
        """
        steps = _steps(endpoint_id, "releases")
        return self._api.fetch_pages(EndpointReleases, Release, f"{_NAME}.releases", *steps, timeout=timeout)


def _steps(endpoint_id: str, *more: str) -> builtins.list[str]:
    return ["serverless", check_id(endpoint_id, "endpoint_id"), *more]
