from __future__ import annotations

import pytest

from runpod.media.kinds import HEAD, extension_of, mime_by_extension, sniff
from tests.media.samples import KINDS


@pytest.mark.parametrize("name", KINDS)
def test_the_kind_of_a_sample_is_known_by_its_head(name: str) -> None:
    data, mime, extension = KINDS[name]
    assert (mime, extension, True) == sniff(data[:HEAD])


@pytest.mark.parametrize(
    ("head", "mime", "extension", "is_certain"),
    [
        (b"GIF89a\1\0", "image/gif", ".gif", True),
        (b"RIFF\0\0\0\0AVI LIST", "video/x-msvideo", ".avi", True),
        (b"\0\0\0\x1cftypavif\0", "image/avif", ".avif", True),
        (b"\0\0\0\x1cftypavis\0", "image/avif", ".avif", True),
        (b"\0\0\0\x1cftypheic\0", "image/heic", ".heic", True),
        (b"\0\0\0\x1cftypM4A \0", "audio/mp4", ".m4a", True),
        (b"\0\0\0\x14ftypqt  \0", "video/quicktime", ".mov", True),
        (b"\0\0\0\x20ftypmp42\0", "video/mp4", ".mp4", True),
        (b"\x1aE\xdf\xa3\xa3B\x82\x88matroska", "video/x-matroska", ".mkv", True),
        (b"II*\0\x08", "image/tiff", ".tiff", True),
        (b"MM\0*\0", "image/tiff", ".tiff", True),
        (b"\xff\xfb\x90\x64", "audio/mpeg", ".mp3", False),
        (b"\xff\xf1\x50\x80", "audio/aac", ".aac", False),
        (b"BM\x46\0\0\0", "image/bmp", ".bmp", False),
    ],
)
def test_other_kinds(head: bytes, mime: str, extension: str, is_certain: bool) -> None:
    assert (mime, extension, is_certain) == sniff(head)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\x89PNG",
        b"RIFF\0\0\0\0",
        b"RIFX\0\0\0\0WAVE",
        b"Rock    WEBP",
        b"ID3 is a tag",
        b"ftypisom",
        b"<svg>",
        b"PK",
    ],
)
def test_other_data_is_of_no_kind(head: bytes) -> None:
    assert sniff(head) is None


@pytest.mark.parametrize(
    ("name", "extension", "mime"),
    [
        ("horse.PNG", ".png", "image/png"),
        ("horse.jpeg", ".jpeg", "image/jpeg"),
        ("horse.tar.zip", ".zip", "application/zip"),
        ("horse.html", ".html", None),
        ("horse", "", None),
        (".png", "", None),
        ("horse.p/g", "", None),
        ("horse.abcdefghijklm", "", None),
    ],
)
def test_extensions(name: str, extension: str, mime: str | None) -> None:
    assert extension == extension_of(name)
    assert mime == mime_by_extension(extension)
