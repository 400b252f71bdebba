"""The public names of `runpod.local`, and what its modules import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import runpod.local


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


def test_all_is_sorted_and_complete() -> None:
    names = runpod.local.__all__
    assert sorted(set(names)) == names
    assert set(names) <= set(dir(runpod.local))
    assert all(getattr(runpod.local, name) is not None for name in names)


@pytest.mark.parametrize("name", sorted({*runpod.local.__all__} - {"Handler"}))  # An alias has no docstring.
def test_public_names_are_documented(name: str) -> None:
    assert getattr(runpod.local, name).__doc__


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'LocalServre'"):
        _ = runpod.local.LocalServre  # type: ignore[attr-defined]


def test_import_does_not_load_the_server() -> None:
    loaded = "[name for name in sys.modules if name.startswith(('starlette', 'uvicorn', 'runpod.local.'))]"
    assert "[]" == run(f"import sys, runpod.local; print({loaded})")


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_missing_extra(missing: str) -> None:
    code = f"""
import sys
sys.modules[{missing!r}] = None
try:
    from runpod.local import LocalServer
except ModuleNotFoundError as error:
    print(error.name, error)
"""
    assert (
        f"{missing} runpod.local needs {missing}, which is not installed. "
        'Install it with: pip install "runpod-sdk[local]"'
    ) == run(code)


def test_other_missing_module() -> None:
    code = """
import sys
sys.modules["h11"] = None
try:
    from runpod.local import LocalServer
except ModuleNotFoundError as error:
    print(error.name)
"""
    assert "h11" == run(code)


def imports_of(file: Path) -> set[str]:
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    modules = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {module for module in modules if module.startswith("runpod")}


def test_server_does_not_import_the_client() -> None:
    shared = {"runpod._config"}  # For the check whether a host is this machine.
    # The page shows errors and media as the client finds them.
    shown = {"runpod._base_errors", "runpod._version", "runpod.media", "runpod.media.figures"}
    shown.add("runpod.models.worker_failure")
    for file in Path(runpod.local.__file__).parent.rglob("*.py"):
        if file.name != "pytest_plugin.py":  # Its fixtures include clients.
            outside = {module for module in imports_of(file) if not module.startswith("runpod.local")}
            assert outside <= (shared | shown if file.parent.name == "page" else shared), file


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("jobs", ("http", "workers", "faults", "server")),
        ("workers", ("http", "faults", "server")),
        ("http", ("server",)),
        ("balancer", ("http.app", "server")),
        ("page", ("http.app", "faults", "server")),
    ],
)
def test_import_layers(folder: str, forbidden: tuple[str, ...]) -> None:
    prefixes = tuple(f"runpod.local.{name}" for name in forbidden)
    for file in (Path(runpod.local.__file__).parent / folder).glob("*.py"):
        assert not [module for module in imports_of(file) if module.startswith(prefixes)], file


def test_settings_import_no_other_module() -> None:
    assert set() == imports_of(Path(runpod.local.__file__).with_name("settings.py"))
