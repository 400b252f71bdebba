"""The names of `runpod.public`."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import runpod.public


def test_every_name_is_documented() -> None:
    assert {*runpod.public.__all__} <= {*dir(runpod.public)}
    for name in runpod.public.__all__:
        assert getattr(runpod.public, name).__doc__
    assert runpod.public.Public is runpod.Public
    assert runpod.public.AsyncPublic is runpod.AsyncPublic
    module: Any = runpod.public
    with pytest.raises(AttributeError, match=r"module 'runpod\.public' has no attribute 'Flux'"):
        _ = module.Flux


def test_a_client_without_public_calls_does_not_import_them() -> None:
    code = "import sys, runpod; runpod.Runpod('key').endpoint('x'); print('runpod.public' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert "False" == done.stdout.strip()
