"""Pods: `client.manage.pods`."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from runpod._async.manage.requests import AsyncCollection
from runpod._protocol.deadlines import CLIENT_DEFAULT
from runpod._protocol.log_feed import logs_path
from runpod._protocol.management import new_call
from runpod._protocol.operations import check_id
from runpod._protocol.pod_fields import changed_pod, created_pod
from runpod.models.management.pods import Pod

if TYPE_CHECKING:
    import builtins
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from runpod._async.logs import AsyncLogs
    from runpod._protocol.deadlines import ClientDefault, TimeoutOrDefault
    from runpod._protocol.log_feed import LogSource
    from runpod.models.management.catalog import Cloud
    from runpod.models.management.pod_requests import (
        CreatePodDict,
        PodCPUDict,
        PodGPUDict,
        PodMountsDict,
        UpdatePodDict,
    )


class AsyncPods(AsyncCollection):
    """The pods of the account: `client.manage.pods`.

    A pod is paid by the hour until it is stopped, and its disks until it is deleted.

    Example:
        >>> gpu = {"id": "NVIDIA GeForce RTX 4090"}
        >>> pod = await client.manage.pods.create(name="trainer", image="trainer:1", gpu=gpu, disk=50)
    """

    async def list(
        self,
        *,
        include_cluster_pods: bool = False,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> builtins.list[Pod]:
        """Returns all pods. `GET /v2/pods`.

        Args:
            include_cluster_pods: Whether those of clusters are in the list, too.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            RunpodError: No attempt succeeded.
        """
        query = [("includeClusterPods", "true")] if include_cluster_pods else []
        return await self._api.fetch_list(Pod, "pods", "manage.pods.list", "pods", query=query, timeout=timeout)

    async def get(self, pod_id: str, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT) -> Pod:
        """Returns a pod by its ID. `GET /v2/pods/{id}`.

        Args:
            pod_id: The ID.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            NotFoundError: There is no such pod.
            RunpodError: No attempt succeeded.
        """
        return await self._api.fetch(Pod, "manage.pods.get", "GET", "pods", _checked(pod_id), timeout=timeout)

    @overload
    async def create(
        self, request: CreatePodDict, /, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> Pod: ...

    @overload
    async def create(
        self,
        /,
        *,
        name: str,
        image: str | None = None,
        template_id: str | None = None,
        gpu: PodGPUDict | None = None,
        cpu: PodCPUDict | None = None,
        args: str | None = None,
        disk: int | None = None,
        env: Mapping[str, str] | None = None,
        ports: Sequence[str] | None = None,
        registry: str | None = None,
        mounts: PodMountsDict | None = None,
        cloud: Cloud | None = None,
        data_center_ids: Sequence[str] | None = None,
        global_networking: bool | None = None,
        start_ssh: bool | None = None,
        start_jupyter: bool | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> Pod: ...

    async def create(
        self,
        request: CreatePodDict | None = None,
        /,
        *,
        name: str | None = None,
        image: str | None = None,
        template_id: str | None = None,
        gpu: PodGPUDict | None = None,
        cpu: PodCPUDict | None = None,
        args: str | None = None,
        disk: int | None = None,
        env: Mapping[str, str] | None = None,
        ports: Sequence[str] | None = None,
        registry: str | None = None,
        mounts: PodMountsDict | None = None,
        cloud: Cloud | None = None,
        data_center_ids: Sequence[str] | None = None,
        global_networking: bool | None = None,
        start_ssh: bool | None = None,
        start_jupyter: bool | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> Pod:
        """Creates a pod, which starts, and costs money. `POST /v2/pods`.

        Args:
            request: The pod in the wire format, instead of all other arguments.
            name: The name.
            image: The container image. It may be missing if there is a template.
            template_id: The ID of a template of pods, whose settings are used where none are passed here;
                `env` is merged. Later changes of the template do not reach the pod.
            gpu: The GPU type and number: `{"id": "NVIDIA GeForce RTX 4090", "count": 1}`. The ID is that
                of a type, not of a pool: see `client.manage.catalog.gpus()`.
            cpu: Instead of a GPU: `{"id": "cpu5c", "vcpuCount": 2}`. The number is a power of two.
            args: The start command, as one text.
            disk: The container disk in GB, whose content is lost when the pod is stopped.
            env: The environment variables.
            ports: The ports to expose, such as `["8888/http", "22/tcp"]`.
            registry: The ID of a credential for a private registry.
            mounts: Storage that is kept while the pod is stopped, and whose kind is fixed: a network volume,
                `{"network": [{"volumeId": "VOLUME_ID", "path": "/workspace"}]}`, or a disk on its host of
                at least 10 GB, `{"persistent": {"size": 20, "path": "/workspace"}}`.
            cloud: "SECURE" (default) or "COMMUNITY".
            data_center_ids: Where it may run; by default anywhere.
            global_networking: Whether it is in the private network across data centers.
            start_ssh: Whether it accepts SSH, if its image supports that, with the keys that
                `client.manage.account` has now.
            start_jupyter: Whether it starts Jupyter, if its image supports that.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: The service would certainly refuse the arguments. Nothing was sent.
            RunpodError: It was not created, or `maybe_submitted` is True.

        Example:
            >>> cpu = {"id": "cpu5c", "vcpuCount": 4}
            >>> pod = await client.manage.pods.create(name="tests", image="python:3.14", cpu=cpu, disk=20)
        """
        fields = {
            "name": name,
            "image": image,
            "template_id": template_id,
            "gpu": gpu,
            "cpu": cpu,
            "args": args,
            "disk": disk,
            "env": env,
            "ports": ports,
            "registry": registry,
            "mounts": mounts,
            "cloud": cloud,
            "data_center_ids": data_center_ids,
            "global_networking": global_networking,
            "start_ssh": start_ssh,
            "start_jupyter": start_jupyter,
        }
        body = created_pod(request, fields)
        return await self._api.fetch(Pod, "manage.pods.create", "POST", "pods", fields=body, timeout=timeout)

    @overload
    async def update(
        self,
        pod_id: str,
        request: UpdatePodDict,
        /,
        *,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> Pod: ...

    @overload
    async def update(
        self,
        pod_id: str,
        /,
        *,
        name: str | None = None,
        locked: bool | None = None,
        image: str | None = None,
        template_id: str | None = None,
        args: str | None = None,
        disk: int | None = None,
        env: Mapping[str, str] | None = None,
        ports: Sequence[str] | None = None,
        registry: str | None = None,
        mounts: PodMountsDict | None = None,
        global_networking: bool | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> Pod: ...

    async def update(
        self,
        pod_id: str,
        request: UpdatePodDict | None = None,
        /,
        *,
        name: str | None = None,
        locked: bool | None = None,
        image: str | None = None,
        template_id: str | None = None,
        args: str | None = None,
        disk: int | None = None,
        env: Mapping[str, str] | None = None,
        ports: Sequence[str] | None = None,
        registry: str | None = None,
        mounts: PodMountsDict | None = None,
        global_networking: bool | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> Pod:
        """Changes a pod, and returns it. `PATCH /v2/pods/{id}`.

        What is not passed is not changed. A change of the container restarts it: its disk is lost.

        Args:
            pod_id: The ID.
            request: The changes in the wire format, instead of all other arguments; None is null there,
                which removes `registry`.
            name: The name.
            locked: Whether it is locked: then it cannot be stopped.
            image: The container image.
            template_id: The ID of a template whose settings are copied once, without its mounts.
            args: The start command, as one text.
            disk: The container disk in GB.
            env: The environment variables. They replace all that there are: get them first to keep some.
            ports: The ports to expose. They replace all that there are.
            registry: The ID of a credential for a private registry.
            mounts: Other sizes or paths of the same storage; see `create`. Its kind and volume are fixed.
            global_networking: Whether it is in the private network, from its next start on.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: The service would certainly refuse the arguments. Nothing was sent.
            NotFoundError: There is no such pod.
            ConflictError: Its status does not allow it.
            RunpodError: No attempt succeeded.

        Example:
            >>> pod = await client.manage.pods.get("POD_ID")
            >>> await client.manage.pods.update(pod.id, env={**(pod.env or {}), "MODEL": "llama-3"})
        """
        fields = {
            "name": name,
            "locked": locked,
            "image": image,
            "template_id": template_id,
            "args": args,
            "disk": disk,
            "env": env,
            "ports": ports,
            "registry": registry,
            "mounts": mounts,
            "global_networking": global_networking,
        }
        body = changed_pod(request, fields)
        steps = ("pods", _checked(pod_id))
        return await self._api.fetch(Pod, "manage.pods.update", "PATCH", *steps, fields=body, timeout=timeout)

    async def delete(self, pod_id: str, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT) -> None:
        """Deletes a pod with its disks, but not its network volume. `DELETE /v2/pods/{id}`.

        Args:
            pod_id: The ID.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            NotFoundError: There is no such pod.
            RunpodError: No attempt succeeded.
        """
        await self._api.delete("manage.pods.delete", "pods", _checked(pod_id), timeout=timeout)

    async def start(self, pod_id: str, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT) -> Pod:
        """Starts a pod that is stopped, and returns it at once. `POST /v2/pods/{id}/action`.

        Args:
            pod_id: The ID.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            ConflictError: Its status does not allow it: see `pod.actions`.
            RunpodError: It was not started, or `maybe_submitted` is True.
        """
        return await self._act(pod_id, "start", timeout)

    async def stop(self, pod_id: str, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT) -> Pod:
        """Stops a pod, and returns it. `POST /v2/pods/{id}/action`.

        Its GPUs are released and no longer paid. Mounted storage is kept, the container disk is not.

        Args:
            pod_id: The ID.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            ConflictError: Its status does not allow it, or it is locked: see `pod.actions`.
            RunpodError: It was not stopped, or `maybe_submitted` is True.
        """
        return await self._act(pod_id, "stop", timeout)

    async def restart(self, pod_id: str, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT) -> Pod:
        """Restarts the container of a running pod, and returns the pod at once. `POST /v2/pods/{id}/action`.

        Args:
            pod_id: The ID.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            ConflictError: Its status does not allow it: see `pod.actions`.
            RunpodError: It was not restarted, or `maybe_submitted` is True.
        """
        return await self._act(pod_id, "restart", timeout)

    async def terminate(
        self, pod_id: str, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> None:
        """Deletes a pod, as `delete` does, but as an action. `POST /v2/pods/{id}/action`.

        Prefer `delete`, which is repeated if no response arrives.

        Args:
            pod_id: The ID.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            ConflictError: Its status does not allow it: see `pod.actions`.
            RunpodError: It was not deleted, or `maybe_submitted` is True.
        """
        steps = ("pods", _checked(pod_id), "action")
        call = new_call("manage.pods.terminate", "POST", steps, fields={"action": "terminate"})
        await self._api.execute(call, timeout)

    def logs(
        self,
        pod_id: str,
        *,
        source: LogSource | None = None,
        tail: int | None = None,
        since: datetime | timedelta | None = None,
        follow: bool = False,
        timeout: float | timedelta | None = None,
    ) -> AsyncLogs:
        """Returns an iterator over the logs of a pod, for a `with` block. `GET /v2/pods/{id}/logs`.

        Needs the extra `logs`.

        Args:
            pod_id: The ID.
            source: "container": what its program prints; "system": what the platform says; None: both.
            tail: How many of the latest lines come first, up to 5000; 100 by default. Not with `since`.
            since: The time of the first line, or how long ago that was.
            follow: Whether to go on with lines that are written later.
            timeout: Seconds or timedelta after which it ends; None: no limit.

        Raises:
            InvalidRequestError: An argument is invalid.
            ConfigurationError: httpx-sse is not installed.

        Example:
            >>> async with client.manage.pods.logs("POD_ID", tail=20) as lines:
            ...     async for line in lines:
            ...         print(line.line)
        """
        from runpod._async.logs import AsyncLogs

        path = logs_path("pods", _checked(pod_id))
        return AsyncLogs(self._api.session, path, source=source, tail=tail, since=since, follow=follow, timeout=timeout)

    async def _act(self, pod_id: str, action: str, timeout: TimeoutOrDefault) -> Pod:
        steps = ("pods", _checked(pod_id), "action")
        name = f"manage.pods.{action}"
        return await self._api.fetch(Pod, name, "POST", *steps, fields={"action": action}, timeout=timeout)


def _checked(pod_id: object) -> str:
    # Without an ID, the path would be that of all pods.
    return check_id(pod_id, "pod_id")
