"""Blocking calls: APCs that run in them, sockets closed under them (rows L)."""

from common import *

from ws2spi.ws2_32 import TIMEVAL, WSAPOLLFD, fd_set


def poking(then):
    """A thread that queues an APC for the blocked one, then does what ends its call."""

    def poke(_):
        k.Sleep(40)
        q("1", me)
        for _ in range(300):
            if apclog:
                break
            k.Sleep(1)
        note("|")
        then()
        return 0

    return go(poke)


def connects(address):
    s = w.socket(AF_INET, SOCK_STREAM, 0)
    w.connect(s, address, 16)


def drinks():
    total, sink = 0, create_string_buffer(1 << 20)
    while total < len(big):
        n = w.recv(ends.a, sink, len(sink), 0)
        if n <= 0:
            break
        total += n


@APC
def apc_feed(_):
    note("s")
    feed(b"from apc")


def closer(s):
    def run(_):
        k.Sleep(150)
        w.closesocket(s)
        return 0

    return go(run)


def recv():
    see(E(w.recv, ends.b, small, 16, 0))


POLLIN = 0x300
soon = TIMEVAL(5, 0)


def of(s):
    one = fd_set(fd_count=1)
    one.fd_array[0] = s
    return one


start()
me, big, small = myself(), create_string_buffer(4 << 20), create_string_buffer(64)
row("L1", "recv")
fresh()
t = poking(lambda: feed(b"x"))
recv(), see(ran())
ended(t)
row("L1", "WSARecv")
fresh()
t = poking(lambda: feed(b"x"))
buffer, n, flags = WSABUF(16, addressof(small)), wintypes.DWORD(), wintypes.DWORD()
see(E(w.WSARecv, ends.b, byref(buffer), 1, byref(n), byref(flags), None, None)), see(ran())
ended(t)
row("L1", "select")
fresh()
t = poking(lambda: feed(b"x"))
see(E(w.select, 0, byref(of(ends.b)), None, None, byref(soon))), see(ran())
ended(t)
row("L2", "WSAPoll")
fresh()
poll = WSAPOLLFD(ends.b, POLLIN)
t = poking(lambda: feed(b"x"))
see(E(w.WSAPoll, byref(poll), 1, ROOM)), see(ran())
ended(t)
drain()
row("L2", "accept")
fresh()
s, address = listener()
t = poking(lambda: connects(address))
see(S(w.accept, s, None, None)), see(ran())
ended(t)
w.closesocket(s)
drain()
row("L2", "send of 4 MiB")
fresh()
t = poking(drinks)
num(w.send(ends.b, big, len(big), 0) == len(big)), see(ran())
ended(t)
drain()
row("L3", "APC queued beforehand, data there")
fresh()
here(b"x")
q("1")
recv(), see(ran())
drain()
row("L3", "APC queued beforehand, nothing there")
t = late(b"x")
q("1")
recv(), see(ran())
ended(t)
row("L4", "non-blocking recv")
nonblock(ends.b, 1)
q("1")
recv(), see(ran())
drain()
row("L4", "select, no time; ready at once")
q("1")
see(E(w.select, 0, byref(of(ends.b)), None, None, byref(TIMEVAL(0, 0)))), see(ran())
see(E(w.select, 0, None, byref(of(ends.b)), None, byref(soon))), see(ran())
drain()
row("L5", "an APC that sends on the peer")
fresh()
k.QueueUserAPC(apc_feed, k.GetCurrentThread(), 0)
recv(), see(ran())
row("L5", "SO_RCVTIMEO with an APC")
fresh()
w.setsockopt(ends.b, SOL_SOCKET, 0x1006, byref(wintypes.DWORD(300)), 4)
t = poking(lambda: None)
recv(), see(ran())
ended(t)
drain()
row("L5", "SO_RCVTIMEO and an overlapped receive")
orecv(ends.b, p, None, 16)
k.Sleep(400)
see(nm(p.o.Internal))
row("L6", "closed by another thread: recv")
fresh()
t = closer(ends.b)
recv()
ended(t)
row("L6", "closed by another thread: accept")
s, _ = listener()
t = closer(s)
see(S(w.accept, s, None, None))
ended(t)
row("L6", "closed by another thread: select, read")
fresh()
one = of(ends.b)
t = closer(ends.b)
see(E(w.select, 0, byref(one), None, None, byref(soon))), num(one.fd_count)
ended(t)
row("L6", "closed by another thread: select, except")
fresh()
one = of(ends.b)
t = closer(ends.b)
see(E(w.select, 0, None, None, byref(one), byref(soon)))
ended(t)
row("L6", "closed by another thread: WSAPoll")
fresh()
poll = WSAPOLLFD(ends.b, POLLIN)
t = closer(ends.b)
see(E(w.WSAPoll, byref(poll), 1, ROOM)), num(poll.revents)
ended(t)
finish()
