"""The types of the fields of typed inputs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeGuard, TypeVar, cast

from pydantic import AfterValidator, BeforeValidator, Field

from runpod.media.file import File
from runpod.media.item import Media

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import SupportsIndex, TypeAlias

ItemT_co = TypeVar("ItemT_co", covariant=True)

# A path such as `horse.png` is neither a URL nor base64.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # one letter is a drive
_BASE64 = re.compile(r"[A-Za-z0-9+/=_\s-]*")
_CHECKED = 1000  # characters: a picture in a data URL has millions

_SIZE = re.compile(r"\s*(\d+)\s*[xX×:,]\s*(\d+)\s*")  # noqa: RUF001 - people copy the sign from pages

_Z_IMAGE_SIZES = (
    "512*512",
    "768*768",
    "1024*1024",
    "1280*1280",
    "1024*768",
    "768*1024",
    "1280*720",
    "720*1280",
)


def is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    """Whether a value is a mapping, also for type checkers."""
    return isinstance(value, Mapping)


def _medium(value: object) -> object:
    problem = _problem_of_medium(value)
    if problem:
        raise ValueError(problem)
    return value  # a File or Media is kept, and encoded with the request


def _problem_of_medium(value: object) -> str:
    if isinstance(value, str):
        head = value[:_CHECKED]
        if not head.strip():
            return "is blank: pass a URL, a data URL or a runpod.File"
        if not _URL.match(head) and not _BASE64.fullmatch(head):
            return "is neither a URL nor base64: for a file on this machine, pass runpod.File(path)"
    elif isinstance(value, (list, tuple, set, frozenset)):
        return "takes a single URL or runpod.File, not a list"
    elif not isinstance(value, (File, Media)):
        # Not left to the encoder of requests: pydantic would write an open file as a list of its lines.
        return f"must be a URL, a data URL or a runpod.File(…), not {type(value).__name__}"
    return ""


def _as_list(value: object) -> list[object]:
    # A single text is refused, not wrapped: so is `image=` for `images=`, and code that calls a model reads one way.
    kind = type(value).__name__
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray, memoryview)):
        return list(cast("Sequence[object]", value))
    msg = f"must be a list, such as […], not {kind}"
    raise ValueError(msg)


def _size(value: object) -> str:
    is_pair = isinstance(value, (list, tuple))
    text = "x".join(map(str, cast("Sequence[object]", value))) if is_pair else value
    found = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if found is not None:
        msg = f'is written with an asterisk: "{found[1]}*{found[2]}"'
        raise ValueError(msg)
    if not isinstance(value, str):
        msg = f'must be text such as "1024*1024", not {type(value).__name__}'
        raise ValueError(msg)  # noqa: TRY004 - pydantic handles ValueError only
    return value


def _z_image_size(value: str) -> str:
    if value not in _Z_IMAGE_SIZES:
        msg = f"must be one of {', '.join(_Z_IMAGE_SIZES)}"
        raise ValueError(msg)
    return value


class ListOf(Protocol[ItemT_co]):
    """A list or tuple, for type checkers. A str is none, since `in` takes only text there."""

    def __contains__(self, value: object, /) -> bool: ...

    def __getitem__(self, index: SupportsIndex, /) -> ItemT_co: ...

    def __iter__(self) -> Iterator[ItemT_co]: ...

    def __len__(self) -> int: ...


if TYPE_CHECKING:
    MediaInput: TypeAlias = str | File | Media
    MediaInputs: TypeAlias = ListOf[MediaInput]
else:
    MediaInput = Annotated[Any, BeforeValidator(_medium)]
    MediaInputs = Annotated[list[MediaInput], BeforeValidator(_as_list)]

# Validates that a field is a list.
ListField: BeforeValidator = BeforeValidator(_as_list)

Size = Annotated[str, BeforeValidator(_size)]
ZImageSize = Annotated[Size, AfterValidator(_z_image_size)]

# A side of a picture of FLUX.1, in pixels.
FluxSide = Annotated[int, Field(ge=256, le=1536, multiple_of=64)]
