"""The pytest fixtures, tested in separate pytest processes."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

COMMON = """
import pytest
from runpod import AsyncRunpod, JobFailedError, Runpod
from runpod.local import LocalServer

pytestmark = pytest.mark.filterwarnings("error")

def captions(job):
    if job["input"]["picture"] == "none":
        raise ValueError("no picture")
    return {"text": "a horse"}

@pytest.fixture
def runpod_endpoints():
    return {"captions": captions}
"""

# Loads only this plugin, by its entry point name: faster than loading all plugins.
ONLY_RUNPOD = ("-p", "runpod")


def run(folder: Path, code: str, *arguments: str, **variables: str) -> str:
    (folder / "test_it.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis", "-rA"]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | variables
    done = subprocess.run(
        [*command, *arguments, "test_it.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


def test_fixtures(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        COMMON
        + """
import asyncio
import gc

def caption(client, picture):
    return client.endpoint("captions").run(input={"picture": picture}).result(timeout=30)["text"]

def test_server(runpod_server):
    assert isinstance(runpod_server, LocalServer)
    assert "running" in repr(runpod_server)

def test_client(runpod_client, runpod_server):
    assert isinstance(runpod_client, Runpod)
    assert caption(runpod_client, "horse.png") == "a horse"
    assert runpod_server.requests[0].path == "/v2/captions/run"
    with pytest.raises(JobFailedError, match="no picture"):
        caption(runpod_client, "none")

def test_server_is_new_for_every_test(runpod_server):
    assert runpod_server.jobs == {"captions": []}

async def async_caption(client):
    assert isinstance(client, AsyncRunpod)
    job = await client.endpoint("captions").run(input={"picture": "horse.png"})
    assert (await job.result(timeout=30))["text"] == "a horse"

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_async_client(async_runpod_client):
    await async_caption(async_runpod_client)

def test_async_client_needs_no_teardown(async_runpod_client):
    asyncio.run(async_caption(async_runpod_client))
    gc.collect()
""",
    )
    assert "6 passed" in output, output


def test_server_fixture_can_be_overridden(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        COMMON
        + """
@pytest.fixture
def runpod_server(runpod_endpoints):
    with LocalServer(runpod_endpoints, api_key="my-own") as server:
        yield server

def test_it(runpod_client, runpod_server):
    assert runpod_server.api_key == "my-own"
    assert runpod_client.endpoint("captions").run_sync(input={"picture": "a"}).succeeded
""",
        *ONLY_RUNPOD,
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )
    assert "1 passed" in output, output


def test_missing_endpoints_fixture(tmp_path: Path) -> None:
    code = "def test_it(runpod_client): pass"
    output = run(tmp_path, code, *ONLY_RUNPOD, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert "Define a fixture `runpod_endpoints` that returns your handlers" in output
    assert "1 error" in output, output


def test_plugin_imports_nothing_heavy(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        """
import sys

def test_it():
    assert "runpod.local.pytest_plugin" in sys.modules
    heavy = {"httpx", "pydantic", "starlette", "uvicorn", "runpod._sync", "runpod.local.server"}
    assert set() == heavy & set(sys.modules)
""",
        *ONLY_RUNPOD,
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )
    assert "1 passed" in output, output
