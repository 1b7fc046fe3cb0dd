/*
 * Memory whose use after its end is a fault, for tests: while the trap is on, what contexts and
 * connections give back is made untouchable, and its addresses are not used again. So a string that
 * was kept past its request can never read another client's bytes; it faults where it is read.
 *
 * Costs two system calls and at least a page for each piece: not for service.
 */
#ifndef WEIR_BASE_TRAP_H
#define WEIR_BASE_TRAP_H

#include <stdbool.h>
#include <stddef.h>

/* Set once, by weir__trap_start; read on the way of every chunk. */
extern bool weir__trap_is_on;

/* Before there are other threads. False: there is no room in the address space. */
bool weir__trap_start(void);

/* Bytes of their own pages; NULL: no memory. */
void *weir__trap_take(size_t size);

/* Nobody touches them any more. */
void weir__trap_give(void *p, size_t size);

/* True for addresses that weir__trap_take has handed out, ended or not. Any thread, any time. */
bool weir__trap_holds(const void *p);

#endif
