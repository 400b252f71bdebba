"""Tests of the pictures that the examples draw."""

from __future__ import annotations

import struct
import sys
import zlib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PROMPT = "a photo of a horse the size of a Boeing 787"


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    # `examples` is not a package and not on the path, so its drawing code is loaded by path.
    name = "examples_drawing"
    spec = spec_from_file_location(name, EXAMPLES / "drawing" / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def draw(drawing: ModuleType) -> Callable[[str], bytes]:
    found: Callable[[str], bytes] = drawing.draw
    return found


def chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    """The kind and the data of each chunk, their checksums verified."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = [], 8
    while at < len(png):
        (size,) = struct.unpack_from(">I", png, at)
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        (crc,) = struct.unpack_from(">I", png, at + 8 + size)
        assert zlib.crc32(kind + data) == crc, kind
        found.append((kind, data))
        at += 12 + size
    return found


def test_the_picture_is_a_valid_png(draw: Callable[[str], bytes]) -> None:
    parts = chunks(draw(PROMPT))

    assert [b"IHDR", b"IDAT", b"IEND"] == [kind for kind, _ in parts]
    width, height, depth, colours, *methods = struct.unpack(">IIBBBBB", parts[0][1])
    assert (600, 400) == (width, height)
    assert (8, 2) == (depth, colours), "8 bits for each of red, green and blue"
    assert [0, 0, 0] == methods
    rows = zlib.decompress(parts[1][1])
    assert height * (1 + 3 * width) == len(rows)
    assert {0} == set(rows[:: 1 + 3 * width]), "no row is filtered"
    assert b"" == parts[2][1]


def test_the_picture_is_not_blank(draw: Callable[[str], bytes]) -> None:
    rows = zlib.decompress(dict(chunks(draw(PROMPT)))[b"IDAT"])
    line = 1 + 3 * 600
    middle = rows[150 * line + 1 : 151 * line]
    colours = {middle[i : i + 3] for i in range(0, len(middle), 3)}

    assert len(colours) > 5, "a row through the horse has only sky"


def test_the_same_prompt_gives_the_same_picture(draw: Callable[[str], bytes]) -> None:
    assert draw(PROMPT) == draw(PROMPT)


def test_different_prompts_give_different_pictures(draw: Callable[[str], bytes]) -> None:
    prompts = [f"{PROMPT} ({i})" for i in range(7)]

    assert 7 == len({draw(prompt) for prompt in prompts})


def test_a_picture_at_night_is_darker(drawing: ModuleType) -> None:
    day = drawing.draw(PROMPT)
    night = drawing.at_night(day)

    assert [kind for kind, _ in chunks(day)] == [kind for kind, _ in chunks(night)]
    (_, header), (_, by_day), _ = chunks(day)
    assert header == chunks(night)[0][1]
    rows = zlib.decompress(chunks(night)[1][1])
    assert {0} == set(rows[:: 1 + 3 * 600]), "no row is filtered"
    assert sum(rows) < sum(zlib.decompress(by_day)) / 2


@pytest.mark.parametrize("prompt", ["", "馬", "a\nhorse", "\ud800", "x" * 100_000])
def test_any_text_is_a_prompt(draw: Callable[[str], bytes], prompt: str) -> None:
    assert b"IEND" == chunks(draw(prompt))[-1][0]
