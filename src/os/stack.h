/*
 * Fiber stacks: slots of address space in large slabs, each with a guard below. Virtual size is
 * free, touched pages are what counts; they are given back when a slot has been used deeply, and
 * when it is put away.
 */
#ifndef WEIR_OS_STACK_H
#define WEIR_OS_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR__STACK_SLOT (384u << 10)  /* bytes of address space a stack, its guard included */
#define WEIR__STACK_GUARD (160u << 10) /* what one frame must cross untouched to be missed */
#define WEIR__STACK_SLAB_SLOTS 64      /* 24 MiB of address space at a time */
#define WEIR__STACK_WARM (16u << 10) /* bytes at the top whose pages a slot keeps between fibers */

struct weir__stack_slot;

struct weir__stack {
    char *lo, *hi;   /* usable bytes */
    bool has_canary; /* no guard was to be had: what lies at `lo` tells of an overflow */
    struct weir__stack_slot *slot;
};

/* Takes a slot; false: the machine refuses address space. */
bool weir__stack_take(struct weir__stack *s);

/*
 * Gives up to WEIR__STACK_SLAB_SLOTS slots back; their pages return to the machine, those of
 * neighbours with one system call. `s` is put in order, and empty afterwards.
 */
void weir__stack_give(struct weir__stack *s, size_t n);

/*
 * Gives the pages below the warm part back if they were touched since the last call. Returns the
 * depth used in bytes.
 */
size_t weir__stack_cool(const struct weir__stack *s);

/*
 * Gives all pages of a taken slot back and hides it: who touches it faults, and `owner` is found by
 * the address. False where the kernel cannot do that; what was in the slot may be lost all the
 * same.
 */
bool weir__stack_hide(const struct weir__stack *s, void *owner);

/* The hidden slot's bytes are there again, zeroed. Signal-safe. */
void weir__stack_show(const struct weir__stack *s);

/*
 * True when `addr` lies in the usable bytes of a slot that could be hidden. Signal-safe, from any
 * thread.
 */
bool weir__stack_has(const void *addr);

/* Who hid that slot; NULL: it is not hidden. Signal-safe, from any thread. */
void *weir__stack_hidden_owner(const void *addr);

/* True where slots can be hidden, as far as is known. */
bool weir__stack_can_hide(void);

/* True when the canary of an unguarded stack is overwritten: it has overflown. */
bool weir__stack_smashed(const struct weir__stack *s);

/* True when `addr` lies in the guard below this stack. */
bool weir__stack_in_guard(const struct weir__stack *s, const void *addr);

struct weir__stack_stats {
    uint64_t slots;     /* of all slabs */
    uint64_t unguarded; /* slots whose guard could not be had: only their canary is checked */
    const char *guard;  /* of new slots: "guard regions", "mprotect", "canary" */
};
struct weir__stack_stats weir__stack_stats(void);

#endif
