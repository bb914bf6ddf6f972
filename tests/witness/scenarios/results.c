/* The status block, and asking for results (rows G). */
#include "common.h"

static HANDLE X, port;
static const char *exr(DWORD ms, BOOL alertable) { DWORD n = 0x7777;
    return B(GetOverlappedResultEx((HANDLE)b, &p.o, &n, ms, alertable)); }
static void ends(void)
{
    HANDLE t;
    row("G2", "pending, no wait"); fresh(); orecv(b, &p, X, 16, 0, NULL); see(gor(b, &p, FALSE));
    see(kgor(b, &p, FALSE));
    row("G1", "event seen"); feed("data"); see(W(WaitForSingleObject(X, ROOM))); see(st(&p)); see(gor(b, &p, FALSE));
    row("G1", "packet not taken yet"); fresh(); port = port_of(b, 7); orecv(b, &p, NULL, 16, 0, NULL); feed("data");
    settle(&p); see(st(&p)); see(gor(b, &p, FALSE));
    see(pk(port, ROOM));
    row("G1", "routine due"); fresh(); orecv(b, &p, NULL, 16, 0, rt); feed("data"); settle(&p); see(st(&p));
    see(gor(b, &p, FALSE)); SleepEx(0, TRUE); see(rts());
    row("G3", "cancelled"); fresh(); orecv(b, &p, X, 16, 0, NULL); CancelIo((HANDLE)b); settle(&p);
    see(nm((DWORD)p.o.Internal)); see(B(WSAGetOverlappedResult(b, &p.o, &p.n, FALSE, &p.flags)));
    see(B(GetOverlappedResult((HANDLE)b, &p.o, &p.n, FALSE)));
    row("G3", "peer's reset"); fresh(); orecv(b, &p, X, 16, 0, NULL); reset_peer(); settle(&p);
    see(nm((DWORD)p.o.Internal));
    see(B(WSAGetOverlappedResult(b, &p.o, &p.n, FALSE, &p.flags)));
    see(B(GetOverlappedResult((HANDLE)b, &p.o, &p.n, FALSE)));
    row("G3", "peer's reset, routine"); fresh(); orecv(b, &p, NULL, 16, 0, rt); reset_peer(); settle(&p);
    SleepEx(0, TRUE); see(rts());
    row("G3", "peer's reset, port"); fresh(); port = port_of(b, 7); orecv(b, &p, NULL, 16, 0, NULL); reset_peer();
    see(pk(port, ROOM));
    row("G4", "bytes and flags of one that failed"); fresh(); orecv(b, &p, X, 16, 0, NULL); CancelIo((HANDLE)b);
    settle(&p); see(gor(b, &p, FALSE)); see(kgor(b, &p, FALSE));
    row("G5", "peer's end"); fresh(); orecv(b, &p, X, 16, 0, NULL); shutdown(a, SD_SEND); settle(&p);
    see(gor(b, &p, FALSE));
    row("G6", "wait, no event, one pending"); fresh(); orecv(b, &p, NULL, 16, 0, NULL); t = late("data");
    see(gor(b, &p, TRUE)); ended(t);
    row("G6", "wait, no event, Win32 function"); fresh(); orecv(b, &p, NULL, 16, 0, NULL); t = late("data");
    see(kgor(b, &p, TRUE)); ended(t);
    row("G8", "wait through an event with the low bit"); fresh(); orecv(b, &p, ONE(X), 16, 0, NULL); t = late("data");
    see(gor(b, &p, TRUE)); ended(t);
    HANDLE x = ev(FALSE, FALSE);
    row("G8", "auto-reset event consumed already"); fresh(); orecv(b, &p, x, 16, 0, NULL); feed("data");
    see(W(WaitForSingleObject(x, ROOM))); see(gor(b, &p, TRUE));
}
static void asking(void)
{
    SOCKET s; DWORD n, f;
    row("G9", "bad socket"); see(gor(0xdead0, &p, FALSE));
    row("G9", "bad handle, Win32 function"); see(kgor(0xdead0, &p, FALSE));
    row("G9", "another open socket"); s = socket(AF_INET, SOCK_STREAM, 0); see(gor(s, &p, FALSE)); closesocket(s);
    row("G9", "closed socket"); see(gor(s, &p, FALSE));
    init(&p, NULL);
    row("G10", "no operation, Internal preset: pending"); p.o.Internal = 0x103; see(gor(b, &p, FALSE));
    row("G10", "no operation, Internal preset: ended"); p.o.Internal = 0; p.o.InternalHigh = 42; p.o.Offset = 9;
    see(gor(b, &p, FALSE));
    row("G10", "no operation, Internal preset: cancelled"); p.o.Internal = 0xC0000120;
    see(B(WSAGetOverlappedResult(b, &p.o, &n, FALSE, &f)));
    p.o.Internal = 0;
    row("G11", "no structure"); see(B(WSAGetOverlappedResult(b, NULL, &n, FALSE, &f)));
    row("G11", "no bytes"); see(B(WSAGetOverlappedResult(b, &p.o, NULL, FALSE, &f)));
    row("G11", "no flags"); see(B(WSAGetOverlappedResult(b, &p.o, &n, FALSE, NULL)));
    fresh(); orecv(b, &p, NULL, 16, 0, NULL);
    row("G12", "30 ms"); see(exr(30, FALSE));
    row("G12", "no time"); see(exr(0, FALSE));
    row("G12", "no time, alertable, APC"); q('1'); see(exr(0, TRUE)); see(ran());
    row("G12", "100 ms, alertable, APC"); see(exr(100, TRUE)); see(ran());
    row("G12", "plain functions, APC"); HANDLE t = late("data"); q('1'); see(gor(b, &p, TRUE)); see(ran()); ended(t);
    drain();
}
int main(void) { start(); a = b = INVALID_SOCKET; X = ev(TRUE, FALSE); ends(); asking(); return finish(); }
