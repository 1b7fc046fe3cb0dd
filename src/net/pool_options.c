/*
 * The knobs of a pool: their defaults and their bounds. A pool without a maximum, a lifetime or a
 * leak threshold cannot be had: each of them is a way in which services die slowly.
 */
#include <inttypes.h>

#include "base/assert.h"
#include "net/pool_inside.h"
#include "net/pool_shared.h"

#define MS INT64_C(1000000)
#define SEC (1000 * MS)
#define MIN (60 * SEC)
#define HOUR (60 * MIN)

struct checker {
    const char *pool;
    weir_buf *out;
    bool is_bad;
};

static void begin_line(struct checker *k)
{
    if (k->out->len > 0)
        weir_buf_puts(k->out, WEIR_S("; "));
    weir_buf_printf(k->out, "pool %s: ", k->pool);
    k->is_bad = true;
}

static void check_count(struct checker *k, const char *name, uint32_t *value, uint32_t fallback,
                        uint32_t min, uint32_t max)
{
    WEIR_ASSERT(min <= max, "P16: something is allowed of every option");
    if (*value == 0)
        *value = fallback;
    if (*value >= min && *value <= max)
        return;
    begin_line(k);
    weir_buf_printf(k->out, "%s is %" PRIu32 "; allowed: %" PRIu32 " to %" PRIu32, name, *value,
                    min, max);
}

/* In the largest unit that says it exactly. */
static void put_dur(weir_buf *out, int64_t ns)
{
    static const struct {
        int64_t ns;
        const char *name;
    } units[] = {{HOUR, "h"}, {MIN, "min"}, {SEC, "s"}, {MS, "ms"}, {1000, "us"}};
    for (size_t i = 0; ns != 0 && i < sizeof units / sizeof units[0]; i++) {
        if (ns % units[i].ns == 0) {
            weir_buf_printf(out, "%" PRId64 " %s", ns / units[i].ns, units[i].name);
            return;
        }
    }
    weir_buf_printf(out, "%" PRId64 " ns", ns);
}

static void check_dur(struct checker *k, const char *name, weir_dur *value, int64_t fallback,
                      int64_t min, int64_t max)
{
    WEIR_ASSERT(min <= fallback && fallback <= max, "P16: what an option is by default is allowed");
    if (value->ns == 0)
        value->ns = fallback;
    if (value->ns >= min && value->ns <= max)
        return;
    begin_line(k);
    weir_buf_printf(k->out, "%s is ", name);
    put_dur(k->out, value->ns);
    weir_buf_puts(k->out, WEIR_S("; allowed: "));
    put_dur(k->out, min);
    weir_buf_puts(k->out, WEIR_S(" to "));
    put_dur(k->out, max);
}

weir_err weir__pool_options_settle(const char *name, weir_pool_options *o, weir_buf *mistakes)
{
    struct checker k = {name, mistakes, false};
    check_count(&k, "max_open", &o->max_open, 0, 1, 10000);
    uint32_t open = o->max_open >= 1 && o->max_open <= 10000 ? o->max_open : 10000;
    check_count(&k, "max_idle", &o->max_idle, open, 1, open);
    check_count(&k, "min_idle", &o->min_idle, 0, 0, o->max_idle < open ? o->max_idle : open);
    check_count(&k, "waiters_max", &o->waiters_max, 1000, 1, 1000000);
    check_dur(&k, "wait_max", &o->wait_max, 30 * SEC, MS, 10 * MIN);
    check_dur(&k, "max_lifetime", &o->max_lifetime, 30 * MIN, SEC, 24 * HOUR);
    check_dur(&k, "idle_timeout", &o->idle_timeout, 5 * MIN, SEC, 24 * HOUR);
    check_dur(&k, "check_after", &o->check_after, SEC, MS, HOUR);
    check_dur(&k, "leak_threshold", &o->leak_threshold, 30 * SEC, 10 * MS, HOUR);
    WEIR_ASSERT(k.is_bad || (o->min_idle <= o->max_idle && o->max_idle <= o->max_open),
                "P16: no more is kept idle than may be open");
    return k.is_bad ? WEIR_EINVALID : WEIR_OK;
}

weir_err weir__pool_group_options_settle(const char *name, struct weir__pool_group_options *o,
                                         weir_buf *mistakes)
{
    struct checker k = {name, mistakes, false};
    check_count(&k, "keys_max", &o->keys_max, 100, 1, 1000);
    check_count(&k, "open_max", &o->open_max, 1000, 1, 10000);
    weir_err err = weir__pool_options_settle(name, &o->each, mistakes);
    WEIR_ASSERT(k.is_bad || (o->keys_max > 0 && o->open_max > 0),
                "P16: there is room for a key, and for one of it");
    return k.is_bad ? WEIR_EINVALID : err;
}

static void refuse_given(struct checker *k, const char *name, bool is_given)
{
    if (!is_given)
        return;
    begin_line(k);
    weir_buf_printf(k->out, "%s is given; a pool that is shared has none", name);
}

weir_err weir__shared_options_settle(const char *name, struct weir__shared_options *o,
                                     weir_buf *mistakes)
{
    struct checker k = {name, mistakes, false};
    refuse_given(&k, "min_idle", o->each.min_idle != 0);
    refuse_given(&k, "max_idle", o->each.max_idle != 0);
    refuse_given(&k, "check_after", o->each.check_after.ns != 0);
    o->each.min_idle = o->each.max_idle = 0;
    o->each.check_after = weir_ns(0);
    check_count(&k, "keys_max", &o->keys_max, 100, 1, 1000);
    check_count(&k, "open_max", &o->open_max, 1000, 1, 10000);
    weir_err err = weir__pool_options_settle(name, &o->each, mistakes);
    return k.is_bad ? WEIR_EINVALID : err;
}
