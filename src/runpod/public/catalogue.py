"""The list of public models: that of the service, and the one shipped with the library."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, cast, overload

from runpod._text import readable
from runpod.models._base import received_number, suggestion
from runpod.public.inputs import audio, images, text, video
from runpod.public.inputs.base import PublicInput
from runpod.public.table import html_table, text_table

# What the service is asked for. `aiApiId` is the slug, and `metadata` a JSON text.
QUERY = "{allAiApiPublicConfigs{id aiApiId modelName displayName description metadata isLive createdAt updatedAt}}"

_ORDER = {"image": 0, "video": 1, "audio": 2, "text": 3}
_HEADER = ("Slug", "Kind", "Price (USD)", "Name: fields (* required)")


@dataclass(frozen=True, slots=True)
class PublicModel:
    """A model that Runpod hosts as a public endpoint.

    Attributes:
        slug: The ID of its endpoint.
        name: The name for people, or that of the typed input.
        kind: "image", "video", "audio" or "text"; another word if the service uses one.
        price: The price in USD, as the service or its documentation writes it; None if unknown.
        fields: The fields of its input, the required ones first; empty if this library does not
            know the model.
        required: The required ones.
        input_type: Its typed input, or None.
        description: What the service says about it.
        is_live: Whether the service says that it can be called; None if it does not say.
    """

    slug: str
    name: str
    kind: str
    price: str | None = None
    fields: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    input_type: type[PublicInput] | None = None
    description: str = ""
    is_live: bool | None = None


class PublicModels(Sequence[PublicModel]):
    """The public models, by kind. `print` shows a table, and so does a notebook.

    Attributes:
        source: "service", or "shipped": the list of this version of the library.
        reason: Why it is the shipped list; empty if it is not.
    """

    def __init__(self, models: Iterable[PublicModel], source: Literal["service", "shipped"], reason: str = "") -> None:
        self._models = tuple(models)
        self.source: Literal["service", "shipped"] = source
        self.reason: str = reason

    @overload
    def __getitem__(self, index: int) -> PublicModel: ...

    @overload
    def __getitem__(self, index: slice) -> PublicModels: ...

    def __getitem__(self, index: int | slice) -> PublicModel | PublicModels:
        if isinstance(index, slice):
            return PublicModels(self._models[index], self.source, self.reason)
        return self._models[index]

    def __len__(self) -> int:
        return len(self._models)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} models, source={self.source!r})"

    def __str__(self) -> str:
        return f"{text_table(_HEADER, self._rows())}\n\n{self._caption()}"

    def _repr_html_(self) -> str:
        return html_table(_HEADER, self._rows(), self._caption())

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:  # noqa: ARG002 - the signature of IPython
        return {"text/plain": str(self), "text/html": self._repr_html_()}

    def _caption(self) -> str:
        if self.source == "service":
            return f"{len(self)} models, from the service."
        return f"{len(self)} models, from the list in this library, since {self.reason}. Prices may have changed."

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                model.slug + (" (not live)" if model.is_live is False else ""),
                model.kind,
                model.price or "?",
                _signature(model),
            )
            for model in self
        ]


def _signature(model: PublicModel) -> str:
    """The name of a model, that of its typed input, and its fields."""
    typed = "" if model.input_type is None else model.input_type.__name__
    name = readable(model.name, 60) + (f" ({typed})" if typed not in {"", model.name} else "")
    fields = ", ".join(f"{name}*" if name in model.required else name for name in model.fields)
    return f"{name}: {fields}" if fields else name


class NoListError(Exception):
    """The service has no usable list of models; the message says why."""


@lru_cache(maxsize=1)
def typed_inputs() -> dict[str, type[PublicInput]]:
    """The typed inputs by slug."""
    found = [each for module in (images, video, audio, text) for each in vars(module).values()]
    return {
        each.slug: each
        for each in found
        if isinstance(each, type) and issubclass(each, PublicInput) and "slug" in vars(each)
    }


def similar_slug(slug: str, slugs: Iterable[str]) -> str:
    """A suggestion for an unknown slug, such as ` (did you mean 'p-image-t2i'?)`; empty without a close one."""
    known = list(slugs)
    words = set(_words(slug))
    # People know a part of it: flux-schnell.
    parts = [each for each in known if words and words <= set(_words(each))]
    return f" (did you mean {min(parts, key=len)!r}?)" if parts else suggestion(slug, known)


def _words(slug: str) -> list[str]:
    return slug.lower().replace("_", "-").replace("/", "-").replace(".", "-").split("-")


def shipped_models(reason: str) -> PublicModels:
    """The list of this version of the library."""
    return PublicModels((_shipped(each) for each in typed_inputs().values()), "shipped", reason)


def _shipped(model: type[PublicInput]) -> PublicModel:
    fields = model.model_fields
    required = [name for name, field in fields.items() if field.is_required()]
    return PublicModel(
        slug=model.slug,
        name=model.__name__,
        kind=model.kind,
        price=model.price,
        fields=(*required, *(name for name in fields if name not in required)),
        required=tuple(required),
        input_type=model,
    )


def received_models(body: bytes) -> PublicModels:
    """Parses the list of the service. Rows that have no slug are left out.

    Raises:
        NoListError: It is not a list of models.
    """
    try:
        reply: object = json.loads(body)
    except (ValueError, RecursionError):
        msg = "the service's response is not JSON"
        raise NoListError(msg) from None
    rows = _get(_get(reply, "data"), "allAiApiPublicConfigs")
    models: dict[str, PublicModel] = {}
    for row in cast("list[object]", rows) if isinstance(rows, list) else []:
        model = _received(row)
        if model is not None:
            models.setdefault(model.slug, model)
    if not models:
        errors = _get(reply, "errors")
        first = _get(cast("list[object]", errors)[0], "message") if isinstance(errors, list) and errors else None
        msg = "the service's response has no models"
        if isinstance(first, str):
            msg = f"the service answered with an error, {readable(first, 200)!r}"
        raise NoListError(msg)
    ordered = sorted(models.values(), key=lambda model: (_ORDER.get(model.kind, len(_ORDER)), model.kind, model.slug))
    return PublicModels(ordered, "service")


def _received(row: object) -> PublicModel | None:
    slug = _text(row, "aiApiId")
    if not slug:
        return None
    metadata = _get(row, "metadata")
    if isinstance(metadata, str):
        try:
            metadata = json.loads(metadata)
        except (ValueError, RecursionError):
            metadata = None
    cost, live = received_number(_get(metadata, "cost")), _get(row, "isLive")
    model = typed_inputs().get(slug)
    # A kind of this library is kept, so that there is one word for it.
    known = PublicModel(slug, slug, _text(metadata, "source").lower() or "?") if model is None else _shipped(model)
    return replace(
        known,
        name=_text(row, "displayName") or _text(row, "modelName") or known.name,
        price=_text(metadata, "priceString") or (known.price if cost is None else f"${cost:g}"),
        description=_text(row, "description"),
        is_live=live if isinstance(live, bool) else None,
    )


def _get(value: object, key: str) -> object:
    return cast("Mapping[str, object]", value).get(key) if isinstance(value, Mapping) else None


def _text(value: object, key: str) -> str:
    text = _get(value, key)
    return text.strip() if isinstance(text, str) else ""
