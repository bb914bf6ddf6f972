# ruff: noqa - written as for Windows
"""An echo server on a completion port with two workers, and blocking clients beside it."""

import ctypes
import threading
from ctypes import POINTER, Structure, Union, byref, c_char_p, c_int, c_void_p, create_string_buffer, sizeof, wintypes

ws2_32 = ctypes.WinDLL("ws2_32", use_last_error=True)
kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)

SOCKET = ctypes.c_size_t
ULONG_PTR = ctypes.c_size_t
INVALID_SOCKET = SOCKET(-1).value
INVALID_HANDLE_VALUE = wintypes.HANDLE(-1).value
AF_INET, SOCK_STREAM, IPPROTO_TCP = 2, 1, 6
WSA_FLAG_OVERLAPPED = 1
WSA_IO_PENDING = 997
INFINITE = 0xFFFFFFFF
CLIENTS, ROUNDS = 6, 20


class WSADATA(Structure):
    _fields_ = [
        ("wVersion", wintypes.WORD),
        ("wHighVersion", wintypes.WORD),
        ("iMaxSockets", ctypes.c_ushort),
        ("iMaxUdpDg", ctypes.c_ushort),
        ("lpVendorInfo", c_char_p),
        ("szDescription", ctypes.c_char * 257),
        ("szSystemStatus", ctypes.c_char * 129),
    ]


class IN_ADDR(Structure):
    _fields_ = [("s_addr", wintypes.ULONG)]


class SOCKADDR_IN(Structure):
    _fields_ = [
        ("sin_family", ctypes.c_short),
        ("sin_port", ctypes.c_ushort),
        ("sin_addr", IN_ADDR),
        ("sin_zero", ctypes.c_char * 8),
    ]


class WSABUF(Structure):
    _fields_ = [("len", wintypes.ULONG), ("buf", c_char_p)]


class _POSITION(Structure):
    _fields_ = [("Offset", wintypes.DWORD), ("OffsetHigh", wintypes.DWORD)]


class _WHERE(Union):
    _anonymous_ = ["position"]
    _fields_ = [("position", _POSITION), ("Pointer", c_void_p)]


class OVERLAPPED(Structure):
    _anonymous_ = ["where"]
    _fields_ = [("Internal", ULONG_PTR), ("InternalHigh", ULONG_PTR), ("where", _WHERE), ("hEvent", wintypes.HANDLE)]


def checked(result, function, arguments):
    if result == -1:
        raise ctypes.WinError(ctypes.get_last_error())
    return result


def checked_socket(result, function, arguments):
    if result == INVALID_SOCKET:
        raise ctypes.WinError(ctypes.get_last_error())
    return result


ws2_32.WSASocketW.argtypes = [c_int, c_int, c_int, c_void_p, wintypes.DWORD, wintypes.DWORD]
ws2_32.WSASocketW.restype = SOCKET
ws2_32.WSASocketW.errcheck = checked_socket
ws2_32.accept.argtypes = [SOCKET, c_void_p, POINTER(c_int)]
ws2_32.accept.restype = SOCKET
ws2_32.accept.errcheck = checked_socket
for name, arguments in {
    "bind": [SOCKET, POINTER(SOCKADDR_IN), c_int],
    "listen": [SOCKET, c_int],
    "connect": [SOCKET, POINTER(SOCKADDR_IN), c_int],
    "getsockname": [SOCKET, POINTER(SOCKADDR_IN), POINTER(c_int)],
    "closesocket": [SOCKET],
    "send": [SOCKET, c_char_p, c_int, c_int],
    "recv": [SOCKET, c_void_p, c_int, c_int],
    "shutdown": [SOCKET, c_int],
}.items():
    getattr(ws2_32, name).argtypes = arguments
    getattr(ws2_32, name).errcheck = checked
ws2_32.WSARecv.argtypes = [
    SOCKET,
    POINTER(WSABUF),
    wintypes.DWORD,
    POINTER(wintypes.DWORD),
    POINTER(wintypes.DWORD),
    POINTER(OVERLAPPED),
    c_void_p,
]
ws2_32.WSASend.argtypes = [
    SOCKET,
    POINTER(WSABUF),
    wintypes.DWORD,
    POINTER(wintypes.DWORD),
    wintypes.DWORD,
    POINTER(OVERLAPPED),
    c_void_p,
]
ws2_32.htons.restype = ctypes.c_ushort
ws2_32.inet_addr.argtypes = [c_char_p]
ws2_32.inet_addr.restype = wintypes.ULONG
kernel32.CreateIoCompletionPort.argtypes = [wintypes.HANDLE, wintypes.HANDLE, ULONG_PTR, wintypes.DWORD]
kernel32.CreateIoCompletionPort.restype = wintypes.HANDLE
kernel32.GetQueuedCompletionStatus.argtypes = [
    wintypes.HANDLE,
    POINTER(wintypes.DWORD),
    POINTER(ULONG_PTR),
    POINTER(POINTER(OVERLAPPED)),
    wintypes.DWORD,
]
kernel32.GetQueuedCompletionStatus.restype = wintypes.BOOL
kernel32.PostQueuedCompletionStatus.argtypes = [wintypes.HANDLE, wintypes.DWORD, ULONG_PTR, POINTER(OVERLAPPED)]


class Connection:
    """One accepted socket: a receive, then the echo of what came, then the next receive."""

    def __init__(self, sock, key):
        self.sock, self.key = sock, key
        self.room = create_string_buffer(4096)
        self.buffer = WSABUF()
        self.overlapped = OVERLAPPED()
        self.receiving = False

    def start(self, function, size, flags):
        self.buffer.len = size
        self.buffer.buf = ctypes.cast(self.room, c_char_p)
        ctypes.memset(byref(self.overlapped), 0, sizeof(OVERLAPPED))
        if function(self.sock, byref(self.buffer), 1, None, flags, byref(self.overlapped), None):
            code = ctypes.get_last_error()
            if code != WSA_IO_PENDING:
                raise ctypes.WinError(code)

    def receive(self):
        self.receiving = True
        self.start(ws2_32.WSARecv, sizeof(self.room), byref(wintypes.DWORD()))

    def echo(self, count):
        self.receiving = False
        self.start(ws2_32.WSASend, count, 0)


connections = {}
served = []
ended = threading.Semaphore(0)


def serve(port):
    count, key, pointer = wintypes.DWORD(), ULONG_PTR(), POINTER(OVERLAPPED)()
    while True:
        good = kernel32.GetQueuedCompletionStatus(port, byref(count), byref(key), byref(pointer), INFINITE)
        if not good and not pointer:
            raise ctypes.WinError(ctypes.get_last_error())
        if key.value == 0:
            return
        connection = connections[key.value]
        assert ctypes.addressof(pointer.contents) == ctypes.addressof(connection.overlapped)
        if not good or (connection.receiving and count.value == 0):
            ws2_32.closesocket(connection.sock)
            ended.release()
        elif connection.receiving:
            served.append(count.value)
            connection.echo(count.value)
        else:
            connection.receive()


def talk(address, number, results):
    sock = ws2_32.WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, None, 0, 0)
    ws2_32.connect(sock, byref(address), sizeof(address))
    room = create_string_buffer(4096)
    good = 0
    for turn in range(ROUNDS):
        message = b"%d:%d" % (number, turn) + b"." * (turn * 50)
        ws2_32.send(sock, message, len(message), 0)
        got = b""
        while len(got) < len(message):
            count = ws2_32.recv(sock, room, len(message) - len(got), 0)
            got += room.raw[:count]
        good += got == message
    ws2_32.closesocket(sock)
    results.append(good)


data = WSADATA()
if ws2_32.WSAStartup(0x0202, byref(data)):
    raise SystemExit("no Winsock")
listener = ws2_32.WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, None, 0, WSA_FLAG_OVERLAPPED)
address = SOCKADDR_IN(AF_INET, 0, IN_ADDR(ws2_32.inet_addr(b"127.0.0.1")))
ws2_32.bind(listener, byref(address), sizeof(address))
ws2_32.getsockname(listener, byref(address), byref(c_int(sizeof(address))))
ws2_32.listen(listener, CLIENTS)
port = kernel32.CreateIoCompletionPort(INVALID_HANDLE_VALUE, None, 0, 2)
workers = [threading.Thread(target=serve, args=(port,)) for _ in range(2)]
results = []
clients = [threading.Thread(target=talk, args=(address, number, results)) for number in range(CLIENTS)]
for thread in workers + clients:
    thread.start()
for key in range(1, CLIENTS + 1):
    sock = ws2_32.accept(listener, None, None)
    connections[key] = Connection(sock, key)
    if kernel32.CreateIoCompletionPort(sock, port, key, 0) != port:
        raise ctypes.WinError(ctypes.get_last_error())
    connections[key].receive()
for thread in clients:
    thread.join(30)
for _ in range(CLIENTS):
    assert ended.acquire(timeout=30)
for _ in workers:
    kernel32.PostQueuedCompletionStatus(port, 0, 0, None)
for thread in workers:
    thread.join(30)
kernel32.CloseHandle(port)
ws2_32.closesocket(listener)
print("clients", results, "bytes", sum(served))
print("cleanup", ws2_32.WSACleanup())
