/* Start-up, calls in the wrong state, bad pointers (rows P). */
#include "common.h"

static char t[256];
static void starts(void)
{
    WSADATA d; SOCKET s; struct sockaddr_in x = lo(0);
    static const WORD versions[] = {0x0000, 0x0100, 0x0001, 0x0101, 0x0002, 0x0102, 0x0202, 0x0302, 0x0003, 0xFF01};
    row("P1", "before WSAStartup: socket, WSACleanup"); see(S(socket(AF_INET, SOCK_STREAM, 0))); see(E(WSACleanup()));
    row("P1", "before WSAStartup: other calls"); see(E(recv(0x1234, t, 1, 0)));
    see(E(bind(0x1234, (SA *)&x, sizeof x))); see(E(closesocket(0x1234)));
    row("P2", "versions asked for"); for (int i = 0; i < 10; i++) {
        SetLastError(MARK); memset(&d, 0x55, sizeof d); int r = WSAStartup(versions[i], &d); see(nm(r));
        num(d.wVersion); num(d.wHighVersion); see(nm(GetLastError())); if (!r) WSACleanup(); }
    row("P3", "three starts, four cleanups"); for (int i = 0; i < 3; i++) WSAStartup(0x202, &d);
    s = socket(AF_INET, SOCK_STREAM, 0); see(E(WSACleanup())); see(E(WSACleanup()));
    see(E(bind(s, (SA *)&x, sizeof x))); see(E(WSACleanup())); see(E(WSACleanup()));
    row("P3", "old socket after a restart"); start(); see(E(listen(s, 1)));
}
static void states(void)
{
    SOCKET s = socket(AF_INET, SOCK_STREAM, 0), u = socket(AF_INET, SOCK_DGRAM, 0), l;
    struct sockaddr_in used, x = lo(0); int n = sizeof x;
    l = listener(&used); nonblock(l, 1);
    row("P4", "unconnected: recv"); see(E(recv(s, t, 4, 0)));
    row("P4", "unconnected: send"); see(E(send(s, t, 4, 0)));
    row("P4", "listening: recv"); see(E(recv(l, t, 4, 0)));
    row("P5", "listen: unbound"); see(E(listen(s, 1)));
    row("P5", "listen: twice"); see(E(listen(l, 5)));
    row("P5", "listen: datagram"); see(E(listen(u, 1)));
    fresh();
    row("P5", "listen: connected"); see(E(listen(a, 1)));
    row("P6", "accept: not listening"); see(E(accept(s, NULL, NULL) == INVALID_SOCKET ? -1 : 0));
    row("P6", "accept: datagram"); see(E(accept(u, NULL, NULL) == INVALID_SOCKET ? -1 : 0));
    row("P8", "getsockname unbound, getpeername unconnected"); see(E(getsockname(s, (SA *)&x, &n))); n = sizeof x;
    see(E(getpeername(s, (SA *)&x, &n)));
    row("P7", "bind: foreign address"); x = lo(0); x.sin_addr.s_addr = inet_addr("192.0.2.1");
    see(E(bind(s, (SA *)&x, sizeof x)));
    row("P7", "bind: short"); x = lo(0); see(E(bind(s, (SA *)&x, 4)));
    row("P7", "bind: family 99"); x.sin_family = 99; see(E(bind(s, (SA *)&x, sizeof x)));
    row("P7", "bind: AF_INET6 on AF_INET"); x.sin_family = AF_INET6; see(E(bind(s, (SA *)&x, sizeof x)));
    row("P7", "bind: used port"); see(E(bind(s, (SA *)&used, sizeof used)));
    row("P7", "bind: once, twice"); x = lo(0); see(E(bind(s, (SA *)&x, sizeof x))); see(E(bind(s, (SA *)&x, sizeof x)));
    row("P9", "length too short"); n = 4; see(E(getsockname(l, (SA *)&x, &n))); num(n);
    closesocket(s); closesocket(u); closesocket(l);
}
static SOCKET caller(struct sockaddr_in *x) { SOCKET s = socket(AF_INET, SOCK_STREAM, 0);
    connect(s, (SA *)x, sizeof *x); return s; }
static void pointers(void)
{
    SOCKET l, c, s; struct sockaddr_in x, y; int n = sizeof y, on = 1; char one = 1; DWORD bytes;
    l = listener(&x);
    row("P10", "accept without addresses"); c = caller(&x); s = accept(l, NULL, NULL); num(s != INVALID_SOCKET);
    closesocket(s); closesocket(c);
    row("P10", "accept without a length"); c = caller(&x); memset(&y, 0, sizeof y); s = accept(l, (SA *)&y, NULL);
    num(s != INVALID_SOCKET); num(y.sin_family); closesocket(s); closesocket(c);
    row("P10", "accept, length 4"); c = caller(&x); n = 4; SetLastError(MARK); s = accept(l, (SA *)&y, &n);
    see(s == INVALID_SOCKET ? we(-1) : "a socket"); closesocket(c);
    row("P11", "bad socket and bad pointers"); see(E(recv(0xdead0, NULL, 4, 0))); see(E(bind(0xdead0, NULL, 0)));
    see(E(setsockopt(0xdead0, SOL_SOCKET, SO_KEEPALIVE, NULL, 0)));
    row("P11", "bad socket and bad pointers: getsockname"); see(E(getsockname(0xdead0, NULL, NULL)));
    fresh();
    row("P12", "unknown option"); n = 4; see(E(getsockopt(a, SOL_SOCKET, 0x7777, t, &n)));
    see(E(setsockopt(a, SOL_SOCKET, 0x7777, (char *)&on, 4)));
    row("P12", "unknown level"); n = 4; see(E(getsockopt(a, 0x7777, 1, t, &n)));
    see(E(setsockopt(a, 0x7777, 1, (char *)&on, 4)));
    row("P12", "no value, short value"); see(E(setsockopt(a, SOL_SOCKET, SO_KEEPALIVE, NULL, 4)));
    see(E(setsockopt(a, SOL_SOCKET, SO_RCVBUF, &one, 1)));
    row("P12", "one byte for SO_KEEPALIVE"); see(E(setsockopt(a, SOL_SOCKET, SO_KEEPALIVE, &one, 1))); n = 4;
    *(int *)t = 0; see(E(getsockopt(a, SOL_SOCKET, SO_KEEPALIVE, t, &n))); num(*(int *)t);
    row("P12", "SO_ACCEPTCONN set"); see(E(setsockopt(a, SOL_SOCKET, SO_ACCEPTCONN, (char *)&on, 4)));
    (void)bytes; closesocket(l);
}
int main(void) { a = b = INVALID_SOCKET; starts(); states(); pointers(); return finish(); }
