# Generated from src/runpod/_async/manage/templates.py by scripts/generate_sync.py. Do not edit.

"""Templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runpod._sync.manage.requests import ManagementAPI


class Templates:
    """Templates."""

    def __init__(self, api: ManagementAPI) -> None:
        self._api = api
