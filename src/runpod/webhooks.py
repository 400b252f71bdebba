"""Receives webhooks: the calls of the service when a job has ended.

Examples:
    >>> from runpod.webhooks import WebhookReceiver  # sync
    >>> from runpod.webhooks import AsyncWebhookReceiver  # async
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runpod._async.webhooks import AsyncWebhookReceiver
    from runpod._protocol.deliveries import DeliveredState, Delivery, SeenDeliveries, http_status, parse
    from runpod._sync.webhooks import WebhookReceiver

__all__ = [
    "AsyncWebhookReceiver",
    "DeliveredState",
    "Delivery",
    "SeenDeliveries",
    "WebhookReceiver",
    "http_status",
    "parse",
]

# Imported on first use: mostly one of the twins is needed.
_MODULES = {"AsyncWebhookReceiver": "runpod._async.webhooks", "WebhookReceiver": "runpod._sync.webhooks"}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in __all__:
        msg = f"module 'runpod.webhooks' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(_MODULES.get(name, "runpod._protocol.deliveries")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
