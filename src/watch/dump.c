/*
 * The facts of a fiber dump. They are copied while the worker stands still (nothing of it runs but
 * this), so they are one consistent picture of the worker, and turned into text by whoever asked,
 * on another thread, while the worker goes on.
 *
 * What a fiber holds: a fiber's contexts are the one that it works for, those above it that belong
 * to it too (up to the context that the fiber was started with), and those that it opened below.
 * Contexts of its child fibers are listed with those.
 *
 * Owns an arena with a bound. When that is full, fibers are counted and no longer described.
 */
#include "watch/dump.h"

#include "base/num.h"

enum { DETAILS_MAX = 512, CONTEXTS_MAX = 256 };

void weir__dump_init(struct weir__dump *d, size_t count_max, size_t bytes_max)
{
    *d = (struct weir__dump){.count_max = count_max};
    weir__arena_init(&d->arena, NULL, 0, bytes_max);
    d->last = &d->first;
}

void weir__dump_fini(struct weir__dump *d)
{
    weir__arena_fini(&d->arena);
    *d = (struct weir__dump){0};
}

/* --- what a fiber holds --------------------------------------------------------------------- */

static void add_owned(struct weir__dump *d, struct weir__dump_fiber *f, size_t *count,
                      const struct weir__owned *o)
{
    if (*count == WEIR__DUMP_OWNED_MAX) {
        f->is_owned_cut = true;
        return;
    }
    struct weir__dump_owned *copy = weir__arena_alloc(&d->arena, sizeof *copy);
    if (copy == NULL) {
        f->is_owned_cut = true;
        return;
    }
    char details[DETAILS_MAX];
    weir_buf b;
    weir_buf_init_fixed(&b, details, sizeof details);
    if (o->type->describe != NULL)
        o->type->describe(o, &b);
    *copy = (struct weir__dump_owned){
        .kind = o->type->name,
        .details = weir__arena_str(&d->arena, weir_buf_str(&b)),
        .site = o->site,
        .since = o->since,
    };
    struct weir__dump_owned **end = &f->owned;
    while (*end != NULL)
        end = &(*end)->next;
    *end = copy;
    (*count)++;
}

/* All of a context and of those below it that are not another fiber's, without recursion. */
static void add_all_owned(struct weir__dump *d, struct weir__dump_fiber *f, struct weir__ctx *top)
{
    struct weir__ctx *pending[CONTEXTS_MAX];
    size_t left = 0, count = 0;
    pending[left++] = top;
    while (left > 0) {
        struct weir__ctx *c = pending[--left];
        WEIR_LIST_EACH(node, &c->owned)
            add_owned(d, f, &count, WEIR_CONTAINER(node, struct weir__owned, link));
        WEIR_LIST_EACH(node, &c->children) {
            struct weir__ctx *child = WEIR_CONTAINER(node, struct weir__ctx, sibling);
            if (child->is_fiber)
                continue;
            if (left == CONTEXTS_MAX)
                f->is_owned_cut = true;
            else
                pending[left++] = child;
        }
    }
}

/* --- one fiber ------------------------------------------------------------------------------ */

static const char *state_name(const struct weir__fiber *f)
{
    switch ((enum weir__fiber_state)f->state) {
    case WEIR__FIBER_FREE:
        return "free";
    case WEIR__FIBER_READY:
        return "ready";
    case WEIR__FIBER_RUNNING:
        return "running";
    case WEIR__FIBER_PARKED:
        return f->is_hibernating ? "hibernating" : "waiting";
    }
    return "?";
}

static void add_wait(struct weir__dump *d, struct weir__dump_fiber *copy,
                     const struct weir__wait *wait)
{
    char details[DETAILS_MAX];
    weir_buf b;
    weir_buf_init_fixed(&b, details, sizeof details);
    if (wait->type->describe != NULL)
        wait->type->describe(wait, &b);
    copy->waits_for = wait->type->name;
    copy->waits_details = weir__arena_str(&d->arena, weir_buf_str(&b));
    copy->waits_site = wait->site;
    copy->since = wait->since;
}

static void add_origin(struct weir__dump *d, struct weir__dump_fiber *copy,
                       const struct weir__origin *o)
{
    char id[2 * WEIR__TRACE_ID_BYTES];
    struct weir__trace t = weir__origin_trace(o);
    weir_str text = {id, weir__num_put_hex(id, t.trace_id, sizeof t.trace_id)};
    copy->trace_id = weir__arena_str(&d->arena, text);
    copy->route = o->route;
    if (o->request_id.len > 0)
        copy->request_id = weir__arena_str(&d->arena, o->request_id);
}

static void add_context(struct weir__dump *d, struct weir__dump_fiber *copy,
                        const struct weir__ctx *c)
{
    if (c->origin != NULL)
        add_origin(d, copy, c->origin);
    copy->deadline = c->deadline;
    copy->reason = (weir_reason)c->reason;
    copy->is_request = c->exchange != NULL;
}

static void add_fiber(struct weir__dump *d, const struct weir__fiber *f)
{
    struct weir__dump_fiber *copy =
        d->count < d->count_max ? weir__arena_alloc(&d->arena, sizeof *copy) : NULL;
    if (copy == NULL) {
        d->skipped++;
        return;
    }
    *copy = (struct weir__dump_fiber){
        .id = f->id,
        .worker = f->worker->index,
        .name = f->name,
        .state = state_name(f),
        .site = f->site,
        .since = f->since,
        .deadline = weir_never(),
        .stack_used_max = f->stack_used_max,
    };
    if (f->state == WEIR__FIBER_PARKED && f->wait != NULL)
        add_wait(d, copy, f->wait);
    if (f->ctx != NULL)
        add_context(d, copy, f->ctx);
    struct weir__ctx *top = weir__fiber_outermost(f);
    if (top != NULL) {
        /* Of what hangs on the worker's root, detached work alone has a deadline. */
        copy->is_detached = top->is_fiber && top->deadline.ns != weir_never().ns &&
                            (top->parent == f->worker->root || weir__ctx_is_shared(top->parent));
        add_all_owned(d, copy, top);
    }
    if (f->state == WEIR__FIBER_RUNNING)
        copy->depth = weir__stack_capture(copy->stack, WEIR__DUMP_STACK_DEPTH);
    else
        copy->depth = weir__fiber_stack(f, copy->stack, WEIR__DUMP_STACK_DEPTH);
    *d->last = copy;
    d->last = &copy->next;
    d->count++;
}

void weir__dump_fibers(struct weir__worker *w, struct weir__dump *d)
{
    WEIR_LIST_EACH(node, &w->fibers)
        add_fiber(d, WEIR_CONTAINER(node, struct weir__fiber, in_all));
}
