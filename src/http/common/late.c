/*
 * Late binding: a request that nobody has begun moves to a worker that sleeps, when its own is
 * late. A connection at rest is a descriptor and a few numbers; with an event in hand it leaves
 * this worker's poller, goes over as a message, and is received from there at once. So it is never
 * sent on before it is answered: the next worker asks itself only about the next event.
 *
 * The hard thing is to cost nothing while nobody is late: weir__late_is_possible compares the
 * processor's counter with a number. Only past it is the clock read, and only past LATE_MS are
 * other workers looked at, whose lines they write themselves.
 *
 * Limits: one connection on its way to a sleeping worker at a time, MOVED_MAX of each poll. What
 * waits while this worker is inside of a handler stays: it cannot look.
 */
#include "base/alloc.h"
#include "base/assert.h"
#include "http/common/conn.h"

#define LATE_MS 2
#define LOOKS 4 /* other workers asked */
#define MOVED_MAX 16

bool weir__late_may_give(const struct weir__late_facts *f)
{
    return f->is_bare && !f->is_draining && f->moved < MOVED_MAX &&
           f->lateness.ns > weir_ms(LATE_MS).ns;
}

bool weir__late_may_take(const struct weir__late_other *o)
{
    return o->is_sleeping && o->incoming == 0 && o->runnable == 0;
}

/* --- on its way ------------------------------------------------------------------------------- */

struct passage {
    struct weir__task task;
    struct weir__http_worker *to;
    struct weir__endpoint peer;
    uint32_t requests;
    struct weir__detached stream;
};

static void arrive(struct weir__task *t)
{
    struct passage *p = WEIR_CONTAINER(t, struct passage, task);
    struct passage was = *p;
    weir__free(p);
    uint32_t incoming = atomic_fetch_sub_explicit(&was.to->incoming, 1, memory_order_relaxed);
    WEIR_ASSERT(incoming > 0, "N11: a connection that arrives was on its way");
    WEIR_ASSERT(was.to->worker == weir__self, "N6: it arrives at the worker that it was sent to");
    weir__conn_adopt(was.to, was.stream, &was.peer, was.requests);
}

bool weir__late_send(struct weir__http_conn *c, struct weir__http_worker *to)
{
    WEIR_ASSERT(to->server == c->home->server, "N14: it stays with the server that counts it");
    struct passage *p = weir__malloc(sizeof *p);
    if (p == NULL)
        return false;
    *p = (struct passage){
        .task = {.run = arrive}, .to = to, .peer = c->peer, .requests = c->requests};
    weir__counter_add(&c->home->count.handed_over_late, 1);
    p->stream = weir__conn_let_go(c);
    atomic_fetch_add_explicit(&to->incoming, 1, memory_order_relaxed);
    weir__post(to->worker, &p->task);
    return true;
}

/* --- whether, and to whom --------------------------------------------------------------------- */

static uint32_t *moved_of_this_poll(struct weir__http_worker *home)
{
    uint64_t poll = atomic_load_explicit(&home->worker->stats.polls, memory_order_relaxed);
    if (home->late_poll != poll) {
        home->late_poll = poll;
        home->late_moved = 0;
    }
    return &home->late_moved;
}

static bool may_take(struct weir__http_worker *other)
{
    struct weir__late_other facts = {
        .is_sleeping = atomic_load_explicit(&other->worker->is_sleeping, memory_order_relaxed),
        .incoming = atomic_load_explicit(&other->incoming, memory_order_relaxed),
        .runnable = weir__worker_runnable(other->worker)};
    return weir__late_may_take(&facts);
}

static struct weir__http_worker *find_sleeping(struct weir__http_worker *home)
{
    struct weir__http_server *s = home->server;
    unsigned self = home->worker->index - s->first;
    unsigned looks = s->count - 1 < LOOKS ? s->count - 1 : LOOKS;
    WEIR_ASSERT(self < s->count, "N14: who gives it away is a worker of the server");
    for (unsigned i = 0; i < looks; i++) {
        unsigned step = home->choice++ % (s->count - 1) + 1;
        struct weir__http_worker *other = s->homes[s->first + (self + step) % s->count];
        if (may_take(other))
            return other;
    }
    return NULL;
}

bool weir__late_give(struct weir__http_conn *c, unsigned ready)
{
    struct weir__http_worker *home = c->home;
    uint32_t *moved = moved_of_this_poll(home);
    struct weir__late_facts facts = {
        .lateness = weir__worker_lateness(home->worker),
        .is_bare = c->version->is_movable && c->state == WEIR__CONN_REST && ready == WEIR__READABLE,
        .is_draining = home->is_draining,
        .moved = *moved};
    struct weir__http_worker *to = weir__late_may_give(&facts) ? find_sleeping(home) : NULL;
    if (to != NULL && weir__late_send(c, to)) {
        ++*moved;
        WEIR_ASSERT(*moved <= MOVED_MAX, "N15: one poll gives so many away at most");
        return true;
    }
    weir__worker_look_later(home->worker);
    return false;
}
