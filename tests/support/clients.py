"""One line for each call of a client of the exact face, with codes as results; and waiting for what is to come."""

import ctypes
import struct
from typing import Any

from support.threads import Running, until
from support.winsock import Operation, byref, close, error, sockaddr
from ws2spi import ws2_32
from ws2spi._abi import addresses
from ws2spi._abi import constants as c
from ws2spi._abi.constants import AF_INET, SOL_SOCKET

FIONREAD = 0x4004667F


def failed(result: int) -> int:
    """The code of a call that answered SOCKET_ERROR."""
    assert result == -1, result
    return error()


def connect(s: int, port: int, family: int = AF_INET, host: str | None = None) -> int:
    address = sockaddr(port, family, host)
    return int(ws2_32.connect(s, address, len(address)))


def bind(s: int, port: int, family: int = AF_INET, host: str | None = None) -> int:
    address = sockaddr(port, family, host)
    return int(ws2_32.bind(s, address, len(address)))


def name(function: Any, s: int) -> Any:
    """What getsockname or getpeername gave: (host, port), or the code."""
    room, length = ctypes.create_string_buffer(128), ctypes.c_int(128)
    if function(s, room, byref(length)):
        return error()
    return addresses.unpack(room.raw[: length.value])[1][:2]


def option(s: int, level: int, number: int, size: int = 4) -> int:
    """An option's value, or minus the code."""
    room, length = ctypes.create_string_buffer(16), ctypes.c_int(size)
    if ws2_32.getsockopt(s, level, number, room, byref(length)):
        return -error()
    return int.from_bytes(room.raw[: length.value], "little")


def set_option(s: int, level: int, number: int, value: bytes) -> int:
    return 0 if ws2_32.setsockopt(s, level, number, value, len(value)) == 0 else error()


def sent(s: int, data: bytes, flags: int = 0) -> int:
    """How many bytes send took, or minus the code."""
    count = int(ws2_32.send(s, data, len(data), flags))
    return count if count >= 0 else -error()


def available(s: int) -> int:
    count = ctypes.c_uint32()
    assert ws2_32.ioctlsocket(s, FIONREAD, byref(count)) == 0, error()
    return count.value


def ready(s: int, count: int = 1) -> None:
    until(lambda: available(s) >= count)


def asleep(running: Running) -> None:
    """Wait until the thread is parked in its call."""
    until(lambda: running.executive._parked or not running.alive())
    assert running.alive(), running.result()


def reset(s: int) -> None:
    """Close with a reset."""
    assert set_option(s, SOL_SOCKET, c.SO_LINGER, struct.pack("<HH", 1, 0)) == 0
    close(s)


class Datagram:
    """WSARecvFrom with an OVERLAPPED."""

    def __init__(self, s: int, size: int, hEvent: int = 0, routine: Any = None) -> None:
        self.s = s
        self.memory = ctypes.create_string_buffer(size)
        self.buffer = ws2_32.WSABUF(size, ctypes.addressof(self.memory))
        self.overlapped = ws2_32.WSAOVERLAPPED(hEvent=hEvent)
        self.count, self.flags = ctypes.c_uint32(99), ctypes.c_uint32()
        self.sender, self.length = ctypes.create_string_buffer(128), ctypes.c_int(128)
        result = ws2_32.WSARecvFrom(
            s,
            byref(self.buffer),
            1,
            byref(self.count),
            byref(self.flags),
            self.sender,
            byref(self.length),
            byref(self.overlapped),
            routine,
        )
        self.code = error() if result else 0

    result = Operation.result
