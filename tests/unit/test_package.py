"""Tests of public names, import cost and logging."""

from __future__ import annotations

import ast
import logging
import pkgutil
import shutil
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

import runpod
from runpod import _protocol, errors, models
from runpod._logging import setup_logging

NAMES = (
    "Batch",
    "BatchResults",
    "Batches",
    "Endpoint",
    "Job",
    "JobMap",
    "JobStream",
    "JobUpdates",
    "LoadBalancer",
    "LoadBalancerSession",
    "Logs",
    "Manage",
    "Public",
    "Runpod",
)
CLIENTS = {f"{prefix}{name}" for prefix in ("", "Async") for name in NAMES}
CLIENTS |= {"CLIENT_DEFAULT", "ClientDefault"}


def run(code: str) -> tuple[str, list[str]]:
    """Run a program, and return its stdout and the lines of its stderr."""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.strip(), done.stderr.splitlines()


def test_the_public_names_are_documented_and_the_same_everywhere() -> None:
    # The other names of `media` are short, and called with the module: `media.find`.
    names = {*CLIENTS, *errors.__all__, *models.__all__, "File", "Media", "S3Uploads", "text", "__version__"}
    assert names == set(runpod.__all__)
    for module in (runpod, errors, models):
        assert len(set(module.__all__)) == len(module.__all__)  # sorted by ruff
        for name in module.__all__:
            assert getattr(module, name) is getattr(runpod, name)
            assert name == "__version__" or getattr(module, name).__doc__
    assert "CLIENT_DEFAULT" == repr(runpod.CLIENT_DEFAULT)
    assert runpod.__version__[0].isdigit()
    with pytest.raises(AttributeError, match="module 'runpod' has no attribute 'Runpodd'"):
        _ = runpod.Runpodd  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("from runpod import *; print(set(runpod.__all__) <= set(globals()))", "True"),
        ("print({*runpod.__all__, 'errors', 'media', 'models', 'webhooks'} <= set(dir(runpod)))", "True"),
        ("print(runpod.errors.JobError.__name__, runpod.models.JobState.__name__)", "JobError JobState"),
        (
            "print([n for n in sys.modules if n.startswith(('httpx', 'runpod._async', 'runpod._sync', 'pydantic'))])",
            "[]",
        ),
    ],
)
def test_import_is_lazy(code: str, expected: str) -> None:
    assert (expected, []) == run(f"import sys, runpod; {code}")


def test_import_layers() -> None:
    names = ["runpod.errors", "runpod.models"]
    names += [f"runpod._protocol.{module.name}" for module in pkgutil.iter_modules(_protocol.__path__)]
    forbidden = ("httpx", "httpcore", "anyio", "runpod._async", "runpod._sync")
    code = f"import sys, {', '.join(names)}; print([name for name in sys.modules if name.startswith({forbidden!r})])"
    assert "[]" == run(code)[0]


def test_there_are_no_import_cycles() -> None:
    """Imports for type checking included. The sync code mirrors the async code; `__init__` imports lazily."""
    root = Path(runpod.__file__).parent
    graph: dict[str, set[str]] = {}
    for path in root.rglob("*.py"):
        name = ".".join(("runpod", *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__")
        if "_sync" not in path.parts and name != "runpod":
            imports = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.ImportFrom)]
            graph[name] = {f"{each.module}.{alias.name}" for each in imports for alias in each.names}
            graph[name] |= {str(each.module) for each in imports}
    assert len(graph) > 60
    list(TopologicalSorter({name: found & graph.keys() - {name} for name, found in graph.items()}).static_order())


LOG_LINES = """
import logging, runpod
log = logging.getLogger("runpod")
log.debug("a debug line"), log.info("an info line"), log.warning("a warning line")
"""


def test_nothing_is_logged_to_stderr_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ("", []) == run(LOG_LINES)
    own = "import logging; logging.basicConfig(format='mine %(message)s')"
    assert ("", ["mine a warning line"]) == run(own + LOG_LINES)
    monkeypatch.setenv("RUNPOD_LOG", "debug")
    output, stderr = run(LOG_LINES)
    expected = ["DEBUG a debug line", "INFO an info line", "WARNING a warning line"]
    assert ("", expected) == (output, [line.partition(" runpod ")[2] for line in stderr])


@pytest.mark.parametrize(
    ("text", "level"),
    [
        *[(text, logging.NOTSET) for text in ("", " ", "nonsense", "NOTSET", "10")],
        *[(" DEBUG ", logging.DEBUG), ("Info", logging.INFO), ("warning", logging.WARNING), ("error", logging.ERROR)],
        ("critical", logging.CRITICAL),
    ],
)
def test_runpod_log_sets_the_level(monkeypatch: pytest.MonkeyPatch, text: str, level: int) -> None:
    logger: Any = logging.getLogger("runpod")
    mine = logging.Handler()
    for name, value in {"level": logging.NOTSET, "handlers": [logging.NullHandler()], "propagate": True}.items():
        monkeypatch.setattr(logger, name, value)
    monkeypatch.setenv("RUNPOD_LOG", text)
    setup_logging()
    setup_logging()  # configured twice, it still logs once
    expected = [logging.NullHandler] if level == logging.NOTSET else [logging.NullHandler, logging.StreamHandler]
    assert (level, expected) == (logger.level, [type(handler) for handler in logger.handlers])
    assert (level == logging.NOTSET) == logger.propagate
    # A handler of the program is not duplicated.
    logger.handlers, logger.propagate = [logging.NullHandler(), mine], True
    setup_logging()
    assert ([mine], True) == (logger.handlers[1:], logger.propagate)


@pytest.mark.fact("protocol 15: import name")
def test_files_of_the_official_package_in_the_same_folder_raise_on_import(tmp_path: Path) -> None:
    shutil.copytree(Path(runpod.__file__).parent, tmp_path / "runpod", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "runpod" / "serverless").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", "import runpod"], cwd=tmp_path, check=False, capture_output=True, text=True, timeout=60
    )
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: The packages `runpod` and `runpod-sdk` are installed in the same environment")
    assert "uninstall both" in last
