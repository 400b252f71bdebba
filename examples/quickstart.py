"""Submit a prompt, watch the job and save the picture, sync and async; then a stream, and the endpoint's health.

    python examples/quickstart.py [FOLDER]

By default it starts a local server, without an account. With RUNPOD_API_KEY and RUNPOD_ENDPOINT_ID set, it uses that
endpoint, and RUNPOD_STREAM_ENDPOINT_ID, if set, for the stream.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, Field, model_validator

from runpod import AsyncRunpod, Runpod, RunpodError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod import JobState

PROMPT = "a photo of a horse the size of a Boeing 787"
SEVEN = "7 photos of a horse the size of a Boeing 787"
TIMEOUT = 600.0  # seconds per job: a real endpoint may have to start a worker first


class Horse(BaseModel):
    """An output in any format: the raw output, and the picture found in it."""

    picture: bytes | None = Field(repr=False)
    output: Any

    @model_validator(mode="before")
    @classmethod
    def _take_anything(cls, output: object) -> dict[str, object]:
        return {"picture": find_picture(output), "output": output}


class Service(NamedTuple):
    """The settings that differ between the local server and the real service."""

    api_key: str | None
    base_url: str | None
    endpoint_id: str
    stream_endpoint_id: str


@contextmanager
def open_service() -> Iterator[Service]:
    endpoint_id = os.environ.get("RUNPOD_ENDPOINT_ID")
    if os.environ.get("RUNPOD_API_KEY") and endpoint_id:
        write_line(bold("Runpod quickstart") + f" on your endpoint {endpoint_id}")
        # None: the client reads the API key and base URL from the environment.
        yield Service(None, None, endpoint_id, os.environ.get("RUNPOD_STREAM_ENDPOINT_ID") or endpoint_id)
        return

    from horse import horse, horses

    from runpod.local import LocalServer

    write_line(bold("Runpod quickstart") + " on a local server")
    write_line(dim("Set RUNPOD_API_KEY and RUNPOD_ENDPOINT_ID to run it on a real endpoint."))
    with LocalServer({"horse": horse, "horses": horses}) as server:
        yield Service(server.api_key, server.base_url, "horse", "horses")


def sync_job(at: Service, folder: Path) -> None:
    heading("1  A job, sync")
    with Runpod(at.api_key, base_url=at.base_url) as client:
        endpoint = client.endpoint(at.endpoint_id, output_type=Horse)
        clock = Clock()
        job = endpoint.run({"input": {"prompt": PROMPT}})
        row("prompt", PROMPT)
        row("job", job.id)
        for state in job.watch(timeout=TIMEOUT):
            clock.row(status_line(state))
        horse = job.result()
    show(horse.output)
    save(horse, folder / "horse")


async def async_job(at: Service, folder: Path) -> None:
    heading("2  The same, async")
    async with AsyncRunpod(at.api_key, base_url=at.base_url) as client:
        endpoint = client.endpoint(at.endpoint_id, output_type=Horse)
        clock = Clock()
        job = await endpoint.run({"input": {"prompt": PROMPT + ", in another light"}})
        row("job", job.id)
        async for state in job.watch(timeout=TIMEOUT):
            clock.row(status_line(state))
        horse = await job.result()
        save(horse, folder / "horse-async")

        heading("3  A stream, async")
        stream_endpoint = client.endpoint(at.stream_endpoint_id, output_type=Horse)
        clock = Clock()
        job = await stream_endpoint.run({"input": {"prompt": SEVEN}})
        row("prompt", SEVEN)
        row("job", job.id)
        number, others = 0, list[Any]()
        async for chunk in job.stream(timeout=TIMEOUT):
            number += 1
            horse = Horse.model_validate(chunk.output)
            if horse.picture:
                clock.row(f"chunk {number}  {write(horse, folder / f'horse-{number}')}")
            else:
                others.append(chunk.output)
                clock.row(f"chunk {number}  {shortened(chunk.output)}")
        if others:
            path = folder / "stream.json"
            path.write_text(json.dumps(others, indent=2), encoding="utf-8")
            row("no picture", f"in {len(others)} of {number} chunks; they are in {path}")
        if not number:
            row(
                "stream",
                "empty: the handler of this endpoint returns its output and yields nothing",
            )
            save(await job.result(timeout=TIMEOUT), folder / "horses")


def health(at: Service) -> None:
    heading("4  Health")
    ids = list(dict.fromkeys([at.endpoint_id, at.stream_endpoint_id]))
    with Runpod(at.api_key, base_url=at.base_url) as client:
        seen = [client.endpoint(endpoint_id).health() for endpoint_id in ids]
    table("jobs", {i: health.jobs.model_dump() for i, health in zip(ids, seen, strict=True)})
    write_line()
    table("workers", {i: health.workers.model_dump() for i, health in zip(ids, seen, strict=True)})


# Finding and saving pictures.

KINDS = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"RIFF": ".webp", b"GIF8": ".gif"}


def find_picture(output: object) -> bytes | None:
    """Find the first picture in an output, as base64 or as a data URL, at any depth."""
    left = [output]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left += reversed(list(value.values()))
        elif isinstance(value, list):
            left += reversed(value)
        elif isinstance(value, str) and len(value) > 64:
            text = value.partition(",")[2] if value.startswith("data:image/") else value
            if suffix_of(decoded(text[:16])):
                return decoded(text)
    return None


def decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError:
        return b""


def suffix_of(picture: bytes) -> str | None:
    return next((suffix for start, suffix in KINDS.items() if picture.startswith(start)), None)


def write(horse: Horse, path: Path) -> str:
    """Save a picture, or else the output as JSON. Returns the path and size as text."""
    if horse.picture:
        path, data = path.with_suffix(suffix_of(horse.picture) or ".png"), horse.picture
    else:
        path, data = path.with_suffix(".json"), json.dumps(horse.output, indent=2).encode()
    path.write_bytes(data)
    return f"{path}  {dim(f'{len(data):,} bytes')}"


def save(horse: Horse, path: Path) -> None:
    if not horse.picture:
        row("no picture", "in this output; saved as JSON")
    row("saved", write(horse, path))


# Printing.

COLOURS = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(code: int, text: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if COLOURS else text


def bold(text: str) -> str:
    return styled(1, text)


def dim(text: str) -> str:
    return styled(2, text)


def write_line(text: str = "") -> None:
    print(text, flush=True)


def heading(text: str) -> None:
    write_line()
    write_line(bold(text))


def row(title: str, text: str) -> None:
    write_line(f"   {title:<11} {text}")


def show(output: object) -> None:
    if not isinstance(output, dict) or not 0 < len(output) <= 8:
        row("output", shortened(output))
        return
    edge = max(len(str(key)) for key in output)
    for i, (key, value) in enumerate(output.items()):
        row("" if i else "output", f"{dim(printable(f'{key!s:<{edge}}'))}  {shortened(value)}")


def table(title: str, rows: dict[str, dict[str, Any]]) -> None:
    """Print counts, one row per endpoint."""
    columns = next(iter(rows.values()))
    edge = max(11, *map(len, rows))
    write_line(dim(f"   {title:<{edge}}" + "".join(f"  {name.replace('_', ' ')}" for name in columns)))
    for name, counts in rows.items():
        cells = (f"  {counts.get(column, 0)!s:>{len(column)}}" for column in columns)
        write_line(f"   {name:<{edge}}" + "".join(cells))


class Clock:
    """Prints rows that begin with the time since a job was submitted."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def row(self, text: str) -> None:
        write_line(f"   {dim(f'{time.monotonic() - self._start:>8.2f} s')}  {text}")


def status_line(state: JobState[Horse]) -> str:
    colour = (32 if state.succeeded else 31) if state.completed else 36
    # Padded before it is coloured, since escape codes count as characters.
    line = styled(colour, f"{printable(state.status):<12}")
    if state.progress is not None:
        return f"{line} {shortened(state.progress)}"
    if state.execution_time is not None:
        return f"{line} {dim(f'the worker took {state.execution_time.total_seconds():.2f} s')}"
    return line.rstrip()


def shortened(value: object, limit: int = 100) -> str:
    """Format a value on one line. Long strings in it, and the line itself, are truncated."""

    def cut(value: object) -> object:
        if isinstance(value, dict):
            return {key: cut(item) for key, item in value.items()}
        if isinstance(value, list):
            return [cut(item) for item in value[:5]] + ["..."] * (len(value) > 5)
        if isinstance(value, str) and len(value) > 60:
            return f"{value[:22]}... ({len(value):,} characters)"
        return value

    value = cut(value)
    text = printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return text if len(text) <= limit else text[: limit - 3] + "..."


def printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def main() -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "quickstart-output")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open_service() as at:
            sync_job(at, folder)
            asyncio.run(async_job(at, folder))
            health(at)
    except (RunpodError, OSError) as error:
        print(f"\nError: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. On a real endpoint, submitted jobs keep running.", file=sys.stderr)
        return 130
    write_line()
    write_line(f"Done. The results are in {bold(str(folder.resolve()))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
