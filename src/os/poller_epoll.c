/*
 * The epoll poller. Each descriptor is registered once, for everything, edge-triggered; operations
 * are tried first and wait only on EAGAIN. A recv that fills less than its buffer has drained the
 * socket (the next byte makes a new edge), so a request costs one recv, not two.
 */
#include "os/poller.h"

#include <netinet/tcp.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "os/sys.h"

#define FRESH_TICKS 100000 /* under 100 us from 1 GHz on: a tenth of what a timer is exact to */
#define GAP_TICKS 50000    /* under 50 us from 1 GHz on, and some twenty times what a poll costs */

/*
 * A peer that is gone without a word: what was sent and nobody has acknowledged ends a connection
 * after 30 s; at rest the first probe goes out after 30 s, and the third that is lost is the end.
 */
#define UNHEARD_MS 30000
#define KEEP_IDLE_S 30
#define KEEP_EACH_S 10
#define KEEP_PROBES 3

struct state {
    int ep;
    int event_fd;
    struct epoll_event batch[WEIR__POLL_EVENTS_MAX];
};

static weir_err epoll_init(struct weir__poller *p)
{
    struct state *s = weir__calloc(1, sizeof *s);
    if (s == NULL)
        return -ENOMEM;
    p->state = s;
    s->event_fd = -1;
    s->ep = weir__sys_epoll_create();
    if (s->ep < 0)
        return s->ep;
    s->event_fd = weir__sys_eventfd();
    if (s->event_fd < 0)
        return s->event_fd;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    return weir__sys_epoll_ctl(s->ep, EPOLL_CTL_ADD, s->event_fd, &ev);
}

static void epoll_fini(struct weir__poller *p)
{
    struct state *s = p->state;
    if (s == NULL)
        return;
    if (s->event_fd >= 0)
        weir__sys_close(s->event_fd);
    if (s->ep >= 0)
        weir__sys_close(s->ep);
    weir__free(s);
    p->state = NULL;
}

static weir_time epoll_now(struct weir__poller *p)
{
    (void)p;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (weir_time){t.tv_sec * 1000000000LL + t.tv_nsec};
}

static int64_t epoll_wall(struct weir__poller *p)
{
    (void)p;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static ssize_t do_recv(struct weir__op *op)
{
    ssize_t n = weir__sys_recv(op->fd->num, op->u.buf.ptr, op->u.buf.len, 0);
    if (n == -EAGAIN || (n > 0 && (size_t)n < op->u.buf.len))
        op->fd->ready &= (uint8_t)~WEIR__READABLE;
    return n;
}

static ssize_t do_send(struct weir__op *op)
{
    if (op->kind == WEIR__OP_SEND)
        return weir__sys_send(op->fd->num, op->u.buf.ptr, op->u.buf.len, MSG_NOSIGNAL);
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)op->u.iov.vec,
                         .msg_iovlen = (size_t)op->u.iov.count};
    return weir__sys_sendmsg(op->fd->num, &msg, MSG_NOSIGNAL);
}

static ssize_t do_connect(struct weir__op *op)
{
    ssize_t n = weir__sys_connect(op->fd->num, (struct sockaddr *)op->u.addr.addr, op->u.addr.len);
    if (n == -EISCONN)
        return 0;
    if (n == -EINPROGRESS || n == -EALREADY)
        return -EAGAIN;
    return n;
}

static ssize_t once(struct weir__op *op)
{
    switch ((enum weir__op_kind)op->kind) {
    case WEIR__OP_RECV:
        return do_recv(op);
    case WEIR__OP_SEND:
    case WEIR__OP_SENDV:
        return do_send(op);
    case WEIR__OP_ACCEPT:
        return weir__sys_accept(op->fd->num, (struct sockaddr *)op->u.addr.addr,
                                op->u.addr.addr != NULL ? &op->u.addr.len : NULL);
    case WEIR__OP_CONNECT:
        return do_connect(op);
    case WEIR__OP_READABLE:
        return (op->fd->ready & (WEIR__READABLE | WEIR__PEER_CLOSED | WEIR__BROKEN)) != 0 ? 0
                                                                                          : -EAGAIN;
    case WEIR__OP_WRITABLE:
        return (op->fd->ready & (WEIR__WRITABLE | WEIR__BROKEN)) != 0 ? 0 : -EAGAIN;
    }
    return -EINVAL;
}

static bool epoll_submit(struct weir__poller *p, struct weir__op *op)
{
    (void)p;
    op->result = once(op);
    return op->result != -EAGAIN;
}

static unsigned ready_of(uint32_t events)
{
    unsigned ready = 0;
    if (events & EPOLLIN)
        ready |= WEIR__READABLE;
    if (events & EPOLLOUT)
        ready |= WEIR__WRITABLE;
    if (events & EPOLLRDHUP)
        ready |= WEIR__PEER_CLOSED;
    if (events & (EPOLLHUP | EPOLLERR))
        ready |= WEIR__PEER_CLOSED | WEIR__BROKEN;
    return ready;
}

static int timeout_ms(weir_time now, weir_time until)
{
    if (until.ns <= now.ns)
        return 0;
    if (until.ns == INT64_MAX)
        return -1;
    int64_t ms = (until.ns - now.ns + 999999) / 1000000;
    return ms > 60000 ? 60000 : (int)ms;
}

static weir_time epoll_poll(struct weir__poller *p, weir_time now, weir_time until)
{
    struct state *s = p->state;
    int n = weir__sys_epoll_wait(s->ep, s->batch, WEIR__POLL_EVENTS_MAX, timeout_ms(now, until));
    for (int i = 0; i < n; i++) {
        struct weir__fd *fd = s->batch[i].data.ptr;
        if (fd != NULL)
            weir__poller_tell(p, fd, ready_of(s->batch[i].events));
    }
    return epoll_now(p);
}

static void epoll_wake(struct weir__poller *p)
{
    struct state *s = p->state;
    uint64_t one = 1;
    (void)weir__sys_write(s->event_fd, &one, sizeof one);
}

static void set(int num, int level, int name, int value)
{
    (void)weir__sys_setsockopt(num, level, name, &value, sizeof value);
}

static int epoll_socket(struct weir__poller *p, int family)
{
    (void)p;
    int num = weir__sys_socket(family, SOCK_STREAM, 0);
    if (num >= 0 && family != AF_UNIX) {
        set(num, IPPROTO_TCP, TCP_NODELAY, 1);
        set(num, SOL_SOCKET, SO_KEEPALIVE, 1);
        set(num, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S);
        set(num, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_EACH_S);
        set(num, IPPROTO_TCP, TCP_KEEPCNT, KEEP_PROBES);
        set(num, IPPROTO_TCP, TCP_USER_TIMEOUT, UNHEARD_MS);
    }
    return num;
}

static int epoll_datagram(struct weir__poller *p, int family)
{
    (void)p;
    return weir__sys_socket(family, SOCK_DGRAM, 0);
}

static weir_err control(struct weir__poller *p, int op, struct weir__fd *fd)
{
    struct state *s = p->state;
    uint32_t events = fd->is_shared ? EPOLLIN | EPOLLEXCLUSIVE : EPOLLIN | EPOLLOUT | EPOLLRDHUP;
    struct epoll_event ev = {.events = events | EPOLLET, .data.ptr = fd};
    return weir__sys_epoll_ctl(s->ep, op, fd->num, &ev);
}

static weir_err epoll_watch(struct weir__poller *p, struct weir__fd *fd)
{
    return control(p, EPOLL_CTL_ADD, fd);
}

/* To change what is watched, be it into the same, has the kernel look anew. */
static weir_err epoll_again(struct weir__poller *p, struct weir__fd *fd)
{
    return control(p, EPOLL_CTL_MOD, fd);
}

static void epoll_unwatch(struct weir__poller *p, struct weir__fd *fd, bool is_closing)
{
    struct state *s = p->state;
    struct epoll_event ev = {0};
    if (!is_closing)
        (void)weir__sys_epoll_ctl(s->ep, EPOLL_CTL_DEL, fd->num, &ev);
}

static weir_err epoll_shutdown(struct weir__poller *p, int num)
{
    (void)p;
    return weir__sys_shutdown(num, SHUT_WR);
}

static void epoll_close(struct weir__poller *p, int num)
{
    (void)p;
    weir__sys_close(num);
}

const struct weir__poller_ops weir__poller_epoll = {
    .name = "epoll",
    .init = epoll_init,
    .fini = epoll_fini,
    .now = epoll_now,
    .wall = epoll_wall,
    .submit = epoll_submit,
    .poll = epoll_poll,
    .gap_ticks = GAP_TICKS,
    .fresh_ticks = FRESH_TICKS,
    .wake = epoll_wake,
    .socket = epoll_socket,
    .datagram = epoll_datagram,
    .watch = epoll_watch,
    .unwatch = epoll_unwatch,
    .again = epoll_again,
    .shutdown = epoll_shutdown,
    .close = epoll_close,
};
