"""A listener on the loopback: who is expected comes in, everybody else is reset; and what meets where."""

import errno
import select
import socket
import struct
from collections.abc import Iterator

import pytest

from ws2spi._engine.epoll import Engine
from ws2spi.redirect import door
from ws2spi.redirect.door import Door, unread
from ws2spi.redirect.meetings import Meetings
from ws2spi.redirect.stone import ESTABLISHED, Stone, state_of


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def entrance(request: pytest.FixtureRequest) -> Iterator[Door]:
    made = Door(request.param)
    yield made
    made.close()


def let_in(entrance: Door, came: list[socket.socket], count: int) -> None:
    poll = select.poll()
    poll.register(entrance._listener, select.POLLIN)
    while len(came) < count:
        assert poll.poll(20_000)
        entrance.serve()


def readable(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(20_000))


def test_expected_socket_comes_in_and_is_that_one(entrance: Door) -> None:
    came: list[socket.socket] = []
    with socket.socket(entrance.family) as sock:
        assert entrance.hold(sock, False) == errno.EINPROGRESS
        entrance.expect(sock.getsockname(), came.append)
        let_in(entrance, came, 1)
        with came[0] as near:
            assert near.getpeername() == sock.getsockname()
            sock.sendall(b"early")
            assert readable(near)
            assert unread(near) == 5


def test_stranger_is_reset_and_nobody_hears_of_it(entrance: Door) -> None:
    came: list[socket.socket] = []
    with socket.socket(entrance.family) as sock, socket.socket(entrance.family) as stranger:
        stranger.connect(entrance.address)
        entrance.hold(sock, False)
        entrance.expect(sock.getsockname(), came.append)
        let_in(entrance, came, 1)
        assert [one.getpeername() for one in came] == [sock.getsockname()]
        with pytest.raises(ConnectionResetError):
            stranger.recv(1)
        came[0].close()


def test_forgotten_socket_is_a_stranger(entrance: Door) -> None:
    came: list[socket.socket] = []
    with socket.socket(entrance.family) as sock:
        entrance._expected[sock.getsockname()[:2]] = came.append
        entrance.hold(sock, False)
        entrance.forget(sock.getsockname())
        poll = select.poll()
        poll.register(entrance._listener, select.POLLIN)
        assert poll.poll(20_000)
        entrance.serve()
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    assert came == []


def test_end_of_the_supervisor_resets_who_is_inside_and_who_waits_outside(entrance: Door) -> None:
    came: list[socket.socket] = []
    with socket.socket(entrance.family) as inside, socket.socket(entrance.family) as outside:
        entrance.hold(inside, False)
        entrance.expect(inside.getsockname(), came.append)
        let_in(entrance, came, 1)
        assert struct.unpack("ii", came[0].getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)) == (1, 0)
        outside.connect(entrance.address)
        came[0].close()  # as the kernel does for a process that is killed
        entrance.close()
        for sock in (inside, outside):
            with pytest.raises(ConnectionResetError):
                sock.recv(1)


def test_held_socket_is_refused_by_the_kernel(entrance: Door) -> None:
    with socket.socket(entrance.family) as sock:
        entrance.hold(sock, False)
        entrance.refuse(sock, False)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED


def test_loopback_is_tried(entrance: Door) -> None:
    assert entrance.works()
    assert entrance._expected == {}


def test_ipv4_address_on_an_ipv6_socket() -> None:
    entrance, came = Door(), list[socket.socket]()
    with socket.socket(socket.AF_INET6) as sock:
        assert entrance.hold(sock, True) == errno.EINPROGRESS
        entrance.expect(sock.getsockname(), came.append)
        let_in(entrance, came, 1)
        assert state_of(sock) == state_of(came[0]) == ESTABLISHED
        came[0].close()
    entrance.close()


@pytest.mark.parametrize(("value", "expected"), [(None, False), ("", False), ("0", False), ("1", True), ("yes", True)])
def test_user_may_force_it(value: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WS2SPI_NO_SIMULTANEOUS_OPEN", raising=False)
    if value is not None:
        monkeypatch.setenv("WS2SPI_NO_SIMULTANEOUS_OPEN", value)
    assert door.forced() is expected


@pytest.mark.parametrize("simultaneous", [True, False])
def test_mapped_destination_meets_on_ipv4(simultaneous: bool) -> None:
    engine = Engine()
    meetings = Meetings(engine, simultaneous)
    place = meetings.for_socket(socket.AF_INET6, mapped=True)
    assert place.family == socket.AF_INET
    assert meetings.for_socket(socket.AF_INET, mapped=False) is place
    assert isinstance(place, Stone if simultaneous else Door)
    with socket.socket(socket.AF_INET6) as sock:
        assert place.hold(sock, True) == errno.EINPROGRESS
    with socket.socket(socket.AF_INET6) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        assert place.hold(sock, True) == errno.ENETUNREACH
    meetings.close()
    engine.close()


def test_family_without_simultaneous_open_gets_a_door(monkeypatch: pytest.MonkeyPatch) -> None:
    """A firewall may have rules for one of the two families only."""
    monkeypatch.setattr(Stone, "works", lambda self: False)
    engine = Engine()
    meetings = Meetings(engine)
    assert isinstance(meetings.for_socket(socket.AF_INET, mapped=False), Stone)
    assert isinstance(meetings.for_socket(socket.AF_INET6, mapped=False), Door)
    meetings.close()
    engine.close()
