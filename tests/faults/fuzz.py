"""A coverage-guided fuzzer over every decoder, outside of the tests: `python -m tests.faults.fuzz status -runs=1000000`.

Needs `pip install atheris` (Python 3.11 or newer). Without a target it goes through all of them. What it finds belongs
into `tests/faults/test_decoders.py`.
"""

from __future__ import annotations

import subprocess
import sys

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
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nA: b\r\n\r\n",
    b"HTTP/1.0 502 Bad Gateway\r\nServer: a\r\n b\r\n\r\n<html>",
)


def fuzz(name: str, arguments: list[str]) -> None:
    import tempfile
    from pathlib import Path

    import atheris

    with atheris.instrument_imports(include=["runpod", "tests.faults.decoders"]):
        from tests.faults.decoders import TARGETS

    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS):
            (Path(corpus) / str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], *arguments, "-max_len=2000", corpus], TARGETS[name])
        atheris.Fuzz()


def main() -> int:
    # Whoever fuzzes must not have imported what is to be watched.
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        fuzz(sys.argv[1], sys.argv[2:])
        return 0
    from tests.faults.decoders import TARGETS

    runs = sys.argv[1:] or ["-runs=200000"]
    command = [sys.executable, "-m", "tests.faults.fuzz"]
    return max(subprocess.run([*command, name, *runs], check=False).returncode for name in TARGETS)


if __name__ == "__main__":
    sys.exit(main())
