"""Attacks on the client: a proxy with faults, and a campaign of every operation against every fault."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def clean(patch: pytest.MonkeyPatch) -> None:
    """Remove what the environment says of proxies and of authorities."""
    for name in list(os.environ):
        if name.lower().endswith(("_proxy", "_ca_bundle", "_ca_certs")) or name in {"SSL_CERT_FILE", "SSL_CERT_DIR"}:
            patch.delenv(name)


async def carry_out(function: Callable[..., Any], *args: Any, sync: bool, **options: Any) -> Any:
    """Call a method of an async client, or of a sync one in a thread. What it iterates over comes as a list."""
    call = partial(function, *args, **options)
    if not sync:
        outcome = call()
        return [item async for item in outcome] if hasattr(outcome, "__anext__") else await outcome

    def in_thread() -> Any:
        outcome = call()
        return list(outcome) if hasattr(outcome, "__next__") else outcome

    return await anyio.to_thread.run_sync(in_thread)
