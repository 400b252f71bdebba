"""Commands about jobs and endpoints, in this process."""

from __future__ import annotations

import json
import shlex
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Command, Stable

FORMS = """Pass a JSON object such as '{"prompt": "a horse"}', @FILE, or - for standard input.\n"""


def submit(cli: Command, endpoint: str, job_input: Any) -> str:
    submitted = cli("run", endpoint, json.dumps(job_input), "--no-wait")
    assert {"id", "status"} == submitted.json.keys()
    return str(submitted.json["id"])


def test_run_prints_the_final_state(server: Stable, cli: Command) -> None:
    done = cli("run", "echo", '{"prompt": "a horse"}')
    assert (0, "") == (done.status, done.err)
    state = done.json
    assert ("COMPLETED", {"prompt": "a horse"}) == (state["status"], state["output"])
    assert {"id", "delayTime", "executionTime", "workerId"} <= state.keys()
    assert isinstance(state["executionTime"], int)


def test_run_prints_the_output_alone(server: Stable, cli: Command) -> None:
    for output in ({"n": 1.5}, "text", None, [], "é\u202e\x9b\x7f\U000e0001"):
        done = cli("run", "echo", json.dumps({"output": output}), "--output-only")
        assert (0, "") == (done.status, done.err)
        assert output == done.json
        assert done.out.strip().isprintable()


def test_a_failed_job(server: Stable, cli: Command) -> None:
    done = cli("run", "fails", '{"message": "there are \\u001b[31mno unicorns"}')
    assert (1, "FAILED") == (done.status, done.json["status"])
    message = r"failed: ValueError: there are \x1b[31mno unicorns. The worker's traceback is in `error` of the state."
    assert f"Job {done.json['id']!r} on endpoint 'fails' {message}\n" == done.err
    done = cli("run", "fails", '{"message": "x"}', "--output-only")
    assert (1, "") == (done.status, done.out)
    assert "ValueError: x" in done.err


def test_a_timeout_and_how_to_go_on(server: Stable, cli: Command) -> None:
    done = cli("run", "holds", '{"n": 1}', "--timeout", "1.5", "--base-url", server.base_url)
    assert (3, "") == (done.status, done.out)
    hint = done.err.splitlines()[-1]
    assert hint.startswith("Job ")
    command = hint.partition(" goes on: runpod-sdk ")[2].partition("; or cancel it: runpod-sdk cancel holds ")[0]
    assert command.endswith(f"--base-url {server.base_url}")
    server.release.set()
    done = cli(*shlex.split(command), "--output-only")
    assert (0, {"n": 1}, "") == (done.status, done.json, done.err)


@pytest.mark.parametrize("name", ["run", "status", "cancel", "retry", "health", "purge"])
def test_the_timeout_of_a_call(name: str, server: Stable, cli: Command) -> None:
    operation = "purge-queue" if name == "purge" else name
    server.faults.delay(operation, 1000)
    argument = {"run": ['{"n": 1}'], "health": [], "purge": ["--yes"]}.get(name, ["no-such-job"])
    done = cli(name, "echo", *argument, "--timeout", "0.3")
    assert (3, "") == (done.status, done.out)
    assert " on endpoint 'echo' got no response within the timeout of 0.3 s." in done.err


def test_status_wait_cancel_and_retry(server: Stable, cli: Command) -> None:
    job = submit(cli, "holds", {"n": 1})
    state = cli("status", "holds", job).json
    assert job == state["id"]
    assert state["status"] in {"IN_QUEUE", "IN_PROGRESS"}
    done = cli("wait", "holds", job, "--timeout", "0.2")
    assert (3, "") == (done.status, done.out)
    assert f"Job {job} goes on: runpod-sdk wait holds {job}; or cancel it: runpod-sdk cancel holds {job}\n" in done.err
    done = cli("cancel", "holds", job)
    assert (0, "CANCELLED") == (done.status, done.json["status"])
    done = cli("wait", "holds", job)
    assert (1, "CANCELLED") == (done.status, done.json["status"])
    assert f"Job {job!r} on endpoint 'holds' was cancelled.\n" == done.err

    failed = cli("run", "fails", '{"message": "x"}').json["id"]
    assert (0, "FAILED") == (cli("status", "fails", failed).status, cli("status", "fails", failed).json["status"])
    done = cli("retry", "fails", failed)
    assert (0, failed, "IN_QUEUE") == (done.status, done.json["id"], done.json["status"])


def test_stream_prints_one_line_for_each_value(server: Stable, cli: Command) -> None:
    chunks = [{"text": "a\nb"}, "\u2028\x9b", None, 5]
    done = cli("stream", "yields", submit(cli, "yields", {"chunks": chunks}))
    assert (0, "") == (done.status, done.err)
    assert chunks == [json.loads(line) for line in done.out.splitlines()]
    failed = cli("run", "fails", '{"message": "x"}').json["id"]
    done = cli("stream", "fails", failed)
    assert (1, "") == (done.status, done.out)
    assert "ValueError: x" in done.err
    done = cli("stream", "holds-chunk", submit(cli, "holds-chunk", {"n": 1}), "--timeout", "2")
    assert (3, "1\n") == (done.status, done.out)
    assert "goes on: runpod-sdk wait" in done.err


def test_health_and_purge(server: Stable, cli: Command) -> None:
    submit(cli, "holds", {"n": 1})
    submit(cli, "holds", {"n": 2})
    health = cli("health", "holds").json
    assert {"jobs", "workers"} == health.keys()
    assert 0 == health["workers"]["throttled"]
    refused = cli("purge", "holds")
    assert (2, "") == (refused.status, refused.out)
    assert "Nothing was removed. Add --yes to remove all jobs in the queue of 'holds'." in refused.err
    assert health["jobs"] == cli("health", "holds").json["jobs"]
    done = cli("purge", "holds", "--yes")
    assert (0, "completed") == (done.status, done.json["status"])
    assert 0 == cli("health", "holds").json["jobs"]["inQueue"]


def test_options_of_a_request(server: Stable, cli: Command) -> None:
    options = ["--execution-timeout", "60", "--ttl", "0.5e3", "--low-priority", "--webhook", server.base_url]
    before = len(server.requests)
    assert 0 == cli("run", "echo", '{"n": 1}', *options).status
    [body] = [json.loads(record.body) for record in server.requests[before:] if record.path.endswith("/run")]
    policy = {"executionTimeout": 60_000, "ttl": 500_000, "lowPriority": True}
    assert {"input": {"n": 1}, "policy": policy, "webhook": server.base_url} == body


def test_sources_of_the_input(server: Stable, cli: Command, tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_bytes(b'\xef\xbb\xbf{"n": 2}')  # with a byte order mark
    assert {"n": 2} == cli("run", "echo", f"@{file}").json["output"]
    for arguments in (["-"], []):
        assert {"n": "é"} == cli("run", "echo", *arguments, stdin='{"n": "é"}'.encode()).json["output"]
    done = cli("run", "echo", '{"input": {"n": 1}, "policy": {}}')
    assert {"input": {"n": 1}, "policy": {}} == done.json["output"]
    assert "INPUT looks like a whole request." in done.err


@pytest.mark.parametrize(
    ("argument", "stdin", "message"),
    [
        ("[1]", b"", "INPUT must be a JSON object, not an array. "),
        ("null", b"", "INPUT must be a JSON object, not null. "),
        ("1", b"", "INPUT must be a JSON object, not a number. "),
        ("", b"", "INPUT is empty. "),
        ("prompt", b"", "INPUT is not valid JSON (line 1, column 1: Expecting value). "),
        ('{"n":\n}', b"", "INPUT is not valid JSON (line 2, column 1: Expecting value). "),
        ('{"n": ' + "[" * 100_000, b"", "INPUT cannot be read as JSON (RecursionError). "),
        ("-", b"", "Standard input is empty. "),
        ("-", b"\xff", "Standard input is not UTF-8. Convert it first.\n"),
        ("-", b'"x"', "Standard input must be a JSON object, not a string. "),
        ("@no such file", b"", "The file 'no such file' cannot be read: No such file or directory. "),
        ("@", b"", "The file '' cannot be read: Is a directory. "),
        ("@a\x00b", b"", r"The file 'a\x00b' cannot be read: embedded null byte. "),
    ],
)
def test_an_invalid_input(server: Stable, cli: Command, argument: str, stdin: bytes, message: str) -> None:
    def submissions() -> int:
        return sum(record.path.endswith("/run") for record in server.requests)

    before = submissions()
    done = cli("run", "echo", argument, stdin=stdin)
    expected = message + (FORMS if message.endswith(". ") else "")
    assert (2, "", expected) == (done.status, done.out, done.err)
    assert before == submissions()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--timeout", "0"], "Invalid value for '--timeout': '0' is not a positive number of seconds."),
        (["--timeout", "soon"], "Invalid value for '--timeout': 'soon' is not a positive number of seconds."),
        (["--ttl", "-1"], "Invalid value for '--ttl': '-1' is not a positive number of seconds."),
        (["--ttl", "nan"], "Invalid value for '--ttl': 'nan' is not a positive number of seconds."),
        (["--execution-timeout", "inf"], "Invalid value for '--execution-timeout': 'inf' is not a positive number"),
        (["--webhook", "ftp://x"], "webhook must be an absolute URL that starts with https://"),
        (["--profile", ""], "profile is blank."),
        (["--profile", "x"], "there is no profile 'x' in ~/.runpod/config.toml. It has no profiles."),
        (["--base-url", "api.test"], "base_url must start with https://"),
        (["--base-url", "http://api.test"], "Use https://, or pass --allow-insecure if you trust that network."),
        (["--no-wait", "--output-only"], "pass only one of --no-wait and --output-only."),
        (["--nonsense"], "No such option: --nonsense"),
        (["extra"], "Got unexpected extra argument"),
    ],
)
def test_an_invalid_option(server: Stable, cli: Command, arguments: list[str], message: str) -> None:
    done = cli("run", "echo", '{"n": 1}', *arguments)
    assert (2, "") == (done.status, done.out)
    assert message in done.err


def test_missing_and_unknown_words(cli: Command) -> None:
    for arguments, message in (
        (["run"], "Missing argument 'ENDPOINT'."),
        (["status", "ep"], "Missing argument 'JOB'."),
        (["gallop"], "No such command 'gallop'."),
        (["run", " ", "{}"], "No API key found. Run `runpod-sdk config set`, set RUNPOD_API_KEY, or add it to"),
    ):
        done = cli(*arguments)
        assert (2, "") == (done.status, done.out)
        assert message in done.err


@pytest.mark.parametrize(("status", "expected"), [(400, 5), (401, 4), (403, 4), (404, 5), (413, 5), (500, 5), (503, 5)])
def test_the_exit_status_of_an_http_error(server: Stable, cli: Command, status: int, expected: int) -> None:
    server.faults.fail("run", status=status)
    done = cli("run", "echo", '{"n": 1}')
    assert (expected, "") == (done.status, done.out)
    assert f"HTTP {status}" in done.err


def test_no_response(server: Stable, cli: Command) -> None:
    server.faults.cut("run")
    done = cli("run", "echo", '{"n": 1}')
    assert (5, "") == (done.status, done.out)
    assert "may" in done.err


def test_a_broken_response_that_names_the_job(server: Stable, cli: Command) -> None:
    server.faults.fail("run", status=200, body='{"id": "job-1", "status": "IN_')
    done = cli("run", "echo", '{"n": 1}')
    assert (5, "") == (done.status, done.out)
    assert done.err.endswith("Job job-1 may go on: runpod-sdk wait echo job-1\n")


def test_an_error_while_waiting_names_the_job(server: Stable, cli: Command) -> None:
    job = submit(cli, "holds", {"n": 1})
    server.faults.fail("any", status=401)
    done = cli("wait", "holds", job)
    assert (4, "") == (done.status, done.out)
    assert done.err.endswith(f"Job {job} may go on: runpod-sdk wait holds {job}\n")
    assert 5 == cli("wait", "holds", "no-such-job").status


def test_global_options_before_and_after_the_command(
    server: Stable, cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNPOD_ENDPOINT_BASE_URL")
    url = ["--base-url", server.base_url]
    assert 0 == cli(*url, "run", "echo", '{"n": 1}').status
    assert 0 == cli("run", "echo", '{"n": 1}', *url).status
    assert 0 == cli("--base-url", "https://unused.test", "run", "echo", '{"n": 1}', *url).status
    done = cli("--profile", "x", *url, "run", "echo", '{"n": 1}')
    assert (2, "") == (done.status, done.out)


@pytest.mark.parametrize("is_before", [True, False])
def test_a_profile(is_before: bool, server: Stable, cli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """It replaces the variables."""
    file = Path.home() / ".runpod" / "config.toml"
    file.parent.mkdir()
    file.write_text(f'[work]\napi_key = "{server.api_key}"\nbase_url = "{server.base_url}"\n')
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_OFANOTHERACCOUNT")
    monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", "https://unused.test")
    profile, words = ["--profile", "work"], ["run", "echo", '{"n": 1}', "--output-only"]
    done = cli(*profile, *words) if is_before else cli(*words, *profile)
    assert (0, {"n": 1}, "") == (done.status, done.json, done.err)


@pytest.mark.parametrize("is_before", [True, False])
def test_allow_insecure(is_before: bool, server: Stable, cli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        return real("127.0.0.1" if host in {"other.test", b"other.test"} else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setenv("NO_PROXY", "other.test")
    url = ["--base-url", server.base_url.replace("127.0.0.1", "other.test")]
    option, words = ["--allow-insecure"], ["run", "echo", '{"n": 1}', "--output-only", *url]
    assert 2 == cli(*words).status
    done = cli(*option, *words) if is_before else cli(*words, *option)
    assert (0, {"n": 1}, "") == (done.status, done.json, done.err)


def test_verbose_logs_to_standard_error(server: Stable, cli: Command) -> None:
    done = cli("run", "echo", '{"n": 1}', "-v")
    assert f"runpod INFO Job {done.json['id']} submitted to endpoint echo\n" in done.err
    assert "DEBUG" not in done.err
    assert " runpod DEBUG " in cli("-vv", "run", "echo", '{"n": 1}').err
    assert "" == cli("run", "echo", '{"n": 1}').err
