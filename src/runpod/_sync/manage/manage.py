# Generated from src/runpod/_async/manage/manage.py by scripts/generate_sync.py. Do not edit.

"""The management API: `client.manage`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpod._sync.manage.requests import ManagementAPI
from runpod._protocol.deadlines import CLIENT_DEFAULT
from runpod._protocol.management import raw_call

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta
    from typing import Literal

    from runpod._sync.manage.account import Account
    from runpod._sync.manage.billing import Billing
    from runpod._sync.manage.catalog import Catalog
    from runpod._sync.manage.pods import Pods
    from runpod._sync.manage.registries import Registries
    from runpod._sync.manage.serverless import Serverless
    from runpod._sync.manage.templates import Templates
    from runpod._sync.manage.volumes import Volumes
    from runpod._sync.session import Session
    from runpod._protocol.deadlines import ClientDefault


class Manage:
    """Runpod's management API, version 2: `client.manage`.

    A request that creates something is never repeated after it may have been executed; all others are. The service
    allows 60 requests per minute: a 429 is repeated when its `Retry-After` is over, within the timeout.

    Example:
        >>> for endpoint in client.manage.serverless.list():
        ...     print(endpoint.id, endpoint.name, endpoint.workers.max)
    """

    # Collections are imported on first use: most programs need one of them.

    def __init__(self, session: Session) -> None:
        self._api = ManagementAPI(session)

    @property
    def serverless(self) -> Serverless:
        """Serverless endpoints, their workers and releases."""
        from runpod._sync.manage.serverless import Serverless

        return Serverless(self._api)

    @property
    def templates(self) -> Templates:
        """Templates: containers of endpoints and pods."""
        from runpod._sync.manage.templates import Templates

        return Templates(self._api)

    @property
    def registries(self) -> Registries:
        """Credentials for private container registries."""
        from runpod._sync.manage.registries import Registries

        return Registries(self._api)

    @property
    def account(self) -> Account:
        """The account: its SSH keys."""
        from runpod._sync.manage.account import Account

        return Account(self._api)

    @property
    def billing(self) -> Billing:
        """What was billed."""
        from runpod._sync.manage.billing import Billing

        return Billing(self._api)

    @property
    def catalog(self) -> Catalog:
        """What can be rented: GPUs, CPUs, data centers and public templates."""
        from runpod._sync.manage.catalog import Catalog

        return Catalog(self._api)

    @property
    def pods(self) -> Pods:
        """Pods: containers on machines that are rented by the hour."""
        from runpod._sync.manage.pods import Pods

        return Pods(self._api)

    @property
    def volumes(self) -> Volumes:
        """Network volumes: storage that pods and workers share."""
        from runpod._sync.manage.volumes import Volumes

        return Volumes(self._api)

    def request(
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
            >>> clusters = (client.manage.request("GET", "/v2/clusters"))["clusters"]
        """
        return self._api.fetch_json(raw_call(method, path, query, json), timeout)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(management_url={self._api.session.engine.config.management_url!r})"
