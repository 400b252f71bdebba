"""Planted secrets, and tools to capture logs, warnings and errors that must not contain them."""

from __future__ import annotations

import contextlib
import logging
import pickle
import traceback
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

API_KEY = "rpa_PLANTEDPLANTEDPLANTED0123456789"
S3_ID = "PLANTED-S3-ID-4711"
S3_SECRET = "PLANTED-S3-SECRET-4711"
TOKEN = "PLANTED-WEBHOOK-TOKEN-4711"
PLANTED = (API_KEY, S3_ID, S3_SECRET, TOKEN)

S3 = {"accessId": S3_ID, "accessSecret": S3_SECRET, "bucketName": "horses", "endpointUrl": "https://s3.example.test"}
REQUEST: dict[str, Any] = {
    "input": {"prompt": "a photo of a horse the size of a Boeing 787"},
    "webhook": f"https://example.test/hook?token={TOKEN}",
    "s3Config": S3,
}


class _Handler(logging.Handler):
    def __init__(self, captured: list[str]) -> None:
        super().__init__()
        self._heard = captured

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.append(f"log {record.name} {record.levelname} {record.getMessage()} {record.args!r}")
        if record.exc_info:
            self._heard.append("".join(traceback.format_exception(*record.exc_info)))


@contextlib.contextmanager
def capture() -> Iterator[list[str]]:
    """Capture the records of all loggers at all levels, and all warnings, as text."""
    captured: list[str] = []
    loggers = [logging.getLogger(name) for name in (None, "runpod", "httpx", "httpcore", "asyncio")]
    levels = [logger.level for logger in loggers]
    # Replaces other handlers, which would be slow with that many records.
    others, loggers[0].handlers = loggers[0].handlers, [_Handler(captured)]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for logger in loggers:
            logger.setLevel(1)
        try:
            yield captured
        finally:
            loggers[0].handlers = others
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            captured += [f"warning {warning.category.__name__} {warning.message}" for warning in warned]


def representations(error: BaseException) -> list[str]:
    """Everything a tool may show of an error: message, repr, attributes, pickle and traceback."""
    found = [str(error), repr(error), repr(vars(error)), repr(error.args), repr(pickle.dumps(error))]
    return [*found, "".join(traceback.format_exception(error))]


def leaked(captured: Iterable[str]) -> list[str]:
    """The captured texts that contain a secret."""
    return [text for text in captured if any(secret in text for secret in PLANTED)]
