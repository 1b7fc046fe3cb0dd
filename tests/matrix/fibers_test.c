/* The matrix: fibers below a request, beside it, and work on other threads. */
#include "matrix.h"
#include <weir/offload.h>

static uint64_t fibers(void)
{
    return weir__fiber_total(weir__self->runtime);
}

static weir_err sleeps(weir_ctx *c, void *arg)
{
    (void)arg;
    return weir_sleep(c, weir_sec(20));
}

static weir_err has_child(weir_ctx *c, void *arg)
{
    weir_err err = WEIR_GO(c, sleeps, arg);
    return err < 0 ? err : weir_sleep(c, weir_sec(20));
}

static weir_err go(weir_ctx *c, struct cell *cell, weir_fiber_fn fn)
{
    cell->note = (int64_t)fibers();
    weir_err err = WEIR_GO(c, fn, cell);
    let_them_wait(c);
    return err;
}

static weir_err take_child(weir_ctx *c, struct cell *cell)
{
    return go(c, cell, sleeps);
}

static bool is_child_there(weir_ctx *c, struct cell *cell)
{
    return weir__ctx_of(c)->fibers == 1 && (int64_t)fibers() == cell->note + 1;
}

static weir_err take_grandchild(weir_ctx *c, struct cell *cell)
{
    return go(c, cell, has_child);
}

static bool is_grandchild_there(weir_ctx *c, struct cell *cell)
{
    return weir__ctx_of(c)->fibers == 1 && (int64_t)fibers() == cell->note + 2;
}

/* --- detached work: it outlives the request, and ends by itself ------------------------------- */

static weir_err works_on(weir_ctx *c, void *arg)
{
    (void)arg;
    return weir_sleep(c, weir_ms(500));
}

static weir_err take_detached(weir_ctx *c, struct cell *cell)
{
    weir_err err = weir_detach(c, works_on, &cell->note, sizeof cell->note, .timeout = weir_sec(1));
    let_them_wait(c);
    return err;
}

static bool is_detached(weir_ctx *c, struct cell *cell)
{
    (void)c, (void)cell;
    return atomic_load(&weir__self->stats.detached) == 1;
}

/* --- offloaded work --------------------------------------------------------------------------- */

static weir_err nothing(void *arg)
{
    (void)arg;
    return WEIR_OK;
}

static weir_err offloads(weir_ctx *c, void *arg)
{
    return weir_offload(c, nothing, arg);
}

/* The child's call is on its way while nobody but the handler runs. */
static weir_err take_offload(weir_ctx *c, struct cell *cell)
{
    weir_err err = WEIR_GO(c, offloads, cell);
    return err < 0 ? err : weir_yield(c);
}

static bool is_offloaded(weir_ctx *c, struct cell *cell)
{
    (void)cell;
    const struct weir__ctx *ctx = weir__ctx_of(c);
    if (weir__list_empty(&ctx->children))
        return false;
    const struct weir__ctx *child =
        WEIR_CONTAINER(ctx->children.next, const struct weir__ctx, sibling);
    if (weir__list_empty(&child->waits))
        return false;
    const struct weir__wait *wait =
        WEIR_CONTAINER(child->waits.next, const struct weir__wait, in_ctx);
    return strcmp(wait->type->name, "offload") == 0;
}

/* The handler is in one call after the other, so whatever ends it comes in the middle of one. */
static weir_err wait_offload(weir_ctx *c, struct cell *cell)
{
    weir_err err = WEIR_OK;
    while (err == WEIR_OK)
        err = weir_offload(c, nothing, cell);
    return err;
}

static const struct resource resources[] = {
    RESOURCE("child fiber", take_child, .is_held = is_child_there),
    RESOURCE("grandchild", take_grandchild, .is_held = is_grandchild_there),
    RESOURCE("detached work", take_detached, .is_held = is_detached),
    RESOURCE("offloaded work", take_offload, .is_held = is_offloaded, .wait = wait_offload,
             .cannot = {[EXIT_DEADLINE] = "virtual time stands while a call is on its way; on "
                                          "threads: src/rt/offload_test.c"}),
};

int main(void)
{
    return MATRIX(resources);
}
