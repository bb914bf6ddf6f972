"""Lines that set an exact face beside the Python objects it converts for: the same work, called both ways."""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from bench.rounds import Group, Limit, Line, Measure, Unavailable, per_call

OBJECTS, FACE = "objects", "exact face"
FACTOR = 4.0
Call = Callable[[], object]


def _line(work: str, times: int, objects: Call, face: Call, note: str = "") -> Line:
    cases: dict[str, Measure] = {OBJECTS: per_call(times, objects), FACE: per_call(times, face)}
    return Line(work, "µs", cases, FACE, [Limit(FACTOR, OBJECTS)], note=note)


def _kernel(times: int) -> Iterator[Line]:
    from ws2spi import kernel32, ws2_32
    from ws2spi._executive import threads
    from ws2spi._executive.events import Event
    from ws2spi._executive.ports import CompletionPort, Packet
    from ws2spi._executive.waits import wait

    thread, own = threads.current(), kernel32.GetCurrentThread()

    def routine(_: object) -> None:
        pass

    def apc() -> None:
        thread.queue_apc(routine, 0)
        wait((), timeout=0, alertable=True)

    def apc_face() -> None:
        kernel32.QueueUserAPC(routine, own, 0)
        kernel32.SleepEx(0, True)

    yield _line("face: queue an APC and deliver it", times, apc, apc_face, "QueueUserAPC, SleepEx")

    event, handle = Event(False), kernel32.CreateEventW(None, False, False, None)

    def set_and_wait() -> None:
        event.set()
        wait((event,), timeout=0)

    def set_and_wait_face() -> None:
        kernel32.SetEvent(handle)
        kernel32.WaitForSingleObject(handle, 0)

    yield _line("face: set an event and wait for it", times, set_and_wait, set_and_wait_face)

    def set_and_reset() -> None:
        event.set()
        event.reset()

    def set_and_reset_face() -> None:
        ws2_32.WSASetEvent(handle)
        ws2_32.WSAResetEvent(handle)

    yield _line("face: set and reset an event", times, set_and_reset, set_and_reset_face, "WSASetEvent, WSAResetEvent")
    kernel32.CloseHandle(handle)

    port, number = CompletionPort(), kernel32.CreateIoCompletionPort(-1, None, 0, 0)
    size, key, overlapped = ctypes.c_uint32(), ctypes.c_uint64(), ctypes.c_void_p()
    out = ctypes.byref(size), ctypes.byref(key), ctypes.byref(overlapped)

    def post_and_get() -> None:
        port.post(Packet(1, 2, None, 0))
        port.get(0)

    def post_and_get_face() -> None:
        kernel32.PostQueuedCompletionStatus(number, 1, 2, None)
        kernel32.GetQueuedCompletionStatus(number, *out, 0)

    yield _line("face: post and get a port packet", times, post_and_get, post_and_get_face, "three values to store")
    port.close()
    kernel32.CloseHandle(number)


def _pair(ws2_32: Any) -> tuple[int, int]:
    """The two ends of a TCP connection of the base provider."""
    address, length = ctypes.create_string_buffer(16), ctypes.c_int(16)
    address[0:8] = b"\x02\0\0\0\x7f\0\0\x01"
    listener, one = (ws2_32.socket(2, 1, 6) for _ in "ab")
    if ws2_32.bind(listener, address, 16) or ws2_32.listen(listener, 1):
        raise Unavailable("no listener")
    ws2_32.getsockname(listener, address, ctypes.byref(length))
    if ws2_32.connect(one, address, 16):
        raise Unavailable("no connection")
    two = ws2_32.accept(listener, None, None)
    ws2_32.closesocket(listener)
    return one, two


def _sockets(stack: ExitStack, times: int) -> Iterator[Line]:
    from ws2spi import ws2_32
    from ws2spi._executive.overlapped import Overlapped
    from ws2spi._runtime.completion import Completion
    from ws2spi._runtime.sockets import lookup

    if ws2_32.WSAStartup(0x0202, ctypes.byref(ws2_32.WSADATA())):
        raise Unavailable("WSAStartup failed")
    stack.callback(ws2_32.WSACleanup)
    one, two = _pair(ws2_32)
    near, far = lookup(one), lookup(two)
    provider: Any = near.provider
    data, room = b"x" * 64, memoryview(bytearray(64))
    memory, target = ctypes.create_string_buffer(data, 64), ctypes.create_string_buffer(64)
    count, flags = ctypes.c_uint32(), ctypes.c_uint32()
    outgoing = ctypes.byref(ws2_32.WSABUF(64, ctypes.addressof(memory)))
    incoming = ctypes.byref(ws2_32.WSABUF(64, ctypes.addressof(target)))
    counted, flagged = ctypes.byref(count), ctypes.byref(flags)

    def plain() -> None:
        provider.send(near, (data,), 0, None)
        provider.recv(far, (room,), 0, None)

    def plain_face() -> None:
        ws2_32.WSASend(one, outgoing, 1, counted, 0, None, None)
        ws2_32.WSARecv(two, incoming, 1, counted, flagged, None, None)

    yield _line("face: send and receive 64 bytes", times, plain, plain_face, "WSASend, WSARecv")
    yield _line(
        "face: send and receive 64 bytes, the short way",
        times,
        plain,
        lambda: (ws2_32.send(one, memory, 64, 0), ws2_32.recv(two, target, 64, 0)),
        "send, recv",
    )

    def overlapped() -> None:
        sent, received = Completion.pure(near, Overlapped()), Completion.pure(far, Overlapped())
        sent.finished(provider.send(near, (data,), 0, sent))
        received.finished(*provider.recv(far, (room,), 0, received))

    first, second = ctypes.byref(ws2_32.WSAOVERLAPPED()), ctypes.byref(ws2_32.WSAOVERLAPPED())

    def overlapped_face() -> None:
        ws2_32.WSASend(one, outgoing, 1, None, 0, first, None)
        ws2_32.WSARecv(two, incoming, 1, None, flagged, second, None)

    yield _line("face: send and receive 64 bytes, overlapped", times, overlapped, overlapped_face, "WSASend, WSARecv")
    value, length = ctypes.c_int(), ctypes.c_int(4)
    to_value, to_length = ctypes.byref(value), ctypes.byref(length)
    yield _line(
        "face: ask for an option of the socket",
        times,
        lambda: provider.getsockopt(near, 0xFFFF, 0x1002, 4),
        lambda: ws2_32.getsockopt(one, 0xFFFF, 0x1002, to_value, to_length),
        "getsockopt, SO_RCVBUF",
    )
    ws2_32.closesocket(one)
    ws2_32.closesocket(two)


def _faces(stack: ExitStack, quick: bool) -> Iterator[Line]:
    yield from _kernel(5_000 if quick else 50_000)
    yield from _sockets(stack, 1_000 if quick else 10_000)


GROUPS: dict[str, Group] = {"faces": _faces}
