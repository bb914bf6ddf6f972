"""Datagram sockets in memory, for layers with `send_to` and `recv_from`."""

from typing import Any

import pytest

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi.providers.layer import Layer
from ws2spi.testing import DeadlockError, FakeDatagrams, FakeEngine, over


class Marked(Layer):
    """Each datagram carries a mark; one without is dropped."""

    async def send_to(self, conn: Any, data: bytes, address: Any) -> None:
        await conn.below.send_to(b"mark:" + data, address)

    async def recv_from(self, conn: Any, size: int) -> Any:
        while True:
            data, sender = await conn.below.recv_from(size + 5)
            if data.startswith(b"mark:"):
                return data[5:], sender


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


def test_datagrams_go_through_the_layer_whole_and_in_order(engine: FakeEngine) -> None:
    near, far = FakeDatagrams.pair(engine)
    upper, peer = over(engine, near, Marked()), over(engine, far)
    assert upper.send(b"one") == 3
    upper.send(b"two", far.address)
    assert [peer.recv(100), peer.recv(100)] == [(b"mark:one", near.address), (b"mark:two", near.address)]
    peer.send(b"stray")
    peer.send(b"mark:back")
    assert upper.recv(100) == (b"back", far.address)


def test_a_receive_waits_until_one_comes(engine: FakeEngine) -> None:
    near, far = FakeDatagrams.pair(engine)
    upper, peer = over(engine, near, Marked()), over(engine, far)
    engine.call_later(5, peer.send, b"mark:late")
    assert upper.recv(100) == (b"late", far.address)
    assert engine.now() == 5
    with pytest.raises(DeadlockError):
        upper.recv(100)


def test_what_nobody_can_take_is_lost(engine: FakeEngine) -> None:
    near, far = FakeDatagrams.pair(engine, capacity=10)
    upper, peer = over(engine, near), over(engine, far)
    upper.send(b"x", ("fake", 1))
    upper.send(b"12345678")
    upper.send(b"too much")
    assert peer.recv_nowait(100) == (b"12345678", near.address)
    with pytest.raises(WinsockError) as caught:
        peer.recv_nowait(100)
    assert caught.value.code == WSAError.WSAEWOULDBLOCK


def test_bind_peek_and_close(engine: FakeEngine) -> None:
    here, there = over(engine, FakeDatagrams(engine)), over(engine, FakeDatagrams(engine))
    with pytest.raises(WinsockError):
        here.send(b"to whom?")
    there.perform("bind", ("fake", 53))
    with pytest.raises(WinsockError) as caught:
        here.perform("bind", ("fake", 53))
    assert caught.value.code == WSAError.WSAEADDRINUSE
    here.connect(("fake", 53))
    here.send(b"question")
    assert there.available() == 8
    assert there.recv_nowait(100, peek=True)[0] == b"question"
    assert there.recv(100)[0] == b"question"
    there.close()
    here.send(b"nobody")
    here.perform("bind", ("fake", 53))
