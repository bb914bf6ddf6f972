/* Starting an overlapped operation, and being told of its end (rows F). */
#include "common.h"

static HANDLE X, port;
static void again(void) { fresh(); ResetEvent(X); port = port_of(b, 7); }     /* a connection whose end b has a port */
static void immediate(void)
{
    row("F1", "send"); fresh(); osend(b, &p, NULL, "abcd", 4, NULL); see(os(&p));
    row("F2", "send, event"); fresh(); osend(b, &p, X, "abcd", 4, NULL); see(os(&p)); num(sig(X));
    row("F2", "send, routine"); fresh(); osend(b, &p, NULL, "abcd", 4, rt); see(os(&p)); see(rts());
    see(nm(SleepEx(0, TRUE))); see(rts());
    row("F2", "send, port"); again(); osend(b, &p, NULL, "abcd", 4, NULL); see(os(&p)); see(pk(port, ROOM));
    see(pk(port, 0));
    row("F2", "receive, event"); fresh(); ResetEvent(X); here("data"); orecv(b, &p, X, 16, 0, NULL); see(os(&p));
    num(sig(X));
    row("F2", "receive, routine"); fresh(); here("data"); orecv(b, &p, NULL, 16, 0, rt); see(os(&p));
    see(nm(SleepEx(0, TRUE))); see(rts());
    row("F3", "send, event and port"); again(); osend(b, &p, X, "abcd", 4, NULL); num(sig(X)); see(pk(port, ROOM));
    row("F3", "receive pending, event and port"); again(); orecv(b, &p, X, 16, 0, NULL); feed("data");
    see(pk(port, ROOM)); num(sig(X));
    row("F4", "event with the low bit, port"); again(); osend(b, &p, ONE(X), "abcd", 4, NULL); see(os(&p)); num(sig(X));
    see(pk(port, 0));
    row("F5", "low bit alone, port"); again(); osend(b, &p, ONE(NULL), "abcd", 4, NULL); see(os(&p)); see(pk(port, 0));
    row("F6", "skip on success, immediate"); again(); see(B(SetFileCompletionNotificationModes((HANDLE)b, 1)));
    osend(b, &p, X, "abcd", 4, NULL); see(os(&p));
    num(sig(X)); see(pk(port, 0));
    row("F6", "skip on success, pending"); orecv(b, &p, NULL, 16, 0, NULL); see(os(&p)); feed("data");
    see(pk(port, ROOM));
    row("F8", "send, event and routine"); fresh(); ResetEvent(X); osend(b, &p, X, "abcd", 4, rt);
    see(nm(SleepEx(0, TRUE))); see(rts()); num(sig(X));
    row("F8", "event set beforehand, routine"); fresh(); SetEvent(X); orecv(b, &p, X, 16, 0, rt); num(sig(X));
    feed("data"); settle(&p); SleepEx(0, TRUE); see(rts());
}
static void pending(void)
{
    HANDLE y; int size;
    row("F7", "at return"); fresh(); SetEvent(X); orecv(b, &p, X, 16, 0, NULL); see(os(&p)); num(sig(X));
    row("F7", "then data"); feed("data"); settle(&p); see(os(&p)); num(WaitForSingleObject(X, ROOM) == 0);
    row("F9", "send with a routine on a port's socket"); again(); osend(b, &p, NULL, "abcd", 4, rt); see(nm(p.code));
    see(nm((DWORD)p.o.Internal));
    see(nm(SleepEx(0, TRUE))); see(pk(port, 0));
    row("F9", "receive with a routine on a port's socket"); orecv(b, &p, NULL, 16, 0, rt); see(nm(p.code));
    see(nm((DWORD)p.o.Internal)); see(nm(SleepEx(0, TRUE)));
    see(pk(port, 0));
    row("F10", "after shutdown"); again(); SetEvent(X); shutdown(b, SD_SEND); osend(b, &p, X, "abcd", 4, NULL);
    see(nm(p.code)); see(nm((DWORD)p.o.Internal));
    num(sig(X)); see(pk(port, 0));
    row("F10", "unconnected"); closesocket(b); b = socket(AF_INET, SOCK_STREAM, 0); SetEvent(X);
    orecv(b, &p, X, 16, 0, NULL); see(nm(p.code));
    see(nm((DWORD)p.o.Internal)); num(sig(X));
    row("F11", "bad socket"); SetEvent(X); orecv(0xdead0, &p, X, 16, 0, NULL); see(nm(p.code)); num(sig(X));
    ResetEvent(X);
    row("F11", "bad event"); fresh(); orecv(b, &p, (HANDLE)0xdead0, 16, 0, NULL); see(nm(p.code));
    row("F12", "no count, overlapped"); fresh(); init(&p, NULL);
    see(E(WSARecv(b, &p.w, 1, NULL, &p.flags, &p.o, NULL))); feed("data"); settle(&p); see(st(&p));
    init(&p, NULL); p.w.len = 4; see(E(WSASend(b, &p.w, 1, NULL, 0, &p.o, NULL))); settle(&p); see(st(&p));
    row("F12", "no count, not overlapped: send"); see(E(WSASend(b, &p.w, 1, NULL, 0, NULL, NULL)));
    row("F12", "no count, not overlapped: receive"); here("data");
    see(E(WSARecv(b, &p.w, 1, NULL, &p.flags, NULL, NULL)));
    row("F13", "not an overlapped socket, data there"); pair_flags(0); ResetEvent(X); here("data");
    orecv(b, &p, X, 16, 0, NULL); see(os(&p)); num(sig(X));
    row("F13", "not an overlapped socket, data later"); y = late("data"); orecv(b, &p, X, 16, 0, NULL); see(os(&p));
    num(sig(X)); ended(y);
    row("F14", "non-blocking mode, nothing there"); fresh(); nonblock(b, 1); orecv(b, &p, X, 16, 0, NULL); see(os(&p));
    row("F14", "non-blocking mode, behind a full buffer"); static char big[1 << 20];
    do size = send(b, big, sizeof big, 0); while (size > 0);
    osend(b, &p2, X, "abcd", 4, NULL); see(nm(p2.code));
    row("F15", "event handle closed while pending"); fresh(); y = ev(TRUE, FALSE);
    { HANDLE copy; DuplicateHandle(GetCurrentProcess(), y, GetCurrentProcess(), &copy, 0, FALSE, DUPLICATE_SAME_ACCESS);
    orecv(b, &p, y, 16, 0, NULL); CloseHandle(y);
      feed("data"); settle(&p); num(WaitForSingleObject(copy, ROOM) == 0); CloseHandle(copy); }
    row("F15", "hEvent changed while pending"); fresh(); y = ev(TRUE, FALSE); ResetEvent(X);
    orecv(b, &p, y, 16, 0, NULL); p.o.hEvent = X; feed("data"); settle(&p);
    num(WaitForSingleObject(y, ROOM) == 0); num(sig(X));
    row("F16", "WSABUF overwritten after the call"); fresh(); orecv(b, &p, NULL, 16, 0, NULL);
    memset(&p.w, 0xff, sizeof p.w); feed("abc"); settle(&p); see(p.data);
    row("F16", "no buffers, no flags"); init(&p, NULL); see(E(WSARecv(b, NULL, 1, &p.n, &p.flags, &p.o, NULL)));
    see(E(WSARecv(b, &p.w, 1, &p.n, NULL, &p.o, NULL)));
    row("F17", "one event for two"); fresh(); ResetEvent(X); orecv(b, &p, X, 4, 0, NULL); feed("data"); settle(&p);
    num(WaitForSingleObject(X, ROOM) == 0);
    orecv(b, &p2, X, 4, 0, NULL); num(sig(X)); feed("data"); settle(&p2); num(WaitForSingleObject(X, ROOM) == 0);
}
int main(void) { start(); a = b = INVALID_SOCKET; X = ev(TRUE, FALSE); immediate(); pending(); return finish(); }
