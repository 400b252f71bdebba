"""The account."""

from __future__ import annotations

from typing import Annotated

from runpod.models.management._base import ManagementModel, NullIsEmpty

__all__ = ["SSHKeys"]


class SSHKeys(ManagementModel):
    """The SSH public keys of the account.

    Attributes:
        keys: Lines as in `authorized_keys`.
    """

    # Required: to add a key, programs send all that they have read.
    keys: Annotated[list[str], NullIsEmpty]
