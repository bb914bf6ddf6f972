"""What a relay's outgoing socket takes over from the program's socket, which stays behind on the loopback.

Rule 1: options that say which way packets go (device, mark, interface, source address) are carried or the connect is
        refused by name: a packet must never go another way than the program has asked for.
Rule 2: options that colour a connection (priority, type of service, hop limit, keep-alive, time-outs, congestion
        control) are carried where the kernel lets us.
Rule 3: they are read once, when the program calls connect. What it sets later stays with its half.
"""

import errno
import socket
from typing import Final

_SO_MARK: Final = 36
_SO_NETNS_COOKIE: Final = 71  # Linux 5.14
_IP_FREEBIND: Final = 15
_IP_TRANSPARENT: Final = 19
_IP_BIND_ADDRESS_NO_PORT: Final = 24
_IP_UNICAST_IF: Final = 50
_IPV6_UNICAST_IF: Final = 76
_DEVICE_SIZE: Final = 16  # IFNAMSIZ

# Plain numbers: the socket module's are members of an Enum, whose hash is a call (15 us of the 20 that a look took).
_IP: Final = int(socket.IPPROTO_IP)
_IPV6: Final = int(socket.IPPROTO_IPV6)
_TCP: Final = int(socket.IPPROTO_TCP)

Option = tuple[int, int]

# Six system calls for a program that sets nothing; those of the other family are not asked for.
_WAY: Final[tuple[Option, ...]] = ((socket.SOL_SOCKET, _SO_MARK),)
_WAY4: Final[tuple[Option, ...]] = ((_IP, _IP_UNICAST_IF),)
_WAY6: Final[tuple[Option, ...]] = ((_IPV6, _IPV6_UNICAST_IF),)
_BOUND: Final[tuple[Option, ...]] = ((_IP, _IP_FREEBIND), (_IP, _IP_TRANSPARENT))
_COLOUR: Final[tuple[Option, ...]] = (
    (socket.SOL_SOCKET, socket.SO_PRIORITY),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    (_TCP, socket.TCP_USER_TIMEOUT),
)
_COLOUR4: Final[tuple[Option, ...]] = ((_IP, socket.IP_TOS), (_IP, socket.IP_TTL))
_COLOUR6: Final[tuple[Option, ...]] = (
    (_IPV6, socket.IPV6_TCLASS),
    (_IPV6, socket.IPV6_UNICAST_HOPS),
)
_ALIVE: Final[tuple[Option, ...]] = (
    (_TCP, socket.TCP_KEEPIDLE),
    (_TCP, socket.TCP_KEEPINTVL),
    (_TCP, socket.TCP_KEEPCNT),
)
_ALL: Final = _WAY + _WAY4 + _WAY6 + _BOUND + _COLOUR + _COLOUR4 + _COLOUR6 + _ALIVE
_KEEPALIVE: Final = ((socket.SOL_SOCKET, socket.SO_KEEPALIVE), 1)


class CannotCarryError(OSError):
    """An option of rule 1 cannot be carried. str() says which."""


class Outgoing:
    """What the program's socket asks of its packets' way out.

    Parameters:
        sock: the program's socket, not connected yet.
        four: whether it goes to an IPv4 host.
        bound: whether it has a source address of the program's choice.
    """

    __slots__ = ("_colour", "_way", "device")

    def __init__(self, sock: socket.socket, four: bool, bound: bool) -> None:
        self.device = device_of(sock)
        self._way = _different(sock, _WAY + (_WAY4 if four else _WAY6) + (_BOUND if bound else ()))
        self._colour = _different(sock, (_COLOUR4 if four else _COLOUR6) + _COLOUR)  # IP_TOS changes SO_PRIORITY
        if _KEEPALIVE in self._colour:
            self._colour += _different(sock, _ALIVE)

    def apply(self, lower: socket.socket) -> None:
        """Give it to a socket of ours that is neither bound nor connected. Errors: CannotCarryError."""
        for option, value in self._way:
            try:
                lower.setsockopt(*option, value)
            except OSError as error:
                if error.errno != errno.ENOPROTOOPT:  # another family's
                    raise CannotCarryError(error.errno, f"socket option {option}") from None
        if self.device:
            try:
                lower.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.device)
            except OSError as error:
                raise CannotCarryError(error.errno, f"device {self.device.decode(errors='replace')}") from None
        for option, value in self._colour:
            try:
                lower.setsockopt(*option, value)
            except OSError:
                pass


def free_for_loopback(sock: socket.socket, device: bytes) -> None:
    """Let the program's socket reach the loopback although it is bound to another device.

    Errors:
        CannotCarryError: only a process with CAP_NET_RAW may take back a binding.
    """
    if device and device != b"lo":
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"")
        except OSError as error:
            name = device.decode(errors="replace")
            raise CannotCarryError(error.errno, f"device {name} (CAP_NET_RAW is missing)") from None


def bind(lower: socket.socket, host: str) -> None:
    """Give a socket of ours the program's source address. The port is chosen with the connection, from all pairs."""
    try:
        lower.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
    except OSError:
        pass  # Linux before 4.2
    lower.bind((host, 0))


def device_of(sock: socket.socket) -> bytes:
    """The device that a socket is bound to, b"" for none."""
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, _DEVICE_SIZE).rstrip(b"\0")


def namespace_of(sock: socket.socket) -> bytes:
    """The kernel's name for the network namespace of a socket, b"" where it has none."""
    try:
        return sock.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8)
    except OSError:
        return b""


_usual: dict[int, dict[Option, int]] = {}  # {family: {option: what a new socket has}}


def _different(sock: socket.socket, options: tuple[Option, ...]) -> list[tuple[Option, int]]:
    family = int(sock.family)
    usual = _usual.get(family)
    if usual is None:
        with socket.socket(family, socket.SOCK_STREAM) as new:
            usual = _usual[family] = {}
            for option in _ALL:
                try:
                    usual[option] = new.getsockopt(*option)
                except OSError:
                    pass  # another family's, or unknown to this kernel
    ask = sock.getsockopt
    return [(option, value) for option in options if option in usual and (value := ask(*option)) != usual[option]]
