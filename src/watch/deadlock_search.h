/*
 * Deadlocks inside a tree of contexts: all fibers of a request (or of detached work) wait, and each
 * for something that only these fibers can move. Such a tree is found within some tenths of a
 * second, reported by name, counted, and cancelled with WEIR_REASON_DEADLOCK.
 *
 * It is the wait's type that knows who can end a wait: `is_stuck` in rt/wait.h. A type without it
 * is one that something outside may end: a descriptor, a timer, a thread, another worker.
 */
#ifndef WEIR_WATCH_DEADLOCK_SEARCH_H
#define WEIR_WATCH_DEADLOCK_SEARCH_H

struct weir__worker;

/*
 * Arms the worker's timer `deadlock` if fibers wait and something has run since the last search. By
 * its loop.
 */
void weir__deadlock_plan(struct weir__worker *w);

/* When that is due: looks at some of its fibers at a time. */
void weir__deadlock_search(struct weir__worker *w);

#endif
