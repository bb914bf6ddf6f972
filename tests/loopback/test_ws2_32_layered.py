"""A hand-written non-IFS layer over the base provider, and clients that use its handles as files and as sockets."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator

import pytest

from support.pass_through import PassThrough
from support.threads import until
from support.winsock import Operation, close, connected, is_set, read_all, received
from support.winsock import event as new_event
from ws2spi import ws2_32
from ws2spi._runtime.process import runtime
from ws2spi._runtime.sockets import sockets

pytestmark = pytest.mark.usefixtures("started")


@pytest.fixture
def layer() -> PassThrough:
    layer = PassThrough()
    layer.install(runtime.catalog.find(2, 1, 6))
    return layer


@pytest.fixture
def ends(layer: PassThrough) -> Iterator[tuple[int, int]]:
    """Two connected sockets, both through the layer."""
    pair = connected()
    assert all(not sockets.lookup(s).ifs for s in pair)
    yield pair
    for s in pair:
        ws2_32.closesocket(s)
    until(lambda: not layer.contexts)


def test_calls_go_through(ends: tuple[int, int]) -> None:
    client, server = ends
    assert ws2_32.send(client, b"ping", 4, 0) == 4
    assert read_all(server, 4) == b"ping"
    with new_event() as handle:
        operation = Operation(client, 10, hEvent=handle)
        ws2_32.send(server, b"pong", 4, 0)
        assert is_set(handle, 5000)
        assert operation.result()[:2] == (1, 4)
    ws2_32.shutdown(client, 1)
    assert received(server) == b""


def test_a_foreign_reader_gets_what_the_layers_wsprecv_gives(ends: tuple[int, int], layer: PassThrough) -> None:
    """upcalls 5.1 Handle nature: ReadFile goes to this provider's WSPRecv"""
    client, server = ends
    ws2_32.send(server, b"for os.read", 11, 0)
    assert os.read(client, 64) == b"for os.read"
    assert sum(context.received for context in layer.contexts.values()) == 11
    ws2_32.send(server, b"again", 5, 0)
    with select.epoll() as poll:
        poll.register(client, select.EPOLLIN)
        assert poll.poll(5)
    assert os.read(client, 64) == b"again"


def test_foreign_and_straight_reads_and_writes_lose_and_reorder_nothing(ends: tuple[int, int]) -> None:
    """upcalls 5.1 Handle nature, mixed with WSA calls"""
    client, server = ends
    data = bytes(range(256)) * 40
    for start in range(0, len(data), 512):
        piece = data[start : start + 512]
        if start % 1536:
            assert os.write(client, piece) == 512
        else:
            assert ws2_32.send(client, piece, 512, 0) == 512
    got = b""
    turn = 0
    while len(got) < len(data):
        turn += 1
        got += os.read(server, 100) if turn % 7 == 0 else bytes(received(server, 600))  # type: ignore[arg-type]
    assert got == data


def test_a_childs_stdin_and_stdout(ends: tuple[int, int]) -> None:
    """issue: "subprocess (as stdin/stdout)" """
    client, server = ends
    script = "import sys; sys.stdout.write(sys.stdin.readline().upper())"
    child = subprocess.Popen([sys.executable, "-c", script], stdin=client, stdout=client)
    ws2_32.send(server, b"through a child\n", 16, 0)
    assert read_all(server, 16) == b"THROUGH A CHILD\n"
    assert child.wait(10) == 0


def test_closing_the_descriptor_elsewhere_closes_the_socket(layer: PassThrough) -> None:
    """design "Identity": a foreign os.close is noticed by the hang-up"""
    client, server = connected()
    os.close(client)
    assert received(server) == b""
    until(lambda: client not in sockets.entries)
    close(server)
    until(lambda: not layer.contexts)
