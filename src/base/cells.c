/*
 * Cells of threads. The table of threads is static, so that a worker's start cannot fail by it and
 * readers need no lock; what of it no thread has used is never touched. Pages are made by the
 * thread that adds, and are never freed: the next thread that takes the place goes on adding to
 * them.
 *
 * The one hard thing is the change of hands: a plain load and store are right only while one thread
 * does them, so a place is given back with release and taken with acquire (I10).
 *
 * Limits: 256 threads, 8,128 cells.
 */
#include "base/cells.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/counter.h"

static struct weir__cells threads[WEIR__CELLS_THREADS];
static _Atomic size_t
    threads_used; /* places in `threads` that were ever taken: the first so many */
static _Atomic uint32_t cells_given = WEIR__CELLS_A_PAGE;
_Thread_local struct weir__cells *weir__cells_mine;

void weir__cells_enter(void)
{
    for (size_t i = 0; i < WEIR__CELLS_THREADS && weir__cells_mine == NULL; i++) {
        bool is_taken = atomic_load_explicit(&threads[i].is_taken, memory_order_relaxed);
        if (!is_taken &&
            atomic_compare_exchange_strong_explicit(&threads[i].is_taken, &is_taken, true,
                                                    memory_order_acquire, memory_order_relaxed))
            weir__cells_mine = &threads[i];
    }
    size_t used = weir__cells_mine != NULL ? (size_t)(weir__cells_mine - threads) + 1 : 0;
    size_t before = atomic_load_explicit(&threads_used, memory_order_relaxed);
    while (before < used &&
           !atomic_compare_exchange_weak_explicit(&threads_used, &before, used,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

void weir__cells_leave(void)
{
    struct weir__cells *mine = weir__cells_mine;
    if (mine == NULL)
        return;
    WEIR_ASSERT(atomic_load_explicit(&mine->is_taken, memory_order_relaxed), "I10: they are taken");
    weir__cells_mine = NULL;
    atomic_store_explicit(&mine->is_taken, false, memory_order_release);
}

uint32_t weir__cell_new(void)
{
    uint32_t cell = atomic_load_explicit(&cells_given, memory_order_relaxed);
    do {
        if (cell == WEIR__CELLS_A_PAGE * WEIR__CELLS_PAGES)
            return 0;
    } while (!atomic_compare_exchange_weak_explicit(&cells_given, &cell, cell + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    return cell;
}

_Atomic uint64_t *weir__cell_make(uint32_t cell)
{
    struct weir__cells *mine = weir__cells_mine;
    if (mine == NULL || cell == 0)
        return NULL;
    _Atomic uint64_t *part = weir__cell_of(cell);
    if (part != NULL)
        return part;
    _Atomic uint64_t *page = weir__memalign(64, WEIR__CELLS_A_PAGE * sizeof *page);
    if (page == NULL)
        return NULL;
    for (size_t i = 0; i < WEIR__CELLS_A_PAGE; i++)
        atomic_init(&page[i], 0);
    atomic_store_explicit(&mine->pages[cell / WEIR__CELLS_A_PAGE], page, memory_order_release);
    return &page[cell % WEIR__CELLS_A_PAGE];
}

void weir__cell_each(uint32_t cell, void (*see)(uint64_t part, void *arg), void *arg)
{
    size_t used = atomic_load_explicit(&threads_used, memory_order_relaxed);
    for (size_t i = 0; i < used; i++) {
        _Atomic uint64_t *page = atomic_load_explicit(&threads[i].pages[cell / WEIR__CELLS_A_PAGE],
                                                      memory_order_acquire);
        if (page != NULL)
            see(atomic_load_explicit(&page[cell % WEIR__CELLS_A_PAGE], memory_order_acquire), arg);
    }
}

static void add(uint64_t part, void *arg)
{
    *(uint64_t *)arg += part;
}

uint64_t weir__cell_sum(uint32_t cell)
{
    uint64_t sum = 0;
    weir__cell_each(cell, add, &sum);
    return sum;
}
