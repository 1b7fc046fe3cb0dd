/*
 * Contexts: the one idea of Weir. A context owns whatever is opened through it (memory, files,
 * leases, rows, locks, timers, child fibers). When it ends, by whatever way, its children are
 * cancelled and joined, what it owns is released in reverse order, and its memory is given back.
 *
 * A weir_ctx * is a handle, not an address: it carries a generation, so that the use of a context
 * after its end is caught at the first call. It belongs to the fiber that it was given to and to
 * that fiber's children, all on one worker. The use of a dead handle, of NULL, or of a context of
 * another worker is misuse: it panics with a message that says what to do instead.
 *
 * On a thread that runs no fibers (a library's, one of pthread_create, those of weir_offload) all
 * functions but those that are said to be for any thread do nothing: they return WEIR_ETHREAD, or
 * what stands for nothing (NULL, 0, a handle of an ended context), and the log names the caller.
 * weir_chan_post is how such a thread reaches a fiber.
 *
 * The application's context alone may be used from every worker: to open things in it, to allocate,
 * to defer. Its values and its error record belong to the start of the service, before there are
 * requests; it is not cancelled, shielded or joined.
 */
#ifndef WEIR_CTX_H
#define WEIR_CTX_H

#include <stdbool.h>
#include <stddef.h>
#include <weir/err.h>
#include <weir/str.h>
#include <weir/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A context. Opaque; handed to every handler and fiber as its first argument. */
typedef struct weir_ctx weir_ctx;

/** A place in the source: who opened, acquired, spawned. Made by WEIR_HERE, lives for ever. */
typedef struct weir_site {
    const char *file;
    const char *func;
    int line;
} weir_site;

/** The place where this macro stands, as a const weir_site * of static storage. */
#define WEIR_HERE                                                                                  \
    (__extension__({                                                                               \
        static const weir_site weir_here_ = {__FILE__, __func__, __LINE__};                        \
        &weir_here_;                                                                               \
    }))

/** Why a context was cancelled. */
typedef enum weir_reason {
    WEIR_REASON_NONE = 0,    /* it was not */
    WEIR_REASON_DEADLINE,    /* its deadline, or an ancestor's, has passed: WEIR_ETIMEDOUT */
    WEIR_REASON_CLIENT_GONE, /* the client closed the connection: WEIR_ECLIENTGONE */
    WEIR_REASON_SHUTDOWN,    /* the service stops: WEIR_ESHUTDOWN */
    WEIR_REASON_CALLER,      /* weir_cancel, or its end was reached: WEIR_ECANCELED */
    WEIR_REASON_BUDGET,      /* its memory budget is used up: WEIR_EBUDGET */
    WEIR_REASON_DEADLOCK     /* all its fibers waited for each other: WEIR_EDEADLK */
} weir_reason;

/** The name of a reason, such as "client gone"; a constant string. */
WEIR_API const char *weir_reason_name(weir_reason reason) WEIR_NEVER_NULL;

/* --- sub-contexts ------------------------------------------------------------------------- */

/** What a sub-context may be given; zero means "as its parent" where nothing else is said. */
typedef struct weir_ctx_options {
    size_t size; /* the macro's */
    /*
     * From now, never later than the parent's; below 0: it has passed. One of less than a
     * millisecond is told in the log, once for each place, because `.timeout = 5` is 5 ns:
     * weir_ms(5) is what was meant.
     */
    weir_dur timeout;
    size_t memory_max;   /* bytes of its arena; never more than the parent has left when it opens */
    uint32_t fibers_max; /* fibers that may run in it at a time; default 10,000 */
} weir_ctx_options;

/**
 * Declares `name`, a context below `parent` that the enclosing block owns: a group of fibers, a
 * step with a deadline. It is closed on every way out of the block (its end, break, return, goto, a
 * panic), so its fibers may be given locals that were declared before it.
 *
 *     struct part parts[3];
 *     WEIR_SCOPE(group, c, .timeout = weir_ms(300));
 *     weir_err err = WEIR_GO(group, ask, &parts[0]);
 *
 * The result of the closing is lost: where fibers run in it, weir_join before the block ends; or
 * call weir_ctx_close, after which the end of the block does nothing. A panic cancels and joins its
 * fibers before it unwinds the first frame. A longjmp is no way out: it is noticed later, and is
 * misuse then.
 *
 * name     of the weir_ctx * that is declared; not to be assigned to
 * parent   as weir_ctx_open
 * ...      members of weir_ctx_options
 * errors   256 contexts above one another: misuse, panics
 * context  fiber; does not wait, the way out may, as weir_ctx_close
 */
#define WEIR_SCOPE(name, ...)                                                                      \
    struct weir_ctx *name __attribute__((cleanup(weir_ctx_leave))) = weir_ctx_enter(__VA_ARGS__)

/**
 * A block with a context of its own, as WEIR_SCOPE: the loop body's friend, for what one turn
 * allocates and opens is gone before the next. What its fibers are given is declared before it: the
 * variables of the block itself are gone when it is left, just before the context is.
 *
 *     WEIR_WITH (turn, c, .timeout = weir_sec(1)) { … use turn … }
 */
#define WEIR_WITH(name, ...)                                                                       \
    for (weir_ctx * name __attribute__((cleanup(weir_ctx_leave))) = weir_ctx_enter(__VA_ARGS__),   \
                         *name##_once = name;                                                      \
         name##_once != NULL; name##_once = NULL)

/** For WEIR_SCOPE and WEIR_WITH: opens what weir_ctx_leave closes in the same block. */
#define weir_ctx_enter(...) WEIR__CTX_ENTER(__VA_ARGS__, )
#define WEIR__CTX_ENTER(parent, ...)                                                               \
    WEIR__CALL(weir_ctx_enter_at, (WEIR_HERE, (parent)), weir_ctx_options, __VA_ARGS__)
/**
 * The function behind weir_ctx_enter. Never inlined: its frame tells which locals are older than
 * the context. The owner is the block.
 */
WEIR_API weir_ctx *weir_ctx_enter_at(const weir_site *site, weir_ctx *parent,
                                     const weir_ctx_options *options) WEIR_MUST_USE
    __attribute__((noinline)) WEIR_NEVER_NULL WEIR_NONNULL(2, 3);

/** Their clean-up: closes `*c` unless it is NULL or has been closed. */
WEIR_API void weir_ctx_leave(weir_ctx **c) WEIR_NONNULL(1);

/**
 * Opens a context below `parent` that no block owns: for one that is kept in a struct, or handed
 * to another function. Its fibers cannot be given locals, since nothing says that they end before
 * the frame does: WEIR_SCOPE says so.
 *
 *     conn->ctx = weir_ctx_open(c, .timeout = weir_ms(300));
 *
 * parent   whose deadline, cancellation and values it inherits; below one that is cancelled already
 *          it is cancelled too. Below the application's it belongs to the calling worker
 * ...      members of weir_ctx_options
 * returns  the context; never NULL: where there is no memory for it, the call panics
 * errors   256 contexts above one another: misuse, panics
 * owner    `parent`: closed with it at the latest, earlier by weir_ctx_close
 * context  fiber; does not wait
 */
#define weir_ctx_open(...) WEIR__CTX_OPEN(__VA_ARGS__, )
#define WEIR__CTX_OPEN(parent, ...)                                                                \
    WEIR__CALL(weir_ctx_open_at, (WEIR_HERE, (parent)), weir_ctx_options, __VA_ARGS__)
/** The function behind weir_ctx_open. */
WEIR_API weir_ctx *weir_ctx_open_at(const weir_site *site, weir_ctx *parent,
                                    const weir_ctx_options *options) WEIR_MUST_USE WEIR_NEVER_NULL
    WEIR_NONNULL(2, 3);

/**
 * Ends a context before its parent ends: cancels and joins its fibers, closes the contexts below
 * it, releases what it owns, newest first, each in a shield of 1 s.
 *
 * c        made by weir_ctx_open, WEIR_SCOPE or WEIR_WITH; its handle is dead afterwards
 * returns  the first error of its fibers since the last weir_join, WEIR_OK when there was none; for
 *          fibers that had to be cancelled that is what they returned, mostly WEIR_ECANCELED
 * errors   from another fiber than the one that opened it, and of a context that Weir has opened (a
 *          request's, a fiber's own, the application's): misuse, panics
 * context  the fiber that opened it; may wait for children to unwind, and for releases
 */
WEIR_API weir_err weir_ctx_close(weir_ctx *c) WEIR_NONNULL(1);
/*
 * Nobody calls this, and it does not exist: it tells the compiler that weir_ctx_close makes a
 * handle dead. weir_ctx_open does not say so, for it would say too that each must be closed.
 */
weir_ctx *weir__ctx_to_close(void) WEIR_ENDED_BY(weir_ctx_close);

/* --- cancellation and time ---------------------------------------------------------------- */

/**
 * Cancels a context and all below it, with WEIR_REASON_CALLER: every wait in it ends now, every
 * further one fails at once. Idempotent; the first reason stays. Nothing is released by it: that is
 * the end's, when the fibers have unwound.
 *
 * c        any but the application's
 * context  a fiber of the context's worker; does not wait (weir_join does)
 */
WEIR_API void weir_cancel(weir_ctx *c) WEIR_NONNULL(1);

/**
 * Why the context is cancelled, shielded or not; WEIR_REASON_NONE while it is not. Looks at the
 * clock.
 */
WEIR_API weir_reason weir_cancel_reason(weir_ctx *c) WEIR_NONNULL(1);

/**
 * The same as an error: WEIR_OK, or the code that a wait would return now. WEIR_OK while a shield
 * holds. For loops that compute; looks at the clock where there is a deadline.
 */
WEIR_API weir_err weir_check(weir_ctx *c) WEIR_MUST_USE WEIR_NONNULL(1);

/** The deadline; weir_never() when there is none. */
WEIR_API weir_time weir_deadline(weir_ctx *c) WEIR_NONNULL(1);

/** What is left until the deadline, never below 0; the largest duration when there is none. */
WEIR_API weir_dur weir_remaining(weir_ctx *c) WEIR_NONNULL(1);

/**
 * Now, on the worker's clock (virtual in simulated tests). Any thread; one that is no worker gets
 * the machine's, which is the workers' but for simulated tests.
 */
WEIR_API weir_time weir_now(void);

/**
 * Lets a clean-up wait in a context that is cancelled: a ROLLBACK, a closing frame. Until the
 * shield's end waits go on as if it were not, but never longer than `limit`: then they return the
 * reason, or WEIR_ETIMEDOUT in a context that is not cancelled. It holds for waits with `c` itself,
 * not for contexts below it.
 *
 * Shields do not nest: while one is open a second changes nothing, and the first weir_unshield ends
 * it.
 *
 * limit    from now, 1 ns to 10 s; a shield without a bound cannot be had: misuse, panics
 * context  fiber, does not wait; pair with weir_unshield, or use WEIR_SHIELD (c, limit) { … }
 */
WEIR_API void weir_shield(weir_ctx *c, weir_dur limit) WEIR_NONNULL(1);

/** Ends the shield; nothing when there is none. */
WEIR_API void weir_unshield(weir_ctx *c) WEIR_NONNULL(1);

/** For WEIR_SHIELD: ends the shield on every way out. */
static inline void weir_unshield_ref(weir_ctx **c)
{
    if (*c != NULL)
        weir_unshield(*c);
}

/** A block under a shield: WEIR_SHIELD (c, weir_ms(500)) { rollback(…); } */
#define WEIR_SHIELD(c, limit)                                                                      \
    for (weir_ctx * weir_shield_                                                                   \
             __attribute__((cleanup(weir_unshield_ref))) = (weir_shield((c), (limit)), (c)),       \
             *weir_shield_once_ = weir_shield_;                                                    \
         weir_shield_once_ != NULL; weir_shield_once_ = NULL)

/* --- memory ------------------------------------------------------------------------------- */

/**
 * Memory that lives until the context ends; nothing to free.
 *
 * size     bytes; 0 is allowed
 * returns  zeroed bytes aligned for any object, or NULL: the budget or the machine's memory is used
 *          up. When it was the budget the context is then cancelled with WEIR_REASON_BUDGET
 * owner    the context
 * limits   the context's memory_max; none for the application's context, which takes from the heap
 * context  fiber; does not wait
 */
WEIR_API void *weir_alloc(weir_ctx *c, size_t size) WEIR_MUST_USE WEIR_ALLOCATES(2) WEIR_NONNULL(1);

/** A zeroed object of type T, as weir_alloc. */
#define weir_new(c, T) ((T *)weir_alloc((c), sizeof(T)))

/**
 * A copy, NUL-terminated behind its end; absent when there is no memory. The copy of the absent
 * string is empty, not absent.
 *
 * s        copied
 * owner    the context, as for weir_alloc
 */
WEIR_API weir_str weir_strdup(weir_ctx *c, weir_str s) WEIR_NONNULL(1);

/**
 * Text as printf writes it, NUL-terminated behind its end, in the context's memory, as for
 * weir_alloc; absent when there is no memory. The values are read during the call.
 */
WEIR_API weir_str weir_sprintf(weir_ctx *c, const char *format, ...) WEIR_PRINTF(2, 3)
    WEIR_NONNULL(1, 2);

/* --- ownership ---------------------------------------------------------------------------- */

/** So many deferred calls in one context are no mistake; more are reported. */
#define WEIR_DEFERRED_MAX 1000

/**
 * Calls `fn(arg)` when the context ends; last in, first out, among all that the context owns.
 *
 * A loop that defers in each turn holds all of it to the end: give each turn a context of its own
 * (WEIR_WITH). Past WEIR_DEFERRED_MAX in one context that is reported, once.
 *
 * fn       runs in a shield of 1 s and may wait, with `c` or a context that lives longer; closes
 *          what it opens below `c`; must not panic
 * arg      captured now; what it points to must live as long as the context. A local, or memory
 *          that does not, is refused, as by WEIR_GO, after `fn` was called
 * returns  WEIR_OK, or -ENOMEM / WEIR_EBUDGET: then `fn` has been called already
 * context  fiber; does not wait
 */
#define weir_defer(c, fn, arg) weir_defer_at(WEIR_HERE, (c), (fn), (arg))
/** The function behind weir_defer. */
WEIR_API weir_err weir_defer_at(const weir_site *site, weir_ctx *c, void (*fn)(void *arg),
                                void *arg) WEIR_MUST_USE WEIR_NONNULL(2, 3);

/* --- values ------------------------------------------------------------------------------- */

/** The largest value that a context carries; larger ones belong into a cache, their id here. */
#define WEIR_VALUE_BYTES_MAX 1024

/** Names a value of a context. Compared by address: one static object a kind of value. */
typedef struct weir_key {
    const char *name; /* for messages */
    size_t size;      /* bytes of the value, at most WEIR_VALUE_BYTES_MAX */
} weir_key;

/**
 * Copies a value into the context, for itself and all contexts below it, in place of an earlier one
 * of that key. Detached work does not see it.
 *
 * key      kept, by its address: of static storage; a local is misuse, and panics
 * value    key->size bytes, copied; what they point to is not
 * returns  WEIR_OK; WEIR_ETOOLARGE past WEIR_VALUE_BYTES_MAX (the error record says what to do
 *          instead); WEIR_EBUDGET, -ENOMEM
 * context  fiber; does not wait
 */
WEIR_API weir_err weir_set(weir_ctx *c, const weir_key *key, const void *value) WEIR_MUST_USE
    WEIR_NONNULL(1, 2, 3);

/**
 * The nearest value of that key in the context or above it, up to the application's.
 *
 * key      the very object that was given to weir_set; compared by address, and not kept
 * returns  key->size bytes, aligned for any object; NULL if there is none
 * owner    the context that it was set in, until that ends; a later weir_set there changes them
 * context  fiber; does not wait
 */
WEIR_API const void *weir_get_value(weir_ctx *c, const weir_key *key) WEIR_NONNULL(1, 2);

/* --- the error record --------------------------------------------------------------------- */

/** What went wrong, for people. Strings are borrowed from the context. */
typedef struct weir_error {
    weir_err code;
    int status;            /* HTTP status, 0 where none was given */
    weir_str message;      /* for the client, or for the log where status is 0 */
    const weir_site *site; /* who raised it */
    weir_str cause;        /* detail for the log only, may be absent */
    weir_str constraint;   /* the constraint that a database named, or table and columns where it
                              names those; absent: none */
} weir_error;

/**
 * Records an error in the context and returns its code, so that `return weir_raise(…)` reads well.
 * The first error stays, unless weir_error_clear is called. The record of a fiber that failed is
 * copied into the context that it was started in.
 *
 * code     below 0
 * ...      printf format and values; the text is made during the call, in the context's memory
 * returns  `code`, also when the record could not be made
 * context  fiber; does not wait
 */
#define weir_raise(c, code, ...) weir_raise_at(WEIR_HERE, (c), (code), 0, __VA_ARGS__)
/** The function behind weir_raise and weir_fail. `status` 0 means none. */
WEIR_API weir_err weir_raise_at(const weir_site *site, weir_ctx *c, weir_err code, int status,
                                const char *format, ...) WEIR_PRINTF(5, 6) WEIR_NONNULL(2, 5);

/**
 * The context's own error record, not its parent's; NULL while there is none. Borrowed from the
 * context, whose end is its own.
 */
WEIR_API const weir_error *weir_last_error(weir_ctx *c) WEIR_NONNULL(1);

/** Forgets the error record: it has been dealt with. */
WEIR_API void weir_error_clear(weir_ctx *c) WEIR_NONNULL(1);

#ifdef __cplusplus
}
#endif
#endif
