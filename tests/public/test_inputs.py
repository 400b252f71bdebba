"""Typed inputs: each has the fields of its documentation, sends only what was set, and knows other models' names."""

from __future__ import annotations

import copy
import io
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

import runpod.public
from runpod import File, InvalidRequestError, Media
from runpod._protocol.encoding import encode_input
from runpod.public import (
    ChatterboxTurbo,
    FluxDev,
    FluxKontextDev,
    FluxSchnell,
    Granite4HSmall,
    InfiniteTalk,
    KlingV21I2VPro,
    KlingVideoO1R2V,
    Lora,
    MinimaxSpeech02HD,
    NanoBanana2Edit,
    PImageEdit,
    PublicInput,
    PVideo,
    Qwen332B,
    QwenImageEdit,
    QwenImageEdit2511,
    QwenImageT2I,
    QwenImageT2ILora,
    Sora2ProI2V,
    Wan22I2V,
    Wan22T2VLora,
    ZImageTurbo,
)
from tests.public.models import ROWS, Row

URL = "https://example.com/horse.png"

MODELS = {
    model.slug: model
    for name in runpod.public.__all__
    if isinstance(model := getattr(runpod.public, name), type)
    and issubclass(model, PublicInput)
    and model is not PublicInput
}


def sent(model: PublicInput) -> dict[str, Any]:
    """The input on the wire."""
    found: dict[str, Any] = json.loads(encode_input(model))
    return found


def problem(model: type[PublicInput], **values: Any) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        model(**values)
    message = caught.value.message
    start = f"Invalid {model.__name__}: "
    assert message.startswith(start)
    assert message.endswith(".")
    return message.removeprefix(start)[:-1]


def test_every_slug_has_a_typed_input() -> None:
    assert {row.slug for row in ROWS} == set(MODELS)
    assert len(ROWS) == 39


@pytest.mark.fact("protocol-2 5: fields of the models")
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_fields_kind_price_and_docstring(row: Row) -> None:
    model = MODELS[row.slug]
    assert (row.fields, row.kind) == (set(model.model_fields), model.kind)
    assert model.price.startswith("$")
    assert model.__doc__
    # Only what is required has no default, and no default of ours replaces that of the service.
    assert all(field.is_required() or field.default is None for field in model.model_fields.values())


@pytest.mark.fact("protocol-2 5: fields of the models")
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_only_set_fields_are_sent(row: Row) -> None:
    model = MODELS[row.slug]
    least = row.values(*row.required)
    assert least == sent(model(**least))
    optional = sorted(row.fields - set(row.required))
    # None is the service's default as well.
    assert least == sent(model(**least, **dict.fromkeys(optional)))
    every = row.values(*row.required, *optional)
    assert every == sent(model(**every))


@pytest.mark.fact("protocol-2 5: fields of the models")
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_each_required_field_is_required(row: Row) -> None:
    for missing in row.required:
        values = row.values(*(name for name in row.required if name != missing))
        assert f"{missing} is missing" == problem(MODELS[row.slug], **values)
        assert f"{missing} is missing" == problem(MODELS[row.slug], **values, **{missing: None})


SLIPS = [
    (QwenImageEdit2511, {"image": URL}, "it takes 'images', a list, not 'image'"),
    (PImageEdit, {"image_url": URL}, "it takes 'images', a list, not 'image_url'"),
    (NanoBanana2Edit, {"imgs": [URL]}, "it takes 'images', a list, not 'imgs'"),
    (QwenImageEdit, {"images": [URL]}, "it takes 'image', not 'images'"),
    (FluxKontextDev, {"image_url": URL}, "it takes 'image', not 'image_url'"),
    (FluxSchnell, {"num_steps": 4}, "it takes 'num_inference_steps', not 'num_steps'"),
    (FluxSchnell, {"steps": 4}, "it takes 'num_inference_steps', not 'steps'"),
    (FluxSchnell, {"negative": "x"}, "it takes 'negative_prompt', not 'negative'"),
    (FluxSchnell, {"size": "512*512"}, "it takes 'width' and 'height', not 'size'"),
    (FluxSchnell, {"guidance_scale": 3}, "it takes 'guidance', not 'guidance_scale'"),
    (KlingV21I2VPro, {"guidance": 3}, "it takes 'guidance_scale', not 'guidance'"),
    (FluxSchnell, {"output_format": "png"}, "it takes 'image_format', not 'output_format'"),
    (ZImageTurbo, {"image_format": "png"}, "it takes 'output_format', not 'image_format'"),
    (ChatterboxTurbo, {"output_format": "wav"}, "it takes 'format', not 'output_format'"),
    (ZImageTurbo, {"width": 512, "height": 512}, "it takes 'size', such as \"1024*1024\", not 'width' and 'height'"),
    (PImageEdit, {"size": "512*512"}, "it takes 'aspect_ratio', not 'size'"),
    (Sora2ProI2V, {"resolution": "720p"}, "it takes 'size', not 'resolution'"),
    (InfiniteTalk, {"resolution": "720p"}, "it takes 'size', not 'resolution'"),
    (PVideo, {"size": "1280*720"}, "it takes 'resolution' and 'aspect_ratio', not 'size'"),
    (ChatterboxTurbo, {"text": "hello"}, "it takes 'prompt', not 'text'"),
    (Qwen332B, {"messages": []}, "it takes 'prompt', not 'messages'"),
    (Granite4HSmall, {"prompt": "hello"}, "it takes 'messages', a list, not 'prompt'"),
    (Granite4HSmall, {"max_tokens": 5}, "it takes 'sampling_params', not 'max_tokens'"),
    (MinimaxSpeech02HD, {"voice": "x"}, "it takes 'voice_id', not 'voice'"),
    (QwenImageT2ILora, {"lora": "x"}, "it takes 'loras', a list, not 'lora'"),
    (Wan22T2VLora, {"loras": []}, "it takes 'high_noise_loras' and 'low_noise_loras', lists, not 'loras'"),
    (PVideo, {"seconds": 5}, "it takes 'duration', not 'seconds'"),
    (
        PImageEdit,
        {"enable_safety_checker": False},
        "it takes 'disable_safety_checker', which means the opposite, not 'enable_safety_checker'",
    ),
    (
        Wan22I2V,
        {"enable_prompt_expansion": True},
        "it takes 'enable_prompt_optimization', not 'enable_prompt_expansion'",
    ),
    (
        FluxDev,
        {"promt": "x"},
        (
            "there is no field 'promt' (did you mean 'prompt'?); pass a field that is newer than this library in a "
            "mapping, run('black-forest-labs-flux-1-dev', input={…})"
        ),
    ),
]


@pytest.mark.fact("protocol-2 5: image or images")
@pytest.mark.parametrize(("model", "values", "expected"), SLIPS, ids=lambda each: getattr(each, "__name__", ""))
def test_a_name_of_another_model_is_corrected(model: type[PublicInput], values: dict[str, Any], expected: str) -> None:
    assert expected == problem(model, **values)


def test_a_field_that_the_model_has_under_no_name() -> None:
    assert problem(FluxSchnell, prompt="a horse", image=URL).startswith("there is no field 'image'; pass a field that")


def test_all_wrong_names_are_named_at_once() -> None:
    message = problem(QwenImageEdit2511, image=URL, width=512, horse=1)
    assert "not 'image'; it takes 'size'" in message
    assert "there is no field 'horse'" in message


INVALID = [
    (QwenImageEdit2511, {"images": URL}, "images must be a list, such as […], not str"),
    (QwenImageEdit2511, {"images": b"GIF"}, "images must be a list, such as […], not bytes"),
    (QwenImageEdit2511, {"images": {URL}}, "images must be a list, such as […], not set"),
    (
        QwenImageEdit2511,
        {"images": [io.BytesIO()]},
        "images.0 must be a URL, a data URL or a runpod.File(…), not BytesIO",
    ),
    (QwenImageEdit2511, {"images": [[URL]]}, "images.0 takes a single URL or runpod.File, not a list"),
    (QwenImageEdit, {"image": [URL]}, "image takes a single URL or runpod.File, not a list"),
    (
        QwenImageEdit,
        {"image": "pictures/horse.png"},
        "image is neither a URL nor base64: for a file on this machine, pass runpod.File(path)",
    ),
    (
        QwenImageEdit2511,
        {"images": [URL, "C:\\horse.png"]},
        "images.1 is neither a URL nor base64: for a file on this machine, pass runpod.File(path)",
    ),
    (
        QwenImageEdit,
        {"image": Path("horse.png")},
        f"image must be a URL, a data URL or a runpod.File(…), not {type(Path()).__name__}",
    ),
    (QwenImageEdit, {"image": b"GIF"}, "image must be a URL, a data URL or a runpod.File(…), not bytes"),
    (QwenImageEdit, {"image": io.BytesIO(b"GIF")}, "image must be a URL, a data URL or a runpod.File(…), not BytesIO"),
    (QwenImageEdit, {"image": 5}, "image must be a URL, a data URL or a runpod.File(…), not int"),
    (QwenImageEdit, {"image": {"url": URL}}, "image must be a URL, a data URL or a runpod.File(…), not dict"),
    (QwenImageEdit, {"image": " "}, "image is blank: pass a URL, a data URL or a runpod.File"),
    (QwenImageT2I, {"size": "1024x768"}, 'size is written with an asterisk: "1024*768"'),
    (QwenImageT2I, {"size": (1024, 768)}, 'size is written with an asterisk: "1024*768"'),
    (QwenImageT2I, {"size": 1024}, 'size must be text such as "1024*1024", not int'),
    (Granite4HSmall, {"messages": "hello"}, "messages must be a list, such as […], not str"),
    (FluxSchnell, {"width": 500}, "width: Input should be a multiple of 64"),
    (FluxSchnell, {"height": 1600}, "height: Input should be less than or equal to 1536"),
    (FluxDev, {"width": 192}, "width: Input should be greater than or equal to 256"),
    (QwenImageT2ILora, {"loras": [{"path": URL}]}, "loras.0: scale is missing"),
    (QwenImageT2ILora, {"loras": [{"path": URL, "scale": 1, "n": 1}]}, "loras.0: there is no field 'n'"),
]


@pytest.mark.fact("protocol-2 5: sizes of FLUX")
@pytest.mark.parametrize(("model", "values", "expected"), INVALID, ids=lambda each: getattr(each, "__name__", ""))
def test_an_invalid_value_is_explained(model: type[PublicInput], values: dict[str, Any], expected: str) -> None:
    prompt = {} if model is Granite4HSmall else {"prompt": "a horse"}
    assert expected == problem(model, **prompt, **values)


@pytest.mark.fact("protocol-2 5: sizes of Z-Image")
def test_sizes_of_z_image_are_listed() -> None:
    for size in ("512*512", "1280*1280", "1024*768", "720*1280"):
        assert size == ZImageTurbo(prompt="a horse", size=size).size
    assert "size must be one of 512*512, " in problem(ZImageTurbo, prompt="a horse", size="1000*1000")


def test_sizes_of_other_models_are_left_to_the_service() -> None:
    assert "1000*1000" == QwenImageT2I(prompt="a horse", size="1000*1000").size
    assert "480p" == InfiniteTalk(prompt="hello", image=URL, audio=URL, size="480p").size
    assert "720p" == Sora2ProI2V(prompt="hello", image=URL, duration=4, size="720p").size


@pytest.mark.parametrize(
    "given",
    [URL, "data:image/png;base64,iVBORw0KGgo=", "iVBORw0KGgo=", "iVBO\nRw0K\nGgo", "s3://bucket/horse.png", "_-8="],
)
def test_media_are_urls_and_base64(given: str) -> None:
    assert {"prompt": "", "image": given} == sent(QwenImageEdit(prompt="", image=given))


@pytest.mark.parametrize("given", [File(b"GIF89a"), Media("image/png", "horse.png", URL)], ids=["file", "media"])
def test_objects_are_kept_until_they_are_sent(given: Any) -> None:
    assert QwenImageEdit(prompt="", image=given).image is given
    assert QwenImageEdit2511(prompt="", images=(given, URL)).images[0] is given


def test_lists_are_copied() -> None:
    images = [URL]
    edit = KlingVideoO1R2V(prompt="a horse", images=images)
    images.append("x")
    assert [URL] == edit.images


def test_parts_are_models_or_mappings() -> None:
    typed = QwenImageT2ILora(prompt="a horse", loras=[Lora(path=URL, scale=1)])
    assert typed == QwenImageT2ILora.model_validate({"prompt": "a horse", "loras": [{"path": URL, "scale": 1}]})
    assert {"prompt": "a horse", "loras": [{"path": URL, "scale": 1.0}]} == sent(typed)


def test_an_input_is_frozen_and_can_be_copied_and_pickled() -> None:
    flux = FluxSchnell(prompt="a horse", width=512)
    with pytest.raises(ValueError, match="frozen"):
        flux.width = 1024
    for other in (copy.copy(flux), copy.deepcopy(flux), pickle.loads(pickle.dumps(flux))):
        assert (flux, sent(flux)) == (other, sent(other))


def test_a_repr_is_short_and_without_signatures() -> None:
    given = ["https://bucket.example/horse.png?X-Amz-Signature=secret", "data:image/png;base64," + "A" * 1_000_000]
    shown = repr(QwenImageEdit2511(prompt="a horse", images=given))
    start = "QwenImageEdit2511(prompt='a horse', images=['https://bucket.example/horse.png', 'data:image/png;base64,"
    assert shown.startswith(start)
    assert len(shown) < 250
    assert "secret" not in shown


def test_an_input_of_your_own() -> None:
    class Hailuo02(PublicInput):
        slug = "hailuo-02"
        prompt: str
        image: str | None = None

    assert {"prompt": "a horse"} == sent(Hailuo02(prompt="a horse"))
    assert "it takes 'image', not 'images'" == problem(Hailuo02, prompt="a horse", images=[URL])
