/*
 * The switch between stacks, with what the sanitizers must be told about it. Four places switch: a worker into a fiber
 * and back, and the two ends of each.
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
static inline void weir__switch_arrived(struct weir__worker *w, struct weir__fiber *f)
{
    (void)w, (void)f;
#ifdef WEIR__ASAN
    const void *bottom;
    __sanitizer_finish_switch_fiber(f->asan_fake_stack, &bottom, &w->asan_stack_size);
    w->asan_stack = (void *)(uintptr_t)bottom;
#endif
}

/* The fiber's side: back to the worker's own stack; returns when the fiber is resumed. */
static inline void weir__switch_to_worker(struct weir__worker *w, struct weir__fiber *f)
{
#ifdef WEIR__ASAN
    __sanitizer_start_switch_fiber(&f->asan_fake_stack, w->asan_stack, w->asan_stack_size);
#endif
#ifdef WEIR__TSAN
    __tsan_switch_to_fiber(w->tsan_fiber, 0);
#endif
    weir__switch(&f->sp, w->sched_sp);
    weir__switch_arrived(w, f);
}

#endif
