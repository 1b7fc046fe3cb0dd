/*
 * A peer for tests of shared pools: its connections carry as many as it says, and it can be told to
 * take its time, to fail, and to panic; and users who come, have a lease for a while, and go.
 */
#ifndef WEIR_NET_POOL_SHARED_TESTING_H
#define WEIR_NET_POOL_SHARED_TESTING_H

#include "net/pool_testing.h"

#include <stdio.h>

#include "net/pool_shared_inside.h"
#include "rt/panic.h"

#define NOW_MS() (weir_now().ns / 1000000)

/* --- a peer that carries several -------------------------------------------------------------- */

struct peer {
    struct weir__shared_pool *pool;
    uint32_t room; /* of what is opened from now on */
    weir_err open_err;
    weir_dur open_takes, close_takes;
    bool panics, retires_at_once;
    int live, live_max, opened, closed, told;
    weir_str last; /* key */
    struct weir__carrier *carriers[256];
};

static inline weir_err peer_open(void *driver, struct weir__ctx *c, struct weir__carrier *k,
                                 weir_str key, void **resource)
{
    struct peer *p = driver;
    if (p->open_takes.ns > 0) {
        weir_err err = weir_sleep(weir__ctx_handle(c), p->open_takes);
        if (err != WEIR_OK)
            return err;
    }
    if (p->panics)
        weir_panic("the driver");
    if (p->open_err != WEIR_OK)
        return weir_raise(weir__ctx_handle(c), p->open_err, "nobody answers at port %d", 443);
    if (++p->live > p->live_max)
        p->live_max = p->live;
    weir__carrier_set_room(k, p->room);
    p->carriers[p->opened++] = k;
    p->last = key;
    if (p->retires_at_once)
        weir__carrier_retire(k);
    *resource = (void *)(uintptr_t)p->opened;
    return WEIR_OK;
}

static inline void peer_close(void *driver, struct weir__ctx *c, void *resource)
{
    struct peer *p = driver;
    assert_non_null(resource);
    assert_int_equal(weir__ctx_check(c), WEIR_OK);
    take_time(weir__ctx_handle(c), p->close_takes);
    p->live--;
    p->closed++;
}

static const struct weir__shared_ops peer_ops = {.open = peer_open, .close = peer_close};

#define POOL(c, p, ...)                                                                            \
    ((p)->pool = weir__shared_pool_new(weir__ctx_of(c), "peers",                                   \
                                       &(struct weir__shared_options){__VA_ARGS__}, &peer_ops,     \
                                       (p), WEIR_HERE))

#define SHARE(c, p, key, share)                                                                    \
    weir__shared_pool_acquire((p)->pool, weir__ctx_of(c), weir_str_from(key), WEIR_HERE, NULL,     \
                              (share))

static inline struct weir__shared_stats shared_stats(struct peer *p)
{
    struct weir__shared_stats s;
    weir__shared_pool_stats(p->pool, &s);
    return s;
}

static inline uintptr_t carried_by(const struct weir__share *share)
{
    return (uintptr_t)weir__share_resource(share, "carried_by");
}

static inline void run_peer(weir_fiber_fn fn, struct peer *p)
{
    assert_int_equal(weir__sim_run(fn, p), WEIR_OK);
    assert_int_equal(p->live, 0);
    assert_int_equal(p->opened, p->closed);
}

static inline void run(weir_fiber_fn fn)
{
    struct peer p = {.room = 2};
    run_peer(fn, &p);
}

/* Somebody who comes, has a lease for a while, and goes. */
struct user {
    struct peer *p;
    const char *key;
    weir_dur stays;
    weir_err err;
    uintptr_t by;
    int64_t at;
    char text[128];
};

static inline weir_err use(weir_ctx *c, void *arg)
{
    struct user *u = arg;
    struct weir__share s = {.broken = NULL};
    u->err = SHARE(c, u->p, u->key, &s);
    u->at = NOW_MS();
    if (u->err != WEIR_OK) {
        const weir_error *e = weir_last_error(c);
        if (e != NULL)
            snprintf(u->text, sizeof u->text, WEIR_STR_FMT, WEIR_STR_ARG(e->message));
        weir_error_clear(c);
        return WEIR_OK;
    }
    u->by = carried_by(&s);
    (void)!weir_sleep(c, u->stays);
    weir__share_release(&s);
    return WEIR_OK;
}

static inline void come(weir_ctx *group, struct user *u, struct peer *p, const char *key,
                        weir_dur stays)
{
    *u = (struct user){.p = p, .key = key, .stays = stays, .err = WEIR_EFAIL};
    assert_int_equal(WEIR_GO(group, use, u), WEIR_OK);
}

static inline void pass(weir_ctx *c, int ms)
{
    assert_int_equal(weir_sleep(c, weir_ms(ms)), WEIR_OK);
}

static inline void once(weir_ctx *c, struct peer *p, const char *key)
{
    struct weir__share s = {.broken = NULL};
    assert_int_equal(SHARE(c, p, key, &s), WEIR_OK);
    weir__share_release(&s);
}

#endif
