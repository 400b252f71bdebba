"""Typing tests of public endpoints. This file is type-checked with mypy and pyright, not executed."""

# Both checkers report an unneeded `type: ignore`, so code that must be rejected is tested, too.
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from typing_extensions import assert_type

from runpod import (
    AsyncEndpoint,
    AsyncJob,
    AsyncPublic,
    AsyncRunpod,
    Endpoint,
    ExecutionPolicy,
    File,
    Job,
    JobMap,
    JobState,
    Media,
    Public,
    Runpod,
)
from runpod.public import (
    FluxSchnell,
    Granite4HSmall,
    Lora,
    PublicInput,
    PublicModel,
    PublicModels,
    PublicOutput,
    QwenImageEdit,
    QwenImageEdit2511,
    QwenImageT2ILora,
    SamplingParams,
    Sora2ProI2V,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


def a_typed_input_has_a_public_output(client: Runpod, flux: FluxSchnell, plain: Mapping[str, Any]) -> None:
    assert_type(client.public, Public)
    assert_type(client.public.run(flux), Job[PublicOutput])
    assert_type(client.public.run_sync(flux), JobState[PublicOutput])
    assert_type(client.public.run("hailuo-02", input={"prompt": "a horse"}), Job[PublicOutput])
    assert_type(client.public.run_sync("hailuo-02", input=plain), JobState[PublicOutput])
    assert_type(client.public.run_sync(flux, timeout=timedelta(minutes=5)).result(), PublicOutput)
    client.public.run(flux, policy=ExecutionPolicy(low_priority=True), webhook="https://example.com", timeout=5)


async def async_calls_return_the_same(client: AsyncRunpod, flux: FluxSchnell) -> None:
    assert_type(client.public, AsyncPublic)
    assert_type(await client.public.run(flux), AsyncJob[PublicOutput])
    assert_type(await client.public.run_sync(flux), JobState[PublicOutput])
    assert_type(await client.public.run("hailuo-02", input={}), AsyncJob[PublicOutput])
    assert_type(await client.public.models(), PublicModels)
    assert_type(client.public.endpoint("hailuo-02"), AsyncEndpoint[PublicOutput])


def an_output_has_media_and_cost(output: PublicOutput) -> None:
    assert_type(output.media, list[Media])
    assert_type(output.cost, float | None)
    assert_type(output.text, str | None)
    assert_type(output.raw, Any)


def an_endpoint_takes_typed_inputs(client: Runpod, flux: FluxSchnell) -> None:
    assert_type(client.public.endpoint(FluxSchnell.slug), Endpoint[PublicOutput])
    assert_type(client.public.endpoint("x").map([flux]), JobMap[PublicOutput])


def models_are_a_sequence(client: Runpod) -> None:
    models = client.public.models(timeout=None)
    assert_type(models[0], PublicModel)
    assert_type(models[:5], PublicModels)
    assert_type(models[0].input_type, type[PublicInput] | None)
    assert_type([model.price for model in models], list[str | None])


def calls_reject_invalid_arguments(client: Runpod, flux: FluxSchnell) -> None:
    client.public.run()  # type: ignore[call-overload]
    client.public.run(FluxSchnell)  # type: ignore[call-overload]
    client.public.run("hailuo-02")  # type: ignore[call-overload]
    client.public.run(flux, input={})  # type: ignore[call-overload]
    client.public.run_sync({"input": {}})  # type: ignore[call-overload]
    client.public.run_sync("hailuo-02", input="a horse")  # type: ignore[call-overload]
    client.public.models(5)  # type: ignore[call-arg]


def inputs_are_checked(media: Media, urls: list[str], files: tuple[File, ...]) -> None:
    assert_type(FluxSchnell(prompt="a horse", width=512, seed=None), FluxSchnell)
    assert_type(FluxSchnell.slug, str)
    QwenImageEdit(prompt="a horse", image=media)
    QwenImageEdit(prompt="a horse", image=5)  # type: ignore[arg-type]
    QwenImageEdit2511(prompt="a horse", images=[media, "https://example.com/horse.png", File("horse.png")])
    QwenImageEdit2511(prompt="a horse", images=urls)
    QwenImageEdit2511(prompt="a horse", images=files)
    QwenImageT2ILora(prompt="a horse", loras=[Lora(path="x", scale=1)])
    Granite4HSmall(messages=[{"role": "user", "content": "hello"}], sampling_params=SamplingParams(top_p=0.5))
    FluxSchnell()  # type: ignore[call-arg]
    FluxSchnell(prompt=5)  # type: ignore[arg-type]
    FluxSchnell(prompt="a horse", width="512")  # type: ignore[arg-type]
    FluxSchnell(prompt="a horse", steps=4)  # type: ignore[call-arg]
    FluxSchnell("a horse")  # type: ignore[call-arg]
    QwenImageEdit2511(prompt="a horse", image="x")  # type: ignore[call-arg]
    QwenImageEdit2511(prompt="a horse", images=5)  # type: ignore[arg-type]
    QwenImageEdit2511(prompt="a horse", images="x")  # type: ignore[arg-type]
    QwenImageEdit2511(prompt="a horse", images={"x"})  # type: ignore[arg-type]
    Sora2ProI2V(prompt="a horse", image="x")  # type: ignore[call-arg]


class Hailuo02(PublicInput):
    slug = "hailuo-02"
    prompt: str


def an_input_of_your_own(client: Runpod) -> None:
    assert_type(client.public.run(Hailuo02(prompt="a horse")), Job[PublicOutput])
    Hailuo02()  # type: ignore[call-arg]
