# ruff: noqa - written as for Windows
"""A provider with handles of its own (WPUCreateSocketHandle) and contexts, whose clients use them as files.

The provider sends everything back in capitals. On Windows it would be a DLL that an installer has put into the catalog;
`ws2spi.install_provider` stands for that, and is the only line that is not Windows'.
"""

import ctypes
import os
import threading
from ctypes import wintypes

ws2_32 = ctypes.windll.ws2_32
kernel32 = ctypes.windll.kernel32
SOCKET_ERROR, INVALID_SOCKET = -1, 0xFFFFFFFFFFFFFFFF
WSAENOTSOCK, WSA_IO_PENDING, WSAEOPNOTSUPP = 10038, 997, 10045
DWORD_PTR = ctypes.c_size_t

for name in ("WPUCreateSocketHandle", "WSASocketW"):
    getattr(ws2_32, name).restype = DWORD_PTR
ws2_32.WPUQuerySocketHandleContext.argtypes = [DWORD_PTR, ctypes.POINTER(DWORD_PTR), ctypes.POINTER(ctypes.c_int)]


class Conversation:
    """What a context value stands for."""

    def __init__(self):
        self.bytes = b""
        self.waiting = []
        self.closed = False


class Provider:
    def __init__(self):
        self.contexts = {}
        self.lock = threading.RLock()

    def WSPStartup(self, version, data, info, upcalls, table):
        self.upcalls = upcalls
        self.entry_id = info.contents.dwCatalogEntryId
        data.contents.wVersion = data.contents.wHighVersion = version
        for name in type(table.contents).__slots__:
            setattr(table.contents, name, getattr(self, name[2:], self.unsupported))
        return 0

    @staticmethod
    def unsupported(*arguments):
        arguments[-1].contents.value = WSAEOPNOTSUPP
        return SOCKET_ERROR

    def WSPCleanup(self, code):
        return 0

    def WSPSocket(self, af, type_, protocol, info, group, flags, code):
        conversation = Conversation()
        context = 0x1000 + len(self.contexts)
        self.contexts[context] = conversation
        return self.upcalls.lpWPUCreateSocketHandle(self.entry_id, context, code)

    def find(self, sock, code):
        context = DWORD_PTR()
        if self.upcalls.lpWPUQuerySocketHandleContext(sock, ctypes.byref(context), code):
            return None
        return self.contexts[context.value]

    def WSPCloseSocket(self, sock, code):
        conversation = self.find(sock, code)
        if conversation is None:
            return SOCKET_ERROR
        conversation.closed = True
        return self.upcalls.lpWPUCloseSocketHandle(sock, code)

    def WSPSend(self, sock, buffers, count, sent, flags, overlapped, routine, thread, code):
        conversation = self.find(sock, code)
        if conversation is None:
            return SOCKET_ERROR
        data = b"".join(ctypes.string_at(buffer.buf, buffer.len) for buffer in buffers[:count])
        with self.lock:
            conversation.bytes += data.upper()
            waiting, conversation.waiting = conversation.waiting, []
        if sent:
            sent.contents.value = len(data)
        if overlapped:
            self.complete(sock, overlapped, len(data))
        for again in waiting:
            again()
        return 0

    def WSPRecv(self, sock, buffers, count, received, flags, overlapped, routine, thread, code):
        conversation = self.find(sock, code)
        if conversation is None:
            return SOCKET_ERROR
        target = ctypes.cast(buffers[0].buf, ctypes.c_void_p).value
        size = buffers[0].len

        def serve():
            with self.lock:
                if not conversation.bytes:
                    conversation.waiting.append(serve_later)
                    return -1
                data, conversation.bytes = conversation.bytes[:size], conversation.bytes[size:]
            ctypes.memmove(target, data, len(data))
            return len(data)

        def serve_later():
            if (taken := serve()) >= 0:
                self.complete(sock, overlapped, taken)

        if overlapped:
            overlapped.contents.Internal = 0x103
        taken = serve()
        if taken < 0 and not overlapped:
            raise SystemExit("this script asks for what is there only")
        if taken < 0:
            code.contents.value = WSA_IO_PENDING
            return SOCKET_ERROR
        if received:
            received.contents.value = taken
        if overlapped:
            self.complete(sock, overlapped, taken)
        return 0

    def complete(self, sock, overlapped, count):
        overlapped.contents.Offset = overlapped.contents.OffsetHigh = 0
        code = ctypes.c_int()
        if ws2_32.WPUCompleteOverlappedRequest(sock, overlapped, 0, count, ctypes.byref(code)):
            raise SystemExit("WPUCompleteOverlappedRequest: %d" % code.value)

    def WSPGetOverlappedResult(self, sock, overlapped, count, wait, flags, code):
        if self.find(sock, code) is None:
            return 0
        count.contents.value = overlapped.contents.InternalHigh
        return 1


def install(provider):
    import uuid

    import ws2spi
    from ws2spi._runtime.catalog import CatalogEntry

    entry = CatalogEntry(2, 1, 6, "capitals", uuid.uuid4(), service_flags=0x66)
    return ws2spi.install_provider(provider.WSPStartup, [entry])[0].catalog_id


assert ws2_32.WSAStartup(0x0202, ctypes.create_string_buffer(512)) == 0
provider = Provider()
catalog_id = install(provider)
one, two = [ws2_32.WSASocketW(2, 1, 6, None, 0, 1) for _ in range(2)]
assert INVALID_SOCKET not in (one, two), ws2_32.WSAGetLastError()

# Contexts, and what has none.
context, code = DWORD_PTR(), ctypes.c_int()
for sock in (one, two):
    assert ws2_32.WPUQuerySocketHandleContext(sock, ctypes.byref(context), ctypes.byref(code)) == 0
    print(hex(context.value), end=" ")
print(ws2_32.WPUQuerySocketHandleContext(0, ctypes.byref(context), ctypes.byref(code)), code.value == WSAENOTSOCK)

# As files, beside the calls for sockets: what was written first arrives first.
room = ctypes.create_string_buffer(100)
for number, sock in ((1, one), (2, two)):
    os.write(sock, b"%d: written as a file, " % number)
    ws2_32.send(sock, b"sent", 4, 0)
    got = b""
    while not got.endswith(b"SENT"):
        count = ws2_32.recv(sock, room, 100, 0)
        got += room.raw[:count]
    print(got)

# A completion port on the provider's handle.
port = kernel32.CreateIoCompletionPort(-1, None, 0, 0)
assert kernel32.CreateIoCompletionPort(one, port, 42, 0) == port
buffer = ws2_32.WSABUF(100, ctypes.addressof(room))
overlapped = ws2_32.WSAOVERLAPPED()
flags = wintypes.DWORD()
pending = ws2_32.WSARecv(one, ctypes.byref(buffer), 1, None, ctypes.byref(flags), ctypes.byref(overlapped), None)
assert pending and ws2_32.WSAGetLastError() == WSA_IO_PENDING
os.write(one, b"through the port")
count, key, pointer = wintypes.DWORD(), DWORD_PTR(), ctypes.POINTER(ws2_32.WSAOVERLAPPED)()
assert kernel32.GetQueuedCompletionStatus(
    port, ctypes.byref(count), ctypes.byref(key), ctypes.byref(pointer), 10_000
), kernel32.GetLastError()
print(
    count.value, key.value, room.raw[: count.value], ctypes.addressof(pointer.contents) == ctypes.addressof(overlapped)
)
kernel32.CloseHandle(port)

# The end.
print(ws2_32.closesocket(one), ws2_32.closesocket(one), ws2_32.WSAGetLastError() == WSAENOTSOCK)
os.close(two)
print(ws2_32.WSACleanup())
