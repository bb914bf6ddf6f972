"""A peer that ends every connection as soon as it has come about."""

import socket
import sys
from collections.abc import Callable

import pytest

from support.runs import Server, own, run

CODE = """
import socket, sys
ends = 0
for _ in range(300):
    try:
        with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as sock:
            ends += sock.recv(10) == b""
    except ConnectionResetError:  # of a connect too, by the kernel's own rules, when the reset is quick
        ends += 1
print(ends)
"""


@pytest.mark.parametrize("layer", ["Control", "Bytes"])
@pytest.mark.parametrize("way", ["in order", "by a reset"])
def test_every_connection_ends_as_the_peer_ended_it(server: Callable[..., Server], layer: str, way: str) -> None:
    """By the time the supervisor looks, the socket may be past ESTABLISHED: that still is a connection."""

    def serve(connection: socket.socket) -> None:
        if way == "by a reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    done = run([own(layer)], [sys.executable, "-c", CODE, server(serve).port])
    assert (done.returncode, done.stdout, done.stderr) == (0, "300\n", "")
