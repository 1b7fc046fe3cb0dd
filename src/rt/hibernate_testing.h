/*
 * Hibernation in tests: who does it, how long that takes, and whether a stack's pages are there.
 */
#ifndef WEIR_RT_HIBERNATE_TESTING_H
#define WEIR_RT_HIBERNATE_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>

#include "os/stack.h"
#include "rt/hibernate.h"
#include "rt/sim.h"
#include <weir/fiber.h>

static inline uint64_t hibernating(void)
{
    return atomic_load(&weir__self->stats.fibers_hibernating);
}

/*
 * Long enough for all that wait to hibernate; the fiber that calls it sleeps in pieces, and does
 * not.
 */
static inline void pass_time(weir_ctx *c)
{
    for (int i = 0; i < 8; i++)
        assert_int_equal(weir_sleep(c, weir_sec(5)), WEIR_OK);
}

static inline bool is_resident(const struct weir__fiber *f)
{
    unsigned char pages[WEIR__STACK_SLOT / 4096];
    size_t size = WEIR__STACK_SLOT - WEIR__STACK_GUARD;
    bool any = false;
    assert_int_equal(mincore(f->stack_lo, size, pages), 0);
    for (size_t i = 0; i < size / 4096; i++)
        any = any || (pages[i] & 1) != 0;
    return any;
}

static inline bool can_hibernate(void)
{
    struct weir__stack s;
    if (weir__stack_take(&s)) /* what the kernel can is known by the first */
        weir__stack_give(&s, 1);
    if (weir__hibernate_obstacle() == NULL)
        return true;
    print_message("skipped: %s\n", weir__hibernate_obstacle());
    return false;
}

#endif
