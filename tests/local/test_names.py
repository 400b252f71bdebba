"""What can be imported from `runpod.local`."""

from __future__ import annotations

import subprocess
import sys

import pytest

import runpod.local


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


def test_all_is_sorted_listed_and_true() -> None:
    names = runpod.local.__all__
    assert sorted(set(names)) == names
    assert set(names) <= set(dir(runpod.local))
    assert all(getattr(runpod.local, name) is not None for name in names)


@pytest.mark.parametrize("name", sorted({*runpod.local.__all__} - {"Handler"}))  # An alias has no docstring.
def test_a_public_name_is_documented(name: str) -> None:
    assert getattr(runpod.local, name).__doc__


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'LocalServre'"):
        _ = runpod.local.LocalServre  # type: ignore[attr-defined]


def test_importing_the_package_loads_no_server() -> None:
    loaded = "[name for name in sys.modules if name.startswith(('starlette', 'uvicorn', 'runpod.local.'))]"
    assert "[]" == run(f"import sys, runpod.local; print({loaded})")


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_the_extra_it_says_what_to_install(missing: str) -> None:
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


def test_another_module_that_is_missing_is_named_as_it_is() -> None:
    code = """
import sys
sys.modules["h11"] = None
try:
    from runpod.local import LocalServer
except ModuleNotFoundError as error:
    print(error.name)
"""
    assert "h11" == run(code)
