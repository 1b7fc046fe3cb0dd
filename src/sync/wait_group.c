/*
 * The wait group: a count of things in progress, and a queue of fibers that wait until it is zero.
 *
 * Owns nothing else. Limits: the count is at most 2^31 - 1; past it, and below zero, is misuse.
 */
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/scope.h"
#include "sync/waitq.h"
#include <weir/sync.h>

#define KIND WEIR__KIND_WAIT_GROUP

struct weir_wait_group {
    struct weir__waitq q;
    int32_t count;
};

static weir_wait_group no_memory = {.q = {.token = WEIR__TOKEN_STATIC(KIND)}};

static const struct weir__owned_type group_type = {.name = "wait group",
                                                   .release = weir__waitq_release};

weir_wait_group *weir_wait_group_new_at(const weir_site *site, weir_ctx *c)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    weir_wait_group *g = weir__waitq_new(weir__ctx_of(c), sizeof *g, KIND, &group_type, site);
    return g != NULL ? weir__token_handle(&g->q.token) : &no_memory;
}

static void describe_wait(const struct weir__wait *w, weir_buf *out)
{
    weir_wait_group *g = w->object;
    weir__waitq_lock(&g->q);
    int32_t count = g->count;
    weir__waitq_unlock(&g->q);
    weir_buf_printf(out, "%d in progress, ", count);
    weir__waitq_describe(w, out);
}

static const struct weir__wait_type wait_type = {.name = "wait group",
                                                 .abandon = weir__waitq_abandon,
                                                 .describe = describe_wait,
                                                 .is_stuck = weir__waitq_is_stuck};

void weir_wait_group_add(weir_ctx *c, weir_wait_group *g, int32_t delta)
{
    WEIR__FIBERS_ONLY();
    (void)weir__ctx_of(c);
    g = weir__waitq_of(g, KIND, "weir_wait_group_add", "the wait group");
    if (g->q.state != WEIR__WAITQ_OPEN)
        return;
    weir__waitq_note_use(&g->q);
    int32_t count;
    weir__waitq_lock(&g->q);
    WEIR_ASSERT(g->count >= 0, "G1: the count is not below zero");
    bool is_bad = __builtin_add_overflow(g->count, delta, &count) || count < 0;
    if (!is_bad)
        g->count = count;
    weir__waitq_unlock(&g->q);
    if (is_bad)
        weir__misuse("weir_wait_group_add", "adding %d leaves the range of the count", delta);
    if (count == 0)
        weir__waitq_wake_all(&g->q, WEIR_OK);
}

weir_err weir_wait_group_wait(weir_ctx *c, weir_wait_group *g)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    struct weir__ctx *ctx = weir__ctx_of(c);
    g = weir__waitq_of(g, KIND, "weir_wait_group_wait", "the wait group");
    weir_err err = weir__may_wait(ctx);
    if (err < 0)
        return err;
    err = weir__waitq_state(&g->q);
    if (err < 0)
        return weir__wait_refused(err);
    struct weir__waiter me;
    weir__waitq_lock(&g->q);
    WEIR_ASSERT(g->count >= 0, "G1: the count is not below zero");
    bool must_wait = g->count > 0;
    if (must_wait)
        weir__waitq_enqueue(&g->q, &me, &wait_type, ctx, NULL);
    weir__waitq_unlock(&g->q);
    return must_wait ? weir__waitq_park(&me) : WEIR_OK;
}
