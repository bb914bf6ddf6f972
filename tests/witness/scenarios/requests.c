/* ioctls, sockets as files, connects, and what socket() matches (rows N, Q, R). */
#include "common.h"

static HANDLE X, port; static char t[256]; static DWORD n;
#define BASE_HANDLE _WSAIOR(IOC_WS2, 34)
#define FLUSH _WSAIO(IOC_WS2, 4)
static void ioctls(void)
{
    SOCKET out = 0; u_long on = 0;
    fresh();
    row("Q4", "no place for the count"); see(E(WSAIoctl(b, FIONREAD, NULL, 0, t, 4, NULL, NULL, NULL)));
    row("Q4", "no place for the count, overlapped"); init(&p, X);
    see(E(WSAIoctl(b, FIONREAD, NULL, 0, t, 4, NULL, &p.o, NULL)));
    row("Q5", "short buffers"); see(E(WSAIoctl(b, FIONREAD, NULL, 0, t, 2, &n, NULL, NULL)));
    see(E(WSAIoctl(b, FIONBIO, t, 2, NULL, 0, &n, NULL, NULL)));
    row("Q5", "overlapped, port"); port = port_of(b, 7); init(&p, NULL);
    see(E(WSAIoctl(b, FIONBIO, &on, 4, NULL, 0, &n, &p.o, NULL))); see(pk(port, ROOM));
    row("Q5", "overlapped, routine"); fresh(); init(&p, NULL);
    see(E(WSAIoctl(b, FIONREAD, NULL, 0, t, 4, &n, &p.o, rt))); SleepEx(0, TRUE); num(r_count); see(nm(r_code));
    r_count = 0;
    row("Q6", "SIO_BASE_HANDLE"); see(E(WSAIoctl(b, BASE_HANDLE, NULL, 0, &out, sizeof out, &n, NULL, NULL)));
    num(out == b);
    row("Q6", "SIO_BASE_HANDLE, overlapped"); out = 0; ResetEvent(X); init(&p, X); SetLastError(MARK);
    int r = WSAIoctl(b, BASE_HANDLE, NULL, 0, &out, sizeof out, &n, &p.o, NULL);
    see(r && GetLastError() == 997 ? "0 or pending" : we(r) ); WaitForSingleObject(X, ROOM);
    see(nm((DWORD)p.o.Internal)); num(out == b);
    row("Q7", "unknown codes"); see(E(WSAIoctl(b, 0x12345678, NULL, 0, t, 4, &n, NULL, NULL)));
    see(E(WSAIoctl(b, _WSAIOR(IOC_WS2, 0x777), NULL, 0, t, 4, &n, NULL, NULL)));
    see(E(WSAIoctl(b, _WSAIO(IOC_VENDOR, 0x777), NULL, 0, t, 4, &n, NULL, NULL))); num(n);
    row("Q7", "unknown code, overlapped, port"); port = port_of(b, 7); init(&p, NULL);
    see(E(WSAIoctl(b, 0x12345678, NULL, 0, t, 4, &n, &p.o, NULL))); see(pk(port, ROOM));
    row("Q7", "unknown code, overlapped, routine"); fresh(); init(&p, NULL);
    see(E(WSAIoctl(b, 0x12345678, NULL, 0, t, 4, &n, &p.o, rt))); SleepEx(100, TRUE); see(rts());
}
static void files(void)
{
    OVERLAPPED o; HANDLE y;
    row("Q8", "overlapped socket, no structure"); fresh(); here("abc"); see(B(ReadFile((HANDLE)b, t, 9, &n, NULL)));
    see(B(WriteFile((HANDLE)b, "x", 1, &n, NULL)));
    row("Q8", "not an overlapped socket"); pair_flags(0); y = late("abc"); see(B(ReadFile((HANDLE)b, t, 9, &n, NULL)));
    num(n); see(B(WriteFile((HANDLE)b, "x", 1, &n, NULL))); num(n); ended(y);
    row("Q9", "packet, offset ignored"); fresh(); port = port_of(b, 7); memset(&o, 0, sizeof o); o.Offset = 100;
    see(B(ReadFile((HANDLE)b, t, 9, NULL, &o))); feed("abc"); see(pk(port, ROOM));
    memset(&o, 0, sizeof o); see(B(WriteFile((HANDLE)b, "xyz", 3, NULL, &o))); see(pk(port, ROOM));
    row("Q10", "peer's end"); pair_flags(0); shutdown(a, SD_SEND); n = 9; see(B(ReadFile((HANDLE)b, t, 9, &n, NULL)));
    num(n);
    row("Q10", "own SD_BOTH"); fresh(); shutdown(b, SD_BOTH); memset(&o, 0, sizeof o); o.hEvent = X;
    see(B(ReadFile((HANDLE)b, t, 9, NULL, &o)));
    row("Q10", "closed socket"); closesocket(b); see(B(ReadFile((HANDLE)b, t, 9, &n, NULL)));
    row("Q10", "datagram too long"); fresh_datagrams(); here("hello"); memset(&o, 0, sizeof o); ResetEvent(X);
    o.hEvent = X; see(B(ReadFile((HANDLE)b, t, 3, NULL, &o)));
    row("Q11", "unconnected"); SOCKET s = WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, 0);
    see(B(ReadFile((HANDLE)s, t, 3, &n, NULL)));
    row("Q11", "unconnected: write"); see(B(WriteFile((HANDLE)s, t, 3, &n, NULL))); closesocket(s);
}
static void connecting(void)      /* a listener whose queue is full answers no further connect */
{
    SOCKET l = socket(AF_INET, SOCK_STREAM, 0), s[4]; struct sockaddr_in x = lo(0), y; int size = sizeof x;
    bind(l, (SA *)&x, sizeof x); listen(l, 1); getsockname(l, (SA *)&x, &size);
    for (int i = 0; i < 4; i++) { s[i] = socket(AF_INET, SOCK_STREAM, 0); nonblock(s[i], 1);
    connect(s[i], (SA *)&x, sizeof x); Sleep(20); }
    row("N10", "again while pending"); see(E(connect(s[3], (SA *)&x, sizeof x)));
    row("N14", "while connecting: recv"); see(E(recv(s[3], t, 1, 0)));
    row("N14", "while connecting: send"); see(E(send(s[3], t, 1, 0)));
    row("N14", "while connecting: getpeername"); size = sizeof y; see(E(getpeername(s[3], (SA *)&y, &size)));
    for (int i = 0; i < 4; i++) closesocket(s[i]);
    closesocket(l);
}
static void connects(void)
{
    SOCKET s, l; struct sockaddr_in x, z;
    l = listener(&x); z = x;
    row("N10", "non-blocking connect, again when connected"); s = socket(AF_INET, SOCK_STREAM, 0); nonblock(s, 1);
    see(E(connect(s, (SA *)&x, sizeof x)));
    { int i; for (i = 0; i < ROOM && connect(s, (SA *)&x, sizeof x) && WSAGetLastError() != WSAEISCONN; i++) Sleep(1);
    } see(E(connect(s, (SA *)&x, sizeof x))); closesocket(s);
    row("N15", "connect: connected"); fresh(); see(E(connect(a, (SA *)&x, sizeof x)));
    row("N15", "connect: listening"); see(E(connect(l, (SA *)&x, sizeof x)));
    s = socket(AF_INET, SOCK_STREAM, 0);
    row("N16", "connect: port 0"); x = lo(0); see(E(connect(s, (SA *)&x, sizeof x))); closesocket(s);
    s = socket(AF_INET, SOCK_STREAM, 0);
    row("N16", "connect: short"); x = z; see(E(connect(s, (SA *)&x, 4)));
    row("N16", "connect: another family, an unknown one"); x.sin_family = AF_INET6;
    see(E(connect(s, (SA *)&x, sizeof x))); x.sin_family = 99; see(E(connect(s, (SA *)&x, sizeof x)));
    row("N13", "refused, blocking"); closesocket(l); see(E(connect(s, (SA *)&z, sizeof z)));
    row("N13", "refused, then SO_ERROR"); { int e = 77, size = 4;
    see(E(getsockopt(s, SOL_SOCKET, SO_ERROR, (char *)&e, &size))); see(nm(e)); }
    row("N13", "refused, then again"); l = listener(&x); see(E(connect(s, (SA *)&x, sizeof x))); closesocket(l);
    closesocket(s);
    int size = 4; DWORD seconds = 77; s = socket(AF_INET, SOCK_STREAM, 0);
    row("N17", "SO_CONNECT_TIME"); see(E(getsockopt(s, SOL_SOCKET, 0x700C, (char *)&seconds, &size)));
    num((long)(int)seconds); seconds = 77; see(E(getsockopt(a, SOL_SOCKET, 0x700C, (char *)&seconds, &size)));
    num((long)seconds);
    closesocket(s);
}
static void kinds(void)
{
    static const int asked[][3] = {{0, 1, 0}, {0, 77, 0}, {2, 77, 0}, {77, 77, 77}, {77, 1, 6}, {77, 2, 17}, {2, 1, 17},
        {2, 2, 6}, {2, 1, 99}, {0, 0, 99}};
    static const char *rows[] = {"R1", "R1", "R2", "R2", "R3", "R3", "R4", "R4", "R4", "R4"};
    for (int i = 0; i < 10; i++) { sprintf(t, "socket(%d, %d, %d)", asked[i][0], asked[i][1], asked[i][2]);
    row(rows[i], t); see(S(socket(asked[i][0], asked[i][1], asked[i][2]))); }
    static const int good[][3] = {{2, 1, 0}, {2, 0, 6}, {2, 0, 0}, {0, 1, 6}, {0, 0, 17}};
    for (int i = 0; i < 5; i++) {
        int kind = 77, size = 4; SOCKET s = socket(good[i][0], good[i][1], good[i][2]);
        sprintf(t, "socket(%d, %d, %d)", good[i][0], good[i][1], good[i][2]); row("R5", t);
        see(E(getsockopt(s, SOL_SOCKET, SO_TYPE, (char *)&kind, &size))); num(kind); closesocket(s); }
}
int main(void) { start(); a = b = INVALID_SOCKET; X = ev(TRUE, FALSE); ioctls(); files(); connecting(); connects();
    kinds();
    return finish(); }
