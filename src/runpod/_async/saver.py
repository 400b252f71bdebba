"""Saving of media to files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeGuard

from runpod._async.downloads import AsyncDownload
from runpod._base_errors import InvalidRequestError, MediaError, RunpodError
from runpod._logging import logger
from runpod._primitives import async_in_thread
from runpod._progress import ByteCounter, ProgressError, byte_progress_for
from runpod._protocol.links import LinkCall
from runpod._text import readable
from runpod.errors import RunpodTimeoutError
from runpod.media.finder import find, worker_paths
from runpod.media.item import HasMedia, Media
from runpod.media.saving import Folder, FolderError, PartialFile, save_data, save_download
from runpod.models.jobs import JobState

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from pathlib import Path

    from runpod._async.downloads import DownloadOptions
    from runpod._async.session import AsyncSession

# So much of a download is kept in memory, in bytes, before a thread writes it: a call of a thread costs as much as to
# write 100 KB.
_WRITE_SIZE = 1024 * 1024

_NO_BUCKET = (
    "The worker stored its files on its own disk, such as {!r}, where they stay: it has no bucket settings. Set "
    "BUCKET_ENDPOINT_URL, BUCKET_ACCESS_KEY_ID and BUCKET_SECRET_ACCESS_KEY in the environment variables of the endpoint,"
    " or let the handler return the data as base64."
)


class AsyncSaver:
    """Saves media to a folder, one after the other.

    Args:
        session: The session of the client.
        folder: The folder; see `save` of the client.
        options: The options of the call.
        progress: Shows the progress; see `save` of the client.

    Raises:
        InvalidRequestError: An argument is invalid.
        ConfigurationError: The progress bar needs tqdm, which is not installed.
    """

    def __init__(
        self,
        session: AsyncSession,
        folder: str | PathLike[str],
        options: DownloadOptions,
        progress: bool | Callable[[int, int | None], object],
    ) -> None:
        self._session = session
        self._folder = Folder(folder)
        self._options = options
        self._progress = byte_progress_for(progress)

    async def save(self, media: Media | Iterable[Media] | HasMedia) -> list[Path]:
        """Saves all that can be saved. See `save` of the client."""
        try:
            self._session.check_open(LinkCall())
            self._session.engine.check_loop()
            items = _media_in_job(media) if isinstance(media, JobState) else _checked(media)  # pyright: ignore[reportUnknownArgumentType]
            return await self._save_all(items, ByteCounter(self._progress, [item.size for item in items]))
        except RunpodError as problem:
            if isinstance(media, JobState):
                problem.job_id = problem.job_id or media.id
            self._options.add_context(problem)
            raise
        except ProgressError as raised:
            error = raised.error
        finally:
            if self._progress is not None:
                self._progress.close()
        # Out of the handler, so that its context remains.
        raise error

    async def _save_all(self, items: list[Media], counter: ByteCounter) -> list[Path]:
        saved: list[Path] = []
        problems: list[MediaError] = []
        for item in items:
            try:
                self._check_deadline()
                counter.begin(item.size)
                if not saved:
                    await async_in_thread(self._folder.create)
                saved.append(await self._save_one(item, counter))
            except MediaError as error:
                problems.append(error)
            except FolderError as error:
                # The others would fail as well.
                raise self._stopped(item, items, saved, error) from error.cause
            except RunpodTimeoutError as error:
                error.message += f" {len(saved)} of {len(items)} files were saved before."
                raise
        if problems:
            first = problems[0]
            msg = first.message
            if len(items) > 1:
                others = "; the others were" if saved else ""
                msg = f"{len(problems)} of {len(items)} files were not saved{others}. The first: {msg}"
            raise MediaError(msg, saved=saved, retryable=all(each.retryable for each in problems)) from first
        return saved

    async def _save_one(self, item: Media, counter: ByteCounter) -> Path:
        if item.url is None:
            self._options.check_size(item.size or 0, repr(item.name))
            path = await async_in_thread(save_data, self._folder, item)
            counter.add(item.size or 0)
            return path
        sink = _FileSink(PartialFile(self._folder, item.name), counter)
        try:
            content_type = await AsyncDownload(self._session, item.url, self._options, sink).run()
            return await async_in_thread(save_download, sink.part, sink.pieces, item, content_type)
        finally:
            sink.part.discard()

    def _check_deadline(self) -> None:
        deadline = self._options.deadline
        if deadline.passed(self._session.clock.now()):
            msg = f"The files were not saved within the timeout of {deadline.span:g} s."
            raise RunpodTimeoutError(msg, maybe_submitted=False, retryable=True)

    def _stopped(self, item: Media, items: list[Media], saved: list[Path], error: FolderError) -> MediaError:
        msg = str(error)
        if len(items) > 1:
            msg += f" It stopped at {readable(item.name, 60)!r}: {len(saved)} of {len(items)} files were saved before."
        return MediaError(msg, saved=saved)


class _FileSink:
    """Writes a download to a file."""

    def __init__(self, part: PartialFile, counter: ByteCounter) -> None:
        self.part = part
        # What is not written yet.
        self.pieces: list[bytes] = []
        self._size = 0
        self._counter = counter

    async def start(self, total: int | None) -> None:
        if self.part.size:
            await async_in_thread(self.part.restart)
        self.pieces, self._size = [], 0
        self._counter.start(total)

    async def write(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self._size += len(piece)
        if self._size >= _WRITE_SIZE:
            pieces, self.pieces, self._size = self.pieces, [], 0
            await async_in_thread(self.part.write, pieces)
        self._counter.add(len(piece))


def _media_in_job(state: JobState[Any]) -> list[Media]:
    found = find(state.output)
    if not found:
        paths = worker_paths(state.output)
        if paths:
            raise MediaError(_NO_BUCKET.format(readable(paths[0], 100)))
        msg = "Job %s has no files to save: its status is %s, and its output has no media"
        logger.warning(msg, readable(state.id), readable(state.status, 40))
    return found


def _checked(media: object) -> list[Media]:
    if isinstance(media, HasMedia):
        media = media.media
    given = list(media) if _is_several(media) else [media]
    items = [item for item in given if isinstance(item, Media)]
    if len(items) < len(given):
        wrong = next(item for item in given if not isinstance(item, Media))
        msg = f"media must be a Media, several of them, or something that has some, such as a JobState, not {type(wrong).__name__}."
        raise InvalidRequestError(f"{msg} runpod.media.find returns those of an output.")
    return items


def _is_several(value: object) -> TypeGuard[Iterable[object]]:
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes))
