"""Templates: `client.manage.templates`."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from runpod._async.manage.requests import AsyncCollection
from runpod._protocol.deadlines import CLIENT_DEFAULT
from runpod._protocol.operations import check_id
from runpod._protocol.template_fields import changed_template, created_template
from runpod.models.management.templates import Template

if TYPE_CHECKING:
    import builtins
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from runpod._protocol.deadlines import ClientDefault
    from runpod.models.management.settings import (
        CreateTemplateDict,
        TemplateCategory,
        TemplateMountsDict,
        UpdateTemplateDict,
    )

_NAME = "manage.templates"


class AsyncTemplates(AsyncCollection):
    """Your templates: `client.manage.templates`. Public ones of others are in `client.manage.catalog`.

    Example:
        >>> for template in await client.manage.templates.list():
        ...     print(template.id, template.name, template.image)
    """

    async def list(
        self, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> builtins.list[Template]:
        """Returns all templates of your account.

        Args:
            timeout: Seconds or timedelta for the whole call; None: no limit.

        Raises:
            RunpodError: No attempt succeeded.
        """
        return await self._api.fetch_list(Template, "templates", f"{_NAME}.list", "templates", timeout=timeout)

    async def get(
        self, template_id: str, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> Template:
        """Returns a template.

        Args:
            template_id: The ID.
            timeout: Seconds or timedelta for the whole call; None: no limit.

        Raises:
            NotFoundError: There is no such template.
            RunpodError: No attempt succeeded.
        """
        return await self._api.fetch(Template, f"{_NAME}.get", "GET", *_steps(template_id), timeout=timeout)

    @overload
    async def create(
        self,
        request: CreateTemplateDict,
        /,
        *,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> Template: ...

    @overload
    async def create(
        self,
        /,
        *,
        name: str,
        image: str,
        serverless: bool | None = None,
        public: bool | None = None,
        category: TemplateCategory | None = None,
        args: str | None = None,
        disk: int | None = None,
        env: Mapping[str, str] | None = None,
        ports: Sequence[str] | None = None,
        registry: str | None = None,
        mounts: TemplateMountsDict | None = None,
        start_ssh: bool | None = None,
        start_jupyter: bool | None = None,
        allowed_cuda_versions: Sequence[str] | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> Template: ...

    async def create(
        self,
        request: Mapping[str, object] | None = None,
        /,
        *,
        name: str | None = None,
        image: str | None = None,
        serverless: bool | None = None,
        public: bool | None = None,
        category: TemplateCategory | None = None,
        args: str | None = None,
        disk: int | None = None,
        env: Mapping[str, str] | None = None,
        ports: Sequence[str] | None = None,
        registry: str | None = None,
        mounts: TemplateMountsDict | None = None,
        start_ssh: bool | None = None,
        start_jupyter: bool | None = None,
        allowed_cuda_versions: Sequence[str] | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> Template:
        """Creates a template. Never repeated after it may have been created.

        Pass either the wire format, a mapping, or keywords.

        Args:
            request: The template in the wire format.
            name: The name.
            image: The container image.
            serverless: Whether it is for endpoints; otherwise (server default) it is for pods.
            public: Whether other accounts can use it. Server default: no.
            category: "CPU", "NVIDIA" (server default) or "AMD".
            args: The start command, as one text.
            disk: The size of the container disk in GB.
            env: Environment variables.
            ports: Exposed ports, such as "8888/http".
            registry: The ID of a credential for a private registry.
            mounts: The disk of its pods that is kept while they are stopped, at least 10 GB.
            start_ssh: Whether its pods start an SSH server. Server default: yes.
            start_jupyter: Whether its pods start Jupyter. Server default: yes.
            allowed_cuda_versions: The CUDA versions that a machine may have, such as "12.8".
            timeout: Seconds or timedelta for the whole call; None: no limit.

        Raises:
            InvalidRequestError: A field is missing, or surely wrong.
            UnprocessableEntityError: The service rejects a field; the message names it.
            RunpodError: No attempt succeeded; with `maybe_submitted`, the template may exist.

        Example:
            >>> await client.manage.templates.create(name="horses", image="registry.example/horses:1", serverless=True)
        """
        fields = created_template(
            request,
            {
                "name": name,
                "image": image,
                "serverless": serverless,
                "public": public,
                "category": category,
                "args": args,
                "disk": disk,
                "env": env,
                "ports": ports,
                "registry": registry,
                "mounts": mounts,
                "start_ssh": start_ssh,
                "start_jupyter": start_jupyter,
                "allowed_cuda_versions": allowed_cuda_versions,
            },
        )
        return await self._api.fetch(Template, f"{_NAME}.create", "POST", "templates", fields=fields, timeout=timeout)

    @overload
    async def update(
        self,
        template_id: str,
        request: UpdateTemplateDict,
        /,
        *,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> Template: ...

    @overload
    async def update(
        self,
        template_id: str,
        /,
        *,
        name: str | None = None,
        image: str | None = None,
        serverless: bool | None = None,
        public: bool | None = None,
        category: TemplateCategory | None = None,
        args: str | None = None,
        disk: int | None = None,
        env: Mapping[str, str] | None = None,
        ports: Sequence[str] | None = None,
        registry: str | None = None,
        mounts: TemplateMountsDict | None = None,
        start_ssh: bool | None = None,
        start_jupyter: bool | None = None,
        allowed_cuda_versions: Sequence[str] | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> Template: ...

    async def update(
        self,
        template_id: str,
        request: Mapping[str, object] | None = None,
        /,
        *,
        name: str | None = None,
        image: str | None = None,
        serverless: bool | None = None,
        public: bool | None = None,
        category: TemplateCategory | None = None,
        args: str | None = None,
        disk: int | None = None,
        env: Mapping[str, str] | None = None,
        ports: Sequence[str] | None = None,
        registry: str | None = None,
        mounts: TemplateMountsDict | None = None,
        start_ssh: bool | None = None,
        start_jupyter: bool | None = None,
        allowed_cuda_versions: Sequence[str] | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> Template:
        """Changes a template. Fields that are not passed stay as they are; those that are passed are replaced whole.

        Endpoints that were created from it do not change: they have a copy.

        Args:
            template_id: The ID.
            request: The changes in the wire format. A null clears a field that can be, such as
                `{"registry": None}`.
            name: The name.
            image: The container image.
            serverless: Whether it is for endpoints; otherwise (server default) it is for pods.
            public: Whether other accounts can use it. Server default: no.
            category: "CPU", "NVIDIA" (server default) or "AMD".
            args: The start command, as one text.
            disk: The size of the container disk in GB.
            env: All environment variables: others are removed.
            ports: All exposed ports, such as "8888/http".
            registry: The ID of a credential for a private registry.
            mounts: The disk of its pods that is kept while they are stopped, at least 10 GB.
            start_ssh: Whether its pods start an SSH server. Server default: yes.
            start_jupyter: Whether its pods start Jupyter. Server default: yes.
            allowed_cuda_versions: The CUDA versions that a machine may have, such as "12.8".
            timeout: Seconds or timedelta for the whole call; None: no limit.

        Raises:
            InvalidRequestError: A field is surely wrong.
            UnprocessableEntityError: The service rejects a field; the message names it.
            RunpodError: No attempt succeeded.

        Example:
            >>> await client.manage.templates.update("TEMPLATE_ID", image="registry.example/horses:2")
        """
        fields = changed_template(
            request,
            {
                "name": name,
                "image": image,
                "serverless": serverless,
                "public": public,
                "category": category,
                "args": args,
                "disk": disk,
                "env": env,
                "ports": ports,
                "registry": registry,
                "mounts": mounts,
                "start_ssh": start_ssh,
                "start_jupyter": start_jupyter,
                "allowed_cuda_versions": allowed_cuda_versions,
            },
        )
        return await self._api.fetch(
            Template, f"{_NAME}.update", "PATCH", *_steps(template_id), fields=fields, timeout=timeout
        )

    async def delete(
        self, template_id: str, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> None:
        """Deletes a template. The service refuses it while a pod or an endpoint uses it.

        Args:
            template_id: The ID.
            timeout: Seconds or timedelta for the whole call; None: no limit.

        Raises:
            BadRequestError: It is in use.
            NotFoundError: There is no such template.
            RunpodError: No attempt succeeded.
        """
        await self._api.delete(f"{_NAME}.delete", *_steps(template_id), timeout=timeout)


def _steps(template_id: str) -> builtins.list[str]:
    return ["templates", check_id(template_id, "template_id")]
