/*
 * The processor: all that C cannot say, once for each that Weir knows. A variant is a header and an
 * .S file of the same name; what they offer is the same:
 *
 *   weir__ticks            its counter: a tenth of the clock's price, and some 1 to 5 a nanosecond
 *   weir__pause            in a loop that waits for another processor
 *   weir__load_fence       loads before it are made before those after it
 *   weir__stack_pointer    of the caller
 *   weir__system_call      four arguments; the result or -errno, and no cancellation point
 *   weir__machine_*        the registers that a signal has interrupted
 *   WEIR__SWITCH_*         what weir__switch leaves on a stack, in words from its stack pointer
 *   WEIR__CATCH_*          what weir__try_raw keeps in a recovery point, in words
 *
 * Everywhere a frame begins with the caller's frame pointer and the return address, and a stack is
 * aligned to 16 bytes.
 */
#ifndef WEIR_OS_ARCH_H
#define WEIR_OS_ARCH_H

#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#if defined __x86_64__
#include "os/arch_x86_64.h"
#elif defined __aarch64__
#include "os/arch_aarch64.h"
#else
#error "Weir knows x86-64 and aarch64"
#endif

/* Stores the stack pointer of the present stack, and goes on where `to_sp` was stored. */
void weir__switch(void **save_sp, void *to_sp);

/* Where a stack of weir__switch_begin begins: calls its function, and ends every unwind. */
void weir__fiber_entry(void);

/*
 * A stack that ends at `hi`, 16-byte aligned, as if it had been left: who switches to the result
 * begins `fn`, which must not return.
 */
static inline void *weir__switch_begin(char *hi, void (*fn)(void))
{
    void **sp = (void **)(void *)hi - WEIR__SWITCH_WORDS;
    for (size_t i = 0; i < WEIR__SWITCH_WORDS; i++)
        sp[i] = NULL;
    sp[WEIR__SWITCH_PC] = (void *)(uintptr_t)weir__fiber_entry;
    sp[WEIR__SWITCH_FN] = (void *)(uintptr_t)fn;
    return sp;
}

#endif
