/* Receives and sends on a stream: order, lengths, flags (rows H). */
#include "common.h"

static HANDLE X, Y; static char big[4 << 20];
static const char *got(SOCKET s, int size, int flags)      /* what recv gave: the bytes, or -1/code */
{
    char *t = room(); SetLastError(MARK); int n = recv(s, t, size, flags); if (n < 0) return we(n); t[n] = 0; return t;
}
static const char *text(OP *op) { char *t = room(); sprintf(t, "%s", op->data); return t; }
static void order(void)
{
    row("H1", "three receives of 3, 8 bytes"); fresh(); orecv(b, &p, X, 3, 0, NULL); orecv(b, &p2, Y, 3, 0, NULL);
    orecv(b, &p3, NULL, 3, 0, NULL); feed("abcdefgh");
    settle(&p3); see(text(&p)); see(text(&p2)); see(text(&p3));
    row("H1", "the second cancelled, 6 bytes"); fresh(); orecv(b, &p, X, 3, 0, NULL); orecv(b, &p2, Y, 3, 0, NULL);
    orecv(b, &p3, NULL, 3, 0, NULL);
    CancelIoEx((HANDLE)b, &p2.o); settle(&p2); feed("abcdef"); settle(&p3); see(text(&p));
    see(nm((DWORD)p2.o.Internal)); see(text(&p3));
    row("H2", "two receives of 16, 3 bytes"); fresh(); orecv(b, &p, X, 16, 0, NULL); orecv(b, &p2, Y, 16, 0, NULL);
    feed("abc"); settle(&p); see(st(&p)); see(nm((DWORD)p2.o.Internal));
    row("H3", "non-blocking recv behind a pending receive"); nonblock(b, 1); see(got(b, 4, 0)); feed("xyz");
    settle(&p2); see(st(&p2));
    char x[4] = "", y[9] = ""; WSABUF w[2] = {{3, x}, {8, y}};
    row("H2", "scattered 3 + 8, 5 bytes"); fresh(); init(&p, X); WSARecv(b, w, 2, &p.n, &p.flags, &p.o, NULL);
    feed("abcde"); settle(&p); see(x); see(y); see(st(&p));
}
static void lengths(void)
{
    DWORD n;
    row("H4", "zero bytes, nothing there"); fresh(); orecv(b, &p, X, 0, 0, NULL); see(os(&p)); feed("abc"); settle(&p);
    see(gor(b, &p, FALSE)); see(got(b, 16, 0));
    row("H4", "zero bytes, data there"); here("abc"); orecv(b, &p, X, 0, 0, NULL); see(os(&p)); see(got(b, 16, 0));
    row("H4", "zero bytes, peer's end"); orecv(b, &p, X, 0, 0, NULL); shutdown(a, SD_SEND); settle(&p);
    see(gor(b, &p, FALSE)); orecv(b, &p, X, 0, 0, NULL); see(os(&p));
    row("H5", "no buffers: receive"); fresh(); here("x"); init(&p, X);
    see(E(WSARecv(b, &p.w, 0, &p.n, &p.flags, &p.o, NULL)));
    row("H5", "no buffers: send"); see(E(WSASend(b, &p.w, 0, &n, 0, NULL, NULL)));
    row("H6", "recv of nothing, data there"); fresh(); here("x"); see(E(recv(b, big, 0, 0))); see(got(b, 4, 0));
    row("H6", "recv of nothing, nothing there, non-blocking"); nonblock(b, 1); see(E(recv(b, big, 0, 0)));
    row("H6", "send of nothing"); see(E(send(b, big, 0, 0)));
}
static void flags(void)
{
    int n, all = 0;
    row("H7", "MSG_WAITALL of 6, 2 there"); fresh(); here("ab"); orecv(b, &p, X, 6, MSG_WAITALL, NULL); see(nm(p.code));
    feed("cdef"); settle(&p); see(text(&p));
    row("H7", "MSG_WAITALL of 6, 2 there, then the end"); fresh(); here("ab"); orecv(b, &p, X, 6, MSG_WAITALL, NULL);
    shutdown(a, SD_SEND); settle(&p); see(text(&p));
    see(gor(b, &p, FALSE));
    row("H8", "MSG_PEEK, nothing there"); fresh(); orecv(b, &p, X, 6, MSG_PEEK, NULL); see(nm(p.code)); feed("abc");
    settle(&p); see(text(&p)); see(got(b, 16, 0));
    row("H8", "MSG_PEEK, data there"); here("abc"); orecv(b, &p, X, 6, MSG_PEEK, NULL); see(os(&p)); see(got(b, 16, 0));
    row("H8", "MSG_PARTIAL"); here("abc"); orecv(b, &p, X, 6, MSG_PARTIAL, NULL); see(os(&p));
    row("H8", "unknown flag"); here("abc"); orecv(b, &p, X, 6, 0x4000, NULL); see(nm(p.code));
    row("H9", "4 MiB, nobody reads, and four bytes behind it"); fresh(); osend(b, &p, X, big, sizeof big, NULL);
    see(nm(p.code)); osend(b, &p2, Y, "tail", 4, NULL);
    see(nm(p2.code)); Sleep(20); see(nm((DWORD)p.o.Internal)); see(nm((DWORD)p2.o.Internal));
    while (all < (int)sizeof big + 4 && (n = recv(a, big, sizeof big, 0)) > 0) all += n;
    settle(&p); settle(&p2); num(all); see(st(&p)); see(st(&p2));
}
int main(void) { start(); a = b = INVALID_SOCKET; X = ev(TRUE, FALSE); Y = ev(TRUE, FALSE); order(); lengths(); flags();
    return finish(); }
