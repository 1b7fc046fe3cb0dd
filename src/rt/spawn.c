/*
 * Starting fibers in contexts, joining them, detaching work from a request.
 *
 * A fiber has a context of its own below the one it was started in, which ends with it, also by a
 * panic that nobody caught. The parent context counts its fibers; the last one to end wakes who
 * joins.
 */
#include <string.h>

#include "base/assert.h"
#include "base/given.h"
#include "rt/deadlock.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/runtime.h"
#include "rt/scope.h"
#include "rt/sized.h"
#include "rt/slip.h"
#include <weir/fiber.h>
#include <weir/log.h>

#define DETACH_BYTES_MAX (64u << 10)
#define DETACH_NS_DEFAULT 60000000000LL

static void settle(struct weir__ctx *parent, weir_err err)
{
    WEIR_ASSERT(parent->worker == weir__self, "C2: its worker settles who has ended");
    bool is_first = err == WEIR_OK ? parent->join_oks++ == 0 : parent->join_err == WEIR_OK;
    if (is_first && err != WEIR_OK)
        parent->join_err = err;
    weir_join_mode decider = err == WEIR_OK ? WEIR_JOIN_FIRST_OK : WEIR_JOIN_FAIL_FAST;
    if (is_first && parent->fibers > 0 && parent->join_mode == decider)
        weir__ctx_cancel_fibers(parent);
    weir__ctx_wake_joiners(parent);
}

/* Nobody joins detached work: its error goes to the log, which is all that is left of it. */
static void log_detached(const struct weir__fiber *f)
{
    const struct weir__child *ch = &f->child;
    const weir_error *e = ch->ctx->error;
    weir_str why = e != NULL ? e->message : weir_str_from(weir_strerror(ch->err));
    weir_log_at(f->site, weir__ctx_handle(ch->ctx), WEIR_LOG_WARN,
                "detached work %s failed: " WEIR_STR_FMT, f->name, WEIR_STR_ARG(why));
}

/* The end of a child, however it came to it. */
static void end_child(struct weir__fiber *f)
{
    struct weir__child *ch = &f->child;
    struct weir__ctx *c = ch->ctx, *parent = ch->parent;
    WEIR_ASSERT(c->parent == parent, "C1: its own context is below the one it was started in");
    WEIR_ASSERT(parent->fibers > 0, "C4: who ends was counted");
    c->is_ok = ch->err == WEIR_OK && c->reason == WEIR_REASON_NONE;
    if (ch->err != WEIR_OK && ch->kind == WEIR__CHILD_JOINED)
        weir__ctx_hand_up_error(c, parent);
    if (ch->kind == WEIR__CHILD_DETACHED && ch->err != WEIR_OK && ch->err != WEIR_ESHUTDOWN)
        log_detached(f);
    weir__ctx_end(c);
    f->ctx = parent;
    if (ch->kind == WEIR__CHILD_DETACHED)
        weir__count(&f->worker->stats.detached, -1);
    parent->fibers--;
    if (ch->kind == WEIR__CHILD_JOINED)
        settle(parent, ch->err);
    else
        weir__ctx_wake_joiners(parent);
}

static void run_child(void *arg)
{
    struct weir__fiber *f = arg;
    struct weir__child *ch = &f->child;
    WEIR_ASSERT(f->ctx == ch->ctx && ch->ctx->opener == f, "C5: a fiber begins in its own context");
    ch->err = ch->fn(weir__ctx_handle(ch->ctx), ch->arg);
    end_child(f);
}

static void child_panicked(struct weir__fiber *f, const struct weir__panic_info *info)
{
    WEIR_ASSERT(f == weir__self->current, "F1: whose panic has reached its start runs");
    f->child.err = WEIR_EPANIC;
    weir__panic_record(f->child.ctx, info);
    end_child(f);
}

static weir_err start_child(struct weir__ctx *p, struct weir__ctx *c, weir_fiber_fn fn, void *arg,
                            const char *name, const weir_site *site, enum weir__child_kind kind)
{
    WEIR_ASSERT(p->fibers < p->fibers_max, "C9: no more fibers run in a context than may");
    c->is_fiber = true;
    c->is_ok = true;
    struct weir__fiber *f = weir__fiber_start(weir__self, run_child, NULL, name, site, c);
    if (f == NULL) {
        weir__ctx_end(c);
        return WEIR_ELIMIT;
    }
    f->arg = f;
    f->panicked = child_panicked;
    f->child = (struct weir__child){c, p, fn, arg, WEIR_OK, kind};
    c->opener = f;
    p->fibers++;
    return WEIR_OK;
}

static weir_err go(const weir_site *site, struct weir__ctx *p, weir_fiber_fn fn, void *arg,
                   const char *name, enum weir__child_kind kind)
{
    weir_err err = weir__ctx_check(p);
    if (err != WEIR_OK)
        return weir__call_refused(err);
    if (p->is_closing)
        return weir__call_refused(WEIR_ECLOSED);
    if (p->fibers >= p->fibers_max || p->depth >= WEIR__CTX_DEPTH_MAX || weir__is_refused("fibers"))
        return weir__call_refused(WEIR_ELIMIT);
    struct weir__ctx *c = weir__ctx_new(p, weir_never(), 0, site);
    if (c == NULL)
        return -ENOMEM;
    if (WEIR_UNLIKELY(c->top == c) && kind != WEIR__CHILD_APART)
        weir__deadlock_give_up(); /* `arg` goes to a tree of its own; the house's own is none's */
    return start_child(p, c, fn, arg, name, site, kind);
}

weir_err weir_go_at(const weir_site *site, weir_ctx *handle, weir_fiber_fn fn, void *arg,
                    const char *name)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given_to("WEIR_GO", fn, "the function");
    struct weir__ctx *p = weir__ctx_local(weir__ctx_of_at(handle, "WEIR_GO"));
    weir__refuse_short_lived(p, arg, "WEIR_GO");
    weir_err err = go(site, p, fn, arg, name, WEIR__CHILD_JOINED);
    if (WEIR_LIKELY(err != WEIR_ELIMIT))
        return err;
    if (p->depth >= WEIR__CTX_DEPTH_MAX)
        return weir_raise_at(site, weir__ctx_handle(p), WEIR_ELIMIT, 0,
                             "no further fiber, %d contexts lie above one another: a fiber that "
                             "starts the next is no loop, let one start them all",
                             WEIR__CTX_DEPTH_MAX);
    return weir_raise_at(site, weir__ctx_handle(p), WEIR_ELIMIT, 0,
                         "no further fiber, %u run in this context: weir_join some first, or let a "
                         "few work off a channel, whose senders wait while it is full",
                         p->fibers);
}

weir_err weir__go_apart(const weir_site *site, struct weir__ctx *p, weir_fiber_fn fn, void *arg,
                        const char *name)
{
    return go(site, p, fn, arg, name, WEIR__CHILD_APART);
}

weir_err weir_join_as(weir_ctx *handle, weir_join_mode mode)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    struct weir__ctx *c = weir__ctx_of_at(handle, "weir_join");
    if (weir__ctx_is_shared(c))
        weir__misuse("weir_join", "the application's context has no fibers of its own: open a "
                                  "context for them and join that");
    if (c->opener != weir__fiber_self())
        weir__misuse("weir_join", "only the function that opened a context joins it");
    c->join_mode = (uint8_t)mode;
    if ((mode == WEIR_JOIN_FAIL_FAST && c->join_err != WEIR_OK) ||
        (mode == WEIR_JOIN_FIRST_OK && c->join_oks > 0))
        weir__ctx_cancel_fibers(c);
    weir_err reason = weir__ctx_check(c);
    if (reason != WEIR_OK && c->fibers == 0)
        (void)weir__wait_refused(reason);
    weir__ctx_await_fibers(c, NULL);
    if (reason == WEIR_OK && c->reason != WEIR_REASON_NONE)
        reason = weir__ctx_check(c);
    weir_err err = mode == WEIR_JOIN_FIRST_OK && c->join_oks > 0 ? WEIR_OK : c->join_err;
    c->join_mode = WEIR_JOIN_ALL;
    c->join_err = WEIR_OK;
    c->join_oks = 0;
    return reason != WEIR_OK ? reason : err;
}

/* Detached work outlives its request: a copy, the bytes of the request's id included. */
static void take_origin(struct weir__ctx *c, const struct weir__origin *from)
{
    WEIR_ASSERT(c->origin == NULL, "C6: what is below a root works for no request yet");
    if (from == NULL)
        return;
    c->own_origin = *from;
    if (from->request_id.len > 0)
        c->own_origin.request_id = weir__arena_str(&c->arena, from->request_id);
    c->origin = &c->own_origin;
}

weir_err weir_detach_at(const weir_site *site, weir_ctx *handle, weir_fiber_fn fn, const char *name,
                        const void *data, size_t size, const weir_detach_options *options)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    weir__given(fn, "the function");
    weir__given_some(data, size, "the data");
    struct weir__worker *w = weir__self;
    struct weir__ctx *from = weir__ctx_of_at(handle, "weir_detach");
    weir_detach_options room;
    options = weir__options(options, &room, sizeof room, "weir_detach");
    struct weir__ctx *root = w->root;
    if (size > DETACH_BYTES_MAX)
        weir__misuse("weir_detach", "the data has %zu bytes, at most %u are copied: pass an id",
                     size, DETACH_BYTES_MAX);
    weir__refuse_kept(from, data, size, "weir_detach");
    if (root->reason != WEIR_REASON_NONE || root->is_closing)
        return weir__call_refused(WEIR_ESHUTDOWN);
    if (atomic_load_explicit(&w->stats.detached, memory_order_relaxed) >=
            w->runtime->options.detached_max ||
        weir__is_refused("background work"))
        return weir__call_refused(WEIR_ELIMIT);
    weir__slip_look(site, from, "weir_detach: .timeout", options->timeout);
    weir_dur timeout = options->timeout.ns > 0 ? options->timeout : weir_ns(DETACH_NS_DEFAULT);
    struct weir__ctx *c = weir__ctx_new(root, weir_time_add(weir__worker_now(w), timeout), 0, site);
    if (c == NULL)
        return -ENOMEM;
    WEIR_ASSERT(c->top == c, "C10: detached work is a tree of its own");
    take_origin(c, from->origin);
    void *copy = size > 0 ? weir__ctx_alloc(c, size) : NULL;
    if (size > 0 && copy == NULL) {
        weir__ctx_end(c);
        return -ENOMEM;
    }
    if (size > 0)
        memcpy(copy, data, size);
    weir__deadlock_give_up(); /* the data may have pointers in it */
    weir_err err = start_child(root, c, fn, copy, name, site, WEIR__CHILD_DETACHED);
    if (err == WEIR_OK)
        weir__count(&w->stats.detached, 1);
    return err;
}
