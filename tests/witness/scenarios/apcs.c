/* User APCs: what an alertable wait does first, how the queue is emptied, who may be a target (rows A, B, C). */
#include "common.h"
#include <setjmp.h>

static HANDLE E1, A1, M1, go_on, was_done;
static void CALLBACK apc_set(ULONG_PTR h) { note('s'); SetEvent((HANDLE)h); }
static void CALLBACK apc_more(ULONG_PTR n) { note('m'); if (n) QueueUserAPC(apc_more, GetCurrentThread(), n - 1); }
static DWORD inner;
static void CALLBACK apc_nest(ULONG_PTR x) { note('('); inner = SleepEx(0, TRUE); note(')'); (void)x; }
static void CALLBACK apc_sleep(ULONG_PTR x) { note('['); Sleep(5); note(']'); (void)x; }
static void CALLBACK apc_error(ULONG_PTR code) { SetLastError((DWORD)code); }
static void CALLBACK apc_then_z(ULONG_PTR c) { note((char)c); q('z'); }
static void CALLBACK apc_wait(ULONG_PTR x) { note('1'); SetEvent(go_on); WaitForSingleObject(was_done, ROOM); (void)x; }
static DWORD WINAPI queuer(void *t) { WaitForSingleObject(go_on, ROOM); QueueUserAPC(apc, t, 'o'); SetEvent(was_done);
    return 0; }
static void *away[5];
static void CALLBACK apc_leave(ULONG_PTR x) { note('x'); __builtin_longjmp(away, 1); (void)x; }

static void entry(void)
{
    HANDLE h[3] = {E1, A1, M1}; DWORD ms[3] = {0, 100, INFINITE};
    row("A1", "nothing queued"); see(nm(SleepEx(0, TRUE)));
    row("A1", "three queued"); q('1'); q('2'); q('3'); see(nm(SleepEx(0, TRUE))); see(ran()); see(nm(SleepEx(0, TRUE)));
    row("A2", "waits that are not alertable"); q('1'); see(nm(SleepEx(10, FALSE))); see(W(WaitForSingleObject(E1, 0)));
    see(ran()); drain();
    for (int i = 0; i < 3; i++) {
        row("A3", "object set"); SetEvent(E1); q('1'); see(W(WaitForSingleObjectEx(E1, ms[i], TRUE)));
        see(W(WaitForSingleObjectEx(E1, ms[i], TRUE)));
        see(ran());
        row("A4", "then unset, no time"); ResetEvent(E1); see(W(WaitForSingleObjectEx(E1, 0, TRUE))); see(ran());
        see(W(WaitForSingleObjectEx(E1, 0, TRUE)));
    }
    row("A5", "set auto-reset event"); SetEvent(A1); q('1'); see(W(WaitForSingleObjectEx(A1, 100, TRUE))); see(ran());
    num(sig(A1)); drain();
    row("A5", "SleepEx beside it"); SetEvent(A1); q('1'); see(nm(SleepEx(0, TRUE))); see(ran()); num(sig(A1));
    row("A6", "objects 0 and 1 set"); SetEvent(A1); SetEvent(E1); q('1');
    see(W(WaitForMultipleObjectsEx(3, h, FALSE, 100, TRUE))); see(ran()); num(sig(A1));
    drain(); ResetEvent(E1);
    row("A6", "object 2 set"); SetEvent(M1); q('1'); see(W(WaitForMultipleObjectsEx(3, h, FALSE, 100, TRUE)));
    see(ran()); drain();
    row("A7", "all, one of three set"); q('1'); see(W(WaitForMultipleObjectsEx(3, h, TRUE, 100, TRUE))); see(ran());
    row("A7", "all, an auto-reset event among the set"); SetEvent(A1); q('1');
    see(W(WaitForMultipleObjectsEx(3, h, TRUE, 0, TRUE))); see(ran()); num(sig(A1));
    row("A8", "all, all set"); SetEvent(E1); SetEvent(A1); q('1');
    see(W(WaitForMultipleObjectsEx(3, h, TRUE, 100, TRUE))); see(ran()); drain();
    ResetEvent(E1); ResetEvent(M1);
    row("A9", "WSAWaitForMultipleEvents, none set"); q('1'); see(W(WSAWaitForMultipleEvents(3, h, FALSE, 0, TRUE)));
    see(ran());
    row("A9", "WSAWaitForMultipleEvents, first set"); SetEvent(E1); q('1');
    see(W(WSAWaitForMultipleEvents(3, h, FALSE, 100, TRUE))); see(ran()); drain();
    row("A10", "target set"); q('1'); see(W(SignalObjectAndWait(M1, E1, 100, TRUE))); see(ran()); num(sig(M1)); drain();
    ResetEvent(E1); ResetEvent(M1);
    row("A10", "target unset, no time"); q('1'); see(W(SignalObjectAndWait(M1, E1, 0, TRUE))); see(ran()); num(sig(M1));
    ResetEvent(M1);
    row("A11", "bad handle"); q('1'); see(W(WaitForSingleObjectEx((HANDLE)0xdead0, 0, TRUE))); see(ran()); drain();
    row("A11", "no handles"); q('1'); see(W(WaitForMultipleObjectsEx(0, h, FALSE, 0, TRUE))); see(ran()); drain();
}
static void draining(void)
{
    HANDLE t, me = myself();
    row("B1", "each queues the next"); QueueUserAPC(apc_more, GetCurrentThread(), 3); see(nm(SleepEx(0, TRUE)));
    see(ran()); see(nm(SleepEx(0, TRUE)));
    row("B1", "another thread queues meanwhile"); t = go(queuer, me); QueueUserAPC(apc_wait, GetCurrentThread(), 0);
    q('2'); see(nm(SleepEx(0, TRUE)));
    see(ran()); see(nm(SleepEx(0, TRUE))); ended(t); CloseHandle(me);
    row("B2", "sets the awaited event"); QueueUserAPC(apc_set, GetCurrentThread(), (ULONG_PTR)A1);
    see(W(WaitForSingleObjectEx(A1, 500, TRUE))); see(ran());
    see(W(WaitForSingleObject(A1, 0)));
    row("B3", "nested wait, nothing else queued"); QueueUserAPC(apc_nest, GetCurrentThread(), 0);
    see(nm(SleepEx(0, TRUE))); see(nm(inner)); see(ran());
    row("B3", "nested wait, two more queued"); QueueUserAPC(apc_nest, GetCurrentThread(), 0); q('2'); q('3');
    see(nm(SleepEx(0, TRUE))); see(nm(inner)); see(ran());
    row("B4", "plain Sleep, one more queued"); QueueUserAPC(apc_sleep, GetCurrentThread(), 0); q('2');
    see(nm(SleepEx(0, TRUE))); see(ran());
    row("B5", "left in the middle"); q('1'); QueueUserAPC(apc_leave, GetCurrentThread(), 0); q('2'); q('3');
    if (!__builtin_setjmp(away)) see(nm(SleepEx(0, TRUE))); else see("out of the wait");
    see(ran()); see(nm(SleepEx(0, TRUE))); see(ran());
    row("B9", "last error across waits"); SetLastError(77); SleepEx(0, TRUE); num(GetLastError());
    WaitForSingleObjectEx(E1, 0, TRUE); num(GetLastError());
    q('1'); SleepEx(0, TRUE); num(GetLastError()); QueueUserAPC(apc_error, GetCurrentThread(), 4242);
    see(nm(SleepEx(ROOM, TRUE))); num(GetLastError()); drain();
}
static DWORD WINAPI t_start(void *p) { note('T'); (void)p; return SleepEx(0, TRUE); }
static DWORD WINAPI t_plain(void *e) { SetEvent(go_on); WaitForSingleObject(e, ROOM); return 5; }
static DWORD WINAPI t_alertable(void *e) { SetEvent(go_on); WaitForSingleObject(e, ROOM); return SleepEx(0, TRUE); }
static void targets(void)
{
    HANDLE t, copy, first, second; DWORD id1, id2;
    row("C1", "queued before the start"); t = CreateThread(NULL, 0, t_start, NULL, CREATE_SUSPENDED, NULL);
    QueueUserAPC(apc, t, '1'); QueueUserAPC(apc, t, '2');
    QueueUserAPC(apc_then_z, t, '3'); ResumeThread(t); see(nm(ended(t))); see(ran());
    row("C2", "ended thread"); t = go(t_start, NULL); WaitForSingleObject(t, ROOM); ran();
    see(B(QueueUserAPC(apc, t, '1'))); CloseHandle(t);
    row("C3", "closed, NULL, event handle"); see(B(QueueUserAPC(apc, t, '1'))); see(B(QueueUserAPC(apc, NULL, '1')));
    see(B(QueueUserAPC(apc, E1, '1')));
    row("C4", "never alertable"); t = go(t_plain, A1); WaitForSingleObject(go_on, ROOM);
    see(B(QueueUserAPC(apc, t, '1'))); SetEvent(A1); num(ended(t)); see(ran());
    row("C6", "through a duplicate that is closed"); t = go(t_alertable, A1); WaitForSingleObject(go_on, ROOM);
    DuplicateHandle(GetCurrentProcess(), t, GetCurrentProcess(), &copy, 0, FALSE, DUPLICATE_SAME_ACCESS);
    see(B(QueueUserAPC(apc, copy, '1')));
    see(B(CloseHandle(copy))); SetEvent(A1); see(nm(ended(t))); see(ran());
    row("C7", "the current thread twice"); first = myself(); second = myself(); id1 = GetCurrentThreadId();
    id2 = GetCurrentThreadId(); num(first != second);
    num(id1 == id2); see(B(CloseHandle(first))); see(B(CloseHandle(first))); CloseHandle(second);
}
static DWORD WINAPI t_wait(void *e) { SetEvent(go_on); return WaitForSingleObjectEx(e, ROOM, TRUE); }
static void blocked(void)
{
    HANDLE t; int objects = 0;
    row("A12", "event set, then APC queued, 20 times");
    for (int i = 0; i < 20; i++) { ResetEvent(E1); t = go(t_wait, E1); WaitForSingleObject(go_on, ROOM); Sleep(5);
    SetEvent(E1);
    QueueUserAPC(apc, t, '1'); objects += ended(t) == 0; }
    num(objects); see(ran()); ResetEvent(E1);
    row("B9", "wakes a blocked waiter"); t = go(t_wait, E1); WaitForSingleObject(go_on, ROOM); Sleep(20);
    QueueUserAPC(apc, t, '1'); see(nm(ended(t)));
    see(ran());
}
static int chained;
static void CALLBACK chain(DWORD e, DWORD n, LPWSAOVERLAPPED o, DWORD f)
{
    note('c'); if (++chained < 5) orecv(b, &p, NULL, 1, 0, chain); note('.'); (void)e; (void)n; (void)o; (void)f;
}
static void CALLBACK waits(DWORD e, DWORD n, LPWSAOVERLAPPED o, DWORD f)
{
    note(o == &p.o ? '(' : '['); if (o == &p.o) SleepEx(0, TRUE); note(o == &p.o ? ')' : ']'); (void)e; (void)n;
    (void)f;
}
static DWORD WINAPI t_leaves(void *x) { (void)x; orecv(b, &p, NULL, 3, 0, rt); q('1'); return 0; }
static void routines(void)
{
    row("B6", "a routine starts the next receive"); fresh(); here("abcdefgh"); orecv(b, &p, NULL, 1, 0, chain);
    see(nm(SleepEx(0, TRUE))); see(ran()); drain();
    row("B7", "two due routines of one socket, the first waits"); fresh(); here("ab"); orecv(b, &p, NULL, 1, 0, waits);
    orecv(b, &p2, NULL, 1, 0, waits);
    see(nm(SleepEx(0, TRUE))); see(ran());
    row("B8", "APC, receive, APC"); fresh(); orecv(b, &p, NULL, 3, 0, rt); q('1'); feed("abc"); settle(&p); q('2');
    see(nm(SleepEx(0, TRUE))); see(ran()); rts();
    row("C5", "a thread ends with a due routine"); fresh(); here("abc"); ended(go(t_leaves, NULL)); see(st(&p));
    see(ran()); see(rts());
}
int main(void)
{
    start(); a = b = INVALID_SOCKET; E1 = ev(TRUE, FALSE); A1 = ev(FALSE, FALSE); M1 = ev(TRUE, FALSE);
    go_on = ev(FALSE, FALSE); was_done = ev(FALSE, FALSE);
    entry(); draining(); targets(); blocked(); routines(); return finish();
}
