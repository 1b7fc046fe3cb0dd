/*
 * The inside of a context. A weir_ctx * (the public handle) is the address of a weir__ctx with the
 * generation in its upper 16 bits; weir__ctx_of checks and strips it. Contexts live in memory that
 * is never unmapped, so a stale handle finds another generation, not a fault.
 *
 * C1: a context is on its parent's `children` until it is closed; its deadline is not later than
 *     the parent's.
 * C2: only fibers of its worker touch it; what the application's context (worker == NULL) owns is
 *     under `app_lock`.
 * C3: when it is closed it has no children, no fibers, no waits, and owns nothing.
 * C4: who waits for its fibers is on `joiners`, and woken when the last of them has ended.
 * C5: a context that code of a fiber opened (weir_ctx_open, WEIR_SCOPE, WEIR_WITH) is on that
 *     fiber's `opened` until it ends (scope.h).
 * C6: its `origin` is its own, or that of a context above it.
 */
#ifndef WEIR_RT_CONTEXT_H
#define WEIR_RT_CONTEXT_H

#include <stdarg.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/origin.h"
#include "rt/owned.h"
#include "rt/timer.h"
#include "rt/token.h"
#include "rt/wait.h"
#include <weir/ctx.h>
#include <weir/fiber.h>

struct weir__worker;
struct weir__fiber;

struct weir__value {
    const weir_key *key;
    struct weir__value *next;
    /* key->size bytes follow, aligned */
};

struct weir__ctx {
    uint16_t gen;     /* of the handle; never 0 */
    uint8_t reason;   /* weir_reason; own or inherited */
    bool is_closing;  /* no new fibers, no new children */
    bool is_shielded; /* waits go on although cancelled, until shield_until */
    bool is_ok;       /* how it ends: set by the owner before close; mistakes are reported if so */
    bool has_given;   /* a top: others may reach what is in it, so none of its waits is stuck */
    uint32_t fibers;  /* running in it */
    uint32_t fibers_max; /* at a time */
    struct weir__ctx *parent;
    struct weir__ctx *top;       /* of its tree, right below the root; itself, or NULL for a root */
    struct weir__list sibling;   /* parent.children */
    struct weir__list children;  /* weir__ctx.sibling */
    struct weir__list waits;     /* weir__wait.in_ctx */
    struct weir__list owned;     /* weir__owned.link, newest first */
    struct weir__worker *worker; /* NULL: shared, the application's */
    struct weir__fiber *opener;  /* the fiber that opened it; NULL: the runtime */
    const void *opened_sp;       /* stack pointer at that time: older locals outlive a scope */
    struct weir__list in_opener; /* opener.opened, of those that code opened (C5) */
    struct weir__ctx *outer_scope; /* of a scope: the next older one of its fiber */
    const weir_site *site;
    struct weir__arena arena;
    weir_time deadline;
    weir_time shield_until;
    struct weir__ctx *deadline_owner; /* whose timer stands for `deadline`; NULL: none */
    struct weir__timer timer;         /* armed by the first wait under a deadline of its own */
    const struct weir_error *error;
    struct weir__value *values;
    struct weir__token *tokens; /* of what was made in it: weir__token.next */
    struct weir__list joiners;  /* weir__wait.in_object (C4) */
    weir_err join_err;          /* first error of its fibers */
    uint32_t join_oks;          /* fibers that ended well */
    uint8_t join_mode;
    bool awaits_children; /* the joiner waits for the sub-contexts as well: a root's end */
    const struct weir__origin *origin; /* what it works for; inherited; NULL: no request */
    struct weir__origin own_origin;    /* where that is, for a request's and for detached work's */
    void *exchange;                    /* the room http's request; inherited; NULL outside of one */
    struct weir__runtime *runtime; /* of the application's context only: its lock; NULL elsewhere */
    uint64_t seq;                  /* order of opening on its worker; unique in the process */
    bool is_fiber;                 /* it is the own context of a fiber */
    bool is_opened;                /* code opened it, and may close it */
    bool is_scope;                 /* its block joins it on every way out */
    bool is_unwound;               /* a panic is leaving the frames of its block */
    bool is_abandoned;             /* those frames are gone, and it was not closed */
    uint16_t depth;                /* contexts above it */
    uint16_t deferred;             /* calls so far, up to one more than is reported */
    struct weir__ctx *next_free;
};

extern _Thread_local struct weir__worker *weir__self;

WEIR_NORETURN void weir__ctx_misuse(const weir_ctx *c, const char *function);

/*
 * The context behind a handle; a dead handle, or one of another worker, panics with an explanation.
 */
static inline struct weir__ctx *weir__ctx_of_at(const weir_ctx *handle, const char *function)
{
    uintptr_t bits = (uintptr_t)handle;
    struct weir__ctx *c = (struct weir__ctx *)(bits & 0x0000ffffffffffffULL);
    if (WEIR_UNLIKELY(c == NULL || c->gen != (uint16_t)(bits >> 48) ||
                      (c->worker != weir__self && c->worker != NULL)))
        weir__ctx_misuse(handle, function);
    return c;
}
#define weir__ctx_of(handle) weir__ctx_of_at((handle), __func__)

/* The handle of a live context. */
static inline weir_ctx *weir__ctx_handle(const struct weir__ctx *c)
{
    return (weir_ctx *)((uintptr_t)c | (uintptr_t)c->gen << 48);
}

/*
 * Opens a context of this worker below `parent` (worker root, or any other of this worker). NULL:
 * no memory. `deadline`: weir_never() or earlier; `memory_max` 0: the parent's.
 */
struct weir__ctx *weir__ctx_new(struct weir__ctx *parent, weir_time deadline, size_t memory_max,
                                const weir_site *site);

/*
 * Ends it: cancels and joins children and fibers, releases what it owns, frees its memory. May
 * wait.
 */
void weir__ctx_end(struct weir__ctx *c);

/* --- for rt itself -------------------------------------------------------------------------- */

/* The application's context (no worker, no parent) and the workers' roots. */
struct weir__ctx *weir__ctx_new_top(struct weir__worker *w, struct weir__ctx *parent,
                                    size_t memory_max);

/*
 * Releases what a worker's root owns and ends its sub-contexts; the root itself stays for late
 * waits.
 */
void weir__ctx_release(struct weir__ctx *c);

/* The last of a worker's root. */
void weir__ctx_give_root(struct weir__worker *w);

/* Gives a worker's idle contexts to the others. */
void weir__ctx_drain_free(struct weir__worker *w);

/* Contexts above one another at most; what code opens beyond is refused. */
#define WEIR__CTX_DEPTH_MAX 256

/* Cancels the contexts of the fibers that run in `c`, not `c` itself. */
void weir__ctx_cancel_fibers(struct weir__ctx *c);

/*
 * Waits until no fiber runs in `c`; cannot be cancelled, for the fibers are what is being
 * cancelled.
 */
void weir__ctx_await_fibers(struct weir__ctx *c, const weir_site *site);

/* The same, and until no sub-context is left, whoever ends it: for a worker's root. */
void weir__ctx_await_children(struct weir__ctx *c);

/*
 * Set by the room http: the bytes of the `nth` piece of memory of a request that its handlers may
 * have got views of, and where that is; 0: there are no more.
 */
extern size_t (*weir__exchange_piece)(const void *exchange, size_t nth, const void **at);

/* Wakes who joins `c` if what they wait for has come. */
void weir__ctx_wake_joiners(struct weir__ctx *c);

/* Ends the sub-contexts of `c` that were opened after `seq`: a panic has skipped their ends. */
void weir__ctx_end_since(struct weir__ctx *c, uint64_t seq);

/*
 * `c`, or for the application's context the root of this worker: where sub-contexts and fibers
 * hang.
 */
struct weir__ctx *weir__ctx_local(struct weir__ctx *c);

/*
 * Copies the error record of a fiber's context into the one it was started in, unless that has one.
 */
void weir__ctx_hand_up_error(const struct weir__ctx *from, struct weir__ctx *to);

/* --- for all rooms above -------------------------------------------------------------------- */

/* Cancels it and all below it; the first reason stays. On its worker. */
void weir__ctx_cancel(struct weir__ctx *c, weir_reason reason);

/*
 * Makes `c` that of a request: it, and what is opened below it from now on, works for `route`,
 * which lives as long as the application. Neither request id nor caller is known yet: who learns of
 * them writes them into `own_origin`.
 */
void weir__ctx_originate(struct weir__ctx *c, const char *route);

/* The request's id: borrowed from it, or from the detached work; absent: none. */
static inline weir_str weir__ctx_request_id(const struct weir__ctx *c)
{
    return c->origin != NULL ? c->origin->request_id : (weir_str){NULL, 0};
}

/* WEIR_OK, or why waits in it must not begin. Knows shields; looks at the worker's cached clock. */
weir_err weir__ctx_check(struct weir__ctx *c);

/*
 * The context after `c` in the tree below `top`, which is the first; parents come before their
 * children. NULL: that was the last. On the worker of the tree; no recursion.
 */
struct weir__ctx *weir__ctx_next_below(const struct weir__ctx *top, struct weir__ctx *c);

/*
 * Moves the deadline of `c` on, and with it that of all below that have it from `c`; those with an
 * earlier one of their own keep it. Does nothing when `c` has none of its own, or is cancelled.
 */
void weir__ctx_extend(struct weir__ctx *c, weir_time deadline);

/* The error code that stands for a reason. */
weir_err weir__reason_err(weir_reason reason);

/*
 * Not zeroed; NULL past the budget (then the context is cancelled with BUDGET) or without memory.
 */
void *weir__ctx_alloc(struct weir__ctx *c, size_t size);

/* Text in the context's memory, and the error record, for callers with their own `...`. */
weir_str weir__ctx_vprintf(struct weir__ctx *c, const char *format, va_list args) WEIR_PRINTF(2, 0);
weir_err weir__ctx_raise(const weir_site *site, struct weir__ctx *c, weir_err code, int status,
                         const char *format, va_list args) WEIR_PRINTF(5, 0);
/* The record that was raised just now is about that, or has that cause; copied. */
void weir__ctx_error_constraint(struct weir__ctx *c, weir_str constraint);
void weir__ctx_error_cause(struct weir__ctx *c, weir_str cause);

/* The arena for codecs that build results in it. */
static inline struct weir__arena *weir__ctx_arena(struct weir__ctx *c)
{
    return &c->arena;
}

/*
 * Memory for an object that lives as long as `c`: its arena, or the heap for the application's
 * context (which workers share). Zeroed. Freed with the context.
 */
void *weir__ctx_object(struct weir__ctx *c, size_t size);

/* True for the application's context, whose objects all workers share. */
static inline bool weir__ctx_is_shared(const struct weir__ctx *c)
{
    return c->worker == NULL;
}

#endif
