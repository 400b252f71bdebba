"""The browser of the tests: Chromium, from the packages of the system."""

from __future__ import annotations

import os
import shutil

import pytest

# The same names are in `.ci/run`, which installs it.
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")

# Without a picture on a screen, without requests of its own, and in a container.
FLAGS = (
    "--headless",
    "--no-sandbox",  # which needs rights that a container does not have
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
)


def find_chromium() -> str | None:
    """Return the path of Chromium, or None if there is none."""
    return next((found for name in NAMES if (found := shutil.which(name)) is not None), None)


def chromium(what: str) -> str:
    """Return the path of Chromium. Without it the test is skipped, or fails if the environment variable CI is set.

    Args:
        what: What is not tested then.
    """
    found = find_chromium()
    if found is not None:
        return found
    reason = f"There is no Chromium on the path: {what}."
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
