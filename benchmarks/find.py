"""`runpod.media.find` on outputs of 10 MB, compared with `json.loads` of the same outputs."""

from __future__ import annotations

import json
import random
import sys
from base64 import b64encode
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.environments import OURS, run
from benchmarks.tables import Row, Table, Target

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 10_000_000
LIMIT = 0.2
REPETITIONS = 5

_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


def outputs() -> dict[str, Any]:
    """Outputs of about 10 MB of JSON each."""
    data = random.Random(1)  # noqa: S311 - only its speed and its size matter

    def picture(size: int) -> str:
        return b64encode(_PNG + data.randbytes(size * 3 // 4 - len(_PNG))).decode()

    def segment(number: int) -> dict[str, Any]:
        return {
            "id": number,
            "seek": 100 * number,
            "start": 2.5 * number,
            "end": 2.5 * number + 2.5,
            "text": f" A horse the size of {number} Boeings.",
            "tokens": [50364, 316, 6832, 264, 2744, 295, 257, 36352, number],
            "temperature": 0.0,
            "avg_logprob": -data.random(),
            "compression_ratio": 1.4,
            "no_speech_prob": data.random() / 10,
        }

    def comfyui(number: int) -> dict[str, Any]:
        return {"filename": f"ComfyUI_{number:05}_.png", "type": "base64", "data": picture(1000)}

    def embedding(number: int) -> dict[str, Any]:
        return {"object": "embedding", "index": number, "embedding": [data.random() for _ in range(768)]}

    def tokens(number: int) -> dict[str, Any]:
        text = f"A horse the size of {number} Boeings. " * 6
        return {"choices": [{"tokens": [text]}], "usage": {"input": 9, "output": number}}

    big = picture(SIZE)
    return {
        "one picture": {"images": [{"filename": "ComfyUI_00001_.png", "type": "base64", "data": big}]},
        "one picture, twice (worker-sdxl)": {"images": [big[: SIZE // 2]], "image_url": big[: SIZE // 2]},
        "1,000 pictures": {"images": [comfyui(n) | {"data": picture(SIZE // 1000)} for n in range(1000)]},
        "10,000 pictures": {"images": [comfyui(n) for n in range(10_000)]},
        "10,000 pictures, bare": {"images": [picture(1000) for _ in range(10_000)]},
        "10,000 URLs": [
            {"image_url": f"https://horses.example/{n}.png?X-Signature={'a' * 930}"} for n in range(10_000)
        ],
        "embeddings": {"data": [embedding(n) for n in range(640)]},
        "segments (whisper)": {"segments": [segment(n) for n in range(31_000)]},
        "chat, one text": [{"choices": [{"tokens": ["A horse the size of a Boeing 787.\n" * (SIZE // 35)]}]}],
        "chat, 36,000 chunks": [tokens(n) for n in range(36_000)],
        "almost base64": {"image": big[: SIZE // 2] + "!" * 100 + big[SIZE // 2 + 100 :]},
    }


def measure(rounds: int) -> list[Table]:
    """Measure in a process of its own, with the installed library."""
    return [table(run(OURS, "-m", "benchmarks.find", str(rounds), timeout=900))]


def table(measured: dict[str, list[float]]) -> Table:
    """Format what `time_all` returns."""
    names = list(measured)
    made = Table("Finding media in outputs of 10 MB", names[0], digits=2)
    for reference, ours in zip(names[::2], names[1::2], strict=True):
        target = Target("ms", LIMIT, of_ratio=True, of=(reference, "ms"))
        made.rows.append(Row(reference, {"ms": measured[reference]}, reference=reference))
        made.rows.append(Row(ours, {"ms": measured[ours]}, (target,), reference=reference))
    made.notes.append("each value is the shortest of five calls")
    return made


def time_all(rounds: int) -> dict[str, list[float]]:
    """Milliseconds by row: for each output, that of `json.loads`, then that of `find`."""
    from runpod.media import find

    measured: dict[str, list[float]] = {}
    for name, output in outputs().items():
        text = json.dumps(output)
        for row, call in (f"json.loads: {name}", partial(json.loads, text)), (f"ours: {name}", partial(find, output)):
            measured[row] = [_shortest(call) for _ in range(rounds)]
    return measured


def _shortest(call: Callable[[], object]) -> float:
    shortest = float("inf")
    for _ in range(REPETITIONS):
        start = perf_counter()
        call()
        shortest = min(shortest, perf_counter() - start)
    return 1000 * shortest


if __name__ == "__main__":
    print(json.dumps(time_all(int(sys.argv[1]))))
