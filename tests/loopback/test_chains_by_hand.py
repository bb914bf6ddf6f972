"""Chains of every order of kinds that are installed in the catalog file, as an installer and a client would use them.

The kinds: the hand-written IFS layer of `examples/wall.py`, a hand-written one with handles of its own, a `Layer` that
sees bytes and one that does not.
"""

import ctypes
import itertools
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ws2spi
from support import winsock
from support.catalogs import done, guid, infos
from support.engines import Xor
from support.extension import fetch
from support.threads import until
from support.winsock import Operation, connected, error, is_set, listening, made, packet, port_for, received, sockaddr
from ws2spi import kernel32, ws2_32
from ws2spi._abi.constants import AF_INET6, INVALID_SOCKET, SOCK_DGRAM, XP1_IFS_HANDLES
from ws2spi._abi.errors import WSAError
from ws2spi._executive import threads
from ws2spi._runtime.catalog import StoredCatalog
from ws2spi._runtime.sockets import sockets

byref = ctypes.byref
WALL = Path(__file__).parents[2] / "examples" / "wall.py"

BY_HAND = """
import ctypes

from support.all_kinds import AllKinds
from ws2spi._abi.constants import SIO_BSP_HANDLE_POLL
from ws2spi._runtime.process import runtime


class Stored(AllKinds):
    starts = 0

    def WSPIoctl(self, s, code, given, given_size, answer, size, returned, *rest):
        if code == SIO_BSP_HANDLE_POLL:  # it wants WSAPoll, and hands SIO_EXT_POLL down as it comes
            ctypes.memmove(answer, ctypes.byref(ctypes.c_uint64(s)), 8)
            returned.contents.value = 8
            return 0
        return self._by_handle("WSPIoctl")(s, code, given, given_size, answer, size, returned, *rest)

    def WSPStartup(self, *arguments):
        if not self.starts:
            entries = runtime.catalog.enum_protocols(hidden=True)
            self.installed([one for one in entries if runtime.catalog.path(one.provider_id) == __file__])
        self.starts += 1
        return super().WSPStartup(*arguments)

    def WSPCleanup(self, lpErrno):
        self.starts -= 1
        return 0 if self.starts else super().WSPCleanup(lpErrno)


WSPStartup = Stored().WSPStartup
"""

LAYERS = """
from ws2spi import Layer


class Bytes(Layer):
    async def send(self, conn, data):
        await conn.below.send(bytes(byte ^ 1 for byte in data))

    async def recv(self, conn, size):
        return bytes(byte ^ 1 for byte in await conn.below.recv(size))

    async def send_to(self, conn, data, address):
        await conn.below.send_to(bytes(byte ^ 1 for byte in data), address)

    async def recv_from(self, conn, size):
        data, address = await conn.below.recv_from(size)
        return bytes(byte ^ 1 for byte in data), address


class Control(Layer):
    async def connect(self, conn, address):
        await conn.below.connect(address)
"""

KINDS = ("wall", "hand", "Bytes", "Control")
CHAINS = [*itertools.product(KINDS, repeat=2), *itertools.permutations(KINDS, 3)]
LONG = [chain for chain in CHAINS if len(chain) == 3]


@pytest.fixture
def installed(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The layers that the test names, installed from the bottom to the top, and WSAStartup done."""
    monkeypatch.setenv("WS2SPI_CATALOG", str(tmp_path / "catalog.sqlite"))
    monkeypatch.setenv("REFUSED_PORTS", "9")
    for number, kind in enumerate(request.param):
        path = tmp_path / f"{kind}{number}.py"
        text = BY_HAND if kind == "hand" else WALL.read_text() if kind == "wall" else LAYERS
        path.write_text(text)
        where = f"{path}:{kind}" if kind[0].isupper() else str(path)
        flags = XP1_IFS_HANDLES if kind in ("wall", "Control") else 0
        over = infos(*(entry for entry in StoredCatalog().entries() if entry.chain_length))
        arguments = byref(guid(uuid.uuid4())), where, path.stem, flags, over, len(over), None
        done(ws2_32.WSCInstallProviderAndChains, *arguments)
    threads.current().pending.clear()  # what an earlier test left for this thread
    winsock.start()
    yield list(request.param)
    winsock.stop()


def named(chain: tuple[str, ...]) -> str:
    return "-".join(chain)


@pytest.mark.parametrize("installed", CHAINS, indirect=True, ids=named)
def test_a_connection_in_every_way(installed: list[str]) -> None:
    client, server = connected()
    assert len(sockets.lookup(client).info.chain) == len(installed) + 1
    assert ws2_32.send(client, b"blocking", 8, 0) == 8
    assert received(server, 8) == b"blocking"

    event = ws2_32.WSACreateEvent()
    by_event = Operation(server, 10, hEvent=event)
    assert by_event.code == WSAError.WSA_IO_PENDING
    ended: list[Any] = []
    by_routine = Operation(client, b"routine", lambda code, count, *_: ended.append((code, count)))
    assert by_routine.code in (0, WSAError.WSA_IO_PENDING)
    until(lambda: kernel32.SleepEx(50, True) is not None and ended)
    assert ended == [(0, 7)]
    assert is_set(event, 10_000)
    assert by_event.result()[:2] == (1, 7)
    assert by_event.memory.raw[:7] == b"routine"
    ws2_32.WSACloseEvent(event)

    with port_for(server, 77) as port:
        by_port = Operation(server, 10)
        assert by_port.code == WSAError.WSA_IO_PENDING
        assert os.write(client, b"file") == 4
        assert packet(port, 10_000)[:4] == (True, 4, 77, by_port.address)
        assert by_port.memory.raw[:4] == b"file"
    winsock.close(client, server)


@pytest.mark.parametrize("installed", CHAINS, indirect=True, ids=named)
def test_a_child_process_has_the_handle(installed: list[str]) -> None:
    client, server = connected()
    child = subprocess.Popen(["cat"], stdin=server, stdout=server)
    assert ws2_32.send(client, b"through cat", 11, 0) == 11
    assert received(client, 11) == b"through cat"
    assert ws2_32.shutdown(client, 1) == 0
    assert child.wait(10) == 0
    winsock.close(client, server)


@pytest.mark.parametrize("installed", LONG, indirect=True, ids=named)
def test_readiness(installed: list[str]) -> None:
    client, server = connected()
    poll = (ws2_32.WSAPOLLFD * 2)()
    poll[0].fd, poll[0].events, poll[1].fd, poll[1].events = server, 0x100, client, 0x10
    assert ws2_32.WSAPoll(poll, 2, 10_000) == 1
    assert (poll[0].revents, poll[1].revents) == (0, 0x10)
    event = ws2_32.WSACreateEvent()
    assert ws2_32.WSAEventSelect(server, event, 0x21) == 0
    assert ws2_32.send(client, b"x", 1, 0) == 1
    assert is_set(event, 10_000)
    found = ws2_32.WSANETWORKEVENTS()
    assert ws2_32.WSAEnumNetworkEvents(server, event, byref(found)) == 0
    assert found.lNetworkEvents == 1
    assert received(server, 1) == b"x"
    winsock.close(client)
    assert is_set(event, 10_000)
    winsock.close(server)
    ws2_32.WSACloseEvent(event)


@pytest.mark.parametrize("installed", LONG, indirect=True, ids=named)
def test_datagrams_and_a_duplicate(installed: list[str]) -> None:
    one, other = (made(SOCK_DGRAM) for _ in "ab")
    address = sockaddr(winsock.bound(one))
    winsock.bound(other)
    assert ws2_32.sendto(other, b"datagram", 8, 0, address, len(address)) == 8
    room = ctypes.create_string_buffer(100)
    assert ws2_32.recvfrom(one, room, 100, 0, None, None) == 8
    assert room.raw[:8] == b"datagram"
    winsock.close(one, other)

    client, server = connected()
    info = ws2_32.WSAPROTOCOL_INFOW()
    assert ws2_32.WSADuplicateSocketW(server, os.getpid(), byref(info)) == 0, error()
    copy = ws2_32.WSASocketW(-1, -1, -1, byref(info), 0, 1)
    assert copy != INVALID_SOCKET, error()
    winsock.close(server)
    assert ws2_32.send(client, b"copy", 4, 0) == 4
    assert received(copy, 4) == b"copy"
    winsock.close(client, copy)


@pytest.mark.parametrize("installed", LONG, indirect=True, ids=named)
def test_a_pending_receive_is_told_of_the_close(installed: list[str]) -> None:
    client, server = connected()
    event = ws2_32.WSACreateEvent()
    pending = Operation(client, 10, hEvent=event)
    assert pending.code == WSAError.WSA_IO_PENDING
    winsock.close(client)
    assert is_set(event, 10_000)
    assert pending.internal not in (0, 0x103)
    winsock.close(server)
    ws2_32.WSACloseEvent(event)


@pytest.mark.parametrize("installed", [("wall",), *(c for c in CHAINS if "wall" in c)], indirect=True, ids=named)
def test_the_wall_refuses_wherever_it_stands(installed: list[str]) -> None:
    s = made()
    address = sockaddr(9)
    assert ws2_32.connect(s, address, len(address)) == -1
    assert error() == WSAError.WSAEACCES
    winsock.close(s)


@pytest.mark.parametrize("installed", [("wall",), ("wall", "wall"), ("Control", "wall")], indirect=True, ids=named)
def test_the_wall_is_not_gone_around_by_connect_ex(installed: list[str]) -> None:
    s = made()
    winsock.bound(s)
    address, overlapped = sockaddr(9), ws2_32.OVERLAPPED()
    connect_ex = fetch(s, "ConnectEx")
    assert not connect_ex(s, address, len(address), None, 0, None, byref(overlapped))
    assert error() == WSAError.WSAEACCES
    listener, port = listening()
    address = sockaddr(port)
    assert not connect_ex(s, address, len(address), None, 0, None, byref(overlapped))
    assert error() == WSAError.WSA_IO_PENDING
    until(lambda: overlapped.Internal != 0x103)
    assert overlapped.Internal == 0
    winsock.close(s, listener)


def test_a_layer_takes_results_from_below_after_its_close(started: None) -> None:
    """layering 5.3 2: the result comes from the lower WSPGetOverlappedResult, also of what the close has ended"""
    client, server = connected()
    table = sockets.lookup(client).table
    pending, fresh = Operation(client, 10), ws2_32.WSAOVERLAPPED()
    assert pending.code == WSAError.WSA_IO_PENDING
    winsock.close(client, server)
    for overlapped, expected in ((pending.overlapped, WSAError.WSA_OPERATION_ABORTED), (fresh, WSAError.WSAENOTSOCK)):
        count, flags, code = ctypes.c_uint32(), ctypes.c_uint32(), ctypes.c_int()
        arguments = byref(overlapped), byref(count), False, byref(flags), byref(code)
        assert not table.lpWSPGetOverlappedResult(client, *arguments)
        assert code.value == expected


def test_a_base_handle_that_was_asked_for_before_the_connect_shows_readiness(started: None) -> None:
    listener, port = listening()
    with ws2spi.install(ws2spi.Stack([Xor()])):
        client = made()
        handle, count = ctypes.c_uint64(), ctypes.c_uint32()
        assert ws2_32.WSAIoctl(client, 0x48000022, None, 0, byref(handle), 8, byref(count), None, None) == 0
        address = sockaddr(port)
        assert ws2_32.connect(client, address, len(address)) == 0
    poll = (ws2_32.WSAPOLLFD * 1)()
    poll[0].fd, poll[0].events = handle.value, 0x10
    assert ws2_32.WSAPoll(poll, 1, 0) == 1
    winsock.close(client, listener)


@pytest.mark.parametrize("installed", [("hand",), ("Control", "hand")], indirect=True, ids=named)
def test_what_another_process_has_too_is_not_taken_on_suspicion(installed: list[str]) -> None:
    """Foreign readers are served from what nobody has received for a while; the other process may be about to."""
    shared, kept = connected(), connected()
    other = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    info = ws2_32.WSAPROTOCOL_INFOW()
    assert ws2_32.WSADuplicateSocketW(shared[1], 0xFFFFFF, byref(info)) == -1
    assert ws2_32.WSADuplicateSocketW(shared[1], other.pid, byref(info)) == 0, error()
    for client, _ in (shared, kept):
        assert ws2_32.send(client, b"x", 1, 0) == 1
    until(lambda: sockets.lookup(kept[1]).pair.waiting())
    assert not sockets.lookup(shared[1]).pair.waiting()
    assert received(shared[1], 1) == b"x"
    winsock.close(*shared, *kept)
    other.communicate(timeout=10)


@pytest.mark.parametrize("installed", [(), ("wall",), ("Control",), ("wall", "Control")], indirect=True, ids=named)
def test_select_takes_both_families(installed: list[str]) -> None:
    four, _ = listening()
    six, port = listening(AF_INET6)
    client, address = made(family=AF_INET6), sockaddr(port, AF_INET6)
    assert ws2_32.connect(client, address, len(address)) == 0, error()
    members = ws2_32.fd_set(2, (four, six))
    assert ws2_32.select(0, byref(members), None, None, byref(ws2_32.TIMEVAL(10, 0))) == 1, error()
    assert list(members.fd_array[: members.fd_count]) == [six]
    winsock.close(four, six, client)
