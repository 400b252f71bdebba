"""Fault injection: a faulty proxy, and a campaign of every operation against every fault."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def clean(patch: pytest.MonkeyPatch) -> None:
    """Remove the environment variables for proxies and certificate authorities."""
    for name in list(os.environ):
        if name.lower().endswith(("_proxy", "_ca_bundle", "_ca_certs")) or name in {"SSL_CERT_FILE", "SSL_CERT_DIR"}:
            patch.delenv(name)


async def invoke(function: Callable[..., Any], *args: Any, sync: bool, **options: Any) -> Any:
    """Call a method of an async client, or of a sync client in a thread. Iterators are returned as a list."""
    call = partial(function, *args, **options)
    if not sync:
        outcome = call()
        return [item async for item in outcome] if hasattr(outcome, "__anext__") else await outcome

    def in_thread() -> Any:
        outcome = call()
        return list(outcome) if hasattr(outcome, "__next__") else outcome

    return await anyio.to_thread.run_sync(in_thread)
