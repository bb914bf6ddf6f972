"""User APCs: what an alertable wait does first, how the queue is emptied, who may be a target (rows A, B, C)."""

from common import *


class Left(Exception):
    """What the twin raises where C jumps."""


@APC
def apc_set(handle):
    note("s")
    k.SetEvent(handle)


@APC
def apc_more(count):
    note("m")
    if count:
        k.QueueUserAPC(apc_more, k.GetCurrentThread(), count - 1)


inner = []


@APC
def apc_nest(_):
    note("(")
    inner.append(k.SleepEx(0, True))
    note(")")


@APC
def apc_sleep(_):
    note("[")
    k.Sleep(5)
    note("]")


@APC
def apc_error(code):
    k.SetLastError(code)


@APC
def apc_then_z(character):
    note(chr(character))
    q("z")


@APC
def apc_wait(_):
    note("1")
    k.SetEvent(go_on)
    k.WaitForSingleObject(was_done, ROOM)


def apc_leave(_):
    note("x")
    raise Left


def queuer(thread):
    k.WaitForSingleObject(go_on, ROOM)
    q("o", thread)
    k.SetEvent(was_done)
    return 0


def entry():
    h = handles(E1, A1, M1)
    row("A1", "nothing queued")
    see(nm(k.SleepEx(0, True)))
    row("A1", "three queued")
    q("1"), q("2"), q("3")
    see(nm(k.SleepEx(0, True))), see(ran()), see(nm(k.SleepEx(0, True)))
    row("A2", "waits that are not alertable")
    q("1")
    see(nm(k.SleepEx(10, False))), see(W(k.WaitForSingleObject, E1, 0)), see(ran())
    drain()
    for ms in (0, 100, INFINITE):
        row("A3", "object set")
        k.SetEvent(E1)
        q("1")
        see(W(k.WaitForSingleObjectEx, E1, ms, True)), see(W(k.WaitForSingleObjectEx, E1, ms, True)), see(ran())
        row("A4", "then unset, no time")
        k.ResetEvent(E1)
        see(W(k.WaitForSingleObjectEx, E1, 0, True)), see(ran()), see(W(k.WaitForSingleObjectEx, E1, 0, True))
    row("A5", "set auto-reset event")
    k.SetEvent(A1)
    q("1")
    see(W(k.WaitForSingleObjectEx, A1, 100, True)), see(ran()), num(sig(A1))
    drain()
    row("A5", "SleepEx beside it")
    k.SetEvent(A1)
    q("1")
    see(nm(k.SleepEx(0, True))), see(ran()), num(sig(A1))
    row("A6", "objects 0 and 1 set")
    k.SetEvent(A1), k.SetEvent(E1)
    q("1")
    see(W(k.WaitForMultipleObjectsEx, 3, h, False, 100, True)), see(ran()), num(sig(A1))
    drain()
    k.ResetEvent(E1)
    row("A6", "object 2 set")
    k.SetEvent(M1)
    q("1")
    see(W(k.WaitForMultipleObjectsEx, 3, h, False, 100, True)), see(ran())
    drain()
    row("A7", "all, one of three set")
    q("1")
    see(W(k.WaitForMultipleObjectsEx, 3, h, True, 100, True)), see(ran())
    row("A7", "all, an auto-reset event among the set")
    k.SetEvent(A1)
    q("1")
    see(W(k.WaitForMultipleObjectsEx, 3, h, True, 0, True)), see(ran()), num(sig(A1))
    row("A8", "all, all set")
    k.SetEvent(E1), k.SetEvent(A1)
    q("1")
    see(W(k.WaitForMultipleObjectsEx, 3, h, True, 100, True)), see(ran())
    drain()
    k.ResetEvent(E1), k.ResetEvent(M1)
    row("A9", "WSAWaitForMultipleEvents, none set")
    q("1")
    see(W(w.WSAWaitForMultipleEvents, 3, h, False, 0, True)), see(ran())
    row("A9", "WSAWaitForMultipleEvents, first set")
    k.SetEvent(E1)
    q("1")
    see(W(w.WSAWaitForMultipleEvents, 3, h, False, 100, True)), see(ran())
    drain()
    row("A10", "target set")
    q("1")
    see(W(k.SignalObjectAndWait, M1, E1, 100, True)), see(ran()), num(sig(M1))
    drain()
    k.ResetEvent(E1), k.ResetEvent(M1)
    row("A10", "target unset, no time")
    q("1")
    see(W(k.SignalObjectAndWait, M1, E1, 0, True)), see(ran()), num(sig(M1))
    k.ResetEvent(M1)
    row("A11", "bad handle")
    q("1")
    see(W(k.WaitForSingleObjectEx, 0xDEAD0, 0, True)), see(ran())
    drain()
    row("A11", "no handles")
    q("1")
    see(W(k.WaitForMultipleObjectsEx, 0, h, False, 0, True)), see(ran())
    drain()


def draining():
    me, thread = myself(), k.GetCurrentThread()
    row("B1", "each queues the next")
    k.QueueUserAPC(apc_more, thread, 3)
    see(nm(k.SleepEx(0, True))), see(ran()), see(nm(k.SleepEx(0, True)))
    row("B1", "another thread queues meanwhile")
    t = go(queuer, me)
    k.QueueUserAPC(apc_wait, thread, 0)
    q("2")
    see(nm(k.SleepEx(0, True))), see(ran()), see(nm(k.SleepEx(0, True)))
    ended(t)
    k.CloseHandle(me)
    row("B2", "sets the awaited event")
    k.QueueUserAPC(apc_set, thread, A1)
    see(W(k.WaitForSingleObjectEx, A1, 500, True)), see(ran()), see(W(k.WaitForSingleObject, A1, 0))
    row("B3", "nested wait, nothing else queued")
    k.QueueUserAPC(apc_nest, thread, 0)
    see(nm(k.SleepEx(0, True))), see(nm(inner[-1])), see(ran())
    row("B3", "nested wait, two more queued")
    k.QueueUserAPC(apc_nest, thread, 0)
    q("2"), q("3")
    see(nm(k.SleepEx(0, True))), see(nm(inner[-1])), see(ran())
    row("B4", "plain Sleep, one more queued")
    k.QueueUserAPC(apc_sleep, thread, 0)
    q("2")
    see(nm(k.SleepEx(0, True))), see(ran())
    row("B5", "left in the middle")
    q("1")
    k.QueueUserAPC(apc_leave, thread, 0)
    q("2"), q("3")
    try:
        see(nm(k.SleepEx(0, True)))
    except Left:
        see("out of the wait")
    see(ran()), see(nm(k.SleepEx(0, True))), see(ran())
    row("B9", "last error across waits")
    k.SetLastError(77)
    k.SleepEx(0, True)
    num(error())
    k.WaitForSingleObjectEx(E1, 0, True)
    num(error())
    q("1")
    k.SleepEx(0, True)
    num(error())
    k.QueueUserAPC(apc_error, thread, 4242)
    see(nm(k.SleepEx(ROOM, True))), num(error())
    drain()


def t_start(_):
    note("T")
    return k.SleepEx(0, True)


def t_plain(event):
    k.SetEvent(go_on)
    k.WaitForSingleObject(event, ROOM)
    return 5


def t_alertable(event):
    k.SetEvent(go_on)
    k.WaitForSingleObject(event, ROOM)
    return k.SleepEx(0, True)


def targets():
    row("C1", "queued before the start")
    start_routine = START(t_start)
    t = k.CreateThread(None, 0, start_routine, None, 4, None)
    q("1", t), q("2", t)
    k.QueueUserAPC(apc_then_z, t, ord("3"))
    k.ResumeThread(t)
    see(nm(ended(t))), see(ran())
    row("C2", "ended thread")
    t = go(t_start)
    k.WaitForSingleObject(t, ROOM)
    ran()
    see(B(k.QueueUserAPC, apc, t, 49))
    k.CloseHandle(t)
    row("C3", "closed, NULL, event handle")
    see(B(k.QueueUserAPC, apc, t, 49)), see(B(k.QueueUserAPC, apc, None, 49)), see(B(k.QueueUserAPC, apc, E1, 49))
    row("C4", "never alertable")
    t = go(t_plain, A1)
    k.WaitForSingleObject(go_on, ROOM)
    see(B(k.QueueUserAPC, apc, t, 49))
    k.SetEvent(A1)
    num(ended(t)), see(ran())
    row("C6", "through a duplicate that is closed")
    t = go(t_alertable, A1)
    k.WaitForSingleObject(go_on, ROOM)
    copy = duplicate(t)
    see(B(k.QueueUserAPC, apc, copy, 49)), see(B(k.CloseHandle, copy))
    k.SetEvent(A1)
    see(nm(ended(t))), see(ran())
    row("C7", "the current thread twice")
    first, second = myself(), myself()
    id1, id2 = k.GetCurrentThreadId(), k.GetCurrentThreadId()
    num(first != second), num(id1 == id2), see(B(k.CloseHandle, first)), see(B(k.CloseHandle, first))
    k.CloseHandle(second)


def t_wait(event):
    k.SetEvent(go_on)
    return k.WaitForSingleObjectEx(event, ROOM, True)


def blocked():
    objects = 0
    row("A12", "event set, then APC queued, 20 times")
    for _ in range(20):
        k.ResetEvent(E1)
        t = go(t_wait, E1)
        k.WaitForSingleObject(go_on, ROOM)
        k.Sleep(5)
        k.SetEvent(E1)
        q("1", t)
        objects += ended(t) == 0
    num(objects), see(ran())
    k.ResetEvent(E1)
    row("B9", "wakes a blocked waiter")
    t = go(t_wait, E1)
    k.WaitForSingleObject(go_on, ROOM)
    k.Sleep(20)
    q("1", t)
    see(nm(ended(t))), see(ran())


chained = []


@ROUTINE
def chain(code, count, overlapped, flags):
    note("c")
    chained.append(code)
    if len(chained) < 5:
        orecv(ends.b, p, None, 1, 0, chain)
    note(".")


@ROUTINE
def waits(code, count, overlapped, flags):
    first = addressof(overlapped.contents) == addressof(p.o)
    note("(" if first else "[")
    if first:
        k.SleepEx(0, True)
    note(")" if first else "]")


def t_leaves(_):
    orecv(ends.b, p, None, 3, 0, rt)
    q("1")
    return 0


def routines():
    row("B6", "a routine starts the next receive")
    fresh()
    here(b"abcdefgh")
    orecv(ends.b, p, None, 1, 0, chain)
    see(nm(k.SleepEx(0, True))), see(ran())
    drain()
    row("B7", "two due routines of one socket, the first waits")
    fresh()
    here(b"ab")
    orecv(ends.b, p, None, 1, 0, waits), orecv(ends.b, p2, None, 1, 0, waits)
    see(nm(k.SleepEx(0, True))), see(ran())
    row("B8", "APC, receive, APC")
    fresh()
    orecv(ends.b, p, None, 3, 0, rt)
    q("1")
    feed(b"abc")
    settle(p)
    q("2")
    see(nm(k.SleepEx(0, True))), see(ran())
    rts()
    row("C5", "a thread ends with a due routine")
    fresh()
    here(b"abc")
    ended(go(t_leaves))
    see(st(p)), see(ran()), see(rts())


start()
E1, A1, M1, go_on, was_done = ev(True, False), ev(False, False), ev(True, False), ev(False, False), ev(False, False)
entry()
draining()
targets()
blocked()
routines()
finish()
