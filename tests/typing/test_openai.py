"""Typing tests of `client.openai` and `runpod.text`. This file is type-checked, not executed."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import TYPE_CHECKING

from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletion
from typing_extensions import assert_type

import runpod

if TYPE_CHECKING:
    from runpod import AsyncRunpod, Runpod, StreamChunk


async def the_clients_are_those_of_the_package(client: AsyncRunpod, sync_client: Runpod) -> None:
    assert_type(client.openai("id"), AsyncOpenAI)
    assert_type(sync_client.openai("id", max_retries=2, timeout=5), OpenAI)
    async with client.openai("id") as llm:
        assert_type(llm, AsyncOpenAI)
        assert_type(await llm.chat.completions.create(model="m", messages=[]), ChatCompletion)
    assert_type(client.endpoint("id").openai_base_url, str)
    sync_client.openai("id", max_retries="2")  # type: ignore[arg-type]
    sync_client.endpoint("id").openai_base_url = ""  # type: ignore[misc]


def a_text_is_str(chunk: StreamChunk[object]) -> None:
    assert_type(runpod.text(chunk.output), str)
    runpod.text()  # type: ignore[call-arg]
