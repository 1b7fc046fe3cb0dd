/*
 * One thing that goes wrong in one run: which, and afterwards where that was. Its text is the seed
 * that replays it: "wait 3", "gone 2", "allocation 17", "call 5 ECONNRESET",
 * "refusal 2", "order 0.1.2", "random 42".
 */
#ifndef WEIR_TESTING_FAULT_H
#define WEIR_TESTING_FAULT_H

#include "testing/testing.h"

enum weir__fault_kind {
    WEIR__FAULT_NONE,
    WEIR__FAULT_WAIT,       /* the context of the n-th wait is cancelled */
    WEIR__FAULT_GONE,       /* the client vanishes at the n-th wait */
    WEIR__FAULT_ALLOCATION, /* the n-th allocation fails */
    WEIR__FAULT_CALL,       /* the n-th system call fails */
    WEIR__FAULT_REFUSAL,    /* the n-th limit is reached */
    WEIR__FAULT_ORDER,      /* of those that are ready, these go first */
    WEIR__FAULT_RANDOM,     /* … any, by seed */
    WEIR__FAULT_KINDS
};

enum { WEIR__TURNS_MAX = 64, WEIR__READY_MAX = 8, WEIR__FAULT_STACK = 24 };

struct weir__fault {
    enum weir__fault_kind kind;
    uint64_t nth;   /* of waits, allocations, calls, limits; the seed of a random order */
    unsigned which; /* of the call's errors, where none is given */
    int err;        /* of the call; 0: by `which` */
    uint8_t turns[WEIR__TURNS_MAX];
    unsigned turn_count; /* that are given; after them the first */

    /* What came of it. */
    bool has_hit;                   /* there was such a wait, allocation, call */
    bool is_last_error;             /* the call has no further one */
    const char *what;               /* it was */
    uint8_t ready[WEIR__TURNS_MAX]; /* how many were ready at each turn that had a choice */
    unsigned turns_taken;
    void *stack[WEIR__FAULT_STACK];
    int depth;
};

/* From now on it is in wait for the calling thread; until disarmed. */
void weir__fault_arm(struct weir__fault *f, weir_test *t);
void weir__fault_disarm(weir_test *t);

/* The seed, and back: false when the text is none. */
void weir__fault_print(const struct weir__fault *f, weir_buf *out);
bool weir__fault_parse(const char *text, struct weir__fault *f);

/* Where it was, a line for each frame. */
void weir__fault_tell_where(const struct weir__fault *f, weir_buf *out);

/*
 * The order after `f` in a walk through all of them, depth first: false when there is none. `f` has
 * run.
 */
bool weir__fault_next_order(struct weir__fault *f);

#endif
