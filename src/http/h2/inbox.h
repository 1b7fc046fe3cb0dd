/*
 * Bytes of a body that have come on a stream, and that nobody has read yet: one piece of the heap,
 * which grows up to what the windows allow. Zeroed it is empty. Owned by its stream.
 */
#ifndef WEIR_HTTP_H2_INBOX_H
#define WEIR_HTTP_H2_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/str.h>

#include "base/assert.h"

struct weir__h2_inbox {
    char *bytes;
    uint32_t at, len, cap; /* those before `at` were read */
};

/* How many are there. */
static inline uint32_t weir__h2_inbox_left(const struct weir__h2_inbox *in)
{
    WEIR_ASSERT(in->at <= in->len, "H10: what is read has come");
    return in->len - in->at;
}

/* The first of them; not when there are none. */
static inline char *weir__h2_inbox_first(const struct weir__h2_inbox *in)
{
    WEIR_ASSERT(in->at < in->len, "H10: there is a first where there is one");
    return in->bytes + in->at;
}

/* More have come. May move what is there. False: no memory, and all is as it was. */
WEIR_MUST_USE bool weir__h2_inbox_add(struct weir__h2_inbox *in, weir_str bytes);

/* The first `n` of those that are there were read. */
void weir__h2_inbox_pass(struct weir__h2_inbox *in, size_t n);

/* Frees it; how many nobody has read. */
size_t weir__h2_inbox_drop(struct weir__h2_inbox *in);

#endif
