from __future__ import annotations

import base64
import gc
import json
import sys
import tracemalloc
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, RootModel

from runpod.errors import MediaError
from runpod.media import Media, find
from runpod.media.finder import worker_paths
from runpod.media.kinds import sniff
from runpod.models import JobState, StreamChunk
from tests.media.outputs import OUTPUTS, Expected
from tests.media.samples import GIF, JPEG, KINDS, MP3, PNG, WAV, ZIP, data_url, text

_HOST = "https://horses.example"
_SIGNED = f"{_HOST}/a1?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0a1b"


def _is(media: Media, expected: Expected) -> bool:
    return (
        media.mime == expected.mime
        and (expected.name is None or media.name == expected.name)
        and (media.url is not None) == expected.is_url
    )


@pytest.mark.fact(
    "protocol-2 5: media outputs",
    "protocol-2 6: ComfyUI",
    "protocol-2 6: ComfyUI with a bucket",
    "protocol-2 6: SDXL",
    "protocol-2 6: Whisper",
    "protocol-2 6: embeddings",
    "protocol-2 6: Fooocus and A1111",
    "protocol-2 6: uploaded files",
)
@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_of_workers(name: str) -> None:
    output, expected = OUTPUTS[name]
    found = find(output)
    assert len(expected) == len(found)
    assert all(map(_is, found, expected))
    state = JobState[Any].model_validate({"id": "a1", "status": "COMPLETED", "output": output})
    assert found == state.media
    assert found == StreamChunk[Any].model_validate({"output": output}).media
    for media in found:
        data = media.data
        assert (data is None) == (media.url is not None)
        assert data is None or media.size == len(data)


def test_the_data_is_that_of_the_output() -> None:
    output = {name: text(data) for name, (data, _, _) in KINDS.items()}
    assert [data for data, _, _ in KINDS.values()] == [media.data for media in find(output)]
    assert [mime for _, mime, _ in KINDS.values()] == [media.mime for media in find(output)]


def test_default_names_are_by_kind() -> None:
    found = find(
        {"images": [text(PNG), text(JPEG)], "audio": text(WAV), "model": text(KINDS["glb"][0]), "z": text(ZIP)}
    )
    assert ["image.png", "image.jpg", "audio.wav", "file.glb", "file.zip"] == [media.name for media in found]


@pytest.mark.parametrize(
    ("filename", "data", "name", "mime"),
    [
        ("x.png", JPEG, "x.jpg", "image/jpeg"),
        ("x.jpeg", JPEG, "x.jpeg", "image/jpeg"),
        ("../../x.png", PNG, "x.png", "image/png"),
        ("C:\\x.png", PNG, "x.png", "image/png"),
        ("x\0.png", PNG, "x.png", "image/png"),
        ("CON", PNG, "_CON.png", "image/png"),
        ("a" * 300, PNG, "a" * 176 + ".png", "image/png"),
        ("\ud800", PNG, "image.png", "image/png"),
        ("", PNG, "image.png", "image/png"),
        (None, PNG, "image.png", "image/png"),
        (7, PNG, "image.png", "image/png"),
        ("lora.safetensors", b"\x90\0\0\0\0\0\0\0{}", "lora.safetensors", "application/octet-stream"),
        ("x", b"?", "x.bin", "application/octet-stream"),
        (None, b"?", "file.bin", "application/octet-stream"),
    ],
)
def test_files_that_are_declared_as_base64(filename: Any, data: bytes, name: str, mime: str) -> None:
    [media] = find({"files": [{"filename": filename, "type": "base64", "data": text(data)}]})
    assert (name, mime, data) == (media.name, media.mime, media.data)


@pytest.mark.parametrize("key", ["mime_type", "media_type", "content_type", "mimeType", "type"])
def test_a_media_type_beside_the_data(key: str) -> None:
    [media] = find({key: "image/png", "data": text(JPEG)})
    assert ("image/jpeg", "image.jpg") == (media.mime, media.name)
    [media] = find([{key: "audio/L16; rate=24000", "data": text(bytes(range(200)))}])
    assert ("application/octet-stream", "audio.pcm") == (media.mime, media.name)
    assert [] == find({key: "text/plain", "data": "a horse the size of a Boeing 787 " * 20})
    assert [] == find({key: "application/json", "data": "horse"})


def test_an_anthropic_source_and_an_mcp_image() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": text(PNG)}
    content = {"type": "image", "data": text(JPEG), "mimeType": "image/jpeg"}
    assert ["image/png", "image/jpeg"] == [media.mime for media in find([{"source": source}, content])]


@pytest.mark.parametrize(
    ("output", "names"),
    [
        # Under a key for media, any URL.
        ({"image_url": f"{_HOST}/a1"}, ["a1.bin"]),
        ({"imageUrl": f"{_HOST}/a%20b.jpeg"}, ["a b.jpeg"]),
        ({"images": [f"{_HOST}/1", f"{_HOST}/2"]}, ["1.bin", "2.bin"]),
        ({"image": {"url": f"{_HOST}/a1"}}, ["a1.bin"]),
        ({"output_video": _HOST}, ["video.bin"]),
        ({"audio_1": f"{_HOST}/?file=1"}, ["audio.bin"]),
        ({"file_url": f"{_HOST}/lora.safetensors"}, ["lora.safetensors"]),
        ({"filename": "horse.png", "url": f"{_HOST}/a1"}, ["horse.png"]),
        ({"filename": "horse.png", "type": "s3_url", "data": f"{_HOST}/a1.jpg"}, ["horse.jpg"]),
        ({"image": f" {_HOST}/a.png\n"}, ["a.png"]),
        ({"image": "HTTPS://horses.example/a.png"}, ["a.png"]),
        ({"image": f"{_HOST}/..%2F..%2Fa.png"}, ["a.png"]),
        # Under a key that says little, a URL that looks like a file.
        ({"url": f"{_HOST}/a1"}, []),
        ({"url": f"{_HOST}/a1.PNG#top"}, ["a1.PNG"]),
        ({"result": f"{_HOST}/a1.mp4?x=1"}, ["a1.mp4"]),
        ({"result": "https://video.runpod.ai/a1"}, ["a1.bin"]),
        ({"result": {"url": "https://video.runpod.ai/a1"}}, ["a1.bin"]),
        ({"url": "https://api.runpod.ai/v2/a1/status/b2"}, []),
        ({"url": "https://runpod.ai.example/a1"}, []),
        ({"message": _SIGNED}, ["a1.bin"]),
        ({"message": f"See {_HOST}/a1.png"}, []),
        ({"message": f"{_HOST}/a1.png is it."}, []),
        ({"message": f"{_HOST}/a1.png\n{_HOST}/a2.png"}, []),
        (_SIGNED, ["a1.bin"]),
        ([_SIGNED, [f"{_HOST}/a2.png"]], ["a1.bin", "a2.png"]),
        (_HOST, []),
        # Elsewhere, only what a worker has uploaded.
        ({"homepage": f"{_HOST}/a1.png"}, []),
        ({"text": f"{_HOST}/a1.png"}, []),
        ({"choices": [{"message": {"role": "assistant", "content": f"{_HOST}/a1.png"}}]}, []),
        ({"horse": _SIGNED}, ["a1.bin"]),
        # No URLs of the web.
        ({"image": "https://"}, []),
        ({"image": "https:///a.png"}, []),
        ({"image": "http:a.png"}, []),
        ({"image": "ftp://horses.example/a.png"}, []),
        ({"image": "file:///etc/passwd"}, []),
        ({"image": "https://horses.example/\ud800.png"}, []),
        ({"image": "https://horses.example/\0.png"}, []),
        ({"image": f"{_HOST}/{'a' * 10_000}.png"}, []),
        ({"image": "https://[::1/a.png"}, ["a.png"]),
    ],
)
def test_urls(output: Any, names: list[str]) -> None:
    assert names == [media.name for media in find(output)]


@pytest.mark.parametrize(
    ("url", "mime", "name"),
    [
        (data_url(JPEG, "image/png"), "image/jpeg", "image.jpg"),
        ("DATA:IMAGE/PNG;BASE64," + text(PNG), "image/png", "image.png"),
        ("data:;base64," + text(PNG), "image/png", "image.png"),
        ("data:audio/mpeg;rate=8000;base64," + text(MP3), "audio/mpeg", "audio.mp3"),
        ("\ndata:image/png;base64,\n" + base64.encodebytes(PNG).decode(), "image/png", "image.png"),
        ("data:image/svg+xml;base64," + text(b"<svg/>"), "application/octet-stream", "image.svg"),
        ("data:image/svg+xml,%3Csvg/%3E", "application/octet-stream", "image.svg"),
        ("data:text/csv;base64," + text(b"a;b"), "application/octet-stream", "file.csv"),
    ],
)
def test_data_urls_anywhere(url: str, mime: str, name: str) -> None:
    for output in (url, [url], {"horse": url}, {"text": [{"content": url}]}):
        [media] = find(output)
        assert (mime, name) == (media.mime, media.name)
        assert media.data
        assert media.size == len(media.data)


@pytest.mark.parametrize("payload", ["", "!!!!", text(PNG)[:-5] + "!", text(PNG)[:41], "\ud800", "ä" * 100])
def test_a_broken_payload_is_an_error_when_the_data_is_used(payload: str) -> None:
    for output in ({"image": f"data:image/png;base64,{payload}"}, {"type": "base64", "data": payload}):
        [media] = find(output)
        assert media.size is not None
        with pytest.raises(MediaError, match=f"The data of '{media.name}' cannot be decoded: it "):
            _ = media.data


@pytest.mark.parametrize("key", ["image", "message", "horse"])
def test_every_form_of_base64(key: str) -> None:
    data = PNG + bytes(range(256)) * 8
    forms = [
        text(data).rstrip("="),
        base64.urlsafe_b64encode(data).decode().rstrip("="),
        base64.encodebytes(data).decode(),
        base64.encodebytes(data).decode().replace("\n", "\r\n"),
        "\n" + text(data),
    ]
    for form in forms:
        [media] = find({key: form})
        assert ("image/png", data, len(data)) == (media.mime, media.data, media.size)


def test_uncertain_kinds_only_under_the_usual_keys() -> None:
    mp3, bmp = b"\xff\xfb\x90\x64" + bytes(200), b"BM" + bytes(200)
    assert [] == find({"embedding": text(mp3), "hash": text(bmp), "x": mp3})
    assert ["audio/mpeg", "image/bmp"] == [media.mime for media in find({"audio": text(mp3), "image": text(bmp)})]


@pytest.mark.parametrize(
    "output",
    [
        {"data": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
        {"image": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJVadQss"},
        {"image": text(bytes(3000))},
        {"image": text(PNG)[:20]},
        {"image": "iVBORw0KGgo is how the base64 of a PNG begins, and this is a text about it that goes on for a while."},
        {"text": 'data: {"choices": []}\n\n'},
        {"text": "data: the plural of datum, base64, and so on"},
        {"text": "data:image/png;base64"},
        {"image": f"data:image/png;{'a=b;' * 500}base64,{text(PNG)}"},
        {"image": "horse.png"},
        {"image": "/tmp/horse.png"},
        {"errors": ["Node 12: https://example.com/horse.png", f"{_HOST}/horse.png"]},
        {"text": f"![a horse]({data_url(PNG, 'image/png')})"},
        {"type": "base64"},
        {"data": None, "type": "base64"},
        {"data": {"data": 7, "type": "base64"}, "type": 7},
        7,
        True,
        float("nan"),
        10**400,
        "",
        b"",
        object(),
        {1: {2: 3}, None: [None], (1, 2): [[[]]]},
        [1.0, 10**400],
    ],
)  # fmt: skip
def test_other_values_are_no_media(output: Any) -> None:
    assert [] == find(output)


def test_each_is_found_once_and_in_order() -> None:
    other = PNG[:-1] + b"!"
    output = {
        "a": [text(JPEG), {"image": text(PNG), "more": [{"x": text(other)}], "image_url": f"{_HOST}/1.png"}],
        "image": data_url(PNG, "image/png"),
        "raw": PNG,
        "b": {"image": f"{_HOST}/1.png", "images": [f"{_HOST}/2.png"]},
        "last": text(GIF),
    }
    found = find(output)
    assert [JPEG, PNG, other, None, PNG, None, GIF] == [media.data for media in found]  # `raw` is not text
    assert [f"{_HOST}/1.png", f"{_HOST}/2.png"] == [media.url for media in found if media.url]


def test_pictures_of_one_size_that_differ_outside_their_middle_are_different() -> None:
    pictures = [text(PNG + bytes(3000) + bytes([n])) for n in range(50)]
    assert 50 == len(find({"images": pictures * 2}))


def test_a_picture_that_is_sent_twice_is_not_copied() -> None:
    url = data_url(PNG + bytes(3_000_000), "image/png")
    output = json.loads(json.dumps({"images": [url], "image_url": url}))  # as worker-sdxl sends it
    tracemalloc.start()
    try:
        assert 1 == len(find(output))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_models_dataclasses_and_other_objects() -> None:
    class Picture(BaseModel):
        model_config = ConfigDict(extra="allow")
        address: HttpUrl = Field(alias="image_url")
        pony: str = Field(default="", validation_alias="audio")
        data: str = ""
        type: str = "base64"

    @dataclass
    class Sound:
        audio: bytes
        cost: float = 0.1

    class Pair(NamedTuple):
        image: str
        seed: int

    class Name(str):
        __slots__ = ()

        def __getitem__(self, index: Any) -> str:
            raise NotImplementedError

    links = {"image_url": f"{_HOST}/a1", "audio": f"{_HOST}/a2"}
    picture = Picture.model_validate({**links, "data": text(b"?"), "more": [text(GIF)]})
    output = (
        picture,
        Sound(MP3),
        Pair(text(PNG), 1),
        RootModel[list[str]]([text(JPEG)]),
        {Name(text(ZIP))},
        text(WAV).encode(),
    )
    found = find(output)
    names = "a1.bin a2.bin file.bin image.gif audio.mp3 image.png image.jpg file.zip audio.wav"
    assert names.split() == [media.name for media in found]
    assert [None, None, b"?", GIF, MP3, PNG, JPEG, ZIP, WAV] == [media.data for media in found]
    assert found == find(found)


def test_the_media_of_states_and_chunks() -> None:
    class Output(BaseModel):
        image: str

    output = {"image": text(PNG)}
    for status in ("IN_PROGRESS", "FAILED", "COMPLETED", "NEW"):
        assert ["image.png"] == [m.name for m in JobState[Any](id="a1", status=status, output=output).media]  # type: ignore[arg-type]
    typed = JobState[Output].model_validate({"id": "a1", "status": "COMPLETED", "output": output})
    assert ["image.png"] == [media.name for media in typed.media]
    assert [] == JobState[Any].model_validate({"id": "a1", "status": "IN_QUEUE"}).media
    assert "media" not in typed.model_dump()


def test_the_repr_shows_neither_data_nor_signatures() -> None:
    found = find({"image": text(PNG), "url": _SIGNED, "video": "https://user:secret@horses.example:8443/a.mp4#part"})
    assert [
        f"Media('image.png', 'image/png', size={len(PNG)})",
        "Media('a1.bin', 'application/octet-stream', url='https://horses.example/a1')",
        "Media('a.mp4', 'video/mp4', url='https://horses.example:8443/a.mp4')",
    ] == [repr(media) for media in found]
    assert ["image", "file", "video"] == [media.kind for media in found]


def test_cycles_and_deep_nesting() -> None:
    output: dict[str, Any] = {"image": text(PNG)}
    output["self"] = output
    output["all"] = [output] * 16
    output["keys"] = {f"k{n}": output for n in range(16)}
    assert 1 == len(find(output))
    wide: list[Any] = []
    wide.extend([wide] * 1000)
    assert [] == find(wide)
    shared: Any = [text(GIF)]
    for _ in range(100):
        shared = [shared, {"a": shared}]
    assert 1 == len(find(shared))
    deep: Any = text(GIF)
    for n in range(100_000):
        deep = [deep] if n % 2 else {"image": deep}
    assert [GIF] == [media.data for media in find(deep)]
    while isinstance(deep, (list, dict)):  # without recursion in the destructor
        deep = deep[0] if isinstance(deep, list) else deep.pop("image")


def test_many_keys() -> None:
    output: dict[Any, Any] = {f"key_{n}": "a horse" for n in range(100_000)} | {
        7: text(GIF),
        "k" * 1_000_000: text(PNG),
    }
    assert [GIF, PNG] == [media.data for media in find(output)]


def test_objects_that_raise_when_added() -> None:
    class Bad:
        def __radd__(self, other: object) -> object:
            raise RuntimeError

    assert [GIF] == [media.data for media in find([1, Bad(), text(GIF)])]
    assert [GIF] == [media.data for media in find({"a": [1.5, None, text(GIF)], "b": [1, [text(GIF)]]})]


def _calls(output: Any) -> int:
    """How many functions `find` calls, those written in C included."""
    count = 0

    def profile(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    find(output)  # what is cached is not counted
    gc.disable()  # it calls `gc.callbacks`, to which Hypothesis adds one
    sys.setprofile(profile)
    try:
        find(output)
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


def _picture(size: int) -> str:
    return text(PNG + b"\xaa" * size)


@pytest.mark.parametrize(
    ("small", "large"),
    [
        ({"images": [_picture(3_000)]}, {"images": [_picture(3_000_000)]}),
        ({"image": data_url(PNG + bytes(3_000), "x/y")}, {"image": data_url(PNG + bytes(3_000_000), "x/y")}),
        ({"x": "!" + _picture(3_000)}, {"x": "!" + _picture(3_000_000)}),
        ({"embedding": [0.5] * 10}, {"embedding": [0.5] * 100_000}),
        ([{"text": "a horse"}], [{"text": "a horse, " * 100_000}]),
        ("data:" + "a=b;" * 1_000, "data:" + "a=b;" * 1_000_000),
    ],
)
def test_the_work_does_not_grow_with_the_size_of_a_value(small: Any, large: Any) -> None:
    assert _calls(small) == _calls(large)


def test_a_small_object_without_media_costs_few_calls() -> None:
    segment = {"id": 1, "start": 0.5, "text": " A horse", "tokens": [1, 2, 3], "words": ["a", "horse"], "more": None}
    few, many = ({"segments": [segment] * n} for n in (10, 1010))
    assert _calls(many) - _calls(few) <= 10 * 1000


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.sampled_from(
        ["image", "images", "image_url", "message", "data", "type", "filename", "result", "url", "base64", "audio"]
    ), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
_SLOW = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


@given(_JSON)
@_SLOW
def test_random_json_is_no_media(output: Any) -> None:
    assert [] == find(output)
    assert [] == find(json.loads(json.dumps(output)))
    worker_paths(output)


@given(st.sampled_from(["image", "audio", "data", "message", "base64", "b64_json", "horse"]), st.binary(max_size=500))
def test_base64_of_random_bytes_is_no_media(key: str, data: bytes) -> None:
    assume(sniff(data) is None)
    assert [] == find({key: text(data)})


@given(st.data(), st.sampled_from(sorted(KINDS)))
@_SLOW
def test_a_sample_anywhere_in_random_json_is_found_once(data: st.DataObject, kind: str) -> None:
    content, mime, extension = KINDS[kind]
    sample = data.draw(st.sampled_from([text(content), data_url(content, mime), text(content).rstrip("="), content]))
    output: Any = sample
    for _ in range(data.draw(st.integers(0, 5))):
        other = data.draw(_JSON)
        if data.draw(st.booleans()):
            output = [other, output] if data.draw(st.booleans()) else [output, other, output]
        else:
            output = {data.draw(st.text()): output, "_": other}
    [media] = find(output)
    assert (mime, content) == (media.mime, media.data)
    assert media.name.endswith(extension)


@pytest.mark.parametrize(
    ("output", "paths"),
    [
        ("simulated_uploaded/a1.png", ["simulated_uploaded/a1.png"]),
        ({"horse": ["simulated_uploaded/a1", "simulated_uploaded/a1"]}, ["simulated_uploaded/a1"]),
        ({"images": ["/tmp/a.png", "/workspace/b.webp"]}, ["/tmp/a.png", "/workspace/b.webp"]),
        ({"video_path": "/runpod-volume/a.mp4", "log": "/tmp/a.png"}, ["/runpod-volume/a.mp4"]),
        ({"message": "file:///tmp/a.png"}, ["file:///tmp/a.png"]),
        ({"image": "/9j/" + "A" * 100, "model": "/models/a.safetensors"}, []),
        ({"image": "//example.com/a.png"}, []),
        ({"image": text(JPEG)}, []),
        ({"text": "simulated_uploaded\n/a"}, []),
        ("/tmp/" + "a" * 5000 + ".png", []),
    ],
)
def test_paths_on_the_disk_of_the_worker(output: Any, paths: list[str]) -> None:
    assert paths == worker_paths(output)
    assert worker_paths(output) == worker_paths([{"x": output} if not isinstance(output, str) else output])
