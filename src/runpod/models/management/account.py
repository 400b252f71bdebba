"""The account."""

from __future__ import annotations

from pydantic import Field

from runpod.models.management._base import ManagementModel

__all__ = ["SSHKeys"]


class SSHKeys(ManagementModel):
    """The SSH public keys of the account.

    Attributes:
        keys: Lines as in `authorized_keys`.
    """

    keys: list[str] = Field(default_factory=list[str])
