"""A client of the extension functions, through the pointers that SIO_GET_EXTENSION_FUNCTION_POINTER gives."""

import ctypes
from typing import Any

from support.winsock import bound, byref, error, listening, made, sockaddr
from ws2spi import mswsock, ws2_32
from ws2spi._abi.constants import AF_INET
from ws2spi._abi.mswsock import EXTENSIONS, PROTOTYPES

GET = 0xC8000006
AREA = 44  # sockaddr_in6 and 16


def fetch(s: int, name: str) -> Any:
    """The function behind the pointer, called through C."""
    place, count = ctypes.c_void_p(), ctypes.c_uint32()
    guid = ctypes.create_string_buffer(EXTENSIONS[name].bytes_le, 16)
    assert ws2_32.WSAIoctl(s, GET, guid, 16, byref(place), 8, byref(count), None, None) == 0, error()
    assert count.value == 8
    return PROTOTYPES[name](place.value)


_kept: list[Any] = []  # what was called through C keeps nothing alive: memory of a pending call must stay


class Started:
    """One overlapped call; `code` is 0 or the code that it returned."""

    def __init__(self, s: int, hEvent: int = 0) -> None:
        self.s = s
        self.overlapped = mswsock.OVERLAPPED(hEvent=hEvent)
        self.count = ctypes.c_uint32(0xABCD)
        self.code = -1
        _kept.append(self)

    @property
    def address(self) -> int:
        return ctypes.addressof(self.overlapped)

    @property
    def pending(self) -> bool:
        return bool(self.overlapped.Internal == 0x103)

    def answered(self, result: int) -> Any:
        self.code = 0 if result else error()
        return self

    def result(self, wait: bool = True) -> int:
        """Bytes, or minus the code."""
        count, flags = ctypes.c_uint32(), ctypes.c_uint32()
        if ws2_32.WSAGetOverlappedResult(self.s, byref(self.overlapped), byref(count), wait, byref(flags)):
            return count.value
        return -error()


class Accept(Started):
    """AcceptEx; `accepted` is the accept socket."""

    def __init__(
        self,
        listener: int,
        size: int = 0,
        accepted: int | None = None,
        family: int = AF_INET,
        hEvent: int = 0,
        local: int = AREA,
        remote: int = AREA,
    ) -> None:
        super().__init__(listener, hEvent)
        self.size = size
        self.areas = local, remote
        self.accepted = made(family=family) if accepted is None else accepted
        self.buffer = ctypes.create_string_buffer(size + local + remote + 1)
        call = fetch(listener, "AcceptEx")
        self.answered(
            call(
                listener,
                self.accepted,
                ctypes.addressof(self.buffer),
                size,
                local,
                remote,
                ctypes.addressof(self.count),
                self.address,
            )
        )

    def names(self) -> tuple[bytes, bytes]:
        """The two sockaddrs as bytes."""
        places = [ctypes.c_void_p() for _ in range(2)]
        sizes = [ctypes.c_int() for _ in range(2)]
        mswsock.GetAcceptExSockaddrs(
            self.buffer, self.size, *self.areas, byref(places[0]), byref(sizes[0]), byref(places[1]), byref(sizes[1])
        )
        found = [
            ctypes.string_at(place.value, size.value) if place.value else b""
            for place, size in zip(places, sizes, strict=True)
        ]
        return found[0], found[1]

    def update(self) -> int:
        """SO_UPDATE_ACCEPT_CONTEXT: 0 or the code."""
        value = ctypes.c_uint64(self.s)
        return error() if ws2_32.setsockopt(self.accepted, 0xFFFF, 0x700B, byref(value), 8) else 0


class Connect(Started):
    """ConnectEx to a loopback port."""

    def __init__(
        self, port: int, data: bytes | None = None, s: int | None = None, family: int = AF_INET, hEvent: int = 0
    ) -> None:
        if s is None:
            s = made(family=family)
            bound(s, family)
        super().__init__(s, hEvent)
        self.name = sockaddr(port, family)
        self.data = None if data is None else ctypes.create_string_buffer(data, max(len(data), 1))
        call = fetch(s, "ConnectEx")
        self.answered(
            call(
                s,
                ctypes.addressof(self.name),
                len(self.name),
                None if self.data is None else ctypes.addressof(self.data),
                0 if data is None else len(data),
                ctypes.addressof(self.count),
                self.address,
            )
        )

    def update(self) -> int:
        """SO_UPDATE_CONNECT_CONTEXT: 0 or the code."""
        return error() if ws2_32.setsockopt(self.s, 0xFFFF, 0x7010, None, 0) else 0


class Disconnect(Started):
    """DisconnectEx."""

    def __init__(self, s: int, flags: int = 0, reserved: int = 0, hEvent: int = 0) -> None:
        super().__init__(s, hEvent)
        self.answered(fetch(s, "DisconnectEx")(s, self.address, flags, reserved))


def connect_time(s: int) -> int:
    """SO_CONNECT_TIME in seconds."""
    value, size = ctypes.c_uint32(), ctypes.c_int(4)
    assert ws2_32.getsockopt(s, 0xFFFF, 0x700C, byref(value), byref(size)) == 0, error()
    return value.value


def met(family: int = AF_INET, data: bytes | None = None, size: int = 0) -> tuple[Connect, Accept, int]:
    """Both ends connected by the extension functions, and the listener."""
    listener, port = listening(family)
    accept = Accept(listener, size, family=family)
    connect = Connect(port, data, family=family)
    assert connect.result() == len(data or b"")
    assert accept.result() == min(size, len(data or b""))
    return connect, accept, listener
