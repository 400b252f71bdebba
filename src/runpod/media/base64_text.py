"""Base64 text as workers send it: with line breaks, URL-safe, without padding."""

from __future__ import annotations

import binascii
import re
from urllib.parse import unquote, unquote_to_bytes

_WHITESPACE = ("\n", "\r", " ", "\t")
_ESCAPED = {
    **dict.fromkeys(("%0A", "%0a", "%0D", "%0d", "%20"), ""),
    **dict.fromkeys(("%2B", "%2b"), "+"),
    **dict.fromkeys(("%2F", "%2f"), "/"),
    **dict.fromkeys(("%3D", "%3d"), "="),
}
_STANDARD = str.maketrans("-_", "+/")

# How much of a text is examined at its head, in its middle and at its tail.
_HEAD = 88
_WINDOW = 32

_DIGITS = re.compile(r"[A-Za-z0-9+/_\-\r\n\t]*")
_CUT = re.compile(r"%.?$")  # part of a percent-encoded character
_END = "=\r\n\t "


# A longer header of a data URL is no header.
_LONGEST_HEADER = 1000


def data_start(text: str) -> int:
    """Where the data of a data URL begins; 0 if the text is none."""
    return text.find(",", 0, _LONGEST_HEADER) + 1 if text[:5].lower() == "data:" else 0


def decode(text: str, start: int = 0) -> bytes:
    """Decodes base64 text from `start` on; or a data URL whose data begins there, and may be percent-encoded instead.

    Raises:
        ValueError: It is not base64, or incomplete, or empty.
    """
    if start:
        if not is_base64_url(text, start):
            return unquote_to_bytes(text[start:].encode(errors="replace"))
        text = text[start:]
    if "%" in text:  # in a data URL
        for code, character in _ESCAPED.items():  # much faster than `unquote`, which does the rest
            text = text.replace(code, character)
        text = unquote(text) if "%" in text else text
    if any(c in text for c in _WHITESPACE):
        text = "".join(text.split())
    if "-" in text or "_" in text:
        text = text.translate(_STANDARD)
    digits = len(text.rstrip("="))
    if not digits:
        msg = "it is empty"
        raise ValueError(msg)
    if digits % 4 == 1:
        msg = "it is incomplete"
        raise ValueError(msg)
    try:
        # The text is not copied if it has its padding already.
        data = binascii.a2b_base64(text if len(text) % 4 == 0 else text.rstrip("=") + "=" * (-digits % 4))
    except ValueError as error:  # binascii.Error, or characters that are not ASCII
        msg = "it is not base64"
        raise ValueError(msg) from error
    if len(data) != digits * 3 // 4:  # other characters were ignored
        msg = "it has characters that are not base64"
        raise ValueError(msg)
    return data


def decoded_size(text: str, start: int = 0) -> int:
    """The size of the decoded data in bytes, without decoding it."""
    escaped = 2 * text.count("%", start)  # of three characters each
    if start and not is_base64_url(text, start):
        is_ascii = text.isascii()
        return max(0, (len(text) - start if is_ascii else len(text[start:].encode(errors="replace"))) - escaped)
    ignored = sum(text.count(c, start) for c in (*_WHITESPACE, "="))
    if escaped:
        ignored += escaped + sum(text.count(code, start) for code, c in _ESCAPED.items() if c in {"", "="})
    return max(0, len(text) - start - ignored) * 3 // 4


def is_base64_url(text: str, start: int) -> bool:
    """Whether the data of a data URL, which begins at `start`, is base64."""
    return text[max(start - 8, 0) : start].lower() == ";base64,"


def head(text: str, start: int = 0) -> bytes | None:
    """Decodes the beginning of base64 text: at least 64 bytes if it is as long; None if it is not base64."""
    piece = text[start : start + _HEAD]
    try:
        data = binascii.a2b_base64(piece)
    except ValueError:
        data = b""
    if len(data) == _HEAD * 3 // 4:  # the usual case; other characters would have been ignored
        return data
    # Enough for one line break in four characters; percent-encoded only in part.
    piece = text[start : start + 2 * _HEAD]
    if "%" in piece:
        piece = unquote(_CUT.sub("", piece))
    piece = piece.strip(_END)
    if not _DIGITS.fullmatch(piece):
        return None
    piece = "".join(piece.split()).translate(_STANDARD)
    piece = piece[: len(piece) - (len(piece) % 4 == 1)]
    return binascii.a2b_base64(piece + "=" * (-len(piece) % 4))


def looks_like_base64(text: str) -> bool:
    """Whether text is base64 at its middle and its tail; its head is examined with `head`."""
    if not text.isascii():
        return False
    size = len(text)
    if size <= 4 * _WINDOW:
        return _DIGITS.fullmatch(text.rstrip(_END)) is not None
    middle = size // 2
    try:  # much faster than the expression
        if len(binascii.a2b_base64(text[middle : middle + _WINDOW] + text[-_WINDOW:])) >= _WINDOW * 3 // 2 - 2:
            return True
    except ValueError:
        pass
    return (
        _DIGITS.fullmatch(text, middle, middle + _WINDOW) is not None
        and _DIGITS.fullmatch(text[-_WINDOW:].rstrip(_END)) is not None
    )
