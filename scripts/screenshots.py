#!/usr/bin/env python3
"""Make the pictures of the documentation: the local server's page, and a notebook that shows a job.

The jobs are those of `PLAN`, on the samples of `runpod.local`. Times are those of the server's clock, which is advanced,
so that minutes of work are staged within seconds.
"""

from __future__ import annotations

import argparse
import heapq
import json
import linecache
import logging
import os
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections import defaultdict
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from runpod import Runpod
from runpod.local import LocalEndpoint, LocalServer, progress_update, samples

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from playwright.sync_api import Browser, Page, ViewportSize

    from runpod.local.settings import Handler

IMAGES = Path(__file__).parent.parent / "docs" / "images"
LIMIT = 200_000  # bytes of a picture
SIZE: ViewportSize = {"width": 1280, "height": 800}
TIMEOUT = 60.0  # seconds, before the staging gives up

FLAGS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"]
STORY = "Paris is the capital of France. A horse is the size of a horse, and a Boeing 787 is much larger than that."


class Job(NamedTuple):
    """A job of the plan."""

    at: float  # seconds from the start
    endpoint: str
    input: dict[str, Any]
    runs: float  # seconds


class Stage:
    """Handlers that run as long as the plan says."""

    def __init__(self) -> None:
        self._ended: defaultdict[str, threading.Event] = defaultdict(threading.Event)

    def end(self, job_id: str) -> None:
        """Let a job end."""
        self._ended[job_id].set()

    def held(self, handler: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
        """Let a handler return only once its job may end."""

        def held(job: dict[str, Any]) -> Any:
            progress_update(job, "step 17 of 25")
            self._ended[job["id"]].wait()
            return handler(job)

        return held

    def story(self, job: dict[str, Any]) -> Iterator[str]:
        """Stream a text, word by word."""
        for number, word in enumerate(STORY.split(" ")):
            yield word if number == 0 else f" {word}"
        self._ended[job["id"]].wait()

    def close(self) -> None:
        """Let every job end."""
        for ended in list(self._ended.values()):
            ended.set()


HANDLER = """
def frames_of(picture):
    if picture.endswith(".gif"):
        raise ValueError(f"{picture} has no frames")
    return [picture]

def handler(job):
    frames = frames_of(job["input"]["picture"])
    return {"safe": True, "score": 0.98, "frames": len(frames)}
"""


def moderate(job: dict[str, Any]) -> dict[str, Any]:
    """Fail for some pictures, with the traceback of a program that is in no folder of this machine."""
    name, program = "handler.py", dict[str, Any]()
    linecache.cache[name] = (len(HANDLER), None, HANDLER.splitlines(keepends=True), name)
    exec(compile(HANDLER, name, "exec"), program)  # noqa: S102 - it is the text above
    try:
        found: dict[str, Any] = program["handler"](job)
    except ValueError as error:
        trace = error.__traceback__
        lines = traceback.format_exception(type(error), error, trace and trace.tb_next)
        failure = {"error_type": str(type(error)), "error_message": str(error), "error_traceback": "".join(lines)}
        return {"error": json.dumps(failure)}
    return found


PROMPTS = [
    "a horse on a runway, next to a Boeing 787, golden hour",
    "a brown horse in the hills, oil painting",
    "a white horse at night, under a full moon",
    "two horses in the rain, neon lights, wide angle",
    "a horse that reads a newspaper, studio light",
]


def plan() -> list[Job]:
    """The jobs of the pictures: five minutes of work, and what is waiting and running at the end of them."""
    jobs: list[Job] = []
    for number in range(56):
        at = number * 5.0 + (number * 7 % 5) * 0.6
        prompt = {"prompt": PROMPTS[number % len(PROMPTS)], "width": 768, "height": 512, "seed": 1000 + 37 * number}
        jobs.append(Job(at, "sdxl", prompt, 3.2 + (number * 11 % 7) * 0.45))
        if number % 3 == 0:
            audio = {"audio": f"https://example.com/talks/{number:02}.mp3", "model": "small"}
            jobs.append(Job(at + 1.1, "whisper", audio, 2.1 + number % 4 * 0.7))
        if number % 4 == 1:
            jobs.append(Job(at + 0.7, "llama-3-8b", {"prompt": "How large is a horse?", "max_tokens": 64}, 2.6))
        if number % 5 == 2:
            kind = "gif" if number == 17 else "png"
            jobs.append(Job(at + 2.2, "moderation", {"picture": f"uploads/{number:04}.{kind}"}, 0.35))
    jobs.append(Job(279.5, "moderation", {"picture": "uploads/0045.gif"}, 0.35))
    # These do not end.
    for number in range(6):
        prompt = {"prompt": PROMPTS[(number + 2) % len(PROMPTS)], "width": 768, "height": 512, "seed": 4000 + number}
        jobs.append(Job(282.5 + number * 0.9, "sdxl", prompt, 1e6))
    jobs.append(Job(286.0, "llama-3-8b", {"prompt": "Tell me more about horses.", "max_tokens": 64}, 1e6))
    return sorted(jobs, key=lambda job: job.at)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what the server's threads do."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            sys.exit("The jobs of the plan did not proceed.")
        time.sleep(0.002)


def play(server: LocalServer, stage: Stage, jobs: list[Job], until: float) -> None:
    """Submit the jobs, and let them end when the plan says."""
    runs: dict[str, float] = {}
    ends: list[tuple[float, str, str]] = []
    seen: set[str] = set()
    now = 0.0

    def statuses(endpoint: str) -> dict[str, str]:
        return {job["id"]: job["status"] for job in server.jobs[endpoint]}

    def has_ended(endpoint: str, job_id: str) -> bool:
        return statuses(endpoint)[job_id] not in {"IN_QUEUE", "IN_PROGRESS"}

    def note_started(endpoint: str) -> None:
        pool = {"llama-3-8b": 2}.get(endpoint, 1)

        def settled() -> bool:
            found = list(statuses(endpoint).values())
            return found.count("IN_PROGRESS") == pool or "IN_QUEUE" not in found

        wait_until(settled)
        for job_id, status in statuses(endpoint).items():
            if status == "IN_PROGRESS" and job_id not in seen:
                seen.add(job_id)
                heapq.heappush(ends, (now + runs[job_id], endpoint, job_id))

    with Runpod(api_key=server.api_key, base_url=server.base_url) as client:
        waiting = list(jobs)
        while True:
            times = [job.at for job in waiting[:1]] + [end for end, _, _ in ends[:1]]
            following = min(times, default=until)
            if following >= until:
                break
            server.advance(max(0.0, following - now))
            now = following
            if ends and ends[0][0] <= now:
                _, endpoint, job_id = heapq.heappop(ends)
                stage.end(job_id)
                wait_until(partial(has_ended, endpoint, job_id))
            else:
                job = waiting.pop(0)
                endpoint = job.endpoint
                runs[client.endpoint(endpoint).run(input=job.input).id] = job.runs
            note_started(endpoint)
    server.advance(until - now)


def shoot(page: Page, name: str, **options: Any) -> None:
    """Write a picture, unless it is too large for the repository."""
    path = IMAGES / name
    page.screenshot(path=path, animations="disabled", caret="hide", **options)
    print(f"{path.relative_to(IMAGES.parent.parent)}: {path.stat().st_size / 1000:.0f} kB")
    if path.stat().st_size > LIMIT:
        sys.exit(f"{name} is larger than {LIMIT // 1000} kB.")


@contextmanager
def staged_server() -> Generator[LocalServer, None, None]:
    """A server that has done what the plan says."""
    stage = Stage()
    handlers: dict[str, Handler | LocalEndpoint] = {
        "sdxl": stage.held(samples.sdxl),
        "whisper": stage.held(samples.whisper),
        "llama-3-8b": LocalEndpoint(stage.story, workers=2, return_aggregate_stream=True),
        "moderation": stage.held(moderate),
    }
    with LocalServer(handlers, page=True) as server:
        try:
            play(server, stage, plan(), 291.0)
            yield server
        finally:
            stage.close()


def shoot_page(browser: Browser, server: LocalServer) -> None:
    """Take the page in both themes: with a picture, and with a failure."""
    shots: list[tuple[str, Literal["light", "dark"], str, str]] = [
        ("page.png", "light", "Completed", "sdxl"),
        ("page-dark.png", "dark", "Failed", "moderation"),
    ]
    for name, scheme, status, endpoint in shots:
        context = browser.new_context(viewport=SIZE, color_scheme=scheme, locale="en-GB")
        page = context.new_page()
        page.goto(server.page_url)
        page.locator(".pill.is-live").wait_for()
        page.locator(".row", has_text=status).filter(has_text=endpoint).first.click()
        page.mouse.move(0, 0)
        page.locator('[data-section="input"]').wait_for()
        page.wait_for_function("[...document.images].every((each) => each.complete)")
        page.wait_for_function("new Promise((resolve) => requestAnimationFrame(() => resolve(true)))")
        shoot(page, name)
        context.close()


CELLS = [
    """
from runpod import Runpod

client = Runpod()
state = client.endpoint("comfyui").run_sync(input={"workflow": workflow})
state
""",
    """
from runpod.media import find

[(media.name, media.mime, media.size) for media in find(state.output)]
""",
]
WORKFLOW = {
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 448, "height": 320, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": PROMPTS[0]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "horse"}},
}


def run_notebook(folder: Path) -> Path:
    """Run a notebook against a local server, and return the page that nbconvert makes of it."""
    import nbformat
    from nbclient import NotebookClient
    from nbconvert import HTMLExporter

    cells = [nbformat.v4.new_code_cell(code.strip()) for code in (f"workflow = {WORKFLOW}", *CELLS)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    with LocalServer({"comfyui": partial(samples.comfyui, seconds=0.8)}) as server:
        os.environ.update(RUNPOD_API_KEY=server.api_key, RUNPOD_ENDPOINT_BASE_URL=server.base_url)
        os.environ.update(dict.fromkeys(("HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"), str(folder)))
        NotebookClient(notebook, kernel_name="python3", timeout=120, startup_timeout=120).execute()
    # The first cell defines a long value, which is not what the picture is about.
    del notebook.cells[0]
    for number, cell in enumerate(notebook.cells, 1):
        cell.execution_count = number
        for output in cell.outputs:
            output.execution_count = number
    path = folder / "notebook.html"
    page, _ = HTMLExporter(template_name="lab").from_notebook_node(notebook)
    path.write_text(page, encoding="utf-8")
    return path


def shoot_notebook(browser: Browser, path: Path) -> None:
    """Take the whole notebook."""
    context = browser.new_context(viewport={"width": 980, "height": 620})
    # The page has links to scripts on other hosts, which it does not need.
    context.route("http*://**", lambda route: route.abort())
    page = context.new_page()
    page.goto(path.as_uri())
    page.wait_for_function("[...document.images].every((each) => each.complete)")
    shoot(page, "notebook.png", full_page=True)
    context.close()


def main() -> None:
    """Make all pictures."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    from playwright.sync_api import sync_playwright

    program = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )
    if program is None:
        sys.exit("There is no Chromium on the path. On Debian and Ubuntu: apt install chromium")
    logging.disable(logging.WARNING)
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        notebook = run_notebook(Path(folder))
        # The jobs are submitted before Playwright runs an event loop in this thread.
        with staged_server() as server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=FLAGS, chromium_sandbox=False)
            shoot_notebook(browser, notebook)
            shoot_page(browser, server)
            browser.close()


if __name__ == "__main__":
    main()
