/*
 * Deadlocks inside a tree of contexts, seen from what fibers wait for: it is the wait's type that
 * knows who can end a wait (`is_stuck` in wait.h), and the object that knows whether others may.
 * The search is above (watch.h).
 */
#ifndef WEIR_RT_DEADLOCK_H
#define WEIR_RT_DEADLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct weir__ctx;
struct weir__fiber;

/* True when `f`, a fiber of the calling worker or another's, works in the tree below `top`. */
bool weir__deadlock_is_in(const struct weir__fiber *f, const struct weir__ctx *top);

/*
 * The tree that the calling fiber works in has handed something of its own to others (data to
 * detached work, an element to a channel of the application's context): they may hold a pointer to
 * what it waits for, so nothing can be said of it any more.
 */
void weir__deadlock_give_up(void);

/* The same for `object_top`, the tree in which an object was made, when another tree uses that. */
void weir__deadlock_note_use(struct weir__ctx *object_top);

#endif
