"""A provider's code is the client's, whichever it is: docs/error-codes.toml, [not-here.from-below]."""

import ctypes
import inspect
import tomllib
from collections.abc import Callable
from typing import Any

import pytest

from support import provoked, winsock
from support.hand_written import HandWritten
from ws2spi import ws2_32
from ws2spi._abi.constants import FALSE, FIONREAD, SOCKET_ERROR
from ws2spi._abi.errors import WSAError
from ws2spi._abi.types import WSPPROC_NAMES

TABLE = tomllib.loads((provoked.ROOT / "docs" / "error-codes.toml").read_text())
PAGES = {name: codes.split() for names, codes in TABLE["pages"].items() for name in names.split()}
# The functions that are one function of the provider's. What another asks of the provider before is in its own tests.
PASSED_ON = {
    *("accept", "bind", "closesocket", "connect", "getpeername", "getsockname", "getsockopt", "ioctlsocket", "listen"),
    *("recv", "recvfrom", "send", "sendto", "setsockopt", "shutdown", "WSAAccept", "WSAConnect", "WSADuplicateSocketA"),
    *("WSADuplicateSocketW", "WSAGetOverlappedResult", "WSAGetQOSByName", "WSAIoctl", "WSARecv", "WSARecvDisconnect"),
    *("WSARecvFrom", "WSASend", "WSASendDisconnect", "WSASendTo"),
}
CASES = [(name, code) for name in sorted(PASSED_ON) for code in PAGES[name] if code in TABLE["not-here"]["from-below"]]


_KEPT = ("WSPCleanup", "WSPSocket")
_BOOLEAN = ("WSPGetOverlappedResult", "WSPGetQOSByName")


class Refusing(HandWritten):
    """Everything but making sockets fails with one code."""

    code = WSAError.WSAENETDOWN

    def WSPStartup(self, version: int, data: Any, info: Any, upcalls: Any, table: Any) -> int:
        result = super().WSPStartup(version, data, info, upcalls, table)
        for name in WSPPROC_NAMES:
            if name not in _KEPT:
                setattr(table, f"lp{name}", self._refusing(FALSE if name in _BOOLEAN else SOCKET_ERROR))
        return result

    def _refusing(self, failure: int) -> Callable[..., int]:
        def refuse(*arguments: Any) -> int:
            arguments[-1].contents.value = self.code
            return failure

        return refuse


@pytest.fixture
def refusing(started: None) -> tuple[Refusing, int]:
    provider = Refusing()
    return provider, winsock.made()


@pytest.mark.parametrize(("name", "code"), CASES)
def test_a_code_from_below(refusing: tuple[Refusing, int], name: str, code: str) -> None:
    provider, s = refusing
    provider.code = WSAError[code]
    memory = ctypes.create_string_buffer(1024)
    buffer = ws2_32.WSABUF(8, ctypes.addressof(memory))
    given = {"s": s, "lpBuffers": winsock.byref(buffer), "dwBufferCount": 1, "len": 8, "cmd": FIONREAD}
    if name != "WSAGetOverlappedResult":
        given |= {"lpOverlapped": None, "lpCompletionRoutine": None}
    parameters = inspect.signature(getattr(ws2_32, name).body).parameters.values()
    ws2_32.WSASetLastError(0)
    getattr(ws2_32, name)(*(given.get(one.name, 0 if one.annotation in ("int", int) else memory) for one in parameters))
    assert WSAError(winsock.error()) == WSAError[code]
