"""Events and waits for several objects (rows D)."""

from common import *

woken, inside, waiters = [], [], []
now = {}


def waiter(number):
    inside.append(number)
    result = k.WaitForSingleObject(now["target"], ROOM)
    if result == 0:
        woken.append(str(number or 0))
    return result


def entered():
    while not inside:
        k.Sleep(1)


def launch(count):
    """Threads in a wait for the target, the first one first."""
    woken.clear(), waiters.clear()
    for number in range(count):
        inside.clear()
        waiters.append(go(waiter, number))
        entered()
        k.Sleep(30)


def woke(count):
    for _ in range(ROOM):
        if len(woken) >= count:
            break
        k.Sleep(1)


def reap():
    for thread in waiters:
        while k.WaitForSingleObject(thread, 1):
            k.SetEvent(now["target"])
        k.CloseHandle(thread)
    k.ResetEvent(now["target"])


def wait_all(_):
    inside.append(1)
    return k.WaitForMultipleObjects(2, now["two"], True, 2000)


def wait_one(_):
    inside.append(1)
    return k.WaitForSingleObject(now["two"][0], 1000)


def begin(function):
    inside.clear()
    thread = go(function)
    entered()
    k.Sleep(40)
    return thread


def several_waiters():
    now["target"] = A1
    row("D1", "four waiters, one SetEvent")
    launch(4)
    k.SetEvent(A1)
    woke(1)
    k.Sleep(20)
    num(len(woken)), num(sig(A1))
    reap()
    row("D1", "four waiters, spaced SetEvents")
    launch(4)
    for i in range(4):
        k.SetEvent(A1)
        woke(i + 1)
    see("".join(woken))
    reap()
    row("D2", "three waiters, three SetEvents in a row")
    launch(3)
    k.SetEvent(A1), k.SetEvent(A1), k.SetEvent(A1)
    woke(3)
    num(len(woken)), num(sig(A1))
    reap()
    row("D2", "two waiters, three SetEvents")
    launch(2)
    k.SetEvent(A1), k.SetEvent(A1), k.SetEvent(A1)
    woke(2)
    num(len(woken)), num(sig(A1)), num(sig(A1))
    reap()
    row("D3", "set and reset at once, two waiters")
    launch(2)
    k.SetEvent(A1), k.ResetEvent(A1)
    woke(1)
    k.Sleep(20)
    num(len(woken))
    reap()
    now["target"] = M1
    row("D3", "manual-reset, four waiters")
    launch(4)
    k.SetEvent(M1), k.ResetEvent(M1)
    woke(4)
    num(len(woken)), num(sig(M1))
    reap()


def several_objects():
    now["two"] = handles(A1, B1)
    row("D4", "all, one taken meanwhile")
    t = begin(wait_all)
    k.SetEvent(A1)
    num(sig(A1))
    k.SetEvent(B1)
    num(k.WaitForSingleObject(t, 20) == 0)
    k.SetEvent(A1)
    see(nm(ended(t))), num(sig(A1)), num(sig(B1))
    row("D5", "the older waits for both")
    t, t2 = begin(wait_all), begin(wait_one)
    k.SetEvent(B1), k.SetEvent(A1)
    see(nm(ended(t))), see(nm(ended(t2)))
    row("D5", "the older waits for one")
    t2, t = begin(wait_one), begin(wait_all)
    k.SetEvent(B1), k.SetEvent(A1)
    see(nm(ended(t2))), see(nm(ended(t)))
    k.ResetEvent(A1), k.ResetEvent(B1)
    row("D6", "all, one unset, times out")
    k.SetEvent(A1)
    see(W(k.WaitForMultipleObjects, 2, now["two"], True, 10)), num(sig(A1))
    h = handles(*[M1] * 65)
    k.SetEvent(M1)
    row("D7", "same handle twice, any")
    see(W(k.WaitForMultipleObjects, 2, h, False, 0))
    row("D7", "same handle twice, all")
    see(W(k.WaitForMultipleObjects, 2, h, True, 0))
    row("D8", "no handle, 64, 65")
    see(W(k.WaitForMultipleObjects, 0, h, False, 0))
    see(W(k.WaitForMultipleObjects, 64, h, False, 0))
    see(W(k.WaitForMultipleObjects, 65, h, False, 0))
    see(W(w.WSAWaitForMultipleEvents, 0, h, False, 0, False))
    see(W(w.WSAWaitForMultipleEvents, 65, h, False, 0, False))
    h = handles(A1, 0xDEAD0)
    k.SetEvent(A1), k.ResetEvent(M1)
    row("D9", "first set, second invalid")
    see(W(k.WaitForMultipleObjects, 2, h, False, 0)), see(W(w.WSAWaitForMultipleEvents, 2, h, False, 0, False))
    num(sig(A1))
    h = handles(k.GetCurrentThread())
    row("D10", "pseudo handle among several")
    see(W(k.WaitForMultipleObjects, 1, h, False, 0))
    row("D10", "pseudo handle alone")
    see(W(k.WaitForSingleObject, h[0], 0))
    now["two"] = handles(ev(False, False))
    row("D11", "closed while waited for")
    t = begin(wait_one)
    k.CloseHandle(now["two"][0])
    see(nm(ended(t)))


def values():
    h = ev(False, False)
    row("D13", "low bits")
    num((h & 3) == 0)
    for bits in range(1, 4):
        see(B(k.SetEvent, h | bits)), see(W(k.WaitForSingleObject, h | bits, 0))
    row("D14", "duplicate")
    copy = duplicate(h)
    k.SetEvent(h)
    num(sig(copy)), num(sig(h))
    k.CloseHandle(h)
    see(B(k.SetEvent, copy)), num(sig(copy))
    k.CloseHandle(copy)
    row("D14", "the next event has the same value")
    h = ev(True, False)
    k.CloseHandle(h)
    copy = ev(True, False)
    num(h == copy)
    k.CloseHandle(copy)
    row("D12", "SetEvent closed, NULL")
    see(B(k.SetEvent, h)), see(B(k.SetEvent, None))
    event = w.WSACreateEvent()
    w.WSACloseEvent(event)
    row("D12", "WSA functions on a closed one")
    see(B(w.WSASetEvent, event)), see(B(w.WSAResetEvent, event)), see(B(w.WSACloseEvent, event))
    row("D12", "WSA functions on NULL")
    see(B(w.WSASetEvent, None)), see(B(w.WSAResetEvent, None)), see(B(w.WSACloseEvent, None))


start()
A1, B1, M1 = ev(False, False), ev(False, False), ev(True, False)
several_waiters()
several_objects()
values()
finish()
