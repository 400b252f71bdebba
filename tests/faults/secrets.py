"""Secrets that are planted, and ears for everything that is emitted while they are in use."""

from __future__ import annotations

import logging
import pickle
import traceback
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self

    from tests.faults.proxy import Request

API_KEY = "rpa_PLANTEDPLANTEDPLANTED0123456789"
S3_ID = "PLANTED-S3-ID-4711"
S3_SECRET = "PLANTED-S3-SECRET-4711"
TOKEN = "PLANTED-WEBHOOK-TOKEN-4711"
PLANTED = (API_KEY, S3_ID, S3_SECRET, TOKEN)

REQUEST: dict[str, Any] = {
    "input": {"prompt": "a photo of a horse the size of a Boeing 787"},
    "webhook": f"https://example.test/hook?token={TOKEN}",
    "s3Config": {
        "accessId": S3_ID,
        "accessSecret": S3_SECRET,
        "bucketName": "horses",
        "endpointUrl": "https://s3.example.test",
    },
}


class Ears(logging.Handler):
    """Hears what any logger says at any level, and every warning.

    Attributes:
        heard: Everything that was emitted, as text.
    """

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.heard: list[str] = []
        self._loggers = [
            logging.getLogger(name) for name in (None, "runpod", "httpx", "httpcore", "aiohttp", "asyncio")
        ]
        self._levels = [logger.level for logger in self._loggers]

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(f"log {record.name} {record.levelname} {record.getMessage()} {record.args!r}")
        if record.exc_info:
            self.heard.append("".join(traceback.format_exception(*record.exc_info)))

    def sent(self, lines: Iterable[Iterable[Request]]) -> None:
        """Note of every request what may be read by others: all but its `Authorization` and its body."""
        for requests in lines:
            for request in requests:
                head = [line for line in request.head.splitlines() if not line.lower().startswith(b"authorization:")]
                self.heard.append("sent " + b"\n".join(head).decode("latin-1"))

    def __enter__(self) -> Self:
        root = logging.getLogger()
        # Alone: what others make of a million lines is not the question.
        self._others, root.handlers = root.handlers, [self]
        for logger in self._loggers:
            logger.setLevel(1)
        self._warnings = warnings.catch_warnings(record=True)
        self._warned = self._warnings.__enter__()
        warnings.simplefilter("always")
        return self

    def __exit__(self, *_: object) -> None:
        self._warnings.__exit__(None, None, None)
        self.heard += [f"warning {warning.category.__name__} {warning.message}" for warning in self._warned or ()]
        logging.getLogger().handlers = self._others
        for logger, level in zip(self._loggers, self._levels, strict=True):
            logger.setLevel(level)


def shown(error: BaseException | None) -> list[str]:
    """Everything that tools show of an error: texts, attributes, pickle, and the traceback with the locals of ours."""
    if error is None:
        return []
    found = [str(error), repr(error), repr(vars(error)), repr(error.args), repr(pickle.dumps(error))]
    trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    found += [
        f"locals of {frame.filename}:{frame.name} {frame.locals}"
        for frame in trace.stack
        if "/tests/" not in frame.filename.replace("\\", "/")
    ]
    return [*found, "".join(traceback.format_exception(error))]


def leaked(heard: Iterable[str]) -> list[str]:
    """What was emitted with a secret in it."""
    return [text for text in heard if any(secret in text for secret in PLANTED)]
