"""WSADuplicateSocket (nc-ws2spi-lpwspduplicatesocket, nf-winsock2-wsaduplicatesocketw; witness Q1 to Q3)."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import winsock
from ws2spi import ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi._runtime.catalog.entries import BASE_ENTRIES

byref = ctypes.byref
TESTS = Path(__file__).parents[1]


def described(s: int, pid: int | None = None) -> Any:
    """The structure that WSADuplicateSocket fills."""
    info = ws2_32.WSAPROTOCOL_INFOW()
    assert ws2_32.WSADuplicateSocketW(s, os.getpid() if pid is None else pid, byref(info)) == 0, winsock.error()
    return info


def imported(info: Any) -> int:
    """The socket, or minus the code."""
    any_ = c.FROM_PROTOCOL_INFO
    s = int(ws2_32.WSASocketW(any_, any_, any_, byref(info), 0, c.WSA_FLAG_OVERLAPPED))
    return s if s != c.INVALID_SOCKET else -winsock.error()


@pytest.fixture
def ends(kind: str) -> Iterator[tuple[int, int]]:
    client, server = winsock.connected()
    yield client, server
    ws2_32.closesocket(client)
    ws2_32.closesocket(server)


def test_q1_handles_of_one_process_share_one_socket(ends: tuple[int, int]) -> None:
    client, server = ends
    twin = imported(described(server))
    assert twin > 0
    assert twin != server
    assert ws2_32.send(client, b"abcd", 4, 0) == 4
    assert winsock.received(server, 2) == b"ab"
    assert winsock.received(twin, 9) == b"cd"
    winsock.set_nonblocking(server)
    assert winsock.received(twin) == WSAError.WSAEWOULDBLOCK, "the mode is shared"
    assert winsock.port_of(twin) == winsock.port_of(server)
    assert ws2_32.send(twin, b"x", 1, 0) == 1
    assert winsock.received(client) == b"x"
    winsock.close(twin)


@pytest.mark.parametrize("first", ["original", "duplicate"])
def test_q1_peer_sees_the_end_at_the_last_close(ends: tuple[int, int], first: str) -> None:
    client, server = ends
    twin = imported(described(server))
    closed, left = (server, twin) if first == "original" else (twin, server)
    winsock.close(closed)
    assert winsock.received(closed) == WSAError.WSAENOTSOCK
    assert ws2_32.send(left, b"on", 2, 0) == 2
    assert winsock.received(client) == b"on"
    winsock.close(left)
    assert winsock.received(client) == b""


def test_q3_pending_receive_of_a_closed_duplicate(ends: tuple[int, int]) -> None:
    _client, server = ends
    twin = imported(described(server))
    operation = winsock.Operation(twin, 4)
    assert operation.code == WSAError.WSA_IO_PENDING
    winsock.close(twin)
    assert operation.internal == c.STATUS_PENDING
    winsock.close(server)
    assert operation.internal == c.STATUS_CANCELLED


def test_selection_of_network_events_is_shared(ends: tuple[int, int]) -> None:
    client, server = ends
    twin = imported(described(server))
    with winsock.event() as event:
        assert ws2_32.WSAEventSelect(server, event, c.FD_READ) == 0
        assert ws2_32.send(client, b"x", 1, 0) == 1
        assert winsock.is_set(event, 5000)
        events = ws2_32.WSANETWORKEVENTS()
        assert ws2_32.WSAEnumNetworkEvents(twin, event, byref(events)) == 0
        assert events.lNetworkEvents == c.FD_READ
    winsock.close(twin)


@pytest.mark.usefixtures("kind")
def test_listener_is_shared() -> None:
    listener, port = winsock.listening()
    twin = imported(described(listener))
    winsock.close(listener)
    client = winsock.made()
    address = winsock.sockaddr(port)
    assert ws2_32.connect(client, address, len(address)) == 0
    server = ws2_32.accept(twin, None, None)
    assert server != c.INVALID_SOCKET
    winsock.close(client, server, twin)


def test_q2_description_works_once(ends: tuple[int, int]) -> None:
    info = described(ends[1])
    twin = imported(info)
    assert twin > 0
    assert imported(info) == -WSAError.WSAEINVAL
    winsock.close(twin)
    info.dwProviderReserved ^= 1
    assert imported(info) == -WSAError.WSAEINVAL, "made up"


def test_q2_errors(ends: tuple[int, int]) -> None:
    _, server = ends
    info = ws2_32.WSAPROTOCOL_INFOW()
    for s, pid, place, code in (
        (server, 0x7FFFFFF0, byref(info), WSAError.WSAEINVAL),
        (server, 0, byref(info), WSAError.WSAEINVAL),
        (server, os.getpid(), None, WSAError.WSAEFAULT),
        (9999, os.getpid(), byref(info), WSAError.WSAENOTSOCK),
    ):
        for function in (ws2_32.WSADuplicateSocketW, ws2_32.WSADuplicateSocketA):
            assert function(s, pid, place) == -1
            assert winsock.error() == code


def test_structure_with_narrow_text(ends: tuple[int, int]) -> None:
    client, server = ends
    info = ws2_32.WSAPROTOCOL_INFOA()
    assert ws2_32.WSADuplicateSocketA(server, os.getpid(), byref(info)) == 0
    assert b"TCP/IP" in info.szProtocol
    any_ = c.FROM_PROTOCOL_INFO
    twin = ws2_32.WSASocketA(any_, any_, any_, byref(info), 0, c.WSA_FLAG_OVERLAPPED)
    assert ws2_32.send(client, b"x", 1, 0) == 1
    assert winsock.received(twin) == b"x"
    winsock.close(twin)


def test_socket_that_was_closed_meanwhile(kind: str) -> None:
    client, server = winsock.connected()
    info = described(server)
    winsock.close(server)
    assert imported(info) == -WSAError.WSAEINVAL
    winsock.close(client)


# -- another process ---------------------------------------------------------------------------------------------------

# Tells its pid, reads a description, makes the socket, and answers what it receives in upper case.
OTHER = """
import ctypes, sys
sys.path.insert(0, {tests!r})
from support import stacks, winsock
from ws2spi import ws2_32
winsock.start()
with stacks.installed({kind!r}):
    import os
    print(os.getpid(), flush=True)
    info = ws2_32.WSAPROTOCOL_INFOW.from_buffer_copy(bytes.fromhex(sys.stdin.readline()))
    if {kind!r} != "base":
        from ws2spi._runtime.process import runtime
        info.dwCatalogEntryId = runtime.choose(2, 1, 6).catalog_id
    for attempt in "ab":
        s = ws2_32.WSASocketW(-1, -1, -1, ctypes.byref(info), 0, 1)
        print(winsock.error() if s == 2**64 - 1 else "made", flush=True)
        if s != 2**64 - 1:
            data = winsock.received(s)
            ws2_32.send(s, data.upper(), len(data), 0)
            print("port", winsock.port_of(s), flush=True)
    sys.stdin.readline()
    winsock.stop()
"""


@pytest.fixture
def other(request: pytest.FixtureRequest) -> Iterator["subprocess.Popen[str]"]:
    text = OTHER.format(tests=str(TESTS), kind=getattr(request, "param", "base"))
    process = subprocess.Popen(
        [sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    yield process
    process.communicate(timeout=20)


def told(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")


@pytest.mark.parametrize(("kind", "other"), [("base", "base"), ("control", "control")], indirect=True)
def test_socket_in_another_process(kind: str, other: "subprocess.Popen[str]", ends: tuple[int, int]) -> None:
    client, server = ends
    info = described(server, int(told(other)))
    port = winsock.port_of(server)
    winsock.close(server)
    assert ws2_32.send(client, b"hello", 5, 0) == 5
    tell(other, bytes(info).hex())
    assert told(other) == "made"
    assert winsock.received(client) == b"HELLO"
    assert told(other) == f"port {port}"
    assert told(other) == str(int(WSAError.WSAEINVAL)), "used once"
    tell(other, "")
    assert winsock.received(client) == b"", "the end, with the last handle of all processes"


@pytest.mark.parametrize(("kind", "other"), [("control", "base")], indirect=True)
def test_other_process_must_have_the_same_layers(
    kind: str, other: "subprocess.Popen[str]", ends: tuple[int, int]
) -> None:
    info = described(ends[1], int(told(other)))
    info.dwCatalogEntryId = BASE_ENTRIES[0].catalog_id
    tell(other, bytes(info).hex())
    assert told(other) == str(int(WSAError.WSAEINVAL))


@pytest.mark.parametrize("kind", ["bytes", "two"], indirect=True)
def test_layers_on_bytes_stay_in_their_process(
    kind: str, other: "subprocess.Popen[str]", ends: tuple[int, int], capfd: pytest.CaptureFixture[str]
) -> None:
    client, server = ends
    info = ws2_32.WSAPROTOCOL_INFOW()
    assert ws2_32.WSADuplicateSocketW(server, int(told(other)), byref(info)) == -1
    assert winsock.error() == WSAError.WSAEINVAL
    assert "layer 'bytes' touches bytes" in capfd.readouterr().err
    assert ws2_32.send(client, b"on", 2, 0) == 2
    assert winsock.received(server) == b"on"
    tell(other, bytes(info).hex())
    tell(other, "")


@pytest.mark.parametrize("kind", ["base"], indirect=True)
def test_description_is_for_one_process_only(kind: str, other: "subprocess.Popen[str]", ends: tuple[int, int]) -> None:
    info = described(ends[1], int(told(other)))
    assert imported(info) == -WSAError.WSAEINVAL, "not for us"
    tell(other, bytes(info).hex())
    assert told(other) == "made", "the offer stands"
    assert ws2_32.send(ends[0], b"x", 1, 0) == 1
    assert winsock.received(ends[0]) == b"X"
    tell(other, "")
