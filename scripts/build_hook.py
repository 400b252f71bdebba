"""Build hook that generates the sync code in every build: wheel, sdist and editable."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class GenerateSync(BuildHookInterface[Any]):
    """The build hook, found by hatchling in this file."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Generate the sync code before hatchling collects the files."""
        root = Path(self.root)
        sys.path.insert(0, str(root / "scripts"))
        try:
            from generate_sync import write
        finally:
            del sys.path[0]
        write(root)
