/* Events and waits for several objects (rows D). */
#include "common.h"

static HANDLE A1, B1, M1, two[2], target; static volatile LONG woken, inside; static char order[8];
static DWORD WINAPI waiter(void *n)
{
    InterlockedIncrement(&inside); DWORD r = WaitForSingleObject(target, ROOM);
    if (r == 0) { order[InterlockedIncrement(&woken) - 1] = '0' + (char)(ULONG_PTR)n; } return r;
}
static HANDLE waiters[4]; static int launched;
static void launch(int n)               /* n threads in a wait for `target`, the first one first */
{
    woken = 0; memset(order, 0, sizeof order);
    for (launched = 0; launched < n; launched++) {
        inside = 0; waiters[launched] = go(waiter, (void *)(ULONG_PTR)launched); while (!inside) Sleep(1); Sleep(30);
    }
}
static void woke(int n) { for (int i = 0; i < ROOM && woken < n; i++) Sleep(1); }
static void reap(void)
{
    for (int i = 0; i < launched; i++) { while (WaitForSingleObject(waiters[i], 1)) SetEvent(target);
    CloseHandle(waiters[i]); } ResetEvent(target);
}
static DWORD WINAPI wait_all(void *x) { (void)x; InterlockedIncrement(&inside);
    return WaitForMultipleObjects(2, two, TRUE, 2000); }
static DWORD WINAPI wait_one(void *x) { (void)x; InterlockedIncrement(&inside); return WaitForSingleObject(two[0], 1000);
    }
static HANDLE begin(LPTHREAD_START_ROUTINE f) { inside = 0; HANDLE t = go(f, NULL); while (!inside) Sleep(1); Sleep(40);
    return t; }

static void several_waiters(void)
{
    target = A1;
    row("D1", "four waiters, one SetEvent"); launch(4); SetEvent(A1); woke(1); Sleep(20); num(woken); num(sig(A1));
    reap();
    row("D1", "four waiters, spaced SetEvents"); launch(4); for (int i = 0; i < 4; i++) { SetEvent(A1); woke(i + 1);
    } see(order); reap();
    row("D2", "three waiters, three SetEvents in a row"); launch(3); SetEvent(A1); SetEvent(A1); SetEvent(A1); woke(3);
    num(woken); num(sig(A1)); reap();
    row("D2", "two waiters, three SetEvents"); launch(2); SetEvent(A1); SetEvent(A1); SetEvent(A1); woke(2); num(woken);
    num(sig(A1)); num(sig(A1)); reap();
    row("D3", "set and reset at once, two waiters"); launch(2); SetEvent(A1); ResetEvent(A1); woke(1); Sleep(20);
    num(woken); reap();
    target = M1;
    row("D3", "manual-reset, four waiters"); launch(4); SetEvent(M1); ResetEvent(M1); woke(4); num(woken); num(sig(M1));
    reap();
}
static void several_objects(void)
{
    HANDLE t, t2, h[65]; two[0] = A1; two[1] = B1;
    row("D4", "all, one taken meanwhile"); t = begin(wait_all); SetEvent(A1); num(sig(A1)); SetEvent(B1);
    num(WaitForSingleObject(t, 20) == 0); SetEvent(A1);
    see(nm(ended(t))); num(sig(A1)); num(sig(B1));
    row("D5", "the older waits for both"); t = begin(wait_all); t2 = begin(wait_one); SetEvent(B1); SetEvent(A1);
    see(nm(ended(t))); see(nm(ended(t2)));
    row("D5", "the older waits for one"); t2 = begin(wait_one); t = begin(wait_all); SetEvent(B1); SetEvent(A1);
    see(nm(ended(t2))); see(nm(ended(t)));
    ResetEvent(A1); ResetEvent(B1);
    row("D6", "all, one unset, times out"); SetEvent(A1); see(W(WaitForMultipleObjects(2, two, TRUE, 10)));
    num(sig(A1));
    h[0] = h[1] = M1; SetEvent(M1);
    row("D7", "same handle twice, any"); see(W(WaitForMultipleObjects(2, h, FALSE, 0)));
    row("D7", "same handle twice, all"); see(W(WaitForMultipleObjects(2, h, TRUE, 0)));
    for (int i = 0; i < 65; i++) h[i] = M1;
    row("D8", "no handle, 64, 65"); see(W(WaitForMultipleObjects(0, h, FALSE, 0)));
    see(W(WaitForMultipleObjects(64, h, FALSE, 0)));
    see(W(WaitForMultipleObjects(65, h, FALSE, 0))); see(W(WSAWaitForMultipleEvents(0, h, FALSE, 0, FALSE)));
    see(W(WSAWaitForMultipleEvents(65, h, FALSE, 0, FALSE)));
    h[0] = A1; h[1] = (HANDLE)0xdead0; SetEvent(A1); ResetEvent(M1);
    row("D9", "first set, second invalid"); see(W(WaitForMultipleObjects(2, h, FALSE, 0)));
    see(W(WSAWaitForMultipleEvents(2, h, FALSE, 0, FALSE))); num(sig(A1));
    h[0] = GetCurrentThread();
    row("D10", "pseudo handle among several"); see(W(WaitForMultipleObjects(1, h, FALSE, 0)));
    row("D10", "pseudo handle alone"); see(W(WaitForSingleObject(h[0], 0)));
    two[0] = ev(FALSE, FALSE);
    row("D11", "closed while waited for"); t = begin(wait_one); CloseHandle(two[0]); see(nm(ended(t)));
}
static void values(void)
{
    HANDLE h = ev(FALSE, FALSE), copy; WSAEVENT w;
    row("D13", "low bits"); num(((ULONG_PTR)h & 3) == 0);
    for (int bits = 1; bits < 4; bits++) { see(B(SetEvent((HANDLE)((ULONG_PTR)h | bits))));
    see(W(WaitForSingleObject((HANDLE)((ULONG_PTR)h | bits), 0))); }
    row("D14", "duplicate");
    DuplicateHandle(GetCurrentProcess(), h, GetCurrentProcess(), &copy, 0, FALSE, DUPLICATE_SAME_ACCESS); SetEvent(h);
    num(sig(copy));
    num(sig(h)); CloseHandle(h); see(B(SetEvent(copy))); num(sig(copy)); CloseHandle(copy);
    row("D14", "the next event has the same value"); h = ev(TRUE, FALSE); CloseHandle(h); copy = ev(TRUE, FALSE);
    num(h == copy); CloseHandle(copy);
    row("D12", "SetEvent closed, NULL"); see(B(SetEvent(h))); see(B(SetEvent(NULL)));
    w = WSACreateEvent(); WSACloseEvent(w);
    row("D12", "WSA functions on a closed one"); see(B(WSASetEvent(w))); see(B(WSAResetEvent(w)));
    see(B(WSACloseEvent(w)));
    row("D12", "WSA functions on NULL"); see(B(WSASetEvent(NULL))); see(B(WSAResetEvent(NULL)));
    see(B(WSACloseEvent(NULL)));
}
int main(void)
{
    start(); A1 = ev(FALSE, FALSE); B1 = ev(FALSE, FALSE); M1 = ev(TRUE, FALSE); several_waiters(); several_objects();
    values(); return finish();
}
