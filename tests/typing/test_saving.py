"""Typing tests of `fetch` and `save`. This file is type-checked with mypy and pyright, not executed."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import assert_type

if TYPE_CHECKING:
    from runpod import AsyncJob, AsyncRunpod, Job, JobState, Runpod
    from runpod.media import Media


def show(done: int, total: int | None) -> None: ...


async def async_calls(client: AsyncRunpod, job: AsyncJob[Any], media: Media, state: JobState[str]) -> None:
    assert_type(await client.fetch(media), bytes)
    assert_type(await client.fetch("https://", timeout=timedelta(minutes=1), max_bytes=1, allow_private=True), bytes)
    assert_type(await client.save(media), list[Path])
    assert_type(await client.save([media], "folder", progress=True), list[Path])
    assert_type(await client.save((each for each in [media]), Path("folder"), progress=show), list[Path])
    assert_type(await client.save(state, timeout=3, max_bytes=1, allow_private=True), list[Path])
    assert_type(await job.save(), list[Path])
    assert_type(await job.save("folder", timeout=3, max_bytes=1, allow_private=True, progress=show), list[Path])
    await client.fetch([media])  # type: ignore[arg-type]
    await client.save(7)  # type: ignore[arg-type]
    await client.save(media, b"folder")  # type: ignore[arg-type]
    await job.save(progress="yes")  # type: ignore[arg-type]


def calls(client: Runpod, job: Job[Any], media: Media, state: JobState[str]) -> None:
    assert_type(client.fetch(media), bytes)
    assert_type(client.fetch("https://", timeout=timedelta(minutes=1), max_bytes=1, allow_private=True), bytes)
    assert_type(client.save(media), list[Path])
    assert_type(client.save([media], "folder", progress=True), list[Path])
    assert_type(client.save((each for each in [media]), Path("folder"), progress=show), list[Path])
    assert_type(client.save(state, timeout=3, max_bytes=1, allow_private=True), list[Path])
    assert_type(job.save(), list[Path])
    assert_type(job.save("folder", timeout=3, max_bytes=1, allow_private=True, progress=show), list[Path])
    client.fetch([media])  # type: ignore[arg-type]
    client.save(7)  # type: ignore[arg-type]
    client.save(media, b"folder")  # type: ignore[arg-type]
    job.save(progress="yes")  # type: ignore[arg-type]
