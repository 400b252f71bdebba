"""The base of the typed inputs. It knows the names that other models have for the same thing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast, get_args

from pydantic import ConfigDict, model_validator

from runpod._text import Shortened, readable
from runpod.errors import InvalidRequestError
from runpod.media.item import shown_url
from runpod.models._base import ArgumentModel, normalized, suggestion
from runpod.public.inputs.fields import ListField, is_mapping

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

# Names of models, APIs and libraries for the same thing.
_SYNONYMS = (
    "image images image_url image_urls img imgs input_image input_images init_image picture pictures photo photos",
    "video videos video_url input_video",
    "audio audio_url sound input_audio",
    "prompt text messages description",
    "negative_prompt negative neg_prompt",
    "num_inference_steps steps num_steps inference_steps",
    "guidance guidance_scale cfg cfg_scale",
    "size width height resolution aspect_ratio dimensions",
    "output_format image_format format",
    "duration seconds length num_seconds",
    "voice voice_id voice_name speaker",
    "voice_url default_audio_url",
    "loras lora high_noise_loras low_noise_loras",
    "enable_safety_checker disable_safety_checker",
    "enable_prompt_expansion enable_prompt_optimization prompt_upsampling",
    "generate_audio save_audio keep_original_sound",
    "sampling_params max_tokens temperature top_p top_k",
)
_GROUPS = [frozenset(map(normalized, names.split())) for names in _SYNONYMS]

_LISTS = frozenset({"images", "messages", "loras", "high_noise_loras", "low_noise_loras"})


def counterparts(name: str, fields: Iterable[str]) -> list[str]:
    """The fields of a model for what another model, or a person, calls `name`."""
    groups = [group for group in _GROUPS if normalized(name) in group]
    return [field for field in fields if any(normalized(field) in group for group in groups)]


def correction(names: list[str], fields: list[str], known: Mapping[str, FieldInfo]) -> str:
    """A sentence about wrong names: "it takes 'images', a list, not 'image'"."""
    note = ""
    if fields == ["size"]:
        # Some models call a resolution, such as "720p", the size.
        kind = known["size"].annotation
        note = "" if str in {kind, *get_args(kind)} else ', such as "1024*1024"'
    elif fields[0] in _LISTS:
        note = ", a list" if len(fields) == 1 else ", lists"
    elif {*names, *fields} == {"enable_safety_checker", "disable_safety_checker"}:
        note = ", which means the opposite"
    return f"it takes {_listed(fields)}{note}, not {_listed(names)}"


def _listed(names: list[str]) -> str:
    shown = [repr(str(readable(name, 40))) for name in names]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


class InputPart(ArgumentModel):
    """Base of typed inputs and their parts. What is None is not sent: the service has its own defaults."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        alias_generator=None, arbitrary_types_allowed=True, defer_build=True
    )

    @model_validator(mode="before")
    @classmethod
    def _without_none(cls, values: Any) -> Any:
        return {k: v for k, v in values.items() if v is not None} if is_mapping(values) else values


class PublicInput(InputPart):
    """Base of the typed inputs of public endpoints: frozen, and rejects unknown fields.

    Only fields that you set are sent, so the service's own defaults apply to the others; the
    docstring of each class names them. Fields of media take a URL, a data URL, a `runpod.File` or a
    `Media` of another output. `seed=-1` is a random seed.

    For an endpoint that has no class here, define one. For a field that is newer than this library,
    too, pass the slug and a mapping: `client.public.run("hailuo-02", input={…})`.

    Attributes:
        slug: The slug of the endpoint.
        kind: What it returns: "image", "video", "audio" or "text".
        price: The price in USD, as on the model's page of docs.runpod.io in August 2026.

    Raises:
        InvalidRequestError: A field is missing, unknown or invalid; the message has the right name.

    Example:
        >>> class Hailuo02(PublicInput):
        ...     slug = "hailuo-02"
        ...     prompt: str
    """

    slug: ClassVar[str]
    kind: ClassVar[str]
    price: ClassVar[str]

    @model_validator(mode="before")
    @classmethod
    def _known_names(cls, values: Any) -> Any:
        if is_mapping(values):
            problem = _wrong_names(values, cls.model_fields, getattr(cls, "slug", None))
            if problem:
                raise ValueError(problem)
        return values

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in self:
            if name in self.model_fields_set:
                yield name, _shown(value)


def _shown(value: object) -> object:
    """A value for a repr: short, and without the query of a URL, which can be a credential."""
    if isinstance(value, str) and value.startswith(("https://", "http://")):
        return shown_url(value)
    if isinstance(value, list):
        return [_shown(each) for each in cast("list[object]", value)[:3]]
    return Shortened(value)


def _wrong_names(given: Iterable[str], fields: Mapping[str, FieldInfo], slug: str | None) -> str:
    """What is wrong with the names of the given fields; empty if nothing is."""
    names: dict[tuple[str, ...], list[str]] = {}
    for name in map(str, given):
        if name not in fields:
            names.setdefault(tuple(counterparts(name, fields)), []).append(name)
    unknown = names.pop((), [])
    problems = [correction(wrong, list(right), fields) for right, wrong in names.items()]
    problems += [f"there is no field {_listed([name])}{_suggestion(name, fields)}" for name in unknown]
    if unknown and slug is not None:
        problems.append(f"pass a field that is newer than this library in a mapping, run({slug!r}, input={{…}})")
    return "; ".join(problems)


def _suggestion(name: str, fields: Iterable[str]) -> str:
    # A model that takes no picture: `image_format` would be a bad suggestion for `image`.
    return "" if any(normalized(name) in group for group in _GROUPS) else suggestion(name, fields)


def check_mapping(values: Mapping[str, Any], model: type[PublicInput]) -> None:
    """Checks an input that is not typed. The service may be newer than the typed input, so only likely slips are errors.

    Raises:
        InvalidRequestError: A required field is missing, and there is one that another model has for the same thing.
    """
    fields = model.model_fields
    missing = [name for name, field in fields.items() if field.is_required() and name not in values]
    for name in map(str, values):
        if found := counterparts(name, missing) if name not in fields else []:
            msg = (
                f"Invalid input of {model.slug!r}: {correction([name], found, fields)}. If the model has changed, "
                f"client.public.endpoint({model.slug!r}) takes any input."
            )
            raise InvalidRequestError(msg, endpoint_id=model.slug)


class Lora(InputPart):
    """A LoRA, which changes the style or the content of what a model makes.

    Attributes:
        path: The URL or path of its file.
        scale: How strong it is, typically from 0 to 1. The documentation requires it.
    """

    path: str
    scale: float


class SamplingParams(InputPart):
    """How a language model chooses the next token.

    Defaults of the service: max_tokens 512 (moonshot-kimi: 2048), temperature 0.7 (moonshot-kimi: 1).
    """

    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    top_k: int | None = None
    top_p: float | None = None


Loras = Annotated[Sequence[Lora], ListField]
Messages = Annotated[Sequence[Mapping[str, Any]], ListField]
