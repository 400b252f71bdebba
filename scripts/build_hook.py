"""Make the sync twin again in every build (wheel, sdist, editable), so that none can carry a stale one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class GenerateSync(BuildHookInterface[Any]):
    """The hook that hatchling finds in this file."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Write the twins before hatchling looks which files there are."""
        root = Path(self.root)
        sys.path.insert(0, str(root / "scripts"))
        try:
            from generate_sync import write
        finally:
            del sys.path[0]
        write(root)
