"""What a worker reports when its handler failed."""

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
    """What a worker said when its handler failed, taken apart.

    Attributes:
        type: The class of the exception, such as "ValueError"; None where it is not known.
        message: The text of the exception.
        traceback: The worker's traceback; None where there is none.
        hostname: The machine the worker ran on.
        worker_id: The worker.
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
        # The traceback would make the line a page.
        yield "type", self.type
        yield "message", self.message


_CLASS_TEXT = re.compile(r"<class '(?:.*\.)?([^.']+)'>")
_GENERATOR_TEXT = re.compile(r"handler: (?P<message>.*?)\s*\ntraceback: (?P<traceback>.*)", re.DOTALL)
_LAST_LINE = re.compile(r"^(?:[\w.]+\.)?(?P<type>[A-Za-z_]\w*)(?::|$)")


def parse_worker_error(error: object) -> WorkerFailure | None:
    """The worker's own report in the `error` of a job, or None where it is just text.

    Workers send two forms: JSON text with `error_message` and more (a handler that raised), and
    text that reads `handler: … traceback: …` (a generator that raised).
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
    said = cast("dict[str, Any]", report)
    fields: dict[str, Any] = {str(name).removeprefix("error_"): v for name, v in said.items()}
    kind = _CLASS_TEXT.fullmatch(str(fields.get("type")))
    if kind:
        fields["type"] = kind[1]
    fields["message"] = str(fields["message"])
    return WorkerFailure(**fields)
