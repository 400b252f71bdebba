"""Network volumes."""

from __future__ import annotations

from typing import Literal, TypeAlias

from typing_extensions import Required, TypedDict

from runpod.models.management._base import ManagementModel, ReceivedCount, ReceivedText

__all__ = ["CreateNetworkVolumeDict", "NetworkVolume", "UpdateNetworkVolumeDict", "VolumeType"]

# For arguments; responses can have other values.
VolumeType: TypeAlias = Literal["STANDARD", "HIGH_PERFORMANCE"]


class NetworkVolume(ManagementModel):
    """A network volume: storage in one data center that pods and workers share.

    Attributes:
        id: The ID.
        name: The name.
        size: The size in GB.
        data_center: The ID of its data center, such as "US-KS-2".
        type: "STANDARD" or "HIGH_PERFORMANCE"; other values are kept.
    """

    id: str
    name: ReceivedText = None
    size: ReceivedCount = None
    data_center: ReceivedText = None
    type: ReceivedText = None


class CreateNetworkVolumeDict(TypedDict, total=False):
    """A new network volume in the wire format."""

    name: Required[str]
    size: Required[int]
    dataCenter: Required[str]
    type: VolumeType


class UpdateNetworkVolumeDict(TypedDict, total=False):
    """A change of a network volume in the wire format."""

    name: str
    size: int
