/*
 * Time-outs of connections that have no fiber, in buckets of a second: no timer a connection, and
 * going on costs one store. A connection lies in a bucket that is looked at no later than it is
 * due; when its second comes and it is not due yet, because something happened meanwhile, it moves
 * to a later one. One timer a worker, armed while a connection is open.
 */
#include "base/assert.h"
#include "http/common/conn.h"

#define SECOND 1000000000LL
#define DATE_NS 1000000

static uint32_t tick_of(const struct weir__worker *w)
{
    return (uint32_t)(w->now.ns / SECOND);
}

uint32_t weir__idle_ticks(weir_dur d)
{
    if (d.ns < 0)
        return UINT32_MAX;
    int64_t ticks = d.ns / SECOND + 1 + (d.ns % SECOND != 0);
    return ticks > 1000000000 ? UINT32_MAX : (uint32_t)ticks;
}

static void place(struct weir__http_conn *c)
{
    struct weir__http_worker *home = c->home;
    uint32_t at = c->due <= home->tick ? home->tick + 1 : c->due;
    if (at - home->tick >= WEIR__HTTP_BUCKETS)
        at = home->tick + WEIR__HTTP_BUCKETS - 1;
    WEIR_ASSERT(at > home->tick && at - home->tick < WEIR__HTTP_BUCKETS,
                "N8: it is looked at within a round, and not in a bucket that was");
    WEIR_ASSERT(weir__list_empty(&c->in_bucket), "N1: it lies in no other bucket");
    c->look_at = at;
    weir__list_push_back(&home->buckets[at % WEIR__HTTP_BUCKETS], &c->in_bucket);
}

static void look(struct weir__http_conn *c)
{
    bool is_due = c->due <= c->home->tick && c->state != WEIR__CONN_ACTIVE;
    if (c->state == WEIR__CONN_ACTIVE)
        c->due = UINT32_MAX; /* set when it comes to rest */
    place(c);
    if (is_due)
        weir__conn_timed_out(c);
}

static void look_into(struct weir__http_worker *home, uint32_t tick)
{
    struct weir__list due, *node;
    weir__list_init(&due);
    weir__list_splice_back(&due, &home->buckets[tick % WEIR__HTTP_BUCKETS]);
    while ((node = weir__list_pop_front(&due)) != NULL) {
        struct weir__http_conn *c = WEIR_CONTAINER(node, struct weir__http_conn, in_bucket);
        WEIR_ASSERT((c->look_at - tick) % WEIR__HTTP_BUCKETS == 0, "N8: it lay in its own bucket");
        look(c);
    }
}

/*
 * The clock of the Date header is read here, whenever its second begins. With `DATE_NS` more, for a
 * timer may not be early.
 */
static void arm(struct weir__http_worker *home)
{
    struct weir__worker *w = home->worker;
    WEIR_ASSERT(!weir__timer_armed(&home->sweep), "N8: a worker has one sweep");
    int64_t wall = weir__poller_wall(&w->poller);
    weir__http1_date_update(&home->date, wall / SECOND);
    weir_dur wait = weir_ns(SECOND - wall % SECOND + DATE_NS);
    weir__timer_arm(&w->wheel, &home->sweep, weir_time_add(weir__poller_now(&w->poller), wait));
}

static void on_sweep(struct weir__timer *t)
{
    struct weir__http_worker *home = WEIR_CONTAINER(t, struct weir__http_worker, sweep);
    uint32_t now = tick_of(home->worker), from = home->tick;
    WEIR_ASSERT(now >= from, "N8: ticks do not go back");
    if (now - from > WEIR__HTTP_BUCKETS)
        from = now - WEIR__HTTP_BUCKETS;
    home->tick = now;
    arm(home);
    while (from < now)
        look_into(home, ++from);
}

void weir__idle_init(struct weir__http_worker *home)
{
    for (size_t i = 0; i < WEIR__HTTP_BUCKETS; i++)
        weir__list_init(&home->buckets[i]);
    weir__timer_init(&home->sweep, on_sweep);
}

void weir__idle_add(struct weir__http_conn *c, uint32_t ticks)
{
    struct weir__http_worker *home = c->home;
    if (!weir__timer_armed(&home->sweep)) {
        home->tick = tick_of(home->worker);
        arm(home);
    }
    c->due = weir__idle_after(home, ticks);
    weir__list_init(&c->in_bucket);
    place(c);
}

void weir__idle_remove(struct weir__http_conn *c)
{
    WEIR_ASSERT(!weir__list_empty(&c->in_bucket), "N1: what is open lies in a bucket");
    weir__list_remove(&c->in_bucket);
}

void weir__idle_due(struct weir__http_conn *c, uint32_t due)
{
    c->due = due;
    if (WEIR_LIKELY(due >= c->look_at))
        return;
    weir__idle_remove(c);
    place(c);
}

void weir__idle_each(struct weir__http_worker *home,
                     void (*fn)(struct weir__http_conn *c, void *arg), void *arg)
{
    struct weir__list all, *node;
    WEIR_ASSERT(home->worker == weir__self, "N6: its worker alone walks its connections");
    weir__list_init(&all);
    for (size_t i = 0; i < WEIR__HTTP_BUCKETS; i++)
        weir__list_splice_back(&all, &home->buckets[i]);
    while ((node = weir__list_pop_front(&all)) != NULL) {
        struct weir__http_conn *c = WEIR_CONTAINER(node, struct weir__http_conn, in_bucket);
        weir__list_push_back(&home->buckets[c->look_at % WEIR__HTTP_BUCKETS], node);
        fn(c, arg); /* it may move it to any bucket, and is called once all the same */
    }
}
