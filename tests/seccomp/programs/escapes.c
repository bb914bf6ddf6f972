/* Every way round connect(2) that we know of. Usage: escapes PORT; prints one line for each: its name and what it got. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FASTOPEN 0x20000000
#define MPTCP 262

static struct sockaddr_in address = {.sin_family = AF_INET};

static void tell(const char *what, long result)
{
    printf("%s: %s\n", what, result >= 0 ? "done" : strerrorname_np(errno));
    fflush(stdout);
}

static void by_message(const char *what, int many)
{
    int sock = socket(AF_INET, SOCK_STREAM, 0);
    struct iovec part = {"hello\n", 6};
    struct mmsghdr message = {{&address, sizeof address, &part, 1, NULL, 0, 0}, 0};
    tell(what, many ? sendmmsg(sock, &message, 1, FASTOPEN) : sendmsg(sock, &message.msg_hdr, FASTOPEN));
    close(sock);
}

int main(int argc, char **argv)
{
    char ring[256] = {0};
    int sock;

    (void)argc;
    address.sin_port = htons(atoi(argv[1]));
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);

    tell("io_uring_setup", syscall(425, 8, ring));
    sock = socket(AF_INET, SOCK_STREAM, 0);
    tell("sendto", sendto(sock, "hello\n", 6, FASTOPEN, (void *)&address, sizeof address));
    close(sock);
    by_message("sendmsg", 0);
    by_message("sendmmsg", 1);
    tell("mptcp", socket(AF_INET, SOCK_STREAM, MPTCP));
#ifdef __x86_64__
    sock = socket(AF_INET, SOCK_STREAM, 0);
    tell("x32 connect", syscall(0x40000000 + SYS_connect, sock, &address, sizeof address));
    close(sock);
    /* int 0x80 enters as i386 does; what it is given must lie below 4 GiB. */
    struct sockaddr_in *low = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    unsigned *packed = (unsigned *)(low + 1);
    long result;
    *low = address;
    sock = socket(AF_INET, SOCK_STREAM, 0);
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(362), "b"(sock), "c"(low), "d"(16) : "memory", "r8", "r9", "r10", "r11");
    errno = -(int)result;
    tell("i386 connect", result);
    packed[0] = sock, packed[1] = (unsigned)(unsigned long)low, packed[2] = 16;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(102), "b"(3), "c"(packed) : "memory", "r8", "r9", "r10", "r11");
    errno = -(int)result;
    tell("i386 socketcall", result);
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(425), "b"(8), "c"(low) : "memory", "r8", "r9", "r10", "r11");
    errno = -(int)result;
    tell("i386 io_uring_setup", result);
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
    tell("i386 getpid", result == getpid() ? 0 : -1);
#endif
    return 0;
}
