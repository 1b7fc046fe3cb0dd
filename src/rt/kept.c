/*
 * Data that outlives its request must not point into it. A string of a request is a view of bytes
 * that are another client's a moment later; who keeps the view in detached work, or sends it to
 * another request, would read those, and nothing would tell.
 *
 * So what weir_detach copies, and what goes to a channel or topic of another tree of contexts, is
 * looked through for addresses of the request's memory: its contexts' arenas, its received bytes,
 * the stack of the fiber that hands it over. A number that happens to be such an address is
 * possible, and less likely than a broken memory chip. Of what WEIR_GO, weir_defer and timers are
 * given the address alone is looked at, in whatever context it is kept. What is kept in a static is
 * found by the trap (base/trap.h) and by AddressSanitizer.
 */
#include <string.h>

#include "base/assert.h"
#include "rt/fiber.h"
#include "rt/panic.h"
#include "rt/worker.h"

#define SPANS_MAX 64 /* a request with more pieces is looked at as far as that */

struct span {
    uintptr_t lo, hi;
    const char *what;
};

struct spans {
    size_t count;
    uintptr_t lo, hi; /* around all of them */
    struct span span[SPANS_MAX];
};

size_t (*weir__exchange_piece)(const void *exchange, size_t nth, const void **at);

static void add(struct spans *s, const void *at, size_t size, const char *what)
{
    if (s->count == SPANS_MAX)
        return;
    struct span span = {(uintptr_t)at, (uintptr_t)at + size, what};
    WEIR_ASSERT(span.lo <= span.hi, "K1: a piece of memory does not pass the end of it");
    s->span[s->count++] = span;
    s->lo = span.lo < s->lo ? span.lo : s->lo;
    s->hi = span.hi > s->hi ? span.hi : s->hi;
}

/* The arenas from `c` up to the top of its tree; what is above lives longer than any request. */
static void add_contexts(struct spans *s, const struct weir__ctx *c)
{
    const void *at;
    size_t size;
    for (; c != NULL && c->top != NULL; c = c->parent) {
        WEIR_ASSERT(c->worker == weir__self, "C2: its worker looks into a context's memory");
        for (size_t i = 0; (size = weir__arena_piece(&c->arena, i, &at)) > 0; i++)
            add(s, at, size, "memory of its context");
    }
}

static void add_exchange(struct spans *s, const struct weir__ctx *c)
{
    const void *at;
    size_t size;
    if (c->exchange == NULL || weir__exchange_piece == NULL)
        return;
    for (size_t i = 0; (size = weir__exchange_piece(c->exchange, i, &at)) > 0; i++)
        add(s, at, size, "the bytes that were received");
}

static const struct span *find(const struct spans *s, uintptr_t p)
{
    if (WEIR_LIKELY(p < s->lo || p >= s->hi))
        return NULL;
    for (size_t i = 0; i < s->count; i++) {
        if (p >= s->span[i].lo && p < s->span[i].hi)
            return &s->span[i];
    }
    return NULL;
}

/* --- arguments ---------------------------------------------------------------------------- */

/* Does `x` last as long as `c`: is it `c`, or above it? */
static bool is_above(const struct weir__ctx *x, const struct weir__ctx *c)
{
    while (c != NULL && c != x && c->depth > x->depth)
        c = c->parent;
    return c == x;
}

static bool is_between(const void *p, const void *lo, const void *hi)
{
    return (const char *)p >= (const char *)lo && (const char *)p < (const char *)hi;
}

static bool is_in_memory_of(const struct weir__ctx *x, const void *p)
{
    const void *at;
    size_t size;
    for (size_t i = 0; (size = weir__arena_piece(&x->arena, i, &at)) > 0; i++) {
        if (is_between(p, at, (const char *)at + size))
            return true;
    }
    return false;
}

static bool is_received(const void *exchange, const void *p)
{
    const void *at;
    size_t size;
    for (size_t i = 0; (size = weir__exchange_piece(exchange, i, &at)) > 0; i++) {
        if (is_between(p, at, (const char *)at + size))
            return true;
    }
    return false;
}

/*
 * Contexts that this fiber works in and that do not last as long as `c`: mostly none, so that
 * nothing is looked through.
 */
bool weir__ends_before(const struct weir__ctx *c, const void *arg)
{
    const struct weir__fiber *f = weir__fiber_self();
    const struct weir__ctx *own = f != NULL ? f->ctx : NULL;
    if (arg == NULL || own == NULL)
        return false;
    WEIR_LIST_EACH(node, &f->opened) {
        const struct weir__ctx *x = WEIR_CONTAINER(node, struct weir__ctx, in_opener);
        WEIR_ASSERT(x->opener == f, "C5: who is on a fiber's `opened` was opened by it");
        if (WEIR_UNLIKELY(!is_above(x, c)) && is_in_memory_of(x, arg))
            return true;
    }
    for (const struct weir__ctx *x = own; x != NULL && x->top != NULL; x = x->parent) {
        if (WEIR_LIKELY(is_above(x, c)))
            break;
        const struct weir__fiber *opener = x->opener;
        if (is_in_memory_of(x, arg) ||
            (opener != NULL && is_between(arg, opener->stack_lo, opener->stack_hi)))
            return true;
    }
    return own->exchange != NULL && own->exchange != c->exchange && weir__exchange_piece != NULL &&
           is_received(own->exchange, arg);
}

/* --- data --------------------------------------------------------------------------------- */

void weir__refuse_kept(const struct weir__ctx *c, const void *data, size_t size,
                       const char *function)
{
    const struct weir__fiber *f = weir__fiber_self();
    struct spans s;
    if (size < sizeof(void *) || f == NULL)
        return;
    s.count = 0;
    s.lo = UINTPTR_MAX;
    s.hi = 0;
    add(&s, f->stack_lo, (size_t)(f->stack_hi - f->stack_lo), "the stack of this fiber");
    WEIR_ASSERT(s.lo < s.hi, "K1: there is a stack whose addresses are refused");
    add_exchange(&s, c);
    add_contexts(&s, c);
    if (f->ctx != NULL && f->ctx != c && f->ctx->worker != NULL)
        add_contexts(&s, f->ctx);
    for (size_t at = 0; at + sizeof(void *) <= size; at += sizeof(void *)) {
        uintptr_t p;
        memcpy(&p, (const char *)data + at, sizeof p);
        const struct span *in = find(&s, p);
        if (WEIR_UNLIKELY(in != NULL))
            weir__misuse(function,
                         "byte %zu of the data begins an address of this request's memory (%s), "
                         "another's by the time it is used: copy what it points to, or pass an id "
                         "(bytes never written count: begin with = {0})",
                         at, in->what);
    }
}
