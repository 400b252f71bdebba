# Generated from src/runpod/_async/manage/registries.py by scripts/generate_sync.py. Do not edit.

"""Credentials for private container registries: `client.manage.registries`."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from runpod._sync.manage.requests import Collection
from runpod._protocol.deadlines import CLIENT_DEFAULT
from runpod._protocol.operations import check_id
from runpod._protocol.template_fields import created_registry
from runpod.models.management.templates import Registry

if TYPE_CHECKING:
    import builtins
    from collections.abc import Mapping
    from datetime import timedelta

    from pydantic import SecretStr

    from runpod._protocol.deadlines import ClientDefault
    from runpod.models.management.settings import CreateRegistryDict

_NAME = "manage.registries"


class Registries(Collection):
    """Credentials for private container registries: `client.manage.registries`. They cannot be changed or read back.

    Amazon ECR delegations are not among them: `client.manage.request("GET", "/v2/registries/delegations")`.

    Example:
        >>> for registry in client.manage.registries.list():
        ...     print(registry.id, registry.name)
    """

    def list(
        self, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> builtins.list[Registry]:
        """Returns the names and IDs of all credentials.

        Args:
            timeout: Seconds or timedelta for the whole call; None: no limit.

        Raises:
            RunpodError: No attempt succeeded.
        """
        return self._api.fetch_list(Registry, "registries", f"{_NAME}.list", "registries", timeout=timeout)

    def get(
        self, registry_id: str, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> Registry:
        """Returns the name of a credential.

        Args:
            registry_id: The ID.
            timeout: Seconds or timedelta for the whole call; None: no limit.

        Raises:
            NotFoundError: There is no such credential.
            RunpodError: No attempt succeeded.
        """
        return self._api.fetch(Registry, f"{_NAME}.get", "GET", *_steps(registry_id), timeout=timeout)

    @overload
    def create(
        self,
        request: CreateRegistryDict,
        /,
        *,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> Registry: ...

    @overload
    def create(
        self,
        /,
        *,
        name: str,
        username: str,
        password: str | SecretStr,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> Registry: ...

    def create(
        self,
        request: Mapping[str, object] | None = None,
        /,
        *,
        name: str | None = None,
        username: str | None = None,
        password: str | SecretStr | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> Registry:
        """Stores a credential. Never repeated after it may have been stored.

        Pass either the wire format, a mapping, or keywords.

        Args:
            request: The credential in the wire format.
            name: A name for it.
            username: The user name in the registry.
            password: The password or token. It is in no error, log or `repr`.
            timeout: Seconds or timedelta for the whole call; None: no limit.

        Raises:
            InvalidRequestError: A field is missing or not a str.
            RunpodError: No attempt succeeded; with `maybe_submitted`, the credential may be stored.

        Example:
            >>> client.manage.registries.create(name="docker", username="horse", password=token)
        """
        fields = created_registry(request, {"name": name, "username": username, "password": password})
        return self._api.fetch(Registry, f"{_NAME}.create", "POST", "registries", fields=fields, timeout=timeout)

    def delete(
        self, registry_id: str, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> None:
        """Deletes a credential. The service refuses it while a pod uses it; templates lose it without a word.

        Args:
            registry_id: The ID.
            timeout: Seconds or timedelta for the whole call; None: no limit.

        Raises:
            BadRequestError: A pod uses it.
            NotFoundError: There is no such credential.
            RunpodError: No attempt succeeded.
        """
        self._api.delete(f"{_NAME}.delete", *_steps(registry_id), timeout=timeout)


def _steps(registry_id: str) -> builtins.list[str]:
    return ["registries", check_id(registry_id, "registry_id")]
