# Generated from src/runpod/_async/manage/account.py by scripts/generate_sync.py. Do not edit.

"""The account: `client.manage.account`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpod._sync.manage.requests import Collection
from runpod._protocol.deadlines import CLIENT_DEFAULT
from runpod._protocol.volume_fields import public_keys
from runpod.models.management.account import SSHKeys

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from runpod._protocol.deadlines import ClientDefault


class Account(Collection):
    """The account: `client.manage.account`.

    Example:
        >>> keys = client.manage.account.ssh_keys()
    """

    def ssh_keys(self, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT) -> list[str]:
        """Returns the SSH public keys of the account. `GET /v2/account/ssh-keys`.

        A pod gets them when it is created with `start_ssh`.

        Args:
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Returns:
            Lines as in `authorized_keys`: "ssh-ed25519 AAAA… me@example.com".

        Raises:
            RunpodError: No attempt succeeded.
        """
        name = "manage.account.ssh_keys"
        return (self._api.fetch(SSHKeys, name, "GET", "account", "ssh-keys", timeout=timeout)).keys

    def set_ssh_keys(
        self, keys: Sequence[str], *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> list[str]:
        """Replaces all SSH public keys of the account, and returns them. `PUT /v2/account/ssh-keys`.

        Args:
            keys: The keys, as in `~/.ssh/id_ed25519.pub`. Keys that are not among them are removed;
                an empty list removes all.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: One is no public key. Nothing was sent.
            RunpodError: No attempt succeeded.

        Example:
            >>> account = client.manage.account
            >>> mine = Path("~/.ssh/id_ed25519.pub").expanduser().read_text()
            >>> account.set_ssh_keys([*account.ssh_keys(), mine])
        """
        fields = {"keys": public_keys(keys)}
        name = "manage.account.set_ssh_keys"
        return (self._api.fetch(SSHKeys, name, "PUT", "account", "ssh-keys", fields=fields, timeout=timeout)).keys
