"""What programs do with `Media`: compare, keep and copy them, and put them into models."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from runpod.media import Media, find
from tests.media.samples import JPEG, PNG, data_url, text

URL = "https://horses.example/horse.png"


class Album(BaseModel):
    cover: Media | None = None
    other: Any = None


@pytest.mark.parametrize("content", [PNG, text(PNG), data_url(PNG, "image/png"), f"DATA:;base64,{text(PNG)}"])
def test_media_of_data_in_every_form(content: bytes | str) -> None:
    media = Media("image/png", "horse.png", data=content)
    assert (PNG, len(PNG), None) == (media.data, media.size, media.url)
    assert [media] == find([media])


@pytest.mark.parametrize("arguments", [{}, {"url": URL, "data": PNG}])
def test_media_have_either_a_url_or_data(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="Media takes either a url or data"):
        Media("image/png", "horse.png", **arguments)


@pytest.mark.parametrize(
    "output", [{"image": text(PNG)}, {"image": PNG}, {"image": data_url(PNG, "x/y")}, {"url": URL}]
)
def test_media_are_values(output: Any) -> None:
    [media] = find(output)
    [again] = find(copy.deepcopy(output))
    assert again == media
    assert 1 == len({again, media, copy.copy(media), copy.deepcopy(media), pickle.loads(pickle.dumps(media))})
    others = find([{"image": text(JPEG)}, {"url": f"{URL}?2"}])
    assert media not in [*others, str(media), media.data, media.url]


@pytest.mark.parametrize("name", ["mime", "name", "url", "data", "size", "kind", "horse"])
def test_media_cannot_be_changed(name: str) -> None:
    [media] = find(PNG)
    with pytest.raises(AttributeError):
        setattr(media, name, None)


def test_another_name_for_the_same_content() -> None:
    for media in find([{"image": text(PNG)}, {"url": URL}]):
        named = media.with_name("foal.png")
        assert ("foal.png", media.mime, media.url, media.data) == (named.name, named.mime, named.url, named.data)
        assert media == named.with_name(media.name)


def test_media_in_models_stay_media() -> None:
    for media in find([{"image": text(PNG)}, {"url": URL}]):
        album = Album(cover=media, other=[media])
        assert {"cover": media, "other": [media]} == album.model_dump()
        assert album == Album.model_validate(album.model_dump())
        # Never as an object of private fields, with all its base64.
        with pytest.raises(PydanticSerializationError, match="Media"):
            album.model_dump_json()
    with pytest.raises(ValidationError, match="instance of Media"):
        TypeAdapter(Media).validate_python({"mime": "image/png", "name": "horse.png"})
