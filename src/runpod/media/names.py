"""Safe names for files that a worker names."""

from __future__ import annotations

import re
import unicodedata

from runpod.media.kinds import mime_by_extension

# Characters that a file name cannot contain on some system, or that have a meaning in a path.
_FORBIDDEN = str.maketrans(dict.fromkeys('<>:"/\\|?*', "_"))

# Names of devices on Windows, with any extension.
_DEVICES = {
    *("con", "prn", "aux", "nul", "conin$", "conout$"),
    *(f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³"),
}

# In bytes of UTF-8. Systems allow 255; the rest is for a number and the suffix of a temporary name.
MAX_NAME = 180

# Most names need no change.
_PLAIN = re.compile(r"([A-Za-z0-9_-]{1,150})(\.[a-z0-9]{1,12})")

# In characters: no more of a name is looked at.
_LONGEST = 1000


def safe_name(name: str | None, *, default: str, extension: str | None = None) -> str:
    """Makes a file name of what a worker or a URL calls a file: without folders, and usable on every system.

    Args:
        name: Any text, or None.
        default: The name without extension if nothing of `name` is left.
        extension: With the dot. It replaces the extension of `name`, unless both are the same kind, such as `.jpeg` and
            `.jpg`. None: the extension of `name` is kept.
    """
    plain = _PLAIN.fullmatch(name) if name else None
    if plain and (extension is None or plain[2] == extension) and plain[1].lower() not in _DEVICES:
        return plain[0]
    text = (name or "").replace("\\", "/").rstrip("/").rpartition("/")[2]
    text = unicodedata.normalize("NFC", text[:_LONGEST])
    if text[1:2] == ":" and text[0].isalpha():
        text = text[2:]  # a drive letter
    if not text.isprintable():
        text = "".join(c for c in text if c.isprintable())
    text = text.translate(_FORBIDDEN)
    # Not hidden, and no `..`; Windows drops dots and spaces at the end.
    text = text.strip(". ")
    stem, dot, ending = text.rpartition(".")
    if not dot or not stem or not ending.isalnum() or len(ending) > 12:
        stem, ending = text, ""
    suffix = f".{ending}" if ending else ""
    if extension is not None and not _is_same(suffix, extension):
        suffix = extension
    stem = stem.strip(". ")
    if stem.partition(".")[0].strip().lower() in _DEVICES:
        stem = f"_{stem}"
    return (_cut(stem, MAX_NAME - len(suffix.encode())) or default) + suffix


def numbered(name: str, number: int) -> str:
    """The name for another file of the same name: `horse.png`, then `horse-2.png`."""
    if number == 1:
        return name
    stem, dot, ending = name.rpartition(".")
    return f"{stem}-{number}.{ending}" if dot else f"{name}-{number}"


_SAME = {
    ".jpeg": ".jpg",
    ".jpe": ".jpg",
    ".jfif": ".jpg",
    ".apng": ".png",
    ".tif": ".tiff",
    ".oga": ".ogg",
    ".opus": ".ogg",
    ".m4v": ".mp4",
    ".mpga": ".mp3",
}


def _is_same(first: str, second: str) -> bool:
    first, second = first.lower(), second.lower()
    if second == ".zip":  # many formats are ZIP files: .npz, .docx, .usdz
        return first != "" and mime_by_extension(first) in {None, "application/zip", "model/vnd.usdz+zip"}
    return _SAME.get(first, first) == second


def _cut(text: str, size: int) -> str:
    encoded = text.encode(errors="replace")
    return encoded[:size].decode(errors="ignore").rstrip(". ") if len(encoded) > size else text
