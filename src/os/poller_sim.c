/*
 * The simulated poller: virtual time, sockets that are two byte queues in memory, descriptor
 * numbers of its own (from 1000 on). Polling hands out the readiness that has gathered; with none
 * it moves the clock to the next timer. With neither, nothing can ever happen again: who runs the
 * simulation is told, and the process ends.
 *
 * Its memory is the C library's: what a test lets fail at the heap's door is never the simulation.
 */
#include "os/poller_sim.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>

#include "base/assert.h"
#include "os/sys.h"

#define FIRST_NUM 1000
#define SOCKETS_MAX (1 << 16)
#define CONNECTED_BYTES (64u << 10) /* of each way, where the simulation connects */
#define EPOCH_NS 1000000000000LL    /* the virtual clock starts here: no test may depend on zero */

struct sim_socket {
    bool is_open, is_listener;
    bool is_held;     /* the worker has had it: it is the worker that must close it */
    bool is_fresh;    /* made to be connected, and not yet */
    bool has_knocked; /* its connecting has begun */
    bool is_shut;     /* it sends no more */
    bool is_reset;    /* both sides get ECONNRESET */
    bool is_datagram; /* `in` has datagrams, each behind a struct datagram */
    int peer;         /* index; -1 when that is closed */
    char *in;         /* what has arrived for it */
    size_t at, len, cap;
    unsigned events;     /* gathered for the next poll */
    struct weir__fd *fd; /* who watches it */
    struct between *by;  /* whose it is, if not an end's; NULL */
    int backlog[64];     /* of a listener: server ends not yet accepted */
    int backlog_len;
};

/* Somebody between the two sockets of a connection. */
struct between {
    struct between *next;
    const struct weir__sim_between *who;
    void *state;
    bool is_due; /* something is new at one of its own two sockets */
};

struct datagram {
    int from;
    uint32_t len;
};

static struct {
    weir_time now;
    struct sim_socket *sockets[SOCKETS_MAX];
    int count;
    size_t chop;
    uint64_t submits;                             /* operations so far */
    uint64_t refuse_from, refuse_to;              /* those of these numbers would block */
    int accept_err, accept_errs;                  /* so many accepts fail with it */
    bool (*may_pass)(weir_time until, void *arg); /* asked before the clock moves; may be NULL */
    void *may_pass_arg;
    struct sockaddr_storage accepts_from;
    bool holds_connects;
    struct between *betweens;
    int (*decide_connect)(const struct sockaddr_storage *addr); /* may be NULL */
} sim;

static void (*on_dead_end)(void *arg); /* outlives a simulation: set before it begins */
static void *on_dead_end_arg;
static const struct weir__sim_between *put_between; /* this too; may be NULL */

static struct sim_socket *get(int num)
{
    int i = num - FIRST_NUM;
    if (i < 0 || i >= sim.count || !sim.sockets[i]->is_open)
        return NULL;
    return sim.sockets[i];
}

/* The lowest number that is free, as a kernel would: a long test opens any number of them. */
static int free_index(void)
{
    int i = 0;
    while (i < sim.count && (sim.sockets[i]->is_open || sim.sockets[i]->fd != NULL))
        i++;
    if (i < sim.count)
        return i;
    WEIR_ASSERT(sim.count < SOCKETS_MAX, "the simulation has room for another socket");
    sim.sockets[i] = calloc(1, sizeof *sim.sockets[i]);
    WEIR_ASSERT(sim.sockets[i] != NULL, "the simulation has memory");
    sim.count++;
    return i;
}

static struct sim_socket *existing(int num)
{
    struct sim_socket *s = get(num);
    WEIR_ASSERT(s != NULL, "the simulated socket is open");
    return s;
}

static int new_socket(size_t capacity)
{
    int i = free_index();
    struct sim_socket *s = sim.sockets[i];
    char *in = malloc(capacity);
    WEIR_ASSERT(in != NULL, "the simulation has memory");
    *s = (struct sim_socket){.is_open = true, .peer = -1, .cap = capacity, .in = in};
    return FIRST_NUM + i;
}

static void tell(int num, unsigned events)
{
    struct sim_socket *s = num >= 0 ? get(num) : NULL;
    if (s == NULL)
        return;
    s->events |= events;
    if (s->by != NULL)
        s->by->is_due = true;
}

static size_t chopped(size_t n)
{
    return sim.chop != 0 && n > sim.chop ? sim.chop : n;
}

/* --- what both ends can do ---------------------------------------------------------------- */

static ssize_t put(int num, const char *bytes, size_t len)
{
    struct sim_socket *s = get(num);
    if (s == NULL)
        return -EBADF;
    if (s->is_reset)
        return -ECONNRESET;
    struct sim_socket *to = s->peer >= 0 ? get(s->peer) : NULL;
    if (to == NULL || s->is_shut)
        return -EPIPE;
    if (to->at > 0 && to->at == to->len)
        to->at = to->len = 0;
    if (to->at > 0 && to->len == to->cap) {
        memmove(to->in, to->in + to->at, to->len - to->at);
        to->len -= to->at;
        to->at = 0;
    }
    size_t n = to->cap - to->len < len ? to->cap - to->len : len;
    if (n == 0)
        return len == 0 ? 0 : -EAGAIN;
    memcpy(to->in + to->len, bytes, n);
    to->len += n;
    tell(s->peer, WEIR__READABLE);
    return (ssize_t)n;
}

static ssize_t take(int num, char *bytes, size_t len)
{
    struct sim_socket *s = get(num);
    if (s == NULL)
        return -EBADF;
    if (s->is_reset)
        return -ECONNRESET;
    size_t n = s->len - s->at < len ? s->len - s->at : len;
    if (n == 0) {
        struct sim_socket *from = s->peer >= 0 ? get(s->peer) : NULL;
        return from == NULL || from->is_shut ? 0 : -EAGAIN;
    }
    memcpy(bytes, s->in + s->at, n);
    s->at += n;
    tell(s->peer, WEIR__WRITABLE);
    return (ssize_t)n;
}

static void close_end(int num)
{
    struct sim_socket *s = get(num);
    if (s == NULL)
        return;
    if (s->peer >= 0 && !s->is_datagram) {
        struct sim_socket *p = get(s->peer);
        /* As TCP: closing with unread bytes resets. */
        if (p != NULL && s->at < s->len)
            p->is_reset = true;
        tell(s->peer,
             WEIR__READABLE | WEIR__PEER_CLOSED | (p != NULL && p->is_reset ? WEIR__BROKEN : 0u));
        if (p != NULL)
            p->peer = -1;
    }
    s->is_open = false;
    free(s->in);
    s->in = NULL;
}

/* --- datagrams ---------------------------------------------------------------------------- */

/* One for which there is no room is lost, as on any network. */
static void put_datagram(int from, int to, const void *bytes, size_t len)
{
    struct sim_socket *s = existing(to);
    struct datagram d = {from, (uint32_t)len};
    if (s->at > 0) {
        memmove(s->in, s->in + s->at, s->len - s->at);
        s->len -= s->at;
        s->at = 0;
    }
    if (sizeof d + len > s->cap - s->len)
        return;
    memcpy(s->in + s->len, &d, sizeof d);
    if (len > 0)
        memcpy(s->in + s->len + sizeof d, bytes, len);
    s->len += sizeof d + len;
    tell(to, WEIR__READABLE);
}

/* The next of `from` (-1: of anybody); those of others are thrown away, as the kernel does. */
static ssize_t take_datagram(int num, void *bytes, size_t size, int from, int *sender)
{
    struct sim_socket *s = existing(num);
    while (s->at < s->len) {
        struct datagram d;
        memcpy(&d, s->in + s->at, sizeof d);
        size_t n = d.len < size ? d.len : size;
        memcpy(bytes, s->in + s->at + sizeof d, n);
        s->at += sizeof d + d.len;
        *sender = d.from;
        if (from < 0 || d.from == from)
            return (ssize_t)n;
    }
    return -EAGAIN;
}

/* Nobody there: that is told as an ICMP message tells it. */
static ssize_t send_datagram(int num, const void *bytes, size_t len)
{
    struct sim_socket *s = existing(num), *to = s->peer >= 0 ? get(s->peer) : NULL;
    if (s->is_fresh)
        return -ENOTCONN;
    if (to == NULL || !to->is_datagram)
        s->is_reset = true;
    else
        put_datagram(num, s->peer, bytes, len);
    tell(num, s->is_reset ? (unsigned)WEIR__READABLE : 0u);
    return (ssize_t)len;
}

static ssize_t recv_datagram(struct weir__fd *fd, void *bytes, size_t size)
{
    struct sim_socket *s = existing(fd->num);
    int sender;
    bool is_refused = s->is_reset;
    s->is_reset = false;
    ssize_t n = is_refused ? -ECONNREFUSED : take_datagram(fd->num, bytes, size, s->peer, &sender);
    if (n == -EAGAIN)
        fd->ready &= (uint8_t)~WEIR__READABLE;
    return n;
}

static bool is_of_datagrams(int num)
{
    const struct sim_socket *s = get(num);
    return s != NULL && s->is_datagram;
}

int weir__sim_listen_datagrams(void)
{
    int num = new_socket(CONNECTED_BYTES);
    get(num)->is_listener = get(num)->is_datagram = true;
    return num;
}

ssize_t weir__sim_datagram_take(int num, void *bytes, size_t size, int *from)
{
    return take_datagram(num, bytes, size, -1, from);
}

void weir__sim_datagram_give(int from, int to, const void *bytes, size_t len)
{
    if (get(to) != NULL)
        put_datagram(from, to, bytes, len);
}

/* --- who stands between ------------------------------------------------------------------- */

void weir__sim_put_between(const struct weir__sim_between *between)
{
    put_between = between;
}

/* The client's end; the server's is `*server`. */
static int connect_through(int *server, size_t capacity)
{
    int near[2], far[2];
    struct between *b = calloc(1, sizeof *b);
    WEIR_ASSERT(b != NULL, "the simulation has memory");
    weir__sim_socketpair(near, capacity);
    weir__sim_socketpair(far, capacity);
    *b = (struct between){.next = sim.betweens, .who = put_between, .is_due = true};
    get(near[1])->by = get(far[0])->by = sim.betweens = b;
    b->state = put_between->open(near[1], far[0]);
    *server = far[1];
    return near[0];
}

/* Those to whom something is new move; who has closed its sockets is gone. */
static void move_betweens(void)
{
    for (struct between **at = &sim.betweens; *at != NULL;) {
        struct between *b = *at;
        bool goes_on = !b->is_due;
        b->is_due = false;
        if (goes_on || b->who->move(b->state)) {
            at = &b->next;
            continue;
        }
        *at = b->next;
        b->who->free(b->state);
        free(b);
    }
}

static void free_betweens(void)
{
    for (struct between *b = sim.betweens, *next; b != NULL; b = next) {
        next = b->next;
        b->who->free(b->state);
        free(b);
    }
}

/* --- the test's side ---------------------------------------------------------------------- */

void weir__sim_socketpair(int out[2], size_t capacity)
{
    out[0] = new_socket(capacity);
    out[1] = new_socket(capacity);
    get(out[0])->peer = out[1];
    get(out[1])->peer = out[0];
}

int weir__sim_listen(void)
{
    int num = new_socket(1);
    get(num)->is_listener = true;
    return num;
}

int weir__sim_connect(int listener, size_t capacity)
{
    struct sim_socket *l = get(listener);
    WEIR_ASSERT(l != NULL && l->is_listener && l->backlog_len < 64,
                "the simulated listener has room");
    int ends[2];
    if (put_between != NULL)
        ends[0] = connect_through(&ends[1], capacity);
    else
        weir__sim_socketpair(ends, capacity);
    l->backlog[l->backlog_len++] = ends[1];
    tell(listener, WEIR__READABLE);
    return ends[0];
}

ssize_t weir__sim_write(int num, const void *bytes, size_t len)
{
    return put(num, bytes, len);
}

ssize_t weir__sim_read(int num, void *bytes, size_t len)
{
    return take(num, bytes, len);
}

void weir__sim_shutdown(int num)
{
    struct sim_socket *s = existing(num);
    s->is_shut = true;
    tell(s->peer, WEIR__READABLE | WEIR__PEER_CLOSED);
}

void weir__sim_close(int num)
{
    close_end(num);
}

void weir__sim_reset(int num)
{
    struct sim_socket *s = existing(num);
    struct sim_socket *p = s->peer >= 0 ? get(s->peer) : NULL;
    if (p != NULL)
        p->is_reset = true;
    tell(s->peer, WEIR__READABLE | WEIR__PEER_CLOSED | WEIR__BROKEN);
    close_end(num);
}

void weir__sim_chop(size_t n)
{
    sim.chop = n;
}

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

void weir__sim_fail_accept(int err, int times)
{
    sim.accept_err = err;
    sim.accept_errs = times;
}

void weir__sim_ask_before_time(bool (*may_pass)(weir_time until, void *arg), void *arg)
{
    sim.may_pass = may_pass;
    sim.may_pass_arg = arg;
}

void weir__sim_hold_connects(bool is_held)
{
    sim.holds_connects = is_held;
    for (int i = 0; i < sim.count && !is_held; i++) {
        if (sim.sockets[i]->is_open && sim.sockets[i]->is_fresh)
            sim.sockets[i]->events |= WEIR__WRITABLE;
    }
}

void weir__sim_decide_connects(int (*decide)(const struct sockaddr_storage *addr))
{
    sim.decide_connect = decide;
}

void weir__sim_on_dead_end(void (*told)(void *arg), void *arg)
{
    on_dead_end = told;
    on_dead_end_arg = arg;
}

size_t weir__sim_watched(void)
{
    size_t n = 0;
    for (int i = 0; i < sim.count; i++)
        n += sim.sockets[i]->fd != NULL;
    return n;
}

size_t weir__sim_held(void)
{
    size_t n = 0;
    for (int i = 0; i < sim.count; i++)
        n += sim.sockets[i]->is_open && sim.sockets[i]->is_held;
    return n;
}

/* --- the poller's side -------------------------------------------------------------------- */

static weir_err sim_init(struct weir__poller *p)
{
    memset(&sim, 0, sizeof sim);
    sim.now = (weir_time){EPOCH_NS};
    p->state = &sim;
    return WEIR_OK;
}

static void sim_fini(struct weir__poller *p)
{
    free_betweens();
    for (int i = 0; i < sim.count; i++) {
        free(sim.sockets[i]->in);
        free(sim.sockets[i]);
    }
    sim.count = 0;
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

void weir__sim_accepts_from(const struct sockaddr_storage *addr)
{
    sim.accepts_from = addr != NULL ? *addr : (struct sockaddr_storage){0};
}

static ssize_t sim_accept(int num, struct sockaddr_storage *from)
{
    struct sim_socket *l = get(num);
    if (l == NULL || !l->is_listener)
        return -EBADF;
    if (sim.accept_errs > 0) {
        sim.accept_errs--;
        return -sim.accept_err;
    }
    if (l->backlog_len == 0)
        return -EAGAIN;
    int first = l->backlog[0];
    memmove(l->backlog, l->backlog + 1, (size_t)--l->backlog_len * sizeof l->backlog[0]);
    existing(first)->is_held = true;
    if (from != NULL)
        *from = sim.accepts_from;
    return first;
}

/* The port, or what follows the last slash of a local path, is the listener's number. */
static int listener_of(const struct sockaddr_storage *addr)
{
    if (addr->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)addr)->sin_port);
    if (addr->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)addr)->sin6_port);
    const char *path = ((const struct sockaddr_un *)addr)->sun_path;
    const char *slash = strrchr(path, '/');
    return atoi(slash != NULL ? slash + 1 : path);
}

/* Takes until the next poll, as a network does. */
static ssize_t sim_connect(int num, const struct sockaddr_storage *addr)
{
    struct sim_socket *s = get(num);
    if (s == NULL)
        return -EBADF;
    if (!s->is_fresh)
        return 0;
    if (s->is_datagram) {
        s->is_fresh = false;
        s->peer = listener_of(addr) - FIRST_NUM >= 0 ? listener_of(addr) : -1;
        return 0;
    }
    if (sim.holds_connects)
        return -EAGAIN;
    if (!s->has_knocked) {
        s->has_knocked = true;
        tell(num, WEIR__WRITABLE);
        return -EAGAIN;
    }
    int decided = sim.decide_connect != NULL ? sim.decide_connect(addr) : 0;
    if (decided != 0)
        return decided;
    struct sim_socket *l = get(listener_of(addr));
    if (l == NULL || !l->is_listener || l->backlog_len == 64)
        return -ECONNREFUSED;
    int other = new_socket(CONNECTED_BYTES);
    s->is_fresh = false;
    s->peer = other;
    existing(other)->peer = num;
    l->backlog[l->backlog_len++] = other;
    tell(listener_of(addr), WEIR__READABLE);
    return 0;
}

static ssize_t put_vector(const struct weir__op *op)
{
    ssize_t sum = 0;
    for (int i = 0; i < op->u.iov.count; i++) {
        size_t len = chopped(op->u.iov.vec[i].iov_len);
        ssize_t n = put(op->fd->num, op->u.iov.vec[i].iov_base, len);
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
        if (is_of_datagrams(fd->num))
            return recv_datagram(fd, op->u.buf.ptr, op->u.buf.len);
        ssize_t n = take(fd->num, op->u.buf.ptr, chopped(op->u.buf.len));
        const struct sim_socket *s = get(fd->num);
        if (n == -EAGAIN || (n > 0 && s->at == s->len))
            fd->ready &= (uint8_t)~WEIR__READABLE;
        return n;
    }
    case WEIR__OP_SEND:
        if (is_of_datagrams(fd->num))
            return send_datagram(fd->num, op->u.buf.ptr, op->u.buf.len);
        return put(fd->num, op->u.buf.ptr, chopped(op->u.buf.len));
    case WEIR__OP_SENDV:
        return put_vector(op);
    case WEIR__OP_ACCEPT:
        return sim_accept(fd->num, op->u.addr.addr);
    case WEIR__OP_CONNECT:
        return sim_connect(fd->num, op->u.addr.addr);
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
    tell(op->fd->num, what);
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
static bool gather(struct weir__poller *p, struct sim_socket *s)
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
    move_betweens();
    for (int i = 0; i < sim.count && gather(p, sim.sockets[i]); i++)
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
    int num = new_socket(CONNECTED_BYTES);
    struct sim_socket *s = existing(num);
    s->is_fresh = s->is_held = true;
    return num;
}

static int sim_datagram_new(struct weir__poller *p, int family)
{
    int num = sim_socket_new(p, family);
    if (num >= 0)
        existing(num)->is_datagram = true;
    return num;
}

static unsigned readiness(const struct sim_socket *s)
{
    bool has_bytes = s->at < s->len || s->backlog_len > 0;
    bool is_over = !s->is_listener && !s->is_datagram &&
                   (s->peer < 0 || get(s->peer) == NULL || get(s->peer)->is_shut);
    return WEIR__WRITABLE | (has_bytes || is_over ? WEIR__READABLE : 0u) |
           (is_over ? WEIR__PEER_CLOSED : 0u);
}

static weir_err sim_watch(struct weir__poller *p, struct weir__fd *fd)
{
    (void)p;
    struct sim_socket *s = get(fd->num);
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
    existing(fd->num)->events |= readiness(existing(fd->num));
    return WEIR_OK;
}

static void sim_unwatch(struct weir__poller *p, struct weir__fd *fd, bool is_closing)
{
    (void)p, (void)is_closing;
    struct sim_socket *s = get(fd->num);
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
    close_end(num);
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
