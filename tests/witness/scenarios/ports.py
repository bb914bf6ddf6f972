"""Completion ports: the queue, its waiters, what can be associated (rows E)."""

from common import *

from ws2spi.kernel32 import OVERLAPPED_ENTRY

inside = []


def queue():
    x, port = ev(True, True), new_port()
    row("E1", "empty, no time")
    see(pk(P, 0))
    row("E1", "empty, 20 ms")
    see(pk(P, 20))
    row("E2", "five posted")
    for i in range(1, 6):
        k.PostQueuedCompletionStatus(P, i, i * 16, None)
    n, key, o = wintypes.DWORD(), c_size_t(), c_void_p()
    for _ in range(5):
        k.GetQueuedCompletionStatus(P, byref(n), byref(key), byref(o), 0)
        num(n.value), num(key.value)
    row("E2", "posted all ones")
    k.PostQueuedCompletionStatus(P, 0xFFFFFFFF, 2**64 - 1, 2**64 - 1)
    see(pk(P, 0)), see(nm(error()))
    row("E2", "posted zeros")
    k.PostQueuedCompletionStatus(P, 0, 0, None)
    n, key, o = wintypes.DWORD(7), c_size_t(7), c_void_p(7)
    see(B(k.GetQueuedCompletionStatus, P, byref(n), byref(key), byref(o), 0))
    num(n.value), num(key.value), num(o.value is None), see(nm(error()))
    row("E3", "get from a bad, event, NULL, closed handle")
    see(pk(0xDEAD0)), see(pk(x)), see(pk(None))
    k.CloseHandle(port)
    see(pk(port))
    row("E3", "post to them")
    for handle in (0xDEAD0, x, None, port):
        see(B(k.PostQueuedCompletionStatus, handle, 1, 1, None))
    row("E16", "closed with packets queued")
    port = new_port()
    k.PostQueuedCompletionStatus(port, 1, 1, None)
    see(B(k.CloseHandle, port)), see(pk(port))


entries, removed = (OVERLAPPED_ENTRY * 8)(), wintypes.DWORD()


def ex(count, milliseconds, alertable):
    memset(entries, 0x77, sizeof(entries))
    removed.value = 0xABC
    return B(k.GetQueuedCompletionStatusEx, P, entries, count, byref(removed), milliseconds, alertable)


def keys():
    for i in range(removed.value):
        num(entries[i].lpCompletionKey)


def in_ex(_):
    inside.append(1)
    return 1 if ex(4, ROOM, True) == "TRUE" else error()


def several():
    row("E7", "empty")
    see(ex(4, 0, False)), num(removed.value)
    row("E8", "three queued, room for eight")
    for i in range(1, 4):
        k.PostQueuedCompletionStatus(P, i, i, None)
    see(ex(8, 0, False)), num(removed.value), keys(), num(entries[0].Internal)
    row("E8", "five queued, room for two")
    for i in range(1, 6):
        k.PostQueuedCompletionStatus(P, i, i, None)
    see(ex(2, INFINITE, False)), num(removed.value), keys()
    see(ex(8, 0, False)), num(removed.value), keys()
    row("E9", "APC, empty, 200 ms")
    q("1")
    see(ex(4, 200, True)), num(removed.value), see(ran())
    row("E9", "APC, empty, no time")
    q("1")
    see(ex(4, 0, True)), num(removed.value), see(ran())
    row("E9", "APC and a packet")
    q("1")
    k.PostQueuedCompletionStatus(P, 7, 7, None)
    see(ex(4, 200, True)), num(removed.value), see(ran())
    drain()
    row("E9", "APC while blocked")
    t = go(in_ex)
    entered()
    q("1", t)
    see(nm(ended(t))), see(ran())
    row("E10", "not alertable, APC queued")
    q("1")
    see(ex(4, 10, False)), see(ran())
    drain()
    row("E10", "count 0")
    k.PostQueuedCompletionStatus(P, 7, 7, None)
    see(ex(0, 0, False))
    ex(8, 0, False)


def entered():
    while not inside:
        k.Sleep(1)
    inside.clear()
    k.Sleep(60)


def in_get(_):
    n, key, o = wintypes.DWORD(), c_size_t(), c_void_p(1)
    inside.append(1)
    if k.GetQueuedCompletionStatus(P, byref(n), byref(key), byref(o), 1000):
        return 1
    return MARK if o.value else error()


def closing():
    global P
    row("E4", "closed while a thread waits")
    P = new_port()
    t = go(in_get)
    entered()
    k.CloseHandle(P)
    see(nm(ended(t)))


def associated(handle, port):
    return B(k.CreateIoCompletionPort, handle, port, 7, 0)


def association():
    port, other, x = new_port(), new_port(), ev(True, False)
    fresh()
    row("E11", "INVALID_HANDLE_VALUE with a port")
    see(associated(INVALID, port))
    row("E11", "closed, NULL, event handle with a port")
    w.closesocket(ends.a)
    see(associated(ends.a, port)), see(associated(None, port)), see(associated(x, port))
    row("E11", "socket with an event for a port")
    see(associated(ends.b, x))
    fresh()
    row("E12", "socket")
    num(k.CreateIoCompletionPort(ends.b, port, 7, 0) == port)
    row("E12", "again: same, other, no port")
    see(associated(ends.b, port)), see(associated(ends.b, other)), see(associated(ends.b, None))
    row("E12", "unconnected, listening")
    unconnected, (listening, _) = w.socket(AF_INET, SOCK_STREAM, 0), listener()
    see(associated(unconnected, port)), see(associated(listening, port))
    w.closesocket(unconnected), w.closesocket(listening)
    row("E13", "port closed, then another")
    k.CloseHandle(port)
    see(associated(ends.b, other))
    row("E14", "socket without WSA_FLAG_OVERLAPPED")
    pair_flags(0)
    see(associated(ends.b, other))
    row("E14", "SO_OPENTYPE synchronous")
    w.setsockopt(INVALID, SOL_SOCKET, 0x7008, byref(c_int(0x20)), 4)
    s = w.socket(AF_INET, SOCK_STREAM, 0)
    w.setsockopt(INVALID, SOL_SOCKET, 0x7008, byref(c_int(0)), 4)
    see(associated(s, other))
    w.closesocket(s)
    row("E15", "associated while a receive runs")
    fresh()
    orecv(ends.b, p, None, 16)
    port = port_of(ends.b, 9)
    feed(b"abc")
    see(pk(port, ROOM))
    row("E15", "associated while a receive with a routine runs")
    fresh()
    orecv(ends.b, p, None, 16, 0, rt)
    other = port_of(ends.b, 9)
    feed(b"abc")
    settle(p)
    see(nm(k.SleepEx(0, True))), see(rts()), see(pk(other, 20))
    row("E16", "closed while a receive runs")
    fresh()
    port = port_of(ends.b, 9)
    orecv(ends.b, p, None, 16)
    k.CloseHandle(port)
    feed(b"abc")
    settle(p)
    see(st(p))


start()
P = new_port()
queue()
several()
closing()
association()
finish()
