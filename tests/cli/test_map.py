"""The command `map`."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runpod._sync.session import Session
from runpod.models.jobs import JobState
from runpod.models.status import JobStatus
from tests.cli.many import ManyServer, cost_in, lines_of, write_rows
from tests.cli.programs import PROGRAM, TIMEOUT, Process, Terminal, wait_for
from tests.cli.test_terminal import HOSTILE, assert_harmless

if TYPE_CHECKING:
    from runpod._protocol.operations import Operation
    from tests.cli.conftest import Command

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither signals nor pseudo-terminals")


@pytest.fixture
def server(many: ManyServer) -> ManyServer:
    return many


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return tmp_path / "rows.jsonl"


def test_a_line_for_each_result(server: ManyServer, cli: Command, rows: Path) -> None:
    write_rows(rows, {"n": 0}, {"output": None}, {"error": "no \x1b unicorns"}, {"n": "é\u202e\x9b"})
    done = cli("map", "echo", str(rows))
    assert 1 == done.status
    assert "1 of 4 rows did not succeed.\n" == done.err
    found = sorted(lines_of(done.out), key=lambda line: line["index"])
    assert [0, 1, 2, 3] == [line["index"] for line in found]
    assert ["COMPLETED", "COMPLETED", "FAILED", "COMPLETED"] == [line["status"] for line in found]
    names = ["index", "status", "job_id", "output", "queued_ms", "running_ms"]
    assert names == list(found[0])
    assert ({"n": 0}, None, {"n": "é\u202e\x9b"}) == tuple(found[n]["output"] for n in (0, 1, 3))
    assert "unicorns" in found[2]["error"]
    assert isinstance(found[0]["running_ms"], int)
    assert {line["job_id"] for line in found} == {job["id"] for job in server.jobs["echo"][-4:]}
    assert all(line.isprintable() for line in done.out.splitlines())


def test_outputs_alone(server: ManyServer, cli: Command, rows: Path) -> None:
    done = cli("map", "echo", write_rows(rows, {"n": 0}, {"error": "unicorns"}), "--output-only")
    assert (1, [{"n": 0}]) == (done.status, lines_of(done.out))
    assert re.match(r"Row 1: Job '.*' failed: ValueError: unicorns\. .* is in `error` of the state\.\n", done.err)


@posix
def test_results_as_they_come_or_in_order(server: ManyServer, rows: Path) -> None:
    write_rows(rows, {"gate": "first"}, {"n": 1}, {"n": 2})
    with Process("map", "echo", str(rows)) as process:
        # Flushed line by line, before the first row ends.
        assert {1, 2} == {json.loads(process.read_line())["index"] for _ in range(2)}
        server.gates["first"].set()
        assert (0, 0, "") == (json.loads(process.read_line())["index"], process.end().status, process.err)
    server.gates.clear()
    before = len(server.jobs["echo"])
    with Process("map", "echo", str(rows), "--ordered") as process:
        wait_for(lambda: [j["status"] for j in server.jobs["echo"][before:]].count("COMPLETED") == 2)
        server.gates["first"].set()
        done = process.end()
    assert (0, [0, 1, 2], "") == (done.status, [line["index"] for line in lines_of(done.out)], done.err)


def test_never_more_than_in_flight(server: ManyServer, cli: Command, rows: Path) -> None:
    seen: list[int] = []

    class Gate(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            # The workers stop until there are as many as allowed.
            wait_for(lambda: 3 in seen or len(server.unfinished()) >= 3)
            seen.append(len(server.unfinished()))
            return True

    server.gates["a"] = Gate()
    write_rows(rows, *({"gate": "a"} for _ in range(30)))
    assert 0 == cli("map", "echo", str(rows), "--in-flight", "3").status
    assert (30, 3) == (len(seen), max(seen))


def test_templates_and_formats(server: ManyServer, cli: Command, rows: Path, tmp_path: Path) -> None:
    template = '{"prompt": "A {{animal}}", "seed": "{{seed}}"}'
    (tmp_path / "template.json").write_text(template)
    write_rows(rows, {"animal": "horse", "seed": 7})
    (tmp_path / "rows.csv").write_text("animal,seed\nhorse,7\n")
    for arguments in ([str(rows), "--input", template], [str(rows), "--input", f"@{tmp_path}/template.json"]):
        done = cli("map", "echo", *arguments, "--output-only")
        assert (0, {"prompt": "A horse", "seed": 7}, "") == (done.status, done.json, done.err)
    done = cli("map", "echo", str(tmp_path / "rows.csv"), "--input", template, "--output-only")
    assert {"prompt": "A horse", "seed": "7"} == done.json
    done = cli("map", "echo", "-", "--format", "csv", "--output-only", stdin=b"animal,seed\nhorse,7\n")
    assert {"animal": "horse", "seed": "7"} == done.json
    done = cli("map", "echo", "-", "--output-only", stdin=rows.read_bytes())
    assert {"animal": "horse", "seed": 7} == done.json


def test_parquet(server: ManyServer, cli: Command, tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"n": [1]}), tmp_path / "rows.parquet")
    assert {"n": 1} == cli("map", "echo", str(tmp_path / "rows.parquet"), "--output-only").json


def test_no_rows(server: ManyServer, cli: Command, rows: Path) -> None:
    done = cli("map", "echo", write_rows(rows))
    assert (0, "", "") == (done.status, done.out, done.err)


def test_an_unreadable_row_is_found_before_anything_is_submitted(server: ManyServer, cli: Command, rows: Path) -> None:
    rows.write_text('{"n": 0}\n' * 730 + "{\n" + '{"n": 1}\n')
    before = server.submissions()
    done = cli("map", "echo", str(rows))
    assert (2, "") == (done.status, done.out)
    assert done.err.startswith("line 731 of rows.jsonl: not valid JSON: ")
    assert done.err.endswith(" Nothing was submitted. Pass --on-error skip to skip such rows.\n")
    done = cli("map", "echo", write_rows(rows, {"n": 0}, {"m": 0}), "--input", '{"n": "{{n}}"}')
    assert (2, "") == (done.status, done.out)
    assert "line 2 of rows.jsonl: The template needs a column that the row lacks: there is no column 'n'" in done.err
    assert before == server.submissions()


def test_unreadable_rows_are_skipped(server: ManyServer, cli: Command, rows: Path) -> None:
    rows.write_text('{"n": 0}\nx\n{"n": 2}\n' + "[]\n" * 30)
    for arguments, stdin in (([str(rows)], b""), (["-"], rows.read_bytes())):
        done = cli("map", "echo", *arguments, "--on-error", "skip", stdin=stdin)
        assert 0 == done.status
        # The index is that of the row in the file.
        assert {0, 2} == {line["index"] for line in lines_of(done.out)}
        name = "standard input" if stdin else "rows.jsonl"
        notes = done.err.splitlines()
        assert f"Skipped line 2 of {name}: not valid JSON: Expecting value at column 1." == notes[0]
        assert ("Skipped 11 more rows.", 21) == (notes[-1], len(notes))


def test_an_unreadable_row_of_standard_input(server: ManyServer, cli: Command) -> None:
    done = cli("map", "echo", "-", stdin=b'{"n": 0}\nx\n{"n": 2}\n')
    assert (2, [0]) == (done.status, [line["index"] for line in lines_of(done.out)])
    assert "line 2 of standard input: not valid JSON: Expecting value at column 1.\n" == done.err


def test_options_of_the_requests(server: ManyServer, cli: Command, rows: Path) -> None:
    options = ["--execution-timeout", "60", "--ttl", "0.5e3", "--low-priority", "--webhook", server.base_url]
    before = len(server.requests)
    assert 0 == cli("map", "echo", write_rows(rows, {"n": 1}), *options).status
    [body] = [json.loads(record.body) for record in server.requests[before:] if record.path.endswith("/run")]
    policy = {"executionTimeout": 60_000, "ttl": 500_000, "lowPriority": True}
    assert {"input": {"n": 1}, "policy": policy, "webhook": server.base_url} == body


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--in-flight", "0"], "Invalid value for '--in-flight'"),
        (["--in-flight", "-1"], "Invalid value for '--in-flight'"),
        (["--in-flight", "many"], "Invalid value for '--in-flight'"),
        (["--timeout", "0"], "Invalid value for '--timeout': '0' is not a positive number of seconds."),
        (["--job-timeout", "x"], "Invalid value for '--job-timeout': 'x' is not a positive number of seconds."),
        (["--execution-timeout", "-1"], "Invalid value for '--execution-timeout'"),
        (["--webhook", "ftp://x"], "webhook must be an absolute URL that starts with https://"),
        (["--on-exit", "drop"], "Invalid value for '--on-exit'"),
        (["--on-error", "ignore"], "Invalid value for '--on-error'"),
        (["--format", "xml"], "Invalid value for '--format'"),
        (["--input", "{{n}}"], "The template is not valid JSON"),
        (["--input", "{}"], "The template has no placeholder"),
        (["--input", '{"n": "{{n"}'], "The template has unbalanced braces"),
        (["--input", "@no such file"], "The file 'no such file' cannot be read: No such file or directory.\n"),
        (["--input", "-"], "The template cannot be read from standard input."),
        (["--profile", "x"], "there is no profile 'x' in ~/.runpod/config.toml."),
    ],
)
def test_an_invalid_option(server: ManyServer, cli: Command, rows: Path, arguments: list[str], message: str) -> None:
    before = server.submissions()
    done = cli("map", "echo", write_rows(rows, {"n": 1}), *arguments)
    assert (2, "") == (done.status, done.out)
    assert message in done.err
    assert before == server.submissions()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.jsonl", "missing.jsonl cannot be read: No such file or directory."),
        ("rows.txt", "has the suffix '.txt'. Use .jsonl, .csv, .tsv or .parquet, or pass --format."),
        ("rows.json", "A JSON file can be converted with: jq -c '.[]' rows.json > rows.jsonl"),
        (".", "or pass --format."),
    ],
)
def test_an_invalid_file(server: ManyServer, cli: Command, tmp_path: Path, name: str, message: str) -> None:
    done = cli("map", "echo", str(tmp_path / name))
    assert (2, "") == (done.status, done.out)
    assert message in done.err
    assert 1 == done.err.count("\n")


def test_rows_are_required(cli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Missing argument 'ROWS'." in cli("map", "echo").err
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_x")
    command = ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *PROGRAM, "map", "echo", "-"]
    if sys.platform != "win32":
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
        assert (2, "") == (done.returncode, done.stdout)
        assert "Standard input is closed. Pass a file, or pipe rows into the command.\n" == done.stderr


@pytest.mark.parametrize(("status", "expected"), [(401, 4), (403, 4), (404, 5)])
def test_an_error_that_concerns_all_rows(
    server: ManyServer, cli: Command, rows: Path, status: int, expected: int
) -> None:
    server.faults.fail("run", status=status)
    done = cli("map", "echo", write_rows(rows, {"n": 1}))
    assert (expected, "") == (done.status, done.out)
    assert f"HTTP {status}" in done.err


def test_a_row_in_doubt(server: ManyServer, cli: Command, rows: Path) -> None:
    server.faults.cut("run", processed=True)
    done = cli("map", "echo", write_rows(rows, {"n": 1}))
    [line] = lines_of(done.out)
    assert (1, "DOUBTFUL", None) == (done.status, line["status"], line["job_id"])
    assert "may" in line["error"]
    server.faults.fail("run", status=400)
    done = cli("map", "echo", str(rows))
    [line] = lines_of(done.out)
    assert (1, "FAILED", None) == (done.status, line["status"], line["job_id"])


@pytest.mark.parametrize("on_exit", ["cancel", "keep"])
def test_a_timeout(server: ManyServer, cli: Command, rows: Path, on_exit: str) -> None:
    done = cli("map", "echo", write_rows(rows, {"gate": "a"}), "--timeout", "2", "--on-exit", on_exit)
    assert (3, "") == (done.status, done.out)
    message, end = done.err.splitlines()
    assert "did not end within the timeout of 2 s" in message
    [left] = server.unfinished() or [None]
    if on_exit == "cancel":
        assert ("1 unfinished job was cancelled.", None) == (end, left)
    else:
        assert f"1 job goes on (to cancel one: runpod-sdk cancel echo JOB): {left}" == end


def test_jobs_that_cannot_be_cancelled(server: ManyServer, cli: Command, rows: Path) -> None:
    server.faults.fail("cancel", status=401, times=2)
    done = cli("map", "echo", write_rows(rows, *({"gate": "a"} for _ in range(3))), "--timeout", "1")
    assert (3, "") == (done.status, done.out)
    _, cancelled, left, reason = done.err.splitlines()
    assert "1 unfinished job was cancelled." == cancelled
    start = "2 jobs were not cancelled (to cancel one: runpod-sdk cancel echo JOB): "
    assert left.startswith(start)
    assert set(server.unfinished()) == set(left.removeprefix(start).split())
    assert reason.startswith("The cancellation failed: cancel on endpoint 'echo' failed with HTTP 401")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("CANCELLED", "1 unfinished job was cancelled."),
        ("TIMED_OUT", "1 job had ended just before the cancellation: {}"),
        ("IN_PROGRESS", "1 job was not cancelled (to cancel one: runpod-sdk cancel echo JOB): {}"),
        # A status that the library does not know is not final.
        ("PAUSED", "1 job was not cancelled (to cancel one: runpod-sdk cancel echo JOB): {}"),
    ],
)
def test_the_status_after_a_cancellation(
    server: ManyServer, cli: Command, rows: Path, monkeypatch: pytest.MonkeyPatch, status: str, expected: str
) -> None:
    def request_state(self: Session, operation: Operation, endpoint: str, job: str, deadline: Any) -> JobState[Any]:
        return JobState(id=job, status=JobStatus(status))

    monkeypatch.setattr(Session, "request_state", request_state)
    done = cli("map", "echo", write_rows(rows, {"gate": "a"}), "--timeout", "1")
    assert 3 == done.status
    [job] = server.unfinished()
    assert expected.format(job) == done.err.splitlines()[1]


def test_a_timeout_of_a_job(server: ManyServer, cli: Command, rows: Path) -> None:
    done = cli("map", "echo", write_rows(rows, {"gate": "a"}), "--job-timeout", "0.5")
    [line] = lines_of(done.out)
    assert 1 == done.status
    assert "0.5 s" in line["error"]
    assert "It was cancelled." in line["error"]
    assert not server.unfinished()


@posix
def test_a_closed_pipe_cancels_what_is_unfinished(server: ManyServer, rows: Path) -> None:
    write_rows(rows, {"n": 0}, {"gate": "second"}, {"gate": "third"})
    with Process("map", "echo", str(rows)) as process:
        assert 0 == json.loads(process.read_line())["index"]
        process.close_output()
        wait_for(lambda: len(server.unfinished()) == 2 and server.waited_for())
        server.gates["second"].set()
        done = process.end()
    assert 141 == done.status
    message = "The output cannot be written any more. 1 unfinished job is being cancelled.\n"
    assert f"{message}1 unfinished job was cancelled.\n" == done.err
    assert not server.unfinished()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/full exists on Linux only")
def test_a_full_disk(server: ManyServer, rows: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, "map", "echo", write_rows(rows, {"n": 1}, {"gate": "a"})],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
    assert 5 == done.returncode
    assert done.stderr.endswith("The output cannot be written: No space left on device.\n")
    assert not server.unfinished()


@posix
def test_leaving_while_nobody_reads_the_output(server: ManyServer, rows: Path) -> None:
    # More than fits into a pipe.
    write_rows(rows, {"output": "x" * 200_000}, {"gate": "a"})
    server.faults.delay("cancel", 100)
    with Process("map", "echo", str(rows)) as process:
        assert "{" == process.process.stdout.read(1)
        wait_for(lambda: len(server.unfinished()) == 1 and server.waited_for())
        process.interrupt()
        process.wait_for("1 unfinished job is being cancelled. Press Ctrl-C again to leave at once.")
        process.interrupt()
        assert 130 == process.process.wait(TIMEOUT)
        process.wait_for("1 job was not cancelled (to cancel one: ")


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels(number: int, server: ManyServer, rows: Path) -> None:
    write_rows(rows, {"n": 0}, *({"gate": "a"} for _ in range(3)))
    with Process("map", "echo", str(rows)) as process:
        process.read_line()
        wait_for(lambda: len(server.unfinished()) == 3 and server.waited_for())
        jobs = server.unfinished()
        process.interrupt(number)
        done = process.end()
    assert (128 + number, "") == (done.status, done.out)
    first, second = done.err.splitlines()
    assert "Interrupted. 3 unfinished jobs are being cancelled. Press Ctrl-C again to leave at once." == first
    assert "3 unfinished jobs were cancelled." == second
    assert {"CANCELLED"} == {job["status"] for job in server.jobs["echo"] if job["id"] in jobs}


@posix
def test_ctrl_c_keeps(server: ManyServer, rows: Path) -> None:
    write_rows(rows, *({"gate": "a"} for _ in range(3)))
    before = server.submissions()
    with Process("map", "echo", str(rows), "--on-exit", "keep", "--in-flight", "2") as process:
        wait_for(lambda: len(server.unfinished()) == 2 and server.waited_for())
        process.interrupt()
        done = process.end()
    assert (130, "") == (done.status, done.out)
    assert "Interrupted. 2 unfinished jobs go on." in done.err
    left = done.err.splitlines()[-1].partition("2 jobs go on (to cancel one: python -m runpod cancel echo JOB): ")[2]
    assert set(server.unfinished()) == set(left.split())
    assert 2 == server.submissions() - before


@posix
def test_a_second_ctrl_c_leaves_at_once(server: ManyServer, rows: Path) -> None:
    write_rows(rows, {"gate": "a"}, {"gate": "a"})
    with Terminal("map", "echo", str(rows), out=False) as terminal:
        wait_for(lambda: len(server.unfinished()) == 2 and server.waited_for())
        terminal.wait_for("Running  0/2")
        jobs = server.unfinished()
        server.faults.delay("cancel", 100, times=2)
        terminal.type("\x03")
        terminal.wait_for("2 unfinished jobs are being cancelled. Press Ctrl-C again to leave at once.")
        terminal.type("\x03")
        done = terminal.end()
    assert (130, "") == (done.status, done.out)
    assert "Traceback" not in done.err
    left = done.err.splitlines()[-1].partition("2 jobs were not cancelled (to cancel one: python -m runpod cancel ")[2]
    assert set(jobs) == set(left.partition("): ")[2].split())


@posix
def test_ctrl_c_while_standard_input_is_read(server: ManyServer) -> None:
    with Process("map", "echo", "-") as process:
        process.write('{"n": 0}\n')
        assert 0 == json.loads(process.read_line())["index"]  # before the end of the input
        process.interrupt()
        done = process.end()
    note = "Interrupted. 0 unfinished jobs are being cancelled. Press Ctrl-C again to leave at once.\n"
    assert (130, "", note) == (done.status, done.out, done.err)


@posix
def test_progress_and_report_in_a_terminal(server: ManyServer, rows: Path) -> None:
    write_rows(rows, {"n": 0}, {"error": HOSTILE}, {"gate": "a"}, {"output": HOSTILE})
    with Terminal("map", "echo", str(rows), out=False) as terminal:
        terminal.wait_for("Running  3/4  1 failed  ")
        terminal.wait_for_changes(r"/s  (\d+:\d\d:\d\d)")  # while nothing happens
        server.open()
        done = terminal.end()
    assert (1, 4) == (done.status, len(done.out.splitlines()))
    assert all(line.isprintable() for line in done.out.splitlines())
    assert_harmless(done.err)
    report = done.err.rpartition("1 of 4 rows did not succeed.\n")[2]
    assert re.match(r"Submitted +4\nCompleted +3\nFailed +1\nElapsed ", report)
    assert "Running" in report
    assert "\x1b[?25h" in done.err  # the cursor is shown again


@posix
def test_results_in_a_terminal(server: ManyServer, rows: Path) -> None:
    picture = "iVBORw0KGgo" * 1000
    write_rows(rows, {"output": HOSTILE}, *({"output": picture} for _ in range(3)))
    with Terminal("map", "echo", str(rows)) as terminal:
        done = terminal.end()
    assert 0 == done.status
    assert_harmless(done.err)
    assert 3 == done.err.count('"output":"<image/png, 8.25 kB>"')
    assert 1 == done.err.count("3 files are not shown: add --save DIR to save what outputs contain.")
    assert 4 == len(re.findall(r'^(?:\x1b\[[?0-9;]*[A-Za-z]|\r)*\{"index":', done.err, re.MULTILINE))


@posix
def test_the_report_with_verbose(server: ManyServer, cli: Command, rows: Path) -> None:
    done = cli("map", "echo", write_rows(rows, {"n": 0}), "-v")
    assert "runpod INFO Job " in done.err
    assert re.search(r"^Completed +1$", done.err, re.MULTILINE)
    assert 1 == len(lines_of(done.out))
    assert "" == cli("map", "echo", str(rows)).err


def test_the_cost_in_the_report(server: ManyServer, cli: Command, rows: Path) -> None:
    done = cli("map", "echo", write_rows(rows, {"seconds": 20}), "--price-per-second", "0.5", "-v")
    [line] = lines_of(done.out)
    assert line["running_ms"] >= 20_000
    assert 0.5 * line["running_ms"] / 1000 == pytest.approx(cost_in(done.err), rel=0.001)
