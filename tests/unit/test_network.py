"""What lies beneath sync connections."""

from __future__ import annotations

import ssl

import httpcore
import pytest

from runpod._exchange import Exchange
from runpod._network import backend
from runpod._primitives import time_limit
from runpod._protocol.operations import HEALTH, Call
from tests.servers import RawServer


def test_a_connection_whose_deadline_passed_before_its_handshake_is_closed() -> None:
    with RawServer(lambda connection: connection.hang()) as server:
        stream = backend().connect_tcp("127.0.0.1", server.port)
        with time_limit(Exchange(Call(HEALTH, "ep"), left=0)), pytest.raises(httpcore.ConnectTimeout):
            stream.start_tls(ssl.create_default_context(), "127.0.0.1", 5.0)
        assert -1 == stream.get_extra_info("socket").fileno()
