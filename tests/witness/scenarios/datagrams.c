/* Datagrams: addresses, what is too long, sockets without a peer (rows I). */
#include "common.h"

static HANDLE X, port; static char big[70000];
static void receives(void)
{
    struct sockaddr_in from; int length = sizeof from;
    row("I1", "WSARecvFrom pending"); fresh_datagrams(); memset(&from, 0xCC, sizeof from); init(&p, X);
    WSARecvFrom(b, &p.w, 1, &p.n, &p.flags, (SA *)&from, &length, &p.o, NULL); num((USHORT)from.sin_family);
    feed("hello"); settle(&p); see(gor(b, &p, FALSE));
    num((USHORT)from.sin_family); num(length);
    row("I2", "recv of 3, datagram of 5"); here("hello"); see(E(recv(b, p.data, 3, 0))); nonblock(b, 1);
    see(E(recv(b, p.data, 3, 0)));
    row("I2", "pending"); orecv(b, &p, X, 3, 0, NULL); feed("hello"); settle(&p); see(st(&p));
    see(B(WSAGetOverlappedResult(b, &p.o, &p.n, FALSE, &p.flags)));
    see(kgor(b, &p, FALSE));
    row("I2", "pending, routine"); orecv(b, &p, NULL, 3, 0, rt); feed("hello"); settle(&p); SleepEx(0, TRUE);
    see(rts());
    row("I3", "immediate, event"); ResetEvent(X); here("hello"); orecv(b, &p, X, 3, 0, NULL); see(nm(p.code));
    see(st(&p)); num(sig(X));
    row("I3", "immediate, routine"); here("hello"); orecv(b, &p, NULL, 3, 0, rt); see(nm(p.code)); SleepEx(0, TRUE);
    see(rts());
    row("I3", "immediate, port"); fresh_datagrams(); port = port_of(b, 3); here("hello");
    orecv(b, &p, NULL, 3, 0, NULL); see(nm(p.code)); see(pk(port, ROOM));
    row("I4", "zero bytes, datagram of 5"); fresh_datagrams(); here("hello"); orecv(b, &p, NULL, 0, 0, NULL);
    see(nm(p.code)); nonblock(b, 1); see(E(recv(b, p.data, 9, 0)));
    row("I4", "MSG_PEEK of 3, datagram of 5"); here("hello"); see(E(recv(b, p.data, 3, MSG_PEEK)));
    see(E(recv(b, p.data, 9, 0)));
    row("I4", "datagram of nothing"); send(a, "", 0, 0); feed("x"); arrived(b, 1); see(E(recv(b, p.data, 9, 0)));
}
static void without_peers(void)
{
    SOCKET s; struct sockaddr_in x = lo(9); u_long n = 0;
    row("I5", "70 000 bytes"); fresh_datagrams(); see(E(send(a, big, sizeof big, 0)));
    row("I5", "MSG_OOB"); see(E(send(a, big, 1, MSG_OOB)));
    row("I5", "broadcast"); s = socket(AF_INET, SOCK_DGRAM, 0); x.sin_addr.s_addr = INADDR_BROADCAST;
    see(E(sendto(s, big, 1, 0, (SA *)&x, sizeof x)));
    row("I6", "recv on an unbound socket"); closesocket(s); s = socket(AF_INET, SOCK_DGRAM, 0); nonblock(s, 1);
    see(E(recv(s, big, 1, 0)));
    row("I6", "send without a peer"); see(E(send(s, big, 1, 0)));
    row("I6", "peer removed"); memset(&x, 0, sizeof x); see(E(connect(a, (SA *)&x, sizeof x)));
    { struct sockaddr_in y; int length = sizeof y; see(E(getpeername(a, (SA *)&y, &length))); }
    closesocket(s);
    row("I7", "peer's port closed"); fresh_datagrams(); nonblock(a, 1); closesocket(b); b = INVALID_SOCKET; feed("x");
    Sleep(20); see(E(recv(a, big, 1, 0)));
    row("I7", "FIONREAD with 3 and 5 queued"); fresh_datagrams(); feed("abc"); feed("hello"); Sleep(20);
    see(E(ioctlsocket(b, FIONREAD, &n))); num(n);
}
int main(void) { start(); a = b = INVALID_SOCKET; X = ev(TRUE, FALSE); receives(); without_peers(); return finish(); }
