/* Cancelling what was started (rows J). */
#include "common.h"

static HANDLE X, Y, port, hold, ready, with_event; static ROUTINE with_routine;
static DWORD WINAPI starter(void *op)      /* starts a receive, then waits until it may go on, and is alertable once */
{
    orecv(b, op, with_event, 16, 0, with_routine); SetEvent(ready); WaitForSingleObject(hold, ROOM);
    while (SleepEx(0, TRUE) == WAIT_IO_COMPLETION) {} return 0;
}
static HANDLE from_thread(OP *op, HANDLE e, ROUTINE f) { with_event = e; with_routine = f; HANDLE t = go(starter, op);
    WaitForSingleObject(ready, ROOM); return t; }
static char big[4 << 20];
int main(void)
{
    HANDLE t; SOCKET s;
    start(); a = b = INVALID_SOCKET; X = ev(TRUE, FALSE); Y = ev(TRUE, FALSE); hold = ev(FALSE, FALSE);
    ready = ev(FALSE, FALSE);
    row("J1", "nothing pending: CancelIo"); fresh(); init(&p, NULL); see(B(CancelIo((HANDLE)b)));
    row("J1", "nothing pending: CancelIoEx, a structure"); see(B(CancelIoEx((HANDLE)b, &p.o)));
    row("J1", "nothing pending: CancelIoEx, everything"); see(B(CancelIoEx((HANDLE)b, NULL)));
    row("J2", "bad handle"); see(B(CancelIo((HANDLE)0xdead0))); see(B(CancelIoEx((HANDLE)0xdead0, NULL)));
    row("J2", "closed socket"); s = b; closesocket(b); see(B(CancelIo((HANDLE)s))); see(B(CancelIoEx((HANDLE)s, NULL)));
    row("J2", "event handle"); see(B(CancelIoEx(X, NULL)));
    row("J3", "own receive, event"); fresh(); orecv(b, &p, X, 16, 0, NULL); see(B(CancelIo((HANDLE)b))); see(st(&p));
    num(sig(X));
    row("J3", "own receive, port"); fresh(); port = port_of(b, 7); orecv(b, &p, NULL, 16, 0, NULL);
    see(B(CancelIoEx((HANDLE)b, NULL))); see(pk(port, 0));
    row("J3", "own receive, routine"); fresh(); orecv(b, &p, NULL, 16, 0, rt); see(B(CancelIoEx((HANDLE)b, &p.o)));
    see(st(&p)); see(rts()); see(nm(SleepEx(0, TRUE))); see(rts());
    row("J4", "another thread's receive: CancelIo"); fresh(); ResetEvent(X); t = from_thread(&p, X, NULL);
    see(B(CancelIo((HANDLE)b))); Sleep(20); see(nm((DWORD)p.o.Internal));
    row("J4", "another thread's receive: CancelIoEx"); see(B(CancelIoEx((HANDLE)b, &p.o))); settle(&p); see(st(&p));
    num(WaitForSingleObject(X, ROOM) == 0); SetEvent(hold); ended(t);
    row("J4", "another thread's receive with a routine"); fresh(); t = from_thread(&p, NULL, rt);
    see(B(CancelIoEx((HANDLE)b, NULL))); settle(&p); see(rts()); SetEvent(hold); ended(t);
    see(rts());
    row("J5", "the second of three"); fresh(); orecv(b, &p, X, 16, 0, NULL); orecv(b, &p2, Y, 16, 0, NULL);
    orecv(b, &p3, NULL, 16, 0, NULL);
    see(B(CancelIoEx((HANDLE)b, &p2.o))); settle(&p2); see(nm((DWORD)p.o.Internal)); see(nm((DWORD)p2.o.Internal));
    see(nm((DWORD)p3.o.Internal));
    row("J5", "the others, and the socket afterwards"); see(B(CancelIoEx((HANDLE)b, NULL))); settle(&p); settle(&p3);
    see(nm((DWORD)p.o.Internal));
    see(nm((DWORD)p3.o.Internal)); here("abc"); see(E(recv(b, big, 9, 0)));
    row("J6", "ended, not looked at"); fresh(); orecv(b, &p, X, 16, 0, NULL); feed("abc"); settle(&p);
    see(B(CancelIoEx((HANDLE)b, &p.o))); see(st(&p));
    row("J6", "ended, routine due"); fresh(); orecv(b, &p, NULL, 16, 0, rt); feed("abc"); settle(&p);
    see(B(CancelIoEx((HANDLE)b, &p.o))); SleepEx(0, TRUE); see(rts());
    row("J7", "4 MiB send half done"); fresh(); osend(b, &p, X, big, sizeof big, NULL); Sleep(20);
    see(B(CancelIoEx((HANDLE)b, &p.o))); Sleep(20);
    see(nm((DWORD)p.o.Internal));
    return finish();
}
