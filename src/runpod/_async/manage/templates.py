"""Templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runpod._async.manage.requests import AsyncManagementAPI


class AsyncTemplates:
    """Templates."""

    def __init__(self, api: AsyncManagementAPI) -> None:
        self._api = api
