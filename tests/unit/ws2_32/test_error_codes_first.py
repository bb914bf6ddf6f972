"""The codes that come before all others, for every function that documents them: WSANOTINITIALISED, WSAENOTSOCK."""

import inspect
import os
from collections.abc import Iterator
from typing import Any

import pytest

from support import provoked, winsock
from ws2spi import mswsock, ws2_32
from ws2spi._abi.errors import WSAError
from ws2spi._executive import lasterror

FACES = {"ws2_32": ws2_32, "mswsock": mswsock}
DOCUMENTED = {
    name: codes
    for place, codes in provoked.documented().items()
    for face, _, name in [place.partition(".")]
    if face in FACES
}


def naming(code: WSAError) -> list[str]:
    """The functions that document a code."""
    return sorted(name for name, codes in DOCUMENTED.items() if code.name in codes)


def function(name: str) -> Any:
    return getattr(ws2_32, name, None) or getattr(mswsock, name)


def nothing(name: str, **given: int) -> list[Any]:
    """Arguments for a function: what is given by name, else NULL for a pointer and 0 for a number."""
    parameters = inspect.signature(function(name).body).parameters.values()
    return [given.get(one.name, 0 if one.annotation in (int, "int") else None) for one in parameters]


def answer(name: str, arguments: list[Any]) -> int:
    """The code, wherever the function leaves it."""
    lasterror.set(0)
    result = function(name)(*arguments)
    return lasterror.get() or int(result)


@pytest.mark.parametrize("name", naming(WSAError.WSANOTINITIALISED))
def test_nothing_goes_before_wsastartup(name: str) -> None:
    """Errors of every page: "A successful WSAStartup call must occur before using this function"."""
    winsock.stop()
    errno = [winsock.ctypes.c_int32(0)] if inspect_errno(name) else []
    arguments = nothing(name)
    if errno:
        arguments[-1] = winsock.byref(errno[0])
    code = answer(name, arguments)
    assert (errno[0].value if errno else code) == WSAError.WSANOTINITIALISED


def inspect_errno(name: str) -> bool:
    return "lpErrno" in inspect.signature(function(name).body).parameters


@pytest.fixture
def no_socket(started: None) -> Iterator[int]:
    """A descriptor that is open and no socket of ours."""
    read, write = os.pipe()
    yield read
    os.close(read)
    os.close(write)


@pytest.mark.parametrize("name", [name for name in naming(WSAError.WSAENOTSOCK) if name[:3] != "WPU"])
@pytest.mark.parametrize("number", ["foreign", "closed", "INVALID_SOCKET", "negative"])
def test_what_is_no_socket(no_socket: int, name: str, number: str) -> None:
    """Also where every other argument is wrong, too (witness N: the socket is looked at first)."""
    if name in ("select", "WSAPoll"):
        pytest.skip("takes sets of sockets: test_select has it")
    s = {"foreign": no_socket, "closed": 900, "INVALID_SOCKET": ws2_32.SOCKET(-1).value, "negative": -1}[number]
    assert answer(name, nothing(name, s=s, hSocket=s, sListenSocket=s)) == WSAError.WSAENOTSOCK
