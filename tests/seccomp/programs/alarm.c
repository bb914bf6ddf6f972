/* A blocking connect under signals. Usage: alarm PORT eintr|restart|timeout GATE
 * Prints what connect returned; after EINTR also what a second connect and SO_ERROR say. "timeout" sets SO_SNDTIMEO
 * instead of an alarm, and tells if the outcome comes before GATE exists; "restart" makes the file GATE with the third
 * alarm. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static volatile sig_atomic_t alarms;
static const char *gate;

static void count(int number)
{
    (void)number;
    if (++alarms == 3 && gate)
        open(gate, O_CREAT | O_WRONLY, 0600);
}

static const char *said(int result)
{
    return result == 0 ? "ok" : strerrorname_np(errno);
}

int main(int argc, char **argv)
{
    int sock = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    struct sigaction action = {.sa_handler = count};
    struct timeval half = {0, 300000};

    if (argc > 3)
        gate = argv[3];
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    if (strcmp(argv[2], "timeout") == 0) {
        setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &half, sizeof half);
    } else {
        struct itimerval timer = {{0, 50000}, {0, 50000}};
        action.sa_flags = strcmp(argv[2], "restart") == 0 ? SA_RESTART : 0;
        sigaction(SIGALRM, &action, NULL);
        setitimer(ITIMER_REAL, &timer, NULL);
    }
    printf("connect %s\n", said(connect(sock, (void *)&address, sizeof address)));
    fflush(stdout);
    if (strcmp(argv[2], "restart") == 0) {
        printf("alarms %s\n", alarms > 2 ? "came" : "missing");
        return 0;
    }
    if (errno == EINTR || errno == EINPROGRESS) {
        struct itimerval none = {{0, 0}, {0, 0}};
        setitimer(ITIMER_REAL, &none, NULL);
        printf("again %s\n", said(connect(sock, (void *)&address, sizeof address)));
        fflush(stdout);
        struct pollfd poller = {sock, POLLOUT, 0};
        int error = -1;
        socklen_t size = sizeof error;
        poll(&poller, 1, 60000);
        getsockopt(sock, SOL_SOCKET, SO_ERROR, &error, &size);
        printf("then %s%s\n", error ? strerrorname_np(error) : "ok",
               gate && access(gate, F_OK) ? " before the gate was open" : "");
    }
    return 0;
}
