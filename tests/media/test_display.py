"""What media, jobs, chunks and results show in a notebook, and their text for people."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from runpod._text import size_text
from runpod.errors import APIConnectionError
from runpod.media import Media, display, figures
from runpod.media.output_text import LONGEST_BASE64
from runpod.models import JobState, MapResult, StreamChunk
from tests.media.samples import MP4, PNG, WAV, data_url
from tests.media.samples import text as text64

HOSTILE = "</script></pre>\"'><img src=x onerror=alert(1)><script>alert(2)</script>&amp;"
TAGS = {"div", "strong", "pre", "details", "summary", "figure", "figcaption", "img", "audio", "video", "a"}
ATTRIBUTES = {"style", "src", "alt", "open", "controls", "preload", "href", "target", "rel", "referrerpolicy"}
SECRET = "https://bucket.example.com/a/horse.png?X-Signature=s3cr3t&part=1"


class Page(HTMLParser):
    """The elements and the text of HTML; fails at markup that the library does not write."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.sources: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        assert ATTRIBUTES >= {name for name, _ in attrs}
        self.tags[tag] += 1
        if tag != "img":
            self._open.append(tag)
        for name, value in attrs:
            if name in {"src", "href"}:
                assert value is not None
                assert re.match(r"https://|data:(image|audio|video)/", value)
                self.sources.append(value)
            if name == "style":
                assert not re.search(r"#[0-9a-f]{3}|rgba?\(|url\(|background", value or "")

    def handle_endtag(self, tag: str) -> None:
        assert tag == self._open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        pytest.fail("a comment")

    def handle_decl(self, decl: str) -> None:
        pytest.fail("a declaration")

    def unknown_decl(self, data: str) -> None:
        pytest.fail("a declaration")

    def handle_pi(self, data: str) -> None:
        pytest.fail("an instruction")


def state(output: Any = None, **fields: Any) -> JobState[Any]:
    return JobState.model_validate({"id": "job-1", "status": "COMPLETED", "output": output, **fields})


def media(mime: str, data: bytes | str = b"content", name: str = "horse.bin") -> Media:
    return Media(mime, name, None, data)


def bundle(shown: Any) -> dict[str, str]:
    found = shown._repr_mimebundle_(include=None, exclude=None)
    json.dumps(found).encode()  # Jupyter sends it so
    return found


def page(shown: Any) -> Page:
    return Page(bundle(shown)["text/html"])


@pytest.mark.parametrize("mime", ["image/png", "image/jpeg", "image/gif"])
def test_a_picture_is_data_for_jupyter(mime: str) -> None:
    found = bundle(media(mime, PNG, "horse.png"))
    assert {"text/plain", mime} == set(found)
    assert PNG == base64.b64decode(found[mime])
    assert f"Media('horse.png', '{mime}', size={len(PNG)})" == found["text/plain"]


def test_base64_of_any_form_is_standard_for_jupyter() -> None:
    lines = "\n".join(re.findall(".{1,76}", text64(PNG).replace("+", "-").replace("/", "_").rstrip("=")))
    assert text64(PNG) == bundle(media("image/png", lines))["image/png"]


@pytest.mark.parametrize(
    ("mime", "tag"),
    [
        ("image/webp", "img"),
        ("image/avif", "img"),
        ("image/bmp", "img"),
        ("audio/wav", "audio"),
        ("audio/mpeg", "audio"),
        ("video/mp4", "video"),
        ("video/webm", "video"),
    ],
)
def test_other_pictures_sound_and_video_are_elements(mime: str, tag: str) -> None:
    found = bundle(media(mime))
    assert {"text/plain", "text/html"} == set(found)
    html = Page(found["text/html"])
    assert 1 == html.tags[tag]
    assert [data_url(b"content", mime)] == html.sources
    assert ("controls" in found["text/html"]) == (tag != "img")


@pytest.mark.parametrize("mime", ["image/svg+xml", "text/html", "model/gltf-binary", "image/heic", 'image/x"><script>'])
def test_what_can_contain_scripts_or_is_unknown_is_text(mime: str) -> None:
    content = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    found = bundle(media(mime, content, "horse.svg"))
    assert {"text/plain"} == set(found)
    assert "alert" not in found["text/plain"]
    assert "To save it: client.save(media, folder)" in found["text/plain"]


def test_what_is_too_large_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "MAX_BYTES", 1000)
    assert "image/png" in bundle(media("image/png", bytes(1000)))
    found = bundle(media("image/png", bytes(1001)))
    assert {"text/plain"} == set(found)
    assert "size=1001" in found["text/plain"]
    assert "client.save(media, folder)" in found["text/plain"]


@pytest.mark.parametrize("mime", ["image/png", "image/webp", "video/mp4"])
def test_broken_data_is_a_text_that_says_so(mime: str) -> None:
    found = bundle(media(mime, "iVBORw0KGgo*", "horse.png"))
    assert {"text/plain"} == set(found)
    assert "'horse.png' cannot be decoded" in found["text/plain"]


@pytest.mark.parametrize(
    ("mime", "tag"), [("image/png", "img"), ("audio/mpeg", "audio"), ("video/mp4", "video"), ("model/gltf-binary", "a")]
)
def test_a_link_is_shown_and_said_to_expire(mime: str, tag: str) -> None:
    found = bundle(Media(mime, "horse.png", SECRET))
    html = Page(found["text/html"])
    assert {SECRET} == set(html.sources)
    assert 1 == html.tags[tag]
    assert "Links expire. To keep the files: client.save(media, folder)" in html.text
    assert "s3cr3t" not in found["text/plain"]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/horse.png",
        "javascript:alert(1)//.png",
        "https://localhost/horse.png",
        "https://127.0.0.1/horse.png",
        "https://127.0.0.1./horse.png",
        "https://0x7f.1/horse.png",
        "https://2130706433/horse.png",
        "https://[::1]/horse.png",
        "https://router/horse.png",
        "https://printer.LOCAL/horse.png",
        "https://%31%32%37.0.0.1/horse.png",
        "https://１２７.0.0.1/horse.png",  # noqa: RUF001 - browsers read these as digits
        "https://127.0.0.1\\@example.com/horse.png",
        "https://user:password@example.com/horse.png",
        "https://example.com/horse.png\t",
        "https://example.com/\0horse.png",
        "https://exa\nmple.com/horse.png",
        "https://[horse.png",
    ],
)
def test_a_worker_cannot_make_the_browser_read_what_is_inside_the_network(url: str) -> None:
    shown = Media("image/png", "horse.png", url)
    html = page(shown)
    assert [] == html.sources
    assert "horse.png · image/png" in html.text


@pytest.mark.parametrize("url", ["https://example.com", "https://a_b.s3.example.com:8443/x y.png".replace(" ", "%20")])
def test_public_addresses_are_shown(url: str) -> None:
    assert {url} == set(page(Media("image/png", "horse.png", url)).sources)


def test_a_job_shows_its_header_its_media_and_its_output() -> None:
    output = {
        "images": [{"filename": "horse.png", "type": "base64", "data": text64(PNG)}],
        "audio": data_url(WAV, "audio/wav"),
        "video": text64(MP4),
        "seed": 7,
        "cost": 0.0025,
    }
    shown = state(output, delayTime=1234, executionTime=84210, workerId="worker-1", retries=2)
    found = bundle(shown)
    html = Page(found["text/html"])
    header = "COMPLETED · job job-1 · queued 1.2 s · ran 1 min 24 s · worker worker-1 · 2 retries · cost $0.0025"
    assert html.text.startswith(header)
    assert (1, 1, 1) == (html.tags["img"], html.tags["audio"], html.tags["video"])
    assert data_url(PNG, "image/png") == html.sources[0]
    assert f'"data": <image/png, {len(PNG)} B, horse.png>}}' in html.text
    assert f'"audio": <audio/wav, {len(WAV)} B, ' in html.text
    assert text64(PNG) not in html.text
    assert found["text/plain"].startswith(header)
    assert shown.pretty() == found["text/plain"]
    assert "\n" not in repr(shown)
    assert "\n" not in str(shown)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0 ms"), (842, "842 ms"), (999.6, "1.0 s"), (59_960, "1 min 0 s"), (7_980_000, "2 h 13 min")],
)
def test_durations_are_for_people(milliseconds: float, text: str) -> None:
    assert f"COMPLETED · job job-1 · ran {text}\n" in state(executionTime=milliseconds).pretty()


@pytest.mark.parametrize(
    ("size", "text"), [(999, "999 B"), (812_345, "812 kB"), (999_600, "1 MB"), (3_210_000_000, "3.21 GB")]
)
def test_sizes_are_for_people(size: int, text: str) -> None:
    assert text == size_text(size)


def test_a_failure_shows_its_error_and_traceback() -> None:
    report = {
        "error_type": "<class 'ValueError'>",
        "error_message": f"no unicorns {HOSTILE}",
        "error_traceback": f"Traceback (most recent call last):\n  {HOSTILE}\nValueError: no unicorns\n",
    }
    shown = JobState.model_validate({"id": "job-1", "status": "FAILED", "error": json.dumps(report)})
    expected = f"""FAILED · job job-1

ValueError: no unicorns {HOSTILE}

Traceback (most recent call last):
  {HOSTILE}
ValueError: no unicorns"""
    assert expected == shown.pretty()
    html = page(shown)
    assert f"ValueError: no unicorns {HOSTILE}" in html.text
    assert f"  {HOSTILE}\n" in html.text
    assert "Output" not in html.text


@pytest.mark.parametrize(("error", "text"), [("out of memory", "out of memory"), ({"code": 3}, '{"code": 3}')])
def test_any_error_is_shown(error: Any, text: str) -> None:
    shown = JobState.model_validate({"id": "job-1", "status": "FAILED", "error": error})
    assert f"FAILED · job job-1\n\n{text}" == shown.pretty()
    assert text in page(shown).text


def test_the_output_of_a_running_job_is_its_progress() -> None:
    assert "IN_PROGRESS · job job-1Progress40 %" == page(state("40 %", status="IN_PROGRESS")).text
    waiting = JobState.model_validate({"id": "job-1", "status": "IN_QUEUE"})
    assert "IN_QUEUE · job job-1" == page(waiting).text == waiting.pretty()


def test_nothing_that_a_worker_sent_is_markup() -> None:
    output = {
        HOSTILE: HOSTILE,
        "images": [{"filename": HOSTILE, "type": "base64", "data": text64(PNG)}],
        "image_url": f"https://example.com/{HOSTILE}.png",
    }
    shown = state(output, id=HOSTILE, status=HOSTILE, workerId=HOSTILE, error=HOSTILE)
    html = page(shown)
    assert json.dumps(HOSTILE) in html.text
    page(StreamChunk(output=output))
    page(MapResult(index=1, input=HOSTILE, job_id=HOSTILE, error=APIConnectionError(HOSTILE)))


@given(text=st.text("<>\"'&/= !-[]?x\n\0\x1b\u202e\ud800", max_size=40), is_error=st.booleans())
def test_any_text_is_escaped(text: str, is_error: bool) -> None:
    fields = {"error": text} if is_error else {"worker_id": text}
    shown = JobState[Any].model_construct(
        {"id", "status", "output"}, id=text, status=state().status, output={text: [text, text64(PNG)]}, **fields
    )
    html = page(shown)
    assert not re.search(r"[\0\x1b\u202e\ud800]", html.text)
    page(Media("image/webp", text, None, PNG))
    page(Media("image/png", text, f"https://example.com/{text}"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=2000).map(text64),
    lambda values: st.lists(values, max_size=5) | st.dictionaries(st.text(), values, max_size=5),
)


@given(
    output=JSON, prefix=st.sampled_from(["", "data:image/png;base64,", "![horse](data:image/png;base64,", "a b\nc "])
)
def test_no_long_base64_is_in_a_text(output: Any, prefix: str) -> None:
    data = text64(bytes(range(256)) * 8)
    lines = re.sub("(.{76})", r"\1\r\n", data)
    shown = state([output, prefix + data, prefix + lines, {data: 1}, PNG * 10])
    for text in (shown.pretty(), bundle(shown)["text/plain"], Page(bundle(shown)["text/html"]).text):
        assert not re.search(rf"[A-Za-z0-9+/=_-]{{{LONGEST_BASE64 + 1}}}", text)
        assert len(text) < 8000 + len(str(output)) * 20


def test_only_the_first_media_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    output = [text64(PNG + number.to_bytes(3, "big")) for number in range(10_000)]
    shown = state(output)
    html = page(shown)
    assert display.MAX_MEDIA == html.tags["img"]
    assert "… 9,976 more: job.save(folder)" in html.text
    assert len(html.text) < display.MAX_TEXT + 5000
    # The bytes of those that are shown are limited as well.
    monkeypatch.setattr(display, "MAX_BYTES", sum(len(base64.b64decode(each)) for each in output[:3]))
    html = page(state(output[:5]))
    assert 3 == html.tags["img"]
    assert 5 == html.text.count("image/png · ")
    assert "To save what is not shown: job.save(folder)" in html.text


def test_broken_media_do_not_hide_the_others() -> None:
    html = page(state({"image": data_url(PNG + bytes(300), "image/png")[:-6] + "*", "other": text64(PNG)}))
    assert 1 == html.tags["img"]
    assert "cannot be decoded" in html.text


def test_links_of_a_job_are_said_to_expire() -> None:
    html = page(state({"image_url": SECRET}))
    assert {SECRET} == set(html.sources)
    assert "Links expire. To keep the files: job.save(folder)" in html.text
    # They are what a user wants to copy.
    assert json.dumps(SECRET) in state({"image_url": SECRET}).pretty()


def test_a_long_text_is_cut_in_a_notebook_only() -> None:
    shown = state("a horse " * 100_000)
    found = bundle(shown)
    assert len(found["text/plain"]) < 11_000
    assert len(found["text/html"]) < 110_000
    assert "pretty(limit=None) shows all" in found["text/html"]
    assert shown.pretty().endswith("a horse " * 100_000)
    assert "COMPLETED…\n(cut at 9 characters; pretty(limit=None) shows all)" == shown.pretty(limit=9)
    assert len(shown.pretty()) == len(shown.pretty(limit=len(shown.pretty())))


def test_chunks_and_results_are_shown_too() -> None:
    chunk = StreamChunk(output={"image": text64(PNG)})
    assert 1 == page(chunk).tags["img"]
    assert chunk.pretty().startswith('{"image": <image/png, ')
    result = MapResult(index=3, input={}, state=state({"image": text64(PNG)}))
    assert 1 == page(result).tags["img"]
    assert result.pretty().startswith('input 3 · COMPLETED · job job-1\n\n{"image": <image/png, ')
    lost = MapResult(index=4, input={}, job_id="job-2", error=APIConnectionError("The connection was reset."))
    assert "input 4 · job job-2\n\nThe connection was reset." == lost.pretty()
    assert "input 4 · job job-2The connection was reset." == page(lost).text


def test_a_text_is_readable() -> None:
    output = {
        "transcription": 'Hello, "Zoë".\r\n\n日本語\u3000テキスト\n\x1b[31m\u202e',
        "language": "日本語\x07",
        "tokens": list(range(40)),
        "segments": [{"start": 0.0, "text": "a horse"}, {"start": 1.5, "text": "a foal " * 20}],
        "empty": [{}, [], None, True, ""],
    }
    expected = """COMPLETED · job job-1

{
  "transcription": \"""
    Hello, "Zoë".

    日本語\u3000テキスト
    \\x1b[31m\\u202e
  \""",
  "language": "日本語\\u0007",
  "tokens": [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
    23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39
  ],
  "segments": [
    {"start": 0.0, "text": "a horse"},
    {
      "start": 1.5,
      "text": "LONG"
    }
  ],
  "empty": [
    {},
    [],
    null,
    true,
    ""
  ]
}"""
    assert expected.replace("LONG", "a foal " * 20) == state(output).pretty()
    assert "COMPLETED · job job-1\n\nA poem\n  about horses" == state("A poem\n  about horses").pretty()


def test_typed_outputs_are_shown_by_their_fields() -> None:
    class Colour(Enum):
        BROWN = "brown"

    @dataclass
    class Size:
        height: float
        colour: Colour

    class Horse(BaseModel):
        model_config = {"extra": "allow"}

        picture: bytes
        key: SecretStr
        size: Size

    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    horse = Horse(picture=b"\0" * 3000, key=SecretStr("s3cr3t"), size=Size(1.5, Colour.BROWN), name="Zoë")
    output = [horse, Broken(), (1, "a"), 10**5000, float("nan")]
    shown = JobState[Any].model_construct({"output"}, id="job-1", status=state().status, output=output)
    text = shown.pretty()
    assert '"picture": <3 kB of bytes>,' in text
    assert "s3cr3t" not in text
    assert '"size": {"height": 1.5, "colour": "brown"},' in text
    assert '"name": "Zoë"' in text
    assert "<Broken>" in text
    assert "Zoë" in page(shown).text


def test_any_nesting_and_any_number_of_items_is_written() -> None:
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    text = JobState[Any].model_construct({"output"}, id="a", status=state().status, output=deep).pretty()
    assert 10_001 == text.count("[") == text.count("]")
    assert len(text) < 10_001 * 170
    many = [{"name": f"horse {n}", "tags": [{"n": n}]} for n in range(10_000)]
    text = state(many).pretty()
    assert 10_000 == text.count('"name": "horse ')
    endless: list[Any] = [1]
    endless.append(endless)
    shown = JobState[Any].model_construct({"output"}, id="a", status=state().status, output=[endless, endless])
    assert 2 == shown.pretty().count("<contains itself>")


class Item(BaseModel):
    name: str


@given(output=JSON)
def test_simple_outputs_are_json(output: Any) -> None:
    text = state({"a": output}).pretty().partition("\n\n")[2]
    if '"""' not in text and "…" not in text and "<" not in text and "\\x" not in text and "\\U" not in text:
        read = json.loads(text.replace("nan", "NaN").replace("inf", "Infinity"))
        assert (
            json.loads(json.dumps({"a": output}).replace("nan", "NaN").replace("inf", "Infinity")) == read
            or "NaN" in text
        )
