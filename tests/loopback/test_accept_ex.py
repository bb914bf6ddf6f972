"""AcceptEx and GetAcceptExSockaddrs: nf-mswsock-acceptex, layering 10, witness O1 to O8 and K5."""

import ctypes
import gc
import os
import socket
import weakref
from collections.abc import Iterator

import pytest

from support.extension import AREA, GET, Accept, Connect, connect_time, fetch, met
from support.stacks import Bytes
from support.threads import until
from support.winsock import (
    LOOPBACK,
    bound,
    byref,
    close,
    error,
    event,
    is_set,
    listening,
    made,
    packet,
    port_for,
    read_all,
    received,
)
from ws2spi import ctypes as windows
from ws2spi import install, kernel32, mswsock, ws2_32
from ws2spi._abi import addresses
from ws2spi._abi.constants import AF_INET, SOCK_DGRAM
from ws2spi._abi.errors import WSAError
from ws2spi._abi.mswsock import EXTENSIONS
from ws2spi._executive.overlapped import pending_count
from ws2spi.providers.stack import Stack

PENDING = WSAError.WSA_IO_PENDING
ABORTED = -WSAError.WSA_OPERATION_ABORTED

pytestmark = pytest.mark.usefixtures("kind")


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    assert pending_count() == 0


def client(port: int, family: int = AF_INET) -> socket.socket:
    return socket.create_connection((LOOPBACK[family], port))


def test_o3_without_data_it_is_done_at_the_connect(family: int) -> None:
    listener, port = listening(family)
    accept = Accept(listener, family=family)
    assert (accept.code, accept.pending, accept.count.value) == (PENDING, True, 0xABCD)
    peer = client(port, family)
    assert accept.result() == 0
    later = Accept(listener, family=family)
    other = client(port, family)
    assert (later.code, later.result()) == (PENDING, 0)
    peer.close(), other.close()
    close(listener, accept.accepted, later.accepted)


def test_o3_one_that_waits_already() -> None:
    listener, port = listening()
    peer = client(port)
    accept = Accept(listener)
    assert (accept.code, accept.result()) == (PENDING, 0)
    peer.sendall(b"x")
    assert received(accept.accepted) == b"x"
    peer.close()
    close(listener, accept.accepted)


def test_o4_the_first_data_comes_with_it_and_the_rest_afterwards(family: int) -> None:
    connect, accept, listener = met(family, b"hello world", 5)
    assert accept.buffer.raw[:5] == b"hello"
    assert read_all(accept.accepted, 6) == b" world"
    close(connect.s, accept.accepted, listener)


def test_o4_the_end_of_the_peer_instead_of_data() -> None:
    listener, port = listening()
    accept = Accept(listener, 100)
    client(port).close()
    assert accept.result() == 0
    assert accept.update() == 0
    close(listener, accept.accepted)


def test_o4_a_reset_instead_of_data_leaves_the_accept_socket_usable() -> None:
    listener, port = listening()
    accept = Accept(listener, 100)
    peer = client(port)
    until(lambda: connect_time(accept.accepted) < 0xFFFFFFFF)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
    assert accept.result() == -WSAError.WSAECONNRESET
    again = Accept(listener, accepted=accept.accepted)
    peer = client(port)
    assert again.result() == 0
    peer.close()
    close(listener, again.accepted)


def test_the_addresses_of_both_ends(family: int) -> None:
    connect, accept, listener = met(family, b"data", 4)
    local, remote = [addresses.unpack(name)[1] for name in accept.names()]
    room, length = ctypes.create_string_buffer(128), ctypes.c_int(128)
    assert ws2_32.getsockname(connect.s, room, byref(length)) == 0
    assert remote == addresses.unpack(room.raw[: length.value])[1]
    assert connect.update() == 0
    length.value = 128
    assert ws2_32.getpeername(connect.s, room, byref(length)) == 0
    assert local == addresses.unpack(room.raw[: length.value])[1]
    close(connect.s, accept.accepted, listener)


def test_o5_codes_of_bad_arguments() -> None:
    listener, _ = listening()
    call, accepted = fetch(listener, "AcceptEx"), made()
    buffer, overlapped = ctypes.create_string_buffer(200), mswsock.OVERLAPPED()
    where, ov = ctypes.addressof(buffer), ctypes.addressof(overlapped)

    def code(*arguments: object) -> int:
        assert call(*arguments) == 0
        return error()

    assert code(listener, accepted, where, 0, AREA, AREA, None, None) == WSAError.WSA_INVALID_PARAMETER
    assert code(listener, accepted, where, 0, AREA, 0, None, ov) == WSAError.WSAEFAULT
    assert code(listener, accepted, where, 0, AREA, 16, None, ov) == WSAError.WSAEFAULT
    assert code(listener, accepted, where, 0, 16, AREA, None, ov) == WSAError.WSAEFAULT
    assert code(listener, accepted, None, 0, AREA, AREA, None, ov) == WSAError.WSAEFAULT
    assert code(0x7FFFFFF, accepted, where, 0, AREA, AREA, None, ov) == WSAError.WSAENOTSOCK
    assert code(listener, 0x7FFFFFF, where, 0, AREA, AREA, None, ov) == WSAError.WSAENOTSOCK
    assert overlapped.Internal == 0
    overlapped.hEvent = 12345678
    assert code(listener, accepted, where, 0, AREA, AREA, None, ov) == WSAError.WSA_INVALID_HANDLE
    close(listener, accepted)


def test_o5_a_local_area_of_no_bytes_is_left_out() -> None:
    listener, port = listening()
    accept = Accept(listener, local=0)
    assert accept.code == PENDING
    peer = client(port)
    assert accept.result() == 0
    local, remote = accept.names()
    assert (local, addresses.unpack(remote)[1]) == (b"", peer.getsockname())
    peer.close()
    close(listener, accept.accepted)


def test_o6_codes_of_bad_states() -> None:
    listener, _ = listening()
    plain, used = made(), made()
    bound(used)
    datagram = made(SOCK_DGRAM)
    other = made(family=23)
    for accept in (Accept(plain), Accept(listener, accepted=used), Accept(listener, accepted=datagram)):
        assert (accept.code, accept.pending) == (WSAError.WSAEINVAL, True)  # witness F10
    assert Accept(listener, accepted=other).code == WSAError.WSAEINVAL
    assert Accept(listener, accepted=listener).code == WSAError.WSAEINVAL
    pending = Accept(listener)
    assert Accept(listener, accepted=pending.accepted).code == WSAError.WSAEINVAL  # in use
    close(listener)
    assert pending.result() < 0
    close(plain, used, datagram, other, pending.accepted)


def test_o7_before_the_update_names_and_shutdown_are_refused(family: int) -> None:
    connect, accept, listener = met(family)
    s = accept.accepted
    room, length = ctypes.create_string_buffer(128), ctypes.c_int(128)

    def codes() -> list[int]:
        length.value = 128
        calls = [ws2_32.getsockname(s, room, byref(length)), error()]
        length.value = 128
        calls += [ws2_32.getpeername(s, room, byref(length)), error()]
        return calls

    assert codes() == [-1, WSAError.WSAENOTCONN] * 2
    assert (ws2_32.shutdown(s, 1), error()) == (-1, WSAError.WSAENOTCONN)
    assert accept.update() == 0
    assert codes()[::2] == [0, 0]
    assert ws2_32.shutdown(s, 1) == 0
    assert received(connect.s) == b""
    close(connect.s, s, listener)


def test_codes_of_the_update() -> None:
    connect, accept, listener = met()
    stranger, _ = listening()
    value = ctypes.c_uint64(stranger)

    def code(s: int, size: int = 8) -> int:
        return error() if ws2_32.setsockopt(s, 0xFFFF, 0x700B, byref(value), size) else 0

    assert code(accept.accepted) == WSAError.WSAEINVAL
    value.value = 0x7FFFFFF
    assert code(accept.accepted) == WSAError.WSAENOTSOCK
    value.value = listener
    assert code(accept.accepted, 4) == WSAError.WSAEFAULT
    assert code(connect.s) == WSAError.WSAEINVAL
    assert code(stranger) == WSAError.WSAENOTCONN
    assert code(accept.accepted) == 0
    close(connect.s, accept.accepted, listener, stranger)


def test_the_update_brings_the_listeners_time_outs() -> None:
    listener, port = listening()
    assert ws2_32.setsockopt(listener, 0xFFFF, 0x1006, byref(ctypes.c_uint32(777)), 4) == 0
    accept = Accept(listener)
    peer = client(port)
    assert accept.result() == 0

    def timeout() -> int:
        value, size = ctypes.c_uint32(), ctypes.c_int(4)
        assert ws2_32.getsockopt(accept.accepted, 0xFFFF, 0x1006, byref(value), byref(size)) == 0
        return value.value

    assert timeout() == 0
    assert accept.update() == 0
    assert timeout() == 777
    peer.close()
    close(listener, accept.accepted)


def test_o8_told_at_the_listeners_port_and_in_order() -> None:
    listener, port = listening()
    with port_for(listener, 9) as queue:
        accepts = [Accept(listener, 4) for _ in range(4)]
        for number, _ in enumerate(accepts):
            peer = client(port)
            peer.sendall(b"no %d" % number)
            assert packet(queue, 5000) == (True, 4, 9, accepts[number].address, 0)
            assert accepts[number].buffer.raw[:4] == b"no %d" % number
            peer.close()
    close(listener, *(accept.accepted for accept in accepts))


def test_a_silent_peer_holds_up_nobody_behind_it() -> None:
    listener, port = listening()
    first, second = Accept(listener, 10), Accept(listener, 10)
    silent, talker = client(port), client(port)
    talker.sendall(b"hello")
    assert second.result() == 5
    assert first.pending
    silent.sendall(b"late")
    assert first.result() == 4
    silent.close(), talker.close()
    close(listener, first.accepted, second.accepted)


def test_so_connect_time_tells_of_a_connection_without_data() -> None:
    listener, port = listening()
    accept = Accept(listener, 10)
    assert connect_time(accept.accepted) == 0xFFFFFFFF
    peer = client(port)
    until(lambda: connect_time(accept.accepted) < 0xFFFFFFFF)
    assert accept.pending
    close(accept.accepted)  # as the page recommends
    assert accept.result() == ABORTED
    assert peer.recv(1) == b"" if not reset(peer) else True
    peer.close()
    close(listener)


def reset(peer: socket.socket) -> bool:
    try:
        peer.recv(1, socket.MSG_PEEK)
    except ConnectionResetError:
        return True
    return False


def test_k5_closing_the_listener_or_the_accept_socket() -> None:
    listener, _ = listening()
    with port_for(listener) as queue:
        first, second = Accept(listener), Accept(listener)
        close(first.accepted)
        assert packet(queue, 5000) == (False, 0, 7, first.address, 995)
        close(listener)
        assert packet(queue, 5000) == (False, 0, 7, second.address, 995)
    close(second.accepted)


def test_a_cancelled_one_leaves_the_connection_to_the_next() -> None:
    listener, port = listening()
    first, second = Accept(listener), Accept(listener)
    assert kernel32.CancelIoEx(listener, byref(first.overlapped))
    assert first.result() == ABORTED
    peer = client(port)
    assert second.result() == 0
    peer.sendall(b"for the second")
    assert received(second.accepted) == b"for the second"
    assert kernel32.CancelIoEx(listener, None) == 0
    peer.close()
    close(listener, first.accepted, second.accepted)


def test_cancelled_while_it_waits_for_data() -> None:
    listener, port = listening()
    accept = Accept(listener, 10)
    peer = client(port)
    until(lambda: connect_time(accept.accepted) < 0xFFFFFFFF)
    assert kernel32.CancelIo(listener)
    assert accept.result() == ABORTED
    assert connect_time(accept.accepted) == 0xFFFFFFFF
    peer.close()
    close(listener, accept.accepted)


def test_f4_an_event_with_its_low_bit_and_a_port() -> None:
    listener, port = listening()
    with event() as handle, port_for(listener) as queue:
        accept = Accept(listener, hEvent=handle | 1)
        peer = client(port)
        assert is_set(handle, 5000)
        assert packet(queue) == (False, 0, 0, 0, 258)
        peer.close()
        close(listener, accept.accepted)


def test_a_socket_that_was_not_opened_for_overlapped_io_takes_its_time() -> None:
    listener, port = listening(flags=0)
    peer = client(port)
    peer.sendall(b"now")
    accept = Accept(listener, 3, accepted=made(flags=0))
    assert (accept.code, accept.count.value, accept.buffer.raw[:3]) == (0, 3, b"now")
    peer.close()
    close(listener, accept.accepted)


def test_both_ways_work_afterwards_also_as_a_file(family: int) -> None:
    connect, accept, listener = met(family)
    peers = connect.s, accept.accepted
    for here, there in (peers, peers[::-1]):
        assert ws2_32.send(here, b"0123456789" * 1000, 10000, 0) == 10000
        assert read_all(there, 10000) == b"0123456789" * 1000
    os.write(accept.accepted, b"as a file")
    assert read_all(connect.s, 9) == b"as a file"
    ws2_32.send(connect.s, b"back", 4, 0)
    assert os.read(accept.accepted, 4) == b"back"
    close(connect.s, accept.accepted, listener)


def test_network_events_go_on_over_the_new_connection() -> None:
    listener, port = listening()
    accepted = made()
    with event() as handle:
        assert ws2_32.WSAEventSelect(accepted, handle, 0x21) == 0  # FD_READ, FD_CLOSE
        accept = Accept(listener, accepted=accepted)
        peer = client(port)
        assert accept.result() == 0
        peer.sendall(b"!")
        assert is_set(handle, 5000)
        peer.close()
        close(listener, accepted)


def test_o1_unknown_guids_and_short_buffers() -> None:
    s = made()
    place, count = ctypes.c_uint64(77), ctypes.c_uint32(77)
    overlapped = mswsock.OVERLAPPED()
    guid = ctypes.create_string_buffer(bytes(range(16)), 16)

    def code(*arguments: object) -> int:
        return error() if ws2_32.WSAIoctl(s, GET, *arguments) else 0

    assert code(guid, 16, byref(place), 8, byref(count), byref(overlapped), None) == WSAError.WSAEINVAL
    assert (place.value, count.value, overlapped.Internal) == (77, 77, 0)
    guid.raw = EXTENSIONS["AcceptEx"].bytes_le
    assert code(guid, 15, byref(place), 8, byref(count), None, None) == WSAError.WSAEFAULT
    assert code(guid, 16, byref(place), 7, byref(count), None, None) == WSAError.WSAEFAULT
    assert code(None, 16, byref(place), 8, byref(count), None, None) == WSAError.WSAEFAULT
    assert code(guid, 16, None, 8, byref(count), None, None) == WSAError.WSAEFAULT
    assert place.value == 77
    close(s)


def test_o2_a_known_guid_with_an_overlapped() -> None:
    s = made()
    place, count = ctypes.c_uint64(), ctypes.c_uint32()
    overlapped = mswsock.OVERLAPPED()
    guid = ctypes.create_string_buffer(EXTENSIONS["ConnectEx"].bytes_le, 16)
    with port_for(s) as queue:
        assert ws2_32.WSAIoctl(s, GET, guid, 16, byref(place), 8, byref(count), byref(overlapped), None) == 0
        assert packet(queue)[0]
        assert (place.value != 0, count.value) == (True, 8)
    close(s)


def test_every_function_has_a_pointer() -> None:
    s = made()
    assert all(fetch(s, name) for name in EXTENSIONS)
    close(s)


def test_the_pointer_of_another_provider_knows_no_such_socket() -> None:
    listener, _ = listening()
    call = fetch(listener, "DisconnectEx")
    with install(Stack([Bytes()])):
        other = made()
        assert (call(other, None, 0, 0), error()) == (0, WSAError.WSAENOTSOCK)
    close(listener, other)


def test_after_the_clean_up_a_pointer_says_so() -> None:
    s = made()
    call = fetch(s, "DisconnectEx")
    assert ws2_32.WSACleanup() == 0
    assert (call(s, None, 0, 0), error()) == (0, WSAError.WSANOTINITIALISED)
    assert ws2_32.WSAStartup(0x202, byref(ws2_32.WSADATA())) == 0


def test_the_dlls_own_export() -> None:
    listener, port = listening()
    accepted, overlapped = made(), mswsock.OVERLAPPED()
    buffer = ctypes.create_string_buffer(2 * AREA)
    assert windows.windll.mswsock.AcceptEx(listener, accepted, buffer, 0, AREA, AREA, None, byref(overlapped)) == 0
    assert error() == PENDING
    assert Connect(port).result() == 0
    count = ctypes.c_uint32()
    assert ws2_32.WSAGetOverlappedResult(listener, byref(overlapped), byref(count), 1, byref(ctypes.c_uint32()))
    close(listener, accepted)


def test_what_a_windows_prototype_calls_is_kept_alive() -> None:
    listener, port = listening()
    place, count = ctypes.c_void_p(), ctypes.c_uint32()
    guid = ctypes.create_string_buffer(EXTENSIONS["AcceptEx"].bytes_le, 16)
    assert ws2_32.WSAIoctl(listener, GET, guid, 16, byref(place), 8, byref(count), None, None) == 0
    dword, pointer = ctypes.c_uint32, ctypes.c_void_p
    kinds = ctypes.c_size_t, ctypes.c_size_t, pointer, dword, dword, dword, pointer, pointer
    call = windows.WINFUNCTYPE(ctypes.c_int, *kinds)(place.value)
    accepted, overlapped = made(), mswsock.OVERLAPPED()
    with port_for(listener) as queue:
        buffer = ctypes.create_string_buffer(2 * AREA)
        assert call(listener, ctypes.c_size_t(accepted), buffer, dword(0), AREA, AREA, None, byref(overlapped)) == 0
        assert error() == PENDING
        kept = weakref.ref(overlapped)
        address = ctypes.addressof(overlapped)
        del overlapped, buffer
        gc.collect()
        assert kept() is not None
        peer = client(port)
        assert packet(queue, 5000)[3] == address
        peer.close()
    assert call(listener, accepted, None, 0, AREA, AREA, None, None) == 0
    assert error() == WSAError.WSA_INVALID_PARAMETER
    close(listener, accepted)
