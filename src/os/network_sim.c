/*
 * The simulated network: sockets in memory, with descriptor numbers of their own, streams and
 * datagrams, who stands between, and what a test does to all of them. No clock and no waiting: that
 * is the poller's (poller_sim.c).
 *
 * Its memory is the C library's: what a test lets fail at the heap's door is never the simulation.
 */
#include "os/network_sim.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/assert.h"

/* Somebody between the two sockets of a connection. */
struct weir__sim_go_between {
    struct weir__sim_go_between *next;
    const struct weir__sim_between *who;
    void *state;
    bool is_due; /* something is new at one of its own two sockets */
};

struct datagram {
    int from;
    uint32_t len;
};

struct weir__sim_net weir__sim_net;
static const struct weir__sim_between *put_between; /* outlives a simulation; may be NULL */

struct weir__sim_socket *weir__sim_get(int num)
{
    int i = num - WEIR__SIM_FIRST_NUM;
    if (i < 0 || i >= weir__sim_net.count || !weir__sim_net.sockets[i]->is_open)
        return NULL;
    return weir__sim_net.sockets[i];
}

/* The lowest number that is free, as a kernel would: a long test opens any number of them. */
static int free_index(void)
{
    int i = 0;
    while (i < weir__sim_net.count &&
           (weir__sim_net.sockets[i]->is_open || weir__sim_net.sockets[i]->fd != NULL))
        i++;
    if (i < weir__sim_net.count)
        return i;
    WEIR_ASSERT(weir__sim_net.count < WEIR__SIM_SOCKETS_MAX,
                "the simulation has room for another socket");
    weir__sim_net.sockets[i] = calloc(1, sizeof *weir__sim_net.sockets[i]);
    WEIR_ASSERT(weir__sim_net.sockets[i] != NULL, "the simulation has memory");
    weir__sim_net.count++;
    return i;
}

struct weir__sim_socket *weir__sim_existing(int num)
{
    struct weir__sim_socket *s = weir__sim_get(num);
    WEIR_ASSERT(s != NULL, "the simulated socket is open");
    return s;
}

int weir__sim_new(size_t capacity)
{
    int i = free_index();
    struct weir__sim_socket *s = weir__sim_net.sockets[i];
    char *in = malloc(capacity);
    WEIR_ASSERT(in != NULL, "the simulation has memory");
    *s = (struct weir__sim_socket){.is_open = true, .peer = -1, .cap = capacity, .in = in};
    return WEIR__SIM_FIRST_NUM + i;
}

void weir__sim_tell(int num, unsigned events)
{
    struct weir__sim_socket *s = num >= 0 ? weir__sim_get(num) : NULL;
    if (s == NULL)
        return;
    s->events |= events;
    if (s->by != NULL)
        s->by->is_due = true;
}

size_t weir__sim_chopped(size_t n)
{
    return weir__sim_net.chop != 0 && n > weir__sim_net.chop ? weir__sim_net.chop : n;
}

/* --- what both ends can do ---------------------------------------------------------------- */

ssize_t weir__sim_put(int num, const char *bytes, size_t len)
{
    struct weir__sim_socket *s = weir__sim_get(num);
    if (s == NULL)
        return -EBADF;
    if (s->is_reset)
        return -ECONNRESET;
    struct weir__sim_socket *to = s->peer >= 0 ? weir__sim_get(s->peer) : NULL;
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
    weir__sim_tell(s->peer, WEIR__READABLE);
    return (ssize_t)n;
}

ssize_t weir__sim_take(int num, char *bytes, size_t len)
{
    struct weir__sim_socket *s = weir__sim_get(num);
    if (s == NULL)
        return -EBADF;
    if (s->is_reset)
        return -ECONNRESET;
    size_t n = s->len - s->at < len ? s->len - s->at : len;
    if (n == 0) {
        struct weir__sim_socket *from = s->peer >= 0 ? weir__sim_get(s->peer) : NULL;
        return from == NULL || from->is_shut ? 0 : -EAGAIN;
    }
    memcpy(bytes, s->in + s->at, n);
    s->at += n;
    weir__sim_tell(s->peer, WEIR__WRITABLE);
    return (ssize_t)n;
}

void weir__sim_close_end(int num)
{
    struct weir__sim_socket *s = weir__sim_get(num);
    if (s == NULL)
        return;
    if (s->peer >= 0 && !s->is_datagram) {
        struct weir__sim_socket *p = weir__sim_get(s->peer);
        /* As TCP: closing with unread bytes resets. */
        if (p != NULL && s->at < s->len)
            p->is_reset = true;
        weir__sim_tell(s->peer, WEIR__READABLE | WEIR__PEER_CLOSED |
                                    (p != NULL && p->is_reset ? WEIR__BROKEN : 0u));
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
    struct weir__sim_socket *s = weir__sim_existing(to);
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
    weir__sim_tell(to, WEIR__READABLE);
}

/* The next of `from` (-1: of anybody); those of others are thrown away, as the kernel does. */
static ssize_t take_datagram(int num, void *bytes, size_t size, int from, int *sender)
{
    struct weir__sim_socket *s = weir__sim_existing(num);
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
ssize_t weir__sim_send_datagram(int num, const void *bytes, size_t len)
{
    struct weir__sim_socket *s = weir__sim_existing(num),
                            *to = s->peer >= 0 ? weir__sim_get(s->peer) : NULL;
    if (s->is_fresh)
        return -ENOTCONN;
    if (to == NULL || !to->is_datagram)
        s->is_reset = true;
    else
        put_datagram(num, s->peer, bytes, len);
    weir__sim_tell(num, s->is_reset ? (unsigned)WEIR__READABLE : 0u);
    return (ssize_t)len;
}

ssize_t weir__sim_recv_datagram(struct weir__fd *fd, void *bytes, size_t size)
{
    struct weir__sim_socket *s = weir__sim_existing(fd->num);
    int sender;
    bool is_refused = s->is_reset;
    s->is_reset = false;
    ssize_t n = is_refused ? -ECONNREFUSED : take_datagram(fd->num, bytes, size, s->peer, &sender);
    if (n == -EAGAIN)
        fd->ready &= (uint8_t)~WEIR__READABLE;
    return n;
}

bool weir__sim_is_of_datagrams(int num)
{
    const struct weir__sim_socket *s = weir__sim_get(num);
    return s != NULL && s->is_datagram;
}

int weir__sim_listen_datagrams(void)
{
    int num = weir__sim_new(WEIR__SIM_CONNECTED_BYTES);
    weir__sim_existing(num)->is_listener = weir__sim_existing(num)->is_datagram = true;
    return num;
}

ssize_t weir__sim_datagram_take(int num, void *bytes, size_t size, int *from)
{
    return take_datagram(num, bytes, size, -1, from);
}

void weir__sim_datagram_give(int from, int to, const void *bytes, size_t len)
{
    if (weir__sim_get(to) != NULL)
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
    struct weir__sim_go_between *b = calloc(1, sizeof *b);
    WEIR_ASSERT(b != NULL, "the simulation has memory");
    weir__sim_socketpair(near, capacity);
    weir__sim_socketpair(far, capacity);
    *b = (struct weir__sim_go_between){
        .next = weir__sim_net.betweens, .who = put_between, .is_due = true};
    weir__sim_existing(near[1])->by = weir__sim_existing(far[0])->by = weir__sim_net.betweens = b;
    b->state = put_between->open(near[1], far[0]);
    *server = far[1];
    return near[0];
}

/* Those to whom something is new move; who has closed its sockets is gone. */
void weir__sim_move_betweens(void)
{
    for (struct weir__sim_go_between **at = &weir__sim_net.betweens; *at != NULL;) {
        struct weir__sim_go_between *b = *at;
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
    for (struct weir__sim_go_between *b = weir__sim_net.betweens, *next; b != NULL; b = next) {
        next = b->next;
        b->who->free(b->state);
        free(b);
    }
}

/* --- the test's side ---------------------------------------------------------------------- */

void weir__sim_socketpair(int out[2], size_t capacity)
{
    out[0] = weir__sim_new(capacity);
    out[1] = weir__sim_new(capacity);
    weir__sim_existing(out[0])->peer = out[1];
    weir__sim_existing(out[1])->peer = out[0];
}

int weir__sim_listen(void)
{
    int num = weir__sim_new(1);
    weir__sim_existing(num)->is_listener = true;
    return num;
}

int weir__sim_connect(int listener, size_t capacity)
{
    struct weir__sim_socket *l = weir__sim_get(listener);
    WEIR_ASSERT(l != NULL && l->is_listener && l->backlog_len < 64,
                "the simulated listener has room");
    int ends[2];
    if (put_between != NULL)
        ends[0] = connect_through(&ends[1], capacity);
    else
        weir__sim_socketpair(ends, capacity);
    l->backlog[l->backlog_len++] = ends[1];
    weir__sim_tell(listener, WEIR__READABLE);
    return ends[0];
}

ssize_t weir__sim_write(int num, const void *bytes, size_t len)
{
    return weir__sim_put(num, bytes, len);
}

ssize_t weir__sim_read(int num, void *bytes, size_t len)
{
    return weir__sim_take(num, bytes, len);
}

void weir__sim_shutdown(int num)
{
    struct weir__sim_socket *s = weir__sim_existing(num);
    s->is_shut = true;
    weir__sim_tell(s->peer, WEIR__READABLE | WEIR__PEER_CLOSED);
}

void weir__sim_close(int num)
{
    weir__sim_close_end(num);
}

void weir__sim_reset(int num)
{
    struct weir__sim_socket *s = weir__sim_existing(num);
    struct weir__sim_socket *p = s->peer >= 0 ? weir__sim_get(s->peer) : NULL;
    if (p != NULL)
        p->is_reset = true;
    weir__sim_tell(s->peer, WEIR__READABLE | WEIR__PEER_CLOSED | WEIR__BROKEN);
    weir__sim_close_end(num);
}

void weir__sim_chop(size_t n)
{
    weir__sim_net.chop = n;
}

void weir__sim_fail_accept(int err, int times)
{
    weir__sim_net.accept_err = err;
    weir__sim_net.accept_errs = times;
}

void weir__sim_hold_connects(bool is_held)
{
    weir__sim_net.holds_connects = is_held;
    for (int i = 0; i < weir__sim_net.count && !is_held; i++) {
        if (weir__sim_net.sockets[i]->is_open && weir__sim_net.sockets[i]->is_fresh)
            weir__sim_net.sockets[i]->events |= WEIR__WRITABLE;
    }
}

void weir__sim_decide_connects(int (*decide)(const struct sockaddr_storage *addr))
{
    weir__sim_net.decide_connect = decide;
}

size_t weir__sim_watched(void)
{
    size_t n = 0;
    for (int i = 0; i < weir__sim_net.count; i++)
        n += weir__sim_net.sockets[i]->fd != NULL;
    return n;
}

size_t weir__sim_held(void)
{
    size_t n = 0;
    for (int i = 0; i < weir__sim_net.count; i++)
        n += weir__sim_net.sockets[i]->is_open && weir__sim_net.sockets[i]->is_held;
    return n;
}

/* --- accepting and connecting -------------------------------------------------------------- */

void weir__sim_accepts_from(const struct sockaddr_storage *addr)
{
    weir__sim_net.accepts_from = addr != NULL ? *addr : (struct sockaddr_storage){0};
}

ssize_t weir__sim_accept(int num, struct sockaddr_storage *from)
{
    struct weir__sim_socket *l = weir__sim_get(num);
    if (l == NULL || !l->is_listener)
        return -EBADF;
    if (weir__sim_net.accept_errs > 0) {
        weir__sim_net.accept_errs--;
        return -weir__sim_net.accept_err;
    }
    if (l->backlog_len == 0)
        return -EAGAIN;
    int first = l->backlog[0];
    memmove(l->backlog, l->backlog + 1, (size_t)--l->backlog_len * sizeof l->backlog[0]);
    weir__sim_existing(first)->is_held = true;
    if (from != NULL)
        *from = weir__sim_net.accepts_from;
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
ssize_t weir__sim_connect_to(int num, const struct sockaddr_storage *addr)
{
    struct weir__sim_socket *s = weir__sim_get(num);
    if (s == NULL)
        return -EBADF;
    if (!s->is_fresh)
        return 0;
    if (s->is_datagram) {
        s->is_fresh = false;
        s->peer = listener_of(addr) - WEIR__SIM_FIRST_NUM >= 0 ? listener_of(addr) : -1;
        return 0;
    }
    if (weir__sim_net.holds_connects)
        return -EAGAIN;
    if (!s->has_knocked) {
        s->has_knocked = true;
        weir__sim_tell(num, WEIR__WRITABLE);
        return -EAGAIN;
    }
    int decided = weir__sim_net.decide_connect != NULL ? weir__sim_net.decide_connect(addr) : 0;
    if (decided != 0)
        return decided;
    struct weir__sim_socket *l = weir__sim_get(listener_of(addr));
    if (l == NULL || !l->is_listener || l->backlog_len == 64)
        return -ECONNREFUSED;
    int other = weir__sim_new(WEIR__SIM_CONNECTED_BYTES);
    s->is_fresh = false;
    s->peer = other;
    weir__sim_existing(other)->peer = num;
    l->backlog[l->backlog_len++] = other;
    weir__sim_tell(listener_of(addr), WEIR__READABLE);
    return 0;
}

/* --- beginning and end -------------------------------------------------------------------- */

void weir__sim_net_init(void)
{
    memset(&weir__sim_net, 0, sizeof weir__sim_net);
}

void weir__sim_net_fini(void)
{
    free_betweens();
    for (int i = 0; i < weir__sim_net.count; i++) {
        free(weir__sim_net.sockets[i]->in);
        free(weir__sim_net.sockets[i]);
    }
    weir__sim_net.count = 0;
}
