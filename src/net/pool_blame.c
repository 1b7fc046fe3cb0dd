/*
 * Why an acquisition has failed, in words: the message says which of its reasons it was, the cause
 * (which is for the log alone) who holds what for how long and since where, and what the last try
 * to open one has met. One error for five causes has cost people days.
 *
 * A lease's facts belong to another worker's fiber: they are copied under the pool's lock, which
 * the lease's end needs too (P4), and told after it. Limits: the three longest of the first 256,
 * since a line that is full refuses many a second. Context: fibers.
 */
#include "net/pool_inside.h"

#include <string.h>

#include "base/assert.h"

enum { HOLDERS_MAX = 3, LOOKED_AT_MAX = 256 };

struct holder {
    const char *what; /* the route, or the fiber's function */
    const weir_site *site;
    weir_dur held;
};

/* Copied under the lock. */
struct facts {
    weir_pool_stats stats;
    uint32_t waiters_max, failures;
    bool is_closing;
    weir_dur down, suspended;
    struct weir__pool_failure failure;
    struct holder holders[HOLDERS_MAX]; /* longest first */
    size_t count;
};

static void add_holder(struct facts *f, const struct weir__pool_slot *slot)
{
    if (atomic_load_explicit(&slot->holder, memory_order_acquire) == NULL)
        return;
    WEIR_ASSERT(slot->state == WEIR__SLOT_LEASED, "P4: a lease's facts are read while it is one");
    const struct weir__origin *o = slot->ctx->origin;
    const char *name = slot->fiber != NULL ? slot->fiber->name : "";
    struct holder h = {.what = o != NULL ? o->route : name,
                       .site = slot->site,
                       .held = weir_time_sub(weir__self->now, slot->leased)};
    size_t at = f->count;
    WEIR_ASSERT(at <= HOLDERS_MAX, "P18: the longest few have room");
    while (at > 0 && f->holders[at - 1].held.ns < h.held.ns)
        at--;
    if (at == HOLDERS_MAX)
        return;
    if (f->count < HOLDERS_MAX)
        f->count++;
    memmove(&f->holders[at + 1], &f->holders[at], (f->count - at - 1) * sizeof h);
    f->holders[at] = h;
}

static void collect(struct weir__pool *pool, struct facts *f)
{
    int looked_at = 0;
    weir__lock_take(&pool->lock);
    WEIR_ASSERT(pool->stats.in_use <= pool->stats.open, "P1: what is lent is open");
    f->stats = pool->stats;
    f->waiters_max = pool->o.waiters_max;
    f->failures = pool->failures;
    f->failure = pool->failure;
    f->is_closing = pool->is_closing;
    f->down = weir_time_sub(weir__self->now, pool->down_since);
    f->suspended = weir_time_sub(weir__self->now, pool->suspended_since);
    WEIR__EACH_SLOT(slot, pool) {
        if (looked_at++ == LOOKED_AT_MAX)
            break;
        if (slot->state == WEIR__SLOT_LEASED)
            add_holder(f, slot);
    }
    weir__lock_give(&pool->lock);
}

void weir__pool_put_age(weir_buf *out, weir_dur d)
{
    long long ms = d.ns / 1000000;
    if (ms < 1000)
        weir_buf_printf(out, "%lld ms", ms);
    else
        weir_buf_printf(out, "%lld.%lld s", ms / 1000, ms % 1000 / 100);
}

/* --- the cause -------------------------------------------------------------------------------- */

static void put_holders(weir_buf *out, const struct facts *f)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct holder *h = &f->holders[i];
        weir_buf_printf(out, "%s%s for ", i == 0 ? "held by " : ", ", h->what);
        weir__pool_put_age(out, h->held);
        if (h->site != NULL)
            weir_buf_printf(out, " at %s:%d", h->site->file, h->site->line);
    }
    if (f->count > 0 && f->stats.in_use > f->count)
        weir_buf_printf(out, ", and %llu more", (unsigned long long)(f->stats.in_use - f->count));
}

static void put_failure(weir_buf *out, const struct facts *f)
{
    if (f->failures == 0)
        return;
    WEIR_ASSERT(f->failure.err != WEIR_OK, "P21: what has failed has an error");
    weir_buf_printf(out, "%sthe last of %u tries to open one, ", out->len > 0 ? "; " : "",
                    f->failures);
    weir__pool_put_age(out, weir_time_sub(weir__self->now, f->failure.at));
    weir_buf_printf(out, " ago: %s", f->failure.text);
}

/* --- the message ------------------------------------------------------------------------------ */

/* What stands in the way of who waits. */
static void put_obstacle(weir_buf *out, const struct facts *f)
{
    const weir_pool_stats *s = &f->stats;
    WEIR_ASSERT(s->max_open > 0, "P16: something may be open of every pool");
    if (s->is_suspended) {
        weir_buf_puts(out, WEIR_S("it is suspended since "));
        weir__pool_put_age(out, f->suspended);
        weir_buf_puts(out, WEIR_S(" ago"));
    } else if (s->in_use >= s->max_open) {
        weir_buf_printf(out, "all %llu are in use", (unsigned long long)s->max_open);
    } else {
        weir_buf_printf(out, "%llu of %llu are in use, %llu are being opened",
                        (unsigned long long)s->in_use, (unsigned long long)s->max_open,
                        (unsigned long long)s->dialing);
    }
}

static void put_message(weir_buf *out, const struct facts *f, weir_err err, weir_dur waited)
{
    if (err == WEIR_ETIMEDOUT) {
        weir_buf_puts(out, WEIR_S("waited "));
        weir__pool_put_age(out, waited);
        weir_buf_printf(out, " for pool %s: ", f->stats.name);
        put_obstacle(out, f);
        return;
    }
    weir_buf_printf(out, "pool %s: ", f->stats.name);
    if (err == WEIR_ECLOSED) {
        weir_buf_printf(
            out, f->stats.in_use > 0 ? "it is being closed, %llu are still in use" : "it is closed",
            (unsigned long long)f->stats.in_use);
    } else if (err == WEIR_EUNREACHABLE) {
        weir_buf_puts(out, WEIR_S("unreachable since "));
        weir__pool_put_age(out, f->down);
        weir_buf_puts(out, WEIR_S(" ago"));
    } else {
        put_obstacle(out, f);
        weir_buf_printf(out, " and %u wait for one", f->waiters_max);
    }
}

weir_err weir__pool_blame(struct weir__pool *pool, struct weir__ctx *c, const weir_site *site,
                          weir_err err, weir_dur waited)
{
    struct facts f = {.count = 0};
    char bytes[1200];
    weir_buf message, cause;
    collect(pool, &f);
    WEIR_ASSERT(f.count <= f.stats.in_use, "P1: who holds one was lent it");
    if (err == WEIR_ETIMEDOUT && f.stats.is_down)
        err = WEIR_EUNREACHABLE; /* who is patient has waited for that to end */
    weir_buf_init_fixed(&message, bytes, 200);
    weir_buf_init_fixed(&cause, bytes + 200, sizeof bytes - 200);
    put_message(&message, &f, err, waited);
    put_holders(&cause, &f);
    put_failure(&cause, &f);
    const weir_error *before = c->error;
    weir_str s = weir_buf_str(&message);
    (void)weir_raise_at(site, weir__ctx_handle(c), err, 503, WEIR_STR_FMT, WEIR_STR_ARG(s));
    if (c->error != before) /* else the record is about another */
        weir__ctx_error_cause(c, weir_buf_str(&cause));
    return err;
}
