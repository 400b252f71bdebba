"""Run by the Python of an empty environment, outside the checkout: does the installed package work?

python -I probe.py VERSION              the package alone
python -I probe.py VERSION with-extras  also a job on the local server (extra `local`)
"""

from __future__ import annotations

import sys
import sysconfig
from importlib.metadata import distribution, distributions
from pathlib import Path

EXPECTED = sys.argv[1]


def check(condition: bool, message: str) -> None:
    """End with the message unless the condition is true."""
    if not condition:
        sys.exit(message)


def check_package() -> None:
    """Check the version, and that all files are where they belong."""
    import runpod

    installed = distribution("runpod-sdk")
    check(runpod.__version__ == EXPECTED, f"runpod.__version__ is {runpod.__version__}, not {EXPECTED}.")
    check(installed.version == EXPECTED, f"The version of the metadata is {installed.version}, not {EXPECTED}.")
    folder = Path(runpod.__file__).resolve().parent
    packages = Path(sysconfig.get_paths()["purelib"]).resolve()
    check(folder == packages / "runpod", f"runpod was imported from {folder}, not from the environment.")
    files = [str(path) for path in installed.files or []]
    check("runpod/py.typed" in files, "py.typed is not installed, so type checkers ignore the package.")
    missing = [path for path in installed.files or [] if not Path(str(path.locate())).exists()]
    check(not missing, f"The package names files that are not installed: {missing}")
    for name in runpod.__all__:
        getattr(runpod, name)


def check_no_extras() -> None:
    """Check that nothing is installed that only extras need."""
    names = {found.metadata["Name"].lower() for found in distributions()}
    unexpected = names & {"pytest", "rich", "starlette", "typer", "uvicorn"}
    check(not unexpected, f"Without extras, these packages should not be installed: {unexpected}")


def check_job() -> None:
    """Check that a job runs on the local server."""
    from runpod import Runpod
    from runpod.local import LocalServer

    with (
        LocalServer({"echo": lambda job: job["input"]}) as server,
        Runpod(server.api_key, base_url=server.base_url) as client,
    ):
        output = client.endpoint("echo").run_sync(input={"prompt": "a horse"}).result()
    check(output == {"prompt": "a horse"}, f"The output of a job on the local server was {output!r}.")


check_package()
if sys.argv[2:] == ["with-extras"]:
    check_job()
else:
    check_no_extras()
