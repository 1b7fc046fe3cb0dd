/*
 * Accepting. Every worker watches the listeners; who accepts compares itself with two others and
 * hands the connection to the least loaded one, itself on a tie, so that one worker with a slow
 * request does not keep what others could serve.
 *
 * The hard thing is to have no descriptors left. The connection that waits in the backlog would
 * wake the poller for ever. Each worker keeps one descriptor in reserve: it is given up, the
 * connection is accepted, told 503 and closed, and the reserve is taken again. Then accepting
 * pauses until a connection closes, or for PAUSE.
 */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/sanitizer.h"
#include "http/common/conn.h"
#include "os/sys.h"

#include <fcntl.h>
#include <string.h>

#define PAUSE 100 /* milliseconds */
#define ERRORS_MAX 100

static void on_listener(struct weir__fd *fd, unsigned ready);

/* --- refusing --------------------------------------------------------------------------------- */

/* Answers a connection that nothing is kept of; one of TLS would not understand it. */
static void refuse(const struct weir__http_listener *l, int num)
{
    struct weir__http_worker *home = l->home;
    static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
                               "Retry-After: 1\r\nContent-Length: 0\r\n\r\n";
    struct weir__fd fd = {.num = num};
    char scratch[4096];
    WEIR_ASSERT(home->worker == weir__self,
                "N6: who is refused is so by the worker that counts it");
    if (l->tls == NULL) {
        (void)weir__try_send(&fd, text, sizeof text - 1);
        (void)weir__poller_shutdown(&home->worker->poller, num);
        (void)weir__try_recv(&fd, scratch, sizeof scratch);
    }
    weir__poller_close(&home->worker->poller, num);
    weir__counter_add(&home->count.refused, 1);
}

static int accept_one(struct weir__http_worker *home, struct weir__fd *fd,
                      struct weir__endpoint *peer)
{
    struct sockaddr_storage addr;
    addr.ss_family = 0;
    WEIR_ASSERT(fd->num >= 0, "N12: who accepts watches the listener");
    struct weir__op op = {.kind = WEIR__OP_ACCEPT, .fd = fd};
    op.u.addr.addr = &addr;
    op.u.addr.len = sizeof addr;
    if (!weir__poller_submit(&home->worker->poller, &op))
        return -EAGAIN;
    if (op.result >= 0)
        weir__endpoint_from_kernel(peer, &addr);
    return (int)op.result;
}

static void take_reserve(struct weir__http_worker *home)
{
    WEIR_ASSERT(home->is_accepting, "N12: a reserve is held by who accepts");
    if (home->reserve < 0)
        home->reserve = weir__sys_open("/dev/null", O_RDONLY, 0);
}

static void pause_accepting(struct weir__http_worker *home)
{
    WEIR_ASSERT(home->is_accepting && !home->is_paused, "N12: who pauses has accepted until now");
    weir__counter_add(&home->count.accept_pauses, 1);
    home->is_paused = true;
    weir__timer_arm(&home->worker->wheel, &home->resume,
                    weir_time_add(home->worker->now, weir_ms(PAUSE)));
}

static void out_of_descriptors(struct weir__http_listener *l)
{
    struct weir__http_worker *home = l->home;
    struct weir__endpoint peer;
    if (home->reserve >= 0) {
        weir__sys_close(home->reserve);
        home->reserve = -1;
        int num = accept_one(home, &l->fd, &peer);
        if (num >= 0)
            refuse(l, num);
        take_reserve(home);
    }
    pause_accepting(home);
}

/* --- who gets it ------------------------------------------------------------------------------ */

/* A request that runs weighs as much as 64 connections at rest. */
static uint64_t load_of(const struct weir__http_worker *home)
{
    uint64_t ready = weir__worker_runnable(home->worker);
    int64_t open = weir__gauge_read(&home->count.open);
    int64_t active = weir__gauge_read(&home->count.active);
    int64_t streams = weir__gauge_read(&home->count.streams);
    uint64_t incoming = atomic_load_explicit(&home->incoming, memory_order_relaxed);
    WEIR_ASSERT(open >= 0 && active >= 0 && streams >= 0,
                "N7: nothing is taken back that was not counted");
    return (uint64_t)open + incoming + 64 * ((uint64_t)active + (uint64_t)streams + ready);
}

static struct weir__http_worker *least_loaded(struct weir__http_worker *home)
{
    struct weir__http_server *s = home->server;
    struct weir__http_worker *best = home;
    uint64_t least = load_of(home);
    unsigned self = home->worker->index - s->first;
    unsigned others = s->count - 1 < 2 ? s->count - 1 : 2;
    WEIR_ASSERT(self < s->count, "N14: who accepts is a worker of the server");
    for (unsigned i = 0; i < others; i++) {
        unsigned step = home->choice++ % (s->count - 1) + 1;
        struct weir__http_worker *other = s->homes[s->first + (self + step) % s->count];
        WEIR_ASSERT(other != NULL, "N14: while one of them accepts, each worker has its part");
        uint64_t load = load_of(other);
        if (load < least) {
            least = load;
            best = other;
        }
    }
    return best;
}

/* A connection on its way to another worker. */
struct handover {
    struct weir__task task;
    struct weir__http_worker *to;
    struct weir__endpoint peer;
    struct weir__tls_server *tls;
    int num;
};

static void arrive(struct weir__task *t)
{
    struct handover *h = WEIR_CONTAINER(t, struct handover, task);
    struct weir__http_worker *to = h->to;
    int num = h->num;
    struct weir__endpoint peer = h->peer;
    struct weir__tls_server *tls = h->tls;
    weir__free(h);
    uint32_t incoming = atomic_fetch_sub_explicit(&to->incoming, 1, memory_order_relaxed);
    WEIR_ASSERT(incoming > 0, "N11: a connection that arrives was on its way");
    WEIR_ASSERT(to->worker == weir__self, "N6: it arrives at the worker that it was sent to");
    weir__conn_open(to, (struct weir__detached){.num = num}, &peer, tls);
}

static void place(const struct weir__http_listener *l, int num, const struct weir__endpoint *peer)
{
    struct weir__http_worker *home = l->home;
    struct weir__http_worker *to = home->server->count > 1 ? least_loaded(home) : home;
    struct handover *h = to != home ? weir__malloc(sizeof *h) : NULL;
    if (h == NULL) {
        weir__conn_open(home, (struct weir__detached){.num = num}, peer, l->tls);
        return;
    }
    WEIR_ASSERT(to->server == home->server, "N14: it stays with the server that counts it");
    *h = (struct handover){
        .task = {.run = arrive}, .to = to, .peer = *peer, .tls = l->tls, .num = num};
    atomic_fetch_add_explicit(&to->incoming, 1, memory_order_relaxed);
    weir__counter_add(&home->count.handed_over, 1);
    weir__post(to->worker, &h->task);
}

static void take_in(const struct weir__http_listener *l, int num, const struct weir__endpoint *peer)
{
    struct weir__http_worker *home = l->home;
    struct weir__http_server *s = home->server;
    uint32_t open = weir__latch_enter(&s->open);
    weir__counter_add(&home->count.accepted, 1);
    if (open < s->options.connections_max) {
        place(l, num, peer);
        return;
    }
    refuse(l, num);
    weir__server_closed_one(s);
}

/* --- the listeners ---------------------------------------------------------------------------- */

static void accept_all(struct weir__http_listener *l)
{
    struct weir__http_worker *home = l->home;
    int errors = 0;
    while (home->is_accepting && !home->is_paused) {
        struct weir__endpoint peer;
        int num = accept_one(home, &l->fd, &peer);
        if (num >= 0) {
            take_in(l, num, &peer);
        } else if (num == -EAGAIN || num == -EBADF || num == -EINVAL) {
            return;
        } else if (num == -EMFILE || num == -ENFILE) {
            out_of_descriptors(l);
        } else if (num == -ENOBUFS || num == -ENOMEM || ++errors > ERRORS_MAX) {
            pause_accepting(home);
        } /* else that connection is gone already: the next one */
    }
}

static void on_listener(struct weir__fd *fd, unsigned ready)
{
    (void)ready;
    struct weir__http_listener *l = WEIR_CONTAINER(fd, struct weir__http_listener, fd);
    WEIR_ASSERT(l->home->worker == weir__self, "N6: who watches a listener is told of it");
    accept_all(l);
}

static void on_resume(struct weir__timer *t)
{
    struct weir__http_worker *home = WEIR_CONTAINER(t, struct weir__http_worker, resume);
    WEIR_ASSERT(home->is_accepting && home->is_paused, "N12: what goes on was paused, not stopped");
    home->is_paused = false;
    take_reserve(home);
    for (unsigned i = 0; i < home->server->listener_count && !home->is_paused; i++)
        accept_all(&home->listeners[i]);
}

/* Not at once: the caller is in the middle of closing a connection. */
void weir__accept_resume(struct weir__http_worker *home)
{
    if (WEIR_UNLIKELY(home->is_paused))
        weir__timer_arm(&home->worker->wheel, &home->resume, home->worker->now);
}

weir_err weir__accept_start(struct weir__http_worker *home)
{
    struct weir__http_server *s = home->server;
    WEIR_ASSERT(!home->is_accepting && home->reserve < 0, "N12: a worker begins to accept once");
    weir__timer_init(&home->resume, on_resume);
    home->is_accepting = true;
    take_reserve(home);
    for (unsigned i = 0; i < s->listener_count; i++) {
        struct weir__http_listener *l = &home->listeners[i];
        l->home = home;
        l->tls = s->tls[i];
        weir_err err = weir__fd_watch_shared(&l->fd, s->listeners[i], on_listener);
        if (err != WEIR_OK) {
            weir__accept_stop(home);
            return err;
        }
        atomic_fetch_add(&s->listener_users[i], 1);
        accept_all(l); /* what was in the backlog before */
    }
    return WEIR_OK;
}

void weir__accept_rest(struct weir__http_worker *home)
{
    for (unsigned i = 0; i < home->server->listener_count && home->is_accepting; i++)
        accept_all(&home->listeners[i]);
}

/* The descriptor is shared: who lets go of it last closes it. */
void weir__accept_let_go(struct weir__http_server *s, unsigned listener)
{
    weir__hands_over(&s->listener_users[listener]);
    unsigned users = atomic_fetch_sub(&s->listener_users[listener], 1);
    WEIR_ASSERT(users > 0, "N12: who lets go of a listener is one of its users");
    if (users != 1)
        return;
    weir__takes_over(&s->listener_users[listener]);
    weir__local_remove(&s->files[listener]);
    weir__poller_close(&weir__self->poller, s->listeners[listener]);
}

void weir__accept_stop(struct weir__http_worker *home)
{
    struct weir__http_server *s = home->server;
    if (!home->is_accepting)
        return;
    home->is_accepting = home->is_paused = false;
    weir__timer_disarm(&home->resume);
    for (unsigned i = 0; i < s->listener_count; i++) {
        struct weir__fd *fd = &home->listeners[i].fd;
        if (!fd->is_watched)
            continue;
        (void)weir__fd_unwatch(fd);
        weir__accept_let_go(s, i);
    }
    if (home->reserve >= 0)
        weir__sys_close(home->reserve);
    home->reserve = -1;
}
