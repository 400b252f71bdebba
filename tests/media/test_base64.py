from __future__ import annotations

import base64
import textwrap
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod.media.base64_text import decode, decoded_size, head, looks_like_base64

_DATA = bytes(range(256)) * 4
_TEXT = base64.b64encode(_DATA).decode()

_FORMS = {
    "plain": _TEXT,
    "without padding": _TEXT.rstrip("="),
    "URL-safe": base64.urlsafe_b64encode(_DATA).decode(),
    "URL-safe, without padding": base64.urlsafe_b64encode(_DATA).decode().rstrip("="),
    "lines of 76": base64.encodebytes(_DATA).decode(),
    "lines of 64, CRLF": "\r\n".join(textwrap.wrap(_TEXT, 64)),
    "URL-safe lines": "\n".join(textwrap.wrap(base64.urlsafe_b64encode(_DATA).decode(), 60)),
}


@pytest.mark.parametrize("form", _FORMS)
def test_every_form_is_recognised_and_decoded(form: str) -> None:
    text = _FORMS[form]
    assert _DATA == decode(text)
    assert len(_DATA) == decoded_size(text)
    first = head(text)
    assert first is not None
    assert len(first) >= 64
    assert _DATA.startswith(first)
    assert looks_like_base64(text)


@pytest.mark.parametrize("form", _FORMS)
def test_data_urls_of_every_form(form: str) -> None:
    prefix = "data:image/png;base64,"
    for text in (prefix + _FORMS[form], prefix + quote(_FORMS[form], safe="")):
        assert _DATA == decode(text, len(prefix))
        assert len(_DATA) == decoded_size(text, len(prefix))
        first = head(text, len(prefix))
        assert first is not None
        assert _DATA.startswith(first)
        assert len(first) >= 32


def test_a_data_url_without_base64() -> None:
    text = "data:image/svg+xml;utf8,%3Csvg title='ü'/>"
    start = text.index(",") + 1
    assert "<svg title='ü'/>".encode() == decode(text, start)
    assert 17 == decoded_size(text, start)


@pytest.mark.parametrize("shift", range(6))
def test_the_head_of_percent_encoded_base64_can_end_anywhere(shift: int) -> None:
    found = head("A" * shift + "%2B" * 200)
    assert found is not None
    assert base64.b64decode("A" * shift + "+" * (40 - shift)).startswith(found[:30])


@pytest.mark.parametrize("payload", ["%%%", "%", "\ud800%", "%%%ü", "100%"])
def test_a_data_url_with_broken_escapes(payload: str) -> None:
    text = f"data:image/svg+xml,{payload}"
    assert decode(text, text.index(",") + 1)
    assert decoded_size(text, text.index(",") + 1) >= 0
    assert decoded_size(f"data:;base64,{payload}", len("data:;base64,")) >= 0


@given(st.binary(max_size=300), st.booleans())
def test_short_data(data: bytes, is_padded: bool) -> None:
    text = base64.b64encode(data).decode()
    text = text if is_padded else text.rstrip("=")
    assert len(data) == decoded_size(text)
    assert data.startswith(head(text) or b"")
    assert (head(text) or b"") == data[:66] or len(data) < 66
    assert looks_like_base64(text)
    if data:
        assert data == decode(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty"),
        ("\n", "it is empty"),
        ("====", "it is empty"),
        ("AAAAA", "it is incomplete"),
        ("AAAA!AAA", "not base64"),
        ("AAAAü", "not base64|incomplete"),
        ("AA\ud800A", "not base64"),
        ("AA==AAAA", "not base64"),
        ("a horse the size of a Boeing 787", "not base64|incomplete"),
    ],
)
def test_broken_base64(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode(text)
    assert decoded_size(text) >= 0


@pytest.mark.parametrize("position", [0, 512, -2])
@pytest.mark.parametrize("text", ["!!!!", " a b", "ü"])
def test_other_text_at_the_head_the_middle_or_the_tail(position: int, text: str) -> None:
    broken = list("A" * 1024)
    broken[position] = text
    joined = "".join(broken)
    assert head(joined) is None or not looks_like_base64(joined)
