"""`socket.socket` as it is on Windows: every call goes to windll.ws2_32."""

import importlib.util
import os
import sys
from typing import Any

from support.proactor.overlapped import AF_INET, AF_INET6, c, pack, unpack, windows_error, winsock
from ws2spi import ws2_32

_spec: Any = importlib.util.find_spec("socket")
module: Any = importlib.util.module_from_spec(_spec)  # a copy, which becomes Windows'
sys.modules["socket"], _linux = module, sys.modules.get("socket")
_spec.loader.exec_module(module)
sys.modules["socket"] = _linux or module
native: Any = module

_FIONBIO = 0x8004667E
_SOL_SOCKET = 0xFFFF
# {Linux's number: Windows'}
_OPTIONS = {
    native.SO_REUSEADDR: 4, native.SO_KEEPALIVE: 8, native.SO_BROADCAST: 0x20, native.SO_SNDBUF: 0x1001,
    native.SO_RCVBUF: 0x1002, native.SO_ERROR: 0x1007, native.SO_TYPE: 0x1008, native.SO_LINGER: 0x80,
}  # fmt: skip
_IPV6_ONLY = {native.IPV6_V6ONLY: 27}
_INVALID = 0xFFFFFFFFFFFFFFFF


class Socket(native.socket):
    """A socket of the provider chosen by family, type and protocol, overlapped as Windows' Python makes them."""

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:
        family = native.AF_INET if family == -1 else family
        type = native.SOCK_STREAM if type == -1 else type
        if family not in (native.AF_INET, native.AF_INET6):
            raise OSError(97, "no such family on Windows")
        self._windows = AF_INET if family == native.AF_INET else AF_INET6
        if fileno is None:
            winsock.WSASocketW.restype = c.c_size_t
            fileno = winsock.WSASocketW(self._windows, int(type), max(proto, 0), None, 0, 0x81)
            if fileno == _INVALID:
                raise windows_error(winsock.WSAGetLastError())
        super().__init__(family, type, proto, fileno)
        self._timeout: float | None = native.getdefaulttimeout()

    def _check(self, result: int) -> int:
        if result == -1:
            code = winsock.WSAGetLastError()
            raise TimeoutError("timed out") if code == 10060 and self._timeout else windows_error(code)
        return result

    def _real_close(self) -> None:
        number = self.detach()
        if number >= 0 and winsock.closesocket(number):
            raise windows_error(winsock.WSAGetLastError())

    def dup(self) -> "Socket":
        """Another descriptor of the same socket, as share() and fromshare() make it."""
        info = ws2_32.WSAPROTOCOL_INFOW()
        self._check(winsock.WSADuplicateSocketW(self.fileno(), os.getpid(), c.byref(info)))
        winsock.WSASocketW.restype = c.c_size_t
        number = winsock.WSASocketW(-1, -1, -1, c.byref(info), 0, 0x81)
        if number == _INVALID:
            raise windows_error(winsock.WSAGetLastError())
        return Socket(self.family, self.type, self.proto, number)

    def settimeout(self, value: float | None) -> None:
        self._timeout = value
        self._check(winsock.ioctlsocket(self.fileno(), _FIONBIO, c.byref(c.c_uint32(value == 0))))
        for option in (0x1005, 0x1006):
            milliseconds = c.c_int(int((value or 0) * 1000))
            self._check(winsock.setsockopt(self.fileno(), _SOL_SOCKET, option, c.byref(milliseconds), 4))

    def setblocking(self, flag: bool) -> None:
        self.settimeout(None if flag else 0)

    def gettimeout(self) -> float | None:
        return self._timeout

    def getblocking(self) -> bool:
        return self._timeout != 0

    def bind(self, address: Any) -> None:
        data = pack(self._windows, (address[0] or "0.0.0.0", *address[1:]))
        self._check(winsock.bind(self.fileno(), data, len(data)))

    def listen(self, backlog: int = 100) -> None:
        self._check(winsock.listen(self.fileno(), backlog))

    def connect(self, address: Any) -> None:
        data = pack(self._windows, address)
        self._check(winsock.connect(self.fileno(), data, len(data)))

    def accept(self) -> tuple["Socket", Any]:
        room, size = c.create_string_buffer(28), c.c_int(28)
        winsock.accept.restype = c.c_size_t
        number = winsock.accept(self.fileno(), room, c.byref(size))
        if number == _INVALID:
            raise windows_error(winsock.WSAGetLastError())
        return Socket(self.family, self.type, self.proto, number), unpack(room.raw)

    def _name(self, function: Any) -> Any:
        room, size = c.create_string_buffer(28), c.c_int(28)
        self._check(function(self.fileno(), room, c.byref(size)))
        return unpack(room.raw)

    def getsockname(self) -> Any:
        return self._name(winsock.getsockname)

    def getpeername(self) -> Any:
        return self._name(winsock.getpeername)

    def send(self, data: Any, flags: int = 0) -> int:
        data = bytes(data)
        return self._check(winsock.send(self.fileno(), data, len(data), flags))

    def sendall(self, data: Any, flags: int = 0) -> None:
        data = bytes(data)
        while data:
            data = data[self.send(data, flags) :]

    def sendto(self, data: Any, *rest: Any) -> int:
        name, data = pack(self._windows, rest[-1]), bytes(data)
        return self._check(winsock.sendto(self.fileno(), data, len(data), 0, name, len(name)))

    def recv(self, size: int, flags: int = 0) -> bytes:
        room = c.create_string_buffer(max(size, 1))
        count = self._check(winsock.recv(self.fileno(), room, size, flags))
        return room.raw[:count]

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        view = memoryview(buffer).cast("B")
        data = self.recv(size or view.nbytes, flags)
        view[: len(data)] = data
        return len(data)

    def recvfrom(self, size: int, flags: int = 0) -> tuple[bytes, Any]:
        room, name, length = c.create_string_buffer(max(size, 1)), c.create_string_buffer(28), c.c_int(28)
        count = self._check(winsock.recvfrom(self.fileno(), room, size, flags, name, c.byref(length)))
        return room.raw[:count], unpack(name.raw)

    def shutdown(self, how: int) -> None:
        self._check(winsock.shutdown(self.fileno(), how))

    def setsockopt(self, level: int, option: int, value: Any, *_: Any) -> None:
        level, option = _translated(level, option)
        data = bytes(value) if isinstance(value, bytes | bytearray) else int(value).to_bytes(4, "little", signed=True)
        self._check(winsock.setsockopt(self.fileno(), level, option, data, len(data)))

    def getsockopt(self, level: int, option: int, *_: Any) -> Any:
        level, option = _translated(level, option)
        value, size = c.c_int(), c.c_int(4)
        self._check(winsock.getsockopt(self.fileno(), level, option, c.byref(value), c.byref(size)))
        return value.value


def _translated(level: int, option: int) -> tuple[int, int]:
    if level == native.SOL_SOCKET:
        return _SOL_SOCKET, _OPTIONS.get(option, option)
    return level, _IPV6_ONLY.get(option, option) if level == native.IPPROTO_IPV6 else option


def socketpair(*_: Any) -> tuple[Socket, Socket]:
    """As socket.socketpair() is made on Windows."""
    with Socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        one = Socket()
        one.connect(listener.getsockname())
        return one, listener.accept()[0]


module.socket = module.SocketType = Socket
module.socketpair = socketpair
del module.AF_UNIX


def select(read: Any, write: Any, other: Any, timeout: float | None = None) -> tuple[list[Any], list[Any], list[Any]]:
    """`select.select` of Windows' Python."""
    sets, asked = [], (list(read), list(write), list(other))
    for wanted in asked:
        numbers = [one if isinstance(one, int) else one.fileno() for one in wanted]
        sets.append(ws2_32.fd_set(len(numbers), tuple(numbers)))
    limit = None if timeout is None else ws2_32.TIMEVAL(int(timeout), int(timeout % 1 * 1_000_000))
    places = [c.byref(one) if one.fd_count else None for one in sets]
    if winsock.select(0, *places, None if limit is None else c.byref(limit)) == -1:
        raise windows_error(winsock.WSAGetLastError())
    found = []
    for wanted, one in zip(asked, sets, strict=True):
        ready = set(one.fd_array[: one.fd_count])
        found.append([each for each in wanted if (each if isinstance(each, int) else each.fileno()) in ready])
    return found[0], found[1], found[2]


def start() -> None:
    """WSAStartup, as importing the module `socket` does on Windows."""
    assert winsock.WSAStartup(0x0202, c.byref(ws2_32.WSADATA())) == 0
