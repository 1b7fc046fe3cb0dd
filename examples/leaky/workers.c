/*
 * Threads: of a worker that is never given to others, of a pool whose calls never end.
 */
#include "leaky.h"

#include <stdatomic.h>
#include <time.h>

__attribute__((noinline)) static int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* L09: a loop that computes and lets nobody else run. */
__attribute__((noinline)) static void computes(int64_t ms)
{
    for (int64_t end = clock_ms() + ms; clock_ms() < end;) /* L09 is here */
        ;
}
weir_err worker_never_given(weir_ctx *c)
{
    computes(300);
    return weir_text(c, 200, "that took a while\n");
}

/* Done right: it offers its place in each turn. */
weir_err worker_given(weir_ctx *c)
{
    weir_err err = WEIR_OK;
    for (int64_t end = clock_ms() + 300; clock_ms() < end && err == WEIR_OK;)
        err = weir_checkpoint(c);
    return err < 0 ? err : weir_text(c, 200, "that took a while, and nobody minded\n");
}

/* L33: work for a thread that has no end. */
static weir_err works_for_ever(void *stop)
{
    const struct timespec step = {.tv_nsec = 1000000};
    while (!atomic_load((atomic_bool *)stop))
        nanosleep(&step, NULL);
    return WEIR_OK;
}
static void interrupts(void *stop)
{
    atomic_store((atomic_bool *)stop, true);
}
weir_err thread_never_ended(weir_ctx *c)
{
    atomic_bool stop = false;
    weir_err err = weir_offload(c, works_for_ever, &stop, .interrupt = interrupts);
    return err < 0 ? err : weir_check(c);
}

/* Done right: work that ends by itself. */
static weir_err works(void *unused)
{
    (void)unused;
    return WEIR_OK;
}
weir_err thread_ended(weir_ctx *c)
{
    weir_err err = weir_offload(c, works, NULL);
    return err < 0 ? err : weir_text(c, 200, "worked\n");
}
