"""The program: its global options and its commands."""

from __future__ import annotations

import os
import sys
import warnings
from typing import TYPE_CHECKING, Annotated, Any

import typer

import runpod
from runpod.cli.batch import register as register_batch
from runpod.cli.bulk import register as register_bulk
from runpod.cli.config import register as register_config
from runpod.cli.connection import AllowInsecure, BaseUrl, ManagementUrl, Options, Profile, Verbose
from runpod.cli.costs import register as register_costs
from runpod.cli.diagnose import register as register_diagnose
from runpod.cli.endpoints import register as register_endpoints
from runpod.cli.exit_status import API_ERROR, FAILED, FULL_DISK, INTERRUPTED, PIPE_CLOSED, interrupted, report
from runpod.cli.jobs import register as register_jobs
from runpod.cli.json_output import OutputClosedError, OutputError, flush_data, note, write_text
from runpod.cli.local import register as register_local
from runpod.cli.logs import register as register_logs
from runpod.cli.map import register as register_map
from runpod.cli.pods import register as register_pods
from runpod.cli.public import register as register_public
from runpod.cli.serverless import register as register_serverless
from runpod.cli.templates import register as register_templates
from runpod.cli.volumes import register as register_volumes
from runpod.errors import RunpodError

if TYPE_CHECKING:
    from collections.abc import Sequence

app: typer.Typer = typer.Typer(
    name="runpod-sdk",
    no_args_is_help=True,
    # Plain text: markup would interpret brackets in messages, and panels truncate text in narrow terminals.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _print_version(value: bool) -> None:
    if value:
        write_text(f"runpod-sdk {runpod.__version__}")
        raise typer.Exit


@app.callback(epilog='\b\nExamples:\n  runpod-sdk config set\n  runpod-sdk run ENDPOINT_ID \'{"prompt": "a horse"}\'')
def _program(
    context: typer.Context,
    *,
    profile: Profile = None,
    base_url: BaseUrl = None,
    management_url: ManagementUrl = None,
    allow_insecure: AllowInsecure = False,
    verbose: Verbose = 0,
    version: Annotated[  # noqa: ARG001 - handled by its callback
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Runpod serverless endpoints: submit jobs, wait for them and stream their output.

    Standard output has the result alone, as JSON; everything else is on standard error. Exit status: 0 success, 1
    the job failed, 2 wrong usage, 3 timeout, 4 refused credentials, 5 no response or another error of the API, 6 files
    of an output could not be saved.
    """
    context.obj = Options(profile, base_url, management_url, allow_insecure, verbose, str(context.info_name))


# To add commands, write a module with `register(app)`, and add it here.
for _register in (
    register_jobs,
    register_map,
    register_bulk,
    register_batch,
    register_public,
    register_endpoints,
    register_diagnose,
    register_serverless,
    register_templates,
    register_pods,
    register_volumes,
    register_costs,
    register_logs,
    register_config,
    register_local,
):
    _register(app)


def run(arguments: Sequence[str], prog: str) -> int:
    """Runs a command, and returns its exit status."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the calling program
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - until the process ends
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            _run(arguments, prog)
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else FAILED if end.code else 0
        except OutputClosedError:
            _discard_output()
            return PIPE_CLOSED
        except RunpodError as error:
            return report(error)
        except OSError as error:
            # typer writes help itself.
            if not isinstance(error, OutputError) and error.errno not in FULL_DISK:
                raise
            _discard_output()
            note(f"The output cannot be written: {error.strerror or error}.")
            return API_ERROR
        except KeyboardInterrupt:
            interrupted()
            return INTERRUPTED
    return 0


def _run(arguments: Sequence[str], prog: str) -> None:
    try:
        app(list(arguments), prog_name=prog)
    finally:
        flush_data()  # help, which typer or argparse wrote


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Prints a warning without the line of code that caused it, which is the library's."""
    note(str(message))


def _discard_output() -> None:
    """Lets the interpreter flush standard output at exit without another error."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(devnull, sys.stdout.fileno())
    except (OSError, ValueError):  # not a file, in a test
        pass
    finally:
        os.close(devnull)
