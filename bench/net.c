/* The programs that `make bench` measures with, in C so that the client's and the server's own cost stays small and equal.
 *
 *   net serve                     prints a port; the first byte of a connection says what to do with the rest:
 *                                 'e' echo, 's' swallow until the end and answer the count, 'g' + 8 bytes: give that many
 *   net connect HOST PORT N       N times socket, connect, close: microseconds for each connect (median)
 *   net echo HOST PORT N          N round trips of 64 bytes on one connection: microseconds for each (mean)
 *   net give HOST PORT BYTES      receive that many: Gbit/s
 *   net swallow HOST PORT BYTES   send that many: Gbit/s
 *   net clock                     CLOCK_MONOTONIC in seconds
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BLOCK (1 << 18)

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void die(const char *what) {
    fprintf(stderr, "net: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void send_all(int fd, const void *data, size_t size) {
    const char *p = data;
    while (size) {
        ssize_t n = send(fd, p, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) die("send");
        p += n;
        size -= n;
    }
}

static void recv_all(int fd, void *data, size_t size) {
    char *p = data;
    while (size) {
        ssize_t n = recv(fd, p, size, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) die(n ? "recv" : "recv: the connection has ended");
        p += n;
        size -= n;
    }
}

static void *serve(void *arg) {
    int fd = (int)(intptr_t)arg, one = 1;
    char mode, *block = malloc(BLOCK);
    ssize_t n;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (recv(fd, &mode, 1, 0) == 1) {
        uint64_t count = 0;
        if (mode == 'e') {
            while ((n = recv(fd, block, BLOCK, 0)) > 0)
                if (send(fd, block, n, MSG_NOSIGNAL) != n) break;
        } else if (mode == 's') {
            while ((n = recv(fd, block, BLOCK, 0)) > 0) count += n;
            send(fd, &count, sizeof count, MSG_NOSIGNAL);
        } else if (mode == 'g' && recv(fd, &count, sizeof count, MSG_WAITALL) == sizeof count) {
            memset(block, 'x', BLOCK);
            while (count) {
                n = send(fd, block, count < BLOCK ? count : BLOCK, MSG_NOSIGNAL);
                if (n <= 0) break;
                count -= n;
            }
        }
    }
    free(block);
    close(fd);
    return NULL;
}

static void run_server(void) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (void *)&a, size) || listen(listener, 4096)) die("listen");
    getsockname(listener, (void *)&a, &size);
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        pthread_t thread;
        if (fd < 0) continue;
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd)) close(fd);
        else pthread_detach(thread);
    }
}

static int reach(struct sockaddr_in *a) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (connect(fd, (void *)a, sizeof *a)) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static int ascending(const void *a, const void *b) {
    double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "clock")) {
        printf("%.9f\n", now());
        return 0;
    }
    if (argc == 2 && !strcmp(argv[1], "serve")) run_server();
    if (argc != 5) return 2;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[3]))};
    inet_pton(AF_INET, argv[2], &a.sin_addr);
    uint64_t count = strtoull(argv[4], NULL, 10);
    if (!strcmp(argv[1], "connect")) {
        double *took = calloc(count, sizeof *took);
        for (uint64_t i = 0; i < count; i++) {
            struct linger reset = {1, 0}; /* no TIME_WAIT: thousands of them would slow the next rounds down */
            int fd = socket(AF_INET, SOCK_STREAM, 0);
            double began = now();
            if (connect(fd, (void *)&a, sizeof a)) die("connect");
            took[i] = now() - began;
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
            close(fd);
        }
        qsort(took, count, sizeof *took, ascending);
        printf("%.3f\n", took[count / 2] * 1e6);
    } else if (!strcmp(argv[1], "echo")) {
        char block[64] = {0};
        int fd = reach(&a);
        send_all(fd, "e", 1);
        double began = now();
        for (uint64_t i = 0; i < count; i++) {
            send_all(fd, block, sizeof block);
            recv_all(fd, block, sizeof block);
        }
        printf("%.3f\n", (now() - began) / count * 1e6);
    } else if (!strcmp(argv[1], "give")) {
        char *block = malloc(BLOCK);
        int fd = reach(&a);
        double began = now();
        uint64_t left = count;
        send_all(fd, "g", 1);
        send_all(fd, &count, sizeof count);
        while (left) {
            ssize_t n = recv(fd, block, BLOCK, 0);
            if (n <= 0) die("recv");
            left -= n;
        }
        printf("%.3f\n", count * 8e-9 / (now() - began));
    } else if (!strcmp(argv[1], "swallow")) {
        char *block = calloc(1, BLOCK);
        int fd = reach(&a);
        double began = now();
        uint64_t left = count, seen;
        send_all(fd, "s", 1);
        while (left) {
            size_t n = left < BLOCK ? left : BLOCK;
            send_all(fd, block, n);
            left -= n;
        }
        shutdown(fd, SHUT_WR);
        recv_all(fd, &seen, sizeof seen);
        if (seen != count) return 3;
        printf("%.3f\n", count * 8e-9 / (now() - began));
    } else {
        return 2;
    }
    return 0;
}
