/*
 * Names for return addresses: "function at file:line", from the debug information where there is
 * any. Slow for an address that was not asked for before (it reads files): for reports only.
 */
#ifndef WEIR_OS_SYMBOL_H
#define WEIR_OS_SYMBOL_H

#include <weir/buf.h>

/*
 * Appends the name of the code at `pc` (a return address) to `out`; "module+0x1234" where nothing
 * is known, or no memory to find it in. Any thread.
 */
void weir__symbolise(void *pc, weir_buf *out);

/* Appends "module+0x1234", which addr2line takes; "0x1234" outside of all modules. Signal-safe. */
void weir__symbol_raw(void *pc, weir_buf *out);

/*
 * As weir__symbolise, in a copy of the process that has this thread alone: whatever the others were
 * doing to what is kept here, it is not used.
 */
void weir__symbolise_anew(void *pc, weir_buf *out);

/*
 * Appends "inner at a.c:1 < outer at b.c:2 < …" for `n` return addresses, fewer where a NULL ends
 * them, each named by `name` (one of the above, and as safe as that is). `is_interrupted`: the
 * first is the interrupted instruction itself, not a return address.
 */
void weir__symbolise_stack(void (*name)(void *pc, weir_buf *out), void *const *pcs, size_t n,
                           bool is_interrupted, weir_buf *out);

/*
 * Gives back the descriptors and the memory that names were found by; the next question takes them
 * again. Any thread.
 */
void weir__symbols_forget(void);

#endif
