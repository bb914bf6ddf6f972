/* closesocket, shutdown, the end of a thread and of the start-up, while operations run (rows K). */
#include "common.h"

static HANDLE X, Y, port, hold, ready, with_event; static ROUTINE with_routine; static char big[4 << 20];
static DWORD WINAPI starter(void *op)
{
    orecv(b, op, with_event, 16, 0, with_routine); SetEvent(ready); WaitForSingleObject(hold, ROOM);
    while (SleepEx(0, TRUE) == WAIT_IO_COMPLETION) {} return 0;
}
static HANDLE from_thread(OP *op, HANDLE e, ROUTINE f) { with_event = e; with_routine = f; HANDLE t = go(starter, op);
    WaitForSingleObject(ready, ROOM); return t; }
static DWORD WINAPI leaver(void *op) { orecv(b, op, with_event, 16, 0, with_routine); return 0; }
static void leaves(OP *op, HANDLE e, ROUTINE f) { with_event = e; with_routine = f; ended(go(leaver, op)); Sleep(10);
    }      /* starts a receive and ends */
static void closes(void)
{
    HANDLE t; SOCKET l; struct sockaddr_in x;
    row("K1", "event"); fresh(); orecv(b, &p, X, 16, 0, NULL); orecv(b, &p2, Y, 16, 0, NULL); see(E(closesocket(b)));
    num(p.o.Internal != 0x103); num(sig(X)); num(p2.o.Internal != 0x103); num(sig(Y));
    row("K1", "nothing"); fresh(); orecv(b, &p, NULL, 16, 0, NULL); closesocket(b); num(p.o.Internal != 0x103);
    row("K1", "routine"); fresh(); orecv(b, &p, NULL, 16, 0, rt); closesocket(b); num(p.o.Internal != 0x103);
    see(rts()); see(nm(SleepEx(0, TRUE))); num(r_count); r_count = 0;
    row("K1", "port"); fresh(); port = port_of(b, 7); orecv(b, &p, NULL, 16, 0, NULL); closesocket(b);
    num(pk(port, ROOM)[0] == 'p'); see(pk(port, 0));
    row("K2", "status"); see(nm((DWORD)p.o.Internal));
    row("K2", "packet"); fresh(); port = port_of(b, 7); orecv(b, &p, NULL, 16, 0, NULL); closesocket(b);
    see(pk(port, ROOM));
    row("K2", "routine"); fresh(); orecv(b, &p, NULL, 16, 0, rt); closesocket(b); SleepEx(0, TRUE); see(rts());
    row("K3", "another thread's, routine"); fresh(); t = from_thread(&p, NULL, rt); closesocket(b); settle(&p);
    num(p.o.Internal != 0x103); see(rts()); SetEvent(hold); ended(t); num(r_count); r_count = 0;
    row("K4", "result and close afterwards"); see(gor(b, &p, FALSE)); see(E(closesocket(b)));
    row("K6", "4 MiB send pending"); fresh(); ResetEvent(X); osend(b, &p, X, big, sizeof big, NULL); Sleep(10);
    closesocket(b); Sleep(20); see(nm((DWORD)p.o.Internal)); num(sig(X));
    row("K8", "next socket after a close"); l = listener(&x); closesocket(l); t = (HANDLE)listener(&x);
    num((SOCKET)t == l); closesocket((SOCKET)t);
    row("K10", "WSACleanup, routine"); fresh(); orecv(b, &p, NULL, 16, 0, rt); see(E(WSACleanup()));
    see(nm(SleepEx(20, TRUE))); see(rts()); start(); a = b = INVALID_SOCKET;
}
static void shuts(void)
{
    SOCKET s, l; struct sockaddr_in x;
    row("K11", "SD_RECEIVE, receive pending"); fresh(); orecv(b, &p, X, 16, 0, NULL); see(E(shutdown(b, SD_RECEIVE)));
    see(nm((DWORD)p.o.Internal)); feed("abc"); settle(&p); see(st(&p));
    orecv(b, &p, X, 16, 0, NULL); see(nm(p.code)); see(E(recv(b, big, 9, 0))); see(E(send(a, "x", 1, 0)));
    row("K12", "SD_SEND, receive pending"); fresh(); orecv(b, &p, X, 16, 0, NULL); see(E(shutdown(b, SD_SEND)));
    Sleep(10); see(nm((DWORD)p.o.Internal)); see(E(send(b, "x", 1, 0)));
    see(E(shutdown(b, SD_SEND)));
    row("K12", "SD_BOTH, receive pending"); fresh(); orecv(b, &p, X, 16, 0, NULL); see(E(shutdown(b, SD_BOTH)));
    Sleep(10); see(nm((DWORD)p.o.Internal)); shutdown(a, SD_SEND); settle(&p); see(st(&p));
    row("K13", "how = 7, bad socket"); see(E(shutdown(b, 7))); see(E(shutdown(0xdead0, 1)));
    row("K13", "unconnected, listening"); s = socket(AF_INET, SOCK_STREAM, 0); l = listener(&x); see(E(shutdown(s, 1)));
    see(E(shutdown(l, 1))); closesocket(s); closesocket(l);
    row("K14", "shutdown on a port's socket"); fresh(); port = port_of(b, 7); see(E(shutdown(b, SD_BOTH)));
    see(pk(port, 10));
    row("K15", "peer's reset, pending receive"); fresh(); orecv(b, &p, X, 16, 0, NULL); reset_peer(); settle(&p);
    see(B(WSAGetOverlappedResult(b, &p.o, &p.n, FALSE, &p.flags)));
    row("K15", "then recv"); see(E(recv(b, big, 9, 0)));
    row("K15", "then a receive"); orecv(b, &p, X, 16, 0, NULL); see(nm(p.code));
    row("K15", "then send"); see(E(send(b, "x", 1, 0)));
}
static void threads(void)
{
    row("K16", "event, no port"); fresh(); ResetEvent(X); leaves(&p, X, NULL); settle(&p); see(nm((DWORD)p.o.Internal));
    num(sig(X));
    row("K16", "nothing, no port"); fresh(); leaves(&p, NULL, NULL); settle(&p); see(nm((DWORD)p.o.Internal));
    row("K16", "routine"); fresh(); leaves(&p, NULL, rt); settle(&p); see(nm((DWORD)p.o.Internal)); SleepEx(0, TRUE);
    see(rts());
    row("K17", "port, no event"); fresh(); port = port_of(b, 7); leaves(&p, NULL, NULL); see(pk(port, 10)); feed("abc");
    see(pk(port, ROOM));
    row("K18", "port and event"); fresh(); ResetEvent(X); port = port_of(b, 7); leaves(&p, X, NULL); settle(&p);
    num(sig(X)); see(pk(port, ROOM));
    row("K18", "port and event with the low bit"); fresh(); ResetEvent(X); port = port_of(b, 7);
    leaves(&p, ONE(X), NULL); settle(&p); see(nm((DWORD)p.o.Internal)); num(sig(X)); see(pk(port, 10));
}
int main(void)
{
    start(); a = b = INVALID_SOCKET; X = ev(TRUE, FALSE); Y = ev(TRUE, FALSE); hold = ev(FALSE, FALSE);
    ready = ev(FALSE, FALSE); closes(); shuts(); threads(); return finish();
}
