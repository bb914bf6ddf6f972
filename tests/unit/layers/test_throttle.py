"""The pace of `throttle`, on a clock of its own: no test here waits for anything."""

from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ws2spi._engine.operations import Kind
from ws2spi.layers.options import Rate, Size
from ws2spi.layers.throttle import Pace, Throttle

RATE = 1_000_000


class Conn:
    """A connection as a layer sees it, above a network without limits; `late` is by how much every timer is late."""

    def __init__(self, late: float = 0.0) -> None:
        self.clock = 100.0
        self.late = late
        self.state = SimpleNamespace()
        self.below = self
        self.sent: list[tuple[float, int]] = []  # (when, how many)
        self.inbound = b""
        self.asked: list[int] = []

    def now(self) -> float:
        return self.clock

    async def send(self, data: bytes) -> None:
        self.sent.append((self.clock, len(data)))

    async def send_to(self, data: bytes, address: Any) -> None:
        self.sent.append((self.clock, len(data)))

    async def recv(self, size: int) -> bytes:
        self.asked.append(size)
        data, self.inbound = self.inbound[:size], self.inbound[size:]
        return data

    async def recv_from(self, size: int) -> Any:
        return self.inbound, ("127.0.0.1", 9)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Drive a coroutine of the layer; sleeping moves the clock."""
        try:
            while True:
                want = coroutine.send(None)
                assert want.kind is Kind.TIME
                assert want.source > 0
                self.clock += want.source + self.late
                want.over = True
        except StopIteration as stop:
            return stop.value


def took(conn: Conn, coroutine: Coroutine[Any, Any, Any]) -> float:
    before = conn.clock
    conn.run(coroutine)
    return conn.clock - before


def test_send_takes_the_time_of_its_bytes() -> None:
    conn, layer = Conn(), Throttle(up=Rate(RATE), burst=Size(0))
    assert took(conn, layer.send(conn, bytes(2 * RATE))) == pytest.approx(2.0, rel=0.001)
    assert sum(size for _, size in conn.sent) == 2 * RATE


def test_send_passes_in_pieces_and_not_at_once() -> None:
    conn, layer = Conn(), Throttle(rate=Rate(RATE))
    conn.run(layer.send(conn, bytes(RATE)))
    gaps = [after - before for (before, _), (after, _) in zip(conn.sent, conn.sent[1:], strict=False)]
    assert max(gaps) <= 0.03


def test_recv_never_asks_for_more_than_a_piece_and_takes_its_time() -> None:
    conn, layer = Conn(), Throttle(down=Rate(RATE), burst=Size(0))
    conn.inbound = bytes(RATE)
    before, received = conn.clock, 0
    while data := conn.run(layer.recv(conn, 65536)):
        received += len(data)
    assert received == RATE
    assert conn.clock - before == pytest.approx(1.0, rel=0.001)
    assert max(conn.asked) <= RATE * 0.03


def test_recv_end_is_not_delayed() -> None:
    conn, layer = Conn(), Throttle(down=Rate(1))
    assert took(conn, layer.recv(conn, 10)) == 0


def test_late_timers_do_not_slow_the_rate() -> None:
    conn, layer = Conn(late=0.015), Throttle(rate=Rate(RATE))
    assert took(conn, layer.send(conn, bytes(2 * RATE))) == pytest.approx(2.0, rel=0.05)


def test_small_pieces_become_debt_and_not_a_sleep_each() -> None:
    conn, layer = Conn(), Throttle(rate=Rate(RATE), burst=Size(0))
    sleeps = sum(took(conn, layer.send(conn, b"x" * 64)) > 0 for _ in range(10_000))
    assert conn.clock - 100 == pytest.approx(0.64, rel=0.05)
    assert sleeps <= 640


def test_directions_have_their_own_debt() -> None:
    conn, layer = Conn(), Throttle(up=Rate(RATE), down=Rate(2 * RATE), burst=Size(0))
    conn.inbound = bytes(20_000)
    assert took(conn, layer.send(conn, bytes(20_000))) == pytest.approx(0.02)
    assert took(conn, layer.recv(conn, 20_000)) == pytest.approx(0.01)


def test_rate_covers_both_directions_unless_one_is_named() -> None:
    layer = Throttle(rate=Rate(5), down=Rate(7))
    assert (layer.up, layer.down) == (5, 7)


def test_direction_without_a_rate_is_free() -> None:
    conn, layer = Conn(), Throttle(down=Rate(1))
    conn.inbound = bytes(10**6)
    assert took(conn, layer.send(conn, bytes(10**6))) == 0
    assert conn.sent == [(100.0, 10**6)]
    conn, layer = Conn(), Throttle(up=Rate(1))
    conn.inbound = bytes(10**6)
    assert len(conn.run(layer.recv(conn, 10**6))) == 10**6


def test_burst_passes_at_once_after_a_pause_and_only_then() -> None:
    conn, layer = Conn(), Throttle(up=Rate(RATE), burst=Size(50_000))
    assert took(conn, layer.send(conn, bytes(50_000))) == 0
    assert took(conn, layer.send(conn, bytes(50_000))) == pytest.approx(0.05)
    conn.clock += 10
    assert took(conn, layer.send(conn, bytes(50_000))) == 0


def test_burst_of_nothing_still_flows() -> None:
    """0 says that no pause is ever made up for; it stops nobody."""
    conn, layer = Conn(late=0.002), Throttle(rate=Rate(RATE), burst=Size(0))
    assert took(conn, layer.send(conn, bytes(RATE // 10))) == pytest.approx(0.1, abs=0.01)  # type: ignore[arg-type]
    conn.clock += 60
    assert took(conn, layer.send(conn, bytes(RATE // 10))) == pytest.approx(0.1, abs=0.01)  # type: ignore[arg-type]


def test_each_connection_has_the_rate_unless_it_is_shared() -> None:
    for shared, expected in ((False, 0.02), (True, 0.04)):
        layer = Throttle(rate=Rate(RATE), burst=Size(0), shared=shared)
        one, two = Conn(), Conn()
        took(one, layer.send(one, bytes(20_000)))
        assert took(two, layer.send(two, bytes(20_000))) == pytest.approx(expected)


def test_datagrams_stay_whole_and_wait() -> None:
    conn, layer = Conn(), Throttle(rate=Rate(RATE), burst=Size(0))
    conn.inbound = bytes(40_000)
    assert took(conn, layer.send_to(conn, bytes(60_000), None)) == pytest.approx(0.06)
    assert conn.sent == [(pytest.approx(100.06), 60_000)]
    assert took(conn, layer.recv_from(conn, 65536)) == pytest.approx(0.04)


def test_without_any_rate_it_is_refused() -> None:
    with pytest.raises(ValueError, match="rate, up and down"):
        Throttle(burst=Size(1))


@given(
    rate=st.floats(min_value=1_000, max_value=1e8),
    sizes=st.lists(st.integers(min_value=1, max_value=65536), min_size=1, max_size=200),
    late=st.floats(min_value=0, max_value=0.05),
)
def test_never_faster_than_the_rate_and_not_slower_for_late_timers(rate: float, sizes: list[int], late: float) -> None:
    pace, now = Pace(rate, burst=0), 0.0
    for size in sizes:
        wait = pace.charge(now, size)
        if wait > 0:
            now += wait + late
            pace.woke(now)
    ideal = sum(sizes) / rate
    assert now >= ideal * 0.999999
    assert now <= ideal * 1.000001 + late
