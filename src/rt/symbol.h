/*
 * Names for return addresses: "function at file:line", from the debug information where there is
 * any. Slow (it reads files): for reports only.
 */
#ifndef WEIR_RT_SYMBOL_H
#define WEIR_RT_SYMBOL_H

#include <weir/buf.h>

/*
 * Appends the name of the code at `pc` (a return address) to `out`; "module+0x1234" where nothing
 * is known. Any thread.
 */
void weir__symbolise(void *pc, weir_buf *out);

/*
 * Gives back the descriptors and the memory that names were found by; the next question takes them
 * again. Any thread.
 */
void weir__symbols_forget(void);

#endif
