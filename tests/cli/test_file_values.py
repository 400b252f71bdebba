"""Files in inputs: "@horse.png"."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runpod.cli.uploads import uploads_of
from tests.cli.many import ManyServer, lines_of, write_rows
from tests.media.samples import PNG, data_url, text
from tests.uploads.s3_server import BUCKET, REGION, running

if TYPE_CHECKING:
    from tests.cli.conftest import Command, Stable

PICTURE = data_url(PNG, "image/png")


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("horse.png").write_bytes(PNG)


def test_files_and_texts(server: Stable, cli: Command) -> None:
    given = {
        "image": "@horse.png",
        "images": [{"data": "@base64:horse.png"}],
        "user": "@@horse",
        "two": "@@@",
        "mail": "a@b.test",
        "n": 1,
    }
    expected = {
        "image": PICTURE,
        "images": [{"data": text(PNG)}],
        "user": "@horse",
        "two": "@@",
        "mail": "a@b.test",
        "n": 1,
    }
    Path("input.json").write_text(json.dumps(given))
    for argument in (json.dumps(given), "@input.json"):
        done = cli("run", "echo", argument, "--output-only")
        assert (0, expected, "") == (done.status, done.json, done.err)
    # What comes from elsewhere must not read files.
    stdin = json.dumps(given).encode()
    done = cli("run", "echo", "-", "--output-only", stdin=stdin)
    assert (0, given) == (done.status, done.json)
    assert "Values that begin with @ are sent as text. Pass --files to send the files that they name.\n" == done.err
    assert expected == cli("run", "echo", "-", "--output-only", "--files", stdin=stdin).json


def test_a_file_that_cannot_be_read(server: Stable, cli: Command) -> None:
    before = len(server.requests)
    for value, place, reason in (
        ("@no\x1b.png", '{"images": [{"a b": VALUE}]}', "images[0].a b: "),
        ("@friend", '{"user": VALUE}', "user: "),
        ("@.", '{"user": VALUE}', "user: "),
    ):
        done = cli("run", "echo", place.replace("VALUE", json.dumps(value)))
        assert (2, "") == (done.status, done.out)
        assert done.err.startswith(reason)
    assert "To send the text '@.' itself, write '@@.'.\n" in done.err
    assert before == len(server.requests)


def test_a_deeply_nested_input(server: Stable, cli: Command) -> None:
    depth = 600
    done = cli("run", "echo", '{"a": ' + "[" * depth + '"@no.png"' + "]" * depth + "}")
    assert (2, "") == (done.status, done.out)
    assert done.err.startswith("a[0][0]")
    assert "No such file" in done.err


def test_rows(many: ManyServer, cli: Command) -> None:
    rows = write_rows(Path("rows.jsonl"), {"image": "@horse.png", "user": "@@horse"})
    done = cli("map", "echo", rows, "--output-only")
    assert {"image": "@horse.png", "user": "@@horse"} == done.json
    assert {"image": PICTURE, "user": "@horse"} == cli("map", "echo", rows, "--output-only", "--files").json
    template = '{"image": "@{{name}}"}'
    rows = write_rows(Path("rows.jsonl"), {"name": "horse.png"})
    done = cli("map", "echo", rows, "--output-only", "--input", template)
    assert {"image": "@horse.png"} == done.json
    assert "Pass --files" in done.err
    assert {"image": PICTURE} == cli("map", "echo", rows, "--output-only", "--input", template, "--files").json
    before = many.submissions()
    rows = write_rows(Path("rows.jsonl"), {"name": "horse.png"}, {"name": "foal.png"})
    done = cli("map", "echo", rows, "--input", template, "--files")
    assert 2 == done.status
    assert done.err.startswith("line 2 of rows.jsonl: image: ")
    assert "Nothing was submitted." in done.err
    assert before == many.submissions()


def test_rows_of_a_run_file(many: ManyServer, cli: Command) -> None:
    rows = write_rows(Path("rows.jsonl"), {"image": "@horse.png"})
    command = ["bulk", "run", "echo", rows, "--out", "-"]
    done = cli(*command, "--db", "text.sqlite")
    assert {"image": "@horse.png"} == lines_of(done.out)[0]["output"]
    done = cli(*command, "--db", "files.sqlite", "--files")
    assert {"image": PICTURE} == lines_of(done.out)[0]["output"]


def test_a_file_that_is_too_large(server: Stable, cli: Command) -> None:
    with Path("large.png").open("wb") as file:
        file.write(PNG)
        file.truncate(11_000_000)
    before = len(server.requests)
    done = cli("run", "echo", '{"image": "@large.png"}')
    assert (2, "") == (done.status, done.out)
    assert re.search(r"input\.image.*large\.png.*Pass a URL in its place, or @FILE with --uploads BUCKET,", done.err)
    assert "Limits" not in done.err
    assert "S3Uploads" not in done.err
    assert "run_sync" not in done.err
    assert before == len(server.requests)


def test_uploads(server: Stable, cli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("large.png").open("wb") as file:
        file.write(PNG)
        file.truncate(6_000_000)
    storage = running()
    storage.reset()
    for name, value in {
        "AWS_ACCESS_KEY_ID": storage.key_id,
        "AWS_SECRET_ACCESS_KEY": storage.secret,
        "AWS_ENDPOINT_URL_S3": storage.url,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": "missing",
        "AWS_SHARED_CREDENTIALS_FILE": "missing",
        "RUNPOD_UPLOADS": f"{BUCKET}/inputs",
    }.items():
        monkeypatch.setenv(name, value)
    done = cli("run", "echo", '{"large": "@large.png", "small": "@horse.png"}', "--output-only")
    assert (0, PICTURE, "") == (done.status, done.json["small"], done.err)
    [stored] = storage.objects()
    assert stored.startswith("inputs/")
    assert done.json["large"].startswith(f"{storage.url}/{BUCKET}/{stored}?")
    done = cli("run", "echo", '{"large": "@large.png"}', "--uploads", "no/such")
    assert (5, "") == (done.status, done.out)
    assert "The upload of 'large.png' to the bucket 'no' failed: " in done.err


def test_where_files_are_stored() -> None:
    assert uploads_of(None) is None
    bucket, volume = uploads_of("my-bucket/a/b"), uploads_of("4kuxf1t3qr@EU-RO-1")
    assert bucket is not None
    assert volume is not None
    assert ("my-bucket", "a/b/", None) == (bucket.bucket, bucket.prefix, bucket.mount)
    assert ("4kuxf1t3qr", "EU-RO-1", "/runpod-volume") == (volume.bucket, volume.region, volume.mount)
