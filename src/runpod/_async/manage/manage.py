"""The management API: `client.manage`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpod._async.manage.requests import AsyncManagementAPI
from runpod._protocol.deadlines import CLIENT_DEFAULT
from runpod._protocol.management import raw_call

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta
    from typing import Literal

    from runpod._async.manage.account import AsyncAccount
    from runpod._async.manage.billing import AsyncBilling
    from runpod._async.manage.catalog import AsyncCatalog
    from runpod._async.manage.pods import AsyncPods
    from runpod._async.manage.registries import AsyncRegistries
    from runpod._async.manage.serverless import AsyncServerless
    from runpod._async.manage.templates import AsyncTemplates
    from runpod._async.manage.volumes import AsyncVolumes
    from runpod._async.session import AsyncSession
    from runpod._protocol.deadlines import ClientDefault


class AsyncManage:
    """Runpod's management API, version 2: `client.manage`.

    A request that creates something is never repeated after it may have been executed; all others are. The service
    allows 60 requests per minute: a 429 is repeated when its `Retry-After` is over, within the timeout.

    Example:
        >>> for endpoint in await client.manage.serverless.list():
        ...     print(endpoint.id, endpoint.name, endpoint.workers.max)
    """

    # Collections are imported on first use: most programs need one of them.

    def __init__(self, session: AsyncSession) -> None:
        self._api = AsyncManagementAPI(session)

    @property
    def serverless(self) -> AsyncServerless:
        """Serverless endpoints, their workers and releases."""
        from runpod._async.manage.serverless import AsyncServerless

        return AsyncServerless(self._api)

    @property
    def templates(self) -> AsyncTemplates:
        """Templates: containers of endpoints and pods."""
        from runpod._async.manage.templates import AsyncTemplates

        return AsyncTemplates(self._api)

    @property
    def registries(self) -> AsyncRegistries:
        """Credentials for private container registries."""
        from runpod._async.manage.registries import AsyncRegistries

        return AsyncRegistries(self._api)

    @property
    def account(self) -> AsyncAccount:
        """The account: its SSH keys."""
        from runpod._async.manage.account import AsyncAccount

        return AsyncAccount(self._api)

    @property
    def billing(self) -> AsyncBilling:
        """What was billed."""
        from runpod._async.manage.billing import AsyncBilling

        return AsyncBilling(self._api)

    @property
    def catalog(self) -> AsyncCatalog:
        """What can be rented: GPUs, CPUs, data centers and public templates."""
        from runpod._async.manage.catalog import AsyncCatalog

        return AsyncCatalog(self._api)

    @property
    def pods(self) -> AsyncPods:
        """Pods: containers on machines that are rented by the hour."""
        from runpod._async.manage.pods import AsyncPods

        return AsyncPods(self._api)

    @property
    def volumes(self) -> AsyncVolumes:
        """Network volumes: storage that pods and workers share."""
        from runpod._async.manage.volumes import AsyncVolumes

        return AsyncVolumes(self._api)

    async def request(
        self,
        method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"],
        path: str,
        *,
        query: Mapping[str, str | float | bool | None] | None = None,
        json: Any = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> Any:
        """Calls any path of the management API: what is newer than this library, clusters, ECR delegations.

        Args:
            method: The HTTP method. All but POST are repeated after transport errors and 5xx; POST only
                if it was not executed.
            path: The path, such as "/v2/clusters", without a host and a query.
            query: The query. Values of None are left out.
            json: The body; None for no body.
            timeout: Seconds or timedelta for the whole call; None: no limit.

        Returns:
            The JSON of the response; None if it has no body.

        Raises:
            InvalidRequestError: The method or the path is invalid, or the body cannot be expressed in
                JSON.
            RunpodError: No attempt succeeded, or the response is not JSON.

        Example:
            >>> clusters = (await client.manage.request("GET", "/v2/clusters"))["clusters"]
        """
        return await self._api.fetch_json(raw_call(method, path, query, json), timeout)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(management_url={self._api.session.engine.config.management_url!r})"
