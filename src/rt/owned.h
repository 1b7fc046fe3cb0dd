/*
 * What a context owns. Each resource embeds a weir__owned; the record is there before the resource
 * is opened, so there is no moment at which it could be lost. At the context's end they are
 * released in reverse order.
 */
#ifndef WEIR_RT_OWNED_H
#define WEIR_RT_OWNED_H

#include "base/list.h"
#include <weir/buf.h>
#include <weir/ctx.h>

#define WEIR__STACK_DEPTH 12

struct weir__ctx;
struct weir__owned;

struct weir__owned_type {
    const char *name; /* "lease", "rows", "transaction", "lock" */
    /*
     * Gives the resource back. Called with `o` already unlinked, in a shield; may wait. The memory
     * of `o` may be the context's own: it is valid until all has been released.
     */
    void (*release)(struct weir__owned *o);
    /* Appends details: "of pool orders". May be NULL. */
    void (*describe)(const struct weir__owned *o, weir_buf *out);
    /*
     * Leaving it to the end of a context that ends well is a mistake, to be reported with the
     * acquirer's stack. May be NULL (never), else asked at the end: true reports.
     */
    bool (*is_mistake)(const struct weir__owned *o);
    bool acts; /* while it is owned it may start a fiber in its context by itself (deadlock.h) */
};

struct weir__owned {
    struct weir__list link; /* weir__ctx.owned, newest first */
    const struct weir__owned_type *type;
    struct weir__ctx *ctx;
    const weir_site *site;
    weir_time since;
    /* Return addresses of the acquirer, 0-terminated; none unless is_mistake is set. */
    void *stack[WEIR__STACK_DEPTH];
};

/* Puts `o` under the context. It cannot fail: reserve first, then open. */
void weir__own(struct weir__ctx *c, struct weir__owned *o, const struct weir__owned_type *type,
               const weir_site *site);

/*
 * Takes it out again without releasing: given back by hand, or adopted by another context.
 * Idempotent.
 */
void weir__disown(struct weir__owned *o);

/* For `is_mistake` of what must be given back in any case. */
bool weir__is_always_mistake(const struct weir__owned *o);

/* True while a context owns it. */
static inline bool weir__is_owned(const struct weir__owned *o)
{
    return o->link.next != 0 && !weir__list_empty(&o->link);
}

/*
 * Reports a mistake: a counter by site, and a log line with site, age, route and stack (watch.h).
 */
void weir__report_leak(const struct weir__owned *o, const char *what);

/*
 * Reports a wait that has lasted for long and has no deadline, in the same way: the place is where
 * that was made what it waits for, the stack the one that waits. On the fiber's worker.
 */
struct weir__wait;
void weir__report_wait(const struct weir__wait *w);

/*
 * Sites with reports so far, most recent last; returns how many were written. For /metrics and
 * tests.
 */
struct weir__leak_site {
    const char *kind; /* weir__owned_type.name */
    const weir_site *site;
    uint64_t count;
};
size_t weir__leak_sites(struct weir__leak_site *out, size_t max);
uint64_t weir__leak_total(void);

#endif
