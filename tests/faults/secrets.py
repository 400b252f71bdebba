"""Secrets that are planted, and ears for everything that is emitted while they are in use."""

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


class _Ear(logging.Handler):
    def __init__(self, heard: list[str]) -> None:
        super().__init__()
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.append(f"log {record.name} {record.levelname} {record.getMessage()} {record.args!r}")
        if record.exc_info:
            self._heard.append("".join(traceback.format_exception(*record.exc_info)))


@contextlib.contextmanager
def ears() -> Iterator[list[str]]:
    """Hear what any logger says at any level, and every warning. What is heard goes into the list."""
    heard: list[str] = []
    loggers = [logging.getLogger(name) for name in (None, "runpod", "httpx", "httpcore", "asyncio")]
    levels = [logger.level for logger in loggers]
    # Alone: what others make of a million lines is not the question.
    others, loggers[0].handlers = loggers[0].handlers, [_Ear(heard)]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for logger in loggers:
            logger.setLevel(1)
        try:
            yield heard
        finally:
            loggers[0].handlers = others
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            heard += [f"warning {warning.category.__name__} {warning.message}" for warning in warned]


def shown(error: BaseException) -> list[str]:
    """What tools show of an error: its texts, its attributes, its pickle, and the traceback."""
    found = [str(error), repr(error), repr(vars(error)), repr(error.args), repr(pickle.dumps(error))]
    return [*found, "".join(traceback.format_exception(error))]


def leaked(heard: Iterable[str]) -> list[str]:
    """What was emitted with a secret in it."""
    return [text for text in heard if any(secret in text for secret in PLANTED)]
