"""Storage for the large files of inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import threading

    from runpod.media.file import File


class FileStore(Protocol):
    """Where `Runpod(uploads=…)` stores large files: `runpod.uploads.S3Uploads`, or a class of yours with these methods.

    They are called in threads, several at once, and can block, except for `release` with `used=True`.

    Attributes:
        threshold: Files of at least so many bytes are stored. Smaller ones are stored only if the request would be too
            large otherwise.
    """

    @property
    def threshold(self) -> int:
        """In bytes."""
        ...

    def acquire(self, file: File, stop: threading.Event) -> str:
        """Stores a file, unless it is stored already, and counts one use of it.

        Args:
            file: The file: `file.open()`, `file.name`, `file.mime`, `file.size`. The same object each time.
            stop: Once `stop.is_set()`, the call should raise an error soon, and leave nothing behind. Check it from time
                to time: its `wait` does not notice the end of a `map`.

        Returns:
            The text that takes the place of the file in the input, such as a URL.

        Raises:
            Exception: The file was not stored. The submission fails with this error. A `RunpodError` with `retryable` set
                is tried again by `map`.
        """
        ...

    def release(self, file: File, *, used: bool) -> str | None:
        """Ends one use. Called once for each call of `acquire` that returned.

        Args:
            file: The file.
            used: Whether a job may have been submitted with it. Then return at once: async code calls this on the event
                loop. If not, and if nobody else uses the file, delete it.

        Returns:
            The name of what should have been deleted, but was not; or None.
        """
        ...
