/* What the scenarios share. Every observation is one line, `row situation | what was seen`; common.py has the same
   functions under the same names. Codes are printed by name, so that neither side needs a header to be read. */
#ifndef COMMON_H
#define COMMON_H
#define _WIN32_WINNT 0x0A00
#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>
#include <windows.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct sockaddr SA;
#define MARK 0xDEAD                     /* last error before each call that is looked at */
#define ROOM 5000                       /* milliseconds; only what has gone wrong waits as long as this */
#define ONE(h) ((HANDLE)((ULONG_PTR)(h) | 1))

static const struct { DWORD code; const char *name; } names[] = {
    {0, "0"}, {5, "ERROR_ACCESS_DENIED"}, {6, "ERROR_INVALID_HANDLE"}, {31, "ERROR_GEN_FAILURE"}, {50,
        "ERROR_NOT_SUPPORTED"},
    {59, "ERROR_UNEXP_NET_ERR"}, {64, "ERROR_NETNAME_DELETED"}, {87, "ERROR_INVALID_PARAMETER"}, {0xC0,
        "WAIT_IO_COMPLETION"},
    {0x103, "STATUS_PENDING"}, {233, "ERROR_PIPE_NOT_CONNECTED"}, {234, "ERROR_MORE_DATA"}, {258, "WAIT_TIMEOUT"},
    {676, "676"}, {735, "ERROR_ABANDONED_WAIT_0"}, {995, "ERROR_OPERATION_ABORTED"}, {996, "ERROR_IO_INCOMPLETE"},
    {997, "ERROR_IO_PENDING"}, {1168, "ERROR_NOT_FOUND"}, {1225, "ERROR_CONNECTION_REFUSED"},
    {1236, "ERROR_CONNECTION_ABORTED"}, {10004, "WSAEINTR"}, {10013, "WSAEACCES"}, {10014, "WSAEFAULT"}, {10022,
        "WSAEINVAL"},
    {10035, "WSAEWOULDBLOCK"}, {10036, "WSAEINPROGRESS"}, {10037, "WSAEALREADY"}, {10038, "WSAENOTSOCK"},
    {10039, "WSAEDESTADDRREQ"}, {10040, "WSAEMSGSIZE"}, {10041, "WSAEPROTOTYPE"}, {10042, "WSAENOPROTOOPT"},
    {10043, "WSAEPROTONOSUPPORT"}, {10044, "WSAESOCKTNOSUPPORT"}, {10045, "WSAEOPNOTSUPP"}, {10047, "WSAEAFNOSUPPORT"},
    {10048, "WSAEADDRINUSE"}, {10049, "WSAEADDRNOTAVAIL"}, {10053, "WSAECONNABORTED"}, {10054, "WSAECONNRESET"},
    {10055, "WSAENOBUFS"}, {10056, "WSAEISCONN"}, {10057, "WSAENOTCONN"}, {10058, "WSAESHUTDOWN"}, {10060,
        "WSAETIMEDOUT"},
    {10061, "WSAECONNREFUSED"}, {10092, "WSAVERNOTSUPPORTED"}, {10093, "WSANOTINITIALISED"}, {MARK, "(untouched)"},
    {0x80000005, "STATUS_BUFFER_OVERFLOW"}, {0x8000000A, "STATUS_HANDLES_CLOSED"}, {0xC0000120, "STATUS_CANCELLED"},
    {0xC000020D, "STATUS_CONNECTION_RESET"}, {0xC0000236, "STATUS_CONNECTION_REFUSED"}, {0xC0000241,
        "STATUS_CONNECTION_ABORTED"}};

static char *room(void)                 /* one of a few small texts, reused in turn */
{
    static char texts[64][240]; static int next; return texts[next = (next + 1) & 63];
}
static const char *nm(DWORD code)       /* an error code or a status by name */
{
    char *t = room();
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) if (names[i].code == code) return names[i].name;
    sprintf(t, code > 20000 ? "0x%lx" : "%lu", code); return t;
}
static const char *wr(DWORD result)     /* the result of a wait */
{
    char *t = room();
    if (result < 64) sprintf(t, "WAIT_OBJECT_0+%lu", result);
    else if (result == WAIT_FAILED) sprintf(t, "WAIT_FAILED/%s", nm(GetLastError()));
    else return nm(result);
    return t;
}
static const char *we(int result)       /* the result of a socket call: a number, or -1/code */
{
    char *t = room();
    if (result == SOCKET_ERROR) sprintf(t, "-1/%s", nm(WSAGetLastError())); else sprintf(t, "%d", result);
    return t;
}
static const char *wb(BOOL result)      /* a BOOL: TRUE, or FALSE/code */
{
    char *t = room();
    if (result) return "TRUE";
    sprintf(t, "FALSE/%s", nm(GetLastError())); return t;
}
#define E(call) (SetLastError(MARK), we((int)(call)))
#define B(call) (SetLastError(MARK), wb((call) != 0))
#define W(call) (SetLastError(MARK), wr(call))
#define S(call) (SetLastError(MARK), (call) == INVALID_SOCKET ? we(SOCKET_ERROR) : "a socket")
static int in_line;
static void row(const char *name, const char *situation)      /* begin a line */
{
    printf("%s%s %s |", in_line ? "\n" : "", name, situation); in_line = 1; fflush(stdout);
}
static void see(const char *what) { printf(" %s;", what); fflush(stdout); }      /* add to the line */
static void num(long n) { printf(" %ld;", n); fflush(stdout); }
static int finish(void) { putchar('\n'); return 0; }

/* objects and APCs */
static HANDLE ev(BOOL manual, BOOL set) { return CreateEventW(NULL, manual, set, NULL); }
static int sig(HANDLE h) { return WaitForSingleObject(h, 0) == WAIT_OBJECT_0; }      /* consumes an auto-reset event */
static char apclog[128];                /* each APC appends one character */
static void note(char c) { size_t n = strlen(apclog); if (n + 1 < sizeof apclog) { apclog[n] = c; apclog[n + 1] = 0; } }
static void CALLBACK apc(ULONG_PTR c) { note((char)c); }
static DWORD q(char c) { return QueueUserAPC(apc, GetCurrentThread(), c); }
static const char *ran(void) { char *t = room(); strcpy(t, *apclog ? apclog : "-"); *apclog = 0; return t; }
static void drain(void) { while (SleepEx(0, TRUE) == WAIT_IO_COMPLETION) {} *apclog = 0; }
static HANDLE go(LPTHREAD_START_ROUTINE f, void *p) { return CreateThread(NULL, 0, f, p, 0, NULL); }
static DWORD ended(HANDLE t)            /* a thread's exit code, once it has ended */
{
    DWORD code = MARK; WaitForSingleObject(t, ROOM); GetExitCodeThread(t, &code); CloseHandle(t); return code;
}
static HANDLE myself(void)              /* a real handle of this thread */
{
    HANDLE h; DuplicateHandle(GetCurrentProcess(), GetCurrentThread(), GetCurrentProcess(), &h, 0, FALSE,
        DUPLICATE_SAME_ACCESS); return h;
}

/* sockets: `a` is the client's end and `b` the server's, on which most scenarios work */
static SOCKET a, b;
static void start(void) { WSADATA d; if (WSAStartup(0x202, &d)) printf("WSAStartup failed\n"); }
static struct sockaddr_in lo(int port)
{
    struct sockaddr_in x; memset(&x, 0, sizeof x); x.sin_family = AF_INET; x.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    x.sin_port = htons(port);
    return x;
}
static SOCKET listener(struct sockaddr_in *out)
{
    SOCKET s = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP); int n = sizeof *out;
    *out = lo(0); bind(s, (SA *)out, sizeof *out); listen(s, 8); getsockname(s, (SA *)out, &n); return s;
}
static void pair_flags(DWORD flags)     /* a new connection */
{
    struct sockaddr_in x = lo(0); int n = sizeof x, one = 1; SOCKET l;
    closesocket(a); closesocket(b); l = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, flags);
    bind(l, (SA *)&x, sizeof x); listen(l, 8); getsockname(l, (SA *)&x, &n);
    a = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, flags); connect(a, (SA *)&x, sizeof x);
    b = accept(l, NULL, NULL); closesocket(l);
    setsockopt(a, IPPROTO_TCP, TCP_NODELAY, (char *)&one, sizeof one);
    setsockopt(b, IPPROTO_TCP, TCP_NODELAY, (char *)&one, sizeof one);
}
static void fresh(void) { drain(); pair_flags(WSA_FLAG_OVERLAPPED); }
static void fresh_datagrams(void)       /* two datagram sockets, each the other's peer */
{
    struct sockaddr_in x = lo(0), y = lo(0); int n = sizeof x;
    drain(); closesocket(a); closesocket(b); a = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    b = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    bind(a, (SA *)&x, sizeof x); bind(b, (SA *)&y, sizeof y); getsockname(a, (SA *)&x, &n);
    getsockname(b, (SA *)&y, &n);
    connect(a, (SA *)&y, sizeof y); connect(b, (SA *)&x, sizeof x);
}
static void nonblock(SOCKET s, u_long on) { ioctlsocket(s, FIONBIO, &on); }
static void reset_peer(void) { struct linger l = {1, 0}; setsockopt(a, SOL_SOCKET, SO_LINGER, (char *)&l, sizeof l);
    closesocket(a); a = INVALID_SOCKET; }
static void feed(const char *text) { send(a, text, (int)strlen(text), 0); }
static void arrived(SOCKET s, u_long count)   /* wait until so many bytes can be read */
{
    u_long n = 0; for (int i = 0; i < ROOM && !ioctlsocket(s, FIONREAD, &n) && n < count; i++) Sleep(1);
}
static void here(const char *text) { feed(text); arrived(b, (u_long)strlen(text)); }
static DWORD WINAPI late_run(void *text) { Sleep(40); feed(text); return 0; }
static HANDLE late(const char *text) { return go(late_run, (void *)text); }       /* feed, a little later */

/* one overlapped operation with everything worth looking at */
typedef struct { OVERLAPPED o; WSABUF w; DWORD n, flags; int result; DWORD code; char data[256]; } OP;
static OP p, p2, p3;
static void init(OP *op, HANDLE e)
{
    memset(op, 0, sizeof *op); op->o.Internal = 0x5555; op->o.InternalHigh = 0x6666; op->o.hEvent = e; op->n = 0x8888;
    op->w.buf = op->data; op->w.len = sizeof op->data;
}
typedef LPWSAOVERLAPPED_COMPLETION_ROUTINE ROUTINE;
static int orecv(SOCKET s, OP *op, HANDLE e, DWORD size, DWORD flags, ROUTINE f)
{
    init(op, e); op->w.len = size; op->flags = flags; SetLastError(MARK);
    op->result = WSARecv(s, &op->w, 1, &op->n, &op->flags, &op->o, f); op->code = op->result ? WSAGetLastError() : 0;
    return op->result;
}
static int osend(SOCKET s, OP *op, HANDLE e, const char *data, DWORD size, ROUTINE f)
{
    init(op, e); op->w.buf = (char *)data; op->w.len = size; SetLastError(MARK);
    op->result = WSASend(s, &op->w, 1, &op->n, 0, &op->o, f); op->code = op->result ? WSAGetLastError() : 0;
    return op->result;
}
static void settle(OP *op) { for (int i = 0; i < ROOM && op->o.Internal == 0x103; i++) Sleep(1);
    }      /* wait until it has ended */
static const char *count_text(DWORD n, DWORD untouched)
{
    char *t = room(); if (n == untouched) return "untouched"; sprintf(t, "%lu", n); return t;
}
static const char *st(OP *op)           /* what the structure says */
{
    char *t = room();
    sprintf(t, "Internal=%s High=%s", op->o.Internal == 0x5555 ? "untouched" : nm((DWORD)op->o.Internal),
        count_text((DWORD)op->o.InternalHigh, 0x6666));
    return t;
}
static const char *os(OP *op)           /* what the start returned, and the structure */
{
    char *t = room(); sprintf(t, "%s bytes=%s %s", op->result ? nm(op->code) : "0", count_text(op->n, 0x8888), st(op));
    return t;
}
static DWORD r_count, r_code, r_bytes, r_thread; static void *r_overlapped;
static void CALLBACK rt(DWORD code, DWORD bytes, LPWSAOVERLAPPED o, DWORD flags)     /* the completion routine */
{
    r_count++; r_code = code; r_bytes = bytes; r_overlapped = o; r_thread = GetCurrentThreadId(); note('R');
    (void)flags;
}
static const char *rts(void)            /* whether it ran, and with what */
{
    char *t = room(); if (!r_count) return "no routine";
    sprintf(t, "routine x%lu(%s, %lu)", r_count, nm(r_code), r_bytes); r_count = 0; return t;
}
static const char *gor(SOCKET s, OP *op, BOOL wait)           /* WSAGetOverlappedResult */
{
    char *t = room(); DWORD n = 0x7777, f = 0x7777; SetLastError(MARK);
    BOOL r = WSAGetOverlappedResult(s, &op->o, &n, wait, &f);
    sprintf(t, "%s bytes=%s flags=%s", wb(r), count_text(n, 0x7777), count_text(f, 0x7777)); return t;
}
static const char *kgor(SOCKET s, OP *op, BOOL wait)          /* GetOverlappedResult */
{
    char *t = room(); DWORD n = 0x7777; SetLastError(MARK); BOOL r = GetOverlappedResult((HANDLE)s, &op->o, &n, wait);
    sprintf(t, "%s bytes=%s", wb(r), count_text(n, 0x7777)); return t;
}
static HANDLE new_port(void) { return CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0); }
static HANDLE port_of(SOCKET s, ULONG_PTR key) { return CreateIoCompletionPort((HANDLE)s, NULL, key, 0); }
static const char *pk(HANDLE port, DWORD ms)                  /* the next packet */
{
    char *t = room(); DWORD n = 0x7777; ULONG_PTR key = 0x7777; OVERLAPPED *o = (void *)0x7777; SetLastError(MARK);
    BOOL r = GetQueuedCompletionStatus(port, &n, &key, &o, ms);
    if (!r && !o) sprintf(t, "no packet (%s) bytes=%s key=%s", nm(GetLastError()), count_text(n, 0x7777),
        count_text((DWORD)key, 0x7777));
    else sprintf(t, "packet %s bytes=%ld key=%ld", wb(r), (long)n, (long)key);
    return t;
}
#endif
