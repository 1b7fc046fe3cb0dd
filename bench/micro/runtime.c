/* Fibers, channels, contexts, leases, guards, panics: what a handler stands on. */
#include "micro.h"

#include "guard/ejector.h"
#include "guard/retry_budget.h"
#include "net/pool.h"
#include "rt/runtime.h"
#include <weir/chan.h>
#include <weir/fiber.h>

/* --- fibers, channels, contexts --------------------------------------------------------------- */

static weir_err nothing(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    return WEIR_OK;
}

static void spawn_and_join(void *env, uint64_t n)
{
    weir_ctx *group = env;
    for (uint64_t i = 0; i < n; i++) {
        must(WEIR_GO(group, nothing, NULL), "WEIR_GO");
        must(weir_join(group), "weir_join");
    }
}

double spawn_join(weir_ctx *c)
{
    WEIR_SCOPE(group, c);
    double ns = best_ns(spawn_and_join, group);
    (void)weir_ctx_close(group);
    return ns;
}

struct table {
    weir_ctx *c;
    weir_chan *ping, *pong;
};

static weir_err answer_balls(weir_ctx *c, void *arg)
{
    struct table *t = arg;
    int64_t ball;
    while (weir_chan_recv(c, t->ping, &ball) == WEIR_OK) {
        if (weir_chan_send(c, t->pong, &ball) < 0)
            break;
    }
    return WEIR_OK;
}

static void play(void *env, uint64_t n)
{
    struct table *t = env;
    int64_t ball = 0;
    for (uint64_t i = 0; i < n; i++) {
        must(weir_chan_send(t->c, t->ping, &ball), "weir_chan_send");
        must(weir_chan_recv(t->c, t->pong, &ball), "weir_chan_recv");
    }
}

double ping_pong(weir_ctx *c)
{
    WEIR_SCOPE(group, c);
    struct table *t = weir_new(group, struct table);
    t->c = c;
    t->ping = weir_chan_new(group, int64_t, 0);
    t->pong = weir_chan_new(group, int64_t, 0);
    must(WEIR_GO(group, answer_balls, t), "WEIR_GO");
    double ns = best_ns(play, t);
    (void)weir_ctx_close(group);
    return ns;
}

static void pass_through(void *env, uint64_t n)
{
    struct table *t = env;
    int64_t ball = 0;
    for (uint64_t i = 0; i < n; i++) {
        must(weir_chan_send(t->c, t->ping, &ball), "weir_chan_send");
        must(weir_chan_recv(t->c, t->ping, &ball), "weir_chan_recv");
    }
}

double chan_buffered(weir_ctx *c)
{
    WEIR_SCOPE(group, c);
    struct table t = {.c = c, .ping = weir_chan_new(group, int64_t, 128)};
    double ns = best_ns(pass_through, &t);
    (void)weir_ctx_close(group);
    return ns;
}

static void open_and_close(void *env, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        must(weir_ctx_close(weir_ctx_open((weir_ctx *)env, .timeout = weir_sec(1))),
             "weir_ctx_close");
}

double ctx_timeout(weir_ctx *c)
{
    return best_ns(open_and_close, c);
}

/* --- a pool of the application's, as a database's is ------------------------------------------ */

static weir_err open_nothing(void *driver, struct weir__ctx *c, void **resource)
{
    (void)c;
    *resource = driver;
    return WEIR_OK;
}

static void close_nothing(void *driver, struct weir__ctx *c, void *resource)
{
    (void)driver, (void)c, (void)resource;
}

static const struct weir__pool_ops nothing_ops = {.open = open_nothing, .close = close_nothing};

struct lending {
    struct weir__pool *pool;
    struct weir__ctx *c;
};

static void acquire_and_release(void *env, uint64_t n)
{
    struct lending *l = env;
    for (uint64_t i = 0; i < n; i++) {
        struct weir__lease lease;
        must(weir__pool_acquire(l->pool, l->c, WEIR_HERE, NULL, &lease), "weir__pool_acquire");
        weir__lease_release(&lease);
    }
}

double pool_acquire(weir_ctx *c)
{
    static int driver;
    struct weir__ctx *app = weir__self->runtime->app;
    weir_pool_options options = {.max_open = 32};
    struct lending l = {.c = weir__ctx_of(c)};
    l.pool = weir__pool_new(app, "nothing", &options, &nothing_ops, &driver, WEIR_HERE);
    if (l.pool == NULL)
        give_up("weir__pool_new", -ENOMEM);
    double ns = best_ns(acquire_and_release, &l);
    (void)weir__pool_close(l.pool, l.c, weir_time_add(weir_now(), weir_sec(1)));
    return ns;
}

/* --- guards ----------------------------------------------------------------------------------- */

/* Of sixteen workers and eight members, although one thread works: what is read is as large. */
enum { GUARD_WORKERS = 16, GUARD_MEMBERS = 8 };

struct guards {
    struct weir__retry_budget *budget;
    struct weir__ejector *ejector;
};

static void guards_new(struct guards *g)
{
    static const struct weir__retry_budget_options retries = {0};
    static const struct weir__ejector_options ejection = {0};
    g->budget = weir__retry_budget_new(&retries, GUARD_WORKERS, weir_now());
    g->ejector = weir__ejector_new(&ejection, GUARD_MEMBERS, GUARD_WORKERS, weir_now());
    if (g->budget == NULL || g->ejector == NULL)
        give_up("guards", -ENOMEM);
}

static void guards_free(struct guards *g)
{
    weir__retry_budget_free(g->budget);
    weir__ejector_free(g->ejector);
}

static void call_well(void *env, uint64_t n)
{
    struct guards *g = env;
    weir_time now = weir_now();
    for (uint64_t i = 0; i < n; i++) {
        uint32_t member = (uint32_t)i % GUARD_MEMBERS;
        weir__retry_budget_request(g->budget, 0);
        sink += weir__ejector_weight(g->ejector, member, now);
        sink += weir__ejector_report(g->ejector, 0, member, true, now);
    }
}

double guarded_call(weir_ctx *c)
{
    (void)c;
    struct guards g;
    guards_new(&g);
    double ns = best_ns(call_well, &g);
    guards_free(&g);
    return ns;
}

static void be_refused(void *env, uint64_t n)
{
    struct guards *g = env;
    for (uint64_t i = 0; i < n; i++)
        sink += weir__retry_budget_take(g->budget, 0, (weir_time){0});
}

double retry_refused(weir_ctx *c)
{
    (void)c;
    struct guards g;
    guards_new(&g);
    double ns = best_ns(be_refused, &g); /* after the first hundred */
    guards_free(&g);
    return ns;
}

/* --- panics --------------------------------------------------------------------------------- */

static weir_err panics(weir_ctx *c, void *arg)
{
    (void)c, (void)arg;
    weir_panic("as measured");
}

static void panic_and_catch(void *env, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (weir_protect((weir_ctx *)env, panics, NULL) != WEIR_EPANIC)
            give_up("weir_protect", WEIR_EFAIL);
}

/* Its place is known after the first: ten lines a second on standard error are in the price. */
double panic_known(weir_ctx *c)
{
    return best_ns(panic_and_catch, c);
}
