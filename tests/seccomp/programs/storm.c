/* Non-blocking connects under a storm of signals. Usage: storm PORT COUNT */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static void nothing(int number)
{
    (void)number;
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = nothing, .sa_flags = SA_RESTART};
    struct itimerval timer = {{0, 60}, {0, 60}};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    int started = 0, connected = 0, count = atoi(argv[2]);

    (void)argc;
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    for (int i = 0; i < count; i++) {
        int sock = socket(AF_INET, SOCK_STREAM, 0), error = -1, ready;
        socklen_t size = sizeof error;
        fcntl(sock, F_SETFL, O_NONBLOCK);
        if (connect(sock, (void *)&address, sizeof address) < 0 && errno == EINPROGRESS)
            started++;
        struct pollfd poller = {sock, POLLOUT, 0};
        do
            ready = poll(&poller, 1, 60000);
        while (ready < 0 && errno == EINTR);
        getsockopt(sock, SOL_SOCKET, SO_ERROR, &error, &size);
        if (ready == 1 && error == 0)
            connected++;
        close(sock);
    }
    printf("in progress %d connected %d\n", started, connected);
    return 0;
}
