/* Network events, select and WSAPoll (rows M and N). */
#include "common.h"

static HANDLE X, Y; static char big[1 << 20], t[64];
static const char *record(SOCKET s, HANDLE e)      /* what WSAEnumNetworkEvents tells: bits and codes */
{
    static const struct { int mask, bit; const char *name; } bits[] = {
        {FD_READ, FD_READ_BIT, "READ"}, {FD_WRITE, FD_WRITE_BIT, "WRITE"}, {FD_ACCEPT, FD_ACCEPT_BIT, "ACCEPT"},
        {FD_CONNECT, FD_CONNECT_BIT, "CONNECT"}, {FD_CLOSE, FD_CLOSE_BIT, "CLOSE"}};
    WSANETWORKEVENTS n; char *text = room(); memset(&n, 0, sizeof n); SetLastError(MARK);
    if (WSAEnumNetworkEvents(s, e, &n)) return we(-1);
    strcpy(text, n.lNetworkEvents ? "" : "nothing");
    for (int i = 0; i < 5; i++)
        if (n.lNetworkEvents & bits[i].mask) sprintf(text + strlen(text), "%s/%s ", bits[i].name,
            nm(n.iErrorCode[bits[i].bit]));
    return text;
}
static int told(HANDLE e) { return WaitForSingleObject(e, 2000) == 0; }
static int quiet(HANDLE e) { return WaitForSingleObject(e, 30) != 0; }
static const char *mask(SOCKET s, HANDLE e, long events) { return E(WSAEventSelect(s, e, events)); }
static void reads(void)
{
    row("M1", "data, part, rest"); fresh(); mask(b, X, FD_READ); feed("abcdef"); num(told(X)); see(record(b, X));
    num(sig(X));
    recv(b, t, 3, 0); num(told(X)); see(record(b, X)); recv(b, t, 9, 0); num(quiet(X)); see(record(b, X));
    row("M3", "reset by hand, part, MSG_PEEK"); fresh(); mask(b, X, FD_READ); feed("abcdef"); num(told(X));
    ResetEvent(X);
    num(quiet(X)); recv(b, t, 3, 0); num(told(X)); ResetEvent(X); recv(b, t, 1, MSG_PEEK); num(told(X));
    row("M4", "a receive that would block, then data"); fresh(); mask(b, X, FD_READ); record(b, X);
    see(E(recv(b, t, 3, 0)));
    feed("abc"); num(told(X)); see(record(b, X));
    row("M6", "another event"); fresh(); ResetEvent(X); ResetEvent(Y); mask(b, X, FD_READ); mask(b, Y, FD_READ);
    feed("abc");
    num(told(Y)); num(sig(X));
    row("M7", "no event, another event, bad socket"); see(record(b, NULL)); num(sig(Y)); SetEvent(X); record(b, X);
    num(sig(X)); num(sig(Y)); see(record(0xdead0, NULL)); ResetEvent(Y);
    row("M9", "codes of what is not reported"); fresh(); mask(b, X, FD_READ | FD_CLOSE); feed("abc"); told(X);
    WSANETWORKEVENTS n;
    memset(&n, 0x55, sizeof n); WSAEnumNetworkEvents(b, X, &n); num(n.iErrorCode[FD_READ_BIT]);
    num(n.iErrorCode[FD_CLOSE_BIT] == 0x55555555); num(n.iErrorCode[FD_CONNECT_BIT] == 0x55555555);
    row("M10", "a pending receive takes all"); fresh(); mask(b, X, FD_READ); orecv(b, &p, NULL, 16, 0, NULL);
    feed("abc");
    settle(&p); num(quiet(X)); see(record(b, X));
    row("M10", "a pending receive takes a part"); orecv(b, &p, NULL, 2, 0, NULL); feed("abc"); settle(&p); num(told(X));
    see(record(b, X));
}
static void writes(void)
{
    int n, all = 0;
    row("M11", "connected, after a good send"); fresh(); mask(b, X, FD_WRITE); num(told(X)); see(record(b, X));
    send(b, "x", 1, 0); num(quiet(X)); see(record(b, X));
    row("M12", "filled, then the peer reads"); fresh(); mask(b, X, FD_WRITE); record(b, X);
    while ((n = send(b, big, sizeof big, 0)) > 0) all += n;
    see(we(n)); num(quiet(X)); while (all > 0 && (n = recv(a, big, sizeof big, 0)) > 0) all -= n;
    num(told(X)); see(record(b, X));
}
static void connects(void)
{
    SOCKET l, s, c; struct sockaddr_in x; u_long off = 0;
    row("M14", "one request, after accept nothing"); l = listener(&x); mask(l, X, FD_ACCEPT);
    c = socket(AF_INET, SOCK_STREAM, 0);
    connect(c, (SA *)&x, sizeof x); num(told(X)); see(record(l, X)); s = accept(l, NULL, NULL); num(quiet(X));
    row("M15", "accepted socket"); send(c, "abc", 3, 0); num(told(X)); see(record(s, X)); mask(s, NULL, 0);
    ioctlsocket(s, FIONBIO, &off);
    closesocket(s); closesocket(c);
    row("M16", "connect"); c = socket(AF_INET, SOCK_STREAM, 0); mask(c, Y, FD_CONNECT | FD_WRITE);
    see(E(connect(c, (SA *)&x, sizeof x)));
    num(told(Y)); Sleep(50); see(record(c, Y)); closesocket(c); closesocket(l);
    row("M16", "refused"); c = socket(AF_INET, SOCK_STREAM, 0); mask(c, Y, FD_CONNECT);
    see(E(connect(c, (SA *)&x, sizeof x)));
    num(WaitForSingleObject(Y, ROOM) == 0); see(record(c, Y)); closesocket(c);
    row("M17", "registered after the connect"); fresh(); mask(a, X, FD_CONNECT | FD_WRITE); num(told(X));
    see(record(a, X));
}
static void ends(void)
{
    row("M18", "peer's end, then recv"); fresh(); mask(b, X, FD_CLOSE); shutdown(a, SD_SEND); num(told(X));
    see(record(b, X));
    see(E(recv(b, t, 9, 0))); num(quiet(X)); see(record(b, X));
    row("M19", "peer's end behind 6 bytes"); fresh(); mask(b, X, FD_CLOSE); here("abcdef"); shutdown(a, SD_SEND);
    num(quiet(X));
    recv(b, t, 9, 0); num(told(X)); see(record(b, X));
    row("M20", "peer's reset"); fresh(); mask(b, X, FD_CLOSE); reset_peer(); num(told(X)); see(record(b, X));
    row("M22", "arguments"); fresh(); see(mask(b, NULL, FD_READ)); see(mask(0xdead0, X, FD_READ));
    see(mask(b, NULL, 0));
    row("M23", "mode"); u_long off = 0; mask(b, X, FD_READ); see(E(ioctlsocket(b, FIONBIO, &off))); mask(b, NULL, 0);
    see(E(recv(b, t, 1, 0)));
    see(E(ioctlsocket(b, FIONBIO, &off)));
}
static fd_set R, V, O;
static fd_set *of(fd_set *set, SOCKET s) { FD_ZERO(set); FD_SET(s, set); return set; }
static struct timeval at_once = {0, 0}, soon = {5, 0};
static const char *all_three(SOCKET s)      /* select now: read, write, except */
{
    char *text = room(); of(&R, s); of(&V, s); of(&O, s); SetLastError(MARK); int n = select(0, &R, &V, &O, &at_once);
    if (n < 0) return we(n);
    sprintf(text, "%d:%s%s%s", n, FD_ISSET(s, &R) ? " read" : "", FD_ISSET(s, &V) ? " write" : "", FD_ISSET(s,
        &O) ? " except" : "");
    return text;
}
static void selects(void)
{
    SOCKET s, u, l; struct sockaddr_in x; struct timeval tv = {0, 1000};
    row("N1", "no sets, empty sets"); see(E(select(0, NULL, NULL, NULL, &at_once))); FD_ZERO(&R);
    see(E(select(0, &R, NULL, NULL, &at_once)));
    row("N1", "bad sockets"); see(E(select(0, of(&R, 0xdead0), NULL, NULL, &at_once))); num(R.fd_count);
    see(E(select(0, of(&R, (SOCKET)X), NULL, NULL, &at_once)));
    fresh();
    row("N2", "an empty set beside a good one"); FD_ZERO(&R); see(E(select(0, &R, of(&V, b), NULL, &at_once)));
    row("N3", "twice in a set"); here("abc"); R.fd_count = 2; R.fd_array[0] = R.fd_array[1] = b;
    see(E(select(0, &R, NULL, NULL, &at_once))); num(R.fd_count);
    row("N3", "in three sets"); see(all_three(b));
    row("N4", "timeval, nfds"); recv(b, t, 9, 0); see(E(select(-5, of(&R, b), NULL, NULL, &tv))); num(tv.tv_sec);
    num(tv.tv_usec); num(R.fd_count);
    row("N4", "negative time"); tv.tv_usec = -1; see(E(select(0, of(&R, b), NULL, NULL, &tv)));
    s = socket(AF_INET, SOCK_STREAM, 0); u = socket(AF_INET, SOCK_DGRAM, 0);
    row("N5", "unconnected stream, unbound datagram"); see(all_three(s)); see(all_three(u)); closesocket(u);
    row("N6", "peer's end"); shutdown(a, SD_SEND); select(0, of(&R, b), NULL, NULL, &soon); see(all_three(b));
    row("N6", "peer's reset"); fresh(); reset_peer(); select(0, of(&R, b), NULL, NULL, &soon); see(all_three(b));
    row("N6", "own SD_RECEIVE"); fresh(); shutdown(b, SD_RECEIVE); see(all_three(b));
    row("N7", "a pending receive took the data"); fresh(); orecv(b, &p, NULL, 16, 0, NULL); feed("abc"); settle(&p);
    see(all_three(b));
    row("N11", "refused connect"); l = listener(&x); closesocket(l); nonblock(s, 1); connect(s, (SA *)&x, sizeof x);
    see(E(select(0, NULL, NULL, of(&O, s), &soon))); of(&V, s); num(select(0, NULL, &V, NULL, &at_once));
    row("N12", "SO_ERROR twice"); for (int i = 0; i < 2; i++) { int e = 77, n = 4;
    getsockopt(s, SOL_SOCKET, SO_ERROR, (char *)&e, &n); see(nm(e)); } closesocket(s);
}
static WSAPOLLFD f[2];
static void ask(SOCKET first, SHORT events, SOCKET second)
{
    f[0].fd = first; f[0].events = events; f[1].fd = second; f[1].events = POLLIN; f[0].revents = f[1].revents = 0x55;
}
static void polls(void)
{
    fresh(); here("abc");
    row("N8", "no entries, NULL"); see(E(WSAPoll(f, 0, 0))); see(E(WSAPoll(NULL, 1, 0)));
    row("N8", "bad sockets only"); ask(0xdead0, POLLIN, 0xbeef0); see(E(WSAPoll(f, 2, 0))); num(f[0].revents);
    num(f[1].revents);
    row("N9", "a bad socket beside a good one"); ask(0xdead0, POLLIN, b); see(E(WSAPoll(f, 2, 0)));
    num(f[0].revents); num(f[1].revents);
    row("N9", "unknown bits"); ask(b, 0x0400, b); see(E(WSAPoll(f, 1, 0)));
}
int main(void) { start(); a = b = INVALID_SOCKET; X = ev(TRUE, FALSE); Y = ev(TRUE, FALSE); reads(); writes();
    connects(); ends(); selects(); polls(); return finish(); }
