/*
 * The switch between stacks, with what the sanitizers must be told about it: from a worker into a
 * fiber, back, and from one fiber directly to another.
 */
#ifndef WEIR_RT_SWITCH_H
#define WEIR_RT_SWITCH_H

#include "rt/worker.h"

#if defined(__SANITIZE_ADDRESS__)
#define WEIR__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEIR__ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define WEIR__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEIR__TSAN 1
#endif
#endif

#ifdef WEIR__ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef WEIR__TSAN
#include <sanitizer/tsan_interface.h>
#endif

void weir__switch(void **save_sp, void *to_sp);
void weir__fiber_entry(void);

/* The worker's side: runs `f` until it parks or ends. */
static inline void weir__switch_to_fiber(struct weir__worker *w, struct weir__fiber *f)
{
#ifdef WEIR__ASAN
    __sanitizer_start_switch_fiber(&w->asan_fake_stack, f->stack_lo,
                                   (size_t)(f->stack_hi - f->stack_lo));
#endif
#ifdef WEIR__TSAN
    __tsan_switch_to_fiber(f->tsan_fiber, 0);
#endif
    weir__switch(&w->sched_sp, f->sp);
#ifdef WEIR__ASAN
    __sanitizer_finish_switch_fiber(w->asan_fake_stack, NULL, NULL);
#endif
}

/* Called first thing on a fiber's stack, at its very beginning and after each return to it. */
static inline void weir__switch_arrived(struct weir__fiber *f)
{
    (void)f;
#ifdef WEIR__ASAN
    __sanitizer_finish_switch_fiber(f->asan_fake_stack, NULL, NULL);
#endif
}

/* From a fiber back to its worker's own stack; returns when the fiber is resumed. */
static inline void weir__switch_to_worker(struct weir__worker *w, struct weir__fiber *f)
{
#ifdef WEIR__ASAN
    __sanitizer_start_switch_fiber(&f->asan_fake_stack, w->asan_stack, w->asan_stack_size);
#endif
#ifdef WEIR__TSAN
    __tsan_switch_to_fiber(w->tsan_fiber, 0);
#endif
    weir__switch(&f->sp, w->sched_sp);
    weir__switch_arrived(f);
}

/* From a fiber to another of the same worker; returns when the first is resumed. */
static inline void weir__switch_between(struct weir__fiber *from, struct weir__fiber *to)
{
#ifdef WEIR__ASAN
    __sanitizer_start_switch_fiber(&from->asan_fake_stack, to->stack_lo,
                                   (size_t)(to->stack_hi - to->stack_lo));
#endif
#ifdef WEIR__TSAN
    __tsan_switch_to_fiber(to->tsan_fiber, 0);
#endif
    weir__switch(&from->sp, to->sp);
    weir__switch_arrived(from);
}

#endif
