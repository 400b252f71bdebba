"""The list of public models: what the service says, joined with what the library knows, as a table."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runpod.public import FluxSchnell, PublicModel, PublicModels, ZImageTurbo
from runpod.public.catalogue import NoListError, received_models, shipped_models
from tests.public.models import ROWS

ROW = {
    "id": "1",
    "aiApiId": "z-image-turbo",
    "modelName": "z-image",
    "displayName": "Z-Image Turbo",
    "description": "A fast model.",
    "metadata": json.dumps(
        {"cost": 0.005, "owner": "x", "source": "Image", "tag": "new", "priceString": "$0.006/image"}
    ),
    "isLive": True,
    "createdAt": "2026-01-01",
    "updatedAt": None,
}
NEW = {"aiApiId": "hailuo-02", "metadata": json.dumps({"cost": 0.28, "source": "video"}), "isLive": False}


def reply(*rows: Any) -> bytes:
    return json.dumps({"data": {"allAiApiPublicConfigs": rows}}).encode()


def test_the_shipped_list_has_every_typed_input() -> None:
    models = shipped_models("it is a test")
    assert ([row.slug for row in ROWS], "shipped", "it is a test") == (
        sorted((model.slug for model in models), key=[row.slug for row in ROWS].index),
        models.source,
        models.reason,
    )
    for row, model in zip(sorted(ROWS), sorted(models, key=lambda each: each.slug), strict=True):
        assert (row.kind, set(row.required), row.fields) == (model.kind, set(model.required), set(model.fields))
        assert model.input_type is not None
        assert model.is_live is None
    assert models[0].input_type is FluxSchnell
    assert ["image", "video", "audio", "text"] == list(dict.fromkeys(model.kind for model in models))


@pytest.mark.fact("protocol-2 5: metadata")
def test_rows_of_the_service_are_joined_with_what_is_known() -> None:
    models = received_models(reply(NEW, ROW))
    assert ("service", "", 2) == (models.source, models.reason, len(models))
    known, new = models
    assert (
        PublicModel(
            slug="z-image-turbo",
            name="Z-Image Turbo",
            kind="image",
            price="$0.006/image",
            fields=("prompt", "image", "size", "strength", "seed", "output_format", "enable_safety_checker"),
            required=("prompt",),
            input_type=ZImageTurbo,
            description="A fast model.",
            is_live=True,
        )
        == known
    )
    assert PublicModel(slug="hailuo-02", name="hailuo-02", kind="video", price="$0.28", is_live=False) == new


@pytest.mark.parametrize("metadata", [None, 5, "", "{", "[1]", '"x"', '{"cost": "free"}', "[" * 100_000, {"cost": []}])
def test_odd_metadata_leaves_what_is_known(metadata: Any) -> None:
    [model] = received_models(reply({"aiApiId": "z-image-turbo", "metadata": metadata}))
    assert ("ZImageTurbo", "image", "$0.005 per image") == (model.name, model.kind, model.price)


def test_metadata_may_be_an_object() -> None:
    [model] = received_models(reply({"aiApiId": "x", "metadata": {"cost": "0.5", "source": "AUDIO"}, "isLive": "yes"}))
    assert ("audio", "$0.5", None) == (model.kind, model.price, model.is_live)


def test_odd_rows_are_left_out() -> None:
    rows = [None, 5, "x", [], {}, {"aiApiId": None}, {"aiApiId": 5}, {"aiApiId": " "}, {"aiApiId": ["x"]}, NEW, NEW]
    assert ["hailuo-02"] == [model.slug for model in received_models(reply(*rows))]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>bad gateway</html>", "is not JSON"),
        (b"", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 200_000, "is not JSON"),
        (b"1" * 10_000, "is not JSON"),
        (b"null", "has no models"),
        (b"[]", "has no models"),
        (b'"x"', "has no models"),
        (b'{"data": null}', "has no models"),
        (b'{"data": []}', "has no models"),
        (b'{"data": {"allAiApiPublicConfigs": {}}}', "has no models"),
        (b'{"data": {"allAiApiPublicConfigs": []}}', "has no models"),
        (b'{"data": {"allAiApiPublicConfigs": [{"id": 1}]}}', "has no models"),
        (b'{"errors": []}', "has no models"),
        (b'{"errors": [5]}', "has no models"),
        (
            b'{"errors": [{"message": "no such\\u001b[31m field"}]}',
            "the service answered with an error, 'no such\\\\x1b[31m field'",
        ),
    ],
    ids=range(16),
)
def test_a_reply_without_models(body: bytes, reason: str) -> None:
    with pytest.raises(NoListError) as caught:
        received_models(body)
    assert str(caught.value).endswith(reason)


def test_print_shows_an_aligned_table() -> None:
    assert """\
Slug                  Kind   Price (USD)
    Name: fields (* required)
z-image-turbo         image  $0.006/image
    Z-Image Turbo (ZImageTurbo): prompt*, image, size, strength, seed,
    output_format, enable_safety_checker
hailuo-02 (not live)  video  $0.28
    hailuo-02

2 models, from the service.""" == str(received_models(reply(NEW, ROW)))


def test_the_table_of_the_shipped_list_says_why() -> None:
    models = shipped_models("the service answered with HTTP 502")
    assert str(models).endswith(
        "39 models, from the list in this library, since the service answered with HTTP 502. Prices may have changed."
    )
    # The width of a terminal.
    *table, _, _ = str(models).splitlines()
    assert max(map(len, table)) <= 80
    assert "    FluxDev: prompt*, negative_prompt, width, height, num_inference_steps," in table
    assert "PublicModels(39 models, source='shipped')" == repr(models)


def test_a_notebook_shows_a_table_without_the_markup_of_others() -> None:
    row = {**ROW, "aiApiId": "<script>alert(1)</script>", "displayName": "\x1b[31m<b>"}
    models = received_models(reply(row))
    bundle = models._repr_mimebundle_()
    assert {"text/plain", "text/html"} == set(bundle)
    assert bundle["text/html"] == models._repr_html_()
    assert ">&lt;script&gt;alert(1)&lt;/script&gt;</td>" in bundle["text/html"]
    assert ">\\x1b[31m&lt;b&gt;</td>" in bundle["text/html"]
    assert "<script" not in bundle["text/html"]
    assert "\x1b" not in bundle["text/plain"]


def test_a_long_text_does_not_widen_the_table() -> None:
    models = received_models(reply({**ROW, "displayName": "x" * 100_000}))
    assert max(map(len, str(models).splitlines())) < 160
    assert len(models._repr_html_()) < 5000


def test_the_list_is_a_sequence() -> None:
    models = shipped_models("it is a test")
    assert models[1] in models
    assert [models[0], models[1]] == list(models[:2])
    assert isinstance(models[:2], PublicModels)
    assert "it is a test" == models[:2].reason
    assert 39 == len(list(reversed(models)))
