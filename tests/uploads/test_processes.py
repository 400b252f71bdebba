"""Tests of forks."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.uploads.s3_server import TEST_TIMEOUT, Hold, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpod import S3Uploads
    from tests.uploads.s3_server import S3Server

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def in_child(function: Callable[[], object]) -> int:
    """Run a function in a child of a fork, and return its exit status."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # there are threads, as in a user's program
        pid = os.fork()
    if pid == 0:
        signal.alarm(int(TEST_TIMEOUT))  # ends it if it hangs
        try:
            function()
        except BaseException:  # noqa: BLE001 - the child must not go on with other tests
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_child_uploads_its_own_copy(server: S3Server, uploads: S3Uploads) -> None:
    file = Source()
    uploads.acquire(file, threading.Event())
    parent = server.objects()

    def use() -> None:
        # That of the parent is not the child's to delete.
        assert uploads.release(file, used=False) is None
        uploads.acquire(file, threading.Event())
        uploads.release(file, used=False)

    assert 0 == in_child(use)
    assert (2, 1) == (server.sent("PutObject"), server.sent("DeleteObject"))
    assert parent == server.objects()
    assert uploads.release(file, used=False) is None
    assert [] == server.objects()


def test_a_fork_during_an_upload_leaves_nothing_locked(server: S3Server, uploads: S3Uploads) -> None:
    file, hold = Source(), Hold()
    server.respond("PutObject", hold)
    with ThreadPoolExecutor(1) as pool:
        with uploads._records_here()._lock:
            call = pool.submit(uploads.acquire, file, threading.Event())
            assert 0 == in_child(lambda: uploads.release(file, used=False))
        assert hold.arrived.wait(TEST_TIMEOUT)
        # The parent's thread, and its connection, are not there.
        assert 0 == in_child(lambda: uploads.acquire(file, threading.Event()))
        hold.released.set()
        call.result(TEST_TIMEOUT)
    assert 2 == len(server.objects())
