/*
 * What the sanitizers are told when a fiber's stack is left for another: out of line, since hardly
 * any program has one, and the switch is what everything waits through.
 */
#include "rt/switch.h"

#include <string.h>

/*
 * ThreadSanitizer keeps a signal that comes while code computes for the next function of the C
 * library that it stands in for, and keeps it with the fiber, whose next one may be long after: so
 * here is one.
 */
__attribute__((no_sanitize("thread"))) static void take_signals(void)
{
    static size_t (*volatile const any)(const char *) = strlen;
    (void)any("");
}

/*
 * Not instrumented: ThreadSanitizer would note its call on the stack that is left, and its return
 * on the one that is gone to.
 */
__attribute__((no_sanitize("thread"))) void weir__switch_leaves(struct weir__worker *w,
                                                                struct weir__fiber *from,
                                                                struct weir__fiber *to)
{
    if (weir__has_asan()) {
        void **fake = from != NULL ? &from->asan_fake_stack : &w->asan_fake_stack;
        if (to != NULL)
            __sanitizer_start_switch_fiber(fake, to->stack_lo,
                                           (size_t)(to->stack_hi - to->stack_lo));
        else
            __sanitizer_start_switch_fiber(fake, w->asan_stack, w->asan_stack_size);
    }
    if (weir__has_tsan()) {
        take_signals();
        __tsan_switch_to_fiber(to != NULL ? to->tsan_fiber : w->tsan_fiber, 0);
    }
}

void weir__switch_arrives(struct weir__worker *w, struct weir__fiber *f)
{
    if (weir__has_asan())
        __sanitizer_finish_switch_fiber(f != NULL ? f->asan_fake_stack : w->asan_fake_stack, NULL,
                                        NULL);
}
