"""Calls of the management API (docs.runpod.io, "API reference", version 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from runpod._protocol.operations import MANAGEMENT, Call, Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

_ADVICE = {
    401: "Check the API key.",
    403: "This API key is not permitted to do that; check its permissions in the Runpod console.",
    404: "Check the ID, and that this API key belongs to the same account.",
    429: "The management API allows 60 requests per minute.",
}


def management_operation(name: str, method: str) -> Operation:
    """An operation of the management API. All but POST can be repeated: they have the same result."""
    return Operation(name, method, "", repeatable=method != "POST", service=MANAGEMENT)


@dataclass(frozen=True)
class ManagementCall(Call):
    """A call of the management API.

    Attributes:
        path: The path, whose IDs are encoded, such as `/v2/pods/abc`.
        query: Names and values of the query.
    """

    endpoint_id: str = ""
    path: str = ""
    query: Sequence[tuple[str, str]] = ()

    @property
    def target(self) -> str:
        """The path and the query."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    def advice(self, status: int) -> str:
        """What to do after an error status, as a sentence; empty for most."""
        return _ADVICE.get(status, "")

    @property
    def doubt_advice(self) -> str:
        """What to do if the request may have been executed."""
        return (
            "The request may have been executed, and sending it again may create or start something twice. List what "
            "there is first, or allow retries with RetryPolicy(resubmit=True)."
        )

    def __str__(self) -> str:
        return f"{self.operation.name} ({self.operation.method} {self.path})"
