"""Encoding a picture into an input, compared with doing it by hand: `python -m benchmarks.encoding`.

Time and peak memory of one request with a picture of 7 MB, without sending it. Each way is measured in turn, in rounds, and
memory in rounds of its own, since tracing it takes time.
"""

from __future__ import annotations

import argparse
import base64
import gc
import json
import os
import statistics
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from runpod import File
from runpod._protocol.encoding import submission

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 7_000_000
URL = "https://api.runpod.ai/v2/ep/run"


def naive(path: Path) -> bytes:
    """What users write."""
    text = base64.b64encode(path.read_bytes()).decode()
    return json.dumps({"input": {"image": f"data:image/png;base64,{text}"}}).encode()


def with_httpx(path: Path) -> bytes:
    """The same, with `json=` of httpx."""
    text = base64.b64encode(path.read_bytes()).decode()
    request = httpx.Request("POST", URL, json={"input": {"image": f"data:image/png;base64,{text}"}})
    return request.content


def with_text(path: Path) -> bytes:
    """The text made by hand, the request by this library."""
    text = base64.b64encode(path.read_bytes()).decode()
    return submission(None, input={"image": f"data:image/png;base64,{text}"}).content()


def with_file(path: Path) -> bytes:
    """A new `File` for each request."""
    return submission(None, input={"image": File(path)}).content()


def time_of(way: Callable[[Path], bytes], path: Path) -> float:
    """Milliseconds."""
    gc.collect()
    start = time.perf_counter()
    way(path)
    return (time.perf_counter() - start) * 1000


def memory_of(way: Callable[[Path], bytes], path: Path) -> float:
    """The peak, as a multiple of the picture."""
    gc.collect()
    tracemalloc.start()
    way(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / SIZE


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.encoding", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds: int = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "horse.png"
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + os.urandom(SIZE - 8))
        shared = File(path)
        ways: dict[str, Callable[[Path], bytes]] = {
            "base64 and json.dumps": naive,
            "base64 and httpx, json=": with_httpx,
            "base64, and this library": with_text,
            "File": with_file,
            "the same File again": lambda _: submission(None, input={"image": shared}).content(),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(-2, rounds):
            for name, way in ways.items():
                elapsed = time_of(way, path)
                if number >= 0:
                    times[name].append(elapsed)
        medians = {name: statistics.median(values) for name, values in times.items()}
        first = medians["base64 and json.dumps"]
        print(
            f"A picture of {SIZE / 1e6:g} MB, {rounds} rounds: median, ratio, peak memory as a multiple of the picture"
        )
        for name, way in ways.items():
            print(f"{name:26} {medians[name]:7.1f} ms  x{medians[name] / first:4.2f}  {memory_of(way, path):5.2f}")


if __name__ == "__main__":
    main()
