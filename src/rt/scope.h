/*
 * Contexts that the code of a fiber opens, and the frames that they are opened in. A scope is one
 * whose block joins it on every way out (WEIR_SCOPE, WEIR_WITH): while it is open the locals of its
 * frame and of older ones are there, so its fibers may be given them. Nothing else may: a frame can
 * be left before the fibers of a plain context have ended.
 *
 * Two ways out run no clean-up in time, and are looked after here: a panic, and a longjmp.
 */
#ifndef WEIR_RT_SCOPE_H
#define WEIR_RT_SCOPE_H

#include "rt/worker.h"

struct weir__catch;

/* Its opener's lists know it no more: it ends. */
void weir__scope_forget(struct weir__ctx *c);

/* The fiber ends; what it opened below other fibers' contexts is theirs from now on. */
void weir__scope_orphan(struct weir__fiber *f);

/*
 * Misuse, told in the name of `function`, unless what `arg` points to lives as long as `c`. Told by
 * address: a local of a frame that a scope of `c`, or above it, was opened in, or of an older
 * frame; or no local.
 */
void weir__refuse_short_lived(const struct weir__ctx *c, const void *arg, const char *function);

/* The same as an answer. */
bool weir__is_short_lived(const struct weir__ctx *c, const void *arg);

/* Does it lie on the running fiber's stack? */
bool weir__is_local(const void *p);

/*
 * A panic begins: the fibers of all contexts that the running fiber has opened after `seq` are
 * cancelled and joined, while their frames are still there. Waits.
 */
void weir__scope_join_since(uint64_t seq);

/*
 * The frames that were entered after `seq` are gone, by a panic or by returning. Scopes that are
 * open all the same were left without their clean-up: they are ended here, beside what is left of
 * their frames. True: a longjmp has left one, opened at `*site`. Waits.
 */
bool weir__scope_left_since(uint64_t seq, const weir_site **site);

/* What is said of it. */
#define WEIR__SCOPE_LEFT                                                                           \
    "its block was left by a longjmp, so that nothing was joined or given back: return from it, "  \
    "or weir_panic inside of a weir_protect"

/* Misuse if a block was left by a longjmp. Before the fiber lets others run. */
void weir__scope_must_be_in(const struct weir__fiber *f, const void *sp);
static inline __attribute__((always_inline)) void weir__scope_check(const struct weir__fiber *f)
{
    if (WEIR_UNLIKELY(f->scope != NULL))
        weir__scope_must_be_in(f, __builtin_frame_address(0));
}

/*
 * WEIR_OK, or why a wait in `c` must not begin: then it has been refused (wait.h). In the public
 * function itself, whose frame tells whether a block was left by a longjmp.
 */
static inline __attribute__((always_inline)) weir_err weir__may_wait(struct weir__ctx *c)
{
    const struct weir__fiber *f = weir__self->current;
    if (f != NULL)
        weir__scope_check(f);
    weir_err err = weir__ctx_check_fast(c);
    return WEIR_LIKELY(err == WEIR_OK) ? WEIR_OK : weir__wait_refused(err);
}

#endif
