"""Submit a prompt and save the picture, change that picture, stream several, and look at the endpoint's health.

    python examples/quickstart.py [FOLDER]

By default it starts a local server, without an account. With RUNPOD_API_KEY and RUNPOD_ENDPOINT_ID set, it uses that
endpoint, and RUNPOD_STREAM_ENDPOINT_ID, if set, for the stream. RUNPOD_PICTURE_ENDPOINT_ID is one that takes a prompt
and an image.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from runpod import AsyncRunpod, File, Runpod, RunpodError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpod import JobState

PROMPT = "a photo of a horse the size of a Boeing 787"
SEVEN = "7 photos of a horse the size of a Boeing 787"
PICTURES = {".png", ".jpg", ".webp", ".gif"}
TIMEOUT = 600.0  # seconds per job: a real endpoint may have to start a worker first


class Service(NamedTuple):
    """The settings that differ between the local server and the real service."""

    api_key: str | None
    base_url: str | None
    endpoint_id: str
    stream_endpoint_id: str
    picture_endpoint_id: str | None


@contextmanager
def open_service() -> Iterator[Service]:
    endpoint_id = os.environ.get("RUNPOD_ENDPOINT_ID")
    if os.environ.get("RUNPOD_API_KEY") and endpoint_id:
        write_line(bold("Runpod quickstart") + f" on your endpoint {endpoint_id}")
        # None: the client reads the API key and base URL from the environment.
        others = (os.environ.get(f"RUNPOD_{name}_ENDPOINT_ID") for name in ("STREAM", "PICTURE"))
        stream_endpoint_id, picture_endpoint_id = (each or None for each in others)
        yield Service(None, None, endpoint_id, stream_endpoint_id or endpoint_id, picture_endpoint_id)
        return

    from horse import horse, horses, night

    from runpod.local import LocalServer

    write_line(bold("Runpod quickstart") + " on a local server")
    write_line(dim("Set RUNPOD_API_KEY and RUNPOD_ENDPOINT_ID to run it on a real endpoint."))
    with LocalServer({"horse": horse, "horses": horses, "night": night}) as server:
        yield Service(server.api_key, server.base_url, "horse", "horses", "night")


def sync_job(at: Service, folder: Path) -> Path | None:
    """Returns the path of the picture, if there is one."""
    heading("1  A job, sync")
    with Runpod(at.api_key, base_url=at.base_url) as client:
        clock = Clock()
        job = client.endpoint(at.endpoint_id).run({"input": {"prompt": PROMPT}})
        row("prompt", PROMPT)
        row("job", job.id)
        for state in job.watch(timeout=TIMEOUT):
            clock.row(status_line(state))
        show(job.state.pretty(limit=2000))
        paths = job.save(folder)
    if not paths:
        write_json(job.result(), folder / "output.json")
    for path in paths:
        row("saved", described(path))
    return next((path for path in paths if path.suffix in PICTURES), None)


async def picture_job(at: Service, folder: Path, picture: Path | None) -> None:
    heading("2  A picture in, a picture out, async")
    if at.picture_endpoint_id is None or picture is None:
        row("skipped", "set RUNPOD_PICTURE_ENDPOINT_ID to an endpoint that takes a prompt and an image")
        return
    async with AsyncRunpod(at.api_key, base_url=at.base_url) as client:
        clock = Clock()
        job = await client.endpoint(at.picture_endpoint_id).run(
            {"input": {"prompt": "the same at night", "image": File(picture)}}
        )
        row("image", picture.name)
        row("job", job.id)
        async for state in job.watch(timeout=TIMEOUT):
            clock.row(status_line(state))
        for path in await job.save(folder):
            row("saved", described(path))


async def stream(at: Service, folder: Path) -> None:
    heading("3  A stream, async")
    async with AsyncRunpod(at.api_key, base_url=at.base_url) as client:
        clock = Clock()
        job = await client.endpoint(at.stream_endpoint_id).run({"input": {"prompt": SEVEN}})
        row("prompt", SEVEN)
        row("job", job.id)
        number, others = 0, list[Any]()
        async for chunk in job.stream(timeout=TIMEOUT):
            number += 1
            paths = await client.save(chunk.media, folder)
            if not paths:
                others.append(chunk.output)
            shown = [described(path) for path in paths] or [shortened(chunk.output)]
            clock.row(f"chunk {number}  {', '.join(shown)}")
        if others:
            row("no picture", f"in {len(others)} of {number} chunks")
            write_json(others, folder / "stream.json")
        if not number:
            row("stream", "empty: the handler of this endpoint returns its output and yields nothing")
            for path in await job.save(folder, timeout=TIMEOUT):
                row("saved", described(path))


def health(at: Service) -> None:
    heading("4  Health")
    ids = [i for i in dict.fromkeys([at.endpoint_id, at.stream_endpoint_id, at.picture_endpoint_id]) if i is not None]
    with Runpod(at.api_key, base_url=at.base_url) as client:
        seen = [client.endpoint(endpoint_id).health() for endpoint_id in ids]
    table("jobs", {i: health.jobs.model_dump() for i, health in zip(ids, seen, strict=True)})
    write_line()
    table("workers", {i: health.workers.model_dump() for i, health in zip(ids, seen, strict=True)})


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


def show(text: str) -> None:
    for line in text.splitlines():
        write_line(f"   {line}".rstrip())


def write_json(value: object, path: Path) -> None:
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")
    row("saved", described(path))


def described(path: Path) -> str:
    return f"{path}  {dim(f'{path.stat().st_size:,} bytes')}"


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


def status_line(state: JobState[Any]) -> str:
    colour = (32 if state.succeeded else 31) if state.completed else 36
    # Padded before it is coloured, since escape codes count as characters.
    line = styled(colour, f"{printable(state.status):<12}")
    if state.progress is not None:
        return f"{line} {shortened(state.progress)}"
    if state.execution_time is not None:
        return f"{line} {dim(f'the worker took {state.execution_time.total_seconds():.2f} s')}"
    return line.rstrip()


def shortened(value: object, limit: int = 100) -> str:
    """Format a value on one line, which is truncated."""
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
            picture = sync_job(at, folder)
            asyncio.run(picture_job(at, folder, picture))
            asyncio.run(stream(at, folder))
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
