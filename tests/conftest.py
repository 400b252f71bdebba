from __future__ import annotations

import gc
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

# Shells start background jobs with interrupts ignored. The programs that tests start would inherit that; a handler is
# reset to the default in them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Type-checked by mypy and pyright, not executed.
collect_ignore = ["typing"]

# The same examples on every machine, and no deadline, since CI machines can be slow.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("dev", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


# Marked `once`: what they test is the same on every Python, such as what a browser or another program does.
ONCE = (
    "browser",
    "conformance",
    "facts",
    "integrations/test_dask.py",
    "integrations/test_ray.py",
    "local/test_openapi.py",
    "manage/test_prism.py",
    "unit/test_async_form.py",
    "unit/test_release.py",
    "unit/test_release_flow.py",
    "unit/test_site.py",
    "unit/test_workflows.py",
)
# These take longest, so they start first: nothing runs beside the last one.
FIRST = ("integrations/test_ray.py", "conformance", "unit/test_docs.py", "unit/test_site.py", "browser", "faults")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folder = Path(__file__).parent

    def place(item: pytest.Item) -> Iterator[str]:
        if folder in item.path.parents:
            path = item.path.relative_to(folder)
            yield path.as_posix()
            yield path.parts[0]

    for item in items:
        if not set(ONCE).isdisjoint(place(item)):
            item.add_marker(pytest.mark.once)
    items.sort(key=lambda item: min((FIRST.index(each) for each in place(item) if each in FIRST), default=len(FIRST)))


def pytest_collection_finish() -> None:
    # Garbage collections need not look at thousands of tests and modules again and again.
    gc.collect()
    gc.freeze()


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio. Tests that depend on the event loop override this fixture."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _isolated_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hide variables and the home folder: a developer's own API key, AWS credentials and proxies must not reach a test."""
    for name in list(os.environ):
        if name.upper().startswith(("AWS_", "RUNPOD_")) or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    # boto3 would ask the network for credentials.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return home
