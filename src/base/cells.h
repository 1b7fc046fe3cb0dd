/*
 * Numbers that many threads add to, each to one of its own: a cell is a number's place in every
 * worker's pages, and its value is the sum. Adding is a relaxed load and a relaxed store, as with
 * counter.h, without the memory of all workers for what one of them counts: a page of cells is made
 * when a worker first adds to one of it.
 *
 * Threads without cells (those that are no workers, more workers than there is room for, no memory)
 * add atomically elsewhere: who owns the number says where.
 */
#ifndef WEIR_BASE_CELLS_H
#define WEIR_BASE_CELLS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WEIR__CELLS_THREADS = 256, /* that have cells at a time */
    WEIR__CELLS_A_PAGE = 64,
    WEIR__CELLS_PAGES = 128 /* the first is never made: no cell has the number 0 */
};

/* A thread's cells. I10: only the thread that has taken them writes them. */
struct weir__cells {
    _Atomic(_Atomic uint64_t *) pages[WEIR__CELLS_PAGES];
    atomic_bool is_taken;
};

/* Those of the calling thread; NULL: it has none. */
extern _Thread_local struct weir__cells *weir__cells_mine;

/* Gives the calling thread cells, if there are any left, and takes them back: what was added stays.
 * Any number of times. */
void weir__cells_enter(void);
void weir__cells_leave(void);

/* The number of a new cell, there for ever; 0: none is left. Any thread. */
uint32_t weir__cell_new(void);

/* The calling thread's part of a cell; NULL: it has none, or its page is not made yet. */
static inline _Atomic uint64_t *weir__cell_of(uint32_t cell)
{
    struct weir__cells *mine = weir__cells_mine;
    if (__builtin_expect(mine == NULL, 0))
        return NULL;
    _Atomic uint64_t *page =
        atomic_load_explicit(&mine->pages[cell / WEIR__CELLS_A_PAGE], memory_order_relaxed);
    return __builtin_expect(page != NULL, 1) ? &page[cell % WEIR__CELLS_A_PAGE] : NULL;
}

/* The same, and makes the page; NULL: the thread has no cells, the number is 0, or no memory. */
_Atomic uint64_t *weir__cell_make(uint32_t cell);

/* Calls `see` with each thread's part of a cell that is there. Any thread, while others add. */
void weir__cell_each(uint32_t cell, void (*see)(uint64_t part, void *arg), void *arg);

/* The sum of all parts. */
uint64_t weir__cell_sum(uint32_t cell);

#endif
