"""Base64 text as workers send it: with line breaks, URL-safe, without padding."""

from __future__ import annotations

import binascii
from urllib.parse import unquote

_WHITESPACE = ("\n", "\r", " ", "\t")
_STANDARD = str.maketrans("-_", "+/")


def decode(text: str, start: int = 0) -> bytes:
    """Decodes base64 text from `start` on.

    Raises:
        ValueError: It is not base64, or incomplete.
    """
    if start:
        text = text[start:]
    if "%" in text:  # in a data URL
        text = unquote(text)
    if any(c in text for c in _WHITESPACE):
        text = "".join(text.split())
    if "-" in text or "_" in text:
        text = text.translate(_STANDARD)
    digits = len(text.rstrip("="))
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
    ignored = sum(text.count(c, start) for c in (*_WHITESPACE, "=")) + 2 * text.count("%", start)
    return (len(text) - start - ignored) * 3 // 4
