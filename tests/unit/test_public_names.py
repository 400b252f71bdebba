"""What can be imported, and what importing costs."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import runpod
from runpod import _protocol, errors, models

CLIENTS = {"Runpod", "AsyncRunpod", "Endpoint", "AsyncEndpoint", "Job", "AsyncJob"}


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


@pytest.mark.parametrize("module", [runpod, errors, models], ids=lambda module: module.__name__)
def test_all_is_sorted_without_doubles_and_true(module: object) -> None:
    names: list[str] = module.__all__  # type: ignore[attr-defined]
    assert sorted(set(names)) == names
    for name in names:
        assert getattr(module, name) is not None


def test_every_public_name_is_importable_from_the_package() -> None:
    assert {*CLIENTS, *errors.__all__, *models.__all__, "__version__"} == set(runpod.__all__)


@pytest.mark.parametrize("name", sorted({*errors.__all__, *models.__all__}))
def test_a_name_is_the_same_wherever_it_comes_from(name: str) -> None:
    home = errors if name in errors.__all__ else models
    assert getattr(home, name) is getattr(runpod, name)


@pytest.mark.parametrize("name", runpod.__all__)
def test_a_public_name_is_documented(name: str) -> None:
    value = getattr(runpod, name)
    assert isinstance(value, str) or value.__doc__


def test_everything_comes_with_a_star() -> None:
    assert "True" == run("import runpod; from runpod import *; print(set(runpod.__all__) <= set(globals()))")


def test_names_are_listed_before_they_are_loaded() -> None:
    assert "True" == run("import runpod; print({*runpod.__all__, 'errors', 'models'} <= set(dir(runpod)))")


def test_submodules_are_there_without_an_import_of_their_own() -> None:
    assert "JobError JobState" == run(
        "import runpod; print(runpod.errors.JobError.__name__, runpod.models.JobState.__name__)"
    )


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Runpodd'"):
        _ = runpod.Runpodd  # type: ignore[attr-defined]
    with pytest.raises(ImportError):
        importlib.import_module("runpod.nonsense")


def test_the_version_is_text() -> None:
    assert runpod.__version__[0].isdigit()


def test_importing_the_package_loads_neither_twin() -> None:
    loaded = "[name for name in sys.modules if name.startswith(('httpx', 'aiohttp', 'runpod._async', 'runpod._sync'))]"
    assert "[]" == run(f"import sys, runpod; print({loaded})")


def test_decisions_models_and_errors_know_neither_twin_nor_the_http_library() -> None:
    names = ["runpod.errors", "runpod.models"]
    names += [f"runpod._protocol.{module.name}" for module in pkgutil.iter_modules(_protocol.__path__)]
    forbidden = ("httpx", "aiohttp", "anyio", "runpod._async", "runpod._sync")
    code = f"import sys, {', '.join(names)}; print([name for name in sys.modules if name.startswith({forbidden!r})])"
    assert "[]" == run(code)
