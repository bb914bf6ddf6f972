# ruff: noqa - written as for Windows
"""Overlapped receives on several sockets, served by WaitForMultipleObjects and WSAWaitForMultipleEvents."""

import ctypes
from ctypes import wintypes

ws2_32, kernel32 = ctypes.windll.ws2_32, ctypes.windll.kernel32
AF_INET, SOCK_DGRAM = 2, 2
WSA_IO_PENDING, WSA_IO_INCOMPLETE = 997, 996
WAIT_OBJECT_0, WAIT_TIMEOUT = 0, 258
COUNT = 4

ws2_32.WSACreateEvent.restype = wintypes.HANDLE
ws2_32.WSACloseEvent.argtypes = [wintypes.HANDLE]
kernel32.WaitForMultipleObjects.argtypes = [
    wintypes.DWORD,
    ctypes.POINTER(wintypes.HANDLE),
    wintypes.BOOL,
    wintypes.DWORD,
]
kernel32.WaitForMultipleObjects.restype = wintypes.DWORD
ws2_32.WSAWaitForMultipleEvents.restype = wintypes.DWORD


class WSABUF(ctypes.Structure):
    _fields_ = [("len", wintypes.ULONG), ("buf", ctypes.c_void_p)]


class WSAOVERLAPPED(ctypes.Structure):
    _fields_ = [
        ("Internal", wintypes.LPVOID),
        ("InternalHigh", wintypes.LPVOID),
        ("Offset", wintypes.DWORD),
        ("OffsetHigh", wintypes.DWORD),
        ("hEvent", wintypes.HANDLE),
    ]


class SOCKADDR_IN(ctypes.Structure):
    _fields_ = [
        ("sin_family", wintypes.SHORT),
        ("sin_port", wintypes.USHORT),
        ("sin_addr", ctypes.c_ubyte * 4),
        ("sin_zero", ctypes.c_char * 8),
    ]


class Receiver:
    def __init__(self):
        self.sock = ws2_32.socket(AF_INET, SOCK_DGRAM, 0)
        self.address = SOCKADDR_IN(AF_INET, 0, (127, 0, 0, 1))
        size = ctypes.c_int(ctypes.sizeof(self.address))
        assert ws2_32.bind(self.sock, ctypes.byref(self.address), size) == 0
        assert ws2_32.getsockname(self.sock, ctypes.byref(self.address), ctypes.byref(size)) == 0
        self.event = ws2_32.WSACreateEvent()
        self.overlapped = WSAOVERLAPPED(hEvent=self.event)
        self.room = (ctypes.c_char * 100)()
        self.buffer = WSABUF(100, ctypes.addressof(self.room))
        self.sender, self.sender_size = SOCKADDR_IN(), ctypes.c_int(16)
        self.flags = wintypes.DWORD()

    def start(self):
        self.flags.value = 0
        failed = ws2_32.WSARecvFrom(
            self.sock,
            ctypes.byref(self.buffer),
            1,
            None,
            ctypes.byref(self.flags),
            ctypes.byref(self.sender),
            ctypes.byref(self.sender_size),
            ctypes.byref(self.overlapped),
            None,
        )
        assert not failed or ws2_32.WSAGetLastError() == WSA_IO_PENDING, ws2_32.WSAGetLastError()

    def result(self):
        count, flags = wintypes.DWORD(), wintypes.DWORD()
        good = ws2_32.WSAGetOverlappedResult(
            self.sock, ctypes.byref(self.overlapped), ctypes.byref(count), False, ctypes.byref(flags)
        )
        return self.room[: count.value] if good else ws2_32.WSAGetLastError()


class WSADATA(ctypes.Structure):
    _fields_ = [("wVersion", wintypes.WORD), ("wHighVersion", wintypes.WORD), ("rest", ctypes.c_byte * 404)]


assert ws2_32.WSAStartup(wintypes.WORD(0x0202), ctypes.byref(WSADATA())) == 0
receivers = [Receiver() for _ in range(COUNT)]
handles = (wintypes.HANDLE * COUNT)(*[receiver.event for receiver in receivers])
for receiver in receivers:
    receiver.start()
print(kernel32.WaitForMultipleObjects(COUNT, handles, False, 0) == WAIT_TIMEOUT, receivers[0].result())
sender = ws2_32.socket(AF_INET, SOCK_DGRAM, 0)
seen = []
for turn, index in enumerate([2, 0, 3, 3, 1]):
    message = b"message %d for %d" % (turn, index)
    target = receivers[index].address
    assert ws2_32.sendto(sender, message, len(message), 0, ctypes.byref(target), ctypes.sizeof(target)) == len(message)
    which = kernel32.WaitForMultipleObjects(COUNT, handles, False, 10000) - WAIT_OBJECT_0
    seen.append((which, receivers[which].result()))
    assert bytes(receivers[which].sender.sin_addr) == b"\x7f\0\0\1"
    receivers[which].start()
    assert kernel32.WaitForMultipleObjects(COUNT, handles, False, 0) == WAIT_TIMEOUT  # the start has reset it
print(seen)
for receiver in receivers:
    target = receiver.address
    ws2_32.sendto(sender, b"all", 3, 0, ctypes.byref(target), ctypes.sizeof(target))
print(ws2_32.WSAWaitForMultipleEvents(COUNT, handles, True, 10000, False), [one.result() for one in receivers])
for receiver in receivers:
    ws2_32.closesocket(receiver.sock)
    ws2_32.WSACloseEvent(receiver.event)
ws2_32.closesocket(sender)
print(ws2_32.WSACleanup(), ws2_32.WSACleanup(), ws2_32.WSAGetLastError())
