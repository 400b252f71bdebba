"""Tests of inputs with values of other kinds than JSON has: dataclasses, dates, numbers of numpy, files."""

from __future__ import annotations

import base64
import dataclasses
import enum
import io
import itertools
import json
import math
import sys
import tracemalloc
import uuid
from collections import UserDict
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import MagicMock

import numpy as np
import pydantic.dataclasses
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, RootModel, SecretStr, create_model, field_serializer
from typing_extensions import TypedDict

from runpod import EndpointLimits, File, InputTooLargeError, InvalidRequestError, Media
from runpod._protocol import request_body
from runpod._protocol.encoding import encode_input, submission
from runpod._protocol.operations import RUN, RUN_SYNC
from runpod._protocol.request_body import BodyLimit, body_limit, in_megabytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(100))
TEXT = base64.b64encode(PNG).decode()
URL = f"data:image/png;base64,{TEXT}"
PICTURE = File(PNG)
MEDIA = Media("image/png", "out.png", None, TEXT)
LINK = Media("image/png", "out.png", "https://bucket.example/out.png?signature=hush")


def body(value: Any) -> Any:
    return submission(None, input=value, policy=None, webhook=None, s3_config=None)


def sent(value: Any) -> Any:
    """The input as the handler receives it."""
    content: bytes = body(value).content()
    assert json.loads(content)["input"] == json.loads(encode_input(value))
    return json.loads(content)["input"]


def refused(value: Any) -> str:
    with pytest.raises(InvalidRequestError) as info:
        sent(value)
    return info.value.message


class Color(enum.Enum):
    BAY = "bay"
    NUMBER = 7
    PICTURE = PICTURE


@dataclasses.dataclass
class Step:
    prompt: str
    image: Any = None
    seed: int = dataclasses.field(default=1, repr=False)
    scratch: dataclasses.InitVar[int] = 0


@pydantic.dataclasses.dataclass
class CheckedStep:
    at: date
    image: Any = Field(default=None, serialization_alias="imageFile")


class Size(NamedTuple):
    width: int
    height: int


class Settings(TypedDict, total=False):
    image: File


class Request(BaseModel):
    """What users write: a file field needs no configuration."""

    model_config = ConfigDict(populate_by_name=True)

    image: File | None = None
    init_image: File | Media | None = Field(default=None, alias="initImage")
    media: Media | None = None
    extra: dict[str, Any] = {}
    color: Color = Color.BAY


class Shouting(BaseModel):
    text: str
    image: File

    @field_serializer("text")
    def shout(self, text: str) -> str:
        return text.upper()


class Dumping(BaseModel):
    n: int = 1

    def model_dump(self, **options: Any) -> dict[str, Any]:
        return {**super().model_dump(**options), "own": True}


class Sequence(NamedTuple):
    tolist: Any


WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
ID = uuid.UUID(int=5)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (WHEN, "2026-01-02T03:04:05Z"),
        (date(2026, 1, 2), "2026-01-02"),
        (time(3, 4), "03:04:00"),
        (timedelta(days=1, seconds=3), "P1DT3S"),
        (ID, str(ID)),
        (PurePosixPath("/runpod-volume/a.png"), "/runpod-volume/a.png"),
        (Decimal("1.50"), "1.50"),
        (ip_address("1.2.3.4"), "1.2.3.4"),
        (AnyUrl("https://a.example/b"), "https://a.example/b"),
        *[(Color.BAY, "bay"), (Color.NUMBER, 7), (Color.PICTURE, URL)],
        (Size(1, 2), [1, 2]),
        (Settings(image=PICTURE), {"image": URL}),
        (UserDict(a=PICTURE), {"a": URL}),
        # Dataclasses.
        (Step("x", scratch=5), {"prompt": "x", "image": None, "seed": 1}),
        (Step("x", [Step("y", PICTURE)]), {"prompt": "x", "image": [{"prompt": "y", "image": URL, "seed": 1}], "seed": 1}),
        (CheckedStep(date(2026, 1, 2), {"a": PICTURE}), {"at": "2026-01-02", "imageFile": {"a": URL}}),
        # Files and media.
        (PICTURE, URL),
        (File(PNG, form="base64"), TEXT),
        (File(PNG, mime="image/x; a=b"), f"data:image/x; a=b;base64,{TEXT}"),
        *[(each, URL) for each in (MEDIA, File(MEDIA))],
        *[(each, LINK.url) for each in (LINK, File(LINK))],
        ((PICTURE, [PICTURE, MEDIA]), [URL, [URL, URL]]),
        # Models.
        (Request(), {"extra": {}, "color": "bay"}),
        (Request(image=PICTURE, init_image=MEDIA, media=MEDIA), {"image": URL, "initImage": URL, "media": URL, "extra": {}, "color": "bay"}),
        (Request(image=None, init_image=LINK, media=LINK).model_copy(update={"extra": {}}), {"image": None, "initImage": LINK.url, "media": LINK.url, "extra": {}, "color": "bay"}),
        (Request(extra={"a": [PICTURE, {"b": MEDIA}, Step("x", PICTURE), Request(image=PICTURE)]}).extra, {
            "a": [URL, {"b": URL}, {"prompt": "x", "image": URL, "seed": 1}, {"image": URL, "extra": {}, "color": "bay"}]
        }),
        (Request(extra={"a": (PICTURE, MEDIA, Step("x", PICTURE)), "n": np.arange(2)}), {
            "extra": {"a": [URL, URL, {"prompt": "x", "image": URL, "seed": 1}], "n": [0, 1]}, "color": "bay"
        }),
        (RootModel[dict[str, File]]({"a": PICTURE}), {"a": URL}),
        (Shouting(text="a horse", image=PICTURE), {"text": "A HORSE", "image": URL}),
        (Dumping(), {"n": 1, "own": True}),
        # numpy.
        *[(np.dtype(kind).type(1), 1) for kind in ("int8", "int64", "uint64", "float16", "float32", "float64", "longdouble")],
        *[(np.bool_(True), True), (np.str_("a"), "a"), (np.array(5), 5), (np.array("a"), "a")],
        (np.array([[1, 2], [3, 4]], dtype=np.uint8), [[1, 2], [3, 4]]),
        (np.array([1.5, 2], dtype=np.longdouble), [1.5, 2.0]),
        *[(np.array([]), []), (np.array([True]), [True]), (np.array(["a", "bc"]), ["a", "bc"])],
        (np.ma.masked_array([1, 2], mask=[False, True]), [1, None]),
        *[(np.ma.masked, None), (np.ma.masked_array([1.5, 2], mask=[True, False])[0], None), (np.ma.masked_array(5), 5)],
    ],
)  # fmt: skip
def test_what_pydantic_and_numpy_know_is_sent_as_they_write_it(value: Any, expected: Any) -> None:
    assert {"a": [expected], "b": "after"} == sent({"a": [value], "b": "after"})
    if isinstance(expected, dict):
        assert expected == sent(value)


Holder: Any = create_model("Holder", value=(Any, ...))


class Tensor:
    def tolist(self) -> list[int]:
        raise AssertionError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.array([[1.0, 2.0], [3.0, math.nan]]), "[1][1] is nan, which JSON does not support"),
        (np.float32(math.inf), " is inf, which"),
        (np.longdouble(math.nan), " is nan, which"),
        *[(Decimal(each), f" is {each}, which JSON does not support") for each in ("NaN", "-Infinity")],
        (np.array([object()]), " is a numpy value of dtype object, which is not JSON-serializable; convert it with .astype()."),
        (np.complex64(1j), " is a numpy value of dtype complex64"),
        (np.datetime64("2026-01-02"), " is a numpy value of dtype datetime64[D]"),
        (np.array([b"a"]), " is a numpy value of dtype |S1"),
        (np.zeros(1, dtype=[("a", int)]), " is a numpy value of dtype [('a', '<i8')]"),
        (np.dtype("int8"), " has type Int8DType, which is not JSON-serializable."),
        (np.array(["\ud800"]), "[0] contains a lone surrogate"),
        (Path("\udcff"), " contains a lone surrogate"),
        (Tensor(), " has type Tensor, which is not JSON-serializable; call its tolist()."),
        (Image.new("RGB", (1, 1)), " has type Image, which is not JSON-serializable; wrap it as runpod.File(image)."),
        (io.BytesIO(), " has type BytesIO, which is not JSON-serializable; wrap it as runpod.File(file)."),
        (Step("x", b"data"), ".image has type bytes, which is not JSON-serializable; wrap it as runpod.File(…), or decode it"),
        (Step("x", {1: PICTURE}), ".image has a key of type int"),
        (Step("x", SecretStr("hush")), ".image has type SecretStr, which is not JSON-serializable; pass its get_secret_value()."),
        (Holder(value=Step("x", SecretStr("hush"))), ".value.image is a secret, which would be sent as **********"),
        (Holder(value={"a": [Tensor()]}), ".value.a[0] has type Tensor"),
        (Step, " has type type,"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_named_with_its_place_and_a_cure(value: Any, expected: str) -> None:
    message = refused({"a": [value]})
    assert f"input.a[0]{expected}" in message
    assert "hush" not in message


def test_a_mock_is_no_model() -> None:
    # It has every attribute.
    assert "input.a has type MagicMock" in refused({"a": MagicMock()})


def test_a_cycle_through_dataclasses() -> None:
    step = Step("x")
    step.image = [step]
    for value in (step, {"a": step}):
        assert "is nested deeper than 64 levels" in refused(value)


def test_a_dataclass_without_the_value_of_a_field() -> None:
    step = Step("x")
    del step.prompt
    assert "cannot be serialized to JSON: 'Step' object has no attribute 'prompt'." in refused({"a": [step]})


def test_a_dataclass_class_is_no_input() -> None:
    assert "input must be a mapping, a dataclass or a pydantic model, not type" in refused(Step)
    assert "not Media" in refused(MEDIA)


# Files in the text of a request

hostile = st.sampled_from(['"NAME"', "NAME", 'NAME"', '\\"NAME\\"', "xNAME", "NAMENAME", '"', "\\", URL])
leaves = st.none() | st.integers() | st.text(max_size=5) | hostile | st.binary(max_size=9)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(hostile | st.text(max_size=3), inner, max_size=4),
)


def with_files(value: Any, files: dict[bytes, File]) -> Any:
    if isinstance(value, dict):
        return {key: with_files(item, files) for key, item in value.items()}
    if isinstance(value, list):
        return [with_files(item, files) for item in value]
    if isinstance(value, bytes):
        # The same file can be in several places.
        return files.setdefault(value, File(value or b"?", form="base64" if len(value) % 2 else "data_url"))
    return value


def with_texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: with_texts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_texts(item) for item in value]
    if isinstance(value, bytes):
        prefix = "" if len(value) % 2 else f"data:{File(value or b'?').mime};base64,"
        return prefix + base64.b64encode(value or b"?").decode()
    return value


@settings(max_examples=150)
@given(st.dictionaries(hostile | st.text(max_size=3), trees, min_size=1, max_size=4))
def test_files_at_any_place_beside_any_text(value: dict[str, Any]) -> None:
    # The first names occur in the input.
    names = iter(["NAME", "xNAME", "NAMENAME", "\u99ac", *[f"NAME{n}" for n in range(50)]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(request_body, "_placeholder", lambda: next(names))
        assert with_texts(value) == sent(with_files(value, {}))
        names = iter([f"NAME{n}" for n in range(50)])
        assert with_texts(value) == sent(Holder(value=with_files(value, {})))["value"]


def test_ctrl_c_is_not_taken_for_an_invalid_input() -> None:
    def profile_for(moment: int) -> Callable[[FrameType, str, object], None]:
        returns = itertools.count()

        def interrupt(frame: FrameType, event: str, _: object) -> None:
            if event == "return" and frame.f_code.co_filename == request_body.__file__ and next(returns) == moment:
                raise KeyboardInterrupt

        return interrupt

    for moment in range(8):
        sys.setprofile(profile_for(moment))
        try:
            with pytest.raises(KeyboardInterrupt):
                body({"image": PICTURE})
        finally:
            sys.setprofile(None)


def test_a_reference_takes_the_place_of_a_file() -> None:
    other = File(PNG, form="base64")
    found = body({"a": PICTURE, "b": [other, PICTURE], "c": File(b"x")})
    assert 3 == len(found.files)
    reference = 'https://bucket.example/horse.png?a="b"'
    content = json.loads(found.content(None, {PICTURE: reference, other: "s3"}))
    assert {"a": reference, "b": ["s3", reference], "c": "data:application/octet-stream;base64,eA=="} == content[
        "input"
    ]


def test_at_most_two_copies_of_a_file_are_made(tmp_path: Path) -> None:
    size = 7_000_000
    path = tmp_path / "horse.png"
    path.write_bytes(PNG + bytes(size - len(PNG)))
    for source in (path, path.read_bytes()):
        request = body({"image": File(source)})
        tracemalloc.start()
        content = request.content()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        # The base64 text, and the body.
        assert 2 * 4 / 3 * size <= peak < 2 * 4 / 3 * size + 2_500_000
        assert len(content) > 4 / 3 * size


class TestLimits:
    def test_the_error_names_the_size_the_limit_and_the_largest_part(self) -> None:
        value = {"prompt": "a horse", "images": [File(bytes(100)), {"a b": File(bytes(10_000_000), name="horse.png")}]}
        with pytest.raises(InputTooLargeError) as info:
            body(value).content(body_limit(RUN, EndpointLimits()))
        assert (
            "The request has 12.7 MB, more than the limit of 10 MB. Nothing was sent. The largest part is "
            "input.images[1]['a b']: 12.7 MB (the file 'horse.png'). Pass a URL in its place, or a runpod.File with "
            "Runpod(uploads=S3Uploads(…)), which uploads it. run_sync accepts 20 MB. If your account allows more, set "
            "EndpointLimits(run_bytes=…)."
        ) == info.value.message
        assert not info.value.maybe_submitted
        assert 13_000_000 < len(body(value).content(body_limit(RUN_SYNC, EndpointLimits())))
        assert 13_000_000 < len(body(value).content(body_limit(RUN, EndpointLimits(run_bytes=None))))

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ({"a": "x" * 2000, "b": "y" * 3000}, "input.b: 3,002 bytes. "),
            ({"a": {"b c": ["x", "馬" * 1000]}}, "input.a['b c'][1]: 3,002 bytes."),
            ({"n": list(range(1000, 2000)), "a": "x"}, "input.n: 5,001 bytes."),  # not one of its numbers
            ({"n": np.zeros((100, 20)), "a": None}, "input.n: 8,"),
            ({f"k{n}": n for n in range(500)}, "input: "),
            ({"x" * 2000: True, "y" * 2000: 1.5, "z": -(2**9000)}, "input.z: 3,001 bytes."),
        ],
    )
    def test_the_largest_part(self, value: Any, expected: str) -> None:
        with pytest.raises(InputTooLargeError) as info:
            body(value).content(BodyLimit(1000))
        assert f"The largest part is {expected}" in str(info.value)

    def test_the_limit_itself_is_allowed(self) -> None:
        for value in ({"a": "x" * 100_000}, {"a": PICTURE, "b": File(b"xy", form="base64")}, {"a": "馬\n" * 50_000}):
            request = body(value)
            size = len(request.content())
            assert size == len(request.content(BodyLimit(size)))
            with pytest.raises(InputTooLargeError, match=f"has {size:,} bytes, more than the limit of {size - 1:,}"):
                request.content(BodyLimit(size - 1))

    def test_a_sparse_file_of_3_gb_is_refused_before_it_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "model.safetensors"
        with path.open("wb") as stream:
            stream.truncate(3 * 10**9)
        tracemalloc.start()
        with pytest.raises(InputTooLargeError, match=r"input.model: 3814.7 MB \(the file 'model.safetensors'\)"):
            body({"model": File(path)}).content(body_limit(RUN, EndpointLimits()))
        with path.open("rb") as stream, pytest.raises(InputTooLargeError, match=r"3814.7 MB \(the file"):
            body({"model": File(stream)}).content(body_limit(RUN, EndpointLimits()))
        with pytest.raises(InputTooLargeError, match=r"3814\.7 MB"):
            encode_input({"model": File(path)})
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
        tracemalloc.stop()

    def test_advice_for_run_fits_the_settings(self) -> None:
        for size in (50, None):
            limit = body_limit(RUN, EndpointLimits(run_bytes=100, run_sync_bytes=size))
            assert 100 == limit.size
            assert "run_sync accepts" not in limit.advice

    def test_sizes_are_written_as_the_service_counts(self) -> None:
        sizes = {5: "5 bytes", 10**5: "100,000 bytes", 10 * 2**20: "10 MB", 14_000_000: "13.4 MB"}
        assert list(sizes.values()) == [in_megabytes(size) for size in sizes]


class TestUploads:
    def chosen(self, files: dict[str, File], limit: int | None, threshold: int, **rest: Any) -> list[str]:
        request = body({**files, **rest})
        return [file.name for file in request.to_upload(BodyLimit(limit), threshold)]

    def test_large_files_are_uploaded_and_others_if_the_request_is_too_large(self) -> None:
        files = {f"f{size}": File(bytes(size), name=f"{size}.bin", form="base64") for size in (10, 400, 90, 300)}
        assert ["400.bin", "300.bin"] == self.chosen(files, None, 300)
        assert ["400.bin", "300.bin", "90.bin", "10.bin"] == self.chosen(files, None, 0)
        assert [] == self.chosen(files, 10_000, 500)
        assert ["400.bin"] == self.chosen(files, 800, 500)
        assert ["400.bin", "300.bin"] == self.chosen(files, 300, 500)

    def test_a_request_that_is_too_large_without_its_files_is_refused_at_once(self) -> None:
        with pytest.raises(InputTooLargeError, match=r"The largest part is input.text: 3,002 bytes\. "):
            self.chosen({"image": File(bytes(9000))}, 2000, 500, text="x" * 3000)
