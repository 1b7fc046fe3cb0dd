/*
 * Deadlocks inside a tree of contexts: all fibers of a request (or of detached work) wait, and each
 * for something that only these fibers can move. Such a tree is found within some tenths of a
 * second, reported by name, counted, and cancelled with WEIR_REASON_DEADLOCK.
 *
 * It is the wait's type that knows who can end a wait: `is_stuck` in wait.h. A type without it is
 * one that something outside may end: a descriptor, a timer, a thread, another worker.
 */
#ifndef WEIR_RT_DEADLOCK_H
#define WEIR_RT_DEADLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct weir__ctx;
struct weir__fiber;
struct weir__timer;
struct weir__worker;

/* Arms the search if fibers wait and something has run since the last one. By the worker's loop. */
void weir__deadlock_plan(struct weir__worker *w);

/* The worker's timer for it: looks at some of its fibers at a time. */
void weir__deadlock_on_search(struct weir__timer *t);

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
