"""Hand-written providers: what WSPStartup must answer, and the tables in both directions (provider-functions 1, 2)."""

import ctypes
import os
import socket as posix
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from support.calls import UNTOUCHED, code_of
from support.memory_provider import Memory, memory_entry
from ws2spi import ws2_32
from ws2spi._abi.constants import INVALID_SOCKET, SO_PROTOCOL_INFOW, SO_TYPE, SOL_SOCKET, XP1_IFS_HANDLES
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.types import INT, WSAPROTOCOL_INFOW, WSPDATA, WSPPROC_NAMES
from ws2spi._runtime import protocol_info
from ws2spi._runtime.catalog import CatalogEntry
from ws2spi._runtime.loading import install_provider, load_startup, startup_of
from ws2spi._runtime.process import runtime
from ws2spi._runtime.serve import table_of
from ws2spi._runtime.signatures import POINTERS, pointer_to
from ws2spi._runtime.sockets import sockets
from ws2spi._runtime.tables import ProcTable

byref = ctypes.byref


def _fill(table: Any, function: Callable[..., int]) -> None:
    for name in WSPPROC_NAMES:
        setattr(table, f"lp{name}", function)


def _socket_code() -> int:
    """The last error of a socket() that must fail."""
    assert ws2_32.socket(2, 1, 6) == INVALID_SOCKET
    return int(ws2_32.WSAGetLastError())


def _raise(*_: Any) -> int:
    raise OSError("library not found")


def test_a_start_that_raises_fails_socket(started: None) -> None:
    """provider-functions 1 Any failure"""
    install_provider(_raise, [memory_entry()])
    assert _socket_code() == WSAError.WSAEPROVIDERFAILEDINIT


MAKERS: dict[str, Callable[[], int]] = {
    "socket": lambda: ws2_32.socket(2, 1, 6),
    "WSASocketW": lambda: ws2_32.WSASocketW(2, 1, 6, None, 0, 1),
    "WSASocketA": lambda: ws2_32.WSASocketA(2, 1, 6, None, 0, 1),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("code", ["WSASYSNOTREADY", "WSAVERNOTSUPPORTED", "WSAEINPROGRESS", "WSAEPROCLIM", "WSAEFAULT"])
def test_each_code_of_wspstartup_is_one_for_who_makes_a_socket(started: None, make: Any, code: str) -> None:
    """nf-ws2spi-wspstartup's table, nf-winsock2-socket: WSAEPROVIDERFAILEDINIT; and the next socket asks again."""
    answers = [WSAError[code], WSAError[code]]
    install_provider(lambda *_: answers.pop(), [memory_entry()])
    for _ in range(2):
        ws2_32.WSASetLastError(0)
        assert make() == INVALID_SOCKET
        assert ws2_32.WSAGetLastError() == WSAError.WSAEPROVIDERFAILEDINIT
    assert answers == []


def test_another_version_is_wsaeinvalidprovider_and_cleaned_up(started: None) -> None:
    """provider-functions 1 Version: the DLL wants 2.2"""
    cleaned: list[int] = []

    def startup(version: int, data: Any, info: Any, upcalls: Any, table: Any) -> int:
        assert version == 0x0202
        data.contents.wVersion = data.contents.wHighVersion = 0x0102
        _fill(table, lambda *arguments: cleaned.append(1) or 0)
        return 0

    install_provider(startup, [memory_entry()])
    assert _socket_code() == WSAError.WSAEINVALIDPROVIDER
    assert cleaned == [1]


@pytest.mark.parametrize("missing", ["WSPAccept", "WSPSocket", "WSPStringToAddress"])
def test_a_missing_function_is_wsaeinvalidproctable(started: None, missing: str) -> None:
    """provider-functions 1 Table"""

    def startup(version: int, data: Any, info: Any, upcalls: Any, table: Any) -> int:
        data.contents.wVersion = version
        _fill(table.contents, lambda *arguments: 0)
        setattr(table, f"lp{missing}", None)
        return 0

    install_provider(startup, [memory_entry()])
    assert _socket_code() == WSAError.WSAEINVALIDPROCTABLE


def test_startup_gets_its_entry_and_may_call_up_before_it_returns(started: None) -> None:
    """provider-functions 1 lpProtocolInfo; upcalls 9.15"""
    seen: list[Any] = []

    def startup(version: int, data: Any, info: Any, upcalls: Any, table: Any) -> int:
        seen.append((info.contents.dwCatalogEntryId, info.contents.szProtocol))
        identity = ws2_32.WSATHREADID()
        seen.append(upcalls.lpWPUOpenCurrentThread(byref(identity), byref(INT())))
        seen.append(upcalls.lpWPUCloseThread(byref(identity), byref(INT())))
        data.contents.wVersion = version
        _fill(table, lambda *arguments: -1)
        return 0

    entry = install_provider(startup, [memory_entry(name="my own")])[0]
    assert ws2_32.socket(2, 1, 6) in (INVALID_SOCKET, -1)
    assert seen == [(entry.catalog_id, "my own"), 0, 0]


def test_one_start_for_each_provider_id_and_one_cleanup(started: None) -> None:
    """provider-functions 1 Count, Shared GUID"""
    calls: list[str] = []

    def startup(version: int, data: Any, info: Any, upcalls: Any, table: Any) -> int:
        calls.append("start")
        data.contents.wVersion = version
        _fill(table, lambda *arguments: -1)
        table.lpWSPCleanup = lambda code: calls.append("clean up") or 0
        return 0

    shared = uuid.uuid4()
    install_provider(startup, [memory_entry(provider_id=shared), memory_entry(provider_id=shared, socket_type=2)])
    for kind in (1, 2, 1):
        ws2_32.socket(2, kind, 6)
    assert calls == ["start"]
    runtime.cleanup()
    assert calls == ["start", "clean up"]


def test_a_provider_that_fails_without_a_code_is_wsasyscallfailure(started: None) -> None:
    """errors 1: the code is left 0"""

    def startup(version: int, data: Any, info: Any, upcalls: Any, table: Any) -> int:
        data.contents.wVersion = version
        _fill(table, lambda *arguments: -1)
        table.lpWSPSocket = lambda *arguments: INVALID_SOCKET
        return 0

    install_provider(startup, [memory_entry()])
    assert _socket_code() == WSAError.WSASYSCALLFAILURE


class PlainBase:
    """A hand-written base provider with IFS handles: a descriptor of the system, and nothing clever."""

    def __init__(self) -> None:
        self.far: dict[int, posix.socket] = {}
        self.near: dict[int, posix.socket] = {}

    def WSPStartup(self, version: int, data: Any, info: Any, upcalls: Any, table: Any) -> int:
        self.up, self.catalog_id = upcalls, info.contents.dwCatalogEntryId
        data.contents.wVersion = version
        for name in WSPPROC_NAMES:
            setattr(table, f"lp{name}", getattr(self, name, self.unsupported))
        return 0

    def unsupported(self, *arguments: Any) -> int:
        arguments[-1].contents.value = WSAError.WSAEOPNOTSUPP
        return -1

    def WSPCleanup(self, lpErrno: Any) -> int:
        for sock in (*self.far.values(), *self.near.values()):
            sock.close()
        return 0

    def WSPSocket(self, af: int, type: int, protocol: int, info: Any, g: int, flags: int, lpErrno: Any) -> int:
        near, far = posix.socketpair()
        number = near.fileno()
        self.near[number], self.far[number] = near, far
        return self.up.lpWPUModifyIFSHandle(self.catalog_id, number, lpErrno)  # type: ignore[no-any-return]

    def WSPSend(
        self, s: int, buffers: Any, n: int, sent: Any, flags: int, ov: Any, routine: Any, tid: Any, lpErrno: Any
    ) -> int:
        data = b"".join(ctypes.string_at(buffers[i].buf, buffers[i].len) for i in range(n))
        sent[0] = self.near[s].send(data)
        return 0

    def WSPCloseSocket(self, s: int, lpErrno: Any) -> int:
        self.near.pop(s).close()
        self.far.pop(s).close()
        return 0


def test_a_hand_written_base_provider(started: None) -> None:
    """issue: "a hand-written provider can be a base" """
    base = PlainBase()
    install_provider(base.WSPStartup, [memory_entry(service_flags=XP1_IFS_HANDLES)])
    s = ws2_32.socket(2, 1, 6)
    assert s in base.near
    assert sockets.lookup(s).ifs
    assert ws2_32.send(s, b"by hand", 7, 0) == 7
    assert base.far[s].recv(16) == b"by hand"
    os.write(s, b"as a file")  # an IFS handle: no way through us
    assert base.far[s].recv(16) == b"as a file"
    assert ws2_32.recv(s, ctypes.create_string_buffer(4), 4, 0) == -1
    assert ws2_32.WSAGetLastError() == WSAError.WSAEOPNOTSUPP
    assert ws2_32.closesocket(s) == 0
    assert s not in sockets.entries


class Firewall:
    """A hand-written IFS layer: the lower table with one function of its own."""

    def __init__(self) -> None:
        self.refused: list[int] = []

    def install(self, base: CatalogEntry) -> CatalogEntry:
        own = memory_entry(name="firewall", base=False, provider_flags=4, service_flags=base.service_flags)
        chain = memory_entry(name="firewall chain", chain=(0, base.catalog_id), service_flags=base.service_flags)
        installed = install_provider(self.WSPStartup, [own, chain])
        return installed[1]

    def WSPStartup(self, version: int, data: Any, info: Any, upcalls: Any, table: Any) -> int:
        self.up, self.catalog_id = upcalls, info.contents.dwCatalogEntryId
        base = runtime.catalog.get(info.contents.ProtocolChain.ChainEntries[1])
        assert base is not None
        self.lower = ProcTable()
        lower_info = ctypes.pointer(protocol_info.structure(base))
        code = load_startup(f"ws2spi:{base.provider_id}")(version, data, lower_info, upcalls, self.lower)
        if code:
            return code
        for name in WSPPROC_NAMES:
            setattr(table, f"lp{name}", getattr(self, name, getattr(self.lower, f"lp{name}")))
        return 0

    def WSPSocket(self, af: int, type: int, protocol: int, info: Any, g: int, flags: int, lpErrno: Any) -> int:
        lower = self.lower.lpWSPSocket(af, type, protocol, info, g, flags, lpErrno)
        if lower == INVALID_SOCKET:
            return INVALID_SOCKET
        return self.up.lpWPUModifyIFSHandle(self.catalog_id, lower, lpErrno)  # type: ignore[no-any-return]

    def WSPBind(self, s: int, name: Any, namelen: int, lpErrno: Any) -> int:
        self.refused.append(s)
        lpErrno.contents.value = WSAError.WSAEACCES
        return -1


def test_a_hand_written_ifs_layer_over_a_hand_written_base(started: None) -> None:
    """layering 3: the same handle up and down, any subset of functions, data straight to the base"""
    base, wall = PlainBase(), Firewall()
    entry = install_provider(base.WSPStartup, [memory_entry(service_flags=XP1_IFS_HANDLES)])[0]
    chain = wall.install(entry)
    s = ws2_32.socket(2, 1, 6)
    assert s in base.near
    top = sockets.lookup(s)
    assert (top.catalog_id, top.below is not None) == (chain.catalog_id, True)
    assert ws2_32.bind(s, byref(ws2_32.SOCKADDR_IN(2)), 16) == -1
    assert ws2_32.WSAGetLastError() == WSAError.WSAEACCES
    assert wall.refused == [s]
    assert ws2_32.send(s, b"through", 7, 0) == 7
    assert base.far[s].recv(16) == b"through"
    assert ws2_32.closesocket(s) == 0
    assert s not in sockets.entries


def test_a_chain_whose_base_is_gone_fails_to_start(memory: Memory) -> None:
    """catalog 11.3"""
    chain = Firewall().install(memory.entry)
    runtime.catalog.remove([memory.entry.catalog_id])
    with pytest.raises(WinsockError) as raised:
        runtime.provider(chain)
    assert raised.value.code is WSAError.WSAEPROVIDERFAILEDINIT


def test_load_startup_of_nothing_is_wsaeproviderfailedinit(started: None) -> None:
    for path in ("", "nowhere", f"ws2spi:{uuid.uuid4()}"):
        with pytest.raises(WinsockError) as raised:
            load_startup(path)
        assert raised.value.code is WSAError.WSAEPROVIDERFAILEDINIT


def test_a_python_provider_has_a_startup_and_a_full_table(memory: Memory) -> None:
    """provider-functions 2: all thirty"""
    data, table = WSPDATA(), ProcTable()
    info = protocol_info.structure(memory.entry)
    startup = startup_of(memory.provider)
    assert startup(0x0202, byref(data), byref(info), None, table) == 0
    assert (data.wVersion, data.szDescription) == (0x0202, "ws2spi")
    assert table.missing() == []
    assert startup(0x0003, byref(data), byref(info), None, table) == 0
    assert startup(0x0100, byref(data), byref(info), None, table) == WSAError.WSAVERNOTSUPPORTED
    assert startup(0x0202, None, byref(info), None, table) == WSAError.WSAEFAULT


def test_a_served_table_takes_the_numbers_of_the_entry_for_0_and_from_protocol_info(memory: Memory) -> None:
    """provider-functions 3.1"""
    table = table_of(memory.provider)
    seen: list[tuple[int, int, int]] = []
    real = memory.provider.socket

    def socket(af: int, type: int, protocol: int, info: Any, flags: int) -> int:
        seen.append((af, type, protocol))
        return real(af, type, protocol, info, flags)

    memory.provider.socket = socket  # type: ignore[method-assign]
    info = protocol_info.structure(memory.entry)
    for numbers in ((0, 0, 0), (-1, -1, -1), (0xFFFFFFFF, 1, 0)):
        handle, code = code_of(table.lpWSPSocket, *numbers, byref(info), 0, 1)
        assert code == UNTOUCHED
        ws2_32.closesocket(handle)
    assert seen == [(2, 1, 6)] * 3
    assert code_of(table.lpWSPSocket, 2, 1, 6, None, 0, 1) == (INVALID_SOCKET, WSAError.WSAEFAULT)


def test_functions_nobody_has_written_answer_wsaeopnotsupp(memory: Memory) -> None:
    table = table_of(memory.provider)
    assert code_of(table.lpWSPEventSelect, 1, 2, 3) == (-1, WSAError.WSAEOPNOTSUPP)


def test_methods_that_a_provider_lacks_answer_wsaeopnotsupp(memory: Memory) -> None:
    s, other = memory.connected()
    for method in ("join_leaf", "duplicate"):
        assert not hasattr(memory.provider, method)
    table = table_of(memory.provider)
    answer = code_of(table.lpWSPJoinLeaf, s, None, 0, None, None, None, None, 0)
    assert answer == (INVALID_SOCKET, WSAError.WSAEOPNOTSUPP)
    assert code_of(table.lpWSPDuplicateSocket, s, 1, None) == (-1, WSAError.WSAEOPNOTSUPP)
    for handle in (s, other):
        ws2_32.closesocket(handle)


def test_options_and_protocol_info_of_a_served_provider(memory: Memory) -> None:
    """provider-functions 8"""
    s, other = memory.connected()
    value, length = ctypes.c_int(), ctypes.c_int(4)
    assert ws2_32.getsockopt(s, SOL_SOCKET, SO_TYPE, byref(value), byref(length)) == 0
    assert (value.value, length.value) == (1, 4)
    info = WSAPROTOCOL_INFOW()
    length.value = ctypes.sizeof(info)
    assert ws2_32.getsockopt(s, SOL_SOCKET, SO_PROTOCOL_INFOW, byref(info), byref(length)) == 0
    assert info.dwCatalogEntryId == memory.entry.catalog_id
    length.value = 2
    assert ws2_32.getsockopt(s, SOL_SOCKET, SO_TYPE, byref(value), byref(length)) == -1
    assert ws2_32.WSAGetLastError() == WSAError.WSAEFAULT
    assert ws2_32.getsockopt(s, SOL_SOCKET, SO_TYPE, None, byref(length)) == -1
    assert ws2_32.setsockopt(s, SOL_SOCKET, SO_TYPE, None, 4) == -1
    assert ws2_32.WSAGetLastError() == WSAError.WSAEFAULT
    for handle in (s, other):
        ws2_32.closesocket(handle)


def test_every_function_of_the_table_has_a_signature() -> None:
    assert set(POINTERS) == {f"lp{name}" for name in WSPPROC_NAMES}


def test_pointers_are_made_of_whatever_the_caller_passed() -> None:
    kind = ctypes.POINTER(ctypes.c_int32)
    number = ctypes.c_int32(7)
    array = (ctypes.c_int32 * 3)(1, 2, 3)
    assert pointer_to(None, kind) is None
    assert pointer_to(0, kind) is None
    assert pointer_to(kind(), kind) is None
    for argument in (
        byref(number),
        ctypes.pointer(number),
        ctypes.addressof(number),
        ctypes.c_void_p(ctypes.addressof(number)),
    ):
        assert pointer_to(argument, kind).contents.value == 7
    assert [pointer_to(array, kind)[index] for index in range(3)] == [1, 2, 3]
    assert pointer_to(byref(array, 4), kind)[0] == 2
