/* See the header. */
#include "http/h2/inbox.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

#define FIRST_CAP 1024u

static bool make_room(struct weir__h2_inbox *in, size_t n)
{
    WEIR_ASSERT(in->at <= in->len && in->len <= in->cap,
                "H10: what has come and is unread lies in its buffer");
    if (in->at == in->len)
        in->at = in->len = 0;
    if (in->cap - in->len >= n)
        return true;
    if (in->at > 0) {
        memmove(in->bytes, in->bytes + in->at, in->len - in->at);
        in->len -= in->at;
        in->at = 0;
    }
    size_t cap = in->cap > 0 ? in->cap : FIRST_CAP;
    while (cap - in->len < n)
        cap *= 2;
    char *grown = cap > in->cap ? weir__realloc(in->bytes, cap) : in->bytes;
    if (grown == NULL)
        return false;
    in->bytes = grown;
    in->cap = (uint32_t)cap;
    return true;
}

bool weir__h2_inbox_add(struct weir__h2_inbox *in, weir_str bytes)
{
    if (bytes.len == 0)
        return true;
    if (!make_room(in, bytes.len))
        return false;
    WEIR_ASSERT(bytes.len <= in->cap - in->len, "H10: what comes has room");
    memcpy(in->bytes + in->len, bytes.ptr, bytes.len);
    in->len += (uint32_t)bytes.len;
    return true;
}

void weir__h2_inbox_pass(struct weir__h2_inbox *in, size_t n)
{
    WEIR_ASSERT(n <= weir__h2_inbox_left(in), "H10: what is read has come");
    in->at += (uint32_t)n;
}

size_t weir__h2_inbox_drop(struct weir__h2_inbox *in)
{
    size_t left = weir__h2_inbox_left(in);
    WEIR_ASSERT((in->bytes != NULL) == (in->cap > 0), "H10: what was made room for is its own");
    weir__free(in->bytes);
    *in = (struct weir__h2_inbox){.bytes = NULL};
    return left;
}
