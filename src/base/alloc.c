/*
 * The heap's door: counts per thread, planned failures for tests. The counters are plain
 * thread-local integers, because a hot request makes no allocation at all and a cold one can pay
 * for an increment; they never touch another thread's line.
 */
#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>

static _Thread_local struct weir__alloc_stats stats;
static _Thread_local uint64_t fail_countdown;

static _Thread_local void (*tell_planned)(size_t size);

__attribute__((noinline, cold)) static bool count_down(size_t size)
{
    if (--fail_countdown != 0)
        return false;
    if (tell_planned != NULL)
        tell_planned(size);
    errno = ENOMEM; /* as the allocator does */
    return true;
}

static inline bool planned_failure(size_t size)
{
    return WEIR_UNLIKELY(fail_countdown != 0) && count_down(size);
}

void *weir__malloc(size_t size)
{
    if (planned_failure(size))
        return NULL;
    stats.allocs++;
    return malloc(size);
}

void *weir__calloc(size_t count, size_t size)
{
    if (planned_failure(count * size))
        return NULL;
    stats.allocs++;
    return calloc(count, size);
}

void *weir__realloc(void *p, size_t size)
{
    if (planned_failure(size))
        return NULL;
    if (p == NULL)
        stats.allocs++;
    return realloc(p, size);
}

void *weir__memalign(size_t align, size_t size)
{
    if (planned_failure(size))
        return NULL;
    stats.allocs++;
    void *p = NULL;
    return posix_memalign(&p, align, size) == 0 ? p : NULL;
}

void weir__free(void *p)
{
    if (p == NULL)
        return;
    stats.frees++;
    free(p);
}

struct weir__alloc_stats weir__alloc_stats(void)
{
    return stats;
}

void weir__alloc_fail_nth(uint64_t nth)
{
    fail_countdown = nth;
}

bool weir__alloc_pretend(void)
{
    return planned_failure(0);
}

void weir__alloc_tell_planned(void (*told)(size_t size))
{
    tell_planned = told;
}
