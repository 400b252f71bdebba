"""A coverage-guided fuzzer over every decoder, not part of the test suite: `python -m tests.faults.fuzz state -runs=1000000`.

Needs `pip install atheris` (Python 3.11 or newer). Add its findings to `tests/faults/test_decoders.py`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

SEEDS = (
    b'{"id":"job-1","status":"COMPLETED","output":{"n":1},"delayTime":20,"executionTime":30,"workerId":"w"}',
    b'{"id":"job-1","status":"FAILED","error":"{\\"error_type\\": \\"<class \'ValueError\'>\\", \\"error_message\\": \\"x\\"}"}',
    b'{"id":"job-1","status":"FAILED","error":"handler: x\\ntraceback: y\\nValueError: z"}',
    b'{"status":"IN_PROGRESS","stream":[{"output":1,"metrics":{"a":2}}]}',
    b'{"jobs":{"inQueue":2},"workers":{"idle":1}}',
    b'{"removed":3,"status":"completed"}',
    b"<html><title>502 Bad Gateway</title></html>",
    b'{"error":"bad request: body: exceeded max body size of 10MiB"}',
    b"120|Wed, 21 Oct 2026 07:28:00 GMT",
    b"Wed, 21 Oct 2026 07:28:00 GMT|Wed, 21 Oct 2026 07:27:00 GMT",
    b'[default]\napi_key = "rpa_X"\n',
)

if __name__ == "__main__":
    import atheris

    with atheris.instrument_imports(include=["runpod", "tests.faults.decoders"]):
        from tests.faults.decoders import TARGETS

    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS):
            (Path(corpus) / str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], *sys.argv[2:], "-max_len=2000", corpus], TARGETS[sys.argv[1]])
        atheris.Fuzz()
