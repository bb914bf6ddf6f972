# ruff: noqa - written as for Windows
"""A server that accepts with AcceptEx on a completion port, and clients that connect with ConnectEx on another."""

import ctypes
import threading
from ctypes import POINTER, Structure, byref, c_char, c_int, c_void_p, sizeof, wintypes

ws2_32 = ctypes.WinDLL("ws2_32", use_last_error=True)
kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
mswsock = ctypes.WinDLL("mswsock", use_last_error=True)

SOCKET = ctypes.c_size_t
ULONG_PTR = ctypes.c_size_t
INVALID_HANDLE_VALUE = wintypes.HANDLE(-1).value
INFINITE = 0xFFFFFFFF
WSA_IO_PENDING = 997
SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, SO_UPDATE_CONNECT_CONTEXT = 0xFFFF, 0x700B, 0x7010
SIO_GET_EXTENSION_FUNCTION_POINTER = 0xC8000006
TF_REUSE_SOCKET = 2
CLIENTS, TURNS, AREA, ROOM = 8, 3, 32, 4096


class GUID(Structure):
    _fields_ = [
        ("Data1", wintypes.DWORD),
        ("Data2", wintypes.WORD),
        ("Data3", wintypes.WORD),
        ("Data4", ctypes.c_ubyte * 8),
    ]


class OVERLAPPED(Structure):
    _fields_ = [
        ("Internal", ULONG_PTR),
        ("InternalHigh", ULONG_PTR),
        ("Offset", wintypes.DWORD),
        ("OffsetHigh", wintypes.DWORD),
        ("hEvent", wintypes.HANDLE),
    ]


class WSABUF(Structure):
    _fields_ = [("len", wintypes.ULONG), ("buf", c_void_p)]


class SOCKADDR_IN(Structure):
    _fields_ = [
        ("sin_family", ctypes.c_short),
        ("sin_port", ctypes.c_ushort),
        ("sin_addr", ctypes.c_ubyte * 4),
        ("sin_zero", c_char * 8),
    ]


ACCEPTEX = ctypes.WINFUNCTYPE(
    wintypes.BOOL,
    SOCKET,
    SOCKET,
    c_void_p,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.DWORD,
    POINTER(wintypes.DWORD),
    POINTER(OVERLAPPED),
)
CONNECTEX = ctypes.WINFUNCTYPE(
    wintypes.BOOL,
    SOCKET,
    POINTER(SOCKADDR_IN),
    c_int,
    c_void_p,
    wintypes.DWORD,
    POINTER(wintypes.DWORD),
    POINTER(OVERLAPPED),
)
DISCONNECTEX = ctypes.WINFUNCTYPE(wintypes.BOOL, SOCKET, POINTER(OVERLAPPED), wintypes.DWORD, wintypes.DWORD)
WSAID_ACCEPTEX = GUID(0xB5367DF1, 0xCBAC, 0x11CF, (0x95, 0xCA, 0x00, 0x80, 0x5F, 0x48, 0xA1, 0x92))
WSAID_CONNECTEX = GUID(0x25A207B9, 0xDDF3, 0x4660, (0x8E, 0xE9, 0x76, 0xE5, 0x8C, 0x74, 0x06, 0x3E))
WSAID_DISCONNECTEX = GUID(0x7FDA2E11, 0x8630, 0x436F, (0xA0, 0x31, 0xF5, 0x36, 0xA6, 0xEE, 0xC1, 0x57))

kernel32.CreateIoCompletionPort.restype = wintypes.HANDLE
kernel32.CreateIoCompletionPort.argtypes = [wintypes.HANDLE, wintypes.HANDLE, ULONG_PTR, wintypes.DWORD]
ws2_32.WSASocketW.restype = SOCKET


def check(failed):
    if failed:
        raise ctypes.WinError(ws2_32.WSAGetLastError())


def pending(started):
    check(not started and ws2_32.WSAGetLastError() != WSA_IO_PENDING)


def extension(sock, guid, prototype):
    pointer = c_void_p()
    check(
        ws2_32.WSAIoctl(
            SOCKET(sock),
            SIO_GET_EXTENSION_FUNCTION_POINTER,
            byref(guid),
            sizeof(guid),
            byref(pointer),
            sizeof(pointer),
            byref(wintypes.DWORD()),
            None,
            None,
        )
    )
    return prototype(pointer.value)


def new_socket(port, key):
    sock = ws2_32.WSASocketW(2, 1, 0, None, 0, 1)
    assert kernel32.CreateIoCompletionPort(sock, port, key, 0) == port
    return sock


class Slot(Structure):
    """An OVERLAPPED with what belongs to it behind it."""

    _fields_ = [("overlapped", OVERLAPPED), ("wsabuf", WSABUF), ("step", c_int), ("room", c_char * (ROOM + 2 * AREA))]

    @property
    def place(self):
        return ctypes.addressof(self) + Slot.room.offset

    def begin(self, step):
        ctypes.memset(byref(self.overlapped), 0, sizeof(OVERLAPPED))
        self.step = step
        return byref(self.overlapped)

    def send(self, data, step):
        ctypes.memmove(self.place, data, len(data))
        self.wsabuf = WSABUF(len(data), self.place)
        if ws2_32.WSASend(SOCKET(self.sock), byref(self.wsabuf), 1, None, 0, self.begin(step), None):
            pending(0)

    def recv(self, step):
        self.wsabuf = WSABUF(ROOM, self.place)
        flags = byref(wintypes.DWORD())
        if ws2_32.WSARecv(SOCKET(self.sock), byref(self.wsabuf), 1, None, flags, self.begin(step), None):
            pending(0)

    def data(self, count):
        return ctypes.string_at(self.place, count)


ACCEPTED, ANSWERED, CONNECTED, RECEIVED, GONE = range(5)
log = threading.Lock()
served, answers, peers = [], [], set()


def loop(port, slots, handle):
    """Get packets until one without an OVERLAPPED comes."""
    count, key, overlapped = wintypes.DWORD(), ULONG_PTR(), POINTER(OVERLAPPED)()
    while True:
        good = kernel32.GetQueuedCompletionStatus(
            wintypes.HANDLE(port), byref(count), byref(key), byref(overlapped), INFINITE
        )
        if not overlapped:
            return
        slot = slots[ctypes.addressof(overlapped.contents)]
        handle(slot, count.value if good else -1)


def accept_again(slot):
    pending(AcceptEx(listener, slot.sock, slot.place, ROOM, AREA, AREA, byref(wintypes.DWORD()), slot.begin(ACCEPTED)))


def at_the_server(slot, count):
    if count < 0:
        ws2_32.closesocket(SOCKET(slot.sock))
    elif slot.step == ACCEPTED:
        check(ws2_32.setsockopt(SOCKET(slot.sock), SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, byref(SOCKET(listener)), 8))
        local, remote, size = POINTER(SOCKADDR_IN)(), POINTER(SOCKADDR_IN)(), c_int()
        mswsock.GetAcceptExSockaddrs(
            c_void_p(slot.place), ROOM, AREA, AREA, byref(local), byref(size), byref(remote), byref(size)
        )
        assert local.contents.sin_port == address.sin_port and size.value == 16
        with log:
            peers.add(remote.contents.sin_port)
            served.append(count)
        slot.send(slot.data(count).upper(), ANSWERED)
    elif slot.step == ANSWERED:
        pending(DisconnectEx(slot.sock, slot.begin(GONE), TF_REUSE_SOCKET, 0))
    else:
        accept_again(slot)
        free.release()


def connect_again(slot):
    slot.turn += 1
    text = b"client %d, turn %d" % (slot.number, slot.turn)
    slot.text = ctypes.create_string_buffer(text, len(text))
    pending(
        ConnectEx(
            slot.sock,
            byref(address),
            sizeof(address),
            slot.text,
            len(text),
            byref(wintypes.DWORD()),
            slot.begin(CONNECTED),
        )
    )


def at_the_clients(slot, count):
    assert count >= 0
    if slot.step == CONNECTED:
        check(ws2_32.setsockopt(SOCKET(slot.sock), SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, None, 0))
        slot.recv(RECEIVED)
    elif slot.step == RECEIVED and count:
        with log:
            answers.append(slot.data(count))
        slot.recv(RECEIVED)  # until the server has ended the connection
    elif slot.step == RECEIVED:
        pending(DisconnectEx(slot.sock, slot.begin(GONE), TF_REUSE_SOCKET, 0))
    elif slot.turn < TURNS:
        connect_again(slot)
    else:
        ws2_32.closesocket(SOCKET(slot.sock))
        done.release()


check(ws2_32.WSAStartup(0x0202, byref(ctypes.create_string_buffer(512))))
server_port = kernel32.CreateIoCompletionPort(INVALID_HANDLE_VALUE, None, 0, 0)
client_port = kernel32.CreateIoCompletionPort(INVALID_HANDLE_VALUE, None, 0, 0)
listener = new_socket(server_port, 1)
address = SOCKADDR_IN(2, 0, (127, 0, 0, 1))
check(ws2_32.bind(SOCKET(listener), byref(address), sizeof(address)))
check(ws2_32.getsockname(SOCKET(listener), byref(address), byref(c_int(sizeof(address)))))
check(ws2_32.listen(SOCKET(listener), CLIENTS))
AcceptEx = extension(listener, WSAID_ACCEPTEX, ACCEPTEX)
ConnectEx = extension(listener, WSAID_CONNECTEX, CONNECTEX)
DisconnectEx = extension(listener, WSAID_DISCONNECTEX, DISCONNECTEX)

slots = [Slot() for _ in range(4)]
for slot in slots:
    slot.sock = new_socket(server_port, 2)
    accept_again(slot)
clients = [Slot() for _ in range(CLIENTS)]
for number, slot in enumerate(clients):
    slot.sock, slot.number, slot.turn = new_socket(client_port, 3), number, 0
    check(ws2_32.bind(SOCKET(slot.sock), byref(SOCKADDR_IN(2, 0, (127, 0, 0, 1))), sizeof(SOCKADDR_IN)))
done, free = threading.Semaphore(0), threading.Semaphore(0)
threads = [
    threading.Thread(target=loop, args=(port, {ctypes.addressof(slot): slot for slot in known}, handle))
    for port, known, handle in ((server_port, slots, at_the_server), (client_port, clients, at_the_clients))
]
for thread in threads:
    thread.start()
for slot in clients:
    connect_again(slot)
for _ in clients:
    assert done.acquire(timeout=30)
for _ in range(CLIENTS * TURNS):
    assert free.acquire(timeout=30)
check(ws2_32.closesocket(SOCKET(listener)))  # the pending AcceptEx calls end, and close their sockets
for port in (server_port, client_port):
    kernel32.PostQueuedCompletionStatus(wintypes.HANDLE(port), 0, 0, None)
for thread in threads:
    thread.join(30)
expected = sorted(b"CLIENT %d, TURN %d" % (number, turn) for number in range(CLIENTS) for turn in range(1, TURNS + 1))
print("served", len(served), "bytes", sum(served), sorted(answers) == expected)
print("cleanup", ws2_32.WSACleanup())
