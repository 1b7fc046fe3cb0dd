/*
 * Contexts: opening, cancelling, ending. They live in slabs that are never unmapped and carry a
 * generation, which the handle repeats in its upper 16 bits: a handle of an ended context is
 * noticed by one comparison.
 *
 * The hard thing is the end: children first (their fibers unwind by themselves, this fiber waits
 * for them), then what it owns in reverse order under a shield, then the memory. It is the same for
 * every way in which a context may end, because it is the only way.
 */
#include "rt/context.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "os/sys.h"
#include "rt/panic.h"
#include "rt/runtime.h"
#include "rt/scope.h"
#include "rt/try.h"

#define SLAB_BYTES (64u << 10)
#define FIBERS_MAX_DEFAULT 10000
#define RELEASE_NS 1000000000 /* how long the release of one resource may wait */

static pthread_mutex_t slab_lock = PTHREAD_MUTEX_INITIALIZER;
static struct weir__ctx *slab_free; /* of all threads that are gone, and new slabs */

/* --- memory of contexts ------------------------------------------------------------------- */

static bool add_slab(void)
{
    struct weir__ctx *slab =
        weir__sys_mmap(SLAB_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    if (slab == NULL)
        return false;
    for (size_t i = SLAB_BYTES / sizeof *slab; i-- > 0;) {
        slab[i].gen = 1;
        slab[i].next_free = slab_free;
        slab_free = &slab[i];
    }
    return true;
}

static struct weir__ctx *take_from_slab(void)
{
    pthread_mutex_lock(&slab_lock);
    struct weir__ctx *c = slab_free != NULL || add_slab() ? slab_free : NULL;
    if (c != NULL)
        slab_free = c->next_free;
    pthread_mutex_unlock(&slab_lock);
    WEIR_ASSERT(c == NULL || c->gen != 0, "C8: a generation is never 0");
    return c;
}

static void give_to_slab(struct weir__ctx *c)
{
    pthread_mutex_lock(&slab_lock);
    c->next_free = slab_free;
    slab_free = c;
    pthread_mutex_unlock(&slab_lock);
}

static struct weir__ctx *take(struct weir__worker *w)
{
    struct weir__ctx *c = w != NULL ? w->free_ctxs : NULL;
    if (WEIR_UNLIKELY(c == NULL))
        return take_from_slab();
    w->free_ctxs = c->next_free;
    return c;
}

static void give(struct weir__worker *w, struct weir__ctx *c)
{
    if (++c->gen == 0)
        c->gen = 1;
    if (w == NULL) {
        give_to_slab(c);
        return;
    }
    WEIR_ASSERT(w == weir__self, "C2: its worker takes a context back");
    c->next_free = w->free_ctxs;
    w->free_ctxs = c;
}

void weir__ctx_drain_free(struct weir__worker *w)
{
    WEIR_ASSERT(w == weir__self, "C2: its worker gives its idle contexts away");
    while (w->free_ctxs != NULL) {
        struct weir__ctx *c = w->free_ctxs;
        w->free_ctxs = c->next_free;
        give_to_slab(c);
    }
}

/* --- opening ------------------------------------------------------------------------------ */

static void on_deadline(struct weir__timer *t)
{
    struct weir__ctx *c = WEIR_CONTAINER(t, struct weir__ctx, timer);
    WEIR_ASSERT(c->deadline_owner == c, "C1: a deadline's timer is of the context that has it");
    weir__ctx_cancel(c, WEIR_REASON_DEADLINE);
}

static void init(struct weir__ctx *c, const weir_site *site)
{
    c->reason = WEIR_REASON_NONE;
    c->is_closing = c->is_shielded = c->is_ok = c->is_fiber = c->has_given = false;
    c->deferred = 0;
    c->fibers = 0;
    c->fibers_max = FIBERS_MAX_DEFAULT;
    c->parent = NULL;
    c->top = NULL;
    weir__list_init(&c->sibling);
    weir__list_init(&c->children);
    weir__list_init(&c->waits);
    weir__list_init(&c->owned);
    c->site = site;
    c->deadline = weir_never();
    c->deadline_owner = NULL;
    weir__timer_init(&c->timer, on_deadline);
    c->error = NULL;
    c->values = NULL;
    c->tokens = NULL;
    weir__list_init(&c->joiners);
    c->join_err = WEIR_OK;
    c->join_oks = 0;
    c->join_mode = WEIR_JOIN_ALL;
    c->awaits_children = false;
    c->origin = NULL;
    c->exchange = NULL;
    c->opener = NULL;
    c->opened_sp = NULL;
    c->is_opened = c->is_scope = c->is_unwound = c->is_abandoned = false;
    c->depth = 0;
}

struct weir__ctx *weir__ctx_new_top(struct weir__worker *w, struct weir__ctx *parent,
                                    size_t memory_max)
{
    struct weir__ctx *c = take(NULL);
    if (c == NULL)
        return NULL;
    init(c, NULL);
    c->worker = w;
    c->parent = parent;
    weir__arena_init(&c->arena, NULL, 0, memory_max);
    return c;
}

static void inherit(struct weir__ctx *c, const struct weir__ctx *parent)
{
    c->reason = parent->reason;
    c->origin = parent->origin;
    c->exchange = parent->exchange;
    c->deadline = parent->deadline;
    c->deadline_owner = parent->deadline_owner;
}

struct weir__ctx *weir__ctx_new(struct weir__ctx *parent, weir_time deadline, size_t memory_max,
                                const weir_site *site)
{
    struct weir__worker *w = weir__self;
    struct weir__ctx *c = take(w);
    if (WEIR_UNLIKELY(c == NULL))
        return NULL;
    init(c, site);
    c->worker = w;
    c->parent = parent;
    inherit(c, parent);
    if (deadline.ns < c->deadline.ns) {
        c->deadline = deadline;
        c->deadline_owner = c;
    }
    WEIR_ASSERT(c->deadline.ns <= parent->deadline.ns, "C1: no later than its parent's deadline");
    WEIR_ASSERT(parent->worker == w, "C2: what is below a context is of its worker");
    c->opener = w->current;
    c->depth = (uint16_t)(parent->depth + 1);
    bool is_top = parent == w->root;
    c->top = is_top ? c : parent->top;
    size_t most = is_top ? w->runtime->options.request_memory_max : SIZE_MAX;
    weir__arena_init(&c->arena, NULL, 0, memory_max != 0 && memory_max < most ? memory_max : most);
    c->arena.outer = is_top ? NULL : &parent->arena;
    weir__list_push_front(&parent->children, &c->sibling);
    c->seq = ++w->next_ctx_seq;
    weir__count(&w->stats.contexts, 1);
    return c;
}

void weir__ctx_originate(struct weir__ctx *c, const char *route)
{
    WEIR_ASSERT(weir__list_empty(&c->children), "C6: what is below a request works for it");
    struct weir__origin *o = &c->own_origin;
    o->route = route;
    o->request_id = (weir_str){NULL, 0};
    o->number = c->seq;
    memset(o->caller.trace_id, 0, sizeof o->caller.trace_id);
    c->origin = o;
}

/* --- cancelling --------------------------------------------------------------------------- */

weir_err weir__reason_err(weir_reason reason)
{
    static const weir_err codes[] = {
        [WEIR_REASON_NONE] = WEIR_OK,
        [WEIR_REASON_DEADLINE] = WEIR_ETIMEDOUT,
        [WEIR_REASON_CLIENT_GONE] = WEIR_ECLIENTGONE,
        [WEIR_REASON_SHUTDOWN] = WEIR_ESHUTDOWN,
        [WEIR_REASON_CALLER] = WEIR_ECANCELED,
        [WEIR_REASON_BUDGET] = WEIR_EBUDGET,
        [WEIR_REASON_DEADLOCK] = WEIR_EDEADLK,
    };
    WEIR_ASSERT((unsigned)reason < sizeof codes / sizeof codes[0],
                "C11: each reason has its error");
    return codes[reason];
}

static bool shield_holds(const struct weir__ctx *c)
{
    return c->is_shielded && weir__self->now.ns < c->shield_until.ns;
}

/* It alone: who waits in it fails, unless a shield holds. */
static void cancel_one(struct weir__ctx *c, weir_reason reason)
{
    WEIR_ASSERT(c->worker == weir__self, "C2: its worker cancels a context");
    if (c->reason == WEIR_REASON_NONE)
        c->reason = (uint8_t)reason;
    weir__timer_disarm(&c->timer);
    if (shield_holds(c))
        return;
    WEIR_LIST_EACH(node, &c->waits)
        weir__wait_abort(WEIR_CONTAINER(node, struct weir__wait, in_ctx),
                         weir__reason_err(c->reason));
}

/* The first of a list of siblings, from `node` on, that is not cancelled yet; NULL: none is. */
static struct weir__ctx *first_alive(struct weir__list *node, const struct weir__list *end)
{
    for (; node != end; node = node->next) {
        struct weir__ctx *c = WEIR_CONTAINER(node, struct weir__ctx, sibling);
        if (c->reason == WEIR_REASON_NONE)
            return c;
    }
    return NULL;
}

/* Without recursion, since programs decide how deep contexts lie. */
void weir__ctx_cancel(struct weir__ctx *top, weir_reason reason)
{
    cancel_one(top, reason);
    struct weir__ctx *c = top, *next = first_alive(c->children.next, &c->children);
    while (next != NULL || c != top) {
        if (next == NULL) {
            next = first_alive(c->sibling.next, &c->parent->children);
            c = c->parent;
            continue;
        }
        WEIR_ASSERT(next->parent == c && c->reason != WEIR_REASON_NONE,
                    "C1: what is above cancels with its reason");
        cancel_one(next, c->reason);
        c = next;
        next = first_alive(c->children.next, &c->children);
    }
}

struct weir__ctx *weir__ctx_next_below(const struct weir__ctx *top, struct weir__ctx *c)
{
    if (!weir__list_empty(&c->children))
        return WEIR_CONTAINER(c->children.next, struct weir__ctx, sibling);
    for (; c != top; c = c->parent) {
        if (c->sibling.next != &c->parent->children)
            return WEIR_CONTAINER(c->sibling.next, struct weir__ctx, sibling);
    }
    return NULL;
}

void weir__ctx_extend(struct weir__ctx *c, weir_time deadline)
{
    struct weir__ctx *at = c;
    if (c->deadline_owner != c || c->reason != WEIR_REASON_NONE || deadline.ns <= c->deadline.ns)
        return;
    do {
        WEIR_ASSERT(at->worker == c->worker, "C2: what is below a context is of its worker");
        if (at->deadline_owner == c)
            at->deadline = deadline;
        at = weir__ctx_next_below(c, at);
    } while (at != NULL);
    if (weir__timer_armed(&c->timer))
        weir__timer_arm(&c->worker->wheel, &c->timer, deadline);
}

weir_err weir__ctx_check(struct weir__ctx *c)
{
    struct weir__ctx *root = weir__self->root;
    weir_reason reason = c->reason;
    if (weir__ctx_is_shared(c) && root != NULL)
        reason = root->reason;
    if (WEIR_LIKELY(reason == WEIR_REASON_NONE && weir__self->now.ns < c->deadline.ns))
        return WEIR_OK;
    if (shield_holds(c))
        return WEIR_OK;
    if (reason == WEIR_REASON_NONE) {
        WEIR_ASSERT(c->deadline_owner != NULL, "C1: a deadline that has passed is somebody's");
        weir__ctx_cancel(c->deadline_owner, WEIR_REASON_DEADLINE);
        reason = WEIR_REASON_DEADLINE;
    }
    return weir__reason_err(reason);
}

/* --- ending ------------------------------------------------------------------------------- */

/* Its fibers are of the same tree as it. */
static bool is_join_stuck(const struct weir__wait *w, const struct weir__ctx *top)
{
    const struct weir__ctx *c = w->object;
    return c->top == top;
}

static void describe_join(const struct weir__wait *w, weir_buf *out)
{
    const struct weir__ctx *c = w->object;
    weir_buf_printf(out, "%u fibers", c->fibers);
    if (c->site != NULL)
        weir_buf_printf(out, " of the context opened at %s:%d", c->site->file, c->site->line);
}

static const struct weir__wait_type join_wait = {.name = "join",
                                                 .abandon = weir__wait_never_abandoned,
                                                 .describe = describe_join,
                                                 .is_stuck = is_join_stuck};

static void await(struct weir__ctx *c, const weir_site *site)
{
    struct weir__wait wait;
    WEIR_ASSERT(c->worker == weir__self, "C2: fibers of its worker wait for a context");
    weir__scope_check(weir__self->current);
    weir__wait_init(&wait, &join_wait, c, site, c);
    weir__list_push_back(&c->joiners, &wait.in_object);
    (void)weir__park(&wait, weir_never());
}

void weir__ctx_await_fibers(struct weir__ctx *c, const weir_site *site)
{
    if (c->fibers > 0)
        await(c, site);
}

void weir__ctx_await_children(struct weir__ctx *c)
{
    WEIR_ASSERT(c == weir__self->root && !c->awaits_children,
                "C4: a root's end waits for contexts");
    if (c->fibers == 0 && weir__list_empty(&c->children))
        return;
    c->awaits_children = true;
    await(c, NULL);
    c->awaits_children = false;
}

void weir__ctx_wake_joiners(struct weir__ctx *c)
{
    if (c->fibers > 0 || (c->awaits_children && !weir__list_empty(&c->children)))
        return;
    WEIR_ASSERT(c->worker == weir__self, "C4: its worker wakes who joins");
    while (weir__wake_first(&c->joiners, WEIR_OK))
        ;
}

/*
 * A mistake is a mistake only in a context that ended well: a failing one leaves things by design.
 */
static void report_if_mistake(const struct weir__ctx *c, const struct weir__owned *o)
{
    if (c->is_ok && o->type->is_mistake != NULL && o->type->is_mistake(o))
        weir__report_leak(o, "left open at the end of its context");
}

static void call_release(void *owned)
{
    struct weir__owned *o = owned;
    o->type->release(o);
}

/*
 * A release that panics costs itself alone: what else the context owns is released all the same,
 * and it ends.
 */
static void release_one(struct weir__owned *o)
{
    struct weir__panic_info info;
    if (WEIR_UNLIKELY(!weir__try(call_release, o, &info)))
        weir__panic_log(weir__self->current, &info);
}

static void release_owned(struct weir__ctx *c)
{
    struct weir__list *node;
    c->is_shielded = true;
    while ((node = weir__list_pop_front(&c->owned)) != NULL) {
        struct weir__owned *o = WEIR_CONTAINER(node, struct weir__owned, link);
        WEIR_ASSERT(o->ctx == c, "C7: what a context releases is its own");
        c->shield_until = weir_time_add(weir__self->now, weir_ns(RELEASE_NS));
        report_if_mistake(c, o);
        release_one(o);
    }
    c->is_shielded = false;
}

/* Its fibers are told to end, and waited for; no more are started. */
static void end_fibers(struct weir__ctx *c)
{
    c->is_closing = true;
    if (c->fibers > 0) {
        weir__ctx_cancel_fibers(c);
        weir__ctx_await_fibers(c, c->site);
        WEIR_ASSERT(c->fibers == 0, "C4: in a context that closes none is started any more");
    }
}

/*
 * A fiber that does not run in it may wait with its handle all the same; it hears that this is
 * over, and goes on with a handle that is dead.
 */
static void end_waits(struct weir__ctx *c)
{
    while (!weir__list_empty(&c->waits)) {
        cancel_one(c, WEIR_REASON_CALLER);
        weir__fiber_yield();
    }
}

/* The last of a context that has no fibers, no children, and owns nothing. */
static void finish(struct weir__ctx *c)
{
    struct weir__worker *w = c->worker;
    if (WEIR_UNLIKELY(!weir__list_empty(&c->waits)))
        end_waits(c);
    WEIR_ASSERT(c->fibers == 0 && weir__list_empty(&c->children) && weir__list_empty(&c->waits) &&
                    weir__list_empty(&c->owned),
                "C3: an ended context holds nothing");
    WEIR_ASSERT(weir__list_empty(&c->joiners), "C4: nobody waits for a context that has ended");
    weir__timer_disarm(&c->timer);
    if (c->is_opened)
        weir__scope_forget(c);
    if (c->tokens != NULL)
        weir__tokens_end(c);
    weir__arena_fini(&c->arena);
    weir__list_remove(&c->sibling);
    if (WEIR_UNLIKELY(c->parent != NULL && c->parent->awaits_children))
        weir__ctx_wake_joiners(c->parent);
    if (w != NULL && c != w->root)
        weir__count(&w->stats.contexts, -1);
    give(w, c);
}

static bool has_children(const struct weir__ctx *c)
{
    return c->fibers > 0 || !weir__list_empty(&c->children);
}

/*
 * Fibers, then contexts below, then what it owns. What is released may open and own again, for its
 * own purposes: until there is nothing more. Without recursion, since programs decide how deep
 * contexts lie.
 */
void weir__ctx_release(struct weir__ctx *top)
{
    struct weir__ctx *c = top;
    for (;;) {
        end_fibers(c);
        if (WEIR_UNLIKELY(!weir__list_empty(&c->children))) {
            struct weir__ctx *child = WEIR_CONTAINER(c->children.next, struct weir__ctx, sibling);
            child->is_ok = c->is_ok;
            c = child;
            continue;
        }
        if (!weir__list_empty(&c->owned))
            release_owned(c);
        if (WEIR_UNLIKELY(has_children(c)))
            continue;
        if (c == top)
            return;
        struct weir__ctx *parent = c->parent;
        finish(c);
        c = parent;
    }
}

void weir__ctx_give_root(struct weir__worker *w)
{
    WEIR_ASSERT(w->root->fibers == 0 && weir__list_empty(&w->root->children),
                "C3: a root goes when nothing is below it");
    WEIR_ASSERT(w->root->worker == w, "C2: a worker gives its own root");
    weir__arena_fini(&w->root->arena);
    give(NULL, w->root);
    w->root = NULL;
}

void weir__ctx_end(struct weir__ctx *c)
{
    c->is_closing = true;
    if (WEIR_UNLIKELY(has_children(c) || !weir__list_empty(&c->owned)))
        weir__ctx_release(c);
    finish(c);
}

/* The newest sub-context of `c` that was opened after `seq` and is no fiber's; NULL: none. */
static struct weir__ctx *opened_since(const struct weir__ctx *c, uint64_t seq)
{
    WEIR_LIST_EACH(node, &c->children) {
        struct weir__ctx *child = WEIR_CONTAINER(node, struct weir__ctx, sibling);
        WEIR_ASSERT(child->parent == c, "C1: who is on `children` is below");
        if (child->seq <= seq)
            return NULL;
        if (!child->is_fiber)
            return child;
    }
    return NULL;
}

void weir__ctx_end_since(struct weir__ctx *c, uint64_t seq)
{
    struct weir__ctx *child;
    while ((child = opened_since(c, seq)) != NULL)
        weir__ctx_end(child);
}

void weir__ctx_cancel_fibers(struct weir__ctx *c)
{
    WEIR_LIST_EACH(node, &c->children) {
        struct weir__ctx *child = WEIR_CONTAINER(node, struct weir__ctx, sibling);
        WEIR_ASSERT(child->parent == c, "C1: who is on `children` is below");
        if (child->is_fiber && child->reason == WEIR_REASON_NONE)
            weir__ctx_cancel(child, c->reason != 0 ? c->reason : WEIR_REASON_CALLER);
    }
}

/* --- memory in contexts ------------------------------------------------------------------- */

void *weir__ctx_alloc(struct weir__ctx *c, size_t size)
{
    void *p = weir__arena_alloc(&c->arena, size);
    if (WEIR_UNLIKELY(p == NULL) && c->arena.is_over_budget && c->reason == WEIR_REASON_NONE)
        weir__ctx_cancel(c, WEIR_REASON_BUDGET);
    return p;
}

/* What lives as long as the application's context: on the heap, freed when that ends. */
struct shared_object {
    struct weir__owned owned;
    _Alignas(16) char bytes[];
};

static void free_shared(struct weir__owned *o)
{
    weir__free(WEIR_CONTAINER(o, struct shared_object, owned));
}

static const struct weir__owned_type shared_object_type = {.name = "memory",
                                                           .release = free_shared};

void *weir__ctx_object(struct weir__ctx *c, size_t size)
{
    if (!weir__ctx_is_shared(c)) {
        void *p = weir__ctx_alloc(c, size);
        return p != NULL ? memset(p, 0, size) : NULL;
    }
    size_t bytes;
    if (__builtin_add_overflow(size, sizeof(struct shared_object), &bytes))
        return NULL;
    struct shared_object *o = weir__calloc(1, bytes);
    if (o == NULL)
        return NULL;
    weir__own(c, &o->owned, &shared_object_type, NULL);
    return o->bytes;
}

/* --- misuse ------------------------------------------------------------------------------- */

void weir__ctx_misuse(const weir_ctx *handle, const char *function)
{
    const struct weir__ctx *c =
        (const struct weir__ctx *)((uintptr_t)handle & 0x0000ffffffffffffULL);
    if (c == NULL)
        weir__misuse(function, "the context is NULL");
    if (c->gen == (uint16_t)((uintptr_t)handle >> 48))
        weir__misuse(function, "the context belongs to another worker: pass data through a channel "
                               "of the application's context, not the context itself");
    weir__misuse(function, "the context has ended: work that goes on after its request is started "
                           "with weir_detach, which copies the data it needs and has a deadline");
}
