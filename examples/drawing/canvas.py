"""Paint anti-aliased shapes and save them as a PNG, with only the standard library."""

from __future__ import annotations

import math
import struct
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

Colour = tuple[int, int, int]
Point = tuple[float, float]
Outline = list[Point]


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Mix two colours. `share` (0 to 1) is the share of `other`."""
    r, g, b = (round(a + (z - a) * share) for a, z in zip(one, other, strict=True))
    return r, g, b


class Gradient(NamedTuple):
    """A vertical gradient between the heights `top` and `bottom`."""

    top: float
    above: Colour
    bottom: float
    below: Colour

    def at(self, y: float) -> Colour:
        share = (y - self.top) / (self.bottom - self.top)
        return mix(self.above, self.below, min(1.0, max(0.0, share)))


Paint = Colour | Gradient


def smooth(points: Sequence[Point], steps: int = 6) -> Outline:
    """A closed Catmull-Rom curve through all points. A repeated point is a corner."""
    curve: Outline = []
    n = len(points)
    for i in range(n):
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = (points[(i + k - 1) % n] for k in range(4))
        if (bx, by) == (cx, cy):
            continue
        for k in range(steps):
            t = k / steps
            a, d = -t + 2 * t * t - t**3, t**3 - t * t
            b, c = 2 - 5 * t * t + 3 * t**3, t + 4 * t * t - 3 * t**3
            x, y = a * ax + b * bx + c * cx + d * dx, a * ay + b * by + c * cy + d * dy
            curve.append((x / 2, y / 2))
    return curve


def ellipse(x: float, y: float, rx: float, ry: float) -> Outline:
    steps = max(10, min(48, int(2 * max(rx, ry))))
    turns = [2 * math.pi * i / steps for i in range(steps)]
    return [(x + rx * math.cos(t), y + ry * math.sin(t)) for t in turns]


@lru_cache(maxsize=4096)
def _blending(value: int, level: int) -> bytes:
    """The table for `bytes.translate` that blends `value` over each value with opacity level/64."""
    return bytes(old + ((value - old) * level + 32) // 64 for old in range(256))


class Canvas:
    """Pixels, as separate planes for red, green and blue."""

    fine = 4  # sampled lines per row of pixels

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._planes = [bytearray(width * height) for _ in range(3)]

    def fill(self, outline: Outline, paint: Paint, opacity: float = 1.0) -> None:
        """Fill a closed outline, including areas where it overlaps itself."""
        self.fill_as_one([outline], paint, opacity)

    def fill_as_one(self, outlines: list[Outline], paint: Paint, opacity: float = 1.0) -> None:
        """Fill several outlines as one, with the same opacity where they overlap."""
        crossings: dict[int, list[tuple[float, int]]] = {}
        for outline in outlines:
            self._cross(outline, crossings)
        rows: dict[int, dict[int, float]] = {}
        for line, found in crossings.items():
            self._cover(found, rows.setdefault(line // self.fine, {}))
        for y, changes in rows.items():
            colour = paint.at(y) if isinstance(paint, Gradient) else paint
            covered, start = 0.0, 0
            for x in sorted(changes):
                self._run(y, start, min(x, self.width), colour, covered * opacity)
                covered += changes[x]
                start = x

    def _cross(self, outline: Outline, crossings: dict[int, list[tuple[float, int]]]) -> None:
        # The crossings of the outline with each sampled line, and their direction.
        fine, limit = self.fine, self.height * self.fine
        x0, y0 = outline[-1]
        for x1, y1 in outline:
            top, bottom = (y0, y1) if y0 < y1 else (y1, y0)
            first = max(0, math.ceil(top * fine - 0.5))
            last = min(limit, math.ceil(bottom * fine - 0.5))
            if first < last:
                turn = 1 if y0 < y1 else -1
                slope = (x1 - x0) / (y1 - y0)
                for line in range(first, last):
                    x = x0 + ((line + 0.5) / fine - y0) * slope
                    crossings.setdefault(line, []).append((x, turn))
            x0, y0 = x1, y1

    def _cover(self, found: list[tuple[float, int]], changes: dict[int, float]) -> None:
        # The coverage of each pixel by one sampled line, as the difference to the previous pixel.
        depth = 0
        for place, turn in sorted(found):
            before, depth = depth, depth + turn
            if before and depth:
                continue  # fully inside
            sign = (1 if depth else -1) / self.fine
            x = min(max(place, 0.0), float(self.width))
            whole = int(x)
            changes[whole] = changes.get(whole, 0.0) + sign * (whole + 1 - x)
            changes[whole + 1] = changes.get(whole + 1, 0.0) + sign * (x - whole)

    def _run(self, y: int, start: int, end: int, colour: Colour, opacity: float) -> None:
        level = round(opacity * 64)
        if level <= 0 or start >= end:
            return
        first, last = y * self.width + start, y * self.width + end
        for plane, value in zip(self._planes, colour, strict=True):
            if level >= 64:
                plane[first:last] = bytes((value,)) * (last - first)
            elif last - first < 16:
                for i in range(first, last):
                    plane[i] += ((value - plane[i]) * level + 32) // 64
            else:
                plane[first:last] = plane[first:last].translate(_blending(value, level))

    def png(self) -> bytes:
        """Encode the picture as a PNG file with 8 bits per channel."""
        pixels = bytearray(3 * self.width * self.height)
        for i, plane in enumerate(self._planes):
            pixels[i::3] = plane
        size = 3 * self.width
        rows = b"".join(b"\0" + pixels[i : i + size] for i in range(0, len(pixels), size))
        return _png(self.width, self.height, rows)


def at_night(png: bytes) -> bytes:
    """Darken a picture that `Canvas.png` encoded, red the most and blue the least."""
    width, height = struct.unpack(">II", png[16:24])
    rows = bytearray(zlib.decompressobj().decompress(png[41:]))
    line = 1 + 3 * width
    for colour, percent in enumerate((25, 32, 55)):
        darker = bytes(value * percent // 100 for value in range(256))
        for start in range(1, len(rows), line):
            pixels = slice(start + colour, start + 3 * width, 3)
            rows[pixels] = rows[pixels].translate(darker)
    return _png(width, height, bytes(rows))


def _png(width: int, height: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows, 6)) + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
