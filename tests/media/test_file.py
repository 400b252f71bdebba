"""Tests of `runpod.File`: its sources, what it knows of them, and when it reads them."""

from __future__ import annotations

import base64
import copy
import gc
import gzip
import io
import os
import pickle
import signal
import socket
import sys
import threading
import tracemalloc
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from runpod import File, InvalidRequestError, Media
from runpod.media import file as file_module
from runpod.media import process_lock
from runpod.media.file import encoded, encoded_size
from runpod.media.process_lock import ProcessLock
from tests.servers import TEST_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(100))
ZIP = b"PK\x03\x04" + bytes(60)


def refused(source: Any, **options: Any) -> str:
    with pytest.raises(InvalidRequestError) as info:
        encoded(File(source, **options))
    return info.value.message


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "horse.png"
    path.write_bytes(PNG)
    return path


def media(content: bytes | str) -> Media:
    return Media("image/png", "out.png", None, content)


TEXT = base64.b64encode(PNG).decode()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (str, "horse.png"),
        (Path, "horse.png"),
        (lambda _: PNG, "file.png"),
        (lambda _: bytearray(PNG), "file.png"),
        (lambda _: memoryview(b"ab" + PNG)[2:], "file.png"),
        (lambda path: path.open("rb"), "horse.png"),
        (lambda _: io.BytesIO(PNG), "file.png"),
        (lambda _: gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(PNG)), mode="rb"), "file.png"),
        (lambda _: media(PNG), "out.png"),
        (lambda _: media("data:;base64," + TEXT), "out.png"),
    ],
)
def test_every_source_has_a_name_a_kind_and_a_size(picture: Path, source: Callable[[Path], Any], name: str) -> None:
    given = source(picture)
    file = File(given)
    assert (name, "image/png", len(PNG), "data_url") == (file.name, file.mime, file.size, file.form)
    with file.open() as opened, file.open() as again:
        assert (PNG, PNG) == (opened.read(), again.read())
    assert TEXT.encode() == bytes(encoded(file))
    assert len(TEXT) + len("data:image/png;base64,") == encoded_size(file)
    assert f"File({name!r}, 'image/png', size={len(PNG)})" == repr(file)
    if hasattr(given, "close"):
        given.close()


def test_a_file_object_is_read_once_from_its_current_position(picture: Path) -> None:
    with picture.open("rb") as stream:
        stream.seek(8)
        file = File(stream, name="tail.bin")
        assert (8, len(PNG) - 8, "application/octet-stream") == (stream.tell(), file.size, file.mime)
        stream.seek(50)  # where it began counts, as its size does
        assert PNG[8:] == base64.b64decode(encoded(file))
    # It is closed, and no longer needed.
    with file.open() as opened:
        assert PNG[8:] == opened.read()


def test_an_unseekable_file_object_is_read_when_its_size_is_needed() -> None:
    reading, writing = socket.socketpair()
    with reading, reading.makefile("rb") as stream:
        file = File(stream)
        assert "File('the file object')" == repr(file)
        with writing:
            writing.sendall(PNG)
        assert (len(PNG), "image/png", "file.png") == (file.size, file.mime, file.name)
        assert f"size={len(PNG)}" in repr(file)


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (PNG, "horse.txt", "image/png"),  # the content counts
        (ZIP, "horse.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (ZIP, "horse", "application/zip"),
        (b"BMW is a car", "car.txt", "text/plain"),  # which begins as a bitmap
        (b"BM....", "car", "image/bmp"),
        (b"?", "horse.json", "application/json"),
        (b"?", "horse", "application/octet-stream"),
    ],
)
def test_the_kind_is_recognized_by_content_then_by_name(content: bytes, name: str, expected: str) -> None:
    assert expected == File(content, name=name).mime
    assert "audio/x-horse; rate=44100" == File(content, name=name, mime="audio/x-horse; rate=44100").mime


@pytest.mark.parametrize("name", ["../../etc/horse.png", "C:\\horse.png", "a/horse.png", "horse.png\x00"])
def test_a_name_has_no_folders(name: str) -> None:
    assert "horse.png" == File(PNG, name=name).name


class TestImages:
    def test_an_image_is_encoded_as_png(self) -> None:
        file = File(Image.new("RGB", (4, 3), "red"))
        assert "File('the image')" == repr(file)
        assert ("image.png", "image/png") == (file.name, file.mime)
        with file.open() as opened, Image.open(opened) as image:
            assert ("PNG", (4, 3), (255, 0, 0)) == (image.format, image.size, image.getpixel((0, 0)))

    def test_an_image_of_a_jpeg_file_stays_jpeg(self, tmp_path: Path) -> None:
        path = tmp_path / "horse.jpeg"
        Image.effect_noise((64, 64), 50).save(path, quality=30)
        with Image.open(path) as image:
            file = File(image)
            assert ("horse.jpg", "image/jpeg") == (file.name, file.mime)
            assert file.size < 1.2 * path.stat().st_size
            assert "image/png" == File(image.rotate(90)).mime

    def test_an_image_that_png_cannot_express(self) -> None:
        message = refused(Image.new("CMYK", (2, 2)))
        assert "The image cannot be encoded as PNG" in message
        assert "Convert it first: File(image.convert('RGB'))." in message


def test_media_with_broken_data() -> None:
    assert "The data of 'out.png' cannot be decoded" in refused(media("data:;base64,####"))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("https://example.com/a.png?X-Signature=hush", "File takes data or a path, not a URL. Put a URL into the input as it is"),
        ("s3://bucket/a.png", "not a URL"),
        ("data:image/png;base64,aGk=", "not a data URL. Put a data URL into the input as it is, as a str."),
        (None, "File takes a path, bytes, a file object that is open for reading, a PIL image or Media, not None."),
        (5, "Media, not int."),
        (b"", "The file is empty: it has no bytes."),
        (io.BytesIO(), "The file object has no data after its current position. If it was read before, call its seek(0)."),
        (io.StringIO("x"), "The file object was opened in text mode. Open it with open(…, 'rb')."),
        ("a\x00b", "cannot be used: its path contains a null character."),
    ],
)  # fmt: skip
def test_a_source_that_is_none(source: Any, expected: str) -> None:
    message = refused(source)
    assert expected in message
    assert "hush" not in message


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"form": "url"}, 'form must be "data_url" or "base64", not \'url\'.'),
        ({"mime": "png"}, "mime must be a media type such as 'image/png', not 'png'."),
        ({"mime": 'image/png"'}, "mime must be"),
        ({"mime": 5}, "mime must be"),
        ({"name": Path("x")}, "name must be a str such as 'horse.png', not"),
    ],
)
def test_an_invalid_argument(options: Any, expected: str) -> None:
    assert expected in refused(PNG, **options)


class TestPaths:
    def test_a_missing_file(self, tmp_path: Path) -> None:
        path = tmp_path / "horse.png"
        assert f"The file {str(path)!r} cannot be used: No such file or directory." == refused(path)

    def test_a_relative_path_is_that_of_the_current_folder(
        self, picture: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(picture.parent)
        file = File("horse.png")
        monkeypatch.chdir(picture.parent.parent)
        assert TEXT.encode() == bytes(encoded(file))
        assert "The file 'gone.png' cannot be used: No such file or directory." == refused("gone.png")

    def test_a_directory(self, tmp_path: Path) -> None:
        assert f"The file {str(tmp_path)!r} is a directory. Pass each of its files as a File" in refused(tmp_path)

    def test_an_empty_file(self, tmp_path: Path) -> None:
        path = tmp_path / "horse.png"
        path.touch()
        assert f"The file {str(path)!r} is empty." == refused(path)

    def test_a_file_without_rights(self, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # Root can read everything, so that the system is not asked.
        def deny(*_: Any, **__: Any) -> Any:
            raise PermissionError(13, "Permission denied", str(picture))

        monkeypatch.setattr(Path, "open", deny)
        with pytest.raises(InvalidRequestError) as info:
            File(picture)
        assert f"The file {str(picture)!r} cannot be used: Permission denied." == info.value.message

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes")
    def test_a_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        assert "is not a regular file. Pass a file object instead" in refused(tmp_path / "pipe")

    def test_a_file_that_changed_or_is_gone(self, picture: Path) -> None:
        file = File(picture)
        with picture.open("ab") as stream:
            stream.write(b"more")
        expected = f"The file {str(picture)!r} has changed since its File was created."
        for use in (encoded, File.open):
            with pytest.raises(InvalidRequestError, match="has changed") as info:
                use(file)
            assert str(info.value).startswith(expected)
        file = File(picture)
        found = picture.stat()
        (picture.parent / "other").write_bytes(picture.read_bytes())
        (picture.parent / "other").replace(picture)  # another file with the same time and size
        os.utime(picture, ns=(found.st_atime_ns, found.st_mtime_ns))
        with pytest.raises(InvalidRequestError, match="has changed"):
            encoded(file)
        picture.unlink()
        with pytest.raises(InvalidRequestError, match="cannot be read any more: No such file"):
            encoded(file)

    @pytest.mark.parametrize("appended", [0, 5])
    def test_a_file_that_changes_while_it_is_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, appended: int
    ) -> None:
        path = tmp_path / "growing.bin"
        path.write_bytes(bytes(3 * 2**18 + 1))
        file = File(path)

        def encode(chunk: bytes, *, newline: bool) -> bytes:
            if appended:
                with path.open("ab") as stream:
                    stream.write(bytes(appended))
            else:
                os.truncate(path, 1)
            return base64.b64encode(chunk)

        monkeypatch.setattr(file_module, "binascii", SimpleNamespace(b2a_base64=encode))
        with pytest.raises(InvalidRequestError, match="has changed since its File was created"):
            encoded(file)


def test_a_file_object_without_data() -> None:
    file = File(SimpleNamespace(read=lambda *_: b""))  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(InvalidRequestError, match=r"^The file object is empty\. See "):
            encoded(file)


def test_a_file_object_that_changed(picture: Path) -> None:
    picture.write_bytes(bytes(1_000_000))  # more than its buffer
    with picture.open("rb") as stream:
        file = File(stream)
        os.truncate(picture, 5)
        with pytest.raises(InvalidRequestError, match=r"The file object '.*horse.png' has changed"):
            encoded(file)


def test_a_file_object_that_was_closed(picture: Path) -> None:
    with picture.open("rb") as stream:
        file = File(stream)
    assert "horse.png" == file.name
    with pytest.raises(InvalidRequestError, match="cannot be read: seek of closed file"):
        encoded(file)
    assert "is closed. Open it with open(…, 'rb')" in refused(stream)


class TestCopies:
    @pytest.mark.parametrize("of", [str, lambda _: PNG, lambda _: media(PNG)])
    def test_a_pickle_is_the_same_file(self, picture: Path, of: Callable[[Path], Any]) -> None:
        file = File(of(picture), mime="image/x", form="base64", name="a.png")
        other = pickle.loads(pickle.dumps(file))
        assert ("a.png", "image/x", "base64", len(PNG)) == (other.name, other.mime, other.form, other.size)
        assert bytes(encoded(file)) == bytes(encoded(other))

    def test_a_pickle_notices_changes(self, picture: Path) -> None:
        stored = pickle.dumps(File(picture))
        picture.write_bytes(b"other")
        with pytest.raises(InvalidRequestError, match="has changed"):
            encoded(pickle.loads(stored))

    def test_a_file_object_cannot_be_pickled(self) -> None:
        with pytest.raises(
            TypeError, match=r"A File of a file object cannot be pickled\. Pass a path or bytes instead\."
        ):
            pickle.dumps(File(io.BytesIO(PNG)))

    def test_a_copy_is_the_file_itself(self) -> None:
        file = File(io.BytesIO(PNG))
        assert copy.copy(file) is file is copy.deepcopy({"a": [file]})["a"][0]
        with pytest.raises(AttributeError):
            file.size = 5  # type: ignore[misc]


class Opened:
    """Counts how often a file is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        real = Path.open

        def count(path: Path, *args: Any, **options: Any) -> Any:
            self.count += 1
            return real(path, *args, **options)

        monkeypatch.setattr(Path, "open", count)


class TestMemory:
    def test_threads_encode_a_file_once(self, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = File(picture)
        opened = Opened(monkeypatch)
        barrier = threading.Barrier(8)
        texts: list[Any] = []

        def use() -> None:
            barrier.wait()
            texts.append(encoded(file))

        threads = [threading.Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (1, 1, 8) == (opened.count, len({id(text) for text in texts}), len(texts))

    def test_threads_read_a_file_object_once(self) -> None:
        reading, both = threading.Event(), threading.Event()
        contents = [b"", PNG]

        class Lock(ProcessLock):
            @property
            def here(self) -> threading.Lock:
                if reading.is_set():
                    both.set()
                return super().here

        def read() -> bytes:
            reading.set()
            assert both.wait(TEST_TIMEOUT)
            return contents.pop()

        file = File(SimpleNamespace(read=read))  # type: ignore[arg-type]
        file._source._lock = Lock()  # type: ignore[attr-defined]
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(lambda: file.size)
            assert reading.wait(TEST_TIMEOUT)
            second = pool.submit(lambda: file.size)
            assert len(PNG) == first.result() == second.result()
        assert [b""] == contents

    def test_files_that_were_dropped_are_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        kept = file_module._Kept()
        monkeypatch.setattr(file_module, "_kept", kept)
        first = File(b"first")
        text = encoded(first)
        for _ in range(3000):
            encoded(File(PNG))
        assert len(kept._files) < 2000
        assert kept._size < 2000 * len(TEXT)
        assert text is encoded(first)

    def test_ctrl_c_leaves_nothing_locked(self) -> None:
        def interrupt(frame: FrameType, event: str, _: object) -> None:
            if event == "return" and frame.f_code.co_filename == process_lock.__file__:
                raise KeyboardInterrupt

        file = File(PNG)
        sys.setprofile(interrupt)
        try:
            with pytest.raises(KeyboardInterrupt):
                encoded(file)
        finally:
            sys.setprofile(None)
        thread = threading.Thread(target=encoded, args=(file,), daemon=True)
        thread.start()
        thread.join(TEST_TIMEOUT)
        assert not thread.is_alive()

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    def test_a_fork_while_a_file_is_encoded_leaves_nothing_locked(self) -> None:
        file = File(PNG)
        with file._lock.here, file._source._lock.here, file_module._kept._lock.here:  # type: ignore[attr-defined]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # there are threads, as in a user's program
                pid = os.fork()
            if pid == 0:
                signal.alarm(int(TEST_TIMEOUT))  # ends it if it hangs
                os._exit(encoded(file) != TEXT.encode())
            assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def test_the_files_encoded_last_are_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(file_module, "_kept", file_module._Kept())
        monkeypatch.setattr(file_module, "KEPT", 1000)
        files: list[File] = []
        for number in range(4):
            path = tmp_path / f"{number}.bin"
            path.write_bytes(bytes(300))  # 400 as base64
            files.append(File(path))
            encoded(files[-1])
        opened = Opened(monkeypatch)
        for file, expected in zip(reversed(files), (0, 0, 1, 2), strict=True):
            encoded(file)
            assert expected == opened.count
        large = tmp_path / "large.bin"
        large.write_bytes(bytes(900))
        file = File(large)
        opened.count = 0
        for _ in range(2):
            encoded(file)
        assert 2 == opened.count

    def test_a_file_that_is_dropped_is_freed(self) -> None:
        file = File(bytes(3_000_000))
        text = weakref.ref(file)
        tracemalloc.start()
        try:
            encoded(file)
            kept = tracemalloc.get_traced_memory()[0]
            del file
            gc.collect()
            assert text() is None
            assert kept - tracemalloc.get_traced_memory()[0] > 3_900_000
        finally:
            tracemalloc.stop()
