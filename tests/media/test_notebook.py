"""Jobs and media in a notebook: its outputs, and the page that nbconvert makes of it in a browser."""

from __future__ import annotations

import base64
import json
import re
import sys
from html import unescape
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from runpod.local import LocalServer
from tests.browsers import FLAGS, chromium
from tests.media.samples import PNG, WAV, WEBM, data_url, text
from tests.processes import started

if TYPE_CHECKING:
    from pathlib import Path

MEGABYTES = "horse " * 500_000
SCRIPT = "</pre></script><script>window.attacked=1</script><img src=x onerror=window.attacked=1>"

CELLS = {
    "sync": """
        from runpod import AsyncRunpod, Runpod
        from runpod.media import find

        client = Runpod()
        state = client.endpoint("pictures").run_sync(input={"prompt": "a horse"}, timeout=120)
        state
        """,
    "async": """
        async with AsyncRunpod() as async_client:
            hostile = await async_client.endpoint("hostile").run_sync(input={"prompt": "a horse"}, timeout=120)
        hostile
        """,
    "picture": "find(state.output)[0]",
    "sound": "find(state.output)[1]",
    "failed": 'client.endpoint("failing").run_sync(input={"prompt": "a horse"}, timeout=120)',
    "result": 'next(client.endpoint("pictures").map_unordered([{"prompt": "a horse"}], timeout=120))',
    "long": 'client.endpoint("long").run_sync(input={"prompt": "a horse"}, timeout=120)',
    "print": "print(state)\nprint(state.pretty())",
}


def pictures(job: dict[str, Any]) -> dict[str, Any]:
    image = {"filename": "horse.png", "type": "base64", "data": text(PNG)}
    return {"images": [image], "audio": text(WAV), "video": data_url(WEBM, "video/webm"), "seed": 7}


def hostile(job: dict[str, Any]) -> dict[str, Any]:
    image = {"filename": SCRIPT, "type": "base64", "data": text(PNG + b"2")}
    return {SCRIPT: SCRIPT, "images": [image], "image_url": f"https://example.com/{SCRIPT}.png"}


def failing(job: dict[str, Any]) -> None:
    raise ValueError(SCRIPT)


def long(job: dict[str, Any]) -> str:
    return MEGABYTES


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> nbformat.NotebookNode:
    """The notebook after its run. A kernel needs seconds to start, so all tests look at one."""
    cells = [nbformat.v4.new_code_cell(dedent(code).strip(), id=name) for name, code in CELLS.items()]
    found = nbformat.v4.new_notebook(cells=cells)
    handlers = {"pictures": pictures, "hostile": hostile, "failing": failing, "long": long}
    home = str(tmp_path_factory.mktemp("home"))
    with LocalServer(handlers) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNPOD_API_KEY", server.api_key)
        patch.setenv("RUNPOD_ENDPOINT_BASE_URL", server.base_url)
        # The kernel must not see the settings of the user, nor leave history in the home folder.
        for name in ("HOME", "USERPROFILE", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
            patch.setenv(name, home)
        client = NotebookClient(found, kernel_name="python3", timeout=120, startup_timeout=120)
        if sys.platform == "linux":
            # Its ports are free when they are chosen, but another test can take one before the kernel does.
            client.config.KernelManager.update({"transport": "ipc", "ip": f"{home}/kernel"})
        client.execute()
    return found


def outputs(notebook: nbformat.NotebookNode, cell: str) -> list[Any]:
    return next(each.outputs for each in notebook.cells if each.id == cell)


def shown(notebook: nbformat.NotebookNode, cell: str) -> dict[str, str]:
    """What a cell shows: nothing else, such as a warning."""
    (output,) = outputs(notebook, cell)
    assert "execute_result" == output.output_type
    return output.data


def test_a_job_shows_its_media(notebook: nbformat.NotebookNode) -> None:
    data = shown(notebook, "sync")
    assert {"text/plain", "text/html"} == set(data)
    assert f'<img src="data:image/png;base64,{text(PNG)}"' in data["text/html"]
    assert '"seed": 7' in unescape(data["text/html"])
    assert data["text/plain"].startswith("COMPLETED · job ")
    assert f'"data": <image/png, {len(PNG)} B, horse.png>' in data["text/plain"]


def test_a_picture_is_a_picture_for_jupyter(notebook: nbformat.NotebookNode) -> None:
    data = shown(notebook, "picture")
    assert {"text/plain", "image/png"} == set(data)
    assert PNG == base64.b64decode(data["image/png"])
    assert f"Media('horse.png', 'image/png', size={len(PNG)})" == data["text/plain"]
    assert "<audio controls" in shown(notebook, "sound")["text/html"]


def test_results_of_many_jobs_and_failures_are_shown(notebook: nbformat.NotebookNode) -> None:
    assert f"data:image/png;base64,{text(PNG)}" in shown(notebook, "result")["text/html"]
    assert "Traceback (most recent call last)" in shown(notebook, "failed")["text/html"]


def test_nothing_is_megabytes_of_text(notebook: nbformat.NotebookNode) -> None:
    data = shown(notebook, "long")
    assert len(data["text/plain"]) < 12_000
    assert len(data["text/html"]) < 120_000
    for cell in CELLS:
        for output in outputs(notebook, cell):
            plain = output.get("text") or output.data["text/plain"]
            assert not re.search("[A-Za-z0-9+/=]{60}", plain)


def test_print_is_one_line_and_pretty_is_the_output(notebook: nbformat.NotebookNode) -> None:
    (output,) = outputs(notebook, "print")
    line, _, pretty = output.text.partition("\n")
    assert line.startswith("id='")
    assert "status='COMPLETED'" in line
    assert pretty.rstrip("\n") == shown(notebook, "sync")["text/plain"]


# Writes what the page contains at the event `load`, which waits for pictures and for the metadata of players.
PROBE = """
<pre id="probe"></pre>
<script>
addEventListener("load", () => {
    const images = [...document.images].filter(image => image.src.startsWith("data:"));
    document.getElementById("probe").textContent = JSON.stringify({
        widths: images.map(image => image.complete && image.naturalWidth),
        seconds: document.querySelector("audio").duration,
        players: document.querySelectorAll("audio[controls], video[controls]").length,
        scripts: document.scripts.length,
        attacked: window.attacked ?? null,
    });
});
</script>
"""


def test_a_browser_shows_the_page_of_nbconvert(notebook: nbformat.NotebookNode, tmp_path: Path) -> None:
    program = chromium("the page of the notebook was not opened in a browser")
    page, _ = HTMLExporter(template_name="classic").from_notebook_node(notebook)
    before = page.count("<script")
    path = tmp_path / "notebook.html"
    path.write_text(page.replace("</body>", f"{PROBE}</body>"), encoding="utf-8")
    command = [
        program,
        *FLAGS,
        "--host-resolver-rules=MAP * ~NOTFOUND",  # the page has links, also to scripts of Jupyter
        f"--user-data-dir={tmp_path / 'profile'}",
        "--dump-dom",
        path.as_uri(),
    ]
    with started(command, start_new_session=True) as process:
        dom, messages = process.communicate()
    probe = re.search('<pre id="probe">(.+?)</pre>', dom, re.DOTALL)
    assert probe, messages[-2000:]
    found = json.loads(unescape(probe[1]))
    # The job, the result of a mapped run and the picture itself have one each; the hostile one as well.
    assert [1, 1, 1, 1] == found["widths"]
    assert found["seconds"] == pytest.approx(0.01)
    assert 5 == found["players"]
    assert found["attacked"] is None
    # Those of Jupyter and the one above.
    assert before + 1 == found["scripts"]
