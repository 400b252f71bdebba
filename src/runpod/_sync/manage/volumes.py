# Generated from src/runpod/_async/manage/volumes.py by scripts/generate_sync.py. Do not edit.

"""Network volumes: `client.manage.volumes`."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from runpod._sync.manage.requests import Collection
from runpod._protocol.deadlines import CLIENT_DEFAULT
from runpod._protocol.operations import check_id
from runpod._protocol.volume_fields import changed_volume, created_volume
from runpod.models.management.volumes import NetworkVolume

if TYPE_CHECKING:
    import builtins
    from datetime import timedelta

    from runpod._protocol.deadlines import ClientDefault
    from runpod.models.management.volumes import CreateNetworkVolumeDict, UpdateNetworkVolumeDict, VolumeType


class Volumes(Collection):
    """The network volumes of the account: `client.manage.volumes`.

    A volume is paid by its size, whether it is used or not.

    Example:
        >>> volume = client.manage.volumes.create(name="models", size=100, data_center="US-KS-2")
    """

    def list(
        self, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> builtins.list[NetworkVolume]:
        """Returns all network volumes. `GET /v2/network-volumes`.

        Args:
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            RunpodError: No attempt succeeded.
        """
        name = "manage.volumes.list"
        return self._api.fetch_list(NetworkVolume, "networkVolumes", name, "network-volumes", timeout=timeout)

    def get(
        self, volume_id: str, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> NetworkVolume:
        """Returns a network volume by its ID. `GET /v2/network-volumes/{id}`.

        Args:
            volume_id: The ID.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            NotFoundError: There is no such volume.
            RunpodError: No attempt succeeded.
        """
        steps = ("network-volumes", check_id(volume_id, "volume_id"))
        return self._api.fetch(NetworkVolume, "manage.volumes.get", "GET", *steps, timeout=timeout)

    @overload
    def create(
        self,
        request: CreateNetworkVolumeDict,
        /,
        *,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> NetworkVolume: ...

    @overload
    def create(
        self,
        /,
        *,
        name: str,
        size: int,
        data_center: str,
        type: VolumeType | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> NetworkVolume: ...

    def create(
        self,
        request: CreateNetworkVolumeDict | None = None,
        /,
        *,
        name: str | None = None,
        size: int | None = None,
        data_center: str | None = None,
        type: VolumeType | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> NetworkVolume:
        """Creates a network volume, which costs money. `POST /v2/network-volumes`.

        Args:
            request: The volume in the wire format, instead of all other arguments.
            name: The name. Several volumes may have the same.
            size: The size in GB, from 10 to 4096. It can grow later, but not shrink.
            data_center: The ID of a data center, such as "US-KS-2", which cannot be changed later. Pods and
                workers use the volume there only.
            type: "STANDARD" or "HIGH_PERFORMANCE", which cannot be changed later; by default what the
                data center prefers.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: The service would certainly refuse the arguments. Nothing was sent.
            RunpodError: It was not created, or `maybe_submitted` is True.
        """
        fields = {"name": name, "size": size, "data_center": data_center, "type": type}
        body = created_volume(request, fields)
        create = "manage.volumes.create"
        return self._api.fetch(NetworkVolume, create, "POST", "network-volumes", fields=body, timeout=timeout)

    @overload
    def update(
        self,
        volume_id: str,
        request: UpdateNetworkVolumeDict,
        /,
        *,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> NetworkVolume: ...

    @overload
    def update(
        self,
        volume_id: str,
        /,
        *,
        name: str | None = None,
        size: int | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> NetworkVolume: ...

    def update(
        self,
        volume_id: str,
        request: UpdateNetworkVolumeDict | None = None,
        /,
        *,
        name: str | None = None,
        size: int | None = None,
        timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT,
    ) -> NetworkVolume:
        """Renames a network volume, or makes it larger. `PATCH /v2/network-volumes/{id}`.

        Args:
            volume_id: The ID.
            request: The changes in the wire format, instead of all other arguments.
            name: The name.
            size: The size in GB, up to 4096. The service refuses one that is smaller than now.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            InvalidRequestError: The service would certainly refuse the arguments. Nothing was sent.
            NotFoundError: There is no such volume.
            RunpodError: No attempt succeeded.
        """
        body = changed_volume(request, {"name": name, "size": size})
        steps = ("network-volumes", check_id(volume_id, "volume_id"))
        return self._api.fetch(
            NetworkVolume, "manage.volumes.update", "PATCH", *steps, fields=body, timeout=timeout
        )

    def delete(
        self, volume_id: str, *, timeout: float | timedelta | ClientDefault | None = CLIENT_DEFAULT
    ) -> None:
        """Deletes a network volume with all that is on it. `DELETE /v2/network-volumes/{id}`.

        Args:
            volume_id: The ID.
            timeout: Seconds or timedelta for the whole call; None: no limit. By default the client's.

        Raises:
            NotFoundError: There is no such volume.
            RunpodError: No attempt succeeded.
        """
        steps = ("network-volumes", check_id(volume_id, "volume_id"))
        self._api.delete("manage.volumes.delete", *steps, timeout=timeout)
