/*
 * The lock of objects that several workers share. Held for a few instructions, never across a
 * wait: so it spins a little and then gives the processor away.
 */
#ifndef WEIR_OS_LOCK_H
#define WEIR_OS_LOCK_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/sanitizer.h"
#include "os/arch.h"

struct weir__lock {
    atomic_bool is_taken;
};

static inline void weir__lock_init(struct weir__lock *l)
{
    atomic_init(&l->is_taken, false);
}

static inline void weir__lock_take(struct weir__lock *l)
{
    for (int spins = 0; atomic_exchange_explicit(&l->is_taken, true, memory_order_acquire);
         spins++) {
        while (atomic_load_explicit(&l->is_taken, memory_order_relaxed)) {
            if (++spins % 64 == 0)
                sched_yield();
            weir__pause();
        }
    }
    weir__takes_over(l);
}

/* False: somebody has it. */
static inline bool weir__lock_try(struct weir__lock *l)
{
    if (atomic_exchange_explicit(&l->is_taken, true, memory_order_acquire))
        return false;
    weir__takes_over(l);
    return true;
}

static inline void weir__lock_give(struct weir__lock *l)
{
    weir__hands_over(l);
    atomic_store_explicit(&l->is_taken, false, memory_order_release);
}

#endif
