"""What scripts do with ctypes beyond byref: structures with names of their own, a record that begins with its
OVERLAPPED, objects for POINTER parameters, `_as_parameter_`, and prototypes with named parameters and results."""

import ctypes
from ctypes import POINTER, Structure, Union, addressof, byref, c_int, c_size_t, c_void_p, pointer, sizeof, wintypes

ws2_32 = ctypes.WinDLL("ws2_32")
kernel32 = ctypes.WinDLL("kernel32")


class Offsets(Structure):
    _fields_ = [("low", wintypes.DWORD), ("high", wintypes.DWORD)]


class OffsetOrPointer(Union):
    _fields_ = [("offsets", Offsets), ("pointer", c_void_p)]


class Overlapped(Structure):  # no field has the name that the headers give it
    _fields_ = [("status", c_size_t), ("count", c_size_t), ("place", OffsetOrPointer), ("event", wintypes.HANDLE)]


class Buffer(Structure):
    _fields_ = [("length", wintypes.ULONG), ("data", c_void_p)]


class Entry(Structure):
    _fields_ = [("key", c_size_t), ("overlapped", c_void_p), ("status", c_size_t), ("count", wintypes.DWORD)]


class Address(Structure):
    _fields_ = [("family", ctypes.c_short), ("port", ctypes.c_ushort), ("ip", ctypes.c_ubyte * 4), ("rest", c_size_t)]


class Seconds(Structure):
    _fields_ = [("whole", ctypes.c_long), ("micro", ctypes.c_long)]


class Sockets(Structure):
    _fields_ = [("count", ctypes.c_uint), ("array", c_size_t * 64)]


class Request(Structure):
    """The OVERLAPPED comes first, so a pointer to the request is a pointer to it."""

    _fields_ = [("overlapped", Overlapped), ("buffer", Buffer), ("room", ctypes.c_char * 32), ("number", c_int)]

    def __init__(self, number):
        super().__init__(number=number)
        self.buffer = Buffer(Request.room.size, addressof(self) + Request.room.offset)


class Socket:
    """A socket that can be passed where a SOCKET is wanted."""

    def __init__(self, handle):
        self._as_parameter_ = handle


ws2_32.WSAStartup.argtypes = [wintypes.WORD, c_void_p]
assert ws2_32.WSAStartup(0x0202, ctypes.create_string_buffer(512)) == 0
ws2_32.socket.restype = ws2_32.accept.restype = c_size_t
kernel32.CreateIoCompletionPort.restype = wintypes.HANDLE
ws2_32.getsockname.argtypes = [c_size_t, POINTER(Address), POINTER(c_int)]

# Objects where the declared type is a pointer to them.
listener = ws2_32.socket(2, 1, 6)
address, length = Address(2, 0, (127, 0, 0, 1)), c_int(sizeof(Address))
assert ws2_32.bind(listener, byref(address), sizeof(address)) == 0
assert ws2_32.listen(listener, 5) == 0
assert ws2_32.getsockname(listener, address, length) == 0
print(address.port != 0, length.value)

client = Socket(c_size_t(ws2_32.socket(2, 1, 6)))
assert ws2_32.connect(client, byref(address), sizeof(address)) == 0
server = Socket(ws2_32.accept(Socket(listener), None, None))
count = wintypes.ULONG(99)
ws2_32.ioctlsocket.argtypes = [c_size_t, ctypes.c_long, POINTER(wintypes.ULONG)]
assert ws2_32.ioctlsocket(server, 0x4004667F, count) == 0  # FIONREAD
print("nothing to read:", count.value)

# Requests on a completion port, each given in another way, found again through another.
key = 0x1_0000_0007
port = kernel32.CreateIoCompletionPort(wintypes.HANDLE(server._as_parameter_), None, c_size_t(key), 0)
flags = wintypes.DWORD()
for number, form in enumerate(
    [byref, pointer, lambda request: byref(request.overlapped), lambda r: c_void_p(addressof(r))]
):
    request, done = Request(number), POINTER(Request)()
    assert ws2_32.WSARecv(server, byref(request.buffer), 1, None, byref(flags), form(request), None) == -1
    assert ws2_32.WSAGetLastError() == 997
    assert request.overlapped.status == 0x103
    assert ws2_32.send(client, b"to %d" % number, 4, 0) == 4
    found = c_size_t()
    assert kernel32.GetQueuedCompletionStatus(port, byref(count), byref(found), byref(done), 10_000)
    print(done.contents.number, done.contents.room, request.overlapped.count, found.value == key)

request, entries = Request(9), (Entry * 2)()
ws2_32.WSARecv(server, byref(request.buffer), 1, None, byref(flags), byref(request), None)
ws2_32.send(client, b"entry", 5, 0)
assert kernel32.GetQueuedCompletionStatusEx(port, entries, 2, byref(count), 10_000, False)
print(count.value, entries[0].count, entries[0].overlapped == addressof(request), entries[0].key == key)

pieces = [ctypes.create_string_buffer(text, len(text)) for text in (b"several ", b"buffers")]
buffers = (Buffer * 2)(*((len(piece), addressof(piece)) for piece in pieces))
assert ws2_32.WSASend(client, buffers, 2, byref(count), 0, None, None) == 0
ready = Sockets(1, (c_size_t * 64)(server._as_parameter_))
assert ws2_32.select(0, byref(ready), None, None, byref(Seconds(10))) == 1

# A prototype with names, a default and a result.
recv = ctypes.WINFUNCTYPE(c_int, c_size_t, ctypes.c_char_p, c_int, c_int)(
    ("recv", ws2_32), ((1, "s"), (1, "buf"), (1, "len", 64), (1, "flags", 0))
)
query = ctypes.WINFUNCTYPE(c_int, c_size_t, c_int, c_int, POINTER(c_int), POINTER(c_int))(
    ("getsockopt", ws2_32), ((1, "s"), (1, "level", 0xFFFF), (1, "name"), (2, "value"), (3, "length"))
)
room = ctypes.create_string_buffer(64)
print(recv(server, buf=room), room.value)
value, _ = query(s=server, name=0x1008, length=c_int(4))  # SO_TYPE
print("type", value)

assert ws2_32.closesocket(client) == ws2_32.closesocket(server) == ws2_32.closesocket(Socket(listener)) == 0
assert kernel32.CloseHandle(port)
print(ws2_32.WSACleanup())
