/* Blocking calls: APCs that run in them, sockets closed under them (rows L). */
#include "common.h"

static HANDLE me, gate; static char big[4 << 20], small[64];
static void prod(void)     /* queue an APC for the blocked thread, and see for a while whether it runs */
{
    QueueUserAPC(apc, me, '1');
    for (int i = 0; i < 300 && !*apclog; i++) Sleep(1);
    note('|');
}
static DWORD WINAPI poke(void *text)       /* an APC for the blocked thread, then what ends its call */
{
    Sleep(40); prod(); if (text) feed(text); return 0;
}
static DWORD WINAPI poke_accept(void *address)
{
    Sleep(40); prod(); SOCKET s = socket(AF_INET, SOCK_STREAM, 0);
    connect(s, address, sizeof(struct sockaddr_in)); return 0;
}
static DWORD WINAPI poke_send(void *x)
{
    Sleep(40); prod(); static char sink[1 << 20]; int n, all = 0; (void)x;
    while (all < (int)sizeof big && (n = recv(a, sink, sizeof sink, 0)) > 0) all += n;
    return 0;
}
static void CALLBACK apc_feed(ULONG_PTR x) { note('s'); feed("from apc"); (void)x; }
static DWORD WINAPI closer(void *s) { Sleep(150); closesocket((SOCKET)s); return 0; }
int main(void)
{
    HANDLE t; DWORD n, flags = 0, limit = 300; WSABUF w = {16, small}; struct sockaddr_in x; SOCKET l;
    start(); a = b = INVALID_SOCKET; me = myself(); gate = ev(FALSE, FALSE);
    row("L1", "recv"); fresh(); t = go(poke, "x"); see(E(recv(b, small, 16, 0))); see(ran()); ended(t);
    row("L1", "WSARecv"); fresh(); t = go(poke, "x"); see(E(WSARecv(b, &w, 1, &n, &flags, NULL, NULL))); see(ran());
    ended(t);
    fd_set f; struct timeval soon = {5, 0}; WSAPOLLFD poll;
    row("L1", "select"); fresh(); FD_ZERO(&f); FD_SET(b, &f); t = go(poke, "x");
    see(E(select(0, &f, NULL, NULL, &soon))); see(ran()); ended(t);
    row("L2", "WSAPoll"); fresh(); poll.fd = b; poll.events = POLLIN; t = go(poke, "x");
    see(E(WSAPoll(&poll, 1, ROOM))); see(ran()); ended(t); drain();
    row("L2", "accept"); fresh(); l = listener(&x); t = go(poke_accept, &x); see(S(accept(l, NULL, NULL))); see(ran());
    ended(t); closesocket(l); drain();
    row("L2", "send of 4 MiB"); fresh(); t = go(poke_send, NULL); num(send(b, big, sizeof big, 0) == sizeof big);
    see(ran()); ended(t); drain();
    row("L3", "APC queued beforehand, data there"); fresh(); here("x"); q('1'); see(E(recv(b, small, 16, 0)));
    see(ran()); drain();
    row("L3", "APC queued beforehand, nothing there"); t = late("x"); q('1'); see(E(recv(b, small, 16, 0))); see(ran());
    ended(t);
    row("L4", "non-blocking recv"); nonblock(b, 1); q('1'); see(E(recv(b, small, 16, 0))); see(ran()); drain();
    row("L4", "select, no time; ready at once"); FD_ZERO(&f); FD_SET(b, &f); soon.tv_sec = 0; q('1');
    see(E(select(0, &f, NULL, NULL, &soon))); see(ran());
    soon.tv_sec = 5; FD_ZERO(&f); FD_SET(b, &f); see(E(select(0, NULL, &f, NULL, &soon))); see(ran()); drain();
    row("L5", "an APC that sends on the peer"); fresh(); QueueUserAPC(apc_feed, GetCurrentThread(), 0);
    see(E(recv(b, small, 16, 0))); see(ran());
    row("L5", "SO_RCVTIMEO with an APC"); fresh(); setsockopt(b, SOL_SOCKET, SO_RCVTIMEO, (char *)&limit, sizeof limit);
    t = go(poke, NULL); see(E(recv(b, small, 16, 0)));
    see(ran()); ended(t); drain();
    row("L5", "SO_RCVTIMEO and an overlapped receive"); orecv(b, &p, NULL, 16, 0, NULL); Sleep(400);
    see(nm((DWORD)p.o.Internal));
    row("L6", "closed by another thread: recv"); fresh(); t = go(closer, (void *)b); see(E(recv(b, small, 16, 0)));
    ended(t);
    row("L6", "closed by another thread: accept"); l = listener(&x); t = go(closer, (void *)l);
    see(S(accept(l, NULL, NULL))); ended(t);
    row("L6", "closed by another thread: select, read"); fresh(); FD_ZERO(&f); FD_SET(b, &f); t = go(closer, (void *)b);
    see(E(select(0, &f, NULL, NULL, &soon)));
    num(f.fd_count); ended(t);
    row("L6", "closed by another thread: select, except"); fresh(); FD_ZERO(&f); FD_SET(b, &f);
    t = go(closer, (void *)b); see(E(select(0, NULL, NULL, &f, &soon))); ended(t);
    row("L6", "closed by another thread: WSAPoll"); fresh(); poll.fd = b; poll.events = POLLIN;
    t = go(closer, (void *)b); see(E(WSAPoll(&poll, 1, ROOM))); num(poll.revents); ended(t);
    return finish();
}
