/*
 * A fake server for tests of pools: it opens, closes and checks numbered connections, and can be
 * told to fail, to take its time, or to find them dirty.
 */
#ifndef WEIR_NET_POOL_TESTING_H
#define WEIR_NET_POOL_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/pool.h"
#include "rt/sim.h"
#include <weir/fiber.h>

struct fake {
    int live, live_max, opened, closed, checked, reset;
    weir_err open_err, check_err, reset_err;
    bool is_dirty;
    weir_dur open_takes, close_takes, reset_takes;
};

/* As long as the context lets it. */
static inline void take_time(weir_ctx *c, weir_dur time)
{
    weir_err err = time.ns > 0 ? weir_sleep(c, time) : WEIR_OK;
    (void)err;
}

static inline weir_err fake_open(void *driver, struct weir__ctx *c, void **resource)
{
    struct fake *f = driver;
    if (f->open_takes.ns > 0) {
        weir_err err = weir_sleep(weir__ctx_handle(c), f->open_takes);
        if (err != WEIR_OK)
            return err;
    }
    if (f->open_err != WEIR_OK)
        return weir_raise(weir__ctx_handle(c), f->open_err, "nobody answers at port %d", 5432);
    if (++f->live > f->live_max)
        f->live_max = f->live;
    *resource = (void *)(uintptr_t)++f->opened;
    return WEIR_OK;
}

static inline void fake_close(void *driver, struct weir__ctx *c, void *resource)
{
    struct fake *f = driver;
    assert_non_null(resource);
    assert_int_equal(weir__ctx_check(c), WEIR_OK);
    take_time(weir__ctx_handle(c), f->close_takes);
    f->live--;
    f->closed++;
}

static inline weir_err fake_check(void *driver, struct weir__ctx *c, void *resource)
{
    struct fake *f = driver;
    (void)c, (void)resource;
    f->checked++;
    return f->check_err;
}

static inline bool fake_is_dirty(void *driver, void *resource)
{
    struct fake *f = driver;
    (void)resource;
    return f->is_dirty;
}

static inline weir_err fake_reset(void *driver, struct weir__ctx *c, void *resource)
{
    struct fake *f = driver;
    (void)resource;
    assert_int_equal(weir__ctx_check(c), WEIR_OK);
    f->reset++;
    take_time(weir__ctx_handle(c), f->reset_takes);
    return f->reset_err;
}

static const struct weir__pool_ops fake_ops = {.open = fake_open,
                                               .close = fake_close,
                                               .check = fake_check,
                                               .is_dirty = fake_is_dirty,
                                               .reset = fake_reset};

#define FAKE_POOL(c, f, ...)                                                                       \
    weir__pool_new(weir__ctx_of(c), "orders", &(weir_pool_options){__VA_ARGS__}, &fake_ops, (f),   \
                   WEIR_HERE)

#define ACQUIRE(c, pool, lease)                                                                    \
    weir__pool_acquire((pool), weir__ctx_of(c), WEIR_HERE, NULL, (lease))

static inline weir_pool_stats stats_of(struct weir__pool *pool)
{
    weir_pool_stats s;
    weir__pool_stats(pool, &s);
    return s;
}

static inline uintptr_t number_of(const struct weir__lease *lease)
{
    return (uintptr_t)weir__lease_resource(lease, "number_of");
}

/* Acquires one and gives it back, broken or not. */
static inline void borrow_once(weir_ctx *c, struct weir__pool *pool, bool breaks)
{
    struct weir__lease a;
    assert_int_equal(ACQUIRE(c, pool, &a), WEIR_OK);
    if (breaks)
        weir__lease_break(&a);
    weir__lease_release(&a);
}

#endif
