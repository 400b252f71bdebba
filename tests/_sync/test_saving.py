# Generated from tests/_async/test_saving.py by scripts/generate_sync.py. Do not edit.

"""`save`: the files of media and jobs, and what is left on disk."""

from __future__ import annotations

import base64
import logging
import sys
from typing import TYPE_CHECKING, Any
import httpx
import pytest

from runpod import (
    Runpod,
    ConfigurationError,
    InvalidRequestError,
    JobFailedError,
    JobState,
    MapResult,
    MediaError,
    RunpodTimeoutError,
    StreamChunk,
)
from runpod.media import Media
from runpod.public import PublicOutput
from tests._sync.calls import FAILED, INPUT, JOB, QUEUED
from tests._sync.downloads import PNG, URL, names, ok, picture
from tests._sync.misbehaving import new_client
from tests.servers import TEST_TIMEOUT, Delayed, RawServer, Wire

if TYPE_CHECKING:
    from pathlib import Path

    from runpod import Endpoint
    from tests.clocks import VirtualClock
    from tests.servers import Connection


# Data in the output


def test_media_with_data(client: Runpod, tmp_path: Path) -> None:
    assert client.fetch(picture()) == PNG
    (path,) = client.save(picture(), tmp_path)
    assert PNG == path.read_bytes()
    with pytest.raises(MediaError, match="cannot be decoded"):
        client.fetch(Media("image/png", "horse.png", None, "iVBORw0KGgo*"))


# Files


def test_names_come_from_the_content(client: Runpod, wire: Wire, tmp_path: Path) -> None:
    text = b"WEBVTT\n\nno horse"
    for name, content, kind in (
        ("horse.jpg", PNG, "image/jpeg"),
        ("horse.bin", PNG, ""),
        ("files", text, "text/plain; charset=utf-8"),
        ("subtitles.vtt", text, "text/html"),
        ("BMW.txt", b"BMW and others", "text/plain"),
        ("data", b"\0\1\2\3", "application/octet-stream"),
        ("../../etc/passwd.png", PNG, ""),
    ):
        wire.respond(ok(content, **{"Content-Type": kind}))
        url = f"https://files.example.test/{name}?x=1"
        client.save(Media("application/octet-stream", name, url), tmp_path / "new" / "folder")
    assert sorted(
        ["horse.png", "horse-2.png", "files.txt", "subtitles.vtt", "BMW.txt", "data.bin", "passwd.png"]
    ) == names(tmp_path / "new" / "folder")


def test_nothing_is_overwritten(client: Runpod, wire: Wire, tmp_path: Path) -> None:
    (tmp_path / "horse.png").write_bytes(b"mine")
    (tmp_path / "horse-2.png").symlink_to(tmp_path / "missing")
    wire.respond(ok())
    paths = client.save([picture(), picture(URL)], tmp_path)
    assert [tmp_path / "horse-3.png", tmp_path / "horse-4.png"] == paths
    assert (tmp_path / "horse.png").read_bytes() == b"mine"
    assert not (tmp_path / "missing").exists()


def test_one_problem_does_not_stop_the_others(client: Runpod, wire: Wire, tmp_path: Path) -> None:
    wire.respond(404, ok())
    items = [
        picture(),
        Media("image/png", "broken.png", None, "iVBORw0KGgo*"),
        picture(f"{URL}/gone.png"),
        picture(URL, "last.png"),
    ]
    with pytest.raises(
        MediaError, match=r"2 of 4 files were not saved; the others were\. The first: .*broken"
    ) as caught:
        client.save(items, tmp_path)
    assert [tmp_path / "horse.png", tmp_path / "last.png"] == caught.value.saved
    assert ["horse.png", "last.png"] == names(tmp_path)
    assert isinstance(caught.value.__cause__, MediaError)
    with pytest.raises(MediaError, match=r"^2 of 2 files were not saved\. The first: .*broken"):
        client.save(items[1:2] * 2, tmp_path)


def test_a_folder_that_is_a_file(client: Runpod, wire: Wire, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    for folder in tmp_path / "file", tmp_path / "file" / "folder":
        with pytest.raises(MediaError, match=r"^Files cannot be saved in .*file") as caught:
            client.save([picture(URL), picture(URL)], folder)
        assert isinstance(caught.value.__cause__, OSError)
        assert [] == caught.value.saved
    assert [] == wire.sent


def test_a_disk_that_becomes_full(
    client: Runpod, wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    def fill(done: int, total: int | None) -> None:
        if done > len(PNG):
            monkeypatch.setattr("runpod.media.saving.os.open", full)

    wire.respond(ok(), ok())
    with pytest.raises(
        MediaError, match=r"No space left on device\. Free some space.* at 'two\.png': 1 of 3"
    ) as caught:
        client.save([picture(URL, "one.png"), picture(URL, "two.png"), picture(URL)], tmp_path, progress=fill)
    monkeypatch.undo()
    assert [tmp_path / "one.png"] == caught.value.saved
    assert isinstance(caught.value.__cause__, OSError)
    assert ["one.png"] == names(tmp_path)


@pytest.mark.parametrize("after", [0, 2_000_000])
def test_an_interrupt_leaves_nothing(after: int, client: Runpod, wire: Wire, tmp_path: Path) -> None:
    def interrupt(done: int, total: int | None) -> None:
        if done > after:
            raise KeyboardInterrupt

    wire.respond(ok(PNG + bytes(3_000_000)))
    with pytest.raises(KeyboardInterrupt):
        client.save(picture(URL), tmp_path, progress=interrupt)
    assert [] == names(tmp_path)


# Progress


def test_progress_counts_all_files(client: Runpod, wire: Wire, tmp_path: Path) -> None:
    counts: list[tuple[int, int | None]] = []
    wire.respond(ok(), 404, ok())
    with pytest.raises(MediaError):
        client.save(
            [picture(), picture(URL), picture(URL), picture(URL)],
            tmp_path,
            progress=lambda done, total: counts.append((done, total)),
        )
    size = len(PNG)
    assert counts[0] == (0, None)
    assert counts[-1] == (3 * size, 3 * size)
    assert [done for done, _ in counts] == sorted(done for done, _ in counts)


def test_progress_is_checked_before_anything_is_downloaded(
    client: Runpod, wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "tqdm", "tqdm.std", "tqdm.auto":
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigurationError, match=r"runpod-sdk\[progress\]"):
        client.save(picture(URL), tmp_path, progress=True)
    assert [] == wire.sent


def test_errors_of_progress_are_not_those_of_the_transport(
    client: Runpod, wire: Wire, tmp_path: Path
) -> None:
    broken = BrokenPipeError("nobody reads")
    broken.__cause__ = cause = ValueError()

    def show(done: int, total: int | None) -> None:
        if done:
            raise broken

    wire.respond(ok())
    with pytest.raises(BrokenPipeError) as caught:
        client.save([picture(URL), picture()], tmp_path, progress=show)
    assert caught.value is broken
    assert (cause, None) == (broken.__cause__, broken.__context__)
    assert ["GET /horse.png"] == wire.sent
    assert [] == names(tmp_path)


# Jobs


def test_a_job_is_waited_for_and_saved(endpoint: Endpoint, wire: Wire, tmp_path: Path) -> None:
    wire.respond(QUEUED)
    job = endpoint.run(input=INPUT)
    wire.respond(
        {**QUEUED, "status": "IN_PROGRESS"}, {**QUEUED, "status": "COMPLETED", "output": {"image_url": URL}}, ok()
    )
    assert [tmp_path / "horse.png"] == job.save(tmp_path)
    # The state is known now.
    wire.respond(ok())
    assert [tmp_path / "horse-2.png"] == job.save(tmp_path)


def test_the_timeout_covers_the_wait_and_the_downloads(
    endpoint: Endpoint, wire: Wire, clock: VirtualClock, tmp_path: Path
) -> None:
    wire.respond(
        Delayed(50, {"id": JOB, "status": "COMPLETED", "output": {"image_url": URL}}),
        Delayed(20, httpx.ReadTimeout("")),
    )
    with pytest.raises(RunpodTimeoutError, match="timeout of 60 s") as caught:
        endpoint.job(JOB).save(tmp_path, timeout=60)
    assert ("ep", JOB) == (caught.value.endpoint_id, caught.value.job_id)


def test_a_failed_job_raises(endpoint: Endpoint, wire: Wire, tmp_path: Path) -> None:
    wire.respond(FAILED)
    with pytest.raises(JobFailedError):
        endpoint.job(JOB).save(tmp_path)


def test_arguments_are_checked_before_the_wait(endpoint: Endpoint, wire: Wire, tmp_path: Path) -> None:
    given: Any = 7
    with pytest.raises(InvalidRequestError, match="folder must be a path"):
        endpoint.job(JOB).save(given)
    with pytest.raises(InvalidRequestError, match="progress must"):
        endpoint.job(JOB).save(tmp_path, progress=given)
    assert [] == wire.sent


def test_an_output_without_media(
    endpoint: Endpoint, wire: Wire, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wire.respond({"id": JOB, "status": "COMPLETED", "output": {"text": "no horse"}})
    assert [] == endpoint.job(JOB).save(tmp_path / "folder")
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [f"Job {JOB} has no files to save: its status is COMPLETED, and its output has no media"] == [
        record.getMessage() for record in warnings
    ]
    assert [] == names(tmp_path)


@pytest.mark.fact("protocol-2 6: uploaded files")
def test_files_that_stayed_on_the_worker(endpoint: Endpoint, wire: Wire, tmp_path: Path) -> None:
    wire.respond({"id": JOB, "status": "COMPLETED", "output": "/tmp/output/horse.png"})
    with pytest.raises(MediaError, match=r"'/tmp/output/horse\.png'.*BUCKET_ENDPOINT_URL") as caught:
        endpoint.job(JOB).save(tmp_path)
    assert ("ep", JOB) == (caught.value.endpoint_id, caught.value.job_id)


@pytest.mark.parametrize(
    "holder",
    [
        StreamChunk(output={"image_url": URL}),
        MapResult(0, {}, state=JobState(id=JOB, status="COMPLETED", output=[URL])),
        PublicOutput({"image_url": URL, "cost": 0.1}),
    ],
    ids=lambda holder: type(holder).__name__,
)
def test_what_has_media_is_saved(holder: Any, client: Runpod, wire: Wire, tmp_path: Path) -> None:
    wire.respond(httpx.Response(200, content=PNG))
    [path] = client.save(holder, tmp_path)
    assert PNG == path.read_bytes()


def test_a_state_is_saved(client: Runpod, wire: Wire, tmp_path: Path) -> None:
    output = {"images": [{"filename": "a.png", "type": "base64", "data": base64.b64encode(PNG).decode()}]}
    state = JobState(id=JOB, status="COMPLETED", output=output)
    assert [tmp_path / "a.png"] == client.save(state, tmp_path)
    wire.respond(410)
    with pytest.raises(MediaError) as caught:
        client.save(JobState(id=JOB, status="COMPLETED", output={"image_url": URL}), tmp_path)
    assert caught.value.job_id == JOB
