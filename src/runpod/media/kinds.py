"""Kinds of media, recognised by content."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of media.

    Attributes:
        mime: Its media type, such as `image/png`.
        extension: Its usual file extension, with the dot.
        is_certain: Whether it is recognised by at least three bytes. Random text can start like the others.
    """

    mime: str
    extension: str
    is_certain: bool = True


# How many bytes of a file `sniff` needs.
HEAD = 64

# A table, not a library: those that are maintained know hundreds of formats that no worker returns, and recognise some of
# them by two bytes, or by the end of the file.
_MAGIC = (
    (0, b"\x89PNG\r\n\x1a\n", Kind("image/png", ".png")),
    (0, b"\xff\xd8\xff", Kind("image/jpeg", ".jpg")),
    (0, b"GIF87a", Kind("image/gif", ".gif")),
    (0, b"GIF89a", Kind("image/gif", ".gif")),
    (8, b"WEBP", Kind("image/webp", ".webp")),
    (8, b"WAVE", Kind("audio/wav", ".wav")),
    (8, b"AVI ", Kind("video/x-msvideo", ".avi")),
    (4, b"ftypavif", Kind("image/avif", ".avif")),
    (4, b"ftypheic", Kind("image/heic", ".heic")),
    (4, b"ftypM4A ", Kind("audio/mp4", ".m4a")),
    (4, b"ftypqt  ", Kind("video/quicktime", ".mov")),
    (4, b"ftyp", Kind("video/mp4", ".mp4")),
    (0, b"\x1aE\xdf\xa3", Kind("video/webm", ".webm")),
    (0, b"ID3", Kind("audio/mpeg", ".mp3")),
    (0, b"OggS", Kind("audio/ogg", ".ogg")),
    (0, b"fLaC", Kind("audio/flac", ".flac")),
    (0, b"II*\0", Kind("image/tiff", ".tiff")),
    (0, b"MM\0*", Kind("image/tiff", ".tiff")),
    (0, b"glTF", Kind("model/gltf-binary", ".glb")),
    (0, b"PK\x03\x04", Kind("application/zip", ".zip")),
    (0, b"%PDF-", Kind("application/pdf", ".pdf")),
    (0, b"\xff\xfb", Kind("audio/mpeg", ".mp3", is_certain=False)),
    (0, b"\xff\xf3", Kind("audio/mpeg", ".mp3", is_certain=False)),
    (0, b"\xff\xf2", Kind("audio/mpeg", ".mp3", is_certain=False)),
    (0, b"\xff\xf1", Kind("audio/aac", ".aac", is_certain=False)),
    (0, b"BM", Kind("image/bmp", ".bmp", is_certain=False)),
)


def sniff(head: bytes) -> Kind | None:
    """Recognises the kind of a file by its first bytes, `HEAD` or more; None if it is not in the table."""
    for offset, magic, kind in _MAGIC:
        if head.startswith(magic, offset) and (offset != 8 or head.startswith(b"RIFF")):
            if kind.extension == ".webm" and b"matroska" in head:
                return Kind("video/x-matroska", ".mkv")
            return kind
    return None
