"""What a relay's outgoing socket takes over from the program's."""

import errno
import os
import socket
from collections.abc import Callable

import pytest

from ws2spi.redirect.outgoing import CannotCarryError, Outgoing, device_of, free_for_loopback, namespace_of
from ws2spi.redirect.transports import make_lower

FOUR = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 7),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 12_345),
    (socket.IPPROTO_IP, socket.IP_TOS, 0x10),
    (socket.IPPROTO_IP, socket.IP_TTL, 9),
    (socket.SOL_SOCKET, socket.SO_PRIORITY, 5),
]
SIX = [*FOUR[:5], (socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 0x20), (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 9)]
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may do this")


@pytest.mark.parametrize(("family", "options"), [(socket.AF_INET, FOUR), (socket.AF_INET6, SIX)])
def test_options_are_carried(family: int, options: list[tuple[int, int, int]]) -> None:
    with socket.socket(family) as sock:
        for level, option, value in options:
            sock.setsockopt(level, option, value)
        with make_lower(family, Outgoing(sock, family == socket.AF_INET, False)) as lower:
            for level, option, value in options:
                assert lower.getsockopt(level, option) == value, (level, option)


def test_nothing_is_set_for_a_program_that_sets_nothing() -> None:
    with socket.socket() as sock:
        asked = Outgoing(sock, True, True)
    assert (asked.device, asked._way, asked._colour) == (b"", [], [])


def test_ipv6_socket_to_an_ipv4_host_carries_what_ipv4_has() -> None:
    with socket.socket(socket.AF_INET6) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x10)
        with make_lower(socket.AF_INET, Outgoing(sock, True, False)) as lower:
            assert lower.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0x10


@root
def test_mark_is_carried() -> None:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 42)
        with make_lower(socket.AF_INET, Outgoing(sock, True, False)) as lower:
            assert lower.getsockopt(socket.SOL_SOCKET, socket.SO_MARK) == 42


class Refusing(socket.socket):
    """A socket of a process without privileges."""

    def setsockopt(self, *arguments: object) -> None:  # type: ignore[override]
        raise PermissionError(errno.EPERM, "not permitted")


@root
@pytest.mark.parametrize(
    "set_it",
    [
        lambda sock: sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 42),
        lambda sock: sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo"),
    ],
)
def test_way_that_cannot_be_carried_is_an_error(set_it: Callable[[socket.socket], None]) -> None:
    with socket.socket() as sock, Refusing() as lower:
        set_it(sock)
        with pytest.raises(CannotCarryError):
            Outgoing(sock, True, False).apply(lower)
        with pytest.raises(CannotCarryError, match="CAP_NET_RAW"):
            free_for_loopback(lower, b"eth0")
        free_for_loopback(lower, b"lo")  # is on the loopback already


def test_colour_that_cannot_be_carried_is_left() -> None:
    with socket.socket() as sock, Refusing() as lower:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 5)
        Outgoing(sock, True, False).apply(lower)


def test_source_address_leaves_the_port_open_until_the_connection_is_known() -> None:
    with make_lower(socket.AF_INET, None, "127.0.0.2") as lower:
        assert lower.getsockname() == ("127.0.0.2", 0)
    with make_lower(socket.AF_INET6, None, "127.0.0.2") as lower:
        assert lower.getsockname()[0] == "::", "another family's address"


def test_device_is_told() -> None:
    with socket.socket() as sock:
        assert device_of(sock) == b""
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
        except PermissionError:
            pytest.skip("Linux before 5.7")
        assert device_of(sock) == b"lo"


def test_sockets_of_one_namespace_have_one_number() -> None:
    with socket.socket() as one, socket.socket(socket.AF_INET6) as other:
        assert namespace_of(one) == namespace_of(other)
