/*
 * What a cell of the matrix counts before and after its runs: everything that a request may have
 * taken and that must have come back. All counts are exact but the last one.
 */
#ifndef WEIR_MATRIX_MEASURE_H
#define WEIR_MATRIX_MEASURE_H

#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "net/pool.h"
#include "rt/offload.h"
#include "rt/runtime.h"
#include "rt/sim.h"

enum count {
    COUNT_DESCRIPTORS,    /* of the process: /proc/self/fd */
    COUNT_WATCHED,        /* sockets of the simulation that the worker watches */
    COUNT_FIBERS,         /* live ones */
    COUNT_CONTEXTS,       /* live ones */
    COUNT_DETACHED,       /* background work that runs */
    COUNT_OFFLOADED,      /* calls of the general pool that run or are queued */
    COUNT_TIMERS,         /* armed */
    COUNT_LEASES,         /* in use, of all pools */
    COUNT_OWNED,          /* things of the application's and of the worker's context */
    COUNT_OBJECTS,        /* of the heap: allocations less frees (base/alloc.h) */
    COUNT_BYTES_KEPT,     /* of the arenas of those two contexts */
    COUNT_BYTES_DATABASE, /* that SQLite has taken: statements, rows, cursors */
    COUNT_PAGES,          /* resident */
    COUNTS
};

static const char *const count_names[COUNTS] = {
    "descriptors",      "watched sockets", "fibers",         "contexts",     "detached",
    "offloaded calls",  "timers",          "leases",         "owned things", "objects",
    "bytes of context", "bytes of SQLite", "resident pages",
};

/*
 * Resident memory is for what the exact counts do not see: stacks and slabs, which are mapped, not
 * allocated. The heap keeps dirty pages as it likes, so the bound is 1 MiB over a thousand runs: a
 * stack that was lost in each of them would show as 4 MiB at least, while 16 bytes lost in each
 * would not. Those are the objects' business, which are counted to the last one.
 */
#define PAGES_MAX 256

struct measure {
    int64_t n[COUNTS];
};

static int64_t count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int64_t n = -1; /* the one that is being read */
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;)
        n += e->d_name[0] != '.';
    if (dir != NULL)
        closedir(dir);
    return n;
}

static int64_t count_pages(void)
{
    long all = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL || fscanf(f, "%ld %ld", &all, &resident) != 2)
        resident = -1;
    if (f != NULL)
        fclose(f);
    return resident;
}

static int64_t list_length(const struct weir__list *list)
{
    int64_t n = 0;
    for (const struct weir__list *at = list->next; at != list; at = at->next)
        n++;
    return n;
}

/* But for the worker's own two, which come and go with how busy it has been. */
static int64_t count_timers(const struct weir__worker *w)
{
    int64_t n = 0;
    for (int level = 0; level < WEIR__WHEEL_LEVELS; level++) {
        for (int slot = 0; slot < WEIR__WHEEL_SLOTS; slot++)
            n += list_length(&w->wheel.slots[level][slot]);
    }
    return n - weir__timer_armed(&w->trim) - weir__timer_armed(&w->sweep);
}

static void add_leases(const weir_pool_stats *stats, void *sum)
{
    *(int64_t *)sum += (int64_t)stats->in_use;
}

static int64_t count_leases(void)
{
    int64_t sum = 0;
    weir__pool_each(add_leases, &sum);
    return sum;
}

static int64_t count_offloaded(const struct weir__runtime *rt)
{
    struct weir__offload_stats s = weir__offload_stats(rt->offload);
    return (int64_t)(s.busy + s.queued);
}

/* The counts that cost nothing, which every run looks at. */
static void measure_quickly(struct measure *m)
{
    const struct weir__worker *w = weir__self;
    const struct weir__ctx *app = w->runtime->app;
    m->n[COUNT_WATCHED] = (int64_t)weir__sim_watched();
    m->n[COUNT_FIBERS] = (int64_t)weir__fiber_total(w->runtime);
    m->n[COUNT_CONTEXTS] = (int64_t)atomic_load(&w->stats.contexts);
    m->n[COUNT_DETACHED] = (int64_t)atomic_load(&w->stats.detached);
    m->n[COUNT_OFFLOADED] = count_offloaded(w->runtime);
    m->n[COUNT_LEASES] = count_leases();
    m->n[COUNT_OWNED] = list_length(&app->owned) + list_length(&w->root->owned);
}

static void measure(struct measure *m)
{
    const struct weir__worker *w = weir__self;
    struct weir__alloc_stats heap = weir__alloc_stats();
    measure_quickly(m);
    m->n[COUNT_TIMERS] = count_timers(w);
    m->n[COUNT_DESCRIPTORS] = count_descriptors();
    m->n[COUNT_OBJECTS] = (int64_t)(heap.allocs - heap.frees);
    m->n[COUNT_BYTES_KEPT] =
        (int64_t)(w->runtime->app->arena.bytes_used + w->root->arena.bytes_used);
    m->n[COUNT_BYTES_DATABASE] = (int64_t)sqlite3_memory_used();
    m->n[COUNT_PAGES] = count_pages();
}

#endif
