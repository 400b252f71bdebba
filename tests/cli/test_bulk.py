"""The commands `bulk run`, `bulk status` and `bulk export`."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runpod.bulk import BulkRun
from runpod.cli.exit_status import exit_status
from runpod.errors import RunFileError
from tests.cli.many import ManyServer, cost_in, lines_of, write_rows
from tests.cli.programs import PROGRAM, TIMEOUT, Process, Terminal, wait_for
from tests.cli.test_terminal import HOSTILE, assert_harmless

if TYPE_CHECKING:
    from tests.cli.conftest import Command

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither signals nor pseudo-terminals")


@pytest.fixture
def server(many: ManyServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ManyServer:
    monkeypatch.chdir(tmp_path)
    return many


def gated(*gates: str) -> str:
    rows = [{"id": f"k{index}", "gate": gate} if gate else {"id": f"k{index}"} for index, gate in enumerate(gates)]
    return write_rows(Path("rows.jsonl"), *rows)


def counts(cli: Command) -> dict[str, int]:
    """The numbers of rows in the run file that are not 0."""
    return {
        name: number for name, number in cli("bulk", "status", "--db", "run.sqlite").json["counts"].items() if number
    }


def go_on(err: str) -> list[str]:
    """The command in the last message."""
    prog, *words = shlex.split(err.splitlines()[-1].rpartition(": ")[2])
    assert prog in {"python", "runpod-sdk"}
    return words[2:] if prog == "python" else words


def test_it_starts_and_goes_on_with_the_same_command(server: ManyServer, cli: Command) -> None:
    before = server.submissions()
    command = ["bulk", "run", "echo", gated("", "", ""), "--db", "run.sqlite", "--key", "id"]
    done = cli(*command)
    assert (0, "", "3 rows added, 0 known, 0 skipped.\n") == (done.status, done.out, done.err)
    gated("", "", "", "")
    done = cli(*command, "--out", "results.jsonl")
    assert (0, "", "1 row added, 3 known, 0 skipped.\n") == (done.status, done.out, done.err)
    results = lines_of(Path("results.jsonl").read_text())
    assert [f"k{n}" for n in range(4)] == [line["key"] for line in results]
    assert ["key", "status", "job_id", "output", "queued_ms", "running_ms"] == list(results[0])
    # Without the rows, which are in the run file.
    done = cli("bulk", "run", "echo", "--db", "run.sqlite", "--out", "-")
    assert (0, results, "") == (done.status, lines_of(done.out), done.err)
    assert 4 == server.submissions() - before


def test_failed_rows_and_how_to_submit_them_again(server: ManyServer, cli: Command) -> None:
    rows = write_rows(Path("rows.jsonl"), {"id": 1, "error": "no \x1b unicorns"}, {"id": 2})
    done = cli("bulk", "run", "echo", rows, "--db", "run.sqlite", "--key", "id", "--out", "out.csv", "--ttl", "60.5")
    assert (1, "") == (done.status, done.out)
    assert done.err.splitlines()[-1].startswith("1 row failed. To submit again: runpod-sdk bulk run echo")
    assert {"COMPLETED": 1, "FAILED": 1} == counts(cli)
    assert 3 == Path("out.csv").read_text().count("\n")
    command = go_on(done.err)
    assert ["--out", "out.csv", "--ttl", "60.5", "--resubmit", "failed"] == command[-6:]
    # Not by itself.
    assert 1 == cli(*command[:-2]).status
    server.is_broken = False
    done = cli(*command)
    assert (0, "", "") == (done.status, done.out, done.err)
    assert {"COMPLETED": 2} == counts(cli)
    done = cli("bulk", "run", "echo", "--db", "run.sqlite", "--resubmit-key", "2")
    assert (2, "") == (done.status, done.out)
    assert "The row with the key 2 cannot be resubmitted: it has completed" in done.err.replace("'2'", "2")


def test_resubmit_keys(server: ManyServer, cli: Command) -> None:
    rows = write_rows(Path("rows.jsonl"), *({"id": f"k{n}", "error": "x"} for n in range(3)))
    assert 1 == cli("bulk", "run", "echo", rows, "--db", "run.sqlite", "--key", "id").status
    server.is_broken = False
    done = cli("bulk", "run", "echo", "--db", "run.sqlite", "--resubmit-key", "k0", "--resubmit-key", "k2")
    assert 1 == done.status
    assert {"COMPLETED": 2, "FAILED": 1} == counts(cli)


def test_templates_and_keys(server: ManyServer, cli: Command) -> None:
    Path("rows.csv").write_text("id,caption\na,horse\nb,cow\n")
    template = '{"prompt": "A {{caption}}"}'
    command = ["bulk", "run", "echo", "rows.csv", "--db", "run.sqlite", "--key", "id", "--input", template]
    assert 0 == cli(*command).status
    out = lines_of(cli("bulk", "export", "--db", "run.sqlite", "--out", "-").out)
    assert [("a", {"prompt": "A horse"}), ("b", {"prompt": "A cow"})] == [(r["key"], r["output"]) for r in out]
    # Without a key: the number of the row. From standard input.
    done = cli("bulk", "run", "echo", "-", "--db", "other.sqlite", stdin=b'{"n": 0}\n{"n": 1}\n')
    assert 0 == done.status
    out = lines_of(cli("bulk", "export", "--db", "other.sqlite", "--out", "-").out)
    assert ["1", "2"] == [r["key"] for r in out]
    done = cli("bulk", "run", "echo", "-", "--db", "other.sqlite", stdin=b'{"n": 1}\n')
    assert 2 == done.status
    assert "pass --key to add other rows" in done.err


def test_changed_rows_are_noticed(server: ManyServer, cli: Command) -> None:
    command = ["bulk", "run", "echo", "rows.jsonl", "--db", "run.sqlite", "--key", "id"]
    write_rows(Path("rows.jsonl"), {"id": 1, "n": 0})
    assert 0 == cli(*command).status
    write_rows(Path("rows.jsonl"), {"id": 1, "n": 1})
    done = cli(*command)
    assert 0 == done.status
    assert "1 of 1 known rows were added with another input than before." in done.err


def test_options_of_the_requests(server: ManyServer, cli: Command) -> None:
    options = ["--execution-timeout", "60", "--ttl", "0.5e3", "--low-priority", "--webhook", server.base_url]
    before = len(server.requests)
    assert 0 == cli("bulk", "run", "echo", gated(""), "--db", "run.sqlite", *options).status
    [body] = [json.loads(record.body) for record in server.requests[before:] if record.path.endswith("/run")]
    policy = {"executionTimeout": 60_000, "ttl": 500_000, "lowPriority": True}
    assert {"input": {"id": "k0"}, "policy": policy, "webhook": server.base_url} == body


def test_the_cost_in_the_report(server: ManyServer, cli: Command) -> None:
    rows = write_rows(Path("rows.jsonl"), {"seconds": 20})
    words = ["bulk", "run", "echo", rows, "--db", "run.sqlite", "--out", "-"]
    done = cli(*words, "--price-per-second", "0.5", "-v")
    [line] = lines_of(done.out)
    assert line["running_ms"] >= 20_000
    assert 0.5 * line["running_ms"] / 1000 == pytest.approx(cost_in(done.err), rel=0.001)


def test_unreadable_rows(server: ManyServer, cli: Command) -> None:
    Path("rows.jsonl").write_text('{"id": 0}\nx\n{"n": 2}\n' + "[]\n" * 30)
    command = ["bulk", "run", "echo", "rows.jsonl", "--db", "run.sqlite", "--key", "id"]
    before = server.submissions()
    done = cli(*command)
    message = "line 2 of rows.jsonl: not valid JSON: Expecting value at column 1. Nothing was added.\n"
    assert (2, "", message) == (done.status, done.out, done.err)
    assert (0, {}) == (server.submissions() - before, counts(cli))
    done = cli(*command, "--on-error", "skip")
    assert 0 == done.status
    notes = done.err.splitlines()
    assert "Skipped line 2 of rows.jsonl: not valid JSON: Expecting value at column 1." == notes[0]
    assert notes[1].startswith("Skipped line 3 of rows.jsonl: there is no column 'id'; the columns are 'n'.")
    assert ["Skipped 12 more rows.", "1 row added, 0 known, 32 skipped."] == notes[20:]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rows.jsonl", "--in-flight", "0"], "Invalid value for '--in-flight'"),
        (["rows.jsonl", "--timeout", "-1"], "Invalid value for '--timeout': '-1' is not a positive number of seconds."),
        (["rows.jsonl", "--job-timeout", "x"], "Invalid value for '--job-timeout'"),
        (["rows.jsonl", "--on-error", "ignore"], "Invalid value for '--on-error'"),
        (["rows.jsonl", "--resubmit", "all"], "Invalid value for '--resubmit'"),
        (["--resubmit", "failed", "--resubmit-key", "k0"], "pass only one of --resubmit and --resubmit-key."),
        (["--key", "id"], "--key is for ROWS, which are missing."),
        (["--input", '{"n": "{{n}}"}'], "--input is for ROWS, which are missing."),
        (["rows.jsonl", "--webhook", "ftp://x"], "webhook must be an absolute URL that starts with https://"),
        (["rows.jsonl", "--key", "ID"], "line 1 of rows.jsonl: there is no column 'ID'"),
        (["rows.jsonl", "--key", "n"], "the key in column 'n' must be a str or an int, not list"),
        (
            ["double.jsonl", "--key", "id"],
            "line 2 of double.jsonl: the key 'k0' is also that of line 1 of double.jsonl",
        ),
        (["rows.jsonl", "--input", '{"n": "{{m}}"}'], "the row lacks: there is no column 'm'"),
        (["rows.jsonl", "--input", "x"], "The template is not valid JSON"),
        (["missing.jsonl"], "missing.jsonl cannot be read: No such file or directory."),
        (["rows.txt"], "or pass --format."),
        (["rows.jsonl", "--out", "results.txt"], "or pass --format."),
        (["rows.jsonl", "--out", "no/results.jsonl"], "cannot be written: its folder does not exist."),
        (["rows.jsonl", "--out", "."], "or pass --format."),
        ([], "run.sqlite does not exist."),
        (["rows.jsonl", "--db", "."], ". is a folder."),
        (["rows.jsonl", "--db", "no/run.sqlite"], "its folder does not exist."),
        (["rows.jsonl", "--db", "rows.jsonl"], "rows.jsonl is not a run file."),
        (["rows.jsonl", "--db", "other.sqlite"], "other.sqlite is a run of endpoint 'other', not of 'echo'."),
        (["rows.jsonl", "--db", "foreign.sqlite"], "foreign.sqlite is the database of another program"),
        (["rows.jsonl", "--db", "other.sqlite", "--out", "other.sqlite"], "or pass --format."),
        (["--db", "other.sqlite", "--resubmit-key", "k9"], "is a run of endpoint 'other'"),
    ],
)
def test_invalid_arguments(server: ManyServer, cli: Command, arguments: list[str], message: str) -> None:
    write_rows(Path("rows.jsonl"), {"id": "k0", "n": []})
    write_rows(Path("double.jsonl"), {"id": "k0"}, {"id": "k0"})
    with sqlite3.connect("foreign.sqlite") as connection:
        connection.execute("CREATE TABLE t (n)")
    connection.close()
    assert 0 == cli("bulk", "run", "other", "rows.jsonl", "--db", "other.sqlite").status
    before = server.submissions()
    database = [] if "--db" in arguments else ["--db", "run.sqlite"]
    done = cli("bulk", "run", "echo", *arguments, *database)
    assert (2, "") == (done.status, done.out)
    assert message in done.err
    assert "Traceback" not in done.err
    assert before == server.submissions()
    # Rows are not added to the run of another endpoint.
    assert 1 == sum(cli("bulk", "status", "--db", "other.sqlite").json["counts"].values())


@pytest.mark.parametrize("command", [["status"], ["export", "--out", "results.jsonl"], ["export", "--out", "-"]])
def test_status_and_export_of_no_run_file(cli: Command, tmp_path: Path, command: list[str]) -> None:
    for name, message in (("missing", "missing does not exist."), ("text", "text is not a run file.")):
        (tmp_path / "text").write_text("x" * 1000)
        done = cli("bulk", *command, "--db", str(tmp_path / name))
        assert (2, "", 1) == (done.status, done.out, done.err.count("\n"))
        assert message in done.err
    assert "Missing option '--db'." in cli("bulk", *command).err


def test_export(server: ManyServer, cli: Command) -> None:
    rows = write_rows(Path("rows.jsonl"), {"id": "a", "output": "é\x9b\u202e"}, {"id": "b", "error": "x"})
    assert 1 == cli("bulk", "run", "echo", rows, "--db", "run.sqlite", "--key", "id").status
    export = ["bulk", "export", "--db", "run.sqlite", "--out"]
    done = cli(*export, "-")
    assert (0, "") == (done.status, done.err)
    assert ["a", "b"] == [line["key"] for line in lines_of(done.out)]
    assert all(line.isprintable() for line in done.out.splitlines())
    done = cli(*export, "results.jsonl", "--status", "completed", "--status", "EXPIRED")
    assert (0, "", "Wrote 1 row to results.jsonl.\n") == (done.status, done.out, done.err)
    assert ["é\x9b\u202e"] == [line["output"] for line in lines_of(Path("results.jsonl").read_text(encoding="utf-8"))]
    assert ["b"] == [line["key"] for line in lines_of(cli(*export, "-", "--status", "failed").out)]
    done = cli(*export, "-", "--format", "csv")
    assert "key,status,job_id,output,error,queued_ms,running_ms" == done.out.splitlines()[0]
    assert "\x9b" in done.out  # CSV has no escapes
    assert 0 == cli(*export, "results.out", "--format", "tsv").status
    assert Path("results.out").read_text(encoding="utf-8").startswith("key\tstatus\t")
    for arguments, message in (
        (["-", "--status", "DONE"], "Invalid value for '--status'"),
        (["-", "--format", "xml"], "Invalid value for '--format'"),
        (["run.sqlite", "--format", "csv"], "run.sqlite is the file of the run itself, or belongs to it."),
        (["no/x.csv"], "its folder does not exist."),
    ):
        done = cli(*export, *arguments)
        assert (2, "") == (done.status, done.out)
        assert message in done.err


def test_export_as_parquet(server: ManyServer, cli: Command) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert 0 == cli("bulk", "run", "echo", gated("", ""), "--db", "run.sqlite", "--key", "id").status
    assert 0 == cli("bulk", "export", "--db", "run.sqlite", "--out", "results.parquet").status
    assert ["k0", "k1"] == parquet.read_table("results.parquet")["key"].to_pylist()
    command = [*PROGRAM, "bulk", "export", "--db", "run.sqlite", "--out", "-", "--format", "parquet"]
    out = subprocess.run(command, capture_output=True, check=True, timeout=TIMEOUT).stdout
    Path("copy.parquet").write_bytes(out)
    assert ["k0", "k1"] == parquet.read_table("copy.parquet")["key"].to_pylist()


@posix
def test_a_closed_pipe_ends_an_export_quietly(server: ManyServer) -> None:
    with BulkRun("run.sqlite") as run:
        run.add({"n": "x" * 100} for _ in range(5000))
    for format in ("jsonl", "csv"):
        with Process("bulk", "export", "--db", "run.sqlite", "--out", "-", "--format", format) as process:
            assert process.read_line()
            process.close_output()
            done = process.end()
        assert (141, "") == (done.status, done.err)


def test_status_and_export_while_it_runs(server: ManyServer, cli: Command) -> None:
    with Process("bulk", "run", "echo", gated("", "a", "b"), "--db", "run.sqlite", "--key", "id") as process:
        wait_for(lambda: Path("run.sqlite").exists() and counts_or_none(cli) == {"COMPLETED": 1, "IN_QUEUE": 2})
        status = cli("bulk", "status", "--db", "run.sqlite").json
        assert ("echo", True, [], []) == (status["endpoint"], status["running"], status["doubtful"], status["expired"])
        assert (3, 1) == (status["report"]["submitted"], status["report"]["completed"])
        out = lines_of(cli("bulk", "export", "--db", "run.sqlite", "--out", "-").out)
        assert ["COMPLETED", "IN_QUEUE", "IN_QUEUE"] == [line["status"] for line in out]
        done = cli("bulk", "run", "echo", "--db", "run.sqlite")
        assert (2, "") == (done.status, done.out)
        assert "run.sqlite is in use: another process, or another part of this one, is running it." in done.err
        server.open()
        assert 0 == process.end().status
    assert cli("bulk", "status", "--db", "run.sqlite").json["running"] is False


def counts_or_none(cli: Command) -> Any:
    """The numbers of rows, or None while the run file is being created."""
    done = cli("bulk", "status", "--db", "run.sqlite")
    return {name: n for name, n in done.json["counts"].items() if n} if done.status == 0 else None


@posix
def test_it_goes_on_after_a_kill(server: ManyServer, cli: Command) -> None:
    before = server.submissions()
    rows = gated("", "a", "b", "c", "d")
    with Process("bulk", "run", "echo", rows, "--db", "run.sqlite", "--key", "id", "--in-flight", "3") as process:
        wait_for(lambda: Path("run.sqlite").exists() and counts_or_none(cli) == COMPLETED_AND_WAITING)
        process.process.send_signal(signal.SIGKILL)
        assert -signal.SIGKILL == process.end().status
    assert COMPLETED_AND_WAITING == counts(cli)
    server.open()
    for gate in "cd":
        server.gates[gate].set()
    done = cli("bulk", "run", "echo", rows, "--db", "run.sqlite", "--key", "id")
    assert (0, "0 rows added, 5 known, 0 skipped.\n") == (done.status, done.err)
    assert ({"COMPLETED": 5}, 5) == (counts(cli), server.submissions() - before)


COMPLETED_AND_WAITING = {"PENDING": 1, "COMPLETED": 1, "IN_QUEUE": 3}


@posix
def test_a_row_in_doubt_after_a_kill(server: ManyServer, cli: Command) -> None:
    server.faults.delay("run", 100)
    before = server.submissions()
    with Process("bulk", "run", "echo", gated(""), "--db", "run.sqlite", "--key", "id") as process:
        wait_for(lambda: server.submissions() > before)
        process.process.kill()
        process.end()
    status = cli("bulk", "status", "--db", "run.sqlite").json
    assert (1, [{"key": "k0", "job_id": None}]) == (status["counts"]["DOUBTFUL"], status["doubtful"])
    done = cli("bulk", "run", "echo", "--db", "run.sqlite")
    assert (1, "") == (done.status, done.out)
    assert "1 row is in doubt: each may have been submitted, and could run twice. To submit again: " in done.err
    assert 1 == server.submissions() - before
    done = cli(*go_on(done.err))
    assert (0, {"COMPLETED": 1}, 2) == (done.status, counts(cli), server.submissions() - before)


@posix
def test_expired_results(server: ManyServer, cli: Command) -> None:
    with Process("bulk", "run", "echo", gated("a"), "--db", "run.sqlite", "--key", "id") as process:
        wait_for(lambda: Path("run.sqlite").exists() and counts_or_none(cli) == {"IN_QUEUE": 1})
        process.process.kill()
        process.end()
    server.open()
    wait_for(lambda: not server.unfinished())
    server.advance(100_000)  # longer than results are kept
    with sqlite3.connect("run.sqlite") as connection:  # a 404 for a job that was submitted just now is not final
        connection.execute("UPDATE jobs SET submitted_at = submitted_at - 100000")
    connection.close()
    done = cli("bulk", "run", "echo", "--db", "run.sqlite")
    assert 1 == done.status
    assert "1 row is expired: the results were gone before they were received. To submit again: " in done.err
    assert ["k0"] == [row["key"] for row in cli("bulk", "status", "--db", "run.sqlite").json["expired"]]
    assert "EXPIRED" == lines_of(cli("bulk", "export", "--db", "run.sqlite", "--out", "-").out)[0]["status"]
    assert 0 == cli(*go_on(done.err)).status


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal(number: int, server: ManyServer, cli: Command) -> None:
    rows = gated("a", "b", "")
    with Process("bulk", "run", "echo", rows, "--db", "run.sqlite", "--key", "id", "--in-flight", "2") as process:
        wait_for(lambda: Path("run.sqlite").exists() and counts_or_none(cli) == {"PENDING": 1, "IN_QUEUE": 2})
        process.interrupt(number)
        done = process.end()
    assert (128 + number, "") == (done.status, done.out)
    assert done.err.startswith("3 rows added, 0 known, 0 skipped.\nInterrupted. No more rows are submitted.")
    assert " Press Ctrl-C again to leave at once.\n" in done.err
    end = "2 submitted jobs go on, and 1 row is not submitted yet. To go on: "
    assert f"{end}python -m runpod bulk run echo --db run.sqlite --in-flight 2\n" in done.err
    assert 2 == len(server.unfinished())
    before = server.submissions()
    server.open()
    done = cli(*go_on(done.err))
    assert (0, {"COMPLETED": 3}, 1) == (done.status, counts(cli), server.submissions() - before)


@posix
def test_ctrl_c_while_a_row_is_submitted(server: ManyServer, cli: Command) -> None:
    server.faults.delay("run", 100)
    before = server.submissions()
    with Terminal("bulk", "run", "echo", gated("a"), "--db", "run.sqlite", "--key", "id") as terminal:
        wait_for(lambda: server.submissions() > before)
        terminal.wait_for("Running  0/1  ")
        terminal.type("\x03")
        terminal.wait_for("No more rows are submitted. Waiting for 1 request under way, to store its job ID. Press")
        server.advance(100)  # ends the delay
        done = terminal.end()
    assert 130 == done.status
    assert "1 submitted job goes on, and 0 rows are not submitted yet." in done.err
    assert {"IN_QUEUE": 1} == counts(cli)


@posix
def test_a_second_ctrl_c_leaves_at_once(server: ManyServer, cli: Command) -> None:
    server.faults.delay("run", 100)
    before = server.submissions()
    with Terminal("bulk", "run", "echo", gated(""), "--db", "run.sqlite", "--key", "id") as terminal:
        wait_for(lambda: server.submissions() > before)
        terminal.type("\x03")
        terminal.wait_for("Press Ctrl-C again to leave at once.")
        terminal.type("\x03")
        done = terminal.end()
    assert 130 == done.status
    assert "Interrupted again. 1 row whose request was under way will be in doubt. " in done.err
    assert ["bulk", "run", "echo", "--db", "run.sqlite"] == go_on(done.err)
    assert "Traceback" not in done.err
    assert {"DOUBTFUL": 1} == counts(cli)


@posix
def test_ctrl_c_while_rows_are_added(server: ManyServer, cli: Command) -> None:
    with Process("bulk", "run", "echo", "-", "--db", "run.sqlite") as process:
        process.write('{"n": 0}\n')
        wait_for(lambda: Path("run.sqlite").exists() and counts_or_none(cli) == {})
        process.interrupt()
        done = process.end()
    message = "Interrupted. Nothing was submitted.\n"
    assert (130, "", message) == (done.status, done.out, done.err)
    assert {} == counts(cli)


@posix
@pytest.mark.parametrize(("status", "expected"), [(401, 4), (404, 5)])
def test_an_error_ends_the_run_and_it_goes_on(server: ManyServer, cli: Command, status: int, expected: int) -> None:
    server.faults.fail("run", status=status)
    done = cli("bulk", "run", "echo", gated("", ""), "--db", "run.sqlite", "--key", "id", "--in-flight", "1")
    assert (expected, "") == (done.status, done.out)
    assert f"HTTP {status}" in done.err
    assert "0 submitted jobs go on, and 2 rows are not submitted yet. To go on: " in done.err
    assert 0 == cli(*go_on(done.err)).status


def test_a_timeout(server: ManyServer, cli: Command) -> None:
    command = ["bulk", "run", "echo", gated("a"), "--db", "run.sqlite", "--key", "id"]
    done = cli(*command, "--timeout", "2")
    assert (3, "") == (done.status, done.out)
    assert "did not end within the timeout of 2 s" in done.err
    assert "1 submitted job goes on, and 0 rows are not submitted yet. To go on: " in done.err
    done = cli(*command, "--job-timeout", "0.5")
    assert 1 == done.status
    assert 1 == sum(counts(cli).values())
    assert not server.unfinished()


def test_no_rows(server: ManyServer, cli: Command) -> None:
    done = cli("bulk", "run", "echo", write_rows(Path("rows.jsonl")), "--db", "run.sqlite")
    assert (0, "0 rows added, 0 known, 0 skipped.\nThere are no rows.\n") == (done.status, done.err)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of Linux")
def test_a_full_disk(server: ManyServer, cli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    # The measurement of the coverage would fail as well, and leave a broken file.
    for name in [each for each in os.environ if each.startswith("COV")]:
        monkeypatch.delenv(name)

    write_rows(Path("rows.jsonl"), *({"n": "x" * 1000} for _ in range(500)))
    limit = (200_000, 200_000)
    command = ["bulk", "run", "echo", "rows.jsonl", "--db", "run.sqlite"]
    with Process(*command, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit)) as process:
        done = process.end()
    assert (5, "", 1) == (done.status, done.out, done.err.count("\n"))
    assert "run.sqlite cannot be read or written: disk I/O error. Nothing of this step was saved." in done.err
    assert {} == counts(cli)
    assert 0 == cli("bulk", "run", "echo", gated(""), "--db", "run.sqlite", "--key", "id").status
    for out in ("/dev/full", "-"):
        with Path("/dev/full").open("w") as full:
            full_command = [*PROGRAM, "bulk", "export", "--db", "run.sqlite", "--out", out, "--format", "jsonl"]
            found = subprocess.run(
                full_command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=TIMEOUT
            )
        assert (5, 1) == (found.returncode, found.stderr.count("\n"))
        assert "cannot be written: No space left on device." in found.stderr


def test_the_exit_status_of_a_run_file_error() -> None:
    for cause, expected in (
        (None, 2),
        (sqlite3.OperationalError("database or disk is full"), 5),
        (sqlite3.OperationalError("disk I/O error"), 5),
        (sqlite3.OperationalError("attempt to write a readonly database"), 2),
        (OSError(28, "No space left on device"), 5),
        (PermissionError(13, "Permission denied"), 2),
    ):
        error = RunFileError("x")
        error.__cause__ = cause
        assert expected == exit_status(error)


@posix
def test_in_a_terminal(server: ManyServer, cli: Command) -> None:
    rows = write_rows(
        Path("rows.jsonl"),
        {"id": HOSTILE, "error": HOSTILE},
        {"id": "b", "output": HOSTILE},
        {"id": "c", "gate": "a"},
    )
    with Terminal("bulk", "run", "echo", rows, "--db", "run.sqlite", "--key", "id") as terminal:
        terminal.wait_for("Running  2/3  1 failed  ")
        server.open()
        done = terminal.end()
    assert 1 == done.status
    assert_harmless(done.err)
    assert re.search(r"Submitted +3\nCompleted +2\nFailed +1\n", done.err)
    with Terminal("bulk", "status", "--db", "run.sqlite") as terminal:
        done = terminal.end()
    assert 0 == done.status
    assert re.search(r"COMPLETED\s+│ 2", done.err)
    assert re.search(r"^Submitted +3$", done.err, re.MULTILINE)
    for format in ("jsonl", "csv"):
        with Terminal("bulk", "export", "--db", "run.sqlite", "--out", "-", "--format", format) as terminal:
            done = terminal.end()
        assert 0 == done.status
        assert_harmless(done.err)
        assert "[bold]x[/bold]" in done.err
    with Terminal("bulk", "export", "--db", "run.sqlite", "--out", "-", "--format", "parquet") as terminal:
        done = terminal.end()
    assert (2, "Parquet is no text. Pass a file to --out, or redirect the output.\n") == (done.status, done.err)


@posix
def test_the_doubtful_rows_in_a_terminal_are_capped(server: ManyServer, cli: Command) -> None:
    with BulkRun("run.sqlite") as run:
        run.add(({"id": f"{HOSTILE}{n}"} for n in range(30)), key="id")
    with sqlite3.connect("run.sqlite") as connection:
        connection.execute("UPDATE jobs SET state = 'DOUBTFUL'")
    connection.close()
    with Terminal("bulk", "status", "--db", "run.sqlite") as terminal:
        done = terminal.end()
    assert_harmless(done.err)
    assert 20 == done.err.count("[bold]x")
    assert done.err.endswith("10 more rows: pass --all.\n")
    with Terminal("bulk", "status", "--db", "run.sqlite", "--all") as terminal:
        assert 30 == terminal.end().err.count("[bold]x")
    assert 30 == len(cli("bulk", "status", "--db", "run.sqlite").json["doubtful"])
