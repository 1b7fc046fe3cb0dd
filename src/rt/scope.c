/*
 * Contexts that the code of a fiber opens: each is on its fiber's list, newest first, so that who
 * opened it can be told from who may only use it, and a panic knows what it leaves.
 *
 * The hard thing: whether a local outlives the fibers that it is given to. A frame that opened a
 * scope joins it before it is gone, by the clean-up attribute; so whatever lies at or above the
 * stack pointer of that opening is there until then. Stacks grow down, and weir_ctx_enter_at is
 * never inlined: its own frame is the mark. Under AddressSanitizer locals may lie in a fake stack,
 * which knows the frame that each belongs to.
 *
 * A longjmp out of a block runs no clean-up, and nothing tells of it. It is noticed at the next
 * wait, or when the function that weir_protect called returns: a scope is open whose frame is gone.
 * What then runs to join it keeps below those frames, so that the fibers find their locals.
 */
#include "rt/scope.h"

#include "base/assert.h"
#include "base/given.h"
#include "base/sanitizer.h"
#include "rt/outside.h"
#include "rt/panic.h"
#include "rt/sized.h"
#include "rt/slip.h"
#include "rt/switch.h"
#include "rt/worker.h"

/* --- opening and closing ------------------------------------------------------------------ */

static struct weir__ctx *open_below(const weir_site *site, struct weir__ctx *parent,
                                    const weir_ctx_options *options, const char *function)
{
    weir_ctx_options room;
    options = weir__options(options, &room, sizeof room, function);
    if (parent->depth >= WEIR__CTX_DEPTH_MAX)
        weir__misuse(function,
                     "%d contexts lie above one another, which is the most: a recursion that opens "
                     "one at each step closes it before the next, or works off a list",
                     WEIR__CTX_DEPTH_MAX);
    weir_time deadline = weir_never();
    weir__slip_look(site, parent, "weir_ctx_open: .timeout", options->timeout);
    if (options->timeout.ns != 0)
        deadline = weir_time_add(weir__worker_now(weir__self), options->timeout);
    struct weir__ctx *c = weir__ctx_new(parent, deadline, options->memory_max, site);
    if (c == NULL)
        weir_panic_at(site, "no memory for a context");
    if (options->fibers_max != 0)
        c->fibers_max = options->fibers_max;
    c->is_opened = true;
    if (c->opener != NULL)
        weir__list_push_front(&c->opener->opened, &c->in_opener);
    return c;
}

weir_ctx *weir_ctx_open_at(const weir_site *site, weir_ctx *parent, const weir_ctx_options *options)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    struct weir__ctx *p = weir__ctx_local(weir__ctx_of_at(parent, "weir_ctx_open"));
    return weir__ctx_handle(open_below(site, p, options, "weir_ctx_open"));
}

weir_ctx *weir_ctx_enter_at(const weir_site *site, weir_ctx *parent,
                            const weir_ctx_options *options)
{
    WEIR__FIBERS_ONLY(weir__outside_nothing());
    struct weir__ctx *p = weir__ctx_local(weir__ctx_of_at(parent, "WEIR_SCOPE"));
    struct weir__ctx *c = open_below(site, p, options, "WEIR_SCOPE");
    struct weir__fiber *f = c->opener;
    c->opened_sp = __builtin_frame_address(0);
    if (f != NULL) {
        WEIR_ASSERT(f->scope == NULL || f->scope->seq < c->seq,
                    "C5: the chain has the newest first");
        c->is_scope = true;
        c->outer_scope = f->scope;
        f->scope = c;
    }
    return weir__ctx_handle(c);
}

/* It is the newest, unless blocks were left in an order that is not theirs. */
static void leave_scope(struct weir__ctx *c)
{
    WEIR_ASSERT(c->opener->worker == weir__self, "C5: who opened a scope is of its worker");
    struct weir__ctx **at = &c->opener->scope;
    while (*at != NULL && *at != c)
        at = &(*at)->outer_scope;
    if (*at != NULL)
        *at = c->outer_scope;
    c->is_scope = false;
}

void weir__scope_forget(struct weir__ctx *c)
{
    weir__list_remove(&c->in_opener);
    if (c->is_scope)
        leave_scope(c);
}

void weir__scope_orphan(struct weir__fiber *f)
{
    for (struct weir__list *node; (node = weir__list_pop_front(&f->opened)) != NULL;) {
        struct weir__ctx *c = WEIR_CONTAINER(node, struct weir__ctx, in_opener);
        WEIR_ASSERT(c->opener == f, "C5: who is on a fiber's `opened` was opened by it");
        c->opener = NULL;
        c->is_scope = false;
    }
    f->scope = NULL;
}

/*
 * A context ends well unless it, or one above it in the same request, has failed or was cancelled.
 */
static bool has_failed(const struct weir__ctx *c)
{
    if (c->is_unwound)
        return true;
    for (; c != NULL && c->worker != NULL; c = c->parent) {
        if (c->error != NULL || c->reason != WEIR_REASON_NONE)
            return true;
    }
    return false;
}

weir_err weir_ctx_close(weir_ctx *handle)
{
    WEIR__FIBERS_ONLY(WEIR_ETHREAD);
    struct weir__ctx *c = weir__ctx_of(handle);
    if (!c->is_opened || c->opener == NULL || c->opener != weir__fiber_self())
        weir__misuse(__func__, "only the function that opened a context closes it; what Weir has "
                               "opened (a request's, a fiber's, the application's) it closes too");
    if (c->fibers > 0) {
        c->is_closing = true;
        weir__ctx_cancel_fibers(c);
        weir__ctx_await_fibers(c, c->site);
        WEIR_ASSERT(c->fibers == 0, "C4: who joins goes on when the last has ended");
    }
    weir_err err = c->join_err;
    c->is_ok = !has_failed(c);
    weir__ctx_end(c);
    return err;
}

void weir_ctx_leave(weir_ctx **c)
{
    WEIR__FIBERS_ONLY();
    weir__given(c, "the context");
    uintptr_t bits = (uintptr_t)*c;
    const struct weir__ctx *ctx = (const struct weir__ctx *)(bits & 0x0000ffffffffffffULL);
    if (ctx != NULL && ctx->gen == (uint16_t)(bits >> 48))
        (void)weir_ctx_close(*c);
}

/* --- which locals live long enough -------------------------------------------------------- */

/*
 * A fake frame notes where the stack was inside of the function of the sanitizer that made it, some
 * bytes below the frame that it belongs to. How many: as with one that is made here.
 */
static __attribute__((noinline)) ptrdiff_t fake_frame_depth(void *fake)
{
    enum { SMALLEST = 64, IN_USE = 0x41B58AB3, RETIRED = 0x45E0360E }; /* as compilers write them */
    size_t frame = __asan_stack_malloc_0 != NULL ? __asan_stack_malloc_0(SMALLEST) : 0;
    if (frame == 0)
        return 0;
    const char *sp = weir__stack_pointer();
    *(size_t *)frame = IN_USE;
    const char *noted = __asan_addr_is_in_fake_stack(fake, (void *)frame, NULL, NULL);
    *(size_t *)frame = RETIRED;
    __asan_stack_free_0(frame, SMALLEST);
    return noted != NULL ? sp - noted : 0;
}

static const void *place_in_fake(const struct weir__fiber *f, const void *p)
{
    if (!weir__has_asan())
        return NULL;
    bool is_self = f == weir__self->current;
    void *fake = is_self ? __asan_get_current_fake_stack() : f->asan_fake_stack;
    const char *noted =
        fake != NULL ? __asan_addr_is_in_fake_stack(fake, (void *)(uintptr_t)p, NULL, NULL) : NULL;
    return noted != NULL ? noted + fake_frame_depth(__asan_get_current_fake_stack()) : NULL;
}

/*
 * Where on the stack of `f` it lies, or where the frame does that it is a local of. NULL: it is
 * none of its locals.
 */
static const void *place_of(const struct weir__fiber *f, const void *p)
{
    if ((const char *)p >= f->stack_lo && (const char *)p < f->stack_hi)
        return p;
    return place_in_fake(f, p);
}

bool weir__is_local(const void *p)
{
    const struct weir__fiber *self = weir__fiber_self();
    return self != NULL && place_of(self, p) != NULL;
}

enum life { IS_NO_LOCAL, LASTS, MAY_BE_GONE };

/* How long a local of a fiber lasts, if it is one, beside `c`. */
static enum life life_of_local(const struct weir__ctx *c, const void *arg)
{
    bool is_local = weir__is_local(arg);
    for (; c != NULL && c->worker != NULL; c = c->parent) {
        const void *place = c->opener != NULL ? place_of(c->opener, arg) : NULL;
        if (place != NULL && c->is_scope && (const char *)place >= (const char *)c->opened_sp)
            return LASTS;
        is_local = is_local || place != NULL;
    }
    return is_local ? MAY_BE_GONE : IS_NO_LOCAL;
}

bool weir__is_short_lived(const struct weir__ctx *c, const void *arg)
{
    enum life life = life_of_local(c, arg);
    return life == MAY_BE_GONE || (life == IS_NO_LOCAL && weir__ends_before(c, arg));
}

void weir__refuse_short_lived(const struct weir__ctx *c, const void *arg, const char *function)
{
    enum life life = life_of_local(c, arg);
    if (WEIR_UNLIKELY(life == MAY_BE_GONE))
        weir__misuse(function,
                     "the argument is a local variable that may be gone before the context ends: "
                     "declare it before the block's WEIR_SCOPE or WEIR_WITH, which joins on every "
                     "way out, and give it to that context; or weir_alloc memory of the context");
    if (WEIR_UNLIKELY(life == IS_NO_LOCAL && weir__ends_before(c, arg)))
        weir__misuse(function,
                     "the argument lies in memory of a request or block that ends before this "
                     "context does: weir_alloc it in this context, or let weir_detach copy it");
}

/* --- frames that are left in other ways --------------------------------------------------- */

static struct weir__ctx *busy_since(const struct weir__fiber *f, uint64_t seq)
{
    WEIR_LIST_EACH(node, &f->opened) {
        struct weir__ctx *c = WEIR_CONTAINER(node, struct weir__ctx, in_opener);
        WEIR_ASSERT(c->opener == f, "C5: who is on a fiber's `opened` was opened by it");
        if (c->seq <= seq)
            continue;
        c->is_unwound = c->is_closing = true;
        if (c->fibers > 0)
            return c;
    }
    return NULL;
}

/* The end of the stack that the frames of these scopes may have reached. */
static const char *lowest_since(const struct weir__fiber *f, uint64_t seq, const char *lowest)
{
    for (const struct weir__ctx *c = f->scope; c != NULL && c->seq > seq; c = c->outer_scope) {
        WEIR_ASSERT(c->is_scope && c->opener == f, "C5: the chain has a fiber's own scopes");
        if ((const char *)c->opened_sp < lowest)
            lowest = c->opened_sp;
    }
    return lowest;
}

static __attribute__((noinline)) void join_all(struct weir__fiber *f, uint64_t seq)
{
    for (struct weir__ctx *c; (c = busy_since(f, seq)) != NULL;) {
        weir__ctx_cancel_fibers(c);
        weir__ctx_await_fibers(c, c->site);
    }
}

/*
 * Frames that were jumped out of may lie below this one: it goes below them, joins from there, and
 * ends what nobody else will.
 */
static __attribute__((noinline)) void join_from_below(struct weir__fiber *f, uint64_t seq)
{
    const char *here = __builtin_frame_address(0);
    const char *lowest = lowest_since(f, seq, here);
    WEIR_ASSERT(lowest <= here, "C5: frames that were left lie below the one that joins");
    volatile char *below = __builtin_alloca((size_t)(here - lowest) + 64);
    below[0] = 0;
    join_all(f, seq);
    while (f->scope != NULL && f->scope->seq > seq && f->scope->is_abandoned)
        weir__ctx_end(f->scope);
    below[0] = 1; /* so it is there all the time */
}

void weir__scope_join_since(uint64_t seq)
{
    struct weir__fiber *f = weir__self->current;
    bool has_abandoned = f->scope != NULL && f->scope->seq > seq && f->scope->is_abandoned;
    if (WEIR_UNLIKELY(has_abandoned || busy_since(f, seq) != NULL))
        join_from_below(f, seq);
}

bool weir__scope_left_since(uint64_t seq, const weir_site **site)
{
    bool has_jumped = false;
    for (struct weir__ctx *c = weir__self->current->scope; c != NULL && c->seq > seq;
         c = c->outer_scope) {
        WEIR_ASSERT(c->opener == weir__self->current, "C5: the chain has a fiber's own scopes");
        if (!c->is_unwound) {
            has_jumped = true;
            *site = c->site;
        }
        c->is_abandoned = true;
    }
    weir__scope_join_since(seq);
    return has_jumped;
}

void weir__scope_must_be_in(const struct weir__fiber *f, const void *sp)
{
    struct weir__ctx *c = f->scope;
    WEIR_ASSERT(c->is_scope, "C5: the chain has scopes alone");
    if (WEIR_LIKELY(c->is_unwound || (const char *)sp <= (const char *)c->opened_sp))
        return;
    const weir_site *site = c->site;
    for (; c != NULL && (const char *)sp > (const char *)c->opened_sp; c = c->outer_scope)
        c->is_abandoned = true;
    weir__misuse("WEIR_SCOPE", "of the context opened at %s:%d: " WEIR__SCOPE_LEFT,
                 site != NULL ? site->file : "?", site != NULL ? site->line : 0);
}
