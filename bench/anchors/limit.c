/*
 * The limit: what this machine's kernel leaves to a server that does nothing. One thread, epoll,
 * one fixed reply for every blank line that arrives; no parser, no routes, no time-outs, no errors
 * told. Nothing that does more can be faster, so the distance to it is what a server's own work
 * costs.
 *
 *     limit PORT
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 256

static const char reply[] = "HTTP/1.1 200 OK\r\n"
                            "Content-Type: text/plain\r\n"
                            "Content-Length: 13\r\n"
                            "Date: Sat, 21 Nov 2026 12:00:00 GMT\r\n"
                            "\r\n"
                            "Hello, World!";
enum { REPLY_BYTES = sizeof reply - 1, BATCH_MAX = 128 };

/* As many replies as one send will need, ready made. */
static char replies[REPLY_BYTES * BATCH_MAX];

static void give_up(const char *what)
{
    fprintf(stderr, "limit: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_listener(const char *port)
{
    const int on = 1;
    struct sockaddr_in at = {
        .sin_family = AF_INET,
        .sin_port = htons((in_port_t)strtoul(port, NULL, 10)),
        .sin_addr = {htonl(INADDR_LOOPBACK)},
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, (const struct sockaddr *)&at, sizeof at) < 0 || listen(fd, SOMAXCONN) < 0)
        give_up(port);
    return fd;
}

static void watch(int ep, int fd)
{
    struct epoll_event what = {.events = EPOLLIN, .data = {.fd = fd}};
    if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &what) < 0)
        give_up("epoll_ctl");
}

static void take_connections(int ep, int listener)
{
    const int on = 1;
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(ep, fd);
    }
}

static size_t count_heads(const char *bytes, size_t len)
{
    size_t n = 0;
    const char *end = bytes + len, *at = bytes;
    while (n < BATCH_MAX && (at = memmem(at, (size_t)(end - at), "\r\n\r\n", 4)) != NULL) {
        at += 4;
        n++;
    }
    return n;
}

/* A head that is split between two reads is lost; the load generator does not split them. */
static void reply_to(int fd)
{
    static char bytes[32768];
    ssize_t len = recv(fd, bytes, sizeof bytes, 0);
    if (len < 0 && errno == EAGAIN)
        return;
    if (len <= 0) {
        close(fd);
        return;
    }
    size_t n = count_heads(bytes, (size_t)len);
    if (n > 0 && send(fd, replies, n * REPLY_BYTES, MSG_NOSIGNAL) < 0)
        close(fd);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: limit PORT\n");
        return 2;
    }
    for (size_t i = 0; i < BATCH_MAX; i++)
        memcpy(replies + i * REPLY_BYTES, reply, REPLY_BYTES);
    int listener = open_listener(argv[1]), ep = epoll_create1(EPOLL_CLOEXEC);
    watch(ep, listener);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(ep, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                take_connections(ep, listener);
            else
                reply_to(events[i].data.fd);
        }
    }
}
