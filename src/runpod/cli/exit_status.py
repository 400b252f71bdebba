"""Exit statuses, and the messages for errors."""

from __future__ import annotations

import errno
import re
import sqlite3
import sys

from runpod.cli.json_output import at_terminal, note
from runpod.errors import (
    AuthenticationError,
    ConfigurationError,
    InvalidRequestError,
    JobError,
    JobExpiredError,
    MediaError,
    PermissionDeniedError,
    RunFileError,
    RunpodError,
    RunpodTimeoutError,
)

SUCCESS = 0
FAILED = 1
USAGE = 2
TIMEOUT = 3
REFUSED = 4
API_ERROR = 5
NOT_SAVED = 6
# As shells report the signals SIGINT, SIGPIPE and SIGTERM.
INTERRUPTED = 130
PIPE_CLOSED = 141
TERMINATED = 143

# What a caller of the library does, and what a user of the command line does. Then those with a variable part.
_TRANSLATIONS = {
    "Pass api_key=…, set RUNPOD_API_KEY,": "Run `runpod-sdk config set`, set RUNPOD_API_KEY,",
    "Pass api_key=…, or add it": "Run `runpod-sdk config set --profile NAME`, or add it",
    "Pass the key, or omit it to use RUNPOD_API_KEY.": (
        "Enter it when `runpod-sdk config set` asks, or pipe it into that command."
    ),
    "; pass the API key as api_key": "; set the API key with `runpod-sdk config set`",
    "or pass allow_insecure=True": "or pass --allow-insecure",
    "is in error.state.worker_error.traceback.": "is in `error` of the state.",
    "pass key= to": "pass --key to",
    "or pass format=.": "or pass --format.",
    "endpoint.diagnose() says": "`runpod-sdk diagnose` says",
    "a runpod.File with Runpod(uploads=S3Uploads(…)), which uploads it.": (
        "@FILE with --uploads BUCKET, which uploads it."
    ),
    " allow_private=True.": " --allow-private.",
    "as soon as it ends, with job.save.": "as soon as it ends, with --save.",
    "client.public.models() lists them.": "`runpod-sdk public list` shows all.",
    "is larger than max_bytes, ": "is larger than the limit of ",
    "Pass a higher max_bytes if you expect it.": "Download it from the URL in the output.",
    "pass runpod.File(path)": "write @FILE",
    "each of its files as a File": "each of its files as @FILE",
    "a data URL or a runpod.File": "a data URL or @FILE",
    "into the input as it is, as a str.": "into the input without the @.",
    "which does not run: call finalize() first.": "which does not run: start it with `runpod-sdk batch finalize` first.",
    "with results().": "with `runpod-sdk batch results`.",
    "batch.results() shows": "`runpod-sdk batch results` shows",
    "batch.refresh() shows": "`runpod-sdk batch status` shows",
    "endpoint.batches.list() shows": "`runpod-sdk batch list` shows",
    "Nothing runs before finalize().": "Nothing runs before it is finalized.",
    "has no requests: add() some first.": "has no requests.",
    "pass a higher max_requests.": "pass a higher --max-requests.",
    "which has no jobs: use client.load_balancer(id).": "which has no jobs: send HTTP requests to its address.",
    # Commands have no such option.
    ", or allow retries with RetryPolicy(resubmit=True)": "",
    ", or open the file with read_only=True": "",
    ", or open it with read_only=True": "",
}
_PATTERNS = {
    r" run_sync accepts [\d.]+ MB\.": "",
    r" If your account allows more, set EndpointLimits\(\w+=…\)\.": "",
    r"pass a field that is newer than this library in a mapping, run\([^)]*\)": (
        "pass a field that is newer than this version with --input"
    ),
    r"Pass the fields, such as (?:create|update)\(.*\)\.": "--help lists the options.",
    r"Pass one of them, such as gpu=GPUSettings\([^)]*\)\.": "Pass --pool or --cpu.",
    r"client\.manage\.catalog\.gpus\(\) shows": "`runpod-sdk gpus` shows",
    r"call client\.endpoint\(ID\)\.scale\(\w+=…\)": "use `runpod-sdk serverless scale`",
    r"Pass (min|max), too: scale\([^)]*\)\.": r"Pass --\1, too.",
    r"such as ScalingSettings\(request_count=4\)": "as with --request-count 4",
}
FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def exit_status(error: RunpodError) -> int:
    """The exit status for an error."""
    if isinstance(error, (ConfigurationError, InvalidRequestError)):
        return USAGE
    if isinstance(error, RunFileError):
        return API_ERROR if _is_full_disk(error.__cause__) else USAGE
    if isinstance(error, MediaError):
        return NOT_SAVED
    if isinstance(error, RunpodTimeoutError):
        return TIMEOUT
    if isinstance(error, (AuthenticationError, PermissionDeniedError)):
        return REFUSED
    if isinstance(error, JobError) and not isinstance(error, JobExpiredError):
        return FAILED
    return API_ERROR


def _is_full_disk(cause: BaseException | None) -> bool:
    """Whether a file could not be written although the command is right: again later, it can succeed."""
    if isinstance(cause, sqlite3.Error):
        return any(reason in str(cause) for reason in ("disk is full", "disk I/O error"))
    return isinstance(cause, OSError) and cause.errno in FULL_DISK


def message_of(error: RunpodError) -> str:
    """The message of an error, for users of the command line."""
    message = error.message
    for python, command in _TRANSLATIONS.items():
        message = message.replace(python, command)
    for pattern, command in _PATTERNS.items():
        message = re.sub(pattern, command, message)
    return message


def report(error: RunpodError) -> int:
    """Prints an error, and returns its exit status."""
    note(message_of(error))
    return exit_status(error)


def interrupted(message: str = "Interrupted.") -> None:
    """Says that the command was interrupted, in a terminal on a line of its own after its ^C."""
    if at_terminal(sys.stderr):
        note("")
    note(message)
