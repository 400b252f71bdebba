"""Kinds of media, recognised by content."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of media.

    Attributes:
        mime: Its media type, such as `image/png`.
        extension: Its usual file extension, with the dot.
        is_certain: Whether it is recognised by at least three bytes. Random data can start like the others.
    """

    mime: str
    extension: str
    is_certain: bool = True


# How many bytes of a file `sniff` needs.
HEAD = 64

_HEIC = Kind("image/heic", ".heic")
_AVIF = Kind("image/avif", ".avif")
_M4A = Kind("audio/mp4", ".m4a")
_MP3 = Kind("audio/mpeg", ".mp3")
_AAC = Kind("audio/aac", ".aac", is_certain=False)

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
    *((4, b"ftyp" + brand, _AVIF) for brand in (b"avif", b"avis")),
    *((4, b"ftyp" + brand, _HEIC) for brand in (b"heic", b"heix", b"mif1")),
    *((4, b"ftyp" + brand, _M4A) for brand in (b"M4A ", b"M4B ")),
    (4, b"ftypqt  ", Kind("video/quicktime", ".mov")),
    (4, b"ftyp", Kind("video/mp4", ".mp4")),
    (0, b"\x1aE\xdf\xa3", Kind("video/webm", ".webm")),
    (0, b"OggS", Kind("audio/ogg", ".ogg")),
    (0, b"fLaC", Kind("audio/flac", ".flac")),
    (0, b"II*\0", Kind("image/tiff", ".tiff")),
    (0, b"MM\0*", Kind("image/tiff", ".tiff")),
    (0, b"glTF", Kind("model/gltf-binary", ".glb")),
    (0, b"PK\x03\x04", Kind("application/zip", ".zip")),
    (0, b"%PDF-", Kind("application/pdf", ".pdf")),
    *((0, b"ID3" + version, _MP3) for version in (b"\2", b"\3", b"\4")),
    *((0, sync, _MP3._replace(is_certain=False)) for sync in (b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2")),
    *((0, sync, _AAC) for sync in (b"\xff\xf1", b"\xff\xf9")),
    (0, b"BM", Kind("image/bmp", ".bmp", is_certain=False)),
)

# What files begin with: `find` skips text that begins with none of these.
BEGINNINGS = (b"RIFF", b"\0\0", *(magic for offset, magic, _ in _MAGIC if offset == 0))

# The rows by the first byte of the file; those in the middle of it by that of `RIFF`, or for any byte.
_AT_ANY = tuple(row for row in _MAGIC if row[0] == 4)
_BY_FIRST_BYTE = {
    first: tuple(row for row in _MAGIC if (row[1][:1] if row[0] == 0 else b"R" if row[0] == 8 else b"") == first)
    for first in {beginning[:1] for beginning in BEGINNINGS} - {b"\0"}
}


def sniff(head: bytes) -> Kind | None:
    """Recognises the kind of a file by its first bytes, `HEAD` or more; None if it is not in the table."""
    for offset, magic, kind in _BY_FIRST_BYTE.get(head[:1], _AT_ANY):
        if head.startswith(magic, offset) and (offset != 8 or head.startswith(b"RIFF")):
            if kind.extension == ".webm" and b"matroska" in head:
                return Kind("video/x-matroska", ".mkv")
            return kind
    return None


# Media types by file extension, for URLs. A table, since those of the standard library depend on the system.
_BY_EXTENSION = {
    **{kind.extension: kind.mime for _, _, kind in _MAGIC},
    ".apng": "image/apng",
    ".jpeg": "image/jpeg",
    ".svg": "image/svg+xml",
    ".tif": "image/tiff",
    ".m4v": "video/mp4",
    ".mkv": "video/x-matroska",
    ".mpeg": "video/mpeg",
    ".aiff": "audio/aiff",
    ".mid": "audio/midi",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
    ".gltf": "model/gltf+json",
    ".obj": "model/obj",
    ".ply": "model/ply",
    ".stl": "model/stl",
    ".usdz": "model/vnd.usdz+zip",
}


def extension_of(name: str) -> str:
    """The extension of a file name in lower case, with the dot; empty if it has none."""
    stem, dot, ending = name.rpartition(".")
    return f".{ending.lower()}" if dot and stem and ending.isalnum() and len(ending) <= 12 else ""


def mime_by_extension(extension: str) -> str | None:
    """The media type for a file extension such as `.png`; None if it is not that of media."""
    return _BY_EXTENSION.get(extension)
