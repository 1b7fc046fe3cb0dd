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
    int live, live_max, opened, closed, checked, reset, pinged, tries;
    int dialing, dialing_max;
    int dead_upto; /* connections up to this number are found dead when they are looked at */
    weir_err open_err, check_err, reset_err;
    bool is_dirty;
    bool is_waited_for; /* what fibers wait for now is the server */
    const char *note;   /* what its driver says of it; NULL: nothing */
    weir_dur open_takes, close_takes, reset_takes, ping_takes;
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
    weir_err err = WEIR_OK;
    f->tries++;
    if (++f->dialing > f->dialing_max)
        f->dialing_max = f->dialing;
    if (f->open_takes.ns > 0)
        err = weir_sleep(weir__ctx_handle(c), f->open_takes);
    f->dialing--;
    if (err != WEIR_OK)
        return err;
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
    (void)c;
    f->checked++;
    return (int)(uintptr_t)resource <= f->dead_upto ? -EPIPE : f->check_err;
}

static inline weir_err fake_ping(void *driver, struct weir__ctx *c, void *resource)
{
    struct fake *f = driver;
    f->pinged++;
    weir_err err = f->ping_takes.ns > 0 ? weir_sleep(weir__ctx_handle(c), f->ping_takes) : WEIR_OK;
    return (int)(uintptr_t)resource <= f->dead_upto ? -EPIPE : err;
}

static inline bool fake_owns(const void *driver, const void *resource,
                             const struct weir__wait *wait)
{
    const struct fake *f = driver;
    assert_non_null(resource);
    assert_non_null(wait);
    return f->is_waited_for;
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

static inline void fake_describe(const void *driver, weir_buf *out)
{
    const struct fake *f = driver;
    weir_buf_puts(out, weir_str_from(f->note != NULL ? f->note : ""));
}

static const struct weir__pool_ops fake_ops = {.open = fake_open,
                                               .close = fake_close,
                                               .check = fake_check,
                                               .is_dirty = fake_is_dirty,
                                               .reset = fake_reset,
                                               .ping = fake_ping,
                                               .owns = fake_owns,
                                               .describe = fake_describe};

#define FAKE_POOL(c, f, ...)                                                                       \
    weir__pool_new(weir__ctx_of(c), "orders", &(weir_pool_options){__VA_ARGS__}, &fake_ops, (f),   \
                   WEIR_HERE)

/* One that dials. */
#define FAKE_DIALLING(c, f, dialling, ...)                                                         \
    weir__pool_new_dialling(weir__ctx_of(c), "orders", &(weir_pool_options){__VA_ARGS__},          \
                            (dialling), &fake_ops, (f), WEIR_HERE)
#define DIAL(...) (&(struct weir__dialling_options){__VA_ARGS__})

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
