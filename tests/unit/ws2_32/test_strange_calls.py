"""No argument that ctypes can pass makes an exception leave an exact face, hangs it, or leaves something behind."""

import ctypes
import inspect
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from support import strange_calls, winsock
from ws2spi import kernel32, ws2_32
from ws2spi._abi.constants import FD_READ, FIONBIO, SO_BROADCAST, SOCK_DGRAM, SOL_SOCKET
from ws2spi._abi.errors import WSAError

TESTS = Path(strange_calls.__file__).parents[1]
_TAKE_NUMBERS = """
    WSAAsyncSelect WSAEventSelect WSAIoctl WSAPoll WSARecvFrom WSASendTo WSASocketW getprotobynumber
    getservbyport htond htonl htons ioctlsocket listen ntohl recv recvfrom select send sendto setsockopt
    shutdown socket
""".split()  # noqa: SIM905 - a list of this length is read, not scanned


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("face", strange_calls.FACES)
def test_every_function_survives_strange_arguments(face: str, seed: int, tmp_path: Path) -> None:
    """NULL, misaligned and overlarge arguments, stale handles, foreign descriptors, Python objects: an answer to each.

    A Python object that ctypes cannot pass either may be a TypeError, as it is in a call of a real DLL.
    """
    last = tmp_path / "last"
    command = [sys.executable, "-W", "ignore", "-m", "support.strange_calls", face, str(seed), str(last)]
    environment = os.environ | {"WS2SPI_CATALOG": str(tmp_path / "catalog.sqlite")}
    done = subprocess.run(command, cwd=TESTS, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, f"{done.stderr[-2000:]}\nthe last call: {last.read_text().strip()}"
    *exceptions, calls, left = done.stdout.splitlines()
    assert exceptions == []
    assert int(calls.split()[1]) > 10 * len(strange_calls.functions(strange_calls.FACES[face])), "it tries many"
    assert int(left.split()[1]) <= 2, "descriptors are left"


@pytest.mark.parametrize("name", _TAKE_NUMBERS)
def test_none_is_0_where_a_number_is_meant(name: str) -> None:
    """ctypes passes None as NULL, whatever the function takes it for."""
    function, answers = getattr(ws2_32, name), []
    winsock.start()
    for nothing in (0, None):
        s = winsock.made(SOCK_DGRAM)
        winsock.bound(s)
        winsock.set_nonblocking(s)
        kernel32.SetLastError(0)
        parameters = inspect.signature(function.body).parameters.values()
        result = function(*(s if one.name == "s" else nothing for one in parameters))
        answers.append((result, kernel32.GetLastError()))
        winsock.close(s)
    winsock.stop()
    assert answers[0] == answers[1]


def test_a_float_is_refused_as_ctypes_refuses_it() -> None:
    """It reached the connection, which took it for a layer's bug and closed."""
    winsock.start()
    s = winsock.made()
    winsock.bound(s)
    with pytest.raises(ctypes.ArgumentError):
        ws2_32.listen(s, 1.5)
    assert ws2_32.listen(s, 1) == 0
    winsock.close(s)
    winsock.stop()


def test_a_size_that_no_buffer_has_is_not_believed() -> None:
    """The value of an option and the input of a control code are read as far as they make sense."""
    winsock.start()
    s, option, read = winsock.made(SOCK_DGRAM), ctypes.create_string_buffer(b"\1", 65536), ctypes.c_uint32()
    assert ws2_32.setsockopt(s, SOL_SOCKET, SO_BROADCAST, ctypes.byref(option), 0x7FFF_FFFF) == 0
    assert ws2_32.WSAIoctl(s, FIONBIO, ctypes.byref(option), 0xFFFF_FFFF, None, 0, ctypes.byref(read), None, None) == 0
    winsock.close(s)
    winsock.stop()


@pytest.mark.parametrize("call", ["ioctlsocket", "WSAEventSelect"])
def test_a_socket_that_is_closed_inside_a_call_is_none(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another thread's closesocket does between the look at the handle and its use is a code, no exception."""
    winsock.start()
    s, on = winsock.made(), ctypes.c_uint32(1)

    def closed_meanwhile(descriptor: int, blocking: bool) -> None:
        monkeypatch.undo()
        winsock.close(s)
        os.set_blocking(descriptor, blocking)

    with winsock.event() as event:
        monkeypatch.setattr("ws2spi.providers.control.os", SimpleNamespace(set_blocking=closed_meanwhile))
        if call == "ioctlsocket":
            result = ws2_32.ioctlsocket(s, FIONBIO, ctypes.byref(on))
        else:
            result = ws2_32.WSAEventSelect(s, event, FD_READ)
        assert (result, winsock.error()) == (-1, WSAError.WSAENOTSOCK)
    winsock.stop()


def test_a_port_for_very_many_threads() -> None:
    """Any DWORD is a number of concurrent threads; none costs memory."""
    port = kernel32.CreateIoCompletionPort(-1, None, 0, 0xFFFF_FFFF)
    assert port
    assert kernel32.PostQueuedCompletionStatus(port, 1, 2, None) == 1
    assert kernel32.CloseHandle(port) == 1


def test_inet_addr_and_inet_ntoa_take_what_a_program_has() -> None:
    for text in ("10.0.0.1", b"10.0.0.1"):
        assert ws2_32.inet_addr(text) == 0x0100000A
    for text in ("0xa.1", "10.1", "012.0x0.0.1", "167772161"):
        assert ws2_32.inet_addr(text) == 0x0100000A, "one to four parts, decimal, octal or hexadecimal"
    for text in ("", "x", "1.2.3.4.5", "256.0.0.1", "zürich", None):
        assert ws2_32.inet_addr(text) == 0xFFFFFFFF
    assert ws2_32.inet_ntoa(0x0100000A) == b"10.0.0.1"
    assert ws2_32.inet_ntoa(-1) == b"255.255.255.255"
    assert ws2_32.inet_ntoa(ws2_32.DWORD(0x0100000A)) == b"10.0.0.1"
    assert ws2_32.inet_ntoa(bytes([10, 0, 0, 1])) == b"10.0.0.1"
