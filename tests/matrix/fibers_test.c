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

/*
 * A call on each of the pool's threads, for longer than the request may last, and one more that is
 * queued behind them. The first can be told to end, the others are waited for.
 */
struct calls {
    unsigned threads;
    unsigned ran, told; /* of this request */
};

static void prepare_offload(weir_ctx *app, struct cell *cell)
{
    struct calls *calls = weir_alloc(app, sizeof *calls);
    WEIR_ASSERT(calls != NULL, "the application has memory");
    *calls = (struct calls){.threads = weir__self->runtime->options.offload_threads};
    cell->shared = calls;
    weir__sim_offload_takes(weir_ms(80));
}

static weir_err runs(void *calls)
{
    ((struct calls *)calls)->ran++;
    return WEIR_OK;
}

static void stops(void *calls)
{
    ((struct calls *)calls)->told++;
}

static weir_err offloads(weir_ctx *c, void *calls)
{
    return weir_offload(c, runs, calls);
}

static weir_err offloads_stoppable(weir_ctx *c, void *calls)
{
    return weir_offload(c, runs, calls, .interrupt = stops);
}

static bool is_pool(size_t busy, size_t queued)
{
    struct weir__offload_stats s = weir__offload_stats(weir__self->runtime->offload);
    return s.busy == busy && s.queued == queued;
}

static weir_err take_offload(weir_ctx *c, struct cell *cell)
{
    struct calls *calls = cell->shared;
    calls->ran = calls->told = 0;
    weir_err err = WEIR_GO(c, offloads_stoppable, calls);
    for (unsigned i = 1; i < calls->threads && err == WEIR_OK; i++)
        err = WEIR_GO(c, offloads, calls);
    for (int i = 0; i < TURNS_MAX && !is_pool(calls->threads, 0); i++)
        (void)!weir_yield(c);
    if (err == WEIR_OK)
        err = WEIR_GO(c, offloads, calls);
    let_them_wait(c);
    return err;
}

static bool is_offloaded(weir_ctx *c, struct cell *cell)
{
    const struct calls *calls = cell->shared;
    return weir__ctx_of(c)->fibers == calls->threads + 1 && is_pool(calls->threads, 1);
}

/* The handler waits for a call of its own, which is queued. */
static weir_err wait_offload(weir_ctx *c, struct cell *cell)
{
    return offloads(c, cell->shared);
}

/* What had begun has come to its end, by itself or as it was told; what was queued never began. */
static bool has_ended(weir_ctx *c, struct cell *cell)
{
    (void)c;
    const struct calls *calls = cell->shared;
    return calls->ran == calls->threads && calls->told == 1;
}

static const struct resource resources[] = {
    RESOURCE("child fiber", take_child, .is_held = is_child_there),
    RESOURCE("grandchild", take_grandchild, .is_held = is_grandchild_there),
    RESOURCE("detached work", take_detached, .is_held = is_detached),
    RESOURCE("offloaded work", take_offload, .prepare = prepare_offload, .is_held = is_offloaded,
             .wait = wait_offload, .is_back = has_ended),
};

int main(void)
{
    return MATRIX(resources);
}
