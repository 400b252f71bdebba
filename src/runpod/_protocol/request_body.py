"""The body of a submission, and how large it may be."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_core import to_json

from runpod._protocol.json_values import FilePart, largest_part, place_of, size_of
from runpod._protocol.operations import RUN_SYNC
from runpod._text import readable
from runpod.errors import InputTooLargeError
from runpod.media.file import File, encoded, encoded_size, prefix_of
from runpod.models.limits import EndpointLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from runpod._protocol.operations import Operation


_UPLOAD = "Pass a URL in its place, or a runpod.File with Runpod(uploads=S3Uploads(…)), which uploads it."
_LIFT = "If your account allows more, set EndpointLimits({}=…)."


class BodyLimit(NamedTuple):
    """How large the body of a request may be.

    Attributes:
        size: In bytes; None: there is no limit.
        advice: What to do instead.
    """

    size: int | None
    advice: str = ""


def body_limit(operation: Operation, limits: EndpointLimits) -> BodyLimit:
    """The limit of an operation."""
    size, larger = limits.run_bytes, limits.run_sync_bytes
    if operation is RUN_SYNC:
        return BodyLimit(larger, f"{_UPLOAD} {_LIFT.format('run_sync_bytes')}")
    other = "" if larger is None or size is None or larger <= size else f" run_sync accepts {in_megabytes(larger)}."
    return BodyLimit(size, f"{_UPLOAD}{other} {_LIFT.format('run_bytes')}")


def row_limit(limits: EndpointLimits) -> BodyLimit:
    """The limit of the rows of a bulk run, whose files are part of them."""
    return BodyLimit(limits.run_bytes, f"Pass a URL in its place. {_LIFT.format('run_bytes')}")


def batch_limit(limits: EndpointLimits, overhead: int) -> BodyLimit:
    """The limit of one request in a batch, whose body is larger than it by so many bytes."""
    size = None if limits.run_bytes is None else limits.run_bytes - overhead
    return BodyLimit(size, f"{_UPLOAD} {_LIFT.format('run_bytes')}")


class RequestBody:
    """The body of a submission. Its files are only read by `content`.

    Args:
        value: The request as plain JSON values with a `FilePart` for each file.
        parts: All of these.
        input_only: Whether only the input is encoded.

    Attributes:
        files: The files, each once.
    """

    def __init__(self, value: dict[str, Any], parts: Iterable[FilePart], *, input_only: bool = False) -> None:
        self._value = value
        self.files: tuple[File, ...] = tuple(dict.fromkeys(part.file for part in parts))
        self._pieces, self._parts = _split(value["input"] if input_only else value, has_files=bool(self.files))

    def content(self, limit: BodyLimit | None = None, references: Mapping[File, str] | None = None) -> bytes:
        """Returns the body. It blocks while it reads files.

        Args:
            limit: Checked before any file is read.
            references: What takes the place of files that were uploaded.

        Raises:
            InputTooLargeError: It is larger than the limit.
            InvalidRequestError: A file is gone, has changed or cannot be read.
        """
        references = references or {}
        if limit is not None:
            self._check(limit, references)
        if not self.files:
            return self._pieces[0]
        pieces: list[bytes | bytearray] = [self._pieces[0]]
        for part, piece in zip(self._parts, self._pieces[1:], strict=True):
            reference = references.get(part.file)
            if reference is None:
                pieces += b'"', prefix_of(part.file).encode(), encoded(part.file), b'"', piece
            else:
                pieces += to_json(reference), piece
        # With the base64 text, the second copy of the data, and the last.
        return b"".join(pieces)

    @property
    def input(self) -> Mapping[str, Any]:
        """The input, with a `FilePart` for each file."""
        found: dict[str, Any] = self._value["input"]
        return found

    def checked_size(self, limit: BodyLimit) -> int:
        """The size of the body in bytes. Reads no file.

        Raises:
            InputTooLargeError: It is larger than the limit.
        """
        self._check(limit, {})
        return self._size({})

    def to_upload(self, limit: BodyLimit, threshold: int) -> list[File]:
        """The files to upload: from this size on, and so many others, the largest first, that the rest is within the limit.

        Raises:
            InputTooLargeError: The rest is larger than the limit even without files.
        """
        self._check(limit, dict.fromkeys(self.files, ""))
        by_size = sorted(self.files, key=lambda file: file.size, reverse=True)
        count = sum(file.size >= threshold for file in by_size)
        # References have some size, too: `content` checks the result.
        while limit.size is not None and self._size(dict.fromkeys(by_size[:count], "")) > limit.size:
            count += 1
        return by_size[:count]

    def _size(self, references: Mapping[File, str]) -> int:
        size = sum(map(len, self._pieces))
        for part in self._parts:
            reference = references.get(part.file)
            size += encoded_size(part.file) + 2 if reference is None else len(to_json(reference))
        return size

    def _check(self, limit: BodyLimit, references: Mapping[File, str]) -> None:
        size = self._size(references)
        if limit.size is None or size <= limit.size:
            return
        steps, part = largest_part(_without(self._value, references))
        name = f" (the file {readable(part.file.name, 80)!r})" if isinstance(part, FilePart) else ""
        shown, most = in_megabytes(size), in_megabytes(limit.size)
        if shown == most:
            shown, most = f"{size:,} bytes", f"{limit.size:,}"
        place = f"{place_of(steps)}: {in_megabytes(size_of(part))}{name}"
        msg = (
            f"The request has {shown}, more than the limit of {most}. Nothing was sent. "
            f"The largest part is {place}. {limit.advice}"
        )
        raise InputTooLargeError(msg)


def _split(value: Any, *, has_files: bool) -> tuple[list[bytes], list[FilePart]]:
    """The JSON text between the files, and the files in the order of the text."""
    if not has_files:
        return [to_json(value)], []
    while True:
        # In the text, a name stands for each file. Should a text of the input be equal to it, another one is tried.
        name = _placeholder()
        named, parts = _named(value, name)
        pieces = to_json(named).split(to_json(name))
        if len(pieces) == len(parts) + 1:
            return pieces, parts


def _named(value: Any, name: str) -> tuple[Any, list[FilePart]]:
    """The value with a name in the place of each file, and the files in this order."""
    parts: list[FilePart] = []

    def replace(part: FilePart) -> str:
        parts.append(part)
        return name

    # Not a `fallback` of pydantic, which takes Ctrl-C in it for a value that cannot be serialized.
    return _replaced(value, replace), parts


def _placeholder() -> str:
    return secrets.token_hex(8)


def _without(value: Any, references: Mapping[File, str]) -> Any:
    """The value with references in the place of files."""
    return _replaced(value, lambda part: references.get(part.file, part))


def _replaced(value: Any, replace: Callable[[FilePart], Any]) -> Any:
    """The value with something else in the place of files."""
    if isinstance(value, dict):
        return {key: _replaced(item, replace) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [_replaced(item, replace) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return replace(value) if isinstance(value, FilePart) else value


def in_megabytes(size: int) -> str:
    """A size as the service's own messages count it: a megabyte has 1,048,576 bytes."""
    megabytes = size / 2**20
    return f"{size:,} bytes" if megabytes < 0.1 else f"{megabytes:.1f} MB".replace(".0 MB", " MB")


# That of the service, for rows that are added to a bulk run: the settings of the client are not known then.
DEFAULT_LIMIT = BodyLimit(
    EndpointLimits().run_bytes, "Pass a URL in its place: the files of a bulk run become part of its rows."
)
