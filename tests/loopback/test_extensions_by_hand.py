"""Extension functions where a hand-written provider is in the chain, and what layers see of them (layering 10)."""

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import stacks
from support.extension import AREA, Accept, Connect, Disconnect, met
from support.pass_through import PassThrough
from support.threads import until
from support.winsock import byref, close, error, listening, made, port_of, read_all
from ws2spi import install, mswsock, ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.process import runtime
from ws2spi.providers.layer import Layer
from ws2spi.providers.stack import Stack

pytestmark = pytest.mark.usefixtures("started")


@pytest.fixture
def by_hand() -> Iterator[PassThrough]:
    layer = PassThrough()
    layer.install(runtime.catalog.find(c.AF_INET, c.SOCK_STREAM, c.IPPROTO_TCP))
    yield layer
    until(lambda: not layer.contexts)


def test_a_stack_has_them_over_a_provider_that_has_none(by_hand: PassThrough, tmp_path: Path) -> None:
    with install(Stack([stacks.Bytes()])):
        connect, accept, listener = met(data=b"hello world", size=5)
        assert accept.buffer.raw[:5] == b"hello"
        assert read_all(accept.accepted, 6) == b" world"
        file = tmp_path / "file"
        file.write_bytes(b"from a file")
        with open(file, "rb") as opened:
            assert mswsock.TransmitFile(accept.accepted, opened.fileno(), 0, 0, None, None, 0) == 1
        assert read_all(connect.s, 11) == b"from a file"
        again = Disconnect(accept.accepted, mswsock.TF_REUSE_SOCKET)
        close(connect.s)
        assert again.result() == 0
        second = Accept(listener, 3, accept.accepted)
        other = Connect(port_of(listener), b"two")
        assert (second.result(), other.result()) == (3, 3)
        close(second.accepted, other.s, listener)


def test_a_layer_that_passes_the_control_code_down_gets_what_acts_below(by_hand: PassThrough) -> None:
    listener, _ = listening()
    buffer, overlapped = ctypes.create_string_buffer(2 * AREA), mswsock.OVERLAPPED()
    accepted = made()
    # The function below has never heard of the upper handle: the layer would have to wrap it.
    assert mswsock.AcceptEx(listener, accepted, buffer, 0, AREA, AREA, None, byref(overlapped)) == 0
    assert error() == WSAError.WSAENOTSOCK
    close(listener, accepted)


class Watching(Layer):
    """Writes down what it sees, and changes the bytes."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    async def connect(self, conn: Any, address: Any) -> None:
        self.seen.append("connect")
        await conn.below.connect(address)

    async def accept(self, conn: Any) -> Any:
        accepted = await conn.below.accept()
        self.seen.append("accept")
        return accepted

    async def send(self, conn: Any, data: bytes) -> None:
        self.seen.append(("send", len(data)))
        await conn.below.send(data.upper())

    async def recv(self, conn: Any, size: int) -> bytes:
        data: bytes = await conn.below.recv(size)
        self.seen.append(("recv", len(data)))
        return data


def test_layers_see_a_connect_an_accept_a_send_and_a_receive() -> None:
    layer = Watching()
    with install(Stack([layer])):
        connect, accept, listener = met(data=b"hello", size=5)
        assert accept.buffer.raw[:5] == b"HELLO"
        assert set(layer.seen[:4]) == {"connect", "accept", ("send", 5), ("recv", 5)}
        assert layer.seen.index("connect") < layer.seen.index(("send", 5))
        close(connect.s, accept.accepted, listener)


class Refusing(Layer):
    async def connect(self, conn: Any, address: Any) -> None:
        raise WinsockError(WSAError.WSAEACCES)


def test_a_layers_refusal_is_how_a_connectex_ends() -> None:
    with install(Stack([Refusing()])):
        connect = Connect(9)
        assert (connect.code, connect.result()) == (WSAError.WSA_IO_PENDING, -WSAError.WSAEACCES)
        assert ws2_32.closesocket(connect.s) == 0
