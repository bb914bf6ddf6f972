"""Network events, select and WSAPoll (rows M and N)."""

from common import *

from ws2spi.ws2_32 import TIMEVAL, WSANETWORKEVENTS, WSAPOLLFD, fd_set

FD_READ, FD_WRITE, FD_ACCEPT, FD_CONNECT, FD_CLOSE = 1, 2, 8, 16, 32
BITS = {"READ": 0, "WRITE": 1, "ACCEPT": 3, "CONNECT": 4, "CLOSE": 5}
POLLIN = 0x300


def record(s, event):
    """What WSAEnumNetworkEvents tells: bits and codes."""
    n = WSANETWORKEVENTS()
    k.SetLastError(MARK)
    if w.WSAEnumNetworkEvents(s, event, byref(n)):
        return we(-1)
    text = "".join(f"{name}/{nm(n.iErrorCode[bit])} " for name, bit in BITS.items() if n.lNetworkEvents >> bit & 1)
    return text or "nothing"


def told(event):
    return k.WaitForSingleObject(event, 2000) == 0


def quiet(event):
    return k.WaitForSingleObject(event, 30) != 0


def mask(s, event, events):
    return E(w.WSAEventSelect, s, event, events)


def take(s, size, flags=0):
    return w.recv(s, text, size, flags)


def reads():
    row("M1", "data, part, rest")
    fresh()
    mask(ends.b, X, FD_READ)
    feed(b"abcdef")
    num(told(X)), see(record(ends.b, X)), num(sig(X))
    take(ends.b, 3)
    num(told(X)), see(record(ends.b, X))
    take(ends.b, 9)
    num(quiet(X)), see(record(ends.b, X))
    row("M3", "reset by hand, part, MSG_PEEK")
    fresh()
    mask(ends.b, X, FD_READ)
    feed(b"abcdef")
    num(told(X))
    k.ResetEvent(X)
    num(quiet(X))
    take(ends.b, 3)
    num(told(X))
    k.ResetEvent(X)
    take(ends.b, 1, MSG_PEEK)
    num(told(X))
    row("M4", "a receive that would block, then data")
    fresh()
    mask(ends.b, X, FD_READ)
    record(ends.b, X)
    see(E(w.recv, ends.b, text, 3, 0))
    feed(b"abc")
    num(told(X)), see(record(ends.b, X))
    row("M6", "another event")
    fresh()
    k.ResetEvent(X), k.ResetEvent(Y)
    mask(ends.b, X, FD_READ), mask(ends.b, Y, FD_READ)
    feed(b"abc")
    num(told(Y)), num(sig(X))
    row("M7", "no event, another event, bad socket")
    see(record(ends.b, None)), num(sig(Y))
    k.SetEvent(X)
    record(ends.b, X)
    num(sig(X)), num(sig(Y)), see(record(0xDEAD0, None))
    k.ResetEvent(Y)
    row("M9", "codes of what is not reported")
    fresh()
    mask(ends.b, X, FD_READ | FD_CLOSE)
    feed(b"abc")
    told(X)
    n = WSANETWORKEVENTS()
    memset(byref(n), 0x55, sizeof(n))
    w.WSAEnumNetworkEvents(ends.b, X, byref(n))
    num(n.iErrorCode[0]), num(n.iErrorCode[5] == 0x55555555), num(n.iErrorCode[4] == 0x55555555)
    row("M10", "a pending receive takes all")
    fresh()
    mask(ends.b, X, FD_READ)
    orecv(ends.b, p, None, 16)
    feed(b"abc")
    settle(p)
    num(quiet(X)), see(record(ends.b, X))
    row("M10", "a pending receive takes a part")
    orecv(ends.b, p, None, 2)
    feed(b"abc")
    settle(p)
    num(told(X)), see(record(ends.b, X))


def writes():
    row("M11", "connected, after a good send")
    fresh()
    mask(ends.b, X, FD_WRITE)
    num(told(X)), see(record(ends.b, X))
    w.send(ends.b, b"x", 1, 0)
    num(quiet(X)), see(record(ends.b, X))
    row("M12", "filled, then the peer reads")
    fresh()
    mask(ends.b, X, FD_WRITE)
    record(ends.b, X)
    total = 0
    while (n := w.send(ends.b, big, len(big), 0)) > 0:
        total += n
    see(we(n)), num(quiet(X))
    while total > 0 and (n := w.recv(ends.a, big, len(big), 0)) > 0:
        total -= n
    num(told(X)), see(record(ends.b, X))


def connects():
    off = c_uint32()
    row("M14", "one request, after accept nothing")
    listening, x = listener()
    mask(listening, X, FD_ACCEPT)
    c = w.socket(AF_INET, SOCK_STREAM, 0)
    w.connect(c, x, 16)
    num(told(X)), see(record(listening, X))
    s = w.accept(listening, None, None)
    num(quiet(X))
    row("M15", "accepted socket")
    w.send(c, b"abc", 3, 0)
    num(told(X)), see(record(s, X))
    mask(s, None, 0)
    w.ioctlsocket(s, FIONBIO, byref(off))
    w.closesocket(s), w.closesocket(c)
    row("M16", "connect")
    c = w.socket(AF_INET, SOCK_STREAM, 0)
    mask(c, Y, FD_CONNECT | FD_WRITE)
    see(E(w.connect, c, x, 16)), num(told(Y))
    k.Sleep(50)
    see(record(c, Y))
    w.closesocket(c), w.closesocket(listening)
    row("M16", "refused")
    c = w.socket(AF_INET, SOCK_STREAM, 0)
    mask(c, Y, FD_CONNECT)
    see(E(w.connect, c, x, 16)), num(k.WaitForSingleObject(Y, ROOM) == 0), see(record(c, Y))
    w.closesocket(c)
    row("M17", "registered after the connect")
    fresh()
    mask(ends.a, X, FD_CONNECT | FD_WRITE)
    num(told(X)), see(record(ends.a, X))


def closes():
    row("M18", "peer's end, then recv")
    fresh()
    mask(ends.b, X, FD_CLOSE)
    w.shutdown(ends.a, SD_SEND)
    num(told(X)), see(record(ends.b, X)), see(E(w.recv, ends.b, text, 9, 0)), num(quiet(X)), see(record(ends.b, X))
    row("M19", "peer's end behind 6 bytes")
    fresh()
    mask(ends.b, X, FD_CLOSE)
    here(b"abcdef")
    w.shutdown(ends.a, SD_SEND)
    num(quiet(X))
    take(ends.b, 9)
    num(told(X)), see(record(ends.b, X))
    row("M20", "peer's reset")
    fresh()
    mask(ends.b, X, FD_CLOSE)
    reset_peer()
    num(told(X)), see(record(ends.b, X))
    row("M22", "arguments")
    fresh()
    see(mask(ends.b, None, FD_READ)), see(mask(0xDEAD0, X, FD_READ)), see(mask(ends.b, None, 0))
    row("M23", "mode")
    mask(ends.b, X, FD_READ)
    see(E(w.ioctlsocket, ends.b, FIONBIO, byref(c_uint32())))
    mask(ends.b, None, 0)
    see(E(w.recv, ends.b, text, 1, 0)), see(E(w.ioctlsocket, ends.b, FIONBIO, byref(c_uint32())))


def of(*sockets):
    result = fd_set()
    result.fd_count = len(sockets)
    for i, s in enumerate(sockets):
        result.fd_array[i] = s
    return result


at_once, soon = TIMEVAL(0, 0), TIMEVAL(5, 0)


def select(r, v, o, time=at_once, nfds=0):
    return E(w.select, nfds, *(None if one is None else byref(one) for one in (r, v, o)), byref(time))


def all_three(s):
    """select now: read, write, except."""
    sets = of(s), of(s), of(s)
    result = select(*sets)
    if result.startswith("-"):
        return result
    return f"{result}:" + "".join(
        f" {word}" for word, one in zip(("read", "write", "except"), sets, strict=True) if one.fd_count
    )


def selects():
    row("N1", "no sets, empty sets")
    see(select(None, None, None)), see(select(of(), None, None))
    row("N1", "bad sockets")
    bad = of(0xDEAD0)
    see(select(bad, None, None)), num(bad.fd_count), see(select(of(X), None, None))
    fresh()
    row("N2", "an empty set beside a good one")
    see(select(of(), of(ends.b), None))
    row("N3", "twice in a set")
    here(b"abc")
    twice = of(ends.b, ends.b)
    see(select(twice, None, None)), num(twice.fd_count)
    row("N3", "in three sets")
    see(all_three(ends.b))
    row("N4", "timeval, nfds")
    take(ends.b, 9)
    time, one = TIMEVAL(0, 1000), of(ends.b)
    see(select(one, None, None, time, -5)), num(time.tv_sec), num(time.tv_usec), num(one.fd_count)
    row("N4", "negative time")
    see(select(of(ends.b), None, None, TIMEVAL(0, -1)))
    s, u = w.socket(AF_INET, SOCK_STREAM, 0), w.socket(AF_INET, SOCK_DGRAM, 0)
    row("N5", "unconnected stream, unbound datagram")
    see(all_three(s)), see(all_three(u))
    w.closesocket(u)
    row("N6", "peer's end")
    w.shutdown(ends.a, SD_SEND)
    select(of(ends.b), None, None, soon)
    see(all_three(ends.b))
    row("N6", "peer's reset")
    fresh()
    reset_peer()
    select(of(ends.b), None, None, soon)
    see(all_three(ends.b))
    row("N6", "own SD_RECEIVE")
    fresh()
    w.shutdown(ends.b, SD_RECEIVE)
    see(all_three(ends.b))
    row("N7", "a pending receive took the data")
    fresh()
    orecv(ends.b, p, None, 16)
    feed(b"abc")
    settle(p)
    see(all_three(ends.b))
    row("N11", "refused connect")
    listening, x = listener()
    w.closesocket(listening)
    nonblock(s, 1)
    w.connect(s, x, 16)
    see(select(None, None, of(s), soon)), see(select(None, of(s), None))
    row("N12", "SO_ERROR twice")
    for _ in range(2):
        code = c_int(77)
        w.getsockopt(s, SOL_SOCKET, 0x1007, byref(code), byref(c_int(4)))
        see(nm(code.value))
    w.closesocket(s)


def polls():
    fresh()
    here(b"abc")

    def poll(*asked, count=None):
        f = (WSAPOLLFD * len(asked))(*(WSAPOLLFD(s, events, 0x55) for s, events in asked))
        return E(w.WSAPoll, f, len(asked) if count is None else count, 0), f

    row("N8", "no entries, NULL")
    see(poll((ends.b, POLLIN), count=0)[0]), see(E(w.WSAPoll, None, 1, 0))
    row("N8", "bad sockets only")
    result, f = poll((0xDEAD0, POLLIN), (0xBEEF0, POLLIN))
    see(result), num(f[0].revents), num(f[1].revents)
    row("N9", "a bad socket beside a good one")
    result, f = poll((0xDEAD0, POLLIN), (ends.b, POLLIN))
    see(result), num(f[0].revents), num(f[1].revents)
    row("N9", "unknown bits")
    see(poll((ends.b, 0x0400))[0])


start()
X, Y = ev(True, False), ev(True, False)
text, big = create_string_buffer(64), create_string_buffer(1 << 20)
reads()
writes()
connects()
closes()
selects()
polls()
finish()
