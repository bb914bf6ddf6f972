"""What the scenarios share: the functions of common.h under the same names, over `ws2spi.ctypes`.

Every observation is one line, `row situation | what was seen`.
"""

import re
from pathlib import Path

from ws2spi.ctypes import *
from ws2spi.ctypes import windll, wintypes
from ws2spi.ws2_32 import WSABUF, WSADATA, WSAOVERLAPPED

k = windll.kernel32
w = windll.ws2_32

MARK, ROOM, INFINITE = 0xDEAD, 5000, 0xFFFFFFFF
INVALID = -1  # INVALID_HANDLE_VALUE and INVALID_SOCKET
AF_INET, SOCK_STREAM, SOCK_DGRAM, IPPROTO_TCP, IPPROTO_UDP = 2, 1, 2, 6, 17
SOL_SOCKET, SO_LINGER, FIONBIO, FIONREAD = 0xFFFF, 0x80, 0x8004667E - 2**32, 0x4004667F
SD_RECEIVE, SD_SEND, SD_BOTH = 0, 1, 2
MSG_OOB, MSG_PEEK, MSG_WAITALL, MSG_PARTIAL = 1, 2, 8, 0x8000
APC = WINFUNCTYPE(None, c_size_t)
START = WINFUNCTYPE(wintypes.DWORD, c_void_p)
ROUTINE = WINFUNCTYPE(None, wintypes.DWORD, wintypes.DWORD, POINTER(WSAOVERLAPPED), wintypes.DWORD)

# One list of names for both sides.
names = {
    int(code, 0) if code != "MARK" else MARK: name
    for code, name in re.findall(r'\{(\w+),\s*"([^"]*)"\}', (Path(__file__).parent / "common.h").read_text())
}
for _function in (k.CreateEventW, k.CreateThread, k.CreateIoCompletionPort, k.GetCurrentThread, k.GetCurrentProcess):
    _function.restype = wintypes.HANDLE
w.WSASocketW.restype = w.socket.restype = w.accept.restype = c_ssize_t
w.WSACreateEvent.restype = wintypes.HANDLE
for _function in (k.WaitForSingleObject, k.WaitForSingleObjectEx, k.WaitForMultipleObjects, k.WaitForMultipleObjectsEx):
    _function.restype = wintypes.DWORD
k.SignalObjectAndWait.restype = w.WSAWaitForMultipleEvents.restype = k.SleepEx.restype = wintypes.DWORD


def nm(code):
    code &= 0xFFFFFFFF
    return names.get(code) or (hex(code) if code > 20000 else str(code))


def error():
    return k.GetLastError()


def wr(result):
    if result < 64:
        return f"WAIT_OBJECT_0+{result}"
    return f"WAIT_FAILED/{nm(error())}" if result == 0xFFFFFFFF else nm(result)


def we(result):
    return f"-1/{nm(error())}" if result == -1 else str(result)


def wb(result):
    return "TRUE" if result else f"FALSE/{nm(error())}"


def E(function, *arguments):
    k.SetLastError(MARK)
    return we(function(*arguments))


def B(function, *arguments):
    k.SetLastError(MARK)
    return wb(function(*arguments))


def W(function, *arguments):
    k.SetLastError(MARK)
    return wr(function(*arguments))


def S(function, *arguments):
    k.SetLastError(MARK)
    s = function(*arguments)
    return we(-1) if s == INVALID else "a socket"


class Line:
    open = False


def row(name, situation):
    print(f"{chr(10) if Line.open else ''}{name} {situation} |", end="", flush=True)
    Line.open = True


def see(what):
    print(f" {what};", end="", flush=True)


def num(n):
    see(int(n))


def finish():
    print(flush=True)


# objects and APCs


def ev(manual, set):
    return k.CreateEventW(None, manual, set, None)


def sig(handle):
    return int(k.WaitForSingleObject(handle, 0) == 0)


apclog = []


def note(character):
    apclog.append(character)


apc = APC(lambda context: note(chr(context)))


def q(character, thread=None):
    return k.QueueUserAPC(apc, k.GetCurrentThread() if thread is None else thread, ord(character))


def ran():
    text = "".join(apclog)
    apclog.clear()
    return text or "-"


def drain():
    while k.SleepEx(0, True) == 0xC0:
        pass
    apclog.clear()


_routines = []  # a thread's start routine must outlive the call


def go(function, parameter=None):
    _routines.append(START(function))
    return k.CreateThread(None, 0, _routines[-1], parameter, 0, None)


def ended(thread):
    code = wintypes.DWORD(MARK)
    k.WaitForSingleObject(thread, ROOM)
    k.GetExitCodeThread(thread, byref(code))
    k.CloseHandle(thread)
    return code.value


def duplicate(handle, options=2):
    copy, process = wintypes.HANDLE(), k.GetCurrentProcess()
    k.DuplicateHandle(process, handle, process, byref(copy), 0, False, options)
    return copy.value


def myself():
    return duplicate(k.GetCurrentThread())


def handles(*values):
    return (wintypes.HANDLE * len(values))(*values)


# sockets


class Ends:
    """`ends.a` is the client's end and `ends.b` the server's, on which most scenarios work."""

    a = b = INVALID


ends = Ends()


def start():
    w.WSAStartup(0x0202, byref(WSADATA()))


def lo(port=0, host=0x0100007F, family=AF_INET):
    data = family.to_bytes(2, "little") + port.to_bytes(2, "big") + host.to_bytes(4, "little") + bytes(8)
    return create_string_buffer(data, 16)


def name_of(s):
    address, length = create_string_buffer(16), c_int(16)
    w.getsockname(s, address, byref(length))
    return address


def listener():
    s, address = w.socket(AF_INET, SOCK_STREAM, IPPROTO_TCP), lo()
    w.bind(s, address, 16)
    w.listen(s, 8)
    return s, name_of(s)


def pair_flags(flags):
    one = c_int(1)
    w.closesocket(ends.a)
    w.closesocket(ends.b)
    listening = w.WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, None, 0, flags)
    w.bind(listening, lo(), 16)
    w.listen(listening, 8)
    ends.a = w.WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, None, 0, flags)
    w.connect(ends.a, name_of(listening), 16)
    ends.b = w.accept(listening, None, None)
    w.closesocket(listening)
    for s in (ends.a, ends.b):
        w.setsockopt(s, IPPROTO_TCP, 1, byref(one), 4)


def fresh():
    drain()
    pair_flags(1)


def fresh_datagrams():
    drain()
    w.closesocket(ends.a)
    w.closesocket(ends.b)
    ends.a, ends.b = (w.socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP) for _ in range(2))
    w.bind(ends.a, lo(), 16)
    w.bind(ends.b, lo(), 16)
    w.connect(ends.a, name_of(ends.b), 16)
    w.connect(ends.b, name_of(ends.a), 16)


def nonblock(s, on):
    w.ioctlsocket(s, FIONBIO, byref(c_uint32(on)))


def reset_peer():
    linger = (c_uint16 * 2)(1, 0)
    w.setsockopt(ends.a, SOL_SOCKET, SO_LINGER, linger, 4)
    w.closesocket(ends.a)
    ends.a = INVALID


def feed(text):
    w.send(ends.a, text, len(text), 0)


def arrived(s, count):
    n = c_uint32()
    for _ in range(ROOM):
        if w.ioctlsocket(s, FIONREAD, byref(n)) or n.value >= count:
            break
        k.Sleep(1)


def here(text):
    feed(text)
    arrived(ends.b, len(text))


def late(text):
    def run(_):
        k.Sleep(40)
        feed(text)
        return 0

    return go(run)


# one overlapped operation


class OP:
    def init(self, event=None):
        self.o = WSAOVERLAPPED(Internal=0x5555, InternalHigh=0x6666, hEvent=event)
        self.data = create_string_buffer(256)
        self.w = WSABUF(256, addressof(self.data))
        self.n, self.flags = wintypes.DWORD(0x8888), wintypes.DWORD(0)
        return self


p, p2, p3 = OP().init(), OP().init(), OP().init()


def orecv(s, op, event, size, flags=0, routine=None):
    op.init(event)
    op.w.len, op.flags.value = size, flags
    k.SetLastError(MARK)
    op.result = w.WSARecv(s, byref(op.w), 1, byref(op.n), byref(op.flags), byref(op.o), routine)
    op.code = error() if op.result else 0
    return op.result


def osend(s, op, event, data, size=None, routine=None):
    op.init(event)
    op.memory = data if isinstance(data, Array) else create_string_buffer(data, len(data))
    op.w = WSABUF(len(data) if size is None else size, addressof(op.memory))
    k.SetLastError(MARK)
    op.result = w.WSASend(s, byref(op.w), 1, byref(op.n), 0, byref(op.o), routine)
    op.code = error() if op.result else 0
    return op.result


def settle(op):
    for _ in range(ROOM):
        if op.o.Internal != 0x103:
            break
        k.Sleep(1)


def count_text(n, untouched):
    return "untouched" if n == untouched else str(n)


def st(op):
    status = "untouched" if op.o.Internal == 0x5555 else nm(op.o.Internal)
    return f"Internal={status} High={count_text(op.o.InternalHigh, 0x6666)}"


def os(op):
    return f"{nm(op.code) if op.result else '0'} bytes={count_text(op.n.value, 0x8888)} {st(op)}"


told = []


@ROUTINE
def rt(code, count, overlapped, flags):
    told.append((code, count))
    note("R")


def rts():
    if not told:
        return "no routine"
    text = f"routine x{len(told)}({nm(told[-1][0])}, {told[-1][1]})"
    told.clear()
    return text


def gor(s, op, wait=False):
    n, f = wintypes.DWORD(0x7777), wintypes.DWORD(0x7777)
    result = B(w.WSAGetOverlappedResult, s, byref(op.o), byref(n), wait, byref(f))
    return f"{result} bytes={count_text(n.value, 0x7777)} flags={count_text(f.value, 0x7777)}"


def kgor(s, op, wait=False):
    n = wintypes.DWORD(0x7777)
    result = B(k.GetOverlappedResult, s, byref(op.o), byref(n), wait)
    return f"{result} bytes={count_text(n.value, 0x7777)}"


def new_port():
    return k.CreateIoCompletionPort(INVALID, None, 0, 0)


def port_of(s, key=7):
    return k.CreateIoCompletionPort(s, None, key, 0)


def pk(port, milliseconds=0):
    n, key, o = wintypes.DWORD(0x7777), c_size_t(0x7777), c_void_p(0x7777)
    result = B(k.GetQueuedCompletionStatus, port, byref(n), byref(key), byref(o), milliseconds)
    if result != "TRUE" and not o.value:
        code = result.removeprefix("FALSE/")
        return f"no packet ({code}) bytes={count_text(n.value, 0x7777)} key={count_text(key.value, 0x7777)}"
    return f"packet {result} bytes={c_int32(n.value).value} key={c_int32(key.value & 0xFFFFFFFF).value}"
