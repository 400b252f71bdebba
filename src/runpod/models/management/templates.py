"""Templates, and credentials for container registries."""

from __future__ import annotations

from pydantic import Field

from runpod.models.management._base import (
    Container,
    ManagementModel,
    ReceivedCount,
    ReceivedFlag,
    ReceivedText,
)

__all__ = ["PersistentMount", "Registry", "Template", "TemplateMounts"]


class PersistentMount(ManagementModel):
    """The disk of a pod that is kept while it is stopped.

    Attributes:
        size: Its size in GB.
        path: Where it is mounted.
    """

    size: ReceivedCount = None
    path: ReceivedText = None


class TemplateMounts(ManagementModel):
    """What is mounted in the pods of a template."""

    persistent: PersistentMount | None = None


class Template(Container):
    """A template: the container of endpoints or pods.

    Attributes:
        id: The ID.
        name: The name.
        serverless: Whether it is for endpoints; otherwise it is for pods.
        public: Whether other accounts can use it.
        category: "CPU", "NVIDIA" or "AMD"; other values are kept.
        mounts: The disks of its pods; None if it is missing, as in some responses of the service.
        start_ssh: Whether its pods start an SSH server.
        start_jupyter: Whether its pods start Jupyter.
        allowed_cuda_versions: The CUDA versions that a machine may have; empty: any.
    """

    id: str
    name: ReceivedText = None
    serverless: ReceivedFlag = None
    public: ReceivedFlag = None
    category: ReceivedText = None
    mounts: TemplateMounts | None = None
    start_ssh: ReceivedFlag = None
    start_jupyter: ReceivedFlag = None
    allowed_cuda_versions: list[str] = Field(default_factory=list[str])


class Registry(ManagementModel):
    """A stored credential for a private container registry. The service never returns user name and password.

    Attributes:
        id: The ID, for `registry=` of endpoints, templates and pods.
        name: The name.
    """

    id: str
    name: ReceivedText = None
