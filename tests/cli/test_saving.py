"""The option `--save`, and media at a terminal."""

from __future__ import annotations

import base64
import contextlib
import json
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runpod.cli import threads
from runpod.cli.json_output import Shortener
from runpod.cli.saved_files import SavedFiles, _prefix
from runpod.cli.threads import in_threads
from tests.cli.many import ManyServer, lines_of, write_rows
from tests.cli.programs import Process, Terminal, wait_for
from tests.media.samples import PNG, WAV, data_url, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Command, Stable

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither signals nor pseudo-terminals")

PICTURE, SOUND = data_url(PNG, "image/png"), text(WAV)


def picture_url(server: Stable | ManyServer, name: str = "512x512-" + "0" * 32) -> str:
    return f"{server.base_url.removesuffix('/v2')}/samples/{name}.png"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run_input(output: Any) -> str:
    return json.dumps({"output": output})


def test_a_picture_that_is_sent_twice_is_one_file(capsys: pytest.CaptureFixture[str]) -> None:
    large = data_url(PNG + bytes(3000), "image/png")
    shortener = Shortener(can_save=True)
    shown = shortener.shortened({"images": [large], "image_url": large})
    assert {"images": ["<image/png, 3.07 kB>"], "image_url": "<image/png, 3.07 kB>"} == shown
    shortener.note()
    assert "A file is not shown: add --save DIR" in capsys.readouterr().err


class Endless:
    """A server whose response does not end: it sends byte after byte."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.requested = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._connection: socket.socket | None = None
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/horse.png"

    def _serve(self) -> None:
        self._connection, _ = self._listener.accept()
        self._connection.recv(65536)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 100000\r\n\r\n"
        self._connection.sendall(head + PNG)
        self.requested.set()
        with contextlib.suppress(OSError):  # the client has left
            while not self._closed.wait(0.05):
                self._connection.sendall(b"x")

    def close(self) -> None:
        self._closed.set()
        self._listener.close()
        if self._connection is not None:
            self._connection.close()


@pytest.fixture
def endless() -> Iterator[Endless]:
    server = Endless()
    yield server
    server.close()


def test_paths_take_the_place_of_media(server: Stable, cli: Command) -> None:
    twice = {"image": PICTURE, "again": PICTURE, "base64": f" {text(PNG)}\n"}
    output = {**twice, "sounds": [SOUND], "url": picture_url(server), "seed": 7}
    done = cli("run", "echo", run_input(output), "--save", "out")
    assert (0, "") == (done.status, done.err)
    state = done.json
    paths = [state["output"]["image"], *state["output"]["sounds"], state["output"]["url"]]
    assert paths == state["saved"]
    assert [paths[0]] * 3 + [7] == [state["output"][name] for name in (*twice, "seed")]
    assert [PNG, WAV] == [Path(path).read_bytes() for path in paths[:2]]
    assert Path(paths[2]).read_bytes().startswith(b"\x89PNG")
    assert set(paths) == {str(path) for path in Path("out").iterdir()}
    assert "IN_QUEUE" not in done.out
    # Again, alone: no file is overwritten.
    done = cli("wait", "echo", state["id"], "--save", "out", "--output-only")
    assert (0, "") == (done.status, done.err)
    assert PNG == Path(done.json["image"]).read_bytes()
    assert not {done.json["image"], done.json["url"]} & set(paths)
    # Without the option, or without media, nothing is changed.
    assert output == cli("wait", "echo", state["id"], "--output-only").json
    done = cli("run", "echo", '{"n": 1}', "--save", "other")
    assert ({"n": 1}, []) == (done.json["output"], done.json["saved"])


def test_what_cannot_be_saved_hides_nothing(server: Stable, cli: Command) -> None:
    broken = picture_url(server, "0x0-broken")
    done = cli("run", "echo", run_input({"image_url": broken, "image": PICTURE}), "--save", "out")
    assert 6 == done.status
    assert broken == done.json["output"]["image_url"]
    assert PNG == Path(done.json["output"]["image"]).read_bytes()
    assert [done.json["output"]["image"]] == done.json["saved"]
    assert "404" in done.err
    assert "save its files as soon as it ends, with --save.\n" in done.err
    output = {"image": "simulated_uploaded/horse.png"}
    done = cli("run", "echo", run_input(output), "--save", "out", "--output-only")
    assert (6, output) == (done.status, done.json)
    assert "The worker left its files on its own disk, such as 'simulated_uploaded/horse.png'," in done.err
    output = {"image_url": "https://10.0.0.1/horse.png"}
    done = cli("run", "echo", run_input(output), "--save", "out", "--output-only")
    assert (6, output) == (done.status, done.json)
    assert done.err.endswith(" If you trust this one, pass --allow-private.\n")
    done = cli("run", "echo", '{"n": 1}', "--save", "out", "--output-only")
    assert (0, {"n": 1}, "There were no files in the output to save.\n") == (done.status, done.json, done.err)
    done = cli("run", "fails", '{"message": "no unicorns"}', "--save", "out")
    assert (1, "FAILED") == (done.status, done.json["status"])


@pytest.mark.parametrize("command", [["run", "echo"], ["map", "echo"], ["bulk", "run", "echo", "--db", "run.sqlite"]])
def test_the_folder_is_created_first(server: Stable, cli: Command, command: list[str]) -> None:
    Path("file").write_text("x")
    argument = '{"n": 1}' if command[0] == "run" else write_rows(Path("rows.jsonl"), {"n": 1})
    before = len(server.requests)
    done = cli(*command, argument, "--save", "file/out")
    assert (2, "") == (done.status, done.out)
    assert done.err.startswith("--save: the folder 'file/out' cannot be created: ")
    assert before == len(server.requests)


def test_no_media_without_waiting(server: Stable, cli: Command) -> None:
    done = cli("run", "echo", '{"n": 1}', "--no-wait", "--save", "out")
    assert 2 == done.status
    assert "pass only one of --no-wait and --save." in done.err


def test_a_stream(server: Stable, cli: Command) -> None:
    chunks = [{"image": PICTURE}, {"n": 1}, {"image": PICTURE}, picture_url(server, "0x0-broken")]
    job = cli("run", "yields", json.dumps({"chunks": chunks}), "--no-wait").json["id"]
    done = cli("stream", "yields", job, "--save", "out")
    assert 6 == done.status
    first, second, third, fourth = lines_of(done.out)
    assert [PNG, PNG] == [Path(line["image"]).read_bytes() for line in (first, third)]
    assert first != third
    assert [{"n": 1}, chunks[3]] == [second, fourth]


@pytest.mark.parametrize("order", [[], ["--ordered"]])
def test_map(many: ManyServer, cli: Command, order: list[str]) -> None:
    broken = picture_url(many, "0x0-broken")
    outputs = [{"image": PICTURE, "sound": SOUND}, {"image": broken}, {"n": 1}, picture_url(many)]
    rows = write_rows(Path("rows.jsonl"), *({"output": each} for each in outputs), {"error": "unicorns"})
    done = cli("map", "echo", rows, "--save", "out", *order)
    assert 1 == done.status  # a job failed
    lines = lines_of(done.out)
    if order:
        assert list(range(5)) == [line["index"] for line in lines]
    first, second, third, fourth, fifth = sorted(lines, key=lambda line: int(line["index"]))
    assert ["index", "status", "job_id", "output", "saved", "queued_ms", "running_ms"] == list(first)
    assert (PNG, WAV) == tuple(Path(path).read_bytes() for path in first["saved"])
    assert first["saved"] == list(first["output"].values())
    assert all(Path(path).name.startswith("0000-") for path in first["saved"])
    assert ({"image": broken}, []) == (second["output"], second["saved"])
    assert ({"n": 1}, []) == (third["output"], third["saved"])
    assert [fourth["output"]] == fourth["saved"]
    assert "error" in fifth
    assert "saved" not in fifth
    assert "Row 1: " in done.err
    assert 3 == len(list(Path("out").iterdir()))
    done = cli("map", "echo", write_rows(Path("rows.jsonl"), {"output": outputs[0]}), "--save", "out", "--output-only")
    assert (0, PNG) == (done.status, Path(done.json["image"]).read_bytes())
    assert done.json["image"] != first["output"]["image"]


def test_bulk(many: ManyServer, cli: Command) -> None:
    folder, listed = Path("out"), Path("out/saved.jsonl")
    rows = write_rows(
        Path("rows.jsonl"),
        {"id": "a/b", "output": {"image": PICTURE}},
        {"id": "b", "output": [SOUND, picture_url(many)]},
        {"id": "c", "output": {"image": picture_url(many, "0x0-broken"), "sound": SOUND}},
        {"id": "d", "output": 1},
    )
    command = ["bulk", "run", "echo", "--db", "run.sqlite", "--save", "out"]
    done = cli(*command, rows, "--key", "id", "--out", "results.jsonl")
    assert 6 == done.status
    assert 1 == done.err.count("Row 'c': ")
    assert "Row 'a/b'" not in done.err
    results = {line["key"]: line for line in lines_of(Path("results.jsonl").read_text())}
    assert PNG == Path(results["a/b"]["output"]["image"]).read_bytes()
    assert results["b"]["output"] == results["b"]["saved"]
    assert WAV == Path(results["b"]["saved"][0]).read_bytes()
    assert (1, WAV) == (len(results["c"]["saved"]), Path(results["c"]["output"]["sound"]).read_bytes())
    assert "0x0-broken" in results["c"]["output"]["image"]
    assert (1, []) == (results["d"]["output"], results["d"]["saved"])
    saved = sorted(path.name for path in folder.iterdir())
    assert 5 == len(saved)  # with the list

    # Nothing is saved twice, and what is missing is saved by the next one; lines that are none are no problem.
    job_id = results["b"]["job_id"]
    with listed.open("ab") as file:
        for line in (b"[1]", b"\xff", b"[" * 100_000, b'{"job_id": "%s", "file": 7}' % job_id.encode()):
            file.write(line + b"\n")
        file.write(b'{"key": "e", "jo')  # cut off
    gone = Path(results["b"]["saved"][0])
    gone.unlink()
    assert 6 == cli(*command).status
    assert WAV == gone.read_bytes()
    done = cli("bulk", "export", "--db", "run.sqlite", "--out", "-", "--save", "out", "--status", "COMPLETED")
    assert 6 == done.status
    assert results == {line["key"]: line for line in lines_of(done.out)}
    done = cli("bulk", "export", "--db", "run.sqlite", "--out", "-", "--format", "csv", "--save", "out")
    assert str(gone) in done.out
    assert SOUND not in done.out
    assert saved == sorted(path.name for path in folder.iterdir())
    # Without the option, it is as it was received.
    done = cli("bulk", "export", "--db", "run.sqlite", "--out", "-")
    assert (0, {"image": PICTURE}) == (done.status, lines_of(done.out)[0]["output"])


@posix
def test_each_file_is_listed_at_once(many: ManyServer, endless: Endless) -> None:
    rows = write_rows(Path("rows.jsonl"), {"output": [PICTURE, endless.url]})
    with Process("bulk", "run", "echo", rows, "--db", "run.sqlite", "--save", "out") as process:
        assert endless.requested.wait(60)
        process.interrupt(signal.SIGKILL)
        process.end()
    [line] = lines_of(Path("out/saved.jsonl").read_text())
    assert {"key": "1", "file": "1-image.png", "number": 0, "of": 2} == {k: line[k] for k in line if k != "job_id"}


def test_a_list_that_cannot_be_used(many: ManyServer, cli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = write_rows(Path("rows.jsonl"), {"output": {"image": PICTURE}})
    command = ["bulk", "run", "echo", rows, "--db", "run.sqlite", "--save", "out", "--out", "-"]
    Path("out/saved.jsonl").mkdir(parents=True)
    before = many.submissions()
    done = cli(*command)
    assert (2, "", before) == (done.status, done.out, many.submissions())
    assert "saved.jsonl cannot be read and written: " in done.err
    # Or no longer, as on a full disk: the results are there all the same.
    Path("out/saved.jsonl").rmdir()
    read = SavedFiles._read

    def read_and_break(self: SavedFiles) -> Any:
        files = read(self)
        self._path.unlink()
        self._path.mkdir()
        return files

    monkeypatch.setattr(SavedFiles, "_read", read_and_break)
    done = cli(*command)
    assert 6 == done.status
    assert PNG == Path(done.json["output"]["image"]).read_bytes()
    assert "saved.jsonl cannot be written: " in done.err


def test_what_a_crashed_run_has_not_saved(many: ManyServer, cli: Command) -> None:
    rows = write_rows(Path("rows.jsonl"), {"output": {"image": PICTURE}})
    assert 0 == cli("bulk", "run", "echo", rows, "--db", "run.sqlite").status
    done = cli("bulk", "run", "echo", "--db", "run.sqlite", "--save", "out")
    assert (0, "") == (done.status, done.out)
    assert PNG == Path("out/1-image.png").read_bytes()


def test_every_key_has_its_own_names() -> None:
    keys = ["a", "a/b", "a_b", "a\\b", "..", "...", "", " ", "con", "x" * 300, "x" * 301, "日本" * 100, "\x00", "A:b"]
    names = [_prefix(key) for key in keys]
    assert len(keys) == len(set(names))
    assert "a" == names[0]
    assert all(len(name.encode()) < 80 and not set("/\\:\0") & set(name) and not name.startswith(".") for name in names)


@posix
def test_media_at_a_terminal(server: Stable, cli: Command) -> None:
    picture = data_url(PNG + b"\0" * 611_900, "image/png")
    job = cli("run", "yields", json.dumps({"chunks": [{"image": picture}, {"text": "a horse"}]}), "--no-wait").json[
        "id"
    ]
    with Terminal("stream", "yields", job) as terminal:
        done = terminal.end()
    assert '{"image":"<image/png, 612 kB>"}\n' in done.err
    assert "A file is not shown: add --save DIR to save what outputs contain.\n" in done.err
    done_job = cli("run", "echo", run_input({"image": picture}), "--no-wait").json["id"]
    with Terminal("wait", "echo", done_job, "--save", "out") as terminal:
        done = terminal.end()
    assert 0 == done.status
    assert '"image": "out/image.png"' in done.err
    assert done.err.endswith("Saved 1 file in out.\n")
    with Terminal("status", "echo", done_job) as terminal:
        done = terminal.end()
    assert "A file is not shown: Redirect the output to a file or a program" in done.err


@posix
def test_ctrl_c_while_a_file_is_saved(server: Stable, endless: Endless) -> None:
    output = {"url": endless.url, "image": PICTURE}
    with Process("run", "echo", run_input(output), "--save", "out") as process:
        assert endless.requested.wait(60)
        process.interrupt(signal.SIGINT)
        done = process.end()
    assert 130 == done.status
    state = json.loads(done.out)
    assert ("COMPLETED", endless.url) == (state["status"], state["output"]["url"])
    again = f"python -m runpod wait echo {state['id']} --save out"
    assert f"The job has ended. To save what is missing: {again}\n" in done.err
    assert all(path.read_bytes() == PNG for path in Path("out").iterdir())


@posix
def test_what_is_done_is_shown(server: Stable, endless: Endless) -> None:
    with Terminal("run", "echo", run_input({"url": endless.url}), "--save", "out") as terminal:
        terminal.wait_for("Saving  ")


@posix
def test_ctrl_c_while_results_are_exported(many: ManyServer, endless: Endless, cli: Command) -> None:
    rows = write_rows(Path("rows.jsonl"), {"output": {"url": endless.url}})
    assert 0 == cli("bulk", "run", "echo", rows, "--db", "run.sqlite").status
    with Process("bulk", "export", "--db", "run.sqlite", "--out", "-", "--save", "out") as process:
        assert endless.requested.wait(60)
        process.interrupt(signal.SIGINT)
        done = process.end()
    assert (130, "", "Interrupted.\n") == (done.status, done.out, done.err)


@posix
def test_ctrl_c_while_map_saves(many: ManyServer, endless: Endless) -> None:
    rows = write_rows(Path("rows.jsonl"), {"output": {"url": endless.url}}, {"output": {"image": PICTURE}})
    with Process("map", "echo", rows, "--save", "out") as process:
        first = json.loads(process.read_line())  # one does not wait for the other
        assert PNG == Path(first["saved"][0]).read_bytes()
        assert endless.requested.wait(60)
        process.interrupt(signal.SIGINT)
        process.wait_for("What is being saved is completed. Press Ctrl-C again to leave at once.")
        process.interrupt(signal.SIGINT)
        done = process.end()
    assert 130 == done.status
    [job_id] = {job["id"] for job in many.jobs["echo"] if endless.url in json.dumps(job)}
    assert f"1 result not printed (to get one: python -m runpod wait echo JOB): {job_id}\n" in done.err
    assert [PNG] == [path.read_bytes() for path in Path("out").iterdir()]


@pytest.mark.parametrize("ordered", [False, True])
def test_in_threads(ordered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_WAIT", 0.001)  # most waits end without a result
    first = threading.Event()

    def items() -> Iterator[int]:
        yield from range(100)
        raise ValueError("the end")

    def double(number: int) -> int:
        if number == 0 and not ordered:
            assert first.wait(60)
        return 2 * number

    found: list[tuple[int, int]] = []
    with pytest.raises(ValueError, match="the end"):
        for pair in in_threads(double, items(), ordered=ordered):
            found.append(pair)
            first.set()
    assert [(number, 2 * number) for number in range(100)] == (found if ordered else sorted(found))
    assert ordered == (found[0] == (0, 0))


def test_in_threads_reads_only_some_ahead_and_raises_errors() -> None:
    read: list[int] = []
    gate = threading.Event()

    def items() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    def wait(number: int) -> int:
        assert number or gate.wait(60)
        if number == 20:
            raise ValueError(number)
        return number

    pairs = in_threads(wait, items(), ordered=True)
    thread = threading.Thread(target=lambda: next(pairs))
    thread.start()
    wait_for(lambda: len(read) == 16)
    gate.set()
    thread.join()
    with pytest.raises(ValueError, match="20"):
        list(pairs)


def test_in_threads_can_be_left() -> None:
    threads: set[threading.Thread] = set()

    def note(number: int) -> int:
        threads.add(threading.current_thread())
        return number

    pairs = in_threads(note, iter(range(1000)))
    next(pairs)
    assert threads
    pairs.close()
    wait_for(lambda: not any(thread.is_alive() for thread in list(threads)))
    # They do not delay the end of the process.
    assert all(thread.daemon for thread in threads)


def test_base64_without_a_data_url(server: Stable, cli: Command) -> None:
    # As worker-comfyui and worker-a1111 return it.
    images = [{"filename": "ComfyUI_00001_.png", "type": "base64", "data": base64.b64encode(PNG).decode()}]
    done = cli("run", "echo", run_input({"images": images}), "--save", "out")
    assert {"filename": "ComfyUI_00001_.png", "type": "base64", "data": "out/ComfyUI_00001_.png"} == (
        done.json["output"]["images"][0]
    )


def test_a_deeply_nested_output(server: Stable, cli: Command) -> None:
    job_input = json.dumps({"output": PICTURE, "depth": 600})
    done = cli("run", "nests", job_input, "--save", "out", "--output-only")
    assert (0, "") == (done.status, done.err)
    assert done.out == "[" * 600 + '"out/image.png"' + "]" * 600 + "\n"


@posix
def test_a_deeply_nested_output_at_a_terminal(server: Stable) -> None:
    with Terminal("run", "nests", json.dumps({"output": PICTURE, "depth": 600})) as terminal:
        done = terminal.end()
    assert 0 == done.status
    assert PICTURE in done.err
    assert "Traceback" not in done.err
