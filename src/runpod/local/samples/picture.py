"""Pictures: a horse in a landscape, drawn with the standard library only.

A picture is drawn from a key of 16 bytes and a size. The key depends on the prompt, the seed and the input images: the
same input returns the same picture, and another input another one.
"""

from __future__ import annotations

import hashlib
import math
import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["KEY_BYTES", "MAX_SIDE", "draw", "key_of"]

KEY_BYTES = 16
MAX_SIDE = 2048  # Pixels.

_Colour = tuple[int, int, int]
_Point = tuple[float, float]

# Sky above, sky at the horizon, hills, ground.
_LIGHTS: list[tuple[_Colour, _Colour, _Colour, _Colour]] = [
    ((72, 150, 222), (208, 233, 246), (126, 168, 160), (104, 160, 78)),
    ((96, 124, 196), (255, 212, 176), (152, 146, 172), (124, 150, 84)),
    ((58, 44, 96), (244, 134, 92), (92, 66, 104), (70, 74, 58)),
    ((12, 18, 48), (52, 70, 120), (30, 42, 76), (26, 44, 42)),
]
_SUNS: list[_Colour] = [(255, 244, 190), (255, 214, 150), (255, 176, 110), (232, 236, 246)]
_COATS: list[_Colour] = [(92, 56, 34), (42, 34, 32), (178, 116, 62), (236, 230, 218), (128, 124, 122)]

# The horse, 100 long and 100 high, with y pointing up.
# fmt: off
_HORSE: list[list[_Point]] = [
    [(82, 101), (81, 94), (76, 90), (69, 81), (63, 71), (57, 65), (44, 61), (36, 61), (29, 63), (23, 63), (16, 60),
     (12, 53), (11, 46), (14, 38), (20, 37), (27, 40), (36, 37), (46, 35), (55, 34), (62, 36), (68, 40), (72, 46),
     (74, 53), (74, 59), (75, 66), (79, 73), (82, 76), (88, 74), (92, 71), (94, 67), (96, 67), (100, 70), (100, 73),
     (95, 81), (91, 87), (85, 94)],
    [(15, 57), (10, 60), (5, 57), (1, 50), (-1, 39), (0, 28), (-2, 16), (4, 18), (6, 24), (6, 34), (7, 44), (13, 51)],
    [(56, 42), (71, 44), (70, 33), (69, 23), (67, 9), (70, 0), (64, 0), (63, 9), (63, 23), (62, 33)],
    [(12, 48), (28, 42), (20, 32), (16, 24), (17, 9), (19, 0), (13, 0), (12, 9), (11, 24), (13, 30)],
]
_FAR_LEGS: list[list[_Point]] = [
    [(54, 40), (66, 40), (72, 30), (78, 24), (76, 14), (72, 12), (73, 22), (64, 28)],
    [(18, 46), (32, 40), (27, 28), (25, 20), (29, 8), (32, 0), (26, 0), (24, 8), (20, 20), (19, 30)],
]
# fmt: on


def key_of(*parts: object) -> bytes:
    """Return the key of a picture, which depends on every part."""
    text = repr(parts).encode("ascii", "backslashreplace")
    return hashlib.sha256(text).digest()[:KEY_BYTES]


def draw(key: bytes, width: int, height: int) -> bytes:
    """Draw a picture, and return the bytes of a PNG file.

    Args:
        key: `KEY_BYTES` bytes that decide on light, landscape and horse.
        width: Width in pixels, from 1 to `MAX_SIDE`.
        height: Height in pixels, from 1 to `MAX_SIDE`.
    """
    light, coat = key[0] % len(_LIGHTS), _COATS[key[1] % len(_COATS)]
    above, below, hills, ground = _LIGHTS[light]
    horizon = 0.55 + key[2] / 2550
    canvas = _Canvas(width, height)
    canvas.fill_sky(above, below, horizon)
    sun = (0.1 + key[3] / 320, 0.12 + key[4] / 1020)
    radius = 0.06 * min(width, height)
    turns = [math.tau * i / 32 for i in range(32)]
    canvas.fill(
        [(sun[0] * width + radius * math.cos(t), sun[1] * height + radius * math.sin(t)) for t in turns], _SUNS[light]
    )
    ridge = [horizon - 0.04 - 0.03 * math.sin(i * (0.3 + key[5] / 400) + key[6]) for i in range(33)]
    canvas.fill([(0, height), *((i / 32 * width, y * height) for i, y in enumerate(ridge)), (width, height)], hills)
    canvas.fill([(0, horizon * height), (width, horizon * height), (width, height), (0, height)], ground)
    scale = min(width, height) * (0.005 + key[7] / 255 * 0.0015)
    left = (width - 100 * scale) * (0.2 + key[8] / 425)
    turned = key[9] % 2
    shade: _Colour = (coat[0] * 3 // 4, coat[1] * 3 // 4, coat[2] * 3 // 4)
    for outlines, colour in ((_FAR_LEGS, shade), (_HORSE, coat)):
        for outline in outlines:
            points = [(left + (100 - x if turned else x) * scale, height * 0.93 - y * scale) for x, y in outline]
            canvas.fill(points, colour)
    return _png(width, height, canvas.rows)


class _Canvas:
    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.rows: list[bytearray] = [bytearray()] * height

    def fill_sky(self, above: _Colour, below: _Colour, horizon: float) -> None:
        for y in range(len(self.rows)):
            share = min(1.0, y / (horizon * len(self.rows)))
            colour = bytes(round(a + (b - a) * share) for a, b in zip(above, below, strict=True))
            self.rows[y] = bytearray(colour * self.width)

    def fill(self, outline: Sequence[_Point], colour: _Colour) -> None:
        """Fill a polygon, between every other crossing of its outline with the middle of a row."""
        crossings: dict[int, list[float]] = {}
        for (x0, y0), (x1, y1) in zip(outline, [*outline[1:], outline[0]], strict=True):
            first, last = math.ceil(min(y0, y1) - 0.5), math.ceil(max(y0, y1) - 0.5)
            for y in range(max(first, 0), min(last, len(self.rows))):
                crossings.setdefault(y, []).append(x0 + (y + 0.5 - y0) * (x1 - x0) / (y1 - y0))
        for y, found in crossings.items():
            edges = sorted(min(max(round(x), 0), self.width) for x in found)
            for start, end in zip(edges[::2], edges[1::2], strict=True):
                self.rows[y][3 * start : 3 * end] = bytes(colour) * (end - start)


def _png(width: int, height: int, rows: Iterable[bytearray]) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = b"".join(b"\0" + row for row in rows)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(pixels, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
