/*
 * Opening a listening socket. Options of connections (no delay, keep-alive) are set on the
 * listener, from which accepted sockets inherit them: two system calls less a connection.
 */
#include "net/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "rt/sys.h"

#define BACKLOG 4096

static void set(int fd, int level, int name, int value)
{
    (void)weir__sys_setsockopt(fd, level, name, &value, sizeof value);
}

static int open_socket(const struct weir__endpoint *e, int backlog)
{
    struct sockaddr_storage addr;
    socklen_t len = weir__endpoint_to_kernel(e, &addr);
    int fd = weir__sys_socket(e->family, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (e->family == AF_INET6)
        set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    int err = weir__sys_bind(fd, (struct sockaddr *)&addr, len);
    if (err == 0)
        err = weir__sys_listen(fd, backlog > 0 ? backlog : BACKLOG);
    if (err == 0)
        return fd;
    weir__sys_close(fd);
    return err;
}

static const char *reason_of(int err)
{
    switch (err) {
    case -EADDRINUSE:
        return "address already in use";
    case -EADDRNOTAVAIL:
        return "this machine does not have that address";
    case -EACCES:
        return "not permitted (ports below 1024 need CAP_NET_BIND_SERVICE)";
    default:
        return strerror(-err);
    }
}

static void find_bound(int fd, struct weir__endpoint *bound)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof addr;
    if (bound != NULL && weir__sys_getsockname(fd, (struct sockaddr *)&addr, &len) == 0)
        weir__endpoint_from_kernel(bound, &addr);
}

int weir__listener_open(weir_str where, const struct weir__listener_options *options,
                        struct weir__endpoint *bound, char *message, size_t size)
{
    struct weir__endpoint e;
    if (weir__endpoint_parse(where, &e) != WEIR_OK) {
        snprintf(message, size,
                 "listen on " WEIR_STR_FMT ": not an address; write ip:port, [ip6]:port, :port or "
                 "localhost:port",
                 WEIR_STR_ARG(where));
        return -EINVAL;
    }
    int fd = open_socket(&e, options->backlog);
    static const uint8_t any[16];
    bool is_any = e.family == AF_INET6 && memcmp(e.ip, any, sizeof any) == 0;
    if (fd == -EAFNOSUPPORT && is_any) { /* a machine without IPv6 */
        e.family = AF_INET;
        fd = open_socket(&e, options->backlog);
    }
    if (fd < 0)
        snprintf(message, size, "listen on " WEIR_STR_FMT ": %s", WEIR_STR_ARG(where),
                 reason_of(fd));
    else
        find_bound(fd, bound);
    return fd;
}
