"""The program of `scripts/live`."""

from __future__ import annotations

import argparse
import json
import math
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from live_checks import report
from live_checks.checks import CHECKS
from live_checks.interrupts import like_ctrl_c
from live_checks.plan import PUBLIC_ENDPOINT, PUBLIC_INPUT, Finding, Verdict, costs_of, plan_text
from live_checks.service import Budget, BudgetError, Service
from runpod._config import load_config
from runpod._protocol.operations import check_id
from runpod._text import readable
from runpod.errors import RunpodError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from live_checks.plan import Check, Costs

OK, DIFFERENT, USAGE, STOPPED, INTERRUPTED = 0, 1, 2, 3, 130

_EPILOG = """\
The key comes from RUNPOD_API_KEY or ~/.runpod/config.toml. Exit status: 0 everything as assumed, or not decided; 1 something
differs; 2 wrong usage, nothing was sent; 3 it ended early; 130 interrupted.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program, and return its exit status."""
    options = _parse(arguments)
    if options.list:
        print(_list_text())
        return OK
    checks = _chosen(options.only, public=options.public)
    costs = costs_of(
        checks,
        job_seconds=options.job_seconds,
        price=options.price,
        public=options.public,
        max_jobs=options.max_jobs,
    )
    endpoint = PUBLIC_ENDPOINT if options.public else options.endpoint
    print(plan_text(checks, costs, endpoint=readable(endpoint or "ENDPOINT"), minutes=options.minutes))
    if options.dry_run:
        return OK
    try:
        config = load_config(None, options.base_url, allow_insecure=False)
        endpoint = check_id(endpoint, "endpoint_id")
    except RunpodError as error:
        return _refused(str(error))
    if not (options.yes or _agreed()):
        return USAGE
    try:
        options.report.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return _refused(f"The report could not be written: {error}. Nothing was sent.")
    budget = Budget(costs.checking_requests, costs.jobs, options.minutes * 60)
    job_input = PUBLIC_INPUT if options.public else options.input
    service = Service(
        config, endpoint, job_input, budget, job_seconds=options.job_seconds, job_timeout=options.job_timeout
    )
    return run(service, checks, options.report)


def run(service: Service, checks: Sequence[Check], folder: Path) -> int:
    """Run the checks, cancel what is left, and write the report."""
    findings: list[Finding] = []
    ended = ""
    status = OK
    left: list[str] = []
    try:
        ended = _perform(service, checks, findings)
        status = STOPPED if ended else OK
    except KeyboardInterrupt:
        ended, status = "interrupted", INTERRUPTED
    except BaseException:  # Such as a closed pipe.
        service.cancel_all()
        raise
    # Before anything is printed, which fails if the terminal was closed.
    try:
        left = service.cancel_all()
    except KeyboardInterrupt:
        left, status = list(service.open_jobs), INTERRUPTED
    finally:
        service.close()
    if status == OK and any(finding.verdict is Verdict.REFUTED for finding in findings):
        status = DIFFERENT
    found = report.as_json(service, findings, interrupted=ended, left=left)
    try:
        paths = report.write(found, folder)
        written, problem = f"Report: {paths[0]} and {paths[1]}. Read it before you publish it.", ""
    except OSError as error:
        written, problem = "", f"The report could not be written: {error}"
        status = max(status, STOPPED)
    print()
    if ended:
        print(f"It ended early: {ended}.", file=sys.stderr)
    if left:
        print(f"These jobs may still run: {', '.join(found['jobs_left'])}", file=sys.stderr)
    if service.unknown_jobs:
        print(f"{service.unknown_jobs} jobs may run whose IDs are unknown: see the console.", file=sys.stderr)
    print(problem or written, file=sys.stderr if problem else sys.stdout)
    return status


def _perform(service: Service, checks: Sequence[Check], findings: list[Finding]) -> str:
    """Run the checks; returns why it ended early, or nothing."""
    stopped = _refusal(service)
    for check in checks:
        service.check = check.name
        found: list[Finding] = []
        is_run = not stopped
        try:
            if is_run:
                found += check.run(service)
        except BudgetError as error:
            stopped = str(error)
        except RunpodError as error:
            stopped = f"{check.name}: {readable(service.hidden(str(error)))}"
        known = {finding.fact for finding in found}
        found += [
            Finding(fact, Verdict.UNDECIDED, stopped or "no response") for fact in check.facts if fact not in known
        ]
        findings += found
        for finding in found if is_run else ():
            print(f"  {finding.verdict.value:11}  {finding.fact}: {finding.note}")
    return stopped


def _refusal(service: Service) -> str:
    """Why nothing can be checked: the key or the endpoint is refused, or there is no time; or nothing."""
    service.check = "(key)"
    try:
        tried = service.request("GET", "health")
    except BudgetError as error:
        return str(error)
    if tried.status in {401, 403, 404}:
        return f"GET /health: {tried}. Check the key and the endpoint ID; nothing else was sent"
    return ""


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/live",
        description="Check what this library assumes about the service, against the service. It shows what it costs, and asks.",
        epilog=_EPILOG,
    )
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--endpoint", metavar="ID", help="a queue endpoint of yours with a small, quick handler")
    target.add_argument("--public", action="store_true", help=f"the public endpoint {PUBLIC_ENDPOINT}")
    parser.add_argument(
        "--input", type=_object, default={"live_check": True}, metavar="JSON", help="the input of each job"
    )
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="only this check; can be repeated")
    parser.add_argument("--list", action="store_true", help="list the checks")
    parser.add_argument("--dry-run", action="store_true", help="show what would be done, and send nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask; required without a terminal")
    parser.add_argument("--price", type=_positive, metavar="USD", help="price of a worker per second")
    parser.add_argument(
        "--job-seconds", type=_positive, default=30.0, metavar="S", help="execution timeout of each job"
    )
    parser.add_argument("--job-timeout", type=_positive, default=120.0, metavar="S", help="how long to wait for a job")
    parser.add_argument("--minutes", type=_positive, default=5.0, help="hard limit of the whole run")
    parser.add_argument("--max-jobs", type=_count, default=10, help="hard limit of jobs")
    parser.add_argument("--base-url", metavar="URL", help="another address of the API, such as a local server's")
    parser.add_argument("--report", type=Path, default=Path(".live"), metavar="FOLDER", help="where the report goes")
    options = parser.parse_args(arguments)
    if options.job_seconds < 5:
        parser.error("--job-seconds must be at least 5, the minimum of the service")
    unknown = [name for name in options.only if name not in {check.name for check in CHECKS}]
    for name in unknown:
        near = get_close_matches(name, [check.name for check in CHECKS], 1)
        parser.error(f"there is no check {name!r}" + (f"; did you mean {near[0]!r}?" if near else "; see --list"))
    if not (options.endpoint or options.public or options.list or options.dry_run):
        parser.error("pass --endpoint ID, or --public; --list and --dry-run need neither")
    return options


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise argparse.ArgumentTypeError("it is not valid JSON") from None
    if not isinstance(value, dict) or not value:
        raise argparse.ArgumentTypeError("it must be a JSON object that is not empty")
    return cast("dict[str, Any]", value)


def _positive(text: str) -> float:
    value = float(text)
    if not (value > 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError("it must be a positive number")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("it must be 0 or more")
    return value


def _chosen(only: Sequence[str], *, public: bool) -> list[Check]:
    if only:
        return [check for check in CHECKS if check.name in only]
    # A public model has many workers, and its queue host is not the user's.
    left_out = {"queue-host", "queued-stream"} if public else set[str]()
    return [check for check in CHECKS if not check.on_request and check.name not in left_out]


def _list_text() -> str:
    width = max(len(check.name) for check in CHECKS)
    lines: list[str] = []
    for check in CHECKS:
        lines.append(f"{check.name.ljust(width)}  {check.question}{' Only by --only.' if check.on_request else ''}")
        lines.append(f"{' ' * width}  If the assumption is wrong: {check.at_stake}")
        lines.append(f"{' ' * width}  {_cost_text(costs_of([check], job_seconds=30.0), check)}")
    return "\n".join(lines)


def _cost_text(costs: Costs, check: Check) -> str:
    waits = f", waits {check.waits:g} s" if check.waits else ""
    return f"Requests at most: {costs.requests}; jobs at most: {costs.jobs}{waits}."


def _agreed() -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        _refused("Add --yes to run this without a terminal.")
        return False
    try:
        answer = input("Go on? [y/N] ")
    except (EOFError, KeyboardInterrupt):
        answer = ""
        print()
    if answer.strip().lower() not in {"y", "yes"}:
        _refused("Nothing was sent.")
        return False
    return True


def _refused(reason: str) -> int:
    print(readable(reason), file=sys.stderr)
    return USAGE


if __name__ == "__main__":
    like_ctrl_c()
    sys.exit(main())
