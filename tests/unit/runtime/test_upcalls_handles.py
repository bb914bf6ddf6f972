"""Socket-handle upcalls: each test names its row of spec upcalls, section 5 (or 9)."""

import ctypes
import os
import select
import socket as posix
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

from support.calls import UNTOUCHED, code_of
from support.memory_provider import Memory
from ws2spi import ws2_32
from ws2spi._abi.constants import INVALID_SOCKET, XP1_IFS_HANDLES
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime import upcalls
from ws2spi._runtime.process import runtime
from ws2spi._runtime.sockets import sockets

NOTSOCK = (-1, WSAError.WSAENOTSOCK)


def create(memory: Memory, context: object = 0) -> int:
    handle, code = code_of(ws2_32.WPUCreateSocketHandle, memory.entry.catalog_id, context)
    assert code == UNTOUCHED
    return int(handle)


def context_of(handle: int) -> tuple[int, int, int]:
    context = ctypes.c_uint64(0xABCD)
    result, code = code_of(ws2_32.WPUQuerySocketHandleContext, handle, ctypes.byref(context))
    return result, code, context.value


def close(handle: int) -> tuple[int, int]:
    return code_of(ws2_32.WPUCloseSocketHandle, handle)


# 5.1 WPUCreateSocketHandle


def test_create_ties_a_new_handle_to_the_provider_and_the_context(memory: Memory) -> None:
    """upcalls 5.1 Effect: from now on API calls on the handle go to that provider"""
    handle = create(memory, 0x1234)
    entry = sockets.lookup(handle)
    assert entry.provider is memory.provider
    assert context_of(handle) == (0, UNTOUCHED, 0x1234)
    assert ws2_32.bind(handle, ctypes.byref(ws2_32.SOCKADDR_IN(2)), 16) == 0
    assert memory.provider.calls == ["bind"]
    close(handle)


@pytest.mark.parametrize("context", [0, 1, 2**64 - 1])
def test_any_pointer_sized_context_is_kept(memory: Memory, context: int) -> None:
    """upcalls 5.1 dwContext: never interpreted, may be 0"""
    handle = create(memory, context)
    assert context_of(handle) == (0, UNTOUCHED, context)
    close(handle)


def test_a_python_provider_may_keep_any_object_as_context(memory: Memory) -> None:
    """upcalls 5.1 dwContext, in the Python form"""
    context = object()
    handle = upcalls.create_socket_handle(memory.entry.catalog_id, context)
    assert upcalls.query_socket_handle_context(handle) is context
    assert context_of(handle)[:2] == (-1, WSAError.WSAEFAULT)  # it does not fit into C memory
    upcalls.close_socket_handle(handle)


def test_create_before_startup_is_wsanotinitialised() -> None:
    """upcalls 5.1 Errors: "DLL not started: undocumented" """
    assert code_of(ws2_32.WPUCreateSocketHandle, 1001, 0) == (INVALID_SOCKET, WSAError.WSANOTINITIALISED)


def test_create_with_an_unknown_entry_is_wsaeinval(started: None) -> None:
    """upcalls 9.6"""
    assert code_of(ws2_32.WPUCreateSocketHandle, 4711, 0) == (INVALID_SOCKET, WSAError.WSAEINVAL)


_WITHOUT_DESCRIPTORS = """
    import ctypes, resource, sys
    sys.path[:0] = {path!r}
    from support.memory_provider import MemoryProvider, memory_entry
    from ws2spi import ws2_32
    from ws2spi._runtime import upcalls
    from ws2spi._runtime.process import runtime
    ws2_32.WSAStartup(0x202, ctypes.byref(ws2_32.WSADATA()))
    provider = MemoryProvider()
    entry = runtime.catalog.install([memory_entry()], lambda _: provider)[0]
    upcalls.close_socket_handle(upcalls.create_socket_handle(entry.catalog_id))
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
    errno, made = ctypes.c_int(-77), []
    while (handle := ws2_32.WPUCreateSocketHandle(entry.catalog_id, 0, ctypes.byref(errno))) != 2**64 - 1:
        made.append(handle)
        assert len(made) < 40
    code = errno.value
    for handle in made:
        assert ws2_32.WPUCloseSocketHandle(handle, ctypes.byref(errno)) == 0
    again = ws2_32.WPUCreateSocketHandle(entry.catalog_id, 0, ctypes.byref(errno))
    print(code, again != 2**64 - 1, len(made) > 3)
"""


def test_create_without_descriptors_is_wsaenobufs() -> None:
    """upcalls 5.1 Errors: WSAENOBUFS; nothing is leaked by the failure"""
    path = [entry for entry in sys.path if entry]
    script = textwrap.dedent(_WITHOUT_DESCRIPTORS).format(path=path)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.split() == [str(int(WSAError.WSAENOBUFS)), "True", "True"], done.stderr


def test_create_for_an_ifs_entry_is_allowed(memory: Memory) -> None:
    """upcalls 9.7; 5.1 Catalog duty is the provider's"""
    provider = memory.provider
    from support.memory_provider import memory_entry

    ifs = runtime.catalog.install([memory_entry(service_flags=XP1_IFS_HANDLES)], lambda _: provider)[0]
    handle, code = code_of(ws2_32.WPUCreateSocketHandle, ifs.catalog_id, 5)
    assert code == UNTOUCHED
    assert context_of(handle) == (0, UNTOUCHED, 5)
    close(handle)


def test_a_handle_is_a_file_descriptor_like_any_other(memory: Memory) -> None:
    """upcalls 5.1 Handle nature: indistinguishable from a file handle"""
    handle = create(memory)
    assert os.fstat(handle).st_ino == sockets.lookup(handle).inode
    assert os.isatty(handle) is False
    copy = os.dup(handle)
    with select.epoll() as poll:
        poll.register(handle, select.EPOLLOUT)
        assert poll.poll(0)
    os.close(copy)
    close(handle)


def test_handles_are_unique_among_living_ones(memory: Memory) -> None:
    """upcalls 5.1 Uniqueness"""
    handles = [create(memory, number) for number in range(20)]
    assert len(set(handles)) == 20
    assert [context_of(handle)[2] for handle in handles] == list(range(20))
    for handle in handles:
        close(handle)


def test_a_number_may_come_again_with_another_identity(memory: Memory) -> None:
    """upcalls 9.14: (number, inode), so that a stale owner never acts on a stranger"""
    first = create(memory, 1)
    stale = sockets.lookup(first)
    close(first)
    second = create(memory, 2)
    assert second == first, "the lowest free number is the one that was just closed"
    assert context_of(second)[2] == 2
    assert sockets.lookup(second).inode != stale.inode
    assert not sockets.remove(stale)
    assert context_of(second)[2] == 2
    close(second)


def test_a_foreign_close_and_reuse_purges_the_old_entry(memory: Memory) -> None:
    """upcalls 9.14: a number that the kernel gives again purges its old entry"""
    first = create(memory, 1)
    stale = sockets.lookup(first)
    purged = []
    stale.on_purge = purged.append
    os.close(first)  # behind the runtime's back
    second = create(memory, 2)
    assert second == first
    assert purged == [stale]
    assert context_of(second)[2] == 2
    stale.pair.close()  # what an owner that knows nothing of it does
    assert os.fstat(second).st_ino == sockets.lookup(second).inode
    close(second)


def test_close_never_closes_a_stranger(memory: Memory) -> None:
    """upcalls 9.14: nothing is closed whose inode differs"""
    handle = create(memory)
    os.close(handle)
    stranger, other = posix.socketpair()
    with stranger, other:
        if stranger.fileno() != handle:
            os.dup2(stranger.fileno(), handle)
        assert close(handle) == (0, UNTOUCHED)
        os.fstat(handle)
        if stranger.fileno() != handle:
            os.close(handle)


# 5.2 WPUQuerySocketHandleContext


def test_query_stores_the_context(memory: Memory) -> None:
    """upcalls 5.2 Effect, Return"""
    handle = create(memory, 77)
    assert context_of(handle) == (0, UNTOUCHED, 77)
    close(handle)


def test_query_of_what_create_did_not_make_is_wsaenotsock(memory: Memory) -> None:
    """upcalls 5.2 Errors"""
    for stranger in (0, 1, 4711, INVALID_SOCKET):
        assert context_of(stranger) == (-1, WSAError.WSAENOTSOCK, 0xABCD)
    one, other = posix.socketpair()
    with one, other:
        assert context_of(one.fileno())[:2] == NOTSOCK


def test_query_before_startup_is_wsaenotsock() -> None:
    """upcalls 5.2 Errors: no WSANOTINITIALISED documented"""
    assert context_of(3)[:2] == NOTSOCK


def test_query_of_an_ifs_handle_is_wsaenotsock(memory: Memory) -> None:
    """upcalls 9.9; 5.2 Who: only non-IFS providers"""
    one, other = posix.socketpair()
    with one, other:
        upcalls.modify_ifs_handle(memory.entry.catalog_id, one.fileno())
        assert context_of(one.fileno())[:2] == NOTSOCK
        upcalls.forget_ifs_handle(one.fileno())


def test_query_with_a_null_pointer_is_wsaefault(memory: Memory) -> None:
    """upcalls 5.2 Errors: no code is documented for a bad pointer"""
    handle = create(memory)
    assert code_of(ws2_32.WPUQuerySocketHandleContext, handle, None) == (-1, WSAError.WSAEFAULT)
    close(handle)


def test_query_by_another_provider_gives_the_owners_context(memory: Memory) -> None:
    """upcalls 9.8; 5.2 Ownership check: there is none"""
    from support.memory_provider import MemoryProvider, memory_entry

    stranger = MemoryProvider()
    other = runtime.catalog.install([memory_entry()], lambda _: stranger)[0]
    mine, theirs = create(memory, 1), upcalls.create_socket_handle(other.catalog_id, 2)
    assert context_of(mine)[2] == 1
    assert context_of(theirs)[2] == 2
    close(mine)
    close(theirs)


def test_query_after_close_is_wsaenotsock(memory: Memory) -> None:
    """upcalls 5.2 After close"""
    handle = create(memory)
    close(handle)
    assert context_of(handle)[:2] == NOTSOCK


# 5.3 WPUCloseSocketHandle


def test_close_removes_the_handle_and_its_descriptor(memory: Memory) -> None:
    """upcalls 5.3 Effect"""
    handle = create(memory)
    assert close(handle) == (0, UNTOUCHED)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(handle)


def test_close_of_what_create_did_not_make_is_wsaenotsock(memory: Memory) -> None:
    """upcalls 5.3 Errors, a second close included"""
    handle = create(memory)
    close(handle)
    assert close(handle) == NOTSOCK
    assert close(4711) == NOTSOCK
    one, other = posix.socketpair()
    with one, other:
        upcalls.modify_ifs_handle(memory.entry.catalog_id, one.fileno())
        assert close(one.fileno()) == NOTSOCK
        upcalls.forget_ifs_handle(one.fileno())


def test_close_leaves_the_context_alone(memory: Memory) -> None:
    """upcalls 5.3 Effect: the provider frees its own context"""
    freed = []

    class Context:
        def __del__(self) -> None:
            freed.append(1)

    context = Context()
    handle = upcalls.create_socket_handle(memory.entry.catalog_id, context)
    upcalls.close_socket_handle(handle)
    assert not freed
    del context
    assert freed == [1]


def test_close_does_not_end_pending_operations(memory: Memory) -> None:
    """upcalls 5.3 Pending I/O: completing it first is the provider's duty; afterwards announcing gives WSAEINVAL"""
    handle = create(memory)
    overlapped = ws2_32.WSAOVERLAPPED(Internal=0x103)
    close(handle)
    assert overlapped.Internal == 0x103
    answer = code_of(ws2_32.WPUCompleteOverlappedRequest, handle, ctypes.byref(overlapped), 0, 5)
    assert answer == (-1, WSAError.WSAEINVAL)
    assert overlapped.Internal == 0x103


def test_closesocket_reaches_the_provider_which_closes_the_handle(memory: Memory) -> None:
    """upcalls 5.3 When: from WSPCloseSocket"""
    first, second = memory.connected()
    assert ws2_32.closesocket(first) == 0
    assert memory.provider.calls[-1] == "close"
    assert ws2_32.closesocket(first) == -1
    assert ws2_32.WSAGetLastError() == WSAError.WSAENOTSOCK
    assert ws2_32.closesocket(second) == 0


# 5.4 WPUModifyIFSHandle


@pytest.fixture
def descriptor() -> Iterator[int]:
    one, other = posix.socketpair()
    with one, other:
        yield one.fileno()


def modify(catalog_id: int, handle: int) -> tuple[int, int]:
    return code_of(ws2_32.WPUModifyIFSHandle, catalog_id, handle)


def test_modify_registers_the_same_number(memory: Memory, descriptor: int) -> None:
    """upcalls 5.4 Effect"""
    assert modify(memory.entry.catalog_id, descriptor) == (descriptor, UNTOUCHED)
    assert sockets.lookup(descriptor).provider is memory.provider
    assert sockets.lookup(descriptor).ifs
    upcalls.forget_ifs_handle(descriptor)


def test_modify_refuses_what_is_no_open_descriptor(memory: Memory) -> None:
    """upcalls 5.4 Return / errors"""
    for bad in (4711, INVALID_SOCKET, 2**31 - 1):
        assert modify(memory.entry.catalog_id, bad) == (INVALID_SOCKET, WSAError.WSAEINVAL)


def test_modify_refuses_an_unknown_entry_and_an_unstarted_dll(started: None, descriptor: int) -> None:
    """upcalls 5.4 Return / errors"""
    assert modify(4711, descriptor) == (INVALID_SOCKET, WSAError.WSAEINVAL)
    runtime.cleanup()
    assert modify(1001, descriptor) == (INVALID_SOCKET, WSAError.WSANOTINITIALISED)


def test_the_last_registration_wins_and_the_lower_one_stays_reachable(memory: Memory, descriptor: int) -> None:
    """upcalls 5.4 Re-registration"""
    from support.memory_provider import MemoryProvider, memory_entry

    upper = MemoryProvider()
    entry = runtime.catalog.install([memory_entry()], lambda _: upper)[0]
    modify(memory.entry.catalog_id, descriptor)
    lower = sockets.lookup(descriptor)
    assert modify(entry.catalog_id, descriptor) == (descriptor, UNTOUCHED)
    top = sockets.lookup(descriptor)
    assert top.provider is upper
    assert top.of(memory.provider) is lower
    upcalls.forget_ifs_handle(descriptor)
    with pytest.raises(WinsockError):
        sockets.lookup(descriptor)


def test_a_port_stays_with_a_handle_that_is_registered_again(memory: Memory, descriptor: int) -> None:
    """upcalls 5.4 Effect: the two handles are equivalent to the OS"""
    from ws2spi._executive.ports import CompletionPort
    from ws2spi._runtime.sockets import associate

    port = CompletionPort()
    modify(memory.entry.catalog_id, descriptor)
    associate(descriptor, port, 5)
    modify(memory.entry.catalog_id, descriptor)
    assert (sockets.lookup(descriptor).port, sockets.lookup(descriptor).key) == (port, 5)
    upcalls.forget_ifs_handle(descriptor)


def test_closesocket_forgets_an_ifs_handle(memory: Memory, descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """upcalls 5.4 Removal: there is no inverse upcall; the entry goes when closesocket succeeds"""
    modify(memory.entry.catalog_id, descriptor)
    monkeypatch.setattr(memory.provider, "close", lambda entry: None)
    assert ws2_32.closesocket(descriptor) == 0
    assert ws2_32.closesocket(descriptor) == -1
    assert ws2_32.WSAGetLastError() == WSAError.WSAENOTSOCK
