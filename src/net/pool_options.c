/*
 * The knobs of a pool: their defaults and their bounds. A pool without a maximum, a lifetime or a
 * leak threshold cannot be had: each of them is a way in which services die slowly.
 */
#include "base/assert.h"
#include "base/bounds.h"
#include "net/pool_inside.h"
#include "net/pool_shared.h"

#define MS INT64_C(1000000)
#define SEC (1000 * MS)
#define MIN (60 * SEC)
#define HOUR (60 * MIN)

weir_err weir__pool_options_settle(const char *name, weir_pool_options *o, weir_buf *mistakes)
{
    struct weir__bounds b = {.kind = "pool", .name = name, .out = mistakes};
    weir__bounds_count(&b, "max_open", &o->max_open, 0, 1, 10000);
    uint32_t open = o->max_open >= 1 && o->max_open <= 10000 ? o->max_open : 10000;
    weir__bounds_count(&b, "max_idle", &o->max_idle, open, 1, open);
    weir__bounds_count(&b, "min_idle", &o->min_idle, 0, 0, o->max_idle < open ? o->max_idle : open);
    weir__bounds_count(&b, "waiters_max", &o->waiters_max, 1000, 1, 1000000);
    weir__bounds_dur(&b, "wait_max", &o->wait_max, 30 * SEC, MS, 10 * MIN);
    weir__bounds_dur(&b, "max_lifetime", &o->max_lifetime, 30 * MIN, SEC, 24 * HOUR);
    weir__bounds_dur(&b, "idle_timeout", &o->idle_timeout, 5 * MIN, SEC, 24 * HOUR);
    weir__bounds_dur(&b, "check_after", &o->check_after, SEC, MS, HOUR);
    weir__bounds_dur(&b, "leak_threshold", &o->leak_threshold, 30 * SEC, 10 * MS, HOUR);
    WEIR_ASSERT(b.is_bad || (o->min_idle <= o->max_idle && o->max_idle <= o->max_open),
                "P16: no more is kept idle than may be open");
    return b.is_bad ? WEIR_EINVALID : WEIR_OK;
}

weir_err weir__dialling_options_settle(const char *name, weir_pool_options *o,
                                       struct weir__dialling_options *d, weir_buf *mistakes)
{
    struct weir__bounds b = {.kind = "pool", .name = name, .out = mistakes};
    weir__bounds_dur(&b, "dial_max", &d->dial_max, 10 * SEC, 10 * MS, 10 * MIN);
    weir__bounds_count(&b, "dials_max", &d->dials_max, 16, 1, 10000);
    weir__bounds_dur(&b, "start_max", &d->start_max, 0, 0, 10 * MIN);
    weir__bounds_dur(&b, "keep_alive", &d->keep_alive, 2 * MIN, SEC, 24 * HOUR);
    weir__bounds_dur(&b, "retry_base", &d->retry_base, 50 * MS, MS, MIN);
    weir__bounds_dur(&b, "retry_cap", &d->retry_cap, SEC, MS, 10 * MIN);
    weir__bounds_dur(&b, "held_wait_max", &d->held_wait_max, 5 * SEC, 10 * MS, HOUR);
    weir_err err = weir__pool_options_settle(name, o, mistakes);
    return b.is_bad ? WEIR_EINVALID : err;
}

weir_err weir__pool_group_options_settle(const char *name, struct weir__pool_group_options *o,
                                         weir_buf *mistakes)
{
    struct weir__bounds b = {.kind = "pool", .name = name, .out = mistakes};
    weir__bounds_count(&b, "keys_max", &o->keys_max, 100, 1, 1000);
    weir__bounds_count(&b, "open_max", &o->open_max, 1000, 1, 10000);
    weir_err err = weir__pool_options_settle(name, &o->each, mistakes);
    WEIR_ASSERT(b.is_bad || (o->keys_max > 0 && o->open_max > 0),
                "P16: there is room for a key, and for one of it");
    return b.is_bad ? WEIR_EINVALID : err;
}

static void refuse_given(struct weir__bounds *b, const char *name, bool is_given)
{
    if (!is_given)
        return;
    weir__bounds_line(b);
    weir_buf_printf(b->out, "%s is given; a pool that is shared has none", name);
}

weir_err weir__shared_options_settle(const char *name, struct weir__shared_options *o,
                                     weir_buf *mistakes)
{
    struct weir__bounds b = {.kind = "pool", .name = name, .out = mistakes};
    refuse_given(&b, "min_idle", o->each.min_idle != 0);
    refuse_given(&b, "max_idle", o->each.max_idle != 0);
    refuse_given(&b, "check_after", o->each.check_after.ns != 0);
    o->each.min_idle = o->each.max_idle = 0;
    o->each.check_after = weir_ns(0);
    weir__bounds_count(&b, "keys_max", &o->keys_max, 100, 1, 1000);
    weir__bounds_count(&b, "open_max", &o->open_max, 1000, 1, 10000);
    weir_err err = weir__pool_options_settle(name, &o->each, mistakes);
    return b.is_bad ? WEIR_EINVALID : err;
}
