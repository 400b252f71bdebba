from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.conformance import environments
from tests.conformance.environments import MissingProgramError
from tests.manage.prism import DESCRIPTION, Description, Prism

if TYPE_CHECKING:
    from collections.abc import Iterator

_SKIPPED = "NOT TESTED against the description of the management API"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = {str(report.longrepr) for report in terminalreporter.stats.get("skipped", []) if report.longrepr}
    found = {reason[reason.index(_SKIPPED) :].rstrip("')") for reason in reasons if _SKIPPED in reason}
    if found:
        terminalreporter.section(_SKIPPED, sep="!", red=True, bold=True)
        for reason in sorted(found):
            terminalreporter.line(reason.removeprefix(f"{_SKIPPED}: "), red=True)


@pytest.fixture(scope="session")
def description() -> Description:
    # Also on CI: the description cannot be part of the repository.
    if not DESCRIPTION.is_file():
        pytest.skip(f"{_SKIPPED}: there is no file {DESCRIPTION}. RUNPOD_OPENAPI can name another one.")
    return Description(DESCRIPTION)


@pytest.fixture(scope="session")
def prism(description: Description, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prism]:
    try:
        node = environments.prism()
    except MissingProgramError as error:
        reason = f"{_SKIPPED}: Prism is not available: {error}."
        if os.environ.get("CI"):
            pytest.fail(f"{reason} It is required on CI.", pytrace=False)
        pytest.skip(reason)
    with Prism(node, description, tmp_path_factory.mktemp("prism")) as prism:
        prism.wait()
        yield prism
