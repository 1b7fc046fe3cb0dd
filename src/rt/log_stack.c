/*
 * Stacks in log lines: of panics, stalls, deadlocks, leaks and last words. The text is made on the
 * caller's own stack, since some of those callers may not allocate. Limits: 3,000 bytes of names.
 */
#include "rt/log_stack.h"

#define TEXT_BYTES_MAX 3000

void weir__log_stack(struct weir__log_line *l, void (*name)(void *pc, weir_buf *out),
                     void *const *pcs, size_t n, bool is_interrupted)
{
    char bytes[TEXT_BYTES_MAX];
    weir_buf text;
    weir_buf_init_fixed(&text, bytes, sizeof bytes);
    weir__symbolise_stack(name, pcs, n, is_interrupted, &text);
    weir__log_str(l, "stack", weir_buf_str(&text));
}
