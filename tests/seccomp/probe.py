"""A program that tells on stdout what it sees of its sockets; run natively and under layers, it must tell the same.

Usage: probe.py SCENARIO HOST PORT CLOSED_PORT. The server at PORT tells each client its name in a first line, then
echoes; a line "reset" makes it reset, "bye" makes it close.
"""

import ctypes
import errno
import os
import select
import socket
import struct
import sys
import threading
from collections.abc import Callable

libc = ctypes.CDLL(None, use_errno=True)
HOST, PORT, CLOSED = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
FAMILY = socket.AF_INET6 if ":" in HOST else socket.AF_INET
PATIENCE = 20_000  # milliseconds


def name(number: int) -> str:
    return errno.errorcode.get(number, str(number))


def events(mask: int) -> str:
    names = {"IN": 1, "PRI": 2, "OUT": 4, "ERR": 8, "HUP": 16, "RDHUP": 0x2000}
    return "|".join(word for word, bit in names.items() if mask & bit) or "-"


def poll(sock: socket.socket, wanted: int = select.POLLIN | select.POLLOUT | select.POLLRDHUP) -> str:
    poller = select.poll()
    poller.register(sock, wanted)
    found = poller.poll(PATIENCE)
    return events(found[0][1]) if found else "nothing"


def failed(sock: socket.socket) -> bool:
    """Whether poll ends, and with an error. (Which other events come with it depends on the moment.)"""
    return "ERR" in poll(sock, select.POLLOUT | select.POLLIN).split("|")


def raw_connect(descriptor: int, data: bytes | int, size: int) -> str:
    result = libc.connect(descriptor, data, size)
    return "0" if result == 0 else name(ctypes.get_errno())


def error(sock: socket.socket) -> str:
    return name(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))


def peer(sock: socket.socket) -> object:
    try:
        return sock.getpeername()[:2]
    except OSError as failure:
        return name(failure.errno or 0)


def line(sock: socket.socket) -> str:
    data = b""
    while not data.endswith(b"\n"):
        piece = sock.recv(1)
        if not piece:
            break
        data += piece
    return data.decode().rstrip("\n")


def made() -> socket.socket:
    return socket.socket(FAMILY)


def tell_connected(sock: socket.socket) -> None:
    """The names; the server must see the name that we see."""
    print("peer", peer(sock), "as asked", peer(sock) == (HOST, PORT))
    told = line(sock)
    host, port = sock.getsockname()[:2]
    print("server sees my name:", told == f"{host.removeprefix('::ffff:')} {port}", host)
    sock.sendall(b"some text\n")
    print("echo", line(sock))


def connected_blocking() -> None:
    with made() as sock:
        print("connect", name(sock.connect_ex((HOST, PORT))))
        print("error", error(sock))
        tell_connected(sock)
        print("again", name(sock.connect_ex((HOST, PORT))))


def connected_nonblocking() -> None:
    with made() as sock:
        sock.setblocking(False)
        print("connect", name(sock.connect_ex((HOST, PORT))))
        print("poll", poll(sock, select.POLLOUT), error(sock))
        print("second", name(sock.connect_ex((HOST, PORT))))
        print("third", name(sock.connect_ex((HOST, PORT))))
        sock.setblocking(True)
        tell_connected(sock)


def connected_edge_triggered() -> None:
    with made() as sock, select.epoll() as epoll:
        sock.setblocking(False)
        print("connect", name(sock.connect_ex((HOST, PORT))))
        epoll.register(sock, select.EPOLLOUT | select.EPOLLET)
        print([events(mask) for _, mask in epoll.poll(PATIENCE / 1000)])
        sock.setblocking(True)
        tell_connected(sock)


def refused_blocking() -> None:
    with made() as sock:
        for _ in range(2):
            print("connect", name(sock.connect_ex((HOST, CLOSED))), "then", error(sock), peer(sock))
        print("connect", name(sock.connect_ex((HOST, PORT))))
        tell_connected(sock)


def refused_nonblocking() -> None:
    with made() as sock:
        sock.setblocking(False)
        print("connect", name(sock.connect_ex((HOST, CLOSED))))
        print("failed", failed(sock))
        print("error", error(sock), "then", error(sock), peer(sock))
        print("again", name(sock.connect_ex((HOST, CLOSED))))
        print("and again", name(sock.connect_ex((HOST, PORT))))
        print("poll", poll(sock, select.POLLOUT), error(sock))
        sock.setblocking(True)
        tell_connected(sock)


def refused_asked_by_connect() -> None:
    with made() as sock:
        sock.setblocking(False)
        print("connect", name(sock.connect_ex((HOST, CLOSED))))
        print("failed", failed(sock))
        print("second", name(sock.connect_ex((HOST, CLOSED))))
        print("third", name(sock.connect_ex((HOST, PORT))))
        print("poll", poll(sock, select.POLLOUT), error(sock))


def refused_many() -> None:
    """Nobody may ever see another error than the true one."""
    seen: dict[str, int] = {}
    with select.epoll() as epoll:
        for _ in range(300):
            with made() as sock:
                sock.setblocking(False)
                sock.connect_ex((HOST, CLOSED))
                epoll.register(sock, select.EPOLLOUT)
                epoll.poll(PATIENCE / 1000)
                word = error(sock)
                seen[word] = seen.get(word, 0) + 1
    print(seen)


def disconnect() -> None:
    with made() as sock:
        sock.connect((HOST, PORT))
        line(sock)
        print("unspecified", raw_connect(sock.fileno(), struct.pack("=H26x", socket.AF_UNSPEC), 28), peer(sock))
        print("connect", name(sock.connect_ex((HOST, PORT))))
        tell_connected(sock)


def bad_arguments() -> None:
    if FAMILY == socket.AF_INET:
        good = struct.pack("=H", FAMILY) + PORT.to_bytes(2) + socket.inet_pton(FAMILY, HOST) + bytes(8)
        other = struct.pack("=H", socket.AF_INET6) + good[2:] + bytes(12)
    else:
        good = struct.pack("=H", FAMILY) + PORT.to_bytes(2) + bytes(4) + socket.inet_pton(FAMILY, HOST) + bytes(4)
        other = struct.pack("=H", socket.AF_INET) + good[2:]
    reader, writer = os.pipe()
    with made() as sock:
        number = sock.fileno()
        for what, descriptor, data, size in (
            ("not a socket", reader, good, len(good)),
            ("no descriptor", 999, good, len(good)),
            ("bad pointer", number, 1, len(good)),
            ("no size", number, good, 0),
            ("one byte", number, good, 1),
            ("short", number, good, 8),
            ("too long", number, good + bytes(200), 200),
            ("negative", number, good, -1),
            ("other family", number, other, len(other)),
            ("unix family", number, struct.pack("=H", socket.AF_UNIX) + bytes(26), 28),
        ):
            print(what, raw_connect(descriptor, data, size))
        print("poll", poll(sock))
        print("longer than needed", raw_connect(number, good + bytes(50), 78))
        tell_connected(sock)
    os.close(reader)
    os.close(writer)


def bad_name_arguments() -> None:
    with made() as sock:
        sock.connect((HOST, PORT))
        for call in (libc.getpeername, libc.getsockname):
            for room in (0, 4, 16, 28, 128, -1):
                buffer, size = ctypes.create_string_buffer(b"\xee" * 128, 128), ctypes.c_int(room)
                result = call(sock.fileno(), buffer, ctypes.byref(size))
                untouched = buffer.raw[max(room, 0) :] == b"\xee" * (128 - max(room, 0))
                print(room, result, name(ctypes.get_errno()) if result else "", size.value, untouched)
            ctypes.set_errno(0)
            print(call(sock.fileno(), 1, ctypes.byref(ctypes.c_int(28))), name(ctypes.get_errno()))
            print(call(sock.fileno(), ctypes.create_string_buffer(28), 1), name(ctypes.get_errno()))


def unconnected_names() -> None:
    with made() as sock:
        print(peer(sock), sock.getsockname()[1], error(sock), poll(sock))
        sock.bind((HOST, 0))
        print(peer(sock), sock.getsockname()[0], sock.getsockname()[1] != 0)
        sock.listen()
        print("listening", name(sock.connect_ex((HOST, PORT))))
        with made() as client:
            client.connect(sock.getsockname()[:2])
            accepted, address = sock.accept()
            with accepted:
                print("accepted", accepted.getpeername() == client.getsockname() == address)


def half_close() -> None:
    with made() as sock:
        sock.connect((HOST, PORT))
        line(sock)
        sock.sendall(b"first\nsecond\n")
        sock.shutdown(socket.SHUT_WR)
        data = b""
        while piece := sock.recv(4096):
            data += piece
        print(data)
        try:
            sock.send(b"more")
        except OSError as failure:
            print("send after shutdown", name(failure.errno or 0))


def reset_by_server() -> None:
    with made() as sock:
        sock.connect((HOST, PORT))
        line(sock)
        sock.sendall(b"reset\n")
        try:
            print("recv", sock.recv(100))
        except OSError as failure:
            print("recv", name(failure.errno or 0))
        try:
            print("recv", sock.recv(100))
        except OSError as failure:
            print("recv", name(failure.errno or 0))


def closed_by_server() -> None:
    with made() as sock:
        sock.connect((HOST, PORT))
        line(sock)
        sock.sendall(b"bye\n")
        print("recv", sock.recv(100), sock.recv(100), "poll", poll(sock, select.POLLIN | select.POLLRDHUP))
        print("peer", peer(sock))


def bound() -> None:
    """A source address of the program's own choice."""
    with made() as sock:
        source = "127.0.0.2" if FAMILY == socket.AF_INET else "::1"
        sock.bind((source, 0))
        mine = sock.getsockname()[1]
        sock.connect((HOST, PORT))
        print("still my port", sock.getsockname()[1] == mine, sock.getsockname()[0])
        print("server sees my host", line(sock).split()[0])


def any_address() -> None:
    with made() as sock:
        sock.connect(("0.0.0.0" if FAMILY == socket.AF_INET else "::", PORT))
        print(peer(sock), line(sock).split()[0])


def unreachable() -> None:
    where = "255.255.255.255" if FAMILY == socket.AF_INET else "ff02::1%lo"
    for blocking in (True, False):
        with made() as sock:
            sock.setblocking(blocking)
            address = socket.getaddrinfo(where, PORT, FAMILY, socket.SOCK_STREAM)[0][4]
            print(name(sock.connect_ex(address)), error(sock))


def mapped() -> None:
    """IPv6 sockets on their way to an IPv4 host."""
    for blocking in (True, False):
        with socket.socket(socket.AF_INET6) as sock:
            sock.setblocking(blocking)
            print(name(sock.connect_ex((f"::ffff:{HOST}", PORT))))
            print("poll", poll(sock, select.POLLOUT), error(sock))
            sock.setblocking(True)
            print(peer(sock), sock.getsockname()[0], line(sock).split()[0])
        with socket.socket(socket.AF_INET6) as sock:
            sock.setblocking(blocking)
            print(name(sock.connect_ex((f"::ffff:{HOST}", CLOSED))))
            print("" if blocking else (failed(sock), error(sock)))
        with socket.socket(socket.AF_INET6) as sock:
            sock.setblocking(blocking)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            print("IPv6 only", name(sock.connect_ex((f"::ffff:{HOST}", PORT))))


def other_thread() -> None:
    def work() -> None:
        with made() as sock:
            sock.connect((HOST, PORT))
            tell_connected(sock)

    for _ in range(3):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()


def forked() -> None:
    with made() as sock:
        child = os.fork()
        if child == 0:
            sock.connect((HOST, PORT))
            os._exit(0)
        os.waitpid(child, 0)
        tell_connected(sock)
    with made() as sock:
        sock.connect((HOST, PORT))
        child = os.fork()
        if child == 0:
            tell_connected(sock)
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(child, 0)
        sock.sendall(b"after\n")
        print(line(sock))


def moved() -> None:
    """A socket that changes its descriptor while it connects."""
    for port in (PORT, CLOSED):
        with made() as sock:
            sock.setblocking(False)
            print(name(sock.connect_ex((HOST, port))))
            with sock.dup() as other:
                sock.close()
                print(poll(other, select.POLLOUT) if port == PORT else failed(other), error(other))


def datagrams() -> None:
    with socket.socket(FAMILY, socket.SOCK_DGRAM) as one, socket.socket(FAMILY, socket.SOCK_DGRAM) as two:
        one.bind((HOST, 0))
        two.sendto(b"by sendto", one.getsockname())
        print(one.recv(100))
        two.connect(one.getsockname())
        two.send(b"by send")
        print(one.recv(100), two.getpeername() == one.getsockname())
        two.sendmsg([b"by ", b"sendmsg"])
        print(one.recv(100))


def accepted() -> None:
    with made() as server, made() as client:
        server.bind((HOST, 0))
        server.listen()
        client.setblocking(False)
        print(name(client.connect_ex(server.getsockname()[:2])))
        server.accept()[0].close()
        print(client.recv(1) if poll(client, select.POLLIN) else "nothing")


def local_sockets() -> None:
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(f"\0probe-{os.getpid()}")
        server.listen()
        client.connect(server.getsockname())
        accepted, _ = server.accept()
        with accepted:
            credentials = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            print("my own credentials", struct.unpack("3i", credentials)[0] == os.getpid())


SCENARIOS: dict[str, Callable[[], None]] = {
    key: value
    for key, value in list(globals().items())
    if callable(value) and getattr(value, "__module__", "") == "__main__"
}

if __name__ == "__main__":
    SCENARIOS[sys.argv[1]]()
