# ruff: noqa - written as for Windows
"""Overlapped sends and receives with completion routines, driven by SleepEx: a file copied through a connection."""

from ctypes import *
from ctypes import wintypes
from hashlib import sha256

AF_INET, SOCK_STREAM = 2, 1
WSA_IO_PENDING, WSA_OPERATION_ABORTED = 997, 995
INFINITE = 0xFFFFFFFF
WAIT_IO_COMPLETION = 0xC0
ROOM = 8192
ws2 = windll.ws2_32
k32 = windll.kernel32


class WSABUF(Structure):
    _fields_ = [("len", c_ulong), ("buf", POINTER(c_char))]


class OVERLAPPED(Structure):
    _fields_ = [
        ("Internal", c_void_p),
        ("InternalHigh", c_void_p),
        ("Offset", wintypes.DWORD),
        ("OffsetHigh", wintypes.DWORD),
        ("hEvent", wintypes.HANDLE),
    ]


class Transfer(Structure):
    """An OVERLAPPED with what belongs to it behind it, as C programs have it."""

    _fields_ = [("overlapped", OVERLAPPED), ("buffer", WSABUF), ("number", c_int), ("room", c_char * ROOM)]


ROUTINE = WINFUNCTYPE(None, wintypes.DWORD, wintypes.DWORD, POINTER(OVERLAPPED), wintypes.DWORD)
source = bytes(i * i % 251 for i in range(300_000))
state = {"sent": 0, "position": 0, "received": [], "over": False, "codes": []}


def fail(what):
    raise SystemExit("%s: %d" % (what, ws2.WSAGetLastError()))


def post(function, sock, transfer, routine, flags):
    transfer.buffer.buf = cast(byref(transfer, Transfer.room.offset), POINTER(c_char))
    memset(byref(transfer), 0, sizeof(OVERLAPPED))
    if function(sock, byref(transfer.buffer), 1, None, flags, byref(transfer.overlapped), routine):
        if ws2.WSAGetLastError() != WSA_IO_PENDING:
            fail(function.__name__)


def send_next(transfer):
    piece = source[state["position"] : state["position"] + ROOM]
    if not piece:
        return
    state["position"] += len(piece)
    memmove(byref(transfer, Transfer.room.offset), piece, len(piece))
    transfer.buffer.len = len(piece)
    post(ws2.WSASend, client, transfer, sent, 0)


@ROUTINE
def sent(code, count, overlapped, flags):
    transfer = cast(overlapped, POINTER(Transfer)).contents  # CONTAINING_RECORD
    state["codes"].append(code)
    state["sent"] += count
    send_next(transfer)
    if state["sent"] == len(source):
        ws2.shutdown(client, 1)


@ROUTINE
def arrived(code, count, overlapped, flags):
    transfer = cast(overlapped, POINTER(Transfer)).contents
    state["codes"].append(code)
    if not count:
        state["over"] = True
        return
    state["received"].append(string_at(addressof(transfer) + Transfer.room.offset, count))
    receive(transfer)


def receive(transfer):
    transfer.buffer.len = ROOM
    post(ws2.WSARecv, server, transfer, arrived, byref(wintypes.DWORD(0)))


if ws2.WSAStartup(0x0202, create_string_buffer(512)):
    raise SystemExit("no Winsock")
listener = ws2.socket(AF_INET, SOCK_STREAM, 0)
address = create_string_buffer(b"\x02\x00\x00\x00\x7f\x00\x00\x01", 16)
if ws2.bind(listener, address, 16) or ws2.listen(listener, 1) or ws2.getsockname(listener, address, byref(c_int(16))):
    fail("listener")
client = ws2.socket(AF_INET, SOCK_STREAM, 0)
if ws2.connect(client, address, 16):
    fail("connect")
server = ws2.accept(listener, None, None)
transfers = [Transfer(number=number) for number in range(3)]
receive(transfers[0])
for transfer in transfers[1:]:
    send_next(transfer)
waits = 0
while not state["over"]:
    if k32.SleepEx(10_000, True) != WAIT_IO_COMPLETION:
        raise SystemExit("nothing happened for ten seconds")
    waits += 1
data = b"".join(state["received"])
print(len(data), sha256(data).hexdigest() == sha256(source).hexdigest(), set(state["codes"]))

# A receive that closesocket ends is announced, too.
state["codes"].clear()
post(ws2.WSARecv, client, transfers[1], arrived, byref(wintypes.DWORD(0)))
ws2.closesocket(client)
if k32.SleepEx(10_000, True) != WAIT_IO_COMPLETION:
    raise SystemExit("the end was not announced")
print(state["codes"], waits > 0)
ws2.closesocket(server)
ws2.closesocket(listener)
print(ws2.WSACleanup())
