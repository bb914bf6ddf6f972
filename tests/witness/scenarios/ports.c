/* Completion ports: the queue, its waiters, what can be associated (rows E). */
#include "common.h"

static HANDLE P; static volatile LONG inside;
static void queue(void)
{
    HANDLE x = ev(TRUE, TRUE), port = new_port();
    row("E1", "empty, no time"); see(pk(P, 0));
    row("E1", "empty, 20 ms"); see(pk(P, 20));
    row("E2", "five posted"); for (int i = 1; i <= 5; i++) PostQueuedCompletionStatus(P, i, i * 16, NULL);
    for (int i = 1; i <= 5; i++) { DWORD n; ULONG_PTR key; OVERLAPPED *o; GetQueuedCompletionStatus(P, &n, &key, &o, 0);
    num(n); num((long)key); }
    row("E2", "posted all ones"); PostQueuedCompletionStatus(P, 0xFFFFFFFF, (ULONG_PTR)-1, (void *)-1); see(pk(P, 0));
    see(nm(GetLastError()));
    row("E2", "posted zeros"); PostQueuedCompletionStatus(P, 0, 0, NULL);
    { DWORD n = 7; ULONG_PTR key = 7; OVERLAPPED *o = (void *)7; see(B(GetQueuedCompletionStatus(P, &n, &key, &o, 0)));
    num(n); num((long)key); num(o == NULL);
      see(nm(GetLastError())); }
    row("E3", "get from a bad, event, NULL, closed handle"); see(pk((HANDLE)0xdead0, 0)); see(pk(x, 0));
    see(pk(NULL, 0)); CloseHandle(port); see(pk(port, 0));
    row("E3", "post to them"); see(B(PostQueuedCompletionStatus((HANDLE)0xdead0, 1, 1, NULL)));
    see(B(PostQueuedCompletionStatus(x, 1, 1, NULL)));
    see(B(PostQueuedCompletionStatus(NULL, 1, 1, NULL))); see(B(PostQueuedCompletionStatus(port, 1, 1, NULL)));
    row("E16", "closed with packets queued"); port = new_port(); PostQueuedCompletionStatus(port, 1, 1, NULL);
    see(B(CloseHandle(port))); see(pk(port, 0));
}
static OVERLAPPED_ENTRY entries[8]; static ULONG removed;
static const char *ex(ULONG count, DWORD ms, BOOL alertable)
{
    memset(entries, 0x77, sizeof entries); removed = 0xABC;
    return B(GetQueuedCompletionStatusEx(P, entries, count, &removed, ms, alertable));
}
static void keys(void) { for (ULONG i = 0; i < removed; i++) num((long)entries[i].lpCompletionKey); }
static DWORD WINAPI in_ex(void *x) { (void)x; InterlockedIncrement(&inside); SetLastError(MARK);
    return ex(4, ROOM, TRUE)[0] == 'T' ? 1 : GetLastError(); }
static void several(void)
{
    row("E7", "empty"); see(ex(4, 0, FALSE)); num(removed);
    row("E8", "three queued, room for eight"); for (int i = 1; i <= 3; i++) PostQueuedCompletionStatus(P, i, i, NULL);
    see(ex(8, 0, FALSE)); num(removed); keys();
    num((long)entries[0].Internal);
    row("E8", "five queued, room for two"); for (int i = 1; i <= 5; i++) PostQueuedCompletionStatus(P, i, i, NULL);
    see(ex(2, INFINITE, FALSE)); num(removed); keys();
    see(ex(8, 0, FALSE)); num(removed); keys();
    row("E9", "APC, empty, 200 ms"); q('1'); see(ex(4, 200, TRUE)); num(removed); see(ran());
    row("E9", "APC, empty, no time"); q('1'); see(ex(4, 0, TRUE)); num(removed); see(ran());
    row("E9", "APC and a packet"); q('1'); PostQueuedCompletionStatus(P, 7, 7, NULL); see(ex(4, 200, TRUE));
    num(removed); see(ran()); drain();
    HANDLE t; inside = 0;
    row("E9", "APC while blocked"); t = go(in_ex, NULL); while (!inside) Sleep(1); Sleep(20); QueueUserAPC(apc, t, '1');
    see(nm(ended(t))); see(ran());
    row("E10", "not alertable, APC queued"); q('1'); see(ex(4, 10, FALSE)); see(ran()); drain();
    row("E10", "count 0"); PostQueuedCompletionStatus(P, 7, 7, NULL); see(ex(0, 0, FALSE)); ex(8, 0, FALSE);
}
static DWORD WINAPI in_get(void *x)
{
    DWORD n; ULONG_PTR key; OVERLAPPED *o = (void *)1; (void)x; InterlockedIncrement(&inside); SetLastError(MARK);
    return GetQueuedCompletionStatus(P, &n, &key, &o, 1000) ? 1 : o ? MARK : GetLastError();
}
static void closing(void)
{
    HANDLE t; inside = 0;
    row("E4", "closed while a thread waits"); P = new_port(); t = go(in_get, NULL); while (!inside) Sleep(1); Sleep(60);
    CloseHandle(P); see(nm(ended(t)));
}
static const char *as(HANDLE h, HANDLE port) { return B(CreateIoCompletionPort(h, port, 7, 0)); }
static void association(void)
{
    HANDLE port = new_port(), other = new_port(), x = ev(TRUE, FALSE); SOCKET l, u; struct sockaddr_in address;
    fresh();
    row("E11", "INVALID_HANDLE_VALUE with a port"); see(as(INVALID_HANDLE_VALUE, port));
    row("E11", "closed, NULL, event handle with a port"); closesocket(a); see(as((HANDLE)a, port)); see(as(NULL, port));
    see(as(x, port));
    row("E11", "socket with an event for a port"); see(as((HANDLE)b, x));
    fresh();
    row("E12", "socket"); num(CreateIoCompletionPort((HANDLE)b, port, 7, 0) == port);
    row("E12", "again: same, other, no port"); see(as((HANDLE)b, port)); see(as((HANDLE)b, other));
    see(as((HANDLE)b, NULL));
    row("E12", "unconnected, listening"); u = socket(AF_INET, SOCK_STREAM, 0); l = listener(&address);
    see(as((HANDLE)u, port)); see(as((HANDLE)l, port));
    closesocket(u); closesocket(l);
    row("E13", "port closed, then another"); CloseHandle(port); see(as((HANDLE)b, other));
    row("E14", "socket without WSA_FLAG_OVERLAPPED"); pair_flags(0); see(as((HANDLE)b, other));
    row("E14", "SO_OPENTYPE synchronous"); int kind = 0x20;
    setsockopt(INVALID_SOCKET, SOL_SOCKET, SO_OPENTYPE, (char *)&kind, 4);
    u = socket(AF_INET, SOCK_STREAM, 0); kind = 0;
    setsockopt(INVALID_SOCKET, SOL_SOCKET, SO_OPENTYPE, (char *)&kind, 4); see(as((HANDLE)u, other)); closesocket(u);
    row("E15", "associated while a receive runs"); fresh(); orecv(b, &p, NULL, 16, 0, NULL); port = port_of(b, 9);
    feed("abc"); see(pk(port, ROOM));
    row("E15", "associated while a receive with a routine runs"); fresh(); orecv(b, &p, NULL, 16, 0, rt);
    other = port_of(b, 9); feed("abc"); settle(&p);
    see(nm(SleepEx(0, TRUE))); see(rts()); see(pk(other, 20));
    row("E16", "closed while a receive runs"); fresh(); port = port_of(b, 9); orecv(b, &p, NULL, 16, 0, NULL);
    CloseHandle(port); feed("abc"); settle(&p); see(st(&p));
}
int main(void)
{
    start(); a = b = INVALID_SOCKET; P = new_port(); queue(); several(); closing(); association(); return finish();
}
