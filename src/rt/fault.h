/*
 * CPU faults in application code (a null dereference, a stack overflow) as panics of one fiber:
 * opt-in, and only when it is certain that nothing but that fiber's own frames was at work.
 */
#ifndef WEIR_RT_FAULT_H
#define WEIR_RT_FAULT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Installs the handlers for SIGSEGV, SIGBUS and SIGFPE (not under sanitizers, which must report
 * themselves).
 */
void weir__fault_install(bool contain);

/* The thread's own signal stack; none under sanitizers and valgrind. */
void weir__fault_enter_thread(void);
void weir__fault_leave_thread(void);

/* Faults contained so far. */
uint64_t weir__fault_total(void);

/* For tests: `told` is called before a fault that is not contained ends the process; NULL: none. */
void weir__fault_tell_last(void (*told)(void));

#endif
