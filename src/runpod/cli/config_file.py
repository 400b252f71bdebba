"""Writing `~/.runpod/config.toml`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from runpod._config import CONFIG_FILE, config_path, read_config_text, read_profiles
from runpod.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping


def write_settings(profile: str, settings: Mapping[str, str]) -> None:
    """Sets settings of a profile. Everything else in the file is kept, with its comments.

    The file is replaced in one step, so that a program that reads it at the same time sees the old or the new one,
    and can be read by its owner only.

    Raises:
        ConfigurationError: The file cannot be read or written, or is not valid TOML.
    """
    known = read_profiles()  # a file that cannot be read is not replaced
    try:
        document: Any = tomlkit.parse(read_config_text())
        if profile not in known:
            if profile in document:
                raise ConfigurationError(f"{profile!r} in {CONFIG_FILE} is not a table. Use another name.")
            document[profile] = tomlkit.table()
        for name, value in settings.items():
            document[profile][name] = value
        text = tomlkit.dumps(document)
    except TOMLKitError:
        # The error message is not shown: it can quote the key.
        raise ConfigurationError(f"{CONFIG_FILE} is not valid TOML. Fix or rename it.") from None
    try:
        # A link to a file elsewhere stays a link.
        _replace(config_path().resolve(), text)
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigurationError(f"{CONFIG_FILE} cannot be written: {reason.rstrip('.')}.") from None


def _replace(path: Path, text: str) -> None:
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700)
    # mkstemp creates it with mode 600.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".config-", suffix=".toml")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
