/*
 * Opening a listening socket. Options of connections (no delay, keep-alive, how long the kernel
 * keeps what is not taken) are set on the listener, from which accepted sockets inherit them: three
 * system calls less a connection.
 */
#include "net/listener.h"

#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "os/sys.h"

#define BACKLOG 4096

static void set(int fd, int level, int name, int value)
{
    (void)weir__sys_setsockopt(fd, level, name, &value, sizeof value);
}

static void set_tcp_options(int fd, const struct weir__listener_options *o)
{
    int64_t ms = o->untaken_max.ns / 1000000;
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (ms > 0)
        set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, ms < INT_MAX ? (int)ms : INT_MAX);
}

static int backlog_of(const struct weir__listener_options *o)
{
    return o->backlog > 0 ? o->backlog : BACKLOG;
}

static int open_socket(const struct weir__endpoint *e, const struct weir__listener_options *o)
{
    struct sockaddr_storage addr;
    socklen_t len = weir__endpoint_to_kernel(e, &addr);
    int fd = weir__sys_socket(e->family, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set_tcp_options(fd, o);
    if (e->family == AF_INET6)
        set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    int err = weir__sys_bind(fd, (struct sockaddr *)&addr, len);
    if (err == 0)
        err = weir__sys_listen(fd, backlog_of(o));
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

/* --- how it is told ----------------------------------------------------------------------- */

/* "http://127.0.0.1:8080"; every address of the machine is shown as localhost. */
static void print_url(struct weir__listener *l)
{
    static const uint8_t any[16] = {0};
    const struct weir__endpoint *e = &l->bound;
    WEIR_ASSERT(e->family == AF_INET || e->family == AF_INET6, "E1: an address is IPv4 or IPv6");
    char text[WEIR__ENDPOINT_TEXT_MAX];
    (void)weir__endpoint_format(e, text);
    if (memcmp(e->ip, any, e->family == AF_INET ? 4 : sizeof any) == 0)
        snprintf(text, sizeof text, "localhost:%u", e->port);
    snprintf(l->url, sizeof l->url, "http://%s", text);
}

/* The path, or the name that is no file, of a local socket. */
static void print_local(struct weir__listener *l, const struct sockaddr_storage *addr,
                        socklen_t len)
{
    struct sockaddr_un local;
    memcpy(&local, addr, sizeof local);
    size_t n = len > offsetof(struct sockaddr_un, sun_path)
                   ? len - offsetof(struct sockaddr_un, sun_path)
                   : 0;
    bool is_abstract = n > 0 && local.sun_path[0] == '\0';
    n = is_abstract ? n : strnlen(local.sun_path, n);
    if (is_abstract)
        local.sun_path[0] = '@';
    snprintf(l->url, sizeof l->url, "unix:%.*s", (int)n, local.sun_path);
}

static void find_bound(struct weir__listener *l)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof addr;
    WEIR_ASSERT(l->num >= 0 && l->url[0] == '\0', "E5: what is open is told of once");
    if (weir__sys_getsockname(l->num, (struct sockaddr *)&addr, &len) != 0)
        return;
    weir__endpoint_from_kernel(&l->bound, &addr);
    if (addr.ss_family == AF_UNIX)
        print_local(l, &addr, len);
    else
        print_url(l);
}

/* --- the three kinds ---------------------------------------------------------------------- */

static int open_endpoint(const struct weir__endpoint *e, const struct weir__listener_options *o,
                         const char **why)
{
    struct weir__endpoint four = *e;
    static const uint8_t any[16];
    int fd = open_socket(e, o);
    if (fd == -EAFNOSUPPORT && e->family == AF_INET6 && memcmp(e->ip, any, sizeof any) == 0) {
        four.family = AF_INET; /* a machine without IPv6 */
        fd = open_socket(&four, o);
    }
    if (fd < 0)
        *why = reason_of(fd);
    return fd;
}

/* The number of "fd:3"; below 0: it is none that could be a listener. */
static int inherited_number(weir_str where)
{
    int64_t n;
    if (!weir_str_starts(where, WEIR_S("fd:")) ||
        weir_str_i64((weir_str){where.ptr + 3, where.len - 3}, &n) != WEIR_OK || n < 3 ||
        n > INT32_MAX)
        return -1;
    return (int)n;
}

static int option_of(int fd, int name)
{
    int value = -1;
    socklen_t len = sizeof value;
    return weir__sys_getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

/* Nobody but us has it from here on: not a child either. */
static int take_inherited(int fd, const struct weir__listener_options *o, const char **why)
{
    WEIR_ASSERT(fd > STDERR_FILENO, "E3: the process's own three are no listeners");
    *why = "it is not open";
    int flags = weir__sys_fd_flags(fd);
    if (flags < 0)
        return flags;
    *why = "it is no socket that listens (of systemd: Accept=no, ListenStream=)";
    if (option_of(fd, SO_ACCEPTCONN) != 1 || option_of(fd, SO_TYPE) != SOCK_STREAM)
        return -EINVAL;
    int err = weir__sys_take_over(fd);
    *why = strerror(-err);
    if (err < 0)
        return err;
    if (option_of(fd, SO_DOMAIN) != AF_UNIX)
        set_tcp_options(fd, o);
    return fd;
}

const char *weir__listener_check(weir_str where)
{
    struct weir__endpoint e;
    struct sockaddr_storage addr;
    weir_str address;
    int mode;
    bool is_right =
        weir__local_is(where)
            ? weir__local_split(where, &address, &mode) && weir__local_address(address, &addr) > 0
            : inherited_number(where) >= 0 || weir__endpoint_parse(where, &e) == WEIR_OK;
    return is_right ? NULL
                    : ":PORT, IPv4:PORT or [IPv6]:PORT with a port from 0 to 65535, unix:/PATH, "
                      "unix:/PATH,mode=0660, unix:@NAME, or fd:NUMBER";
}

weir_err weir__listener_open(weir_str where, const struct weir__listener_options *options,
                             struct weir__listener *out, char *message, size_t size)
{
    struct weir__endpoint e;
    char text[128] = "";
    const char *why = text;
    *out = (struct weir__listener){.num = -EINVAL};
    if (weir__local_is(where))
        out->num = weir__local_listen(where, backlog_of(options), &out->file, text, sizeof text);
    else if (inherited_number(where) >= 0)
        out->num = take_inherited(inherited_number(where), options, &why);
    else if (weir__endpoint_parse(where, &e) == WEIR_OK)
        out->num = open_endpoint(&e, options, &why);
    else
        why = "not an address; write ip:port, [ip6]:port, :port, localhost:port, unix:/path or "
              "fd:number";
    if (out->num >= 0) {
        find_bound(out);
        return WEIR_OK;
    }
    WEIR_ASSERT(out->num < 0 && why[0] != '\0', "E5: what is not open says why");
    snprintf(message, size, "listen on " WEIR_STR_FMT ": %s", WEIR_STR_ARG(where), why);
    return out->num;
}
