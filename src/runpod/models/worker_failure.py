"""Failure reports of workers."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, ClassVar, cast

from pydantic import BaseModel, ConfigDict

from runpod.models._base import ReceivedText

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["WorkerFailure"]


class WorkerFailure(BaseModel):
    """A worker's report about a failed handler.

    Attributes:
        type: The class of the exception, such as "ValueError"; None if unknown.
        message: The message of the exception.
        traceback: The worker's traceback, or None.
        hostname: The host of the worker.
        worker_id: The ID of the worker.
        runpod_version: The version of the worker's runpod package.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="allow")

    type: ReceivedText = None
    message: str
    traceback: ReceivedText = None
    hostname: ReceivedText = None
    worker_id: ReceivedText = None
    runpod_version: ReceivedText = None

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        # Without the traceback, which is long.
        yield "type", self.type
        yield "message", self.message


_CLASS_TEXT = re.compile(r"<class '(?:.*\.)?([^.']+)'>")
_GENERATOR_TEXT = re.compile(r"handler: (?P<message>.*?)\s*\ntraceback: (?P<traceback>.*)", re.DOTALL)
_LAST_LINE = re.compile(r"^(?:[\w.]+\.)?(?P<type>[A-Za-z_]\w*)(?::|$)")


def parse_worker_error(error: object) -> WorkerFailure | None:
    """Parses the worker's report in the `error` of a job; None if it is plain text.

    Workers send two formats: a JSON object with `error_message` and other fields (a handler that
    raised), and the text `handler: … traceback: …` (a generator that raised).
    """
    report: object = error
    if isinstance(error, str):
        found = _GENERATOR_TEXT.fullmatch(error)
        if found:
            last = found["traceback"].rstrip().rpartition("\n")[2]
            kind = _LAST_LINE.match(last)
            return WorkerFailure(
                type=kind["type"] if kind else None,
                message=found["message"],
                traceback=found["traceback"],
            )
        if not error.lstrip().startswith("{"):
            return None
        try:
            report = json.loads(error)
        except (ValueError, RecursionError):
            return None
    if not isinstance(report, dict) or "error_message" not in report:
        return None
    values = cast("dict[str, Any]", report)
    fields: dict[str, Any] = {str(name).removeprefix("error_"): v for name, v in values.items()}
    kind = _CLASS_TEXT.fullmatch(str(fields.get("type")))
    if kind:
        fields["type"] = kind[1]
    fields["message"] = str(fields["message"])
    return WorkerFailure(**fields)
