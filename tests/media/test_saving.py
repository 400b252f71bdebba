"""Files of saved media: their names, and what is left after a failure."""

from __future__ import annotations

import asyncio
import base64
import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from runpod import MediaError, Runpod
from runpod.media import Media, saving
from runpod.media.saving import Folder, FolderError, PartialFile, save_data
from tests.processes import started
from tests.servers import BASE_URL, KEY

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="paths and permissions differ")


def names(folder: Path) -> list[str]:
    """Every file in a folder, including hidden ones."""
    return sorted(path.name for path in folder.iterdir())


def picture(data: bytes, name: str = "horse.png") -> Media:
    return Media("image/png", name, None, base64.b64encode(data).decode())


def save(folder: Path, data: bytes = b"data", name: str = "horse.png") -> Path:
    return save_data(Folder(folder), picture(data, name))


def without_links(monkeypatch: pytest.MonkeyPatch, code: int = errno.EPERM) -> None:
    """A file system that has no hard links."""

    def link(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(saving.os, "link", link)


@pytest.fixture(params=["links", "no links"])
def _with_and_without_links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "no links":
        without_links(monkeypatch)


@pytest.mark.usefixtures("_with_and_without_links")
def test_a_file_never_takes_the_place_of_another(tmp_path: Path) -> None:
    (tmp_path / "horse.png").write_bytes(b"mine")
    (tmp_path / "horse-2.png").mkdir()
    (tmp_path / "horse-3.png").symlink_to(tmp_path / "missing")
    (tmp_path / "other").write_bytes(b"mine")
    (tmp_path / "horse-4.png").symlink_to(tmp_path / "other")
    path = save(tmp_path)
    assert tmp_path / "horse-5.png" == path
    assert path.read_bytes() == b"data"
    assert (tmp_path / "horse.png").read_bytes() == b"mine"
    assert (tmp_path / "other").read_bytes() == b"mine"
    assert not (tmp_path / "missing").exists()
    assert len(names(tmp_path)) == 6


@pytest.mark.usefixtures("_with_and_without_links")
def test_threads_that_save_the_same_name_lose_nothing(tmp_path: Path) -> None:
    barrier = threading.Barrier(4)

    def run(number: int) -> None:
        barrier.wait(10)
        for index in range(25):
            save(tmp_path, f"{number} {index}".encode())

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    contents = {path.read_text() for path in tmp_path.iterdir()}
    assert {f"{number} {index}" for number in range(4) for index in range(25)} == contents
    assert len(names(tmp_path)) == 100


def test_processes_that_save_the_same_name_lose_nothing(tmp_path: Path) -> None:
    program = (
        "import sys; from runpod.media import Media; from runpod.media.saving import Folder, save_data; input()\n"
        "for n in range(50): save_data(Folder(sys.argv[1]), Media('image/png', 'horse.png', None, b'data'))"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with started(command, stdin=subprocess.PIPE) as one, started(command, stdin=subprocess.PIPE) as two:
        for process in one, two:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        assert (0, 0) == (one.wait(60), two.wait(60))
    assert len(names(tmp_path)) == 100


def test_many_files_of_one_name_take_a_constant_time_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one call: ten thousand, in a tenth of the number here."""
    checks: list[str] = []
    real_link, real_exists = os.link, os.path.lexists
    monkeypatch.setattr(saving.os, "link", lambda *args: (checks.append("link"), real_link(*args))[1])
    monkeypatch.setattr(saving.os.path, "lexists", lambda path: (checks.append("exists"), real_exists(path))[1])
    with Runpod(KEY, base_url=BASE_URL) as client:
        paths = client.save([picture(b"%d" % number) for number in range(1000)], tmp_path)
        assert len(set(paths)) == len(names(tmp_path)) == 1000
        assert len(checks) < 1010
        assert tmp_path / "horse-1000.png" == paths[-1]
        assert paths[-1].read_bytes() == b"999"
        checks.clear()
        # In another call, the last number is found by bisection.
        assert [tmp_path / "horse-1001.png"] == client.save(picture(b"x"), tmp_path)
    assert len(checks) < 30


def test_a_large_picture(tmp_path: Path) -> None:
    data = os.urandom(1_000_000) * 40
    assert save(tmp_path, data).read_bytes() == data


@pytest.mark.parametrize("name", ["../horse.png", "/etc/horse.png", "..\\horse.png", "a/b/horse.png", "C:\\horse.png"])
def test_names_stay_in_the_folder(name: str, tmp_path: Path) -> None:
    assert tmp_path / "folder" / "horse.png" == save_in_new_folder(tmp_path / "folder", name)


@pytest.mark.parametrize("name", ["", "..", ".", "/", "\0", "con", "x" * 300, "horse\n.png", ".hidden"])
def test_names_that_are_no_file_names(name: str, tmp_path: Path) -> None:
    path = save_in_new_folder(tmp_path / "folder", name)
    assert tmp_path / "folder" == path.parent
    assert not path.name.startswith(".")
    assert [path.name] == names(tmp_path / "folder")


def save_in_new_folder(where: Path, name: str) -> Path:
    folder = Folder(where)
    folder.create()
    return save_data(folder, picture(b"data", name))


@pytest.mark.usefixtures("_with_and_without_links")
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_files_have_the_usual_permissions(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        path = save(tmp_path)
    finally:
        os.umask(before)
    assert 0o666 & ~mask == stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("step", ["open", "link"])
def test_a_folder_without_rights(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by chmod, since root may write everywhere.
    def denied(*_: Any) -> Any:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(saving.os, step, denied)
    with pytest.raises(
        FolderError, match=r"Read-only file system\. The file system is read-only: save to another"
    ) as caught:
        save(tmp_path)
    assert caught.value.cause.errno == errno.EROFS
    assert [] == names(tmp_path)


@pytest.mark.parametrize("step", ["open", "close"])
def test_an_interrupt_leaves_no_reserved_name(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "horse.png").touch()
    real = getattr(os, step)

    def interrupted(*args: Any) -> Any:
        result = real(*args)
        if step == "close" or not args[0].name.startswith("."):
            raise KeyboardInterrupt
        return result

    without_links(monkeypatch)
    monkeypatch.setattr(saving.os, step, interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path)
    assert ["horse.png"] == names(tmp_path)


def test_a_name_that_cannot_be_taken_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_links(monkeypatch)

    def replace(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(FolderError, match="Free some space"):
        save(tmp_path)
    assert [] == names(tmp_path)


FULL_DISK = """
import resource, sys
from runpod import MediaError, Runpod
from runpod.media import Media

resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
small, large = (Media("image/png", f"{size}.png", None, b"x" * size) for size in (40_000, 3_000_000))
with Runpod("key") as client:
    try:
        client.save([small, large, small], sys.argv[1])
    except MediaError as error:
        print(error.message, [path.name for path in error.saved], type(error.__cause__).__name__)
"""


def test_a_limit_of_the_system(tmp_path: Path) -> None:
    # Data of the measurement of coverage would be cut off too.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    with started([sys.executable, "-c", FULL_DISK, str(tmp_path)], env=environment) as process:
        output = process.communicate(timeout=60)[0]
    assert f"'3000000.png' cannot be saved in {str(tmp_path)!r}: File too large." in output
    assert "1 of 3 files were saved before. ['40000.png'] OSError" in output
    assert ["40000.png"] == names(tmp_path)


KILLED = """
import os, signal, sys
from runpod import Runpod
from runpod.media.saving import Folder, PartialFile

part = PartialFile(Folder(sys.argv[1]), "horse.png")
part.write([b"x" * 100_000])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_program_leaves_a_hidden_file_at_most(tmp_path: Path) -> None:
    with started([sys.executable, "-c", KILLED, str(tmp_path)]) as process:
        assert process.wait(60) != 0
    (left,) = names(tmp_path)
    assert left.startswith(".runpod-")
    assert left.endswith(".part")
    assert save(tmp_path).name == "horse.png"


def test_a_thread_that_outlives_its_task_writes_nothing(tmp_path: Path) -> None:
    """A cancelled task discards its file; the thread that it has started may write later."""
    part = PartialFile(Folder(tmp_path), "horse.png")
    part.write([b"x"])
    part.discard()
    part.write([b"more"])
    part.restart()
    part.write([b"more"])
    with pytest.raises(FolderError):
        part.keep("horse.png")
    assert [] == names(tmp_path)


def test_broken_data(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="cannot be decoded"):
        save_data(Folder(tmp_path), Media("image/png", "horse.png", None, "iVBORw0KGgo*"))
    assert [] == names(tmp_path)


def test_a_sync_client_on_a_running_event_loop_warns(tmp_path: Path) -> None:
    async def run() -> None:
        with Runpod(KEY, base_url=BASE_URL) as client:
            client.save(picture(b"data"), tmp_path)

    with pytest.warns(RuntimeWarning, match="Use AsyncRunpod with await"):
        asyncio.run(run())
