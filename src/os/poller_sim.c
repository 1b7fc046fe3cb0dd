/*
 * The simulated poller: virtual time over the simulated network (network_sim.h). Polling hands out
 * the readiness that has gathered; with none it moves the clock to the next timer. With neither,
 * nothing can ever happen again: who runs the simulation is told, and the process ends.
 */
#include "os/network_sim.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "os/sys.h"

#define EPOCH_NS 1000000000000LL /* the virtual clock starts here: no test may depend on zero */

static struct {
    weir_time now;
    uint64_t submits;                             /* operations so far */
    uint64_t refuse_from, refuse_to;              /* those of these numbers would block */
    bool (*may_pass)(weir_time until, void *arg); /* asked before the clock moves; may be NULL */
    void *may_pass_arg;
} sim;

static void (*on_dead_end)(void *arg); /* outlives a simulation: set before it begins */
static void *on_dead_end_arg;

/* --- the test's side ---------------------------------------------------------------------- */

void weir__sim_refuse(uint64_t nth, uint64_t times)
{
    sim.submits = 0;
    sim.refuse_from = nth;
    sim.refuse_to = nth > 0 ? nth + times : 0;
}

uint64_t weir__sim_submits(void)
{
    return sim.submits;
}

void weir__sim_ask_before_time(bool (*may_pass)(weir_time until, void *arg), void *arg)
{
    sim.may_pass = may_pass;
    sim.may_pass_arg = arg;
}

void weir__sim_on_dead_end(void (*told)(void *arg), void *arg)
{
    on_dead_end = told;
    on_dead_end_arg = arg;
}

/* --- the poller's side -------------------------------------------------------------------- */

static weir_err sim_init(struct weir__poller *p)
{
    memset(&sim, 0, sizeof sim);
    sim.now = (weir_time){EPOCH_NS};
    weir__sim_net_init();
    p->state = &sim;
    return WEIR_OK;
}

static void sim_fini(struct weir__poller *p)
{
    weir__sim_net_fini();
    p->state = NULL;
}

static weir_time sim_now(struct weir__poller *p)
{
    (void)p;
    return sim.now;
}

/* The real second, since files have real dates; where in it is virtual, as all that waits is. */
static int64_t sim_wall(struct weir__poller *p)
{
    (void)p;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000000000LL + sim.now.ns % 1000000000LL;
}

static ssize_t put_vector(const struct weir__op *op)
{
    ssize_t sum = 0;
    for (int i = 0; i < op->u.iov.count; i++) {
        size_t len = weir__sim_chopped(op->u.iov.vec[i].iov_len);
        ssize_t n = weir__sim_put(op->fd->num, op->u.iov.vec[i].iov_base, len);
        if (n < 0)
            return sum > 0 ? sum : n;
        sum += n;
        if ((size_t)n < op->u.iov.vec[i].iov_len)
            break;
    }
    return sum;
}

/* The call that the kernel would get; a test's planned failure (sys.h) happens here as well. */
static const enum weir__sys_call call_of[] = {
    [WEIR__OP_RECV] = WEIR__SYS_RECV,       [WEIR__OP_SEND] = WEIR__SYS_SEND,
    [WEIR__OP_SENDV] = WEIR__SYS_SEND,      [WEIR__OP_ACCEPT] = WEIR__SYS_ACCEPT,
    [WEIR__OP_CONNECT] = WEIR__SYS_CONNECT,
};

static ssize_t once(struct weir__op *op)
{
    struct weir__fd *fd = op->fd;
    if (op->kind < WEIR__OP_READABLE) {
        int planned = weir__sys_pretend(call_of[op->kind]);
        if (WEIR_UNLIKELY(planned != 0))
            return planned;
    }
    switch ((enum weir__op_kind)op->kind) {
    case WEIR__OP_RECV: {
        if (weir__sim_is_of_datagrams(fd->num))
            return weir__sim_recv_datagram(fd, op->u.buf.ptr, op->u.buf.len);
        ssize_t n = weir__sim_take(fd->num, op->u.buf.ptr, weir__sim_chopped(op->u.buf.len));
        const struct weir__sim_socket *s = weir__sim_get(fd->num);
        if (n == -EAGAIN || (n > 0 && s->at == s->len))
            fd->ready &= (uint8_t)~WEIR__READABLE;
        return n;
    }
    case WEIR__OP_SEND:
        if (weir__sim_is_of_datagrams(fd->num))
            return weir__sim_send_datagram(fd->num, op->u.buf.ptr, op->u.buf.len);
        return weir__sim_put(fd->num, op->u.buf.ptr, weir__sim_chopped(op->u.buf.len));
    case WEIR__OP_SENDV:
        return put_vector(op);
    case WEIR__OP_ACCEPT:
        return weir__sim_accept(fd->num, op->u.addr.addr);
    case WEIR__OP_CONNECT:
        return weir__sim_connect_to(fd->num, op->u.addr.addr);
    case WEIR__OP_READABLE:
        return (fd->ready & ~(unsigned)WEIR__WRITABLE) != 0 ? 0 : -EAGAIN;
    case WEIR__OP_WRITABLE:
        return (fd->ready & (WEIR__WRITABLE | WEIR__BROKEN)) != 0 ? 0 : -EAGAIN;
    }
    return -EINVAL;
}

/*
 * Would have to wait, and would not a moment later: of that the next poll tells, as the kernel
 * does.
 */
static void refuse(const struct weir__op *op)
{
    bool is_sending = op->kind == WEIR__OP_SEND || op->kind == WEIR__OP_SENDV ||
                      op->kind == WEIR__OP_WRITABLE || op->kind == WEIR__OP_CONNECT;
    unsigned what = is_sending ? WEIR__WRITABLE : WEIR__READABLE;
    if (op->kind != WEIR__OP_SEND && op->kind != WEIR__OP_SENDV)
        op->fd->ready &= (uint8_t)~what;
    weir__sim_tell(op->fd->num, what);
}

static bool sim_submit(struct weir__poller *p, struct weir__op *op)
{
    (void)p;
    sim.submits++;
    if (WEIR_UNLIKELY(sim.submits >= sim.refuse_from && sim.submits < sim.refuse_to)) {
        refuse(op);
        return false;
    }
    op->result = once(op);
    return op->result != -EAGAIN;
}

/* False: no room for more. */
static bool gather(struct weir__poller *p, struct weir__sim_socket *s)
{
    if (p->event_count == WEIR__POLL_EVENTS_MAX)
        return false;
    if (s->events != 0 && s->fd != NULL)
        weir__poller_tell(p, s->fd, s->events);
    s->events = 0;
    return true;
}

static WEIR_NORETURN void end_at_dead_end(void)
{
    if (on_dead_end != NULL)
        on_dead_end(on_dead_end_arg);
    abort();
}

static weir_time sim_poll(struct weir__poller *p, weir_time now, weir_time until)
{
    (void)now;
    weir__sim_move_betweens();
    for (int i = 0; i < weir__sim_net.count && gather(p, weir__sim_net.sockets[i]); i++)
        ;
    if (p->event_count > 0 || until.ns <= sim.now.ns)
        return sim.now;
    if (sim.may_pass != NULL && !sim.may_pass(until, sim.may_pass_arg))
        return sim.now;
    if (until.ns == INT64_MAX)
        end_at_dead_end();
    return sim.now = until;
}

static void sim_wake(struct weir__poller *p)
{
    (void)p;
}

static int sim_socket_new(struct weir__poller *p, int family)
{
    (void)p, (void)family;
    int planned = weir__sys_pretend(WEIR__SYS_SOCKET);
    if (planned != 0)
        return planned;
    int num = weir__sim_new(WEIR__SIM_CONNECTED_BYTES);
    struct weir__sim_socket *s = weir__sim_existing(num);
    s->is_fresh = s->is_held = true;
    return num;
}

static int sim_datagram_new(struct weir__poller *p, int family)
{
    int num = sim_socket_new(p, family);
    if (num >= 0)
        weir__sim_existing(num)->is_datagram = true;
    return num;
}

static unsigned readiness(const struct weir__sim_socket *s)
{
    bool has_bytes = s->at < s->len || s->backlog_len > 0;
    bool is_over =
        !s->is_listener && !s->is_datagram &&
        (s->peer < 0 || weir__sim_get(s->peer) == NULL || weir__sim_get(s->peer)->is_shut);
    return WEIR__WRITABLE | (has_bytes || is_over ? WEIR__READABLE : 0u) |
           (is_over ? WEIR__PEER_CLOSED : 0u);
}

static weir_err sim_watch(struct weir__poller *p, struct weir__fd *fd)
{
    (void)p;
    struct weir__sim_socket *s = weir__sim_get(fd->num);
    int planned = weir__sys_pretend(WEIR__SYS_EPOLL_CTL);
    if (planned != 0)
        return planned;
    if (s == NULL)
        return -EBADF;
    WEIR_ASSERT(s->fd == NULL, "a descriptor is watched once");
    s->fd = fd;
    s->is_held = true;
    if (s->is_fresh)
        return WEIR_OK;
    s->events = readiness(s);
    return WEIR_OK;
}

static weir_err sim_again(struct weir__poller *p, struct weir__fd *fd)
{
    (void)p;
    int planned = weir__sys_pretend(WEIR__SYS_EPOLL_CTL);
    if (planned != 0)
        return planned;
    weir__sim_existing(fd->num)->events |= readiness(weir__sim_existing(fd->num));
    return WEIR_OK;
}

static void sim_unwatch(struct weir__poller *p, struct weir__fd *fd, bool is_closing)
{
    (void)p, (void)is_closing;
    struct weir__sim_socket *s = weir__sim_get(fd->num);
    if (s != NULL)
        s->fd = NULL;
}

static weir_err sim_shutdown(struct weir__poller *p, int num)
{
    (void)p;
    int planned = weir__sys_pretend(WEIR__SYS_SHUTDOWN);
    if (planned != 0)
        return planned;
    weir__sim_shutdown(num);
    return WEIR_OK;
}

/* As in the kernel: whatever a close returns, the descriptor is gone. */
static void sim_close(struct weir__poller *p, int num)
{
    (void)p;
    (void)weir__sys_pretend(WEIR__SYS_CLOSE);
    weir__sim_close_end(num);
}

const struct weir__poller_ops weir__poller_sim = {
    .name = "simulation",
    .is_virtual = true,
    .init = sim_init,
    .fini = sim_fini,
    .now = sim_now,
    .wall = sim_wall,
    .submit = sim_submit,
    .poll = sim_poll,
    .wake = sim_wake,
    .socket = sim_socket_new,
    .datagram = sim_datagram_new,
    .watch = sim_watch,
    .unwatch = sim_unwatch,
    .again = sim_again,
    .shutdown = sim_shutdown,
    .close = sim_close,
};
