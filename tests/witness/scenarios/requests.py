"""ioctls, sockets as files, connects, and what socket() matches (rows N, Q, R)."""

from common import *

BASE_HANDLE = 0x48000022
text, n = create_string_buffer(256), wintypes.DWORD()


def ioctl(code, given, given_size, taken, taken_size, count, overlapped=None, routine=None):
    return E(w.WSAIoctl, ends.b, code, given, given_size, taken, taken_size, count, overlapped, routine)


def ioctls():
    fresh()
    row("Q4", "no place for the count")
    see(ioctl(FIONREAD, None, 0, text, 4, None))
    row("Q4", "no place for the count, overlapped")
    see(ioctl(FIONREAD, None, 0, text, 4, None, byref(p.init(X).o)))
    row("Q5", "short buffers")
    see(ioctl(FIONREAD, None, 0, text, 2, byref(n))), see(ioctl(FIONBIO, text, 2, None, 0, byref(n)))
    row("Q5", "overlapped, port")
    port = port_of(ends.b)
    see(ioctl(FIONBIO, byref(c_uint32()), 4, None, 0, byref(n), byref(p.init().o))), see(pk(port, ROOM))
    row("Q5", "overlapped, routine")
    fresh()
    see(ioctl(FIONREAD, None, 0, text, 4, byref(n), byref(p.init().o), rt))
    k.SleepEx(0, True)
    num(len(told)), see(nm(told[0][0]))
    told.clear()
    row("Q6", "SIO_BASE_HANDLE")
    out = c_size_t()
    see(ioctl(BASE_HANDLE, None, 0, byref(out), 8, byref(n))), num(out.value == ends.b)
    row("Q6", "SIO_BASE_HANDLE, overlapped")
    out.value = 0
    k.ResetEvent(X)
    result = ioctl(BASE_HANDLE, None, 0, byref(out), 8, byref(n), byref(p.init(X).o))
    see("0 or pending" if result in ("0", "-1/ERROR_IO_PENDING") else result)
    k.WaitForSingleObject(X, ROOM)
    see(nm(p.o.Internal)), num(out.value == ends.b)
    row("Q7", "unknown codes")
    for code in (0x12345678, 0x48000777, 0x38000777):
        see(ioctl(code, None, 0, text, 4, byref(n)))
    num(n.value)
    row("Q7", "unknown code, overlapped, port")
    port = port_of(ends.b)
    see(ioctl(0x12345678, None, 0, text, 4, byref(n), byref(p.init().o))), see(pk(port, ROOM))
    row("Q7", "unknown code, overlapped, routine")
    fresh()
    see(ioctl(0x12345678, None, 0, text, 4, byref(n), byref(p.init().o), rt))
    k.SleepEx(100, True)
    see(rts())


def read(s, size, o=None):
    return B(k.ReadFile, s, text, size, None if o else byref(n), byref(o) if o else None)


def write(s, data, o=None):
    return B(k.WriteFile, s, data, len(data), None if o else byref(n), byref(o) if o else None)


def files():
    row("Q8", "overlapped socket, no structure")
    fresh()
    here(b"abc")
    see(read(ends.b, 9)), see(write(ends.b, b"x"))
    row("Q8", "not an overlapped socket")
    pair_flags(0)
    t = late(b"abc")
    see(read(ends.b, 9)), num(n.value), see(write(ends.b, b"x")), num(n.value)
    ended(t)
    row("Q9", "packet, offset ignored")
    fresh()
    port = port_of(ends.b)
    o = WSAOVERLAPPED(Offset=100)
    see(read(ends.b, 9, o))
    feed(b"abc")
    see(pk(port, ROOM))
    o = WSAOVERLAPPED()
    see(write(ends.b, b"xyz", o)), see(pk(port, ROOM))
    row("Q10", "peer's end")
    pair_flags(0)
    w.shutdown(ends.a, SD_SEND)
    n.value = 9
    see(read(ends.b, 9)), num(n.value)
    row("Q10", "own SD_BOTH")
    fresh()
    w.shutdown(ends.b, SD_BOTH)
    see(read(ends.b, 9, WSAOVERLAPPED(hEvent=X)))
    row("Q10", "closed socket")
    w.closesocket(ends.b)
    see(read(ends.b, 9))
    row("Q10", "datagram too long")
    fresh_datagrams()
    here(b"hello")
    k.ResetEvent(X)
    see(read(ends.b, 3, WSAOVERLAPPED(hEvent=X)))
    row("Q11", "unconnected")
    s = w.WSASocketW(AF_INET, SOCK_STREAM, 0, None, 0, 0)
    see(read(s, 3))
    row("Q11", "unconnected: write")
    see(write(s, b"xyz"))
    w.closesocket(s)


def connecting():
    """A listener whose queue is full answers no further connect."""
    listening = w.socket(AF_INET, SOCK_STREAM, 0)
    w.bind(listening, lo(), 16)
    w.listen(listening, 1)
    x, sockets = name_of(listening), []
    for _ in range(4):
        sockets.append(w.socket(AF_INET, SOCK_STREAM, 0))
        nonblock(sockets[-1], 1)
        w.connect(sockets[-1], x, 16)
        k.Sleep(20)
    row("N10", "again while pending")
    see(E(w.connect, sockets[3], x, 16))
    row("N14", "while connecting: recv")
    see(E(w.recv, sockets[3], text, 1, 0))
    row("N14", "while connecting: send")
    see(E(w.send, sockets[3], text, 1, 0))
    row("N14", "while connecting: getpeername")
    see(E(w.getpeername, sockets[3], lo(), byref(c_int(16))))
    for s in (*sockets, listening):
        w.closesocket(s)


def connects():
    listening, x = listener()
    row("N10", "non-blocking connect, again when connected")
    s = w.socket(AF_INET, SOCK_STREAM, 0)
    nonblock(s, 1)
    see(E(w.connect, s, x, 16))
    for _ in range(ROOM):
        if E(w.connect, s, x, 16) in ("0", "-1/WSAEISCONN"):
            break
        k.Sleep(1)
    see(E(w.connect, s, x, 16))
    w.closesocket(s)
    row("N15", "connect: connected")
    fresh()
    see(E(w.connect, ends.a, x, 16))
    row("N15", "connect: listening")
    see(E(w.connect, listening, x, 16))
    s = w.socket(AF_INET, SOCK_STREAM, 0)
    row("N16", "connect: port 0")
    see(E(w.connect, s, lo(), 16))
    w.closesocket(s)
    s = w.socket(AF_INET, SOCK_STREAM, 0)
    row("N16", "connect: short")
    see(E(w.connect, s, x, 4))
    row("N16", "connect: another family, an unknown one")
    for family in (b"\x17\0", b"\x63\0"):
        see(E(w.connect, s, create_string_buffer(family + x.raw[2:], 16), 16))
    row("N13", "refused, blocking")
    w.closesocket(listening)
    see(E(w.connect, s, x, 16))
    row("N13", "refused, then SO_ERROR")
    code = c_int(77)
    see(E(w.getsockopt, s, SOL_SOCKET, 0x1007, byref(code), byref(c_int(4)))), see(nm(code.value))
    row("N13", "refused, then again")
    listening, x = listener()
    see(E(w.connect, s, x, 16))
    w.closesocket(listening), w.closesocket(s)
    s = w.socket(AF_INET, SOCK_STREAM, 0)
    row("N17", "SO_CONNECT_TIME")
    for of in (s, ends.a):
        seconds = c_int(77)
        see(E(w.getsockopt, of, SOL_SOCKET, 0x700C, byref(seconds), byref(c_int(4)))), num(seconds.value)
    w.closesocket(s)


ASKED = {
    "R1": [(0, 1, 0), (0, 77, 0)],
    "R2": [(2, 77, 0), (77, 77, 77)],
    "R3": [(77, 1, 6), (77, 2, 17)],
    "R4": [(2, 1, 17), (2, 2, 6), (2, 1, 99), (0, 0, 99)],
}


def kinds():
    for name, asked in ASKED.items():
        for arguments in asked:
            row(name, f"socket{arguments}")
            see(S(w.socket, *arguments))
    for arguments in ((2, 1, 0), (2, 0, 6), (2, 0, 0), (0, 1, 6), (0, 0, 17)):
        s, kind = w.socket(*arguments), c_int(77)
        row("R5", f"socket{arguments}")
        see(E(w.getsockopt, s, SOL_SOCKET, 0x1008, byref(kind), byref(c_int(4)))), num(kind.value)
        w.closesocket(s)


start()
X = ev(True, False)
ioctls()
files()
connecting()
connects()
kinds()
finish()
