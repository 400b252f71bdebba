"""Where the documentation is."""

from __future__ import annotations

__all__ = ["DOCUMENTATION"]

DOCUMENTATION = "https://runpod-sdk.readthedocs.io/en/latest/"
