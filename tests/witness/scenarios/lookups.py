"""GetAddrInfoExW with an OVERLAPPED (row R8). No name here needs a network."""

from common import *

from ws2spi.ws2_32 import ADDRINFOEXW

TELL = WINFUNCTYPE(None, wintypes.DWORD, wintypes.DWORD, POINTER(WSAOVERLAPPED))
NS_DNS, AI_NUMERICHOST = 12, 4
found, numbers, o = POINTER(ADDRINFOEXW)(), ADDRINFOEXW(ai_flags=AI_NUMERICHOST), WSAOVERLAPPED()


class Told:
    event = code = thread = None


@TELL
def routine(error, size, which):
    Told.code, Told.thread = error, k.GetCurrentThreadId()
    k.SetEvent(Told.event)


def ask(name, event, by, given, handle):
    memset(byref(o), 0, sizeof(o))
    o.hEvent = event
    memset(byref(found), 0, 8)
    k.ResetEvent(Told.event)
    return w.GetAddrInfoExW(name, "80", NS_DNS, None, byref(numbers), byref(found), None, given, by, handle)


start()
event, handle = ev(True, False), wintypes.HANDLE()
Told.event = ev(True, False)
row("R8", "no OVERLAPPED")
see(nm(ask("127.0.0.1", None, None, None, byref(handle)))), num(bool(found))
row("R8", "an event")
see(nm(ask("127.0.0.1", event, None, byref(o), byref(handle)))), see(W(k.WaitForSingleObject, event, ROOM))
see(nm(w.GetAddrInfoExOverlappedResult(byref(o)))), see(nm(o.Internal))
num((o.Offset | o.OffsetHigh << 32) == addressof(found)), num(bool(found))
row("R8", "cancelled afterwards")
see(nm(w.GetAddrInfoExCancel(byref(handle))))
row("R8", "a routine")
see(nm(ask("127.0.0.1", None, routine, byref(o), None))), see(W(k.WaitForSingleObject, Told.event, ROOM))
see(nm(Told.code)), num(Told.thread != k.GetCurrentThreadId())
row("R8", "no such host, with an event")
k.ResetEvent(event)
see(nm(ask("no number", event, None, byref(o), None))), see(W(k.WaitForSingleObject, event, ROOM))
see(nm(w.GetAddrInfoExOverlappedResult(byref(o)))), see(nm(o.Internal)), num(bool(found))
row("R8", "no such host, with a routine")
see(nm(ask("no number", None, routine, byref(o), None))), see(W(k.WaitForSingleObject, Told.event, ROOM))
see(nm(Told.code)), see(nm(o.Internal))
row("R8", "an event and a routine")
see(nm(ask("127.0.0.1", event, routine, byref(o), None)))
row("R8", "a routine without an OVERLAPPED")
see(nm(ask("127.0.0.1", None, routine, None, None)))
row("R8", "neither event nor routine")
see(nm(ask("127.0.0.1", None, None, byref(o), None)))
row("R8", "neither name")
see(nm(w.GetAddrInfoExW(None, None, NS_DNS, None, None, byref(found), None, None, None, None)))
row("R8", "the result of NULL")
see(nm(w.GetAddrInfoExOverlappedResult(None)))
row("R8", "cancelling what never was")
handle.value = 0x999
see(nm(w.GetAddrInfoExCancel(byref(handle))))
finish()
