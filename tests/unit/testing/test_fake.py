"""The fake: a network in memory on a clock of its own, for authors of layers."""

import socket
import time
from typing import Any

import pytest

from ws2spi import Layer
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._engine.operations import Kind, sleep
from ws2spi.testing import DeadlockError, FakeEngine, FakeTransport, over


def error_of(call: Any, *arguments: Any, **keywords: Any) -> Any:
    with pytest.raises(WinsockError) as caught:
        call(*arguments, **keywords)
    return caught.value.code


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


class Upper(Layer):
    async def send(self, conn: Any, data: bytes) -> None:
        await conn.below.send(data.upper())


class Later(Layer):
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def send(self, conn: Any, data: bytes) -> None:
        await sleep(self.seconds)
        await conn.below.send(data)


# -- the clock ---------------------------------------------------------------------------------------------------------


def test_an_hour_takes_no_time(engine: FakeEngine) -> None:
    one, other = engine.pair()
    upper, peer = over(engine, one, Later(3600)), over(engine, other)
    began = time.monotonic()
    assert upper.send(b"x") == 1
    assert engine.now() == 3600
    assert time.monotonic() - began < 60
    assert peer.recv(1) == b"x"


def test_the_clock_stands_still_while_something_can_run(engine: FakeEngine) -> None:
    one, other = engine.pair()
    upper, peer = over(engine, one, Upper()), over(engine, other)
    engine.call_later(5, lambda: None)
    upper.send(b"x")
    assert peer.recv(1) == b"X"
    assert engine.now() == 0


def test_timers_run_in_order_at_their_moments(engine: FakeEngine) -> None:
    seen: list[tuple[str, float]] = []
    engine.call_later(2, lambda: seen.append(("second", engine.now())))
    engine.call_later(1, lambda: seen.append(("first", engine.now())))
    engine.call_soon(lambda: seen.append(("now", engine.now())))
    engine.call_later(1.5, lambda: seen.append(("never", 0))).cancel()
    engine.settle()
    assert seen == [("now", 0.0)]
    engine.advance(1.9)
    assert seen == [("now", 0.0), ("first", 1.0)]
    assert engine.now() == 1.9
    engine.advance(10)
    assert seen[2:] == [("second", 2.0)]
    assert engine.now() == 11.9


def test_advance_runs_what_falls_due_by_what_ran(engine: FakeEngine) -> None:
    seen: list[float] = []

    def again() -> None:
        seen.append(engine.now())
        if len(seen) < 3:
            engine.call_later(1, again)

    engine.call_later(1, again)
    engine.advance(2.5)
    assert seen == [1, 2]
    engine.advance(0.5)
    assert seen == [1, 2, 3]


def test_a_timeout_moves_the_clock_to_its_moment(engine: FakeEngine) -> None:
    upper = over(engine, engine.pair()[0])
    assert error_of(upper.recv, 1, timeout=7) == WSAError.WSAETIMEDOUT
    assert engine.now() == 7


def test_a_timer_inside_the_timeout_is_in_time(engine: FakeEngine) -> None:
    one, other = engine.pair()
    upper, peer = over(engine, one), over(engine, other)
    engine.call_later(3, peer.submit_send, b"x")
    assert upper.recv(1, timeout=7) == b"x"
    assert engine.now() == 3


def test_a_call_that_nothing_can_finish_says_so(engine: FakeEngine) -> None:
    upper = over(engine, engine.pair()[0])
    with pytest.raises(DeadlockError, match="nothing can finish <Receive pending>"):
        upper.recv(1)
    with pytest.raises(DeadlockError):
        upper.wait_readable()
    assert not upper._receives, "it is out of the line"
    assert not upper._watchers


# -- the network -------------------------------------------------------------------------------------------------------


def test_a_pair_takes_so_much_and_no_more(engine: FakeEngine) -> None:
    one, other = engine.pair(capacity=10)
    upper, peer = over(engine, one), over(engine, other)
    assert upper.send_nowait(b"0123456789abcdef") == 10
    assert not upper.writable()
    assert error_of(upper.send_nowait, b"x") == WSAError.WSAEWOULDBLOCK
    sending = upper.submit_send(b"abcdef")
    engine.settle()
    assert not sending.done
    assert peer.recv(100) == b"0123456789"
    engine.settle()
    assert sending.done
    assert peer.recv(100) == b"abcdef"


def test_a_big_send_goes_as_fast_as_the_peer_reads(engine: FakeEngine) -> None:
    one, other = engine.pair(capacity=100)
    upper, peer = over(engine, one), over(engine, other)
    data = bytes(range(256)) * 10
    sending = upper.submit_send(data)
    got = b""
    while len(got) < len(data):
        got += peer.recv(1000)
    assert got == data
    assert sending.done


def test_pieces_cut_a_stream_where_it_hurts(engine: FakeEngine) -> None:
    one, other = engine.pair()
    upper, peer = over(engine, one), over(engine, other)
    one.pieces = [1, 2, 3]
    peer.send(b"abcdefghij")
    assert [upper.recv(100) for _ in range(4)] == [b"a", b"bc", b"def", b"ghij"]


def test_pieces_never_end(engine: FakeEngine) -> None:
    one, other = engine.pair()
    upper, peer = over(engine, one), over(engine, other)
    one.pieces = iter(lambda: 1, 0)
    peer.send(b"abc")
    assert [upper.recv(100) for _ in range(3)] == [b"a", b"b", b"c"]


def test_the_end_and_the_reset(engine: FakeEngine) -> None:
    one, other = engine.pair()
    upper, peer = over(engine, one), over(engine, other)
    upper.send(b"last")
    upper.shutdown(socket.SHUT_WR)
    assert [peer.recv(10), peer.recv(10)] == [b"last", b""]
    assert error_of(upper.send, b"x") == WSAError.WSAESHUTDOWN
    peer.send(b"lost")
    peer.abort()
    assert error_of(upper.recv, 1) == WSAError.WSAECONNRESET
    assert "reset" in repr(one) or "open" in repr(one)


def test_close_is_the_peers_end_and_a_send_to_it_a_reset(engine: FakeEngine) -> None:
    one, other = engine.pair()
    upper, peer = over(engine, one), over(engine, other)
    upper.send(b"x")
    upper.close()
    assert one.closed
    assert [peer.recv(10), peer.recv(10)] == [b"x", b""]
    assert error_of(peer.send, b"y") == WSAError.WSAECONNRESET
    assert "closed" in repr(one)


def test_connect_bind_listen_accept(engine: FakeEngine) -> None:
    server = over(engine, FakeTransport(engine))
    server.perform("bind", ("server", 80))
    server.listen(5)
    lower = FakeTransport(engine)
    lower.connect_delay = 0.25
    client = over(engine, lower, Upper())
    client.connect(("server", 80))
    assert engine.now() == 0.25
    accepted = server.recv(0)
    assert client.perform("getpeername") == ("server", 80)
    assert accepted.perform("getpeername") == client.perform("getsockname")
    client.send(b"hi")
    assert accepted.recv(10) == b"HI"
    accepted.close()
    assert client.recv(1) == b""
    assert server.perform("getsockname") == ("server", 80)


def test_addresses_are_taken_and_given_back(engine: FakeEngine) -> None:
    server = over(engine, FakeTransport(engine))
    server.perform("bind", ("server", 80))
    server.listen(5)
    assert error_of(over(engine, FakeTransport(engine)).perform, "bind", ("server", 80)) == WSAError.WSAEADDRINUSE
    waiting = over(engine, FakeTransport(engine))
    waiting.connect(("server", 80))
    server.close()
    assert error_of(waiting.recv, 1) == WSAError.WSAECONNRESET, "nobody accepted it"
    assert error_of(over(engine, FakeTransport(engine)).connect, ("server", 80)) == WSAError.WSAECONNREFUSED
    over(engine, FakeTransport(engine)).perform("bind", ("server", 80))


def test_what_is_not_connected_says_so(engine: FakeEngine) -> None:
    alone = over(engine, FakeTransport(engine))
    assert error_of(alone.recv, 1) == WSAError.WSAENOTCONN
    assert error_of(alone.send, b"x") == WSAError.WSAENOTCONN
    assert error_of(alone.perform, "getpeername") == WSAError.WSAENOTCONN
    alone.perform("setsockopt", 1, 2, b"\1\0\0\0")
    assert alone.perform("getsockopt", 1, 2, 4) == bytes(4)


def test_readiness_is_asked_of_the_transport(engine: FakeEngine) -> None:
    one, other = engine.pair()
    peer = over(engine, other)
    assert not one.ready(Kind.READ)
    assert one.ready(Kind.WRITE)
    peer.send(b"x")
    assert one.ready(Kind.READ)
    assert one.pending_bytes() == 1
    assert one.recv_now(10, peek=True) == b"x"
    assert one.descriptor() == -1


def test_two_engines_know_nothing_of_each_other() -> None:
    one, other = FakeEngine(), FakeEngine()
    one.advance(5)
    assert other.now() == 0
    server = over(one, FakeTransport(one))
    server.perform("bind", ("server", 80))
    server.listen(1)
    assert error_of(over(other, FakeTransport(other)).connect, ("server", 80)) == WSAError.WSAECONNREFUSED


# -- repeatable --------------------------------------------------------------------------------------------------------


def test_the_same_every_time() -> None:
    def run() -> list[Any]:
        engine = FakeEngine()
        log: list[Any] = []
        for number in range(5):
            one, other = engine.pair(capacity=7)
            upper, peer = over(engine, one, Later(0.1 * (number % 3))), over(engine, other, Upper())
            upper.submit_send(bytes(20), lambda _, number=number: log.append((engine.now(), "sent", number)))
            peer.submit_send(b"abc", lambda _, number=number: log.append((engine.now(), "answered", number)))

            def again(request: Any, peer: Any = peer, number: int = number) -> None:
                log.append((engine.now(), len(request.result), number))
                if request.result:
                    peer.submit_recv(3, again)

            peer.submit_recv(3, again)
        engine.advance(1)
        return log

    assert run() == run()
